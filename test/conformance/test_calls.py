"""The property: functions of the server's that need no session answer in the host as in a real server, on generated
arguments (BGW_TEST_SEED, printed; a fixed one without)."""

import os

from compare import agree, run_both

EXITED = r'background worker "\w+" \(PID \d+\) exited with exit code'


def calls(space, action, seed, workers=("w",), **more):
    seed = int(os.environ.get("BGW_TEST_SEED", seed))
    print(f"BGW_TEST_SEED={seed}")
    transcripts = run_both(space, "probe_calls", ";".join(f"{worker} {action}:{seed} flag" for worker in workers), EXITED,
                           during=lambda daemon: daemon.log.wait_for(EXITED, count=len(workers)), postmaster=False, **more)
    agree(transcripts)
    for worker in workers:
        assert transcripts[1][worker][-1] == ("LOG", "probe: done"), worker


def test_names_and_words(space):
    """Lists of names, paths and settings, quoting, case."""
    calls(space, "names", 20010101)


def test_paths(space):
    calls(space, "paths", 20010102)


def test_numbers(space):
    """Numbers as text and from text, numeric's C interface, random numbers from a seed."""
    calls(space, "numbers", 20010103)


def test_bytes(space):
    """Hashes, compression, base64, hexadecimal, checksums, and the texts of errors and signals."""
    calls(space, "bytes", 20010104, settings={"probe_calls.database": "postgres"})  # a transaction is needed


def test_times(space):
    """Time zones of every form at ordinary and extreme times, dates, intervals."""
    calls(space, "times", 20010105)


ENCODINGS = ("UTF8", "LATIN1", "EUC_JP", "SQL_ASCII")


def test_encodings(space):
    """Lengths, clipping, verifying and converting in databases of several encodings, for all encodings."""
    calls(space, "encodings", 20010106, [encoding.lower() for encoding in ENCODINGS], settings={"probe_calls.database": "each"},
          sql=[f"CREATE DATABASE {encoding.lower()} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'" for encoding in ENCODINGS])
