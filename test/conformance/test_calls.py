"""The property: functions of the server's that need no session answer in the host as in a real server, on generated
arguments (BGW_TEST_SEED, printed; a fixed one without)."""

import os

import pytest
from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def calls(space, action, seed, **more):
    seed = int(os.environ.get("BGW_TEST_SEED", seed))
    print(f"BGW_TEST_SEED={seed}")
    transcripts = run_both(space, "probe_calls", f"w {action}:{seed} flag", EXITED, postmaster=False, **more)
    agree(transcripts)
    assert transcripts[1]["w"][-1] == ("LOG", "probe: done")


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


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "EUC_JP", "SQL_ASCII"])
def test_encodings(space, encoding):
    """Lengths, clipping, verifying and converting in databases of several encodings, for all encodings."""
    calls(space, "encodings", 20010106, settings={"probe_calls.database": encoding.lower()},
          sql=f"CREATE DATABASE {encoding.lower()} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
