"""The property: a value of any type that is built in memory means the same to a module in the host as in a real server.

Values are generated from a seed (BGW_TEST_SEED, printed; a fixed one without), fetched, looked at in every way SPI has,
and sent back as parameters.
"""

import os
import shutil
import subprocess

from compare import agree, run_both
from harness import DEADLINE

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def values(space, action, module="probe_values"):
    def during(daemon):
        daemon.log.wait_for(EXITED, 4 * DEADLINE)

    transcripts = run_both(space, module, f"w {action} db", EXITED, during=during)
    agree(transcripts)
    assert any("finish" in text for _, text in transcripts[0]["w"]), "the module did not come to its end"
    for level, text in transcripts[1]["w"]:
        assert "DIFFERS" not in text and "came back" not in text, text
    return transcripts[1]["w"]


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


# The characters that amounts are written with, in UTF-8: localedef takes a second to read the encoding whole.
CHARACTERS = """<code_set_name> UTF-8
<comment_char> %
<escape_char> /
<mb_cur_min> 1
<mb_cur_max> 6
CHARMAP
<U0000>..<U007F> /x00 ASCII
<U00A0>..<U00BF> /xc2/xa0 LATIN-1
<U00C0>..<U00FF> /xc3/x80 LATIN-1
<U2000>..<U203F> /xe2/x80/x80 PUNCTUATION
<U20AC> /xe2/x82/xac EURO SIGN
END CHARMAP
"""


def make_locales(folder, names):
    """Locales that write money as those do, for servers that are started with LOCPATH=folder."""
    os.mkdir(folder, 0o755)
    characters = os.path.join(folder, "characters")
    with open(characters, "w") as file:
        file.write(CHARACTERS)
    os.symlink("/usr/lib/locale/C.utf8", os.path.join(folder, "C.utf8"))
    making = []
    for name in names:
        source = os.path.join(folder, f"{name}.source")
        with open(source, "w") as file:
            file.write(f'LC_MONETARY\ncopy "{name}"\nEND LC_MONETARY\n')
        making.append(subprocess.Popen(["localedef", "--no-hard-links", "-c", "-i", source, "-f", characters, os.path.join(folder, f"{name}.UTF-8")],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for process, name in zip(making, names):
        process.wait(DEADLINE)
        shutil.copy("/usr/lib/locale/C.utf8/LC_CTYPE", os.path.join(folder, f"{name}.UTF-8"))


def test_money(space, monkeypatch):
    """Amounts as different countries write them: the signs, separators, groups and places are the server's locale's."""
    locales = ["C"]
    if os.path.exists("/usr/share/i18n/locales/de_DE"):
        names = ("de_DE", "is_IS", "zh_HK", "de_CH")
        make_locales(os.path.join(space.folder, "locales"), names)
        monkeypatch.setenv("LOCPATH", os.path.join(space.folder, "locales"))
        locales += [f"{name}.UTF-8" for name in names]
    said = values(space, f"money:{'+'.join(locales)}")
    if len(locales) > 1:
        assert any("-1.234.567.890,12 \u20ac" in text for _, text in said), "the locales have no effect"


def test_access_rights(space):
    """aclitem and what the catalogues keep of them; xml that a module reads."""
    values(space, "access_rights")


def test_records(space):
    """Rows without a named type: from every place that gives them, of columns of every type, nested and in arrays."""
    seed = int(os.environ.get("BGW_TEST_SEED", "20000103"))
    print(f"BGW_TEST_SEED={seed}")
    assert any("row 59" in text for _, text in values(space, f"records:{seed}")), "the module did not come to its end"


def test_own_changes(space):
    """A text that was used before means at once what the worker's own CREATE, ALTER or DROP has made of its names."""
    values(space, "own_changes")
    upstream = next(daemon for daemon in space.daemons if daemon.name == "upstream")
    assert not upstream.log.count(r"prepared statement .* (already exists|does not exist)")


def test_catalogued_values(space):
    """What the planner's statistics are kept in, functions whose name others have too, and bytes by the megabyte."""
    values(space, "everything", "probe_binary")
