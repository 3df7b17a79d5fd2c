"""The rows of docs/conformance.md, the checks that show them, and what each check saw: the record behind the table.

A paired test (one module in a real server and in a host) names the rows that it shows, each with a regular expression
for the events that show it:

    @shows({"RST-01": r"exited with exit code 0", "RST-07": r"unregistering|exited"})
    def test_main_returns(space): ...

An event reads `WHO|SEVERITY: text`, with WHO a worker, `postmaster`, or `observed` (what the test itself saw from
outside). A row is `same` when the events that match are the same in both, in their order within each WHO, and there is
at least one. All other events of the test have to be the same as well, whether a row names them or not.

A deliberate difference has an entry in docs/differences.md, and exactly the events of that difference are named by

    @differs("X-04a", r"rows of the failed statement")

They must not be the same: an entry that describes no difference is as wrong as a difference without an entry.

Each test leaves one file with what it saw in BUILD/test/conformance; driver.py makes the table of them.
"""

import collections
import json
import os
import re
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "docs", "conformance.md")
DIFFERENCES = os.path.join(ROOT, "docs", "differences.md")

Row = collections.namedtuple("Row", "id given observable checked")
Entry = collections.namedtuple("Entry", "id row text")

_ROW = re.compile(r"^\| ([A-Z]+-\d+) \| (.*)")
_ENTRY = re.compile(r"^\| (([A-Z]+-\d+)[a-z]?) \| (.*)")


class Difference(AssertionError):
    """The host did something else than the server."""


def cells(text):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", text)]


def page(path=PAGE):
    """id → Row, in the order of the page."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            match = _ROW.match(line)
            if match:
                given, observable, _, checked = cells(match.group(2))[:4]
                if match.group(1) in found:
                    raise ValueError(f"{path}: row {match.group(1)} is there twice")
                found[match.group(1)] = Row(match.group(1), given, observable, checked)
    return found


def deliberate(path=DIFFERENCES):
    """id → Entry of the deliberate differences. An id is that of its row, with a letter where a row has several."""
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            match = _ENTRY.match(line)
            if match:
                if match.group(1) in found:
                    raise ValueError(f"{path}: entry {match.group(1)} is there twice")
                found[match.group(1)] = Entry(match.group(1), match.group(2), cells(match.group(3))[0])
    return found


def row_of(entry):
    return entry.rstrip("abcdefghijklmnopqrstuvwxyz")


def name_of(path, function):
    """A test's name, as CTest has it."""
    group = os.path.splitext(os.path.basename(path))[0].removeprefix("test_")
    return f"{os.path.basename(os.path.dirname(path))}.{group}.{function.removeprefix('test_')}"


# --- what a test says of itself -------------------------------------------------------------------------------
def _marks(function):
    if not hasattr(function, "conformance"):
        function.conformance = {"shows": {}, "differs": {}}
    return function.conformance


def shows(rows):
    """Marks a test as a check of rows: {row: regular expression of the events that show it}."""
    def mark(function):
        _marks(function)["shows"].update(rows)
        return function
    return mark


def differs(entry, pattern):
    """Marks a test as the proof of a deliberate difference: the events that match are not the same."""
    def mark(function):
        _marks(function)["differs"][entry] = pattern
        return function
    return mark


# --- what a test saw --------------------------------------------------------------------------------------------
class Recorder:
    """What one test compares while it runs; there is at most one at a time (`current`)."""

    def __init__(self, test, marks):
        self.test = test
        self.shows = marks["shows"]
        self.differs = marks["differs"]
        self.server, self.host = [], []
        self.started = time.time()

    def compared(self, server, host):
        self.server += server
        self.host += host

    def deliberate(self, event):
        return any(re.search(pattern, event, re.S) for pattern in self.differs.values())

    def _sides(self, pattern):
        return tuple([event for event in events if re.search(pattern, event, re.S)]
                     for events in (self.server, self.host))

    def verdicts(self, failure):
        """[(row, entry or "", verdict, why, server's events, host's events)]; `failure` is the test's own exception."""
        found, excused = [], False
        for row, pattern in self.shows.items():
            server, host = ([e for e in events if not self.deliberate(e)] for events in self._sides(pattern))
            if server != host:
                found.append([row, "", "differs", "", server, host])
                excused = True
            elif not server and failure is None:
                found.append([row, "", "failed", f"nothing that happened matches {pattern!r}", [], []])
            else:
                found.append([row, "", "same", "", server, host])
        for entry, pattern in self.differs.items():
            server, host = self._sides(pattern)
            same = server == host
            found.append([row_of(entry), entry, "failed" if same else "differs",
                          "listed as different and the same" if same and failure is None else "", server, host])
        if failure is not None and not (excused and isinstance(failure, Difference)):
            for one in found:
                if one[2] == "same":
                    one[2:4] = "failed", str(failure).split("\n")[0][:300] or type(failure).__name__
        return found

    def write(self, failure, folder):
        verdicts = self.verdicts(failure)
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, self.test + ".json")
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"test": self.test, "started": self.started, "passed": failure is None,
                       "failure": str(failure)[:2000] if failure else "",
                       "verdicts": verdicts}, f, indent=1)
        os.rename(path + ".new", path)
        return verdicts


current = None


def folder():
    """Where results go: BGW_CONFORMANCE_RESULTS, or the build folder's test/conformance."""
    from harness import BUILD
    return os.environ.get("BGW_CONFORMANCE_RESULTS") or os.path.join(BUILD, "test", "conformance")


def render(transcript):
    """A transcript as a flat list of events."""
    return [f"{who}|{severity}: {text}" for who, lines in transcript.items() for severity, text in lines]


def compare(server, host):
    """Records both transcripts for the rows of the running test, and fails with the first difference that no entry of
    docs/differences.md explains."""
    server_events, host_events = render(server), render(host)
    if current is not None:
        current.compared(server_events, host_events)
    for who in server:
        expected, got = ([e for e in render({who: side[who]}) if current is None or not current.deliberate(e)]
                         for side in (server, host))
        for number, (one, other) in enumerate(zip(expected, got)):
            if one != other:
                raise Difference(f"{who}, event {number + 1}: the host gave\n  {other}\nand the server\n  {one}")
        if got != expected:
            raise Difference(f"{who}: the host gave {len(got)} events and the server {len(expected)}; left over: "
                             f"{got[len(expected):] or expected[len(got):]}")
