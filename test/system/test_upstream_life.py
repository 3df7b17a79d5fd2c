"""The upstream under load, failing over, frozen: no client of it notices the host, and the host follows it at once."""

import os
import re
import signal
import subprocess
import time

import harness
from harness import alive, wait_until

WORKERS = "db idle db restart=5; plain idle restart=5; late idle start=finished db restart=5"


def beside(space, upstream, **settings):
    return space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe", "probe.workers": WORKERS, **settings})


def record(what, seconds):
    """Into the test's output, and CTest's log with it."""
    print(f"measured: {what}: {seconds * 1000:.0f} ms")


def accepting(server, deadline=None):
    """The moment at which the server first accepts a connection."""
    def ready():
        return subprocess.run([f"{harness.BINDIR}/pg_isready", "-q", "-h", server.socket]).returncode == 0
    wait_until(ready, deadline, f"{server.name} accepts connections")
    return time.monotonic()


def test_load_survives_a_hundred_crashes(space):
    """pgbench runs through a hundred crashes of workers with sessions, by SIGSEGV, SIGKILL and exit code 3; none of its
    transactions fails, and the upstream notices nothing but sessions that end."""
    upstream = space.postgres("upstream").start()
    pgbench = f"{harness.BINDIR}/pgbench"
    space.run([pgbench, "-i", "-q", "-s", "1", upstream.conninfo()])
    # More time than it can take: the load is ended by us. Four real clients.
    load = space.daemon_run([pgbench, "-n", "-c", "4", "-j", "1", "-T", "600", "--progress", "1", "-b", "tpcb-like",
                             upstream.conninfo()])
    load.log.wait_for(r"progress: \S+ s, [1-9]")
    begun = time.monotonic()
    exits = space.host("exits", upstream=upstream, settings={
        "shared_preload_libraries": "probe", "probe.workers": "crasher _exit:3 db restart=1"})
    exits.expect_crash = True
    exits.start(ready=False)
    exits.log.wait_for(r"all server processes terminated; reinitializing", count=34)
    assert exits.log.count(r'background worker "crasher" \(PID \d+\) exited with exit code 3') >= 34
    exits.stop(signal.SIGQUIT)
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe", "probe.workers": "idler idle db restart=1; other idle db restart=1"})
    host.expect_crash = True
    host.start()
    host.log.wait_for(r"probe: idle", count=2)
    for number in range(66):
        mark = host.log.mark()
        os.kill(host.worker("idler"), signal.SIGKILL if number % 2 else signal.SIGSEGV)
        host.log.wait_for(r"probe: idle", start=mark, count=2)
    record("a hundred crashes", time.monotonic() - begun)
    assert host.log.count(r"all server processes terminated; reinitializing") == 66
    mark = load.log.mark()
    load.log.wait_for(r"progress: \S+ s, [1-9]", start=mark)  # it still runs, at the end of it all
    text, seen = load.log.text(), upstream.log.text()
    load.stop(signal.SIGINT)
    assert not re.search(r"error|aborted|FATAL|server closed|[1-9]\d* failed", text), text
    assert not re.search(r"was terminated by signal|PANIC|terminating connection|not properly shut down", seen), seen
    assert len(re.findall(r"progress: .* 0 failed", text)) >= 2


def test_back_after_a_long_absence(space):
    """However long the upstream was away, its workers run again soon after it is back: neither a delay that has grown nor
    the workers' restart interval is waited for. The quickest of three counts, the machine may be busy."""
    upstream = space.postgres("upstream").start()
    host = beside(space, upstream).start()
    host.log.wait_for(r"probe: idle", count=3)
    plain = host.worker("plain")
    upstream.stop()
    host.log.wait_for(r"upstream is unreachable")
    time.sleep(12)  # the time over which a monitor that doubles its delays would have become slow
    quickest = 1e9
    for _ in range(3):
        mark = host.log.mark()
        upstream.start(ready=False)
        back = accepting(upstream)
        host.log.wait_for(r"\|(db|late)\] LOG:  probe: idle", start=mark, count=2)
        took = time.monotonic() - back
        record("upstream accepts connections again -> workers run", took)
        quickest = min(quickest, took)
        assert host.worker("plain") == plain
        db = host.worker("db")
        upstream.stop()
        wait_until(lambda: not alive(db), what="the worker with a session ends")
    assert quickest < 3 * harness.SLOW


def test_failover(space):
    """host=primary,standby target_session_attrs=read-write: the primary dies, the standby is promoted, the workers with
    sessions are stopped and run on the new primary; the others never stop."""
    primary = space.postgres("primary").start()
    standby = space.postgres("standby", primary=primary).start()
    both = (f"host={primary.socket},{standby.socket} port=5432,5432 dbname=postgres user=postgres "
            f"target_session_attrs=read-write")
    host = beside(space, both).start()
    host.log.wait_for(r"probe: idle", count=3)
    pids = {name: host.worker(name) for name in ("db", "plain", "late")}
    primary.stop(signal.SIGQUIT)
    wait_until(lambda: not alive(pids["db"]) and not alive(pids["late"]), what="the workers with sessions end")
    assert host.worker("plain") == pids["plain"]
    mark = host.log.mark()
    # What is left is a standby, which nobody is to connect to: nothing may start.
    space.sql(standby.conninfo(), "SELECT pg_promote(wait => true)")
    promoted = time.monotonic()
    host.log.wait_for(r"\|(db|late)\] LOG:  probe: idle", start=mark, count=2)
    record("promoted -> workers run on the new primary", time.monotonic() - promoted)
    assert host.worker("plain") == pids["plain"]
    assert standby.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name IN ('db', 'late')") == "2"


def test_frozen_upstream(space):
    """A server that is there but does not answer counts as gone after bgworkerd.upstream_timeout, and as back when it
    answers; the setting follows a reload."""
    upstream = space.postgres("upstream").start()
    host = beside(space, upstream, **{"bgworkerd.upstream_timeout": "0"}).start()
    host.log.wait_for(r"probe: idle", count=3)
    pids = {name: host.worker(name) for name in ("db", "plain", "late")}
    frozen = [upstream.pid] + harness.descendants(upstream.pid)
    mark = host.log.mark()
    host.write_settings(**{"bgworkerd.upstream_timeout": "1500ms"})
    host.reload()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        host.log.wait_for(r"upstream is unreachable: no answer within 1 s", start=mark)
        record("frozen -> seen, with a timeout of 1.5 s", time.monotonic() - stopped)
        wait_until(lambda: not alive(pids["db"]) and not alive(pids["late"]), what="the workers with sessions end")
        assert host.worker("plain") == pids["plain"]
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    back = time.monotonic()
    host.log.wait_for(r"\|(db|late)\] LOG:  probe: idle", start=mark, count=2)
    record("thawed -> workers run", time.monotonic() - back)
    assert host.worker("plain") == pids["plain"]
