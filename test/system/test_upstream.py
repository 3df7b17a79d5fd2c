"""The host is linked to its upstream's life: workers with sessions stop and start with it, others go on."""

import os
import re
import signal

import harness
from harness import alive, wait_until

WORKERS = "db idle db restart=5; plain idle restart=5; late idle start=finished restart=5"


def host_beside(space, upstream, name="host", **settings):
    return space.host(name, upstream=upstream, settings={
        "shared_preload_libraries": "probe", "probe.workers": WORKERS, **settings})


def test_restart(space):
    """The upstream stops and comes back: the worker with a session is back at once, the other never left."""
    upstream = space.postgres("upstream").start()
    host = host_beside(space, upstream).start()
    host.log.wait_for(r"probe: idle", count=3)
    db, plain = host.worker("db"), host.worker("plain")
    upstream.stop()
    wait_until(lambda: not alive(db), what="the worker with a session ends")
    mark = host.log.mark()
    upstream.start()
    host.log.wait_for(r"\|db\] LOG:  probe: idle", start=mark)
    assert host.worker("db") != db
    assert host.worker("plain") == plain


def test_immediate_stop(space):
    """The upstream crashes under its sessions."""
    upstream = space.postgres("upstream").start()
    host = host_beside(space, upstream).start()
    host.log.wait_for(r"probe: idle", count=3)
    db, plain = host.worker("db"), host.worker("plain")
    upstream.stop(signal.SIGQUIT)
    wait_until(lambda: not alive(db), what="the worker with a session ends")
    upstream.start()
    host.worker("db", other_than=db)
    assert host.worker("plain") == plain


def test_started_late(space):
    """The host starts first: it says once why it cannot have the upstream, and starts the workers when it can."""
    upstream = space.postgres("upstream")
    host = host_beside(space, upstream).start(ready=False)
    host.log.wait_for(r"upstream is unreachable")
    upstream.start()
    host.log.wait_for(r"probe: idle", count=3)
    reasons = re.findall(r"upstream is unreachable: (.*)", host.log.text())  # not there, then perhaps: starting up
    assert len(reasons) == len(set(reasons)), reasons


def test_standby_and_promotion(space):
    """Beside a hot standby only what may start then starts; the rest at the promotion, which restarts nothing."""
    primary = space.postgres("primary").start()
    standby = space.postgres("standby", primary=primary).start()
    host = host_beside(space, standby).start()
    host.log.wait_for(r"\|plain\] LOG:  probe: idle")
    host.log.wait_for(r"\|db\] LOG:  probe: idle")
    assert not host.log.count(r"\|late\]")
    db, plain = host.worker("db"), host.worker("plain")
    standby.sql("SELECT pg_promote()")
    host.log.wait_for(r"\|late\] LOG:  probe: idle")
    assert (host.worker("db"), host.worker("plain")) == (db, plain)


def test_start_times(space):
    """A worker that starts with the postmaster does not wait for the upstream; the others do."""
    upstream = space.postgres("upstream")
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe",
        "probe.workers": "early idle start=postmaster; later idle"}).start(ready=False)
    host.log.wait_for(r"\|early\] LOG:  probe: idle")
    host.log.wait_for(r"upstream is unreachable")
    assert not host.log.count(r"\|later\]")
    upstream.start()
    host.log.wait_for(r"\|later\] LOG:  probe: idle")


def refused(space, upstream, reason):
    """An upstream that does not let the host in: said once with the reason, the host stays, and ends cleanly."""
    host = host_beside(space, upstream).start(ready=False)
    host.log.wait_for(reason)
    assert host.running()
    assert not host.log.count(r"probe: idle")
    assert host.stop() == 0
    assert host.log.count(reason) == 1


def test_no_such_server(space):
    refused(space, "host=/nonexistent", r"upstream is unreachable: .*No such file or directory")


def test_no_such_role(space):
    upstream = space.postgres("upstream").start()
    refused(space, upstream.conninfo(user="nosuchrole"), r'role "nosuchrole" does not exist')


def test_no_such_database(space):
    upstream = space.postgres("upstream").start()
    refused(space, upstream.conninfo("nosuchdb"), r'database "nosuchdb" does not exist')


def test_password_missing(space):
    upstream = space.postgres("upstream", auth="local all postgres trust\nlocal all all scram-sha-256\n").start()
    upstream.sql("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
    refused(space, upstream.conninfo(user="guarded"), r"no password supplied")


def test_password_given(space):
    upstream = space.postgres("upstream", auth="local all postgres trust\nlocal all all scram-sha-256\n").start()
    upstream.sql("CREATE ROLE guarded LOGIN PASSWORD 'secret'")
    host = host_beside(space, upstream.conninfo(user="guarded") + " password=secret").start()
    host.log.wait_for(r"\|db\] LOG:  probe: idle")
    assert "secret" not in host.log.text()


def test_malformed_conninfo(space):
    host = space.host(upstream="host=x nosuchoption=1").start(ready=False)
    assert host.wait_exit() == 1
    assert re.search(r'invalid connection option "nosuchoption"', host.log.text())


def test_sleeping_worker_is_terminated(space):
    """SIGTERM acts inside a statement, at once, and the statement ends on the upstream too."""
    upstream = space.postgres("upstream").start()
    for handler in ("default", "die"):
        host = space.host("host_" + handler, upstream=upstream, settings={
            "shared_preload_libraries": "probe_spi", "probe_spi.workers": f"w sleep:{handler} db"}).start()
        host.log.wait_for(r"probe: sleeping")
        wait_until(lambda: upstream.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                                        "AND state = 'active' AND pid <> pg_backend_pid()") == "1",
                   what="the statement runs")
        os.kill(host.worker("w"), signal.SIGTERM)
        host.log.wait_for(r'FATAL:  terminating background worker "w" due to administrator command')
        host.log.wait_for(r'background worker "w" \(PID \d+\) exited with exit code 1')
        wait_until(lambda: upstream.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
                                        "AND state = 'active' AND pid <> pg_backend_pid()") == "0",
                   what="the statement has ended")
        assert host.stop() == 0


def test_lookups_are_kept(space):
    """What is looked up again in a transaction costs no round trip, until a statement may have changed it."""
    upstream = space.postgres("upstream", settings={"log_statement": "all"}).start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "probe_session", "probe_session.workers": "w lookups db"}).start()
    host.log.wait_for(r"probe: finish 2")
    upstream.log.wait_for(r"SELECT 'done'")
    asked = [line for line in upstream.log.lines if re.search(r"execute .*(pg_catalog\.|'asked|'done'|TEMP TABLE)", line)]
    places = [next(i for i, line in enumerate(asked) if mark in line)
              for mark in ("'asked first'", "'asked again'", "something_changed", "'done'")]
    first, again, changed, done = places
    assert again - first > 5, "\n".join(asked)
    assert changed - again == 1, "\n".join(asked)
    assert done - changed > 5, "\n".join(asked)
