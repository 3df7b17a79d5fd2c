"""Whatever interrupts a worker while its upstream works for it acts at once, and the upstream stops working, too.

Each test records how long it took in BUILD/test/interrupts.txt, in milliseconds. That the time is short is not
asserted, the machine may be busy: only that nothing waited for the statement, which would have taken a minute.
`bench/run.py --only interrupt` has the figures beside the server's.
"""

import fcntl
import os
import select
import signal
import time

import harness
from harness import wait_until

ASLEEP = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()"


def record(what, since):
    took = (time.monotonic() - since) * 1000
    with open(os.path.join(harness.BUILD, "test", "interrupts.txt"), "a+") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        kept = [line for line in f if not line.startswith(what + ":")]
        f.truncate(0)
        f.writelines(kept + [f"{what}: {took:.0f} ms\n"])
    assert took < 30_000 * harness.SLOW


def worker_in_statement(space, action="interrupted", module="probe_session"):
    """A host whose worker w sits in pg_sleep(60), and the process id of its session."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": module, f"{module}.workers": f"w {action} db"}).start()
    session = wait_until(lambda: upstream.sql(ASLEEP), what="the statement runs")
    return host, upstream, int(session)


def stopped_upstream(upstream):
    wait_until(lambda: upstream.sql(ASLEEP) == "", what="the upstream has stopped the statement")


def goes_on(host):
    """The error was caught; what the transaction had before is there, and it commits."""
    host.log.wait_for(r"SELECT count\(\*\) FROM kept -> 5", count=1)
    host.log.wait_for(r"probe: finish 2")
    wait_until(lambda: "w" not in host.workers(), what="the worker has ended")
    assert not host.log.count(r"FATAL")


def canceled(space, what, act, reason=r"57014 canceling statement due to user request"):
    host, upstream, session = worker_in_statement(space)
    worker = host.worker("w")
    since = time.monotonic()
    act(worker, upstream, session)
    host.log.wait_for(reason)
    record(what, since)
    stopped_upstream(upstream)
    goes_on(host)


def ended(space, what, act, action="interrupted", status=r"exited with exit code 1", reason=None):
    host, upstream, session = worker_in_statement(space, action)
    pid = host.worker("w")
    worker = os.pidfd_open(pid)
    try:
        since = time.monotonic()
        act(pid, upstream, session)
        assert select.select([worker], [], [], harness.DEADLINE)[0], "the worker does not end"
        record(what, since)
    finally:
        os.close(worker)
    if reason:
        host.log.wait_for(reason)
    if status:
        host.log.wait_for(rf'background worker "w" \(PID \d+\) {status}')
    stopped_upstream(upstream)
    return host


def test_sigint(space):
    canceled(space, "SIGINT", lambda worker, *_: os.kill(worker, signal.SIGINT))


def test_pg_cancel_backend(space):
    """Of its session on the upstream, by whoever may."""
    canceled(space, "pg_cancel_backend of the session",
             lambda _, upstream, session: upstream.sql(f"SELECT pg_cancel_backend({session})"))


def test_sigterm(space):
    ended(space, "SIGTERM", lambda worker, *_: os.kill(worker, signal.SIGTERM),
          reason=r'FATAL:  terminating background worker "w" due to administrator command')


def test_sigterm_with_die(space):
    ended(space, "SIGTERM, die()", lambda worker, *_: os.kill(worker, signal.SIGTERM), "interrupted:die",
          reason=r'FATAL:  terminating background worker "w" due to administrator command')


def test_pg_terminate_backend(space):
    """Of its session: the worker ends as if it had been the one."""
    ended(space, "pg_terminate_backend of the session",
          lambda _, upstream, session: upstream.sql(f"SELECT pg_terminate_backend({session})"),
          reason=r"FATAL:  terminating connection due to administrator command")


def parent(pid):
    return harness.processes()[pid][0]


def test_death_of_the_postmaster(space):
    """Nobody is left who could stop the worker: it stops its statement and itself."""
    host = ended(space, "death of the postmaster", lambda worker, *_: os.kill(parent(worker), signal.SIGKILL),
                 status=None)
    host.wait_exit()


def timed_out(space, what, action, reason, goes_on_after=True):
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_session", "probe_session.workers": f"w timeouts:{action} db"}).start()
    host.log.wait_for(r"probe: waiting")
    since = time.monotonic() + 0.2
    host.log.wait_for(reason)
    record(what, since)
    stopped_upstream(upstream)
    if goes_on_after:
        goes_on(host)
    else:
        host.log.wait_for(r'background worker "w" \(PID \d+\) exited with exit code 1')


def test_statement_timeout_of_the_worker(space):
    timed_out(space, "statement time-out of the worker", "statement",
              r"57014 canceling statement due to statement timeout")


def test_lock_timeout_of_the_worker(space):
    timed_out(space, "lock time-out of the worker", "lock", r"55P03 canceling statement due to lock timeout")


def test_statement_timeout_of_the_session(space):
    timed_out(space, "statement time-out of the session", "own_statement",
              r"57014 canceling statement due to statement timeout")


def test_idle_timeout_of_the_worker(space):
    timed_out(space, "idle-in-transaction time-out of the worker", "idle",
              r"FATAL:  terminating connection due to idle-in-transaction timeout", goes_on_after=False)


def test_idle_timeout_of_the_session(space):
    """The upstream ends the session; the worker is told at its next statement."""
    timed_out(space, "idle-in-transaction time-out of the session", "own_idle",
              r"FATAL:  terminating connection due to idle-in-transaction timeout", goes_on_after=False)


def test_cancel_of_a_lock_wait(space):
    """A statement that waits for a lock leaves the queue when it is cancelled."""
    upstream = space.postgres("upstream").start()
    upstream.sql("CREATE TABLE locked (i int)")
    holder = upstream.session()
    holder.sql("BEGIN; LOCK TABLE locked")
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_session", "probe_session.workers": "w waits_for_lock db"}).start()
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    wait_until(lambda: upstream.sql(waiting) == "1", what="the worker waits for the lock")
    worker = host.worker("w")
    since = time.monotonic()
    os.kill(worker, signal.SIGINT)
    host.log.wait_for(r"57014 canceling statement due to user request")
    record("SIGINT in a wait for a lock", since)
    wait_until(lambda: upstream.sql(waiting) == "0", what="the worker has left the queue")
    host.log.wait_for(r"probe: finish 2")
    holder.close()
