#!/usr/bin/python3
"""Makes the table of conformance: for each row of docs/conformance.md, whether a real server and the host do the same.

usage: driver.py [--only REGEX] [--fresh]

Every test that names rows (see rows.py) leaves what it saw in BUILD/test/conformance. Tests whose result is missing, or
older than what it depends on, are run first; after a whole run of CTest there are none. The table is printed and
written to BUILD/test/conformance/table.txt. The exit status is 1 when

- a row differs and docs/differences.md does not say so, or an entry there describes no difference,
- a check could not be completed,
- a row of the page has neither a check nor a reason why it cannot have one, or a check names a row that is not there.

--only REGEX  the table of the tests whose names match, and nothing about rows that they do not name
--fresh       runs every test, whether there is a result or not
"""

import argparse
import glob
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
for path in (HERE, os.path.join(os.path.dirname(HERE), "system")):
    sys.path.insert(0, path)
import harness  # noqa: E402
import rows  # noqa: E402
from not_applicable import NOT_APPLICABLE  # noqa: E402

TEST = os.path.dirname(HERE)


def checks():
    """name → (pytest's id, marks) of the tests that name rows."""
    found = {}
    for path in sorted(glob.glob(os.path.join(TEST, "*", "test_*.py"))):
        stem = os.path.splitext(os.path.basename(path))[0] + "_as_read"
        if os.path.basename(os.path.dirname(path)) not in ("conformance", "system"):
            continue
        spec = importlib.util.spec_from_file_location(stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, function in vars(module).items():
            if name.startswith("test_") and getattr(function, "__module__", "") == stem and hasattr(function, "conformance"):
                found[rows.name_of(path, name)] = (f"{path}::{name}", function.conformance)
    return found


def complaints_about_map(page, entries, tests, excused):
    """What is wrong with who checks what, as sentences; needs no run."""
    told = []
    checked = {row for _, marks in tests.values() for row in marks["shows"]}
    proved = {entry for _, marks in tests.values() for entry in marks["differs"]}
    checked_or_proved = checked | {rows.row_of(entry) for entry in proved}
    for name, (_, marks) in tests.items():
        for row in marks["shows"]:
            if row not in page:
                told.append(f"{name} is a check of {row}, which docs/conformance.md does not have")
        for entry in marks["differs"]:
            if entry not in entries:
                told.append(f"{name} proves the difference {entry}, which docs/differences.md does not have")
    for row in page:
        if row not in checked_or_proved and row not in excused:
            told.append(f"{row} has no check: mark a paired test with it, or say in not_applicable.py why there is none")
        if row in checked_or_proved and row in excused and row not in entries:
            told.append(f"{row} has a check, and not_applicable.py says that it cannot have one")
    for entry in entries.values():
        if entry.row not in page:
            told.append(f"docs/differences.md lists {entry.id}, and docs/conformance.md has no row {entry.row}")
        if entry.id not in proved and entry.id not in excused:
            told.append(f"the difference {entry.id} of docs/differences.md has no test that proves it")
        if entry.id in proved and entry.id in excused and entry.id not in page:
            told.append(f"the difference {entry.id} has a test, and not_applicable.py says that it cannot have one")
    for name, reason in excused.items():
        if name not in page and name not in entries:
            told.append(f"not_applicable.py excuses {name}, which is neither a row nor a difference")
        if len(reason.split()) < 5:
            told.append(f"not_applicable.py gives no reason for {name}")
    return told


def result_path(name):
    return os.path.join(rows.folder(), name + ".json")


def newest_input():
    """The time of the newest thing that a result depends on."""
    files = [os.path.join(harness.BUILD, "bin", "bgworkerd"), *glob.glob(os.path.join(harness.BUILD, "test/lib/probe*.so")),
             *glob.glob(os.path.join(HERE, "*.py")), os.path.join(TEST, "system", "harness.py")]
    return max(os.path.getmtime(file) for file in files if os.path.exists(file))


def read(name):
    try:
        with open(result_path(name), encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def run(names, tests):
    """Runs some tests, two at a time; what they say themselves is shown only for those that left no result."""
    def one(name):
        return name, subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-c", os.path.join(TEST, "pytest.ini"), tests[name][0]],
            cwd=TEST, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    with ThreadPoolExecutor(2) as pool:
        for name, done in pool.map(one, names):
            if read(name) is None:
                print(f"{name} left no result:\n{done.stdout[-4000:]}")


def judge(tests, page):
    """row → {"verdicts": [(test, entry, verdict, why, server, host)]}, and what failed without touching a row."""
    judged = {row: [] for row in page}
    told = []
    for name in tests:
        result = read(name)
        if result is None:
            told.append(f"{name} has no result")
            continue
        for row, entry, verdict, why, server, host in result["verdicts"]:
            judged.setdefault(row, []).append((name, entry, verdict, why, server, host))
        if not result["passed"]:
            told.append(f"{name} failed: {result['failure'].splitlines()[0] if result['failure'] else ''}")
    return judged, told


def sides(server, host):
    """What one has and the other has not, or both whole when only the order is different."""
    mine, other = [e for e in server if e not in host], [e for e in host if e not in server]
    if not mine and not other:
        mine, other = server, host
    return ([f"  server: {e}" for e in mine[:4]] or ["  server: nothing"]) + \
           ([f"  host:   {e}" for e in other[:4]] or ["  host:   nothing"])


def verdict_of(row, found, excused):
    """(the word for the table, the lines below it, whether that is wrong)."""
    if not found:
        if row in excused:
            return "not applicable", [excused[row]], False
        return "no check", [], True
    lines, wrong, listed = [], False, []
    for name, entry, verdict, why, server, host in found:
        if verdict == "same":
            continue
        if verdict == "differs" and entry:
            listed.append(entry)
        else:
            wrong = True
        lines.append(f"{name}{' proves ' + entry if entry else ''}: {why or verdict}")
        if verdict == "differs":
            lines += sides(server, host)
    if any(verdict == "differs" and not entry for _, entry, verdict, *_ in found):
        return "differs", lines, True
    if wrong:
        return "failed", lines, True
    if listed:
        return f"differs, as listed ({', '.join(sorted(set(listed)))})", lines, False
    return "same", [], False


def table(page, judged, excused, only_rows=None):
    """(the text, word → rows, whether anything is wrong)."""
    out, count, wrong = [], {}, False
    for row in page:
        if only_rows is not None and row not in only_rows:
            continue
        word, lines, bad = verdict_of(row, judged.get(row, []), excused)
        wrong = wrong or bad
        count.setdefault(word.split(",")[0], []).append(row)
        tests = sorted({name for name, *_ in judged.get(row, [])})
        out.append(f"{row:<9} {word:<15} {', '.join(tests)}".rstrip())
        for line in lines:
            head = " " * 10 + (re.match(r" *", line).group(0))
            out += textwrap.wrap(line.replace("\n", "\\n").replace("\t", " "), 160, initial_indent=head,
                                 subsequent_indent=head + "  ", max_lines=4)
    return "\n".join(out) + "\n", count, wrong


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="REGEX")
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args(arguments)

    page, entries, tests = rows.page(), rows.deliberate(), checks()
    told = [] if options.only else complaints_about_map(page, entries, tests, NOT_APPLICABLE)
    if options.only:
        tests = {name: test for name, test in tests.items() if re.search(options.only, name)}
    limit = newest_input()
    stale = [name for name in tests if options.fresh or (read(name) or {"started": 0})["started"] < limit]
    for name in stale:
        if os.path.exists(result_path(name)):
            os.unlink(result_path(name))
    run(stale, tests)
    judged, failures = judge(tests, page)
    only_rows = {row for row, found in judged.items() if found} if options.only else None
    text, count, wrong = table(page, judged, NOT_APPLICABLE, only_rows)
    summary = ", ".join(f"{len(names)} {word}" for word, names in sorted(count.items(), key=lambda c: -len(c[1])))
    text += f"\n{sum(map(len, count.values()))} rows: {summary}\n"
    for sentence in told + failures:
        text += f"wrong: {sentence}\n"
    os.makedirs(rows.folder(), exist_ok=True)
    with open(os.path.join(rows.folder(), "table.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    print(text, end="")
    return 1 if wrong or told or failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
