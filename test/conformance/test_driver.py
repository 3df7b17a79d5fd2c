"""The driver itself: a host with a planted deviation is caught, at its row and at no other, and so is a faulty map."""

import json
import os
import shutil
import subprocess
import sys

import driver
import harness
import rows
from compare import PLANT

PLANTS = os.path.join(harness.BUILD, "test", "plants")


def table_with(space, only, plant=None):
    """Runs the driver over some tests; returns its exit status and row → the word of the table."""
    results = os.path.join(space.folder, "results")
    environment = {**os.environ, "BGW_CONFORMANCE_RESULTS": results}
    if plant:
        # where the host's user can read it
        environment[PLANT] = shutil.copy(os.path.join(PLANTS, f"plant_{plant}.so"), space.folder)
    done = subprocess.run([sys.executable, driver.__file__, "--only", only], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    words = {}
    for line in done.stdout.splitlines():
        parts = line.split()
        if len(parts) > 1 and parts[0] in rows.page():
            words[parts[0]] = parts[1]
    assert words, done.stdout
    return done.returncode, words, done.stdout


SOME = r"^conformance\.(registration\.(refused_reg|order_of_checks)|lifecycle\.(main_returns|proc_exit_1_never|smart_shut))"


def test_nothing_planted(space):
    status, words, text = table_with(space, SOME)
    assert status == 0, text
    assert set(words.values()) == {"same"}, text


def test_planted_message(space):
    """One message has another wording: its row differs, the eleven beside it do not."""
    status, words, text = table_with(space, r"^conformance\.registration\.refused_reg", "message")
    assert status == 1, text
    assert [row for row, word in words.items() if word != "same"] == ["CHK-03"], text
    assert words["CHK-03"] == "differs" and len(words) > 5, text
    assert "invalid restart interval" in text and "unusual restart interval" in text, text


def test_planted_exit_status(space):
    """A host that ends with another status: only the row about the status differs."""
    status, words, text = table_with(space, r"^conformance\.lifecycle\.(fast_shutdown|smart_shutdown)", "exit_status")
    assert status == 1, text
    assert [row for row, word in words.items() if word != "same"] == ["SD-06"], text
    assert words["SD-06"] == "differs", text


def map_of(**changes):
    page = {row: rows.Row(row, "given", "seen", "V") for row in ("A-01", "A-02", "A-03")}
    parts = {"page": page, "entries": {"A-02a": rows.Entry("A-02a", "A-02", "different")},
             "tests": {"x": ("x", {"shows": {"A-01": "."}, "differs": {}}),
                       "y": ("y", {"shows": {}, "differs": {"A-02a": "."}})},
             "excused": {"A-03": "It cannot be seen from anywhere."}}
    parts.update(changes)
    return driver.complaints_about_map(**parts)


def test_map():
    """What is wrong between the page, the list of differences and the checks is told, each thing by itself."""
    assert map_of() == []
    assert ["A-03 has no check" in told for told in map_of(excused={})] == [True]
    more = {"z": ("z", {"shows": {"A-09": "."}, "differs": {}})}
    tests = {"x": ("x", {"shows": {"A-01": "."}, "differs": {}}), "y": ("y", {"shows": {}, "differs": {"A-02a": "."}})}
    assert ["A-09, which docs/conformance.md does not have" in t for t in map_of(tests={**tests, **more})] == [True]
    unlisted = {"z": ("z", {"shows": {}, "differs": {"A-01": "."}})}
    assert ["A-01, which docs/differences.md does not have" in t for t in map_of(tests={**tests, **unlisted})] == [True]
    unproved = {"x": tests["x"], "y": ("y", {"shows": {"A-02": "."}, "differs": {}})}
    assert ["A-02a of docs/differences.md has no test" in t for t in map_of(tests=unproved)] == [True]
    assert ["A-01 has a check, and" in t for t in
            map_of(excused={"A-03": "It cannot be seen from anywhere.", "A-01": "Nor can this one be."})] == [True]


def recorder(server, host, shows=None, differs=None):
    made = rows.Recorder("a.b.c", {"shows": shows or {}, "differs": differs or {}})
    made.compared(server, host)
    return made


def verdicts(made, failure=None):
    return {(row, entry): verdict for row, entry, verdict, *_ in made.verdicts(failure)}


def test_verdicts():
    one, other = ["w|LOG: a", "w|LOG: b"], ["w|LOG: a", "w|LOG: c"]
    assert verdicts(recorder(one, one, {"A-01": "a"})) == {("A-01", ""): "same"}
    assert verdicts(recorder(one, other, {"A-01": "a", "A-02": "[bc]"}), rows.Difference("b")) == {
        ("A-01", ""): "same", ("A-02", ""): "differs"}
    # a row that nothing shows, a difference that no row names, a test that ends otherwise
    assert verdicts(recorder(one, one, {"A-01": "nothing"})) == {("A-01", ""): "failed"}
    assert verdicts(recorder(one, other, {"A-01": "a"}), rows.Difference("b")) == {("A-01", ""): "failed"}
    assert verdicts(recorder(one, one, {"A-01": "a"}), AssertionError("x")) == {("A-01", ""): "failed"}
    # a listed difference is one, or is wrong
    assert verdicts(recorder(one, other, {"A-01": "a"}, {"A-02a": "[bc]"})) == {
        ("A-01", ""): "same", ("A-02", "A-02a"): "differs"}
    assert verdicts(recorder(one, one, {}, {"A-02a": "b"})) == {("A-02", "A-02a"): "failed"}


def test_result_file(space):
    folder = os.path.join(space.folder, "results")
    recorder(["w|LOG: a"], ["w|LOG: a"], {"A-01": "a"}).write(None, folder)
    with open(os.path.join(folder, "a.b.c.json"), encoding="utf-8") as f:
        assert json.load(f)["verdicts"][0][:3] == ["A-01", "", "same"]
