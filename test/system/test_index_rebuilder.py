"""The worker index_rebuilder, in a real server and in a host beside one: it recognises what failed builds leave behind, acts on
that when it is told to, and leaves everything else alone."""

import re
import subprocess

import pytest

from harness import BINDIR, SLOW, unprivileged, wait_until

SETTINGS = {"index_rebuilder.interval": "1s", "index_rebuilder.min_age": "0"}
WHERE = pytest.mark.parametrize("where", ["server", "host"])


class Place:
    """A server, and the worker: in that server, or in a host beside it."""

    def __init__(self, space, where, settings=None, role=None, server_settings=None):
        self.space, self.where, self.role, self.host = space, where, role, None
        self.settings = {**SETTINGS, **(settings or {})}
        if role:
            self.settings["index_rebuilder.role"] = role
        self.server = space.postgres("server", settings={"max_worker_processes": "20", **(server_settings or {})}).start()

    def start_worker(self):
        """After what it is to find has been made: in a server that takes a restart."""
        if self.where == "host":
            if self.host is None:
                self.host = self.space.host(upstream=self.server.conninfo(user=self.role or "postgres"), settings={
                    "shared_preload_libraries": "index_rebuilder", **self.settings})
            self.host.start()
        else:
            self.server.stop()
            self.server.write_settings(shared_preload_libraries="index_rebuilder", **self.settings)
            self.server.start()
        return self

    def stop_worker(self):
        if self.where == "host":
            self.host.stop()
        else:
            self.server.stop()
            self.server.write_settings(shared_preload_libraries="")
            self.server.start()

    def set(self, **changes):
        changes = {"index_rebuilder." + name: value for name, value in changes.items()}
        self.settings.update(changes)
        self.daemon().write_settings(**changes)
        self.daemon().reload()

    def daemon(self):
        return self.host or self.server

    @property
    def log(self):
        return self.daemon().log

    def sql(self, text, database="postgres"):
        return self.server.sql(text, database)

    def psql_file(self, text, check=True):
        """Statements one by one, each in a transaction of its own."""
        return self.space.run([f"{BINDIR}/psql", "-X", "-A", "-t", "-q", "-d", self.server.conninfo(),
                               *sum((["-c", line] for line in text), [])], check=check)

    def failed_build(self, index, table, unique=True):
        """A CREATE UNIQUE INDEX CONCURRENTLY that fails on duplicates, for real."""
        result = self.psql_file([f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table}"], check=False)
        assert "could not create unique index" in result.stderr, result.stderr
        assert self.valid(index) == "f"

    def cancelled_reindex(self, index, table):
        """A REINDEX INDEX CONCURRENTLY that is cancelled while it waits for an older transaction."""
        with self.transaction(f"INSERT INTO {table} SELECT FROM {table} WHERE false"):
            result = self.psql_file(["SET lock_timeout = '100ms'", f"REINDEX INDEX CONCURRENTLY {index}"], check=False)
            assert "canceling statement due to lock timeout" in result.stderr, result.stderr

    def transaction(self, text, database="postgres"):
        return Open(self, "BEGIN; " + text, database)

    def valid(self, index):
        return self.sql(f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{index}')")

    def wait_finding(self, name, condition="true", deadline=30):
        """Until the finding of that index fulfils a condition; returns kind, action, reason, waiting."""
        wait_until(lambda: self.sql("SELECT to_regclass('index_rebuilder.finding')"), deadline * SLOW, "the schema is there")
        try:
            return wait_until(lambda: self.sql("SELECT kind, action, reason, waiting FROM index_rebuilder.finding WHERE"
                                               f" index_name = '{name}' AND {condition}"), deadline * SLOW,
                              f"finding {name}").split("|")
        except AssertionError:
            raise AssertionError(f"no finding {name} with {condition}: " +
                                 self.sql("SELECT * FROM index_rebuilder.finding")) from None

    def looks(self, more=2):
        """Waits until the worker has looked that many more times."""
        last = "SELECT coalesce(max(last_seen)::text, '') FROM index_rebuilder.finding"
        for _ in range(more):
            before = self.sql(last)
            wait_until(lambda: self.sql(last) != before, 30 * SLOW, "the worker looks again")

    def indexes(self, table):
        return self.sql("SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text)"
                        f" FROM pg_index WHERE indrelid = '{table}'::regclass")


class Open:
    """A client session that stays in a transaction."""

    def __init__(self, place, text, database="postgres"):
        self.command = ["psql", "-X", "-A", "-t", "-q", "-d", place.server.conninfo(database)]
        self.command[0] = f"{BINDIR}/psql"
        self.text, self.process = text, None
        self.folder = place.space.folder

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder, text=True,
                                        **unprivileged())
        self.process.stdin.write(self.text + ";\n\\echo opened\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.strip() == "opened":
                break
        else:
            raise AssertionError("the session did not open its transaction")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()


def make_table(place, name="t", rows=1000):
    place.sql(f"CREATE TABLE {name} (a int, b text); INSERT INTO {name} SELECT g, 'x' || g FROM generate_series(1, {rows}) g")


# --- what is found ------------------------------------------------------------------------------------------------------


@WHERE
def test_report(space, where):
    """By default a failed build and a leftover are reported, once, and nothing is done about them."""
    place = Place(space, where)
    make_table(place)
    place.sql("INSERT INTO t VALUES (1, 'again'); CREATE INDEX t_b ON t (b)")
    place.failed_build("t_a", "t (a)")
    place.cancelled_reindex("t_b", "t")
    before = place.indexes("t")
    assert before == "t_a false, t_b true, t_b_ccnew false"
    place.start_worker()
    assert place.wait_finding("t_a") == ["invalid", "reindex", "it is not valid", ""]
    assert place.wait_finding("t_b_ccnew") == [
        "leftover", "drop", 'a failed REINDEX CONCURRENTLY of "t_b" left it behind', ""]
    assert place.sql("SELECT count(*) FROM index_rebuilder.finding") == "2"
    place.log.wait_for(r'WARNING:  index_rebuilder: index public.t_a on table "t" is invalid')
    place.log.wait_for(r"HINT:  To be repaired by: REINDEX INDEX CONCURRENTLY public.t_a$")
    place.log.wait_for(r'WARNING:  index_rebuilder: index public.t_b_ccnew on table "t" is an invalid leftover')
    place.log.wait_for(r"HINT:  To be repaired by: DROP INDEX CONCURRENTLY public.t_b_ccnew$")
    place.looks()
    assert place.log.count("WARNING:  index_rebuilder: index public") == 2
    assert place.indexes("t") == before
    # What was repaired by somebody is a finding no longer.
    place.sql("DELETE FROM t WHERE b = 'again'")
    place.psql_file(["REINDEX INDEX CONCURRENTLY t_a"])
    wait_until(lambda: place.sql("SELECT string_agg(index_name, ',') FROM index_rebuilder.finding") == "t_b_ccnew", 30 * SLOW,
               "the repaired index is no finding any more")


def test_names_of_leftovers(space):
    """Leftovers are known by the name, with digits, cut at a character where it was too long, and by the definition."""
    place = Place(space, "host")
    long = "i" * 63
    # 63 bytes of two-byte letters and one more: the cut falls into a letter.
    wide = "x" + "ö" * 31
    make_table(place)
    make_table(place, "other")
    place.sql(f'CREATE INDEX short ON t (a); CREATE INDEX {long} ON t (b); CREATE INDEX "{wide}" ON t (a, b);'
              " CREATE INDEX near_ccnew ON t (b, a)")
    for index in ("short", "short", long, f'"{wide}"', "near_ccnew"):
        place.cancelled_reindex(index, "t")
    names = set(place.sql("SELECT relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE NOT indisvalid").split("\n"))
    assert names == {"short_ccnew", "short_ccnew1", "i" * 57 + "_ccnew", "x" + "ö" * 28 + "_ccnew", "near_ccnew_ccnew"}
    invalid = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
    # Named so, and none: no such base, a base on another table, another definition, a name that only resembles it.
    place.sql("CREATE INDEX lonely_ccold ON t (a); CREATE INDEX other_a ON other (a); CREATE INDEX other_a_ccnew ON t (a);"
              f' CREATE INDEX short_ccold7 ON t (a DESC); CREATE INDEX short_ccnewx ON t (a); CREATE INDEX "{"i" * 40}_ccnew" ON t (b)')
    for name in ("lonely_ccold", "other_a_ccnew", "short_ccold7", "short_ccnewx", "i" * 40 + "_ccnew"):
        place.sql(invalid.format(name))
    place.start_worker()
    for name in names:
        assert place.wait_finding(name)[:2] == ["leftover", "drop"], name
    for name in ("lonely_ccold", "other_a_ccnew", "i" * 40 + "_ccnew"):
        kind, action, reason, _ = place.wait_finding(name)
        assert (kind, action) == ("leftover", "none") and "has no index" in reason, name
    assert place.wait_finding("short_ccold7")[1:3] == ["none", 'it is named like a leftover of "short", but defined otherwise']
    assert place.wait_finding("short_ccnewx")[:2] == ["invalid", "reindex"]


@WHERE
def test_age_and_builds_in_progress(space, where):
    """An index that is being built, or whose table is locked, is left alone; so is one that was not seen for long enough."""
    place = Place(space, where, settings={"index_rebuilder.min_age": "1h"})
    make_table(place)
    place.start_worker()
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        build = subprocess.Popen([f"{BINDIR}/psql", "-X", "-d", place.server.conninfo(), "-c",
                                  "CREATE INDEX CONCURRENTLY t_a ON t (a)"], stdout=subprocess.DEVNULL, cwd=space.folder,
                                 **unprivileged())
        waiting = place.wait_finding("t_a")[3]
        assert re.match(r"process \d+ (is building|has or wants ShareUpdateExclusiveLock)", waiting)
    assert build.wait() == 0
    wait_until(lambda: place.sql("SELECT count(*) FROM index_rebuilder.finding") == "0", 30 * SLOW, "the finished index is gone")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_a'::regclass")
    assert place.wait_finding("t_a")[3] == "it has not been seen for min_age yet"
    place.sql("UPDATE index_rebuilder.finding SET first_seen = now() - interval '59 minutes'")
    place.looks()
    assert place.wait_finding("t_a")[3] == "it has not been seen for min_age yet"
    place.sql("UPDATE index_rebuilder.finding SET first_seen = now() - interval '61 minutes'")
    place.wait_finding("t_a", "waiting IS NULL")
    with place.transaction("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE"):
        assert place.wait_finding("t_a", "waiting IS NOT NULL")[3].endswith("has or wants ShareUpdateExclusiveLock")
    place.wait_finding("t_a", "waiting IS NULL")


def test_rules(space):
    """Partitioned parents, exclusion constraints, catalogs, temporary tables and what belongs to others are reported only."""
    place = Place(space, "host", role="rebuilder")
    make_table(place)
    place.sql("""
        CREATE ROLE app; CREATE ROLE rebuilder LOGIN; GRANT app, pg_read_all_stats TO rebuilder;
        CREATE SCHEMA index_rebuilder AUTHORIZATION rebuilder;
        CREATE TABLE part (k int, v int) PARTITION BY LIST (k); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
        CREATE INDEX part_v ON ONLY part (v);
        CREATE TABLE room (during int4range, EXCLUDE USING gist (during WITH &&));
        CREATE TABLE keyed (id int PRIMARY KEY, code text UNIQUE);
        CREATE TABLE strangers (a int); CREATE INDEX strangers_a ON strangers (a);
        CREATE SCHEMA closed; CREATE TABLE closed.c (a int); CREATE INDEX c_a ON closed.c (a);
        ALTER TABLE closed.c OWNER TO app;
        ALTER TABLE part OWNER TO app; ALTER TABLE part_1 OWNER TO app; ALTER TABLE room OWNER TO app; ALTER TABLE keyed OWNER TO app""")
    with place.transaction("CREATE TEMP TABLE mine (a int); CREATE INDEX mine_a ON mine (a); ALTER TABLE mine OWNER TO app;"
                           " COMMIT; UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'mine_a'::regclass;"
                           " SELECT 1"):
        for name in ("room_during_excl", "keyed_pkey", "keyed_code_key", "strangers_a", "closed.c_a", "pg_am_name_index"):
            place.sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
        try:
            place.start_worker()
            for name, says in {"part_v": "it is partitioned", "room_during_excl": "exclusion constraints cannot",
                               "strangers_a": "not a member of the role", "c_a": "no privilege USAGE on schema closed",
                               "pg_am_name_index": "system catalogs cannot", "mine_a": "its table is a temporary one"}.items():
                kind, action, reason, _ = place.wait_finding(name)
                assert action == "none" and reason.startswith(says) or says in reason, (name, kind, action, reason)
            for name in ("keyed_pkey", "keyed_code_key"):
                assert place.wait_finding(name)[1:3] == ["reindex", "it is not valid, and belongs to a constraint"]
        finally:
            place.sql("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'pg_am_name_index'::regclass")


@WHERE
def test_databases(space, where):
    """One worker for each database that is listed; each keeps its own findings."""
    place = Place(space, where, settings={"index_rebuilder.databases": "postgres, shop"})
    place.sql("CREATE DATABASE shop")
    place.sql("CREATE TABLE s (a int); CREATE INDEX s_a ON s (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid ="
              " 's_a'::regclass", "shop")
    place.start_worker()
    found = "SELECT string_agg(index_name, ',') FROM index_rebuilder.finding"
    wait_until(lambda: place.sql("SELECT to_regclass('index_rebuilder.finding')", "shop"), 30 * SLOW, "the schema is there")
    wait_until(lambda: place.sql(found, "shop") == "s_a", 30 * SLOW, "the index in the other database is found")
    wait_until(lambda: place.sql("SELECT to_regclass('index_rebuilder.finding')"), 30 * SLOW, "the schema is there")
    assert place.sql(found) == ""


def test_newer_schema(space):
    """A schema of a newer version is left alone."""
    place = Place(space, "host")
    place.sql("CREATE SCHEMA index_rebuilder; CREATE TABLE index_rebuilder.version AS SELECT 99 AS version")
    place.start_worker()
    place.log.wait_for(r"ERROR:  schema index_rebuilder has version 99, this worker knows up to \d+")
    place.log.wait_for("HINT:  Use a newer version of the module index_rebuilder.")
