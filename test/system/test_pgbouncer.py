"""A PgBouncer between host and server: what works in session and in transaction pooling, and what is said about the rest."""

import os
import re
import shutil
import signal

import harness
import pytest

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
pytestmark = pytest.mark.skipif(not os.path.exists(PGBOUNCER), reason="PgBouncer is not installed")


def pooled(space, mode):
    """A server with a PgBouncer before it; returns the server and the connection string through the pooler."""
    upstream = space.postgres("upstream").start()
    folder = os.path.join(space.folder, "pooler")
    os.mkdir(folder)
    with open(os.path.join(folder, "pgbouncer.ini"), "w") as f:
        f.write(f"""[databases]
* = host={upstream.socket} port={upstream.port} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = {mode}
server_reset_query = DISCARD ALL
default_pool_size = {2 if mode == "transaction" else 20}
ignore_startup_parameters = extra_float_digits,options
server_login_retry = 0.2
""")
    harness.give_to_user(folder)
    pooler = space.daemon_run([PGBOUNCER, os.path.join(folder, "pgbouncer.ini")], name="pgbouncer")
    pooler.log.wait_for(r"process up")
    return upstream, pooler, f"host={folder} port=6432 dbname=postgres user=postgres"


def spi_example(space, conninfo, upstream, **settings):
    host = space.host(upstream=conninfo, settings={
        "shared_preload_libraries": "spi_example", "spi_example.workers": "2", "spi_example.naptime": "1s", **settings})
    host.start()
    host.log.wait_for(r"spi_example [12] looks after", count=2)
    upstream.sql("INSERT INTO spi_example1.counted VALUES ('delta', 20), ('delta', 22)")
    host.log.wait_for(r"total.*42")
    # Again and again: statements seen before run in other server sessions.
    for more in range(3):
        mark = host.log.mark()
        upstream.sql("INSERT INTO spi_example1.counted VALUES ('delta', 1)")
        host.log.wait_for(rf"total.*{43 + more}", start=mark)
    return host


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_work(space, mode):
    upstream, _, conninfo = pooled(space, mode)
    settings = {"bgworkerd.prepare_threshold": "0"} if mode == "transaction" else {}
    host = spi_example(space, conninfo, upstream, **settings)
    assert not re.search(r"ERROR|WARNING|prepared statement", host.log.text()), host.log.text()
    assert host.stop() == 0


def test_prepared_statements_behind_transaction_pooling(space):
    """With the default threshold workers get in each other's way; the error says which setting to change."""
    upstream, _, conninfo = pooled(space, "transaction")
    host = space.host(upstream=conninfo, settings={
        "shared_preload_libraries": "spi_example", "spi_example.workers": "4", "spi_example.naptime": "1s"}).start()
    host.log.wait_for(r"ERROR:  prepared statement \"bgw_\d+\" (already exists|does not exist)")
    host.log.wait_for(r'HINT:  Behind a pooler in transaction mode, set "bgworkerd.prepare_threshold" to 0')


def test_pooler_goes_away(space):
    """The pooler's end is the upstream's end, for a host."""
    _, pooler, conninfo = pooled(space, "session")
    host = space.host(upstream=conninfo, settings={
        "shared_preload_libraries": "probe", "probe.workers": "db idle db restart=5; plain idle"}).start()
    host.log.wait_for(r"probe: idle", count=2)
    plain = host.worker("plain")
    pooler.stop(signal.SIGTERM)  # SIGINT lets sessions end in their own time
    host.log.wait_for(r"stopping 1 background worker that needs the upstream")
    assert host.worker("plain") == plain
