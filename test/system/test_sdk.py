"""The C++ SDK: one module file does in a real server and in the host what it says, and no object's destructor is ever
jumped over: each worker of probe_sdk counts its objects, and says at its end how many are left."""

import os
import re
import shutil
import signal
import subprocess

import harness
from harness import BUILD, SLOW, wait_until

DETAILS = ("DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY")


def daemons(space, run, settings=None):
    """A real server, then a host, with the probe's scenarios `run`. Sanitized builds give each an instrumented one."""
    more = {"probe_sdk.run": run, "max_worker_processes": 32, **(settings or {})}
    sanitized = os.path.exists(os.path.join(BUILD, "test", "lib", "probe_sdk_sanitized.so"))
    yield space.postgres("reference", settings={"shared_preload_libraries": "probe_sdk_undefined" if sanitized else "probe_sdk",
                                              **more}).start()
    upstream = space.postgres("upstream").start()
    yield space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_sdk_sanitized" if sanitized else "probe_sdk", **more}).start()


def said(daemon, worker):
    return [(level, text) for level, text in daemon.log.of(worker) if level in ("LOG", "ERROR", "FATAL", "WARNING") + DETAILS]


def end_of(worker, code=0):
    return rf"sdk: {worker} ends with {code}, 0 objects alive of "


def until_ended(daemon, worker, code=0):
    """Waits for the worker's last words; returns its lines."""
    daemon.log.wait_for(rf"sdk: {worker} ends with", 60 * SLOW)
    assert daemon.log.count(end_of(worker, code)), daemon.log.text()
    return said(daemon, worker)


def both(space, worker, code=0):
    """What a worker says in the server and in the host, which must be the same."""
    lines = [until_ended(daemon, worker, code) for daemon in daemons(space, worker)]
    assert lines[0] == lines[1]
    return [text for _, text in lines[0]]


def test_errors_become_exceptions(space):
    """All fields of an error arrive; destructors run; the worker goes on; a failing commit rolls back."""
    lines = both(space, "caught")
    assert lines[0].startswith("sdk: caught: P0099 raised 1 | the detail | the hint | PL/pgSQL function")
    assert "sdk: caught: 42601 syntax error at or near \"SELEC\" at 1 of SELEC 1" in lines
    assert lines[-3:] == ['sdk: commit: 23505 duplicate key value violates unique constraint "sdk_key" sdk_unique sdk_key',
                          "sdk: table is there: false", "sdk: caught ends with 0, 0 objects alive of some"]


def test_savepoints(space):
    """A failed statement is survived in a savepoint, and only there; results end with the level they were made in."""
    lines = both(space, "savepoints")
    assert lines == [
        "sdk: inside: 23502 column v", "sdk: refused: 25P02",
        "sdk: dead: a result is read after the end of the transaction or savepoint it belongs to", "sdk: kept 1",
        "sdk: kept 3", "sdk: outer 1", "sdk: order: a savepoint inside this one is open: end that one first",
        "sdk: commit: a savepoint is open: release it or let its scope end before commit()", "sdk: after rollback 2",
        "sdk: second: a transaction is open already", "sdk: ended: 25P01 the transaction has ended", "sdk: dead: 25000",
        "sdk: savepoints ends with 0, 0 objects alive of some"]


def test_types(space):
    """Every supported type arrives as it was sent; what cannot be read is refused with the column and the reason."""
    lines = both(space, "types")
    assert lines[0] == "sdk: true -2 -4 -8000000000 0.5 0.25 a text a name"
    assert lines[1:5] == ["sdk: false full", "sdk: true true 51h", "sdk: true", "sdk: true true true true"]
    assert 'sdk: refused: 42804 column 1 ("wide") is int8 (OID 20), which cannot be read as integer' in lines
    assert not [line for line in lines if "not refused" in line]
    assert sum(line.startswith("sdk: refused:") for line in lines) == 11


def test_statements(space):
    """Prepared statements, batches, cursors left early and cursors that fail."""
    lines = both(space, "statements")
    assert lines == ["sdk: 3 rows", "sdk: 1 is one", "sdk: 2 is two", "sdk: 3 is three", "sdk: 23505 words_pkey",
                     "sdk: 3 words", "sdk: 1234 rows, sum 761995", "sdk: left at row 25", "sdk: 22012 division by zero",
                     "sdk: 5 in a moved result", "sdk: statements ends with 0, 0 objects alive of some"]


def test_exceptions_become_reports(space):
    """What leaves a worker's function is reported with all its fields, ends it with code 1, and undoes its transaction."""
    workers = ["throws_server_error", "throws_own_error", "throws_standard", "throws_number"]
    seen = []
    for daemon in daemons(space, " ".join(workers)):
        seen.append([until_ended(daemon, worker, 1) for worker in workers])
        for worker in workers:
            daemon.log.wait_for(rf'background worker "{worker}" \(PID \d+\) exited with exit code 1')
        assert daemon.sql("SELECT to_regclass('sdk_must_not_stay') IS NULL") == "t"
    assert seen[0] == seen[1]
    assert seen[0][0][:3] == [("ERROR", "not caught"), ("DETAIL", "its detail"), ("HINT", "its hint")]
    assert seen[0][1][:4] == [("ERROR", "an error of the worker's own"), ("DETAIL", "with a detail"), ("HINT", "and a hint"),
                              ("CONTEXT", "while showing it")]
    assert seen[0][2][0] == ("ERROR", "a standard exception: 100%s")
    assert seen[0][3][0] == ("ERROR", "an exception that is not a std::exception left C++ code")


def test_exit(space):
    """worker::exit() runs the destructors, rolls back, and ends the worker with the code."""
    assert both(space, "exits") == ["sdk: exits ends with 0, 0 objects alive of some"]


def test_jumps(space):
    """20,000 random walks through layers of C++ above C above C++: each object of each layer is destroyed, whatever ends
    the layer, and the server's stacks and counts are as before."""
    assert both(space, "jumps") == ["sdk: true raised, true thrown, true handled, true came out, true cleaned",
                                    "sdk: jumps ends with 0, 0 objects alive of some"]


def test_callback_throws(space):
    """An exception in a callback of the server is the error of the commit that called it, and an exception there."""
    assert both(space, "callbacks") == ["sdk: callback: P0042 the callback objects | as it should |  | ",
                                        "sdk: stays: false", "sdk: callbacks ends with 0, 0 objects alive of some"]


def test_schema(space):
    """A schema goes through the steps it has not had, all or none of them; one of a newer module is left alone."""
    assert both(space, "schemas") == [
        "sdk: path pg_catalog, pg_temp", "sdk Schema: schema brought from version 0 to 1", "sdk: found 0", "sdk: upgrade: 22012 division by zero |  |  | SQL statement \"SELECT 1 / 0\"",
        "sdk: version 1 with 1",
        "sdk Schema: schema brought from version 1 to 3", "sdk: found 1", "sdk: found 3", "sdk: version 3 with 3",
        'sdk: upgrade: 55000 schema "sdk Schema" has version 3, this worker knows up to 2 |  | Use a newer version of the module sdk'
        " Schema. | ", "sdk: version 3 with 3", "sdk: schemas ends with 0, 0 objects alive of some"]


def test_attempt(space):
    """A part of a round that fails is logged with what it was, and the next one is done; what is told to stop begins nothing."""
    for daemon in daemons(space, "attempts"):
        daemon.log.wait_for(r"sdk: attempts ends with", 60 * SLOW)
        assert [text for _, text in said(daemon, "attempts") if text.startswith("sdk:")] == [
            "sdk: true false false true", "sdk: not an error of the server", "sdk: stopped by 22012", "sdk: false false",
            "sdk: attempts ends with 0, 0 objects alive of some"]
        assert daemon.log.count(r"WARNING:  division by zero") == 1 and daemon.log.count("sdk divides") == 1


def test_memory_does_not_grow(space):
    assert both(space, "endurance") == ["sdk: memory grows: false", "sdk: endurance ends with 0, 0 objects alive of some"]


def test_shared_state(space):
    """Two workers on one object: constructed once, no update lost, no lock kept by an error, no hold-off left."""
    for daemon in daemons(space, "locks"):
        for n in (1, 2):
            daemon.log.wait_for(end_of(f"locks {n}"))
        lines = [text for _, text in said(daemon, "locks")]
        assert lines.count("sdk: 22012 while the lock is held") == 2
        assert lines.count("sdk: hold-off 0") == 2
        assert lines.count("sdk: rounds 2007, errors 6") == 1


def test_parameters(space):
    """Values of every type, units, reload, and refusals: by range, by the validator, by a validator that throws."""
    seen = []
    for daemon in daemons(space, "parameters"):
        daemon.log.wait_for(r"sdk: number 5 flag true ratio 0.5 word standard naptime 1500ms space 2048 paint green")
        daemon.write_settings(**{"probe_sdk.number": "7", "probe_sdk.ratio": "0.25", "probe_sdk.word": "it's",
                                 "probe_sdk.naptime": "2s", "probe_sdk.space": "1GB", "probe_sdk.paint": "blue"})
        daemon.reload()
        daemon.log.wait_for(r"sdk: number 5 flag true ratio 0.5 word it's naptime 2s space 1048576 paint blue")
        daemon.log.wait_for(r'invalid value for parameter "probe_sdk.number": 7\n?')
        daemon.log.wait_for(r"DETAIL:  seven is refused")
        daemon.log.wait_for(r"DETAIL:  the check itself failed")
        daemon.write_settings(**{"probe_sdk.number": "11", "probe_sdk.ratio": "1.5"})
        daemon.reload()
        daemon.log.wait_for(r'11 is outside the valid range for parameter "probe_sdk.number" \(1 .. 10\)')
        daemon.log.wait_for(r'1.5 is outside the valid range for parameter "probe_sdk.ratio" \(0 .. 1\)')
        daemon.log.wait_for(r"sdk: number 5 flag true ratio 0.5 word it's", count=2)
        daemon.write_settings(**{"probe_sdk.number": "9", "probe_sdk.ratio": "1", "probe_sdk.flag": "off",
                                 "probe_sdk.paint": "mauve"})
        daemon.reload()
        daemon.log.wait_for(end_of("parameters"))
        seen.append(said(daemon, "parameters"))
        assert ("LOG", "sdk: number 9 flag false ratio 1 word it's naptime 2s space 1048576 paint blue") in seen[-1]
    assert seen[0] == seen[1]


def test_unknown_parameter_of_the_module(space):
    """The prefix is reserved: a mistyped parameter is told."""
    for daemon in daemons(space, "exits", {"probe_sdk.nmuber": "3"}):
        daemon.log.wait_for(r'invalid configuration parameter name "probe_sdk.nmuber"')


def test_flawed_workers_are_refused(space):
    """A worker that could not start is refused with the reason; the others run."""
    for daemon in daemons(space, "flawed"):
        daemon.log.wait_for(end_of("sound", 1))
        refusals = [re.search(r"(worker \".*)", line).group(1) for line in daemon.log.lines if "is not registered" in line]
        assert refusals == [
            'worker "" is not registered: the worker has no name',
            'worker "too early" is not registered: a worker that is started with the postmaster cannot have a database session',
            'worker "too late" is not registered: the restart interval is not from 0 s to 1000 days, nor bgworker::never']


def worker_pid(daemon, line):
    return int(daemon.log.wait_for(r"\[(\d+)\|[^]]*\] LOG:  " + line).group(1))


def test_stop_cancels_a_statement(space):
    """SIGTERM in the middle of a statement: it is cancelled at once, scopes end, no error is reported, and the worker is
    started again, as after SIGTERM any worker is that may be."""
    for daemon in daemons(space, "cancelled cancelled_and_cleans_up"):
        pid = worker_pid(daemon, "sdk: cancelled sleeps")
        other = worker_pid(daemon, "sdk: cancelled_and_cleans_up sleeps")
        wait_until(lambda d=daemon: d.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' "
                                          "AND state = 'active'") == "2", what="both statements run")
        os.kill(pid, signal.SIGTERM)
        os.kill(other, signal.SIGTERM)
        daemon.log.wait_for(end_of("cancelled", 1))
        daemon.log.wait_for(end_of("cancelled_and_cleans_up"))
        lines = [text for _, text in said(daemon, "cancelled_and_cleans_up")]
        assert lines[1:3] == ["sdk: true true", "sdk: a last statement: 1"]
        daemon.log.wait_for(rf'background worker "cancelled" \(PID {pid}\) exited with exit code 1')
        assert not [line for line in daemon.log.lines if "ERROR:" in line or "FATAL:" in line]


def test_stop_ends_a_sleep(space):
    """SIGTERM ends a sleep of an hour at once; stopped from outside, the worker leaves with code 1."""
    for daemon in daemons(space, "sleeper"):
        pid = worker_pid(daemon, "sdk: sleeper sleeps")
        os.kill(pid, signal.SIGTERM)
        daemon.log.wait_for(end_of("sleeper", 1))
        daemon.log.wait_for(r"sdk: sleeper is told to stop: true")
        daemon.log.wait_for(rf'background worker "sleeper" \(PID {pid}\) exited with exit code 1')


def test_cancel_of_an_idle_worker(space):
    """SIGINT to a worker that runs no statement is not an error."""
    for daemon in daemons(space, "idle_cancel"):
        pid = worker_pid(daemon, "sdk: idle_cancel waits")
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
        daemon.log.wait_for(end_of("idle_cancel"))
        assert ("LOG", "sdk: idle_cancel is told to stop") in said(daemon, "idle_cancel")


def test_postmaster_death_unwinds(space):
    """When the postmaster is killed the worker's scopes end before its process does."""
    for daemon in daemons(space, "sleeper"):
        daemon.log.wait_for("sdk: sleeper sleeps")
        daemon.expect_crash = True
        daemon.send(signal.SIGKILL)
        daemon.process.wait()
        daemon.log.wait_for(end_of("sleeper", 1))


def test_notifications(space):
    """A worker that listens gets channel, payload and sender, in order, in the server as in the host."""
    for daemon in daemons(space, "listener"):
        daemon.log.wait_for("sdk: listener is busy")
        daemon.sql("NOTIFY sdk_channel, 'while busy'; CREATE TABLE sdk_go_on ()")
        daemon.log.wait_for("sdk: listener listens")
        daemon.log.wait_for("sdk: heard while busy")
        daemon.sql("NOTIFY sdk_channel, 'first'; NOTIFY other, 'not mine'; NOTIFY sdk_channel, 'second'")
        daemon.sql("SELECT pg_notify('sdk_channel', 'drittens: äöü')")
        daemon.log.wait_for(end_of("listener"))
        assert [text for _, text in said(daemon, "listener")][2:6] == [
            f"sdk: heard {payload} on sdk_channel, sender known: true" for payload in ("while busy", "first", "second", "drittens: äöü")]


def test_waits(space):
    """Each thing that ends a wait is what it says it was: time, socket to read and to write, latch, notification, reload, stop; a
    sleep follows the parameter that says how long."""
    seen = []
    for daemon in daemons(space, "waits", {"probe_sdk.naptime": "1h"}):
        daemon.log.wait_for("sdk: waits for a reload")
        daemon.reload()
        daemon.log.wait_for("sdk: sleeps for ")
        daemon.write_settings(**{"probe_sdk.naptime": "10ms"})
        daemon.reload()
        pid = worker_pid(daemon, "sdk: waits for a stop")
        if isinstance(daemon, harness.Postgres):
            wait_until(lambda d=daemon, p=pid: d.sql(f"SELECT query FROM pg_stat_activity WHERE pid = {p}") == "waiting for the end",
                       what="the activity is shown")
        os.kill(pid, signal.SIGTERM)
        daemon.log.wait_for(end_of("waits", "[01]"))
        seen.append([text for _, text in said(daemon, "waits") if text.startswith("sdk: ")][:-1])
    assert seen[0] == seen[1] == [
        "sdk: time: timed out ", "sdk: time of a socket: timed out ", "sdk: room to write: writable ", "sdk: something to read: readable ",
        "sdk: both: readable writable ", "sdk: latch: latch ", "sdk: notified: true", 'sdk: heard "to myself" from myself: true',
        'sdk: heard "" from myself: true', "sdk: slept: true", "sdk: all of it: true", "sdk: waits for a reload",
        "sdk: reloaded: true", "sdk: sleeps for 1h", "sdk: slept for 10ms", "sdk: waits for a stop", "sdk: stop: true, goes on: false"]


def test_retries_and_spans(space):
    """in_transaction() runs again what may succeed then; spans are arrays."""
    assert both(space, "retries") == [
        "sdk: 40001 after 3 runs", "sdk: 40P01 after 3 runs", "sdk: 40001 is given up after 3 runs", "sdk: 22012 is given up after 1 runs",
        "sdk: kept 2", "sdk: span 18", "sdk: span a-b", "sdk: retries ends with 0, 0 objects alive of some"]


def test_dynamic_workers(space):
    """A worker starts workers: their arguments, their states as the starter sees them, refusals with reasons."""
    seen = []
    for daemon in daemons(space, "parent", {"max_worker_processes": 6}):
        until_ended(daemon, "parent")
        children = []
        for n in (1, 2, 3):
            children.append(until_ended_child(daemon, n))
        seen.append((said(daemon, "parent"), children))
    assert seen[0] == seen[1]
    lines = [text for _, text in seen[0][0]]
    assert lines[:5] == ["sdk: stopped false", "sdk: stopped false", "sdk: started", "sdk: started", "sdk: stopped"]
    assert 'sdk: background worker "" cannot be started: the worker has no name' in lines
    assert "sdk: a name of a worker is longer than the server keeps (95 bytes)" in lines
    assert 'sdk: 53400 background worker "child 4" cannot be started: no slot is free after some: true' in lines
    assert seen[0][1][0] == [("LOG", "sdk: child 1 was passed 10 words")]
    assert seen[0][1][1] == [("LOG", "sdk: child 2 was passed 20 words"), ("ERROR", "the child fails")]


def until_ended_child(daemon, number):
    daemon.log.wait_for(f"sdk: child {number} was passed")
    return said(daemon, f"child {number}")


def test_new_worker(space):
    """`bgworkerctl new` writes a folder that builds and runs at once; bad names and existing folders are refused."""
    ctl = space.program("bgworkerctl")
    env = {"PATH": f"{harness.BINDIR}:{os.environ['PATH']}"}
    done = space.run([ctl, "new", "my_worker"])
    assert "make test" in done.stdout
    folder = os.path.join(space.folder, "my_worker")
    assert sorted(os.listdir(folder)) == ["Makefile", "README.md", "my_worker.cc", "run"]
    done = space.run(["make", "-C", folder, "test", f"BGWORKER_BIN={os.path.dirname(space.program('bgworkerd'))}",
                      "BGWORKER_SDK=" + include_of(space)], env=env, timeout=120 * SLOW)
    assert "ok: my_worker works" in done.stdout
    again = space.run([ctl, "new", "my_worker"], check=False)
    assert again.returncode == 1 and "exists already" in again.stderr
    bad = space.run([ctl, "new", "My-Worker"], check=False)
    assert bad.returncode == 2 and "cannot be the name of a worker" in bad.stderr


def include_of(space):
    """The SDK's headers at a place that the unprivileged user can read."""
    source = os.path.join(os.path.dirname(__file__), "..", "..", "include")
    return shutil.copytree(source, os.path.join(space.folder, "include"), dirs_exist_ok=True)


def test_compile_errors_say_why(space):
    """Mistakes that can be seen in the source do not compile, and the compiler's message has the reason."""
    head = "#include <bgworker/bgworker.hpp>\nusing namespace std::chrono_literals;\nvoid run(bgworker::worker&) {}\n"
    mistakes = {
        "void f(bgworker::module& m) { m.add<42>({.name = \"x\"}); }": "a worker is a function void",
        "void f(bgworker::module& m) { m.add<run>(bgworker::verified({.name = \"x\", .restart = -5s})); }": "refuse",
        "void f(bgworker::module& m) { m.add<run>(bgworker::verified({.name = \"x\", .start = "
        "bgworker::start_time::postmaster_start})); }": "refuse",
        "void f(bgworker::module& m) { m.add<run>(bgworker::verified({.name = \"\"})); }": "refuse",
        "void f(bgworker::worker_spec& s) { s.pass(std::string(\"x\")); }": "plain values only",
        "bgworker::parameter<float> p{{.name = \"a.b\", .description = \"c\"}};": "a parameter is a bool, int, double",
        "bgworker::parameter<std::chrono::hours> p{{.name = \"a.b\", .description = \"c\"}};": "milliseconds, seconds and minutes",
        "void f() { bgworker::log(\"{} and {}\", 1); }": "the number of {} is not the number of arguments",
        "bgworker::sqlstate s = \"p0001\";": "a SQLSTATE has five digits",
        "struct s { ~s() {} }; bgworker::shared<s> x{\"x\"};": "T must not need a destructor",
        "auto f() { return bgworker::guarded([] { return std::string(); }); }": "what comes out of a guarded call",
    }
    include = os.path.join(os.path.dirname(__file__), "..", "..", "include")
    server = subprocess.run([f"{harness.BINDIR}/pg_config", "--includedir-server"], capture_output=True, text=True).stdout.strip()
    # All in one file, each in a line and a namespace of its own: reading the headers is what takes the time.
    path = os.path.join(space.folder, "mistakes.cc")
    with open(path, "w") as f:
        f.write(head + "".join(f"namespace n{n} {{ {source} }}\n" for n, source in enumerate(mistakes)))
    done = subprocess.run(["g++", "-std=gnu++20", "-w", "-I", include, "-isystem", server, "-fsyntax-only", path],
                          capture_output=True, text=True)
    assert done.returncode != 0
    # Every mistake is named by its line and nothing else is; but a virtual function is compiled at the end of the file, and
    # the mistake in one only has its own place there.
    lines = {int(line) for line in re.findall(r"mistakes\.cc:(\d+):\d+:", done.stderr)}
    virtual = {n for n, source in enumerate(mistakes, 4) if "hours" in source}
    assert lines | virtual == set(range(4, 4 + len(mistakes))), done.stderr
    for why in mistakes.values():
        assert done.stderr.count(why) >= list(mistakes.values()).count(why), (why, done.stderr)


GUIDE = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "writing-a-worker.md")


def indented_blocks(text):
    """The indented pieces of a page, each as one text."""
    blocks, block = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("    ") or (block and not line.strip()):
            block.append(line[4:])
        elif block:
            blocks.append("\n".join(block).strip("\n") + "\n")
            block = []
    return blocks


def test_guide(space):
    """docs/writing-a-worker.md, typed off: the whole worker that it shows, with the Makefile that it shows, does in the server and in the
    host what it says."""
    blocks = indented_blocks(harness.read_file(GUIDE))
    source = next(block for block in blocks if block.startswith("#include <bgworker/bgworker.hpp>\nusing namespace"))
    assert len([line for line in source.splitlines() if line.strip() not in ("", "}")]) == 10
    makefile = next(block for block in blocks if block.startswith("WORKER = my_worker"))
    assert "include /usr/local/include/" in makefile
    folder = os.path.join(space.folder, "my_worker")
    os.mkdir(folder)
    harness.give_to_user(folder)
    harness.write_whole(os.path.join(folder, "my_worker.cc"), source)
    harness.write_whole(os.path.join(folder, "Makefile"), makefile.replace("/usr/local/include", include_of(space)))
    space.run(["make", "-C", folder], env={"PATH": f"{harness.BINDIR}:{os.environ['PATH']}"}, timeout=240 * SLOW)
    settings = {"dynamic_library_path": f"{folder}:$libdir", "shared_preload_libraries": "my_worker"}
    server = space.postgres("server", settings=settings).start()
    server.log.wait_for(r"\|my worker\] LOG:  \d+ sessions")
    host = space.host(upstream=space.postgres("upstream").start(), settings=settings).start()
    host.log.wait_for(r"\|my worker\] LOG:  \d+ sessions")


def test_guide_compiles(space):
    """The pieces of C++ on that page compile as they stand there, each in a function of its kind; what is left out is left empty."""
    found = []
    for start in ("module.add<run>(", "while (auto why", "static bgworker::parameter", "bgworker::transaction tx;",
                  '#include <bgworker/bgworker.hpp>\nextern "C"', "struct totals"):
        found += [block.replace("…", ";") for block in indented_blocks(harness.read_file(GUIDE)) if block.startswith(start)]
    assert len(found) == 6
    declared, loop, parameter, database, guarded, shared = found
    includes, call = guarded.split("Oid type", 1)
    state, locked = shared.split("\n;\n", 1)
    path = os.path.join(space.folder, "pieces.cc")
    with open(path, "w") as f:
        f.write(f"""{includes}
using namespace std::chrono_literals;
{parameter}
{state}
static void run(bgworker::worker& self) {{
  const int socket = 0;
  {loop}
}}
static void database(const std::vector<std::tuple<int, std::string_view>>& vector_of_tuples, const std::vector<int>& numbers,
                     const std::vector<std::string>& words) {{
  {database}
}}
static Oid call(Oid relation) {{
  Oid type{call}
  return type;
}}
static void lock() {{
  {locked}
}}
BGWORKER_MODULE(module) {{ {declared} }}
""")
    include = os.path.join(os.path.dirname(__file__), "..", "..", "include")
    server = subprocess.run([f"{harness.BINDIR}/pg_config", "--includedir-server"], capture_output=True, text=True).stdout.strip()
    done = subprocess.run(["g++", "-std=gnu++20", "-fsyntax-only", "-I", include, "-isystem", server, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
