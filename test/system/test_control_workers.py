"""bgworkerctl launch, terminate, wake and ps: single workers from the command line, with exit codes for scripts."""

import json
import os
import pwd
import re
import signal
import socket
import subprocess

import pytest
from harness import DEADLINE, alive, wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root's rights to change users")


def start_host(space, upstream="host=/nowhere", **settings):
    return space.host(upstream=upstream, settings={"max_worker_processes": 8, **settings}).start()


def launch(host, *arguments, check=True):
    return host.control("launch", *arguments, "probe_call", "probe_call_sleeper", check=check)


def ps(host):
    return {row["name"]: row for row in json.loads(host.control("ps", "--json").stdout)["workers"]}


def row(host, name):
    return ps(host).get(name)


def test_launch_prints_the_pid(space):
    """Of a worker that runs, with the name, type, argument and extra it was given."""
    host = start_host(space)
    done = launch(host, "--name", "sleepy one", "--type", "sleeper", "--arg", "int8:5000000000", "--extra", "hello")
    pid = int(done.stdout)
    assert done.stdout == f"{pid}\n" and done.stderr == ""
    assert host.worker("sleepy one") == pid
    host.log.wait_for(r'probe_call: sleeper arg=5000000000 extra="hello" type=sleeper')
    worker = row(host, "sleepy one")
    assert (worker["pid"], worker["type"], worker["library"], worker["function"], worker["dynamic"]) == (
        pid, "sleeper", "probe_call", "probe_call_sleeper", True)
    assert (worker["flags"], worker["start_time"], worker["restart_time"], worker["starts"]) == (
        ["shmem"], "postmaster start", -1, 1)
    assert worker["last_exit"] == "" and worker["since"] > 0 and worker["state"] == "running"
    wait_until(lambda: (row(host, "sleepy one")["wait_event_type"], row(host, "sleepy one")["wait_event"]) ==
               ("Extension", "Extension"), what="it waits")
    table = host.control("ps", "--wide").stdout.split("\n")
    for title in ("NAME", "TYPE", "PID", "STATE", "FLAGS", "START AT", "RESTART", "STARTS", "SINCE", "WAITS FOR", "HANDLE"):
        assert title in table[0], title
    assert worker["handle"] in table[1]
    # Without a name it has the function's, and its type is its name; bytes can be given in hex.
    launch(host, "--extra", r"\x6f6b")
    host.log.wait_for(r'extra="ok" type=probe_call_sleeper')


def test_launch_verbose_and_json(space):
    host = start_host(space)
    pid, handle, name = launch(host, "-v", "--name", "a").stdout.split()
    assert (row(host, "a")["pid"], row(host, "a")["handle"], name) == (int(pid), handle, "a")
    assert re.fullmatch(r"\d+:\d+", handle)
    answer = json.loads(launch(host, "--json", "--name", "b").stdout)
    assert answer == {"pid": row(host, "b")["pid"], "handle": row(host, "b")["handle"], "name": "b"}


def test_launch_and_wait(space):
    """--wait returns when the worker has ended; the pid is printed when it has started."""
    host = start_host(space)
    process = subprocess.Popen([space.program("bgworkerctl"), "-D", host.data, "launch", "--wait", "--name", "waited",
                                "probe_call", "probe_call_sleeper"], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    assert host.worker("waited") == pid
    assert process.poll() is None
    host.log.wait_for(r"probe_call: sleeper")
    os.kill(pid, signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    wait_until(lambda: row(host, "waited") is None, what="the worker is forgotten")
    # One that ends at once was started all the same.
    assert re.fullmatch(r"\d+\n", launch(host, "--wait", "--arg", "1").stdout)


def test_restart_of_a_launched_worker(space):
    """--restart: it comes back after each end; terminate ends it for good."""
    host = start_host(space)
    first = int(launch(host, "--name", "phoenix", "--restart", "0").stdout)
    assert row(host, "phoenix")["restart_time"] == 0
    handle = row(host, "phoenix")["handle"]
    host.log.wait_for(r"probe_call: sleeper")
    os.kill(first, signal.SIGKILL)
    host.expect_crash = True
    second = host.worker("phoenix", other_than=first)
    host.log.wait_for(r"probe_call: sleeper", count=2)
    # A handle of the time before the reset names nobody any more.
    assert row(host, "phoenix")["handle"] != handle
    assert host.control("wake", handle, check=False).returncode == 5
    host.control("terminate", "--wait", "phoenix")
    assert not alive(second) and row(host, "phoenix") is None


def test_start_time_and_database(space):
    """A worker that needs the upstream waits for it; what waits can be given up, and taken back."""
    host = start_host(space)
    done = launch(host, "--name", "patient", "--database", "-t", "1", check=False)
    assert done.returncode == 6
    assert 'worker "patient" has not started within 1 s' in done.stderr
    worker = row(host, "patient")
    assert f"with the handle {worker['handle']}" in done.stderr
    assert (worker["pid"], worker["flags"], worker["start_time"]) == (0, ["shmem", "database"], "recovery finished")
    done = host.control("wake", "patient", check=False)
    assert (done.returncode, done.stderr.split("\n")[0]) == (1, 'bgworkerctl: worker "patient" is not running')
    host.control("terminate", "--wait", worker["handle"])
    assert row(host, "patient") is None
    done = launch(host, "--start-time", "postmaster", "--database", check=False)
    assert done.returncode == 1
    assert "cannot request database access if starting at postmaster start" in done.stderr
    upstream = space.postgres("upstream").start()
    second = space.host("second", upstream=upstream).start()
    assert int(launch(second, "--database", "--name", "connected").stdout) == second.worker("connected")
    assert int(launch(second, "--start-time", "consistent", "--name", "early").stdout) == second.worker("early")


def test_wake_sets_the_latch(space):
    host = start_host(space)
    pid = launch(host, "--name", "sleepy").stdout.strip()
    host.log.wait_for(r"probe_call: sleeper")
    wait_until(lambda: row(host, "sleepy")["wait_event"] == "Extension", what="it waits")
    for who in ("sleepy", pid, row(host, "sleepy")["handle"]):
        mark = host.log.mark()
        done = host.control("wake", who)
        assert (done.stdout, done.stderr) == ("", "")
        host.log.wait_for(r"probe_call: woken", start=mark)


def test_terminate_by_name_pid_and_handle(space):
    host = start_host(space)
    for kind in ("name", "pid", "handle"):
        pid = int(launch(host, "--name", "victim").stdout)
        host.log.wait_for(rf"\[{pid}\|.*probe_call: sleeper")
        host.control("terminate", "--wait", str(row(host, "victim")[kind]))
        assert not alive(pid) and row(host, "victim") is None
    # Static ones too.
    upstream = space.postgres("upstream").start()
    other = space.host("static", upstream=upstream, settings={"shared_preload_libraries": "hello_world"}).start()
    pid = other.worker("hello_world")
    other.control("terminate", "hello_world", "--wait")
    assert not alive(pid) and row(other, "hello_world") is None


def test_terminate_waits_no_longer_than_told(space):
    host = start_host(space)
    pid = int(launch(host, "--name", "stubborn", "--arg", "100").stdout)
    host.log.wait_for(r"probe_call: sleeper arg=100")
    done = host.control("terminate", "--wait", "-t", "1", "stubborn", check=False)
    assert done.returncode == 6
    assert 'worker "stubborn" has not ended within 1 s' in done.stderr
    assert alive(pid)
    host.expect_crash = True
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: host.control("ps", "--json", check=False).returncode == 0 and row(host, "stubborn") is None,
               what="it is not restarted")


def test_who_cannot_be_found(space):
    """Exit status 5, and what to do about it."""
    host = start_host(space)
    pids = [launch(host, "--name", "twin").stdout.strip() for _ in range(2)]
    for command in ("wake", "terminate"):
        done = host.control(command, "nobody", check=False)
        assert done.returncode == 5
        assert done.stderr == ('bgworkerctl: worker "nobody" does not exist\n'
                               "DETAIL:  No registered worker has this name, PID or handle.\n"
                               'HINT:  "bgworkerctl ps" lists the workers.\n')
        done = host.control(command, "twin", check=False)
        assert done.returncode == 5
        assert 'worker name "twin" is not unique' in done.stderr
        assert all(f"PID {pid}, handle " in done.stderr for pid in pids)
        assert host.control(command, str(host.pid), check=False).returncode == 5
        assert host.control(command, "0:999", check=False).returncode == 5
        assert host.control(command, "", check=False).returncode != 0
    host.control("terminate", "--wait", pids[0])
    assert row(host, "twin")["pid"] == int(pids[1])


@pytest.mark.parametrize("arguments, code, expected", [
    (["--restart", "soon"], 2, 'invalid restart interval "soon"'),
    (["--restart", "-1"], 2, 'invalid restart interval "-1"'),
    (["--start-time", "later"], 2, "later not in"),
    (["--name", "n" * 100], 1, "is too long"),
    (["--type", "t" * 100], 1, "is too long"),
    (["--extra", "x" * 128], 1, "It has 128 bytes; there is room for 127."),
    (["--extra", r"\xzz"], 1, 'invalid hexadecimal digit: "z"'),
    (["--arg", "text:abc"], 1, "a value of type text cannot be the argument of a worker"),
    (["--arg", "int4:x"], 1, 'invalid input syntax for type integer: "x"'),
    (["--arg", "NULL"], 1, "the argument of a worker cannot be NULL"),
    (["--arg", "wrong:1"], 1, 'type "wrong" does not exist'),
    (["-t", "0"], 2, "-t"),
])
def test_launch_of_what_cannot_be(space, arguments, code, expected):
    host = start_host(space)
    done = launch(host, *arguments, check=False)
    assert done.returncode == code
    assert expected in done.stderr
    assert done.stdout == ""
    assert ps(host) == {}


def test_too_many_workers(space):
    host = start_host(space, max_worker_processes=2)
    launch(host)
    launch(host)
    done = launch(host, "--name", "third", check=False)
    assert done.returncode == 1
    assert done.stderr == ('bgworkerctl: could not register background worker "third"\n'
                           'HINT:  Consider increasing the configuration parameter "max_worker_processes".\n')


def test_a_library_that_is_not_there(space):
    """The worker starts, and fails as it would in a server: in the log."""
    host = start_host(space)
    host.control("launch", "nosuch", "main")
    host.log.wait_for(r'ERROR:  could not access file "nosuch": No such file or directory')


def test_without_a_host(space):
    """Exit status 3 where none runs, 4 where there is none."""
    host = space.host(upstream="host=/nowhere")
    for command in (["ps"], ["wake", "x"], ["terminate", "x"], ["launch", "a", "b"], ["call", "a", "b"]):
        done = host.control(*command, check=False)
        assert (done.returncode, done.stderr) == (3, f'bgworkerctl: no host is running in "{host.data}"\n')
        done = space.run([space.program("bgworkerctl"), "-D", "/nonexistent", *command], check=False)
        assert done.returncode == 4
        assert 'directory "/nonexistent" does not exist' in done.stderr
    for command in (["wake"], ["launch", "a"], ["call", "a"], ["frobnicate"]):
        assert host.control(*command, check=False).returncode == 2


@root_only
def test_who_may_control(space):
    """The socket is its owner's; root may use it; another user is kept out by its mode, and by its credentials."""
    host = start_host(space)
    path = os.path.join(host.data, "run", "control.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    done = space.run([space.program("bgworkerctl"), "-D", host.data, "ps"], as_root=True)
    assert done.returncode == 0
    nobody = pwd.getpwnam("nobody")
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    done = subprocess.run([space.program("bgworkerctl"), "-D", host.data, "ps"], capture_output=True, text=True,
                          **as_nobody)
    assert done.returncode == 4 and "Permission denied" in done.stderr
    # Even with the modes opened, the backend looks at who it is.
    for opened in (host.data, os.path.dirname(path)):
        os.chmod(opened, 0o755)
    os.chmod(path, 0o666)
    # It asks nothing: the backend may have answered and hung up before the question is there.
    listen = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.makefile().readline())"
    done = subprocess.run(["/usr/bin/python3", "-c", listen, path], capture_output=True, text=True, **as_nobody)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    assert answer["error"]["sqlstate"] == "42501"
    assert "permission denied" in answer["error"]["message"]
    host.log.wait_for(r"control connection: permission denied to control this host")
    os.chmod(host.data, 0o700)


def ask_raw(host, data):
    """Sends bytes over the control socket as the tests' user; the lines that come back until it is closed."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE)
        s.connect(os.path.join(host.data, "run", "control.sock"))
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # it has said why
        lines = []
        try:
            for line in s.makefile():
                lines.append(json.loads(line))
        except ConnectionResetError:
            pass  # it has closed with some of our bytes unread
        return lines


def test_bad_requests(space):
    """What is no request is answered with an error; the host goes on. Several requests share one connection."""
    host = start_host(space)
    for data in (b"\n", b"nonsense\n", b"[]\n", b'{"op":5}\n', b'{"op":"ps"\n', b"\xff\xfe\n"):
        answer, = ask_raw(host, data)
        assert (answer["ok"], answer["error"]["sqlstate"]) == (False, "08P01")
    answer, = ask_raw(host, b'{"op":"frobnicate"}\n')
    assert answer["error"]["message"] == 'unknown operation "frobnicate"'
    answers = ask_raw(host, b'{"op":"call","module":"probe_call","function":"nosuch"}\n{"op":"wake"}\n'
                            b'{"op":"launch"}\n{"op":"call"}\n{"op":"wake","worker":{}}\n{"op":"status"}\n')
    assert [answer["ok"] for answer in answers] == [False] * 5 + [True]
    assert ask_raw(host, b"") == []
    assert ask_raw(host, b'{"op":"sta') == []
    answer, = ask_raw(host, b'{"op":"' + b"x" * 2000000 + b'"}\n')
    assert "longer than" in answer["error"]["detail"]
    host.control("ps")


def test_too_many_connections(space):
    """More connections than the host serves are refused with a word, and the host lives."""
    host = start_host(space)
    path = os.path.join(host.data, "run", "control.sock")
    opened = []
    refused = None
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(DEADLINE)
        s.connect(path)
        try:
            s.sendall(b'{"op":"status"}\n')
        except BrokenPipeError:
            pass  # refused before it has asked
        answer = json.loads(s.makefile().readline())
        opened.append(s)
        if not answer["ok"]:
            refused = answer["error"]
            break
    assert refused and refused["message"] == "sorry, too many clients already" and refused["sqlstate"] == "53300"
    for s in opened:
        s.close()
    wait_until(lambda: host.control("ps", check=False).returncode == 0, what="the host serves again")


def test_reload_reaches_backends(space):
    """A backend follows a reload, as a session does: a setting changed between two calls is seen by the second."""
    host = start_host(space)
    host.log.wait_for("bgworkerd is ready")
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(DEADLINE)
        s.connect(os.path.join(host.data, "run", "control.sock"))
        lines = s.makefile()
        request = (b'{"op":"call","module":"probe_call","function":"probe_call_same","args":["nosuchtype:1"]}\n')
        s.sendall(request)
        assert json.loads(lines.readline())["ok"] is False
        host.log.wait_for(r'ERROR:  type "nosuchtype" does not exist')
        mark = host.log.mark()
        host.write_settings(log_min_messages="fatal")
        host.reload()
        host.log.wait_for("received SIGHUP", start=mark)

        def silent():
            start = host.log.mark()
            s.sendall(request)
            assert json.loads(lines.readline())["ok"] is False
            s.sendall(b'{"op":"status"}\n')
            assert json.loads(lines.readline())["ok"] is True
            return host.log.count("nosuchtype", start=start) == 0
        wait_until(silent, what="the backend has the new setting")


def test_ps_shows_what_a_worker_does(space):
    """The text it reports, whole characters of it, until it reports another; and that it waits for the upstream while a
    statement runs there."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "probe_upstream",
                                                   "probe_upstream.workers": "w activity db"})
    with upstream.session() as holder:
        holder.sql("SELECT pg_advisory_lock(4712)")
        host.start()
        for step, activity in ((1, 'counting "things"\tand\nmore'), (2, 'counting "things"\tand\nmore'),
                               (3, "x" + "\u00e4" * 511)):
            host.log.wait_for(f"probe: shows {step}")
            assert row(host, "w")["activity"] == activity
            if step == 1:
                assert 'counting "things"' in host.control("ps", "--wide").stdout
            os.kill(host.worker("w"), signal.SIGHUP)
        host.log.wait_for(r"probe: shows 4")
        wait_until(lambda: upstream.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", what="it waits")
        shown = row(host, "w")
        assert (shown["activity"], shown["wait_event_type"], shown["wait_event"]) == (
            "a long statement", "Upstream", "Answer"), shown
        assert upstream.sql("SELECT application_name || ': ' || query FROM pg_stat_activity WHERE wait_event = 'advisory'"
                            ) == "w: SELECT pg_advisory_xact_lock(4712)"
    host.log.wait_for(r"probe: shows 5")
    assert row(host, "w")["activity"] == ""
