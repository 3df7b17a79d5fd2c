"""The property: a value of any type that is built in memory means the same to a module in the host as in a real server.

Values are generated from a seed (BGW_TEST_SEED, printed; a fixed one without), fetched, looked at in every way SPI has,
and sent back as parameters.
"""

import os

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def values(space, action):
    def during(daemon):
        daemon.log.wait_for(EXITED, 80)

    transcripts = run_both(space, "probe_values", f"w {action} db", EXITED, during=during)
    agree(transcripts)
    assert any("finish" in text for _, text in transcripts[0]["w"]), "the module did not come to its end"
    for level, text in transcripts[1]["w"]:
        assert "DIFFERS" not in text and "came back" not in text, text


def test_generated_values(space):
    seed = int(os.environ.get("BGW_TEST_SEED", "20000101"))
    print(f"BGW_TEST_SEED={seed}")
    values(space, f"generated:{seed}")


def test_large_values(space):
    """64 MB of text, 64 MB of bytes, a million elements, 100,000 digits, and nothing at all."""
    values(space, "large")


def test_own_types(space):
    """Enums, row types, domains in arrays and rows, citext, and what becomes of them when they are altered."""
    seed = int(os.environ.get("BGW_TEST_SEED", "20000102"))
    print(f"BGW_TEST_SEED={seed}")
    values(space, f"own_types:{seed}")


def test_own_ranges(space):
    """Ranges and multiranges over user's types and collations, and text that a module has a range read from."""
    values(space, "ranges")


def test_type_cache(space):
    """lookup_type_cache() says of every built-in type, and of a user's, what it says in the server."""
    values(space, "type_cache")


def test_row_descriptors(space):
    """Row descriptors of relations and types."""
    values(space, "descriptors")


def test_oid_aliases(space):
    """regclass and its kin are OIDs, whatever the search path makes of their names."""
    values(space, "aliases")
