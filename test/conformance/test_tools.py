"""The property: what modules use to look at types, build rows and arrays, and follow transactions and portals answers in the
host as in a real server, on generated arguments (BGW_TEST_SEED, printed; a fixed one without)."""

import os

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def tools(space, action, seed, **more):
    seed = int(os.environ.get("BGW_TEST_SEED", seed))
    print(f"BGW_TEST_SEED={seed}")
    transcripts = run_both(space, "probe_tools", f"w {action}:{seed} flag", EXITED, postmaster=False, **more)
    agree(transcripts)
    assert transcripts[1]["w"][-1] == ("LOG", "probe: done")


def test_types(space):
    """What lsyscache and format_type say of every type of the server's."""
    tools(space, "types", 20010301)


def test_tuples(space):
    """Descriptors, heap and minimal tuples, byte for byte, tuple stores."""
    tools(space, "tuples", 20010302)


def test_arrays(space):
    """Slices, subscripts, offsets and bounds of arrays of every shape."""
    tools(space, "arrays", 20010303)


def test_transactions(space):
    """What a module is told of its transaction, snapshots and portals, and of portals that their transaction outlives."""
    tools(space, "transactions", 20010304)


def test_port(space):
    """Paths, sorting, words, addresses and dates of the small functions."""
    tools(space, "port", 20010305)
