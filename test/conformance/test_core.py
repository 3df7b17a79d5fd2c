"""The property: what every module stands on does in the host what it does in the server, on generated arguments (BGW_TEST_SEED,
printed; a fixed one without)."""

import os
import re

from compare import agree, run_both


def core(space, action, *seeds, **more):
    """Runs the action once for each seed, all at the same time, in workers w0, w1 and so on."""
    if "BGW_TEST_SEED" in os.environ:
        seeds = [int(os.environ["BGW_TEST_SEED"])]
    print(*(f"BGW_TEST_SEED={seed}" for seed in seeds))
    workers = "; ".join(f"w{i} {action}:{seed} flag" for i, seed in enumerate(seeds))

    def during(daemon):
        daemon.log.wait_for(r'background worker "w\d+" \(PID \d+\) (exited with exit code|was terminated)', count=len(seeds))

    transcripts = run_both(space, "probe_core", workers, r'background worker "w0" \(PID \d+\) exited with exit code', postmaster=False,
                           during=during, **more)
    for said in transcripts:
        for who, lines in said.items():
            said[who] = [(level, re.sub(r"(segment|space must be at least) \d+", r"\1 N", text)) for level, text in lines]
    agree(transcripts)
    for i in range(len(seeds)):
        assert ("LOG", "probe: done") in transcripts[1][f"w{i}"]


def test_units(space):
    """Numbers with units, whole and real, read by parse_int and parse_real."""
    core(space, "units", 20030101)


def test_settings(space):
    """Custom variables of every type with hooks, set from every source in every context, and undone level by level."""
    core(space, "settings", 1, 2, 4, 20030102)


def test_owners(space):
    """Resource owners: their callbacks, and in which order segments and descriptors are let go."""
    core(space, "owners", 20030103, 5)


def test_memory(space):
    """Memory contexts of all kinds: trees, callbacks, sizes, and what is refused."""
    core(space, "memory", 20030104, 6)


def test_pieces(space):
    """Distances between texts, settings in arrays and in shared memory, query environments."""
    core(space, "pieces", 20030105)


def test_tables(space):
    """Hash tables of every kind: entering, removing, scanning, freezing, partitions, changed keys."""
    core(space, "tables", 20030106, 7)


def test_calls(space):
    """Functions called by pointer, OID and FmgrInfo, with nulls, strictness and errors; input and output functions."""
    core(space, "calls", 20030107)


def test_timeouts(space):
    """Timeouts: what fires in which order, what is said of them, and how many there can be."""
    core(space, "timeouts", 20030108)


def test_areas(space):
    """Dynamic areas: pieces of every size, limits, errors; and the hash tables that live in them."""
    core(space, "areas", 20030109, 8)
