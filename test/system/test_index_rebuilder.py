"""The worker index_rebuilder, in a real server and in a host beside one: it recognises what failed builds leave behind, acts on
that when it is told to, and leaves everything else alone."""

import os
import re

import pytest

from harness import SLOW, wait_until

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

    def look(self, query, database="postgres"):
        return self.server.look(query, database)

    def one_by_one(self, *statements):
        """In one session, each in a transaction of its own."""
        with self.server.session() as session:
            for statement in statements:
                session.sql(statement)

    def failed_build(self, index, table, unique=True):
        """A CREATE UNIQUE INDEX CONCURRENTLY that fails on duplicates, for real."""
        with pytest.raises(AssertionError, match="could not create unique index"):
            self.sql(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {table}")
        assert self.valid(index) == "f"

    def cancelled_reindex(self, index, table):
        """A REINDEX INDEX CONCURRENTLY that is cancelled while it waits for an older transaction."""
        with self.transaction(f"INSERT INTO {table} SELECT FROM {table} WHERE false"):
            with pytest.raises(AssertionError, match="canceling statement due to lock timeout"):
                self.one_by_one("SET lock_timeout = '100ms'", f"REINDEX INDEX CONCURRENTLY {index}")

    def interrupted(self, statement, table, state):
        """Runs a statement with CONCURRENTLY that has to wait for one open transaction after another, and cancels it when
        the query `state` answers t."""
        where = f"FROM pg_stat_activity WHERE query = '{statement}' AND wait_event_type = 'Lock'"
        old = self.transaction(f"INSERT INTO {table} SELECT FROM {table} WHERE false").__enter__()
        build = self.server.session()
        build.send(statement)
        for _ in range(30):
            wait_until(lambda: self.look(f"SELECT count(*) {where}") == "1", 30 * SLOW, f"{statement} waits")
            if self.sql(state) == "t":
                break
            new = self.transaction(f"INSERT INTO {table} SELECT FROM {table} WHERE false").__enter__()
            old.__exit__()
            old = new
        else:
            raise AssertionError(f"{statement} did not come to where {state}")
        self.sql(f"SELECT pg_cancel_backend(pid) {where}")
        with build, pytest.raises(AssertionError, match="canceling statement due to user request"):
            build.result()
        old.__exit__()
        assert self.sql(state) == "t"

    def transaction(self, text, database="postgres"):
        return Open(self, "BEGIN; " + text, database)

    def valid(self, index):
        return self.look(f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{index}')")

    def wait_finding(self, name, condition="true", deadline=30):
        """Until the finding of that index fulfils a condition; returns kind, action, reason, waiting."""
        wait_until(lambda: self.look("SELECT to_regclass('index_rebuilder.finding')"), deadline * SLOW, "the schema is there")
        try:
            return wait_until(lambda: self.look("SELECT kind, action, reason, waiting FROM index_rebuilder.finding WHERE"
                                               f" index_name = '{name}' AND {condition}"), deadline * SLOW,
                              f"finding {name}").split("|")
        except AssertionError:
            raise AssertionError(f"no finding {name} with {condition}: " +
                                 self.sql("SELECT * FROM index_rebuilder.finding")) from None

    def looks(self, more=2):
        """Waits until the worker has looked that many more times."""
        last = "SELECT coalesce(max(last_seen)::text, '') FROM index_rebuilder.finding"
        for _ in range(more):
            before = self.look(last)
            wait_until(lambda: self.look(last) != before, 30 * SLOW, "the worker looks again")

    def indexes(self, table):
        return self.look("SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text)"
                        f" FROM pg_index WHERE indrelid = '{table}'::regclass")


class Open:
    """A client session that stays in a transaction."""

    def __init__(self, place, text, database="postgres"):
        self.server, self.text, self.database, self.session = place.server, text, database, None

    def __enter__(self):
        self.session = self.server.session(self.database)
        self.session.sql(self.text)
        return self

    def __exit__(self, *_):
        self.session.close()


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
    place.sql("REINDEX INDEX CONCURRENTLY t_a")
    wait_until(lambda: place.look("SELECT string_agg(index_name, ',') FROM index_rebuilder.finding") == "t_b_ccnew", 30 * SLOW,
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
    build = place.server.session()
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        build.send("CREATE INDEX CONCURRENTLY t_a ON t (a)")
        waiting = place.wait_finding("t_a")[3]
        assert re.match(r"process \d+ (is building|has or wants ShareUpdateExclusiveLock)", waiting)
    with build:
        build.result()
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.finding") == "0", 30 * SLOW, "the finished index is gone")
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
    wait_until(lambda: place.look("SELECT to_regclass('index_rebuilder.finding')", "shop"), 30 * SLOW, "the schema is there")
    wait_until(lambda: place.look(found, "shop") == "s_a", 30 * SLOW, "the index in the other database is found")
    wait_until(lambda: place.look("SELECT to_regclass('index_rebuilder.finding')"), 30 * SLOW, "the schema is there")
    assert place.sql(found) == ""


def test_newer_schema(space):
    """A schema of a newer version is left alone."""
    place = Place(space, "host")
    place.sql("CREATE SCHEMA index_rebuilder; CREATE TABLE index_rebuilder.version AS SELECT 99 AS version")
    place.start_worker()
    place.log.wait_for(r"ERROR:  schema index_rebuilder has version 99, this worker knows up to \d+")
    place.log.wait_for("HINT:  Use a newer version of the module index_rebuilder.")


def test_readme(space):
    """The README has each parameter, with its default."""
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "modules", "index_rebuilder", "README.md")) as f:
        told = dict(re.findall(r"^\| `(index_rebuilder\.\w+)` \| `?([^`|]*?)`? \|", f.read(), re.M))
    told = {name: "" if value == "empty" else value for name, value in told.items()}
    preload = {"shared_preload_libraries": "index_rebuilder"}
    shown = [space.postgres(name, settings={**preload, **settings}).start().sql(
        "SELECT name, setting FROM pg_settings WHERE name LIKE 'index_rebuilder.%' ORDER BY name")
        for name, settings in (("bare", {}), ("told", told))]
    assert shown[0] == shown[1]
    assert sorted(told) == [line.split("|")[0] for line in shown[0].split("\n")]


# --- what is done ---------------------------------------------------------------------------------------------------------

REPAIR = {"index_rebuilder.mode": "repair", "index_rebuilder.pause": "10ms", "index_rebuilder.disk_reserve": "1MB"}
INVALID = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
HISTORY = ("SELECT string_agg(index_name || ' ' || kind || ' ' || split_part(statement, ' ', 1) || ' ' || outcome, ', ' ORDER BY id)"
           " FROM index_rebuilder.history")


def wait_history(place, text, deadline=60):
    wait_until(lambda: place.look("SELECT to_regclass('index_rebuilder.history')"), deadline * SLOW, "the schema is there")
    try:
        wait_until(lambda: place.look(HISTORY) == text, deadline * SLOW, "history")
    except AssertionError:
        raise AssertionError(f"the history is {place.sql(HISTORY)}, not {text}\n{place.log.text()}") from None


@WHERE
def test_repair(space, where):
    """Invalid indexes become valid, leftovers and half-dropped ones go; valid ones, and those no rule covers, stay as they are."""
    place = Place(space, where, settings=REPAIR)
    make_table(place)
    place.sql("INSERT INTO t VALUES (1, 'again'); CREATE INDEX t_b ON t (b); CREATE TABLE keyed (id int PRIMARY KEY);"
              " INSERT INTO keyed SELECT generate_series(1, 100); CREATE INDEX fine ON keyed (id); CREATE INDEX t_ab ON t (a, b);"
              " CREATE INDEX gone ON keyed (id); CREATE INDEX lonely_ccnew ON keyed (id)")
    place.failed_build('"T a"', "t (a)")
    place.cancelled_reindex("t_b", "t")
    place.sql(INVALID.format("keyed_pkey") + ";" + INVALID.format("lonely_ccnew") +
              "; DELETE FROM t WHERE b = 'again'")
    # Stopped when it had been swapped with its copy, and when it was not in use any more.
    place.interrupted("REINDEX INDEX CONCURRENTLY t_ab", "t", "SELECT to_regclass('t_ab_ccold') IS NOT NULL")
    place.interrupted("DROP INDEX CONCURRENTLY gone", "keyed", "SELECT NOT indislive FROM pg_index WHERE indexrelid = 'gone'::regclass")
    kept = place.sql("SELECT string_agg(oid::text, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('fine', 't_ab', 't_b')")
    place.start_worker()
    place.wait_finding("lonely_ccnew")
    wait_until(lambda: place.look("SELECT string_agg(index_name, ',') FROM index_rebuilder.finding") == "lonely_ccnew", 60 * SLOW,
               "all but one are repaired")
    assert place.indexes("t") == '"T a" true, t_ab true, t_b true'
    assert place.indexes("keyed") == "fine true, keyed_pkey true, lonely_ccnew false"
    assert place.sql("SELECT string_agg(oid::text, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('fine', 't_ab', 't_b')") == kept
    assert place.sql("SELECT conindid = 'keyed_pkey'::regclass, convalidated FROM pg_constraint WHERE conname = 'keyed_pkey'") == "t|t"
    assert place.sql("SELECT string_agg(index_name || ' ' || kind || ' ' || statement, E'\\n' ORDER BY index_name COLLATE \"C\")"
                     " FROM index_rebuilder.history WHERE outcome = 'done' AND finished > started").split("\n") == [
        'T a invalid REINDEX INDEX CONCURRENTLY public."T a"', "gone dead DROP INDEX CONCURRENTLY public.gone",
        "keyed_pkey invalid REINDEX INDEX CONCURRENTLY public.keyed_pkey",
        "t_ab_ccold leftover DROP INDEX CONCURRENTLY public.t_ab_ccold",
        "t_b_ccnew leftover DROP INDEX CONCURRENTLY public.t_b_ccnew"]
    assert place.sql("SELECT bool_and((size_before >= 8192) = (index_name NOT IN ('T a', 't_b_ccnew')) AND (size_after > 0) ="
                     " (statement LIKE 'REINDEX%')) FROM index_rebuilder.history") == "t"
    place.log.wait_for(r"LOG:  index_rebuilder: index public.keyed_pkey rebuilt in [\d.]+ s: 16 kB before, 16 kB after")
    place.log.wait_for(r"LOG:  index_rebuilder: index public.gone dropped in [\d.]+ s: 16 kB given back")
    place.log.wait_for(r"LOG:  index_rebuilder: REINDEX INDEX CONCURRENTLY public.keyed_pkey \(\d+ MB free in .*/base\)")
    place.looks()
    assert place.sql("SELECT count(*) FROM index_rebuilder.history") == "5"


@WHERE
def test_builds_in_progress_are_not_touched(space, where):
    """While somebody builds or rebuilds an index, nothing is done to it or its copy, even by a role that sees only the locks; nor
    before min_age is over, nor to an index of a partition that is valid."""
    place = Place(space, where, settings=REPAIR, role="rebuilder")
    make_table(place)
    place.sql("CREATE ROLE rebuilder LOGIN; CREATE SCHEMA index_rebuilder AUTHORIZATION rebuilder; CREATE INDEX t_b ON t (b);"
              " CREATE TABLE u (a int, b int); CREATE INDEX u_a ON u (a); CREATE TABLE part (k int, v int) PARTITION BY LIST (k);"
              " CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1); CREATE INDEX part_v ON ONLY part (v);"
              " CREATE INDEX part_1_v ON part_1 (v); CREATE INDEX part_1_v_ccnew ON part_1 (v);")
    for name in ("t", "u", "part", "part_1"):
        place.sql(f"ALTER TABLE {name} OWNER TO rebuilder")
    place.sql(INVALID.format("part_1_v_ccnew"))
    place.start_worker()
    wait_history(place, "part_1_v_ccnew leftover DROP done")
    assert place.valid("part_1_v") == "t"
    assert place.wait_finding("part_v")[1] == "none"
    builds = [place.server.session(), place.server.session()]
    with place.transaction("INSERT INTO t VALUES (0, 'open'); INSERT INTO u VALUES (1, 1)"):
        builds[0].send("CREATE INDEX CONCURRENTLY u_b ON u (b)")
        builds[1].send("REINDEX INDEX CONCURRENTLY t_b")
        for name in ("u_b", "t_b_ccnew"):
            assert place.wait_finding(name)[3].endswith("has or wants ShareUpdateExclusiveLock")
        place.looks(3)
        assert place.sql(HISTORY) == "part_1_v_ccnew leftover DROP done"
    for build in builds:
        with build:
            build.result()
    assert place.indexes("t") == "t_b true" and place.indexes("u") == "u_a true, u_b true"
    place.set(min_age="1h")
    place.log.wait_for(r'parameter "index_rebuilder.min_age" changed to "1h"')
    place.sql(INVALID.format("u_a"))
    place.wait_finding("u_a", "waiting IS NOT NULL")
    place.looks(3)
    assert place.sql(HISTORY) == "part_1_v_ccnew leftover DROP done"


def test_base_before_leftover(space):
    """A leftover of an invalid index is dropped after that has been repaired; a leftover of a leftover before it."""
    place = Place(space, "host", settings=REPAIR)
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a); CREATE INDEX t_a_ccnew ON t (a); CREATE INDEX t_b ON t (b);"
              " CREATE INDEX t_b_ccnew ON t (b); CREATE INDEX t_b_ccnew_ccold2 ON t (b);")
    for name in ("t_a", "t_a_ccnew", "t_b_ccnew", "t_b_ccnew_ccold2"):
        place.sql(INVALID.format(name))
    place.start_worker()
    wait_history(place, "t_b_ccnew_ccold2 leftover DROP done, t_b_ccnew leftover DROP done, t_a invalid REINDEX done,"
                        " t_a_ccnew leftover DROP done")
    assert place.indexes("t") == "t_a true, t_b true"


@WHERE
def test_failures(space, where):
    """A failure ends the round, takes its own leftover along, and keeps the index waiting, longer each time and over restarts."""
    place = Place(space, where, settings={**REPAIR, "index_rebuilder.backoff": "100s", "index_rebuilder.backoff_max": "1h"})
    make_table(place)
    place.sql("INSERT INTO t VALUES (1, 'again')")
    place.failed_build("t_a", "t (a)")
    place.start_worker()
    waits = "SELECT f.failures, round(extract(epoch FROM f.retry_after - h.finished)) FROM index_rebuilder.finding f," \
            " (SELECT max(finished) AS finished FROM index_rebuilder.history WHERE outcome = 'failed') h"
    once = "t_a invalid REINDEX failed, t_a_ccnew leftover DROP done"
    wait_history(place, once)
    assert place.indexes("t") == "t_a false"
    assert place.sql(waits) == "1|100"
    assert place.sql("SELECT sqlstate, error FROM index_rebuilder.history WHERE outcome = 'failed'") == \
        '23505|could not create unique index "t_a_ccnew"'
    place.log.wait_for(r'WARNING:  could not create unique index "t_a_ccnew"')
    place.log.wait_for(r"DETAIL:  Key \(a\)=\(1\) is duplicated")
    assert place.wait_finding("t_a", "waiting IS NOT NULL")[3] == "it failed 1 times"
    place.sql("UPDATE index_rebuilder.finding SET retry_after = now()")
    wait_history(place, f"{once}, {once}")
    assert place.sql(waits) == "2|200"
    place.sql("UPDATE index_rebuilder.finding SET failures = 5, retry_after = now()")
    wait_history(place, f"{once}, {once}, {once}")
    assert place.sql(waits) == "6|3200"
    place.sql("UPDATE index_rebuilder.finding SET retry_after = now()")
    wait_history(place, f"{once}, {once}, {once}, {once}")
    assert place.sql(waits) == "7|3600"
    done = place.sql("SELECT count(*) FROM index_rebuilder.history")
    place.sql("UPDATE index_rebuilder.finding SET retry_after = now() + interval '1 hour'")
    place.stop_worker()
    place.start_worker()
    place.looks()
    assert place.wait_finding("t_a")[3] == "it failed 7 times"
    assert place.sql("SELECT count(*) FROM index_rebuilder.history") == done
    # When its time has come and the cause is gone, it is repaired and forgotten.
    place.sql("DELETE FROM t WHERE b = 'again'; UPDATE index_rebuilder.finding SET retry_after = now()")
    wait_until(lambda: place.valid("t_a") == "t", 60 * SLOW, "the index is valid")
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.finding") == "0", 30 * SLOW, "nothing is found any more")


def test_failure_ends_round(space):
    """After a failure nothing else is tried until the next look."""
    place = Place(space, "host", settings={**REPAIR, "index_rebuilder.interval": "1d"})
    make_table(place)
    place.sql("INSERT INTO t VALUES (1, 'again')")
    place.failed_build("t_a", "t (a)")
    place.sql("CREATE INDEX t_b ON t (b);" + INVALID.format("t_b"))
    place.start_worker()
    wait_history(place, "t_a invalid REINDEX failed, t_a_ccnew leftover DROP done")
    place.set(interval="1s")
    wait_history(place, "t_a invalid REINDEX failed, t_a_ccnew leftover DROP done, t_b invalid REINDEX done")


@WHERE
def test_stop(space, where):
    """A worker that is told to stop ends at once, the statement is cancelled, and that is not counted against the index."""
    place = Place(space, where, settings={**REPAIR, "index_rebuilder.lock_timeout": "0"})
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    place.start_worker()
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'index_rebuilder' AND query LIKE '%REINDEX%' AND state = 'active'"
    wait_until(lambda: place.valid("t_a") == "t", 60 * SLOW, "the worker is up")
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        place.sql(INVALID.format("t_a"))
        wait_until(lambda: place.look(busy) == "1", 60 * SLOW, "the rebuild waits for the open transaction")
        # No transaction of the worker is open while the statement runs: it would wait for itself.
        assert place.sql("SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND state <> 'active'"
                         " AND pid <> pg_backend_pid()") == "0"
        if where == "host":
            place.host.stop()
        else:
            place.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'index_rebuilder'")
        wait_until(lambda: place.look(busy) == "0", 30 * SLOW, "the statement is cancelled")
        assert place.sql("SELECT outcome, sqlstate, error FROM index_rebuilder.history ORDER BY id DESC LIMIT 1") == \
            "cancelled|57014|the worker is being stopped"
        assert place.sql("SELECT failures, retry_after IS NULL FROM index_rebuilder.finding WHERE index_name = 't_a'") == "0|t"
        assert place.indexes("t") == "t_a false, t_a_ccnew false"
        place.log.wait_for(r"canceling statement due to user request") if where == "server" else \
            place.server.log.wait_for(r"canceling statement due to user request")
    if where == "host":
        place.host.start()
    # It comes again, repairs the index, and drops what the stop has left.
    wait_until(lambda: place.indexes("t") == "t_a true", 90 * SLOW, "all is well again")


def test_killed(space):
    """An attempt whose worker is killed is noted as interrupted, counts as a failure, and its statement does not go on."""
    place = Place(space, "host", settings={**REPAIR, "index_rebuilder.lock_timeout": "0"})
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a") + "; CREATE TABLE u (a int); CREATE INDEX u_a ON u (a)")
    busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'index_rebuilder' AND query LIKE '%REINDEX%' AND state = 'active'"
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        place.start_worker()
        place.host.expect_crash = True
        wait_until(lambda: place.look(busy) == "1", 60 * SLOW, "the rebuild waits for the open transaction")
        worker = place.host.worker("index_rebuilder postgres")
        space.run(["kill", "-9", str(worker)])
        place.host.worker("index_rebuilder postgres", other_than=worker, deadline=60 * SLOW)
        wait_until(lambda: place.look(busy) == "0", 60 * SLOW, "the server gives the statement up")
    place.looks()
    assert place.wait_finding("t_a", "waiting IS NOT NULL")[3] == "it failed 1 times"
    # Noted when there is something to do again.
    place.sql(INVALID.format("u_a"))
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.history WHERE outcome = 'interrupted'") == "1", 60 * SLOW,
               "the attempt is noted as interrupted")


def test_lock_timeout(space):
    """A repair that would have to wait for longer than lock_timeout is given up."""
    place = Place(space, "host", settings={**REPAIR, "index_rebuilder.lock_timeout": "300ms"})
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        place.start_worker()
        wait_until(lambda: place.look("SELECT to_regclass('index_rebuilder.history')"), 30 * SLOW, "the schema is there")
        wait_until(lambda: place.look("SELECT error FROM index_rebuilder.history WHERE outcome = 'failed' ORDER BY id LIMIT 1") ==
                   "canceling statement due to lock timeout", 60 * SLOW, "the repair is given up")
        assert place.valid("t_a") == "f"


@WHERE
def test_least_privilege(space, where):
    """The role of the README: no superuser, a member of the roles that own the tables. What others own it does not touch."""
    place = Place(space, where, settings=REPAIR, role="rebuilder")
    make_table(place)
    place.sql("CREATE ROLE app; CREATE ROLE rebuilder LOGIN; GRANT app, pg_read_all_stats TO rebuilder;"
              " CREATE SCHEMA index_rebuilder AUTHORIZATION rebuilder; ALTER TABLE t OWNER TO app;"
              " CREATE INDEX t_a ON t (a); CREATE INDEX t_a_ccold ON t (a); CREATE TABLE strangers (a int);"
              " CREATE INDEX strangers_a ON strangers (a)")
    for name in ("t_a", "t_a_ccold", "strangers_a"):
        place.sql(INVALID.format(name))
    place.start_worker()
    wait_history(place, "t_a invalid REINDEX done, t_a_ccold leftover DROP done")
    assert place.sql("SELECT index_name, action, waiting FROM index_rebuilder.finding") == "strangers_a|none|"
    assert place.indexes("t") == "t_a true"
    assert place.sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'index_rebuilder'::regnamespace") == "rebuilder"
    if where == "host":
        # A role that may not see where the data is rebuilds up to a limit.
        place.log.wait_for(r"REINDEX INDEX CONCURRENTLY public.t_a \(free space not known: the role may not see data_directory\)")
        place.set(blind_limit="0")
        place.sql(INVALID.format("t_a"))
        place.log.wait_for(r"WARNING:  index_rebuilder: index public.t_a is not rebuilt for lack of space")
        place.log.wait_for(r"DETAIL:  free space not known: .*; 1 MB are expected, more than index_rebuilder.blind_limit of 0 MB")
        assert place.valid("t_a") == "f"
    else:
        place.log.wait_for(r"REINDEX INDEX CONCURRENTLY public.t_a \(\d+ MB free in ")


@WHERE
def test_window_and_space(space, where):
    """Outside of the window, and without room, nothing is rebuilt; a drop needs no room."""
    at = "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '{}', 'HH24:MI') || '-' || to_char(now() AT TIME ZONE 'UTC' + interval '{}', 'HH24:MI')"
    place = Place(space, where, settings=REPAIR)
    make_table(place)
    place.sql("ALTER DATABASE postgres SET TimeZone = 'UTC'; CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);"
              " CREATE INDEX t_b_ccnew ON t (b);" + INVALID.format("t_a") + ";" + INVALID.format("t_b_ccnew"))
    place.settings["index_rebuilder.window"] = place.sql(at.format("2 hours", "20 hours"))  # spans midnight or not
    place.settings["index_rebuilder.disk_reserve"] = "2047GB"
    place.start_worker()
    assert place.wait_finding("t_a")[3] == ""
    place.looks(3)
    assert place.sql("SELECT count(*) FROM index_rebuilder.history") == "0"
    place.set(window=place.sql(at.format("-20 hours", "2 hours")))
    wait_history(place, "t_b_ccnew leftover DROP done, t_a invalid REINDEX skipped")
    place.log.wait_for(r"WARNING:  index_rebuilder: index public.t_a is not rebuilt for lack of space")
    place.log.wait_for(r"DETAIL:  \d+ MB free in .*/base, but \d+ MB and index_rebuilder.disk_reserve of \d+ MB are needed")
    assert place.valid("t_a") == "f"
    place.set(disk_reserve="1MB")
    place.sql("UPDATE index_rebuilder.finding SET retry_after = now()")
    wait_until(lambda: place.valid("t_a") == "t", 60 * SLOW, "there is room now")
    place.set(window="25:00-26:00")
    place.log.wait_for(r'invalid value for parameter "index_rebuilder.window": "25:00-26:00"')
    place.log.wait_for(r"DETAIL:  It is HH:MM-HH:MM with two different times, or empty.")


def test_connection(space):
    """A connection that leads to another server, or nowhere, is told with the remedy, and nothing is done."""
    place = Place(space, "host", settings=REPAIR)
    other = space.postgres("other").start()
    place.settings["index_rebuilder.connection"] = other.conninfo()
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    place.start_worker()
    place.log.wait_for(r"WARNING:  index_rebuilder.connection leads to another server than the worker's own session")
    place.set(connection="host=/nowhere")
    place.log.wait_for(r"WARNING:  index_rebuilder could not open a session of its own: .*/nowhere")
    place.log.wait_for(r"HINT:  Set index_rebuilder.connection")
    assert place.valid("t_a") == "f"
    place.set(connection=place.server.conninfo())
    wait_until(lambda: place.valid("t_a") == "t", 60 * SLOW, "the index is valid")


def test_embedded_upstream(space):
    """In a host without an upstream it repairs in the host's private server."""
    host = space.host(settings={"shared_preload_libraries": "index_rebuilder", **SETTINGS, **REPAIR}).start()
    host.log.wait_for("index_rebuilder: schema brought from version 0", 120 * SLOW)
    host.sql("CREATE TABLE t (a int); CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    wait_until(lambda: host.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a'::regclass") == "t", 60 * SLOW,
               "the index is valid")


# --- waste ----------------------------------------------------------------------------------------------------------------


def make_waste(place):
    """Two indexes of one table lose most of their entries; one of another table does not; one is small."""
    place.sql("CREATE EXTENSION pgstattuple")
    make_table(place, rows=20000)
    make_table(place, "u", rows=20000)
    make_table(place, "s", rows=1000)
    place.sql("CREATE INDEX t_a ON t (a); CREATE INDEX t_half ON t (a) WITH (fillfactor = 30); CREATE INDEX u_a ON u (a);"
              " CREATE INDEX s_a ON s (a); DELETE FROM t WHERE a % 20 <> 0; DELETE FROM s WHERE a % 20 <> 0")
    place.one_by_one("VACUUM t", "VACUUM s")


@WHERE
def test_bloat(space, where):
    """With a threshold set, a wasteful index is rebuilt, once; others, and small ones, are left alone. By default all are."""
    place = Place(space, where, settings={**REPAIR, "index_rebuilder.bloat_min_size": "256kB", "index_rebuilder.bloat_interval": "1s"})
    make_waste(place)
    place.sql(INVALID.format("s_a"))
    before = place.sql("SELECT string_agg(oid::text, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('u_a')")
    size = int(place.sql("SELECT pg_relation_size('t_a')"))
    place.start_worker()
    # Without a threshold only what is invalid is touched.
    wait_history(place, "s_a invalid REINDEX done")
    wait_until(lambda: place.valid("s_a") == "t", 30 * SLOW, "the worker has looked")
    assert place.sql("SELECT count(*) FROM index_rebuilder.bloat") == "0"
    place.set(mode="report", bloat_threshold="80")
    for name in ("t_a", "t_half"):
        kind, action, reason, _ = place.wait_finding(name)
        assert (kind, action) == ("bloated", "reindex") and int(reason.split()[0]) >= 80, (name, reason)
    place.log.wait_for(r'WARNING:  index_rebuilder: index public.t_a on table "t" is bloated')
    assert place.sql("SELECT count(*) FROM index_rebuilder.history") == "1"
    place.set(mode="repair")
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.history WHERE kind = 'bloated' AND outcome = 'done'") == "2",
               60 * SLOW, "both are rebuilt")
    assert int(place.sql("SELECT pg_relation_size('t_a')")) < size / 5
    assert place.sql("SELECT size_before, size_after < size_before / 5 FROM index_rebuilder.history WHERE index_name = 't_a'") == f"{size}|t"
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.finding") == "0", 30 * SLOW, "nothing is found any more")
    assert place.sql("SELECT string_agg(oid::text, ',' ORDER BY relname) FROM pg_class WHERE relname IN ('u_a')") == before
    assert place.sql("SELECT round(wasted) < 5 FROM index_rebuilder.bloat WHERE indexrelid = 'u_a'::regclass") == "t"
    # However much of it is wasted again, an index rests before it is rebuilt for that once more.
    place.sql("INSERT INTO index_rebuilder.bloat SELECT oid, 't'::regclass, now() + interval '1 hour', 1000000, 99 FROM pg_class"
              " WHERE relname = 't_a' ON CONFLICT (indexrelid) DO UPDATE SET wasted = 99, size = 1000000, measured = excluded.measured")
    place.sql("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 's_a'::regclass")
    wait_until(lambda: place.valid("s_a") == "t", 60 * SLOW, "another one is repaired")
    assert place.sql("SELECT count(*) FROM index_rebuilder.history WHERE index_name = 't_a'") == "1"
    place.set(bloat_rest="0")
    wait_until(lambda: place.look("SELECT count(*) FROM index_rebuilder.history WHERE index_name = 't_a' AND outcome = 'done'") != "1",
               60 * SLOW, "it is rebuilt again")


def test_bloat_without_extension(space):
    """Without pgstattuple the log says so once; a role that may not run it is told what is refused."""
    place = Place(space, "host", role="rebuilder", settings={"index_rebuilder.bloat_threshold": "50", "index_rebuilder.bloat_min_size": "0"})
    make_table(place)
    place.sql("CREATE ROLE rebuilder LOGIN; CREATE SCHEMA index_rebuilder AUTHORIZATION rebuilder; CREATE INDEX t_a ON t (a);"
              " ALTER TABLE t OWNER TO rebuilder; CREATE TABLE w (a int); ALTER TABLE w OWNER TO rebuilder; CREATE INDEX w_a ON w (a);"
              + INVALID.format("w_a"))
    place.start_worker()
    place.log.wait_for(r"WARNING:  index_rebuilder: extension pgstattuple is not in this database")
    place.wait_finding("w_a")
    place.looks(3)
    assert place.log.count("pgstattuple is not in this database") == 1
    place.sql("CREATE EXTENSION pgstattuple")
    place.log.wait_for(r"WARNING:  permission denied for function pgstatindex")
    place.looks()
    place.sql("GRANT pg_stat_scan_tables TO rebuilder")
    wait_until(lambda: place.look("SELECT wasted FROM index_rebuilder.bloat WHERE indexrelid = 't_a'::regclass") != "", 60 * SLOW,
               "it is measured")


def test_upgrade(space):
    """A schema of an older version is brought up to date, with what it remembers."""
    place = Place(space, "host", settings={"index_rebuilder.min_age": "1d"})
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    place.start_worker()
    place.wait_finding("t_a")
    place.stop_worker()
    place.sql("DROP TABLE index_rebuilder.bloat; DROP INDEX index_rebuilder.history_bloated;"
              " UPDATE index_rebuilder.version SET version = 1; UPDATE index_rebuilder.finding SET first_seen = '2020-01-01'")
    place.start_worker()
    place.log.wait_for("index_rebuilder: schema brought from version 1 to 2")
    assert place.wait_finding("t_a", "waiting IS NULL")[1] == "reindex"


def test_one_at_a_time(space):
    """While the worker of one database repairs, the one of another database waits for its turn; so does a worker of another host
    in the same database."""
    settings = {**REPAIR, "index_rebuilder.databases": "postgres, shop", "index_rebuilder.lock_timeout": "0"}
    place = Place(space, "host", settings=settings)
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a);" + INVALID.format("t_a"))
    place.sql("CREATE DATABASE shop")
    second = space.host("second", upstream=place.server.conninfo(), settings={
        "shared_preload_libraries": "index_rebuilder", **SETTINGS, **REPAIR, "log_min_messages": "debug1"})
    with place.transaction("INSERT INTO t VALUES (0, 'open')"):
        place.start_worker()
        busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'index_rebuilder' AND state = 'active'"
        wait_until(lambda: place.look(busy) == "1", 60 * SLOW, "the rebuild waits for the open transaction")
        place.sql("CREATE TABLE s (a int); CREATE INDEX s_a ON s (a);" + INVALID.format("s_a"), "shop")
        place.sql("CREATE TABLE v (a int); CREATE INDEX v_a ON v (a);" + INVALID.format("v_a"))
        second.start()
        second.log.wait_for(r"DEBUG:  index_rebuilder: another worker repairs in this database", 60 * SLOW)
        wait_until(lambda: place.look("SELECT to_regclass('index_rebuilder.finding')", "shop"), 30 * SLOW, "the schema is there")
        wait_until(lambda: place.look("SELECT index_name FROM index_rebuilder.finding WHERE last_seen > first_seen", "shop") == "s_a",
                   30 * SLOW, "the other worker has looked twice")
        assert place.sql("SELECT count(*) FROM index_rebuilder.history", "shop") == "0"
        assert place.sql("SELECT index_name, outcome FROM index_rebuilder.history") == "t_a|running"
    wait_until(lambda: place.look("SELECT indisvalid FROM pg_index WHERE indexrelid = 's_a'::regclass", "shop") == "t", 60 * SLOW,
               "the other one has its turn")
    wait_until(lambda: place.valid("v_a") == "t" and place.valid("t_a") == "t", 60 * SLOW, "all are valid")


def test_toast(space):
    """What a REINDEX TABLE CONCURRENTLY leaves of the table's TOAST index is dropped."""
    place = Place(space, "host", settings=REPAIR)
    make_table(place)
    place.sql("CREATE INDEX t_a ON t (a)")
    with place.transaction("INSERT INTO t SELECT FROM t WHERE false"):
        with pytest.raises(AssertionError, match="canceling statement due to lock timeout"):
            place.one_by_one("SET lock_timeout = '100ms'", "REINDEX TABLE CONCURRENTLY t")
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert place.sql(invalid) == "2"
    place.start_worker()
    wait_until(lambda: place.look(invalid) == "0", 60 * SLOW, "both leftovers are gone")
    assert place.indexes("t") == "t_a true"
    assert place.sql("SELECT string_agg(DISTINCT schema_name || ' ' || split_part(statement, ' ', 1), ', ') FROM index_rebuilder.history") == \
        "pg_toast DROP, public DROP"
