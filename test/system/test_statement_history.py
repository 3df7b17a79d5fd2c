"""The worker statement_history, in a real server and in a host beside one: what it stores is what was run, whatever happens
to the counters meanwhile, with no more rights than it needs."""

import re

import pytest

from harness import SLOW, wait_until

SETTINGS = {"statement_history.interval": "1s", "statement_history.pause": "10ms"}
PRELOAD = "pg_stat_statements"


class Place:
    """A server with pg_stat_statements, and the worker: in that server, or in a host beside it."""

    def __init__(self, space, where, settings=None, server_settings=None, role="postgres"):
        self.where = where
        settings = {**SETTINGS, **(settings or {})}
        server_settings = {"pg_stat_statements.save": "on", **(server_settings or {})}
        if role != "postgres":
            settings["statement_history.role"] = role
        inside = where == "server"
        self.server = space.postgres("server", settings={
            "shared_preload_libraries": PRELOAD + (", statement_history" if inside else ""), **server_settings,
            **(settings if inside else {})})
        self.space, self.settings, self.role, self.host = space, settings, role, None

    def start(self):
        self.server.start()
        return self

    def start_worker(self):
        """In a server it runs from the start on, and finds what it needs when that is there."""
        if self.where == "host":
            self.host = self.space.host(upstream=self.server.conninfo(user=self.role), settings={
                "shared_preload_libraries": "statement_history", **self.settings}).start()
        return self

    def daemon(self):
        return self.host or self.server

    def restart_server(self):
        self.server.stop()
        self.server.start()

    def restart_worker(self):
        (self.host or self.server).stop()
        (self.host or self.server).start()

    def sql(self, text):
        return self.server.sql(text)

    def look(self, query):
        return self.server.look(query)

    def snapshots(self):
        return int(self.look("SELECT CASE WHEN to_regclass('statement_history.snapshot') IS NULL THEN 0 ELSE"
                            " (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM statement_history.snapshot',"
                            " false, true, '')))[1]::text::int END"))

    def wait_snapshots(self, more=2):
        """Until that many more snapshots have been taken: the last of them began after the call."""
        goal = self.snapshots() + more
        wait_until(lambda: self.snapshots() >= goal, 30 * SLOW, "snapshots are taken")

    def calls(self, query):
        return self.sql("SELECT coalesce(sum(calls), 0) FROM statement_history.raw JOIN statement_history.statement"
                        f" USING (dbid, queryid) WHERE query = '{query}'")


# It tidies up until half of the interval is over: with this one until there is nothing left to do.
TIDYING = {"statement_history.interval": f"{round(120 * SLOW)}s"}

WHERE = pytest.mark.parametrize("where", ["server", "host"])


@WHERE
def test_differences_are_stored(space, where):
    """Every call is stored once; counters are never reset; the worker's own statements are left out; the text is there."""
    place = Place(space, where).start()
    # The library counts from the start on; the extension is what the worker in the server waits for.
    place.sql("SELECT 'before the first snapshot' AS early")
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    for _ in range(5):
        place.sql("SELECT 42 AS answer")
    place.wait_snapshots()
    for _ in range(3):
        place.sql("SELECT 43 AS answer")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS answer") == "8"
    # Before the first snapshot nobody knows since when the counters count.
    assert place.calls("SELECT $1 AS early") == "0"
    assert place.sql("SELECT calls FROM pg_stat_statements WHERE query = 'SELECT $1 AS answer'") == "8"
    assert place.sql("SELECT count(*) FROM statement_history.raw JOIN statement_history.statement USING (dbid, queryid)"
                     " WHERE own OR query LIKE '%statement_history */%'") == "0"
    assert place.sql("SELECT count(*) > 5 FROM statement_history.statement WHERE own") == "t"
    assert place.sql("SELECT calls, database, role FROM statement_history.top(now() - interval '1 hour', now(), 'calls')"
                     " WHERE query = 'SELECT $1 AS answer'") == "8|postgres|postgres"
    assert place.sql("SELECT count(*) FROM statement_history.top_by_time WHERE query = 'SELECT $1 AS answer'") == "1"
    assert place.sql("SELECT string_agg(DISTINCT kind, ',' ORDER BY kind) FROM statement_history.snapshot") == "first,normal"
    assert place.sql("SELECT bool_and(complete) FROM statement_history.coverage WHERE kind = 'normal'") == "t"


@WHERE
def test_reset_restart_and_return(space, where):
    """A reset by the user, a reset of one entry, and a restart of the server are recognised, and nothing counts twice."""
    place = Place(space, where).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    for _ in range(10):
        place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    place.sql("SELECT pg_stat_statements_reset()")
    for _ in range(4):
        place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS counted") == "14"
    assert place.sql("SELECT count(*) FROM statement_history.snapshot WHERE kind = 'reset'") == "1"
    assert place.sql("SELECT count(*) FROM statement_history.coverage WHERE kind = 'reset' AND complete") == "0"
    # One entry only, between two snapshots: its counters go back.
    for _ in range(6):
        place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    place.sql("SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query = 'SELECT $1 AS counted';"
              " SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS counted") == "21"
    # A restart keeps the counters (pg_stat_statements.save).
    place.restart_server()
    place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS counted") == "22"
    assert place.sql("SELECT count(*) FROM statement_history.snapshot WHERE kind = 'restart'") == "1"


def test_evictions_are_reported(space):
    """More statements than there are entries: the coverage says how many were evicted, and that it is not complete."""
    place = Place(space, "host", server_settings={"pg_stat_statements.max": "100"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.sql(" ; ".join("SELECT " + ", ".join(["1"] * n) for n in range(1, 200)))
    place.wait_snapshots()
    assert int(place.sql("SELECT sum(evictions) FROM statement_history.coverage")) > 0
    assert int(place.sql("SELECT count(*) FROM statement_history.coverage WHERE evictions > 0 AND complete")) == 0


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
def test_versions_of_the_extension(space, version):
    """Each version from 1.8 on: the columns it has are read, the others are not missed."""
    place = Place(space, "host").start()
    place.sql(f"CREATE EXTENSION pg_stat_statements VERSION '{version}'")
    place.start_worker()
    place.wait_snapshots()
    for _ in range(3):
        place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS counted") == "3"
    assert place.sql("SELECT bool_and((dealloc IS NULL) = ('" + version + "' = '1.8')) FROM statement_history.snapshot") == "t"


def test_version_too_old(space):
    """1.7 has other columns: the log says which version is there and what to do; after the update it goes on by itself."""
    place = Place(space, "host").start()
    place.sql("CREATE EXTENSION pg_stat_statements VERSION '1.7'")
    place.start_worker()
    place.host.log.wait_for(r"WARNING:  pg_stat_statements has version 1.7, 1.8 or newer is needed")
    place.host.log.wait_for(r"HINT:  Run ALTER EXTENSION pg_stat_statements UPDATE.")
    place.sql("ALTER EXTENSION pg_stat_statements UPDATE")
    place.wait_snapshots()


def test_extension_comes_later(space):
    """Without the extension the worker says so once, and begins when it is there."""
    place = Place(space, "host").start().start_worker()
    place.host.log.wait_for(r"WARNING:  statement_history: extension pg_stat_statements is not in this database")
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.wait_snapshots()
    assert place.host.log.count("is not in this database") == 1


@WHERE
def test_least_privilege(space, where):
    """The role of the README: no superuser, a schema of its own, pg_read_all_stats. Others' statements are seen, with text."""
    place = Place(space, where, role="historian")
    if where == "server":
        place.server.write_settings(shared_preload_libraries=PRELOAD)
    place.start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.sql("CREATE ROLE historian LOGIN; GRANT pg_read_all_stats TO historian;"
              " CREATE SCHEMA statement_history AUTHORIZATION historian")
    if where == "server":
        place.server.write_settings(shared_preload_libraries=PRELOAD + ", statement_history")
        place.restart_server()
    place.start_worker()
    place.wait_snapshots()
    place.sql("SELECT 1 AS of_another_role")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS of_another_role") == "1"
    assert place.sql("SELECT sum(entries_hidden) FROM statement_history.snapshot") == "0"
    assert place.sql("SELECT DISTINCT relowner::regrole FROM pg_class WHERE relnamespace = 'statement_history'::regnamespace") == "historian"


def test_without_the_privilege(space):
    """A role that may not see others' statements collects its own, and the coverage says what is hidden."""
    place = Place(space, "host", role="historian").start()
    place.sql("CREATE EXTENSION pg_stat_statements; CREATE ROLE historian LOGIN; CREATE SCHEMA statement_history AUTHORIZATION historian")
    place.start_worker()
    place.wait_snapshots()
    assert int(place.sql("SELECT max(entries_hidden) FROM statement_history.snapshot")) > 0
    assert place.sql("SELECT bool_or(complete) FROM statement_history.coverage") == "f"


def test_tiers(space):
    """Old snapshots are summed up by hour and by day and dropped as partitions; the sum over all time stays what it was."""
    place = Place(space, "host", settings={"statement_history.keep_raw": "1d", "statement_history.keep_hourly": "40d"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.host.stop()
    counters = place.sql("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid ="
                         " 'statement_history.last'::regclass AND attnum > 4")
    place.sql(f"""
        SET TimeZone = 'UTC';
        UPDATE statement_history.tier SET done_until = NULL;  -- as if the worker had been there then
        DO $$ DECLARE d date; BEGIN
          FOR d IN SELECT generate_series(current_date - 4, current_date - 1, interval '1 day') LOOP
            EXECUTE format('CREATE TABLE statement_history.raw_%s PARTITION OF statement_history.raw FOR VALUES FROM (%L) TO (%L)',
                           to_char(d, 'YYYYMMDD'), d::timestamptz, (d + 1)::timestamptz);
          END LOOP;
        END $$;
        INSERT INTO statement_history.raw (at, dbid, userid, queryid, toplevel, mark, {counters})
          SELECT g, 1, 2, 3, true, 'n', {', '.join(['1'] * len(counters.split(',')))}
          FROM generate_series(current_date - 4 + interval '7 minutes', current_date - 3 + interval '5 hours', interval '10 minutes') g;""")
    before = place.sql("SELECT calls, wal_bytes FROM statement_history.activity('-infinity', 'infinity') WHERE queryid = 3")
    place.sql("GRANT ALL ON SCHEMA statement_history TO PUBLIC")
    place.host.write_settings(**TIDYING)
    place.host.start()
    wait_until(lambda: place.look("SELECT count(*) FROM pg_inherits WHERE inhparent = 'statement_history.raw'::regclass"
                                 " AND inhrelid::regclass::text < 'statement_history.raw_' || to_char(current_date - 1, 'YYYYMMDD')") == "0",
               60 * SLOW, "old partitions are dropped")
    assert place.sql("SELECT calls, wal_bytes FROM statement_history.activity('-infinity', 'infinity') WHERE queryid = 3") == before
    assert place.sql("SELECT count(*) FROM statement_history.raw WHERE queryid = 3") == "0"
    assert place.sql("SELECT sum(calls) FROM statement_history.hourly WHERE queryid = 3") == before.split("|")[0]
    wait_until(lambda: place.look("SELECT sum(calls) FROM statement_history.daily WHERE queryid = 3") == before.split("|")[0],
               30 * SLOW, "days are summed up")
    assert place.sql("SELECT count(*) FROM statement_history.hourly WHERE queryid = 3") == "29"
    assert place.sql("SELECT count(*) FROM statement_history.daily WHERE queryid = 3") == "2"
    assert place.sql("SELECT string_agg(at::text, ',') FROM (SELECT at FROM statement_history.daily WHERE queryid = 3 ORDER BY 1) d") == \
        place.sql("SET TimeZone = 'UTC'; SELECT (current_date - 4)::timestamptz || ',' || (current_date - 3)::timestamptz")


def test_texts_are_capped_and_purged(space):
    """A long text is cut and marked; what has not been seen for long goes; with length 0 no text is stored."""
    place = Place(space, "host", settings={"statement_history.text_length": "40"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.sql("SELECT 1 AS " + "a" * 50 + ", 2 AS " + "b" * 50)
    place.wait_snapshots()
    assert place.sql("SELECT length(query), truncated FROM statement_history.statement WHERE query LIKE '%aaa%'") == "40|t"
    place.sql("UPDATE statement_history.statement SET last_seen = now() - interval '91 days' WHERE query LIKE '%aaa%'")
    place.sql("SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query LIKE '%aaa%'")
    wait_until(lambda: place.look("SELECT count(*) FROM statement_history.statement WHERE query LIKE '%aaa%'") == "0",
               30 * SLOW, "the text is removed")
    place.host.write_settings(**{"statement_history.text_length": "0"})
    place.host.reload()
    place.wait_snapshots()
    place.sql("SELECT 1 AS without_text")
    place.wait_snapshots()
    assert place.sql("SELECT count(*) FROM statement_history.statement WHERE query LIKE '%without_text%'") == "0"
    assert int(place.sql("SELECT count(*) FROM statement_history.statement WHERE query IS NULL AND NOT own")) > 0


def test_upgrade(space):
    """A schema of an older version is brought up to date with its data; one of a newer version is left alone."""
    place = Place(space, "host").start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.host.stop()
    kept = place.snapshots()
    place.sql("DROP VIEW statement_history.top_by_time, statement_history.top_by_calls, statement_history.top_by_blocks,"
              " statement_history.coverage; DROP FUNCTION statement_history.top, statement_history.activity;"
              " UPDATE statement_history.version SET version = 1")
    place.host.start()
    place.host.log.wait_for("schema brought from version 1 to 2")
    wait_until(lambda: place.snapshots() > kept, 30 * SLOW, "it goes on")
    place.sql("SELECT * FROM statement_history.coverage, statement_history.top_by_blocks LIMIT 1")
    place.host.stop()
    place.sql("UPDATE statement_history.version SET version = 99")
    place.host.start()
    place.host.log.wait_for("ERROR:  schema statement_history has version 99, this worker knows up to 2")
    place.host.log.wait_for("HINT:  Use a newer version of the module statement_history.")


def test_key(space):
    """The same text in two databases, by two roles, at top level and inside a function: each is counted by itself, its text kept
    once for each database."""
    place = Place(space, "host", server_settings={"pg_stat_statements.track": "all"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements; CREATE ROLE other LOGIN")
    place.sql("CREATE DATABASE shop")
    place.sql("CREATE FUNCTION inside() RETURNS int LANGUAGE plpgsql AS 'DECLARE r int; BEGIN SELECT 77 + 1 INTO r; RETURN r; END'")
    place.start_worker()
    place.wait_snapshots()
    for database, role, times in (("postgres", "postgres", 2), ("postgres", "other", 3), ("shop", "postgres", 4)):
        for _ in range(times):
            space.sql(place.server.conninfo(database, role), "SELECT 77 + 1")
    for _ in range(5):
        place.sql("SELECT inside()")
    place.wait_snapshots()
    counted = place.sql(
        "SELECT datname, userid::regrole, toplevel, sum(calls) FROM statement_history.raw r JOIN statement_history.statement s"
        " USING (dbid, queryid) JOIN pg_database d ON d.oid = dbid WHERE query LIKE 'SELECT $1 + $2%' GROUP BY 1, 2, 3 ORDER BY 4")
    assert counted.splitlines() == ["postgres|postgres|t|2", "postgres|other|t|3", "shop|postgres|t|4", "postgres|postgres|f|5"]
    assert place.sql("SELECT count(*), count(DISTINCT dbid) FROM statement_history.statement WHERE query LIKE 'SELECT $1 + $2%'") == "2|2"
    assert place.sql("SELECT database, role, toplevel, calls FROM statement_history.top('-infinity', 'infinity', 'calls')"
                     " WHERE query LIKE 'SELECT $1 + $2%'").splitlines() == [
        "postgres|postgres|f|5", "shop|postgres|t|4", "postgres|other|t|3", "postgres|postgres|t|2"]


def test_marks(space):
    """How each difference was had stands beside it: from the last snapshot, of a new entry, after going back, after a reset."""
    place = Place(space, "host").start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()

    def after(statements):
        # In one transaction that has the worker's lock: no snapshot comes in between.
        place.sql("SELECT pg_advisory_xact_lock(hashtext('statement_history')); " + statements)
        place.wait_snapshots()
        return place.sql("SELECT mark, calls FROM statement_history.raw JOIN statement_history.statement USING (dbid, queryid)"
                         " WHERE query = 'SELECT $1 AS marked' ORDER BY at DESC LIMIT 1")
    marked = "SELECT 1 AS marked"
    assert after(f"{marked}; {marked}; {marked}") == "+|3"
    assert after(marked) == "n|1"
    assert after("SELECT pg_stat_statements_reset(0, 0, queryid) FROM pg_stat_statements WHERE query = 'SELECT $1 AS marked'; "
                 + marked) == "-|1"
    assert after("SELECT pg_stat_statements_reset(); " + marked) == "r|1"
    assert place.sql("SELECT count(*) FROM statement_history.raw WHERE mark NOT IN ('n', '+', '-', 'r')") == "0"


def test_texts_are_read_only_when_there_are_new_ones(space):
    """Snapshots of statements that are all known do not read the file of texts."""
    place = Place(space, "host").start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.sql("SELECT 1 AS known")

    def read():
        return place.sql("SELECT calls FROM pg_stat_statements WHERE query LIKE '%INSERT INTO statement_history.statement SELECT%'"
                         " AND query LIKE '/* statement_history */%'")

    def quiet():
        before = read()
        place.wait_snapshots(3)
        return read() == before
    wait_until(quiet, 60 * SLOW, "snapshots are taken without reading texts")
    before = int(read())
    place.sql("SELECT 2 AS another, 3 AS column_of_it")
    place.wait_snapshots()
    assert int(read()) > before


def test_rate(space):
    """Between the beginnings of two transactions of the worker there is at least the pause that is set."""
    place = Place(space, "host", settings={"statement_history.pause": "700ms", "statement_history.interval": "2s"},
                  server_settings={"log_statement": "all", "log_line_prefix": "at %n %a "}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots(1)
    begun = re.compile(r"^at ([0-9.]+) statement_history .*: BEGIN")
    wait_until(lambda: len(list(filter(begun.search, place.server.log.lines))) >= 8, 60 * SLOW, "transactions are seen")
    times = [float(match.group(1)) for match in map(begun.search, place.server.log.lines) if match]
    assert min(b - a for a, b in zip(times, times[1:])) >= 0.7


def test_retention(space):
    """Each tier keeps its own time: what is older than the hourly tier's is in the daily one only, and what is older than that is gone."""
    place = Place(space, "host", settings={"statement_history.keep_raw": "1d", "statement_history.keep_hourly": "1d",
                                           "statement_history.keep_daily": "400d"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.host.stop()
    counters = place.sql("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid ="
                         " 'statement_history.last'::regclass AND attnum > 4")
    # Statement 3 ran a hundred days ago; statement 4 three years and more ago.
    for queryid, day in ((3, "current_date - 100"), (4, "date_trunc('year', current_date - 1200)::date")):
        place.sql(f"""
            SET TimeZone = 'UTC';
            UPDATE statement_history.tier SET done_until = NULL;
            DO $$ DECLARE d date := {day}; BEGIN
              EXECUTE format('CREATE TABLE statement_history.raw_%s PARTITION OF statement_history.raw FOR VALUES FROM (%L) TO (%L)',
                             to_char(d, 'YYYYMMDD'), d::timestamptz, (d + 1)::timestamptz);
            END $$;
            INSERT INTO statement_history.raw (at, dbid, userid, queryid, toplevel, mark, {counters})
              SELECT g, 1, 2, {queryid}, true, 'n', {', '.join(['1'] * len(counters.split(',')))}
              FROM generate_series({day} + interval '1 hour', {day} + interval '3 hours 50 minutes', interval '10 minutes') g""")
    place.host.write_settings(**TIDYING)
    place.host.start()

    def partitions(tier):
        return place.look(f"SELECT string_agg(inhrelid::regclass::text, ' ') FROM pg_inherits WHERE inhparent = 'statement_history.{tier}'::regclass")

    def gone():
        old_month = place.look("SELECT to_char(current_date - 100, 'YYYYMM')")
        old_year = place.look("SELECT to_char(current_date - 1200, 'YYYY')")
        return (f"hourly_{old_month}" not in partitions("hourly") and f"daily_{old_year}" not in partitions("daily")
                and f"hourly_{old_year}" not in partitions("hourly") and f"raw_{old_year}" not in partitions("raw")
                and place.look("SELECT count(*) FROM statement_history.raw WHERE queryid IN (3, 4)") == "0")
    wait_until(gone, 120 * SLOW, "old partitions of every tier are dropped")
    assert place.sql("SELECT calls FROM statement_history.activity('-infinity', 'infinity') WHERE queryid = 3") == "18"
    assert place.sql("SELECT calls FROM statement_history.daily WHERE queryid = 3") == "18"
    assert place.sql("SELECT count(*) FROM statement_history.hourly WHERE queryid = 3") == "0"
    assert place.sql("SELECT count(*) FROM statement_history.activity('-infinity', 'infinity') WHERE queryid = 4") == "0"


def test_rollup_delay(space):
    """An hour that is over is summed up when the delay has passed, not before; with other delays, workers do it at other times."""
    place = Place(space, "host", settings={"statement_history.rollup_delay": "12h"}).start()
    place.sql("CREATE EXTENSION pg_stat_statements")
    place.start_worker()
    place.wait_snapshots()
    place.host.stop()
    counters = place.sql("SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid ="
                         " 'statement_history.last'::regclass AND attnum > 4")
    place.sql(f"""
        SET TimeZone = 'UTC';
        UPDATE statement_history.tier SET done_until = NULL;
        DO $$ DECLARE d date := (now() - interval '2 hours')::date; BEGIN
          EXECUTE format('CREATE TABLE IF NOT EXISTS statement_history.raw_%s PARTITION OF statement_history.raw FOR VALUES FROM (%L) TO (%L)',
                         to_char(d, 'YYYYMMDD'), d::timestamptz, (d + 1)::timestamptz);
        END $$;
        INSERT INTO statement_history.raw (at, dbid, userid, queryid, toplevel, mark, {counters})
          SELECT date_trunc('hour', now() - interval '2 hours') + interval '1 minute', 1, 2, 3, true, 'n',
                 {', '.join(['1'] * len(counters.split(',')))}""")
    place.host.start()
    place.wait_snapshots(4)
    assert place.sql("SELECT count(*) FROM statement_history.hourly") == "0"
    place.host.write_settings(**{"statement_history.rollup_delay": "1min"})
    place.host.reload()
    wait_until(lambda: place.look("SELECT count(*) FROM statement_history.hourly WHERE queryid = 3") == "1", 60 * SLOW,
               "the hour is summed up")


def test_columns_of_newer_versions(space):
    """The columns of 1.11 (PostgreSQL 17): block times under their new names, and the time since when each entry counts, by which
    an entry that was evicted and came back with higher counters is recognised. Put on top of the version that is there."""
    place = Place(space, "host").start()
    place.sql("""
        CREATE EXTENSION pg_stat_statements;
        CREATE TABLE since (query text PRIMARY KEY, at timestamptz);
        ALTER EXTENSION pg_stat_statements DROP FUNCTION pg_stat_statements(boolean);
        ALTER EXTENSION pg_stat_statements DROP VIEW pg_stat_statements;
        DROP VIEW pg_stat_statements;
        ALTER FUNCTION pg_stat_statements(boolean) RENAME TO pg_stat_statements_1_10;
        CREATE FUNCTION pg_stat_statements(showtext boolean) RETURNS TABLE (userid oid, dbid oid, toplevel bool, queryid bigint, query text,
            plans bigint, total_plan_time float8, calls bigint, total_exec_time float8, rows bigint, shared_blks_hit bigint,
            shared_blks_read bigint, shared_blks_dirtied bigint, shared_blks_written bigint, local_blks_hit bigint, local_blks_read bigint,
            local_blks_dirtied bigint, local_blks_written bigint, temp_blks_read bigint, temp_blks_written bigint,
            shared_blk_read_time float8, shared_blk_write_time float8, local_blk_read_time float8, local_blk_write_time float8,
            temp_blk_read_time float8, temp_blk_write_time float8, wal_records bigint, wal_fpi bigint, wal_bytes numeric,
            stats_since timestamptz, minmax_stats_since timestamptz) LANGUAGE sql VOLATILE AS $$
          SELECT s.userid, s.dbid, s.toplevel, s.queryid, CASE WHEN showtext THEN s.query END, s.plans, s.total_plan_time, s.calls, s.total_exec_time, s.rows,
            s.shared_blks_hit, s.shared_blks_read, s.shared_blks_dirtied, s.shared_blks_written, s.local_blks_hit, s.local_blks_read,
            s.local_blks_dirtied, s.local_blks_written, s.temp_blks_read, s.temp_blks_written, 5.0 * s.calls, 7.0 * s.calls, 0.0, 0.0, 0.0, 0.0,
            s.wal_records, s.wal_fpi, s.wal_bytes, coalesce(i.at, '2020-01-01'), coalesce(i.at, '2020-01-01')
          FROM pg_stat_statements_1_10(true) s LEFT JOIN since i ON i.query = s.query $$;
        CREATE VIEW pg_stat_statements AS SELECT * FROM pg_stat_statements(true)""")
    place.start_worker()
    place.wait_snapshots()
    for _ in range(3):
        place.sql("SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.calls("SELECT $1 AS counted") == "3"
    assert place.sql("SELECT sum(blk_read_time), sum(blk_write_time) FROM statement_history.raw JOIN statement_history.statement"
                     " USING (dbid, queryid) WHERE query = 'SELECT $1 AS counted'") == "15|21"
    # Its statistics begin anew between two snapshots, and are not lower than before: all of them count.
    place.sql("INSERT INTO since VALUES ('SELECT $1 AS counted', clock_timestamp()); SELECT 1 AS counted")
    place.wait_snapshots()
    assert place.sql("SELECT mark, calls FROM statement_history.raw JOIN statement_history.statement USING (dbid, queryid)"
                     " WHERE query = 'SELECT $1 AS counted' ORDER BY at DESC LIMIT 1") == "-|4"
    assert place.host.log.count("WARNING|ERROR") == 0


def test_top(space):
    """Each order puts its statement first; an order that there is none of is an error."""
    place = Place(space, "host").start()
    place.sql("CREATE EXTENSION pg_stat_statements; CREATE TABLE big AS SELECT g FROM generate_series(1, 200000) g")
    place.start_worker()
    place.wait_snapshots()
    place.sql("SELECT pg_sleep(1.5 * 1)")
    place.sql("SELECT count(*) AS blocks FROM big, big b2 WHERE big.g = 1 AND b2.g = 2")
    place.sql("INSERT INTO big SELECT g FROM generate_series(1, 50000) g WHERE g <> 1")
    for _ in range(40):
        place.sql("SELECT 1 AS often")
    place.sql("SELECT g AS rows FROM generate_series(1, 150000) g WHERE g <> 0")
    place.wait_snapshots()

    def first(by):
        return place.sql(f"SELECT query FROM statement_history.top('-infinity', 'infinity', '{by}') WHERE query ~"
                         " 'often|pg_sleep|blocks|INSERT INTO big|AS rows' LIMIT 1")
    assert "pg_sleep" in first("time") and "often" in first("calls") and "AS rows" in first("rows")
    assert "INSERT INTO big" in first("wal")
    assert any(word in first("blocks") for word in ("blocks", "INSERT INTO big"))
    with pytest.raises(AssertionError, match="division by zero"):
        place.sql("SELECT * FROM statement_history.top('-infinity', 'infinity', 'beauty')")
