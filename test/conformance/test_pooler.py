"""A worker behind a pooler in transaction mode sees what it sees in a real server: PgBouncer, and
bgworkerd.prepare_threshold = 0."""

import os

import pytest

from compare import QUIET, agree, transcript
from harness import Daemon, give_to_user

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'
PGBOUNCER = "/usr/sbin/pgbouncer"


class PgBouncer(Daemon):
    def __init__(self, space, upstream):
        super().__init__(space, "pgbouncer")
        self.folder = os.path.join(space.folder, "pgbouncer")
        os.mkdir(self.folder)
        config = os.path.join(self.folder, "pgbouncer.ini")
        words = dict(part.split("=", 1) for part in upstream.conninfo().split())
        with open(config, "w") as f:
            f.write(f"""[databases]
* = host={words['host'].strip("'")} port={words.get('port', '5432')} user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = {self.folder}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 2
""")
        for path in (self.folder, config):
            give_to_user(path)
        self.config = config

    def start(self):
        self.spawn([PGBOUNCER, self.config])
        self.log.wait_for(r"process up")
        return self

    def conninfo(self):
        return f"host={self.folder} port=6432 dbname=postgres user=postgres"


def pooled(space, module, action):
    if not os.path.exists(PGBOUNCER):
        pytest.skip("no pgbouncer here")
    settings = {"shared_preload_libraries": module, f"{module}.workers": f"w {action} db", **QUIET}
    reference = space.postgres("reference", settings=settings).start()
    reference.log.wait_for(EXITED)
    reference.stop()
    upstream = space.postgres("upstream").start()
    bouncer = PgBouncer(space, upstream).start()
    host = space.host(settings={**settings, "bgworkerd.prepare_threshold": 0, "upstream": bouncer.conninfo()},
                      upstream=bouncer.conninfo()).start()
    host.log.wait_for(EXITED)
    # What the worker needed was set for its transactions only.
    assert upstream.sql("SELECT count(*) FROM pg_prepared_statements") == "0"
    left = host.space.sql(bouncer.conninfo(), "SHOW client_min_messages; SHOW extra_float_digits")
    assert left.split() == ["notice", "1"], left
    host.stop()
    bouncer.stop()
    said = [transcript(daemon, ["w"]) for daemon in (reference, host)]
    for one in said:
        del one["postmaster"]
    agree(said)


def test_return_codes_pooled(space):
    pooled(space, "probe_spi", "codes")


def test_plans_pooled(space):
    pooled(space, "probe_spi", "plans")


def test_transactions_pooled(space):
    pooled(space, "probe_spi", "transactions")


def test_messages_pooled(space):
    pooled(space, "probe_spi", "messages")


def test_errors_pooled(space):
    pooled(space, "probe_session", "errors")


def test_cursors_pooled(space):
    pooled(space, "probe_session", "cursors")


def test_generated_values_pooled(space):
    pooled(space, "probe_values", "generated:7/60")
