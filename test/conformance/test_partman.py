"""pg_partman's background worker, Debian's own binary, maintains partitions in the host as inside the server: a launcher
that registers one dynamic worker per database and waits for its start and its end.

With an interval of an hour a reload wakes the launcher: each reload is one round, at the moment of the test's choice.
The module leaves the type of its workers uninitialized, so that neither processes nor messages are known by it.
"""

import os
import re

from compare import ABOUT_WORKERS, QUIET, agree, in_shutdown_order, mask
from harness import LINE, PKGLIBDIR, wait_until

SETTINGS = {"shared_preload_libraries": "pg_partman_bgw", "dynamic_library_path": "$libdir",
            "log_line_prefix": "[%p|%p] "}
BY_RELOAD = {**SETTINGS, **QUIET, "pg_partman_bgw.interval": 3600}

EXTENSION = "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;"
# Partitions of ten numbers each; two beyond the one that the highest number falls into.
TABLE = """
CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id);
SELECT partman.create_parent('public.events', 'id', 'native', '10', p_premake := 2);
"""
PARTITIONS = "SELECT string_agg(c::text, ' ' ORDER BY c::text) FROM (SELECT inhrelid::regclass c FROM pg_inherits) i"


def pair(space, settings):
    """A real server with the module, and a host with it beside a server without it."""
    assert os.path.exists(f"{PKGLIBDIR}/pg_partman_bgw.so"), "package postgresql-15-partman is missing"
    of_servers = {"max_prepared_transactions": 2}
    server = space.postgres("reference", settings={**settings, **of_servers})
    upstream = space.postgres("upstream", settings=of_servers)
    upstream.start()
    return server, space.host(settings=settings, upstream=upstream)


def lines_by_process(daemon):
    """[(pid, [(severity, text)])] in the order of the processes' first lines. What SQL logs at DEBUG has a CONTEXT, and is
    in the upstream's log where there is one; what the module itself logs has none."""
    said = {}
    for line in daemon.log.text().split("\n["):
        match = LINE.match(line if line.startswith("[") else "[" + line)
        if match:
            said.setdefault(int(match.group(1)), []).append((match.group(3), match.group(4)))
    for pid, lines in said.items():
        kept = []
        for level, text in lines:
            if level == "CONTEXT" and kept and kept[-1][0] == "DEBUG":
                kept.pop()
            else:
                kept.append((level, text))
        said[pid] = kept
    return list(said.items())


def transcript(daemon, workers):
    """{who: lines} of the postmaster and of the workers that `workers` counts, numbered in the order of their start."""
    said = {}
    for pid, lines in lines_by_process(daemon):
        if pid == daemon.pid:
            about = [(level, re.sub(r'background worker ".*" \(PID', 'background worker "T" (PID', mask(text), flags=re.S))
                     for level, text in lines if ABOUT_WORKERS.search(text) and "listening on" not in text]
            said["postmaster"] = in_shutdown_order(about)
        elif any("partman" in text and level in ("LOG", "DEBUG") for level, text in lines):
            said[f"worker {len(said)}"] = [(level, mask(text)) for level, text in lines]
    assert len(said) == workers + 1, f"{daemon.name}: {len(said)} processes spoke"
    return said


def one_round(daemon, databases, while_held=None, **settings):
    """Reloads with `settings` and waits until the launcher has been through all databases. Each worker finds its first
    statement locked out until the launcher knows of its start: one that ends before is an error to the launcher."""
    start = daemon.log.mark()
    for database in databases:
        daemon.sql(f"BEGIN; LOCK TABLE pg_catalog.pg_extension; PREPARE TRANSACTION 'hold {database}'", database)
    daemon.write_settings(**settings)
    daemon.reload()
    for number, database in enumerate(databases, 1):
        daemon.log.wait_for(rf"Dynamic bgw launch begun for {database} ", start=start)
        daemon.log.wait_for("Waiting for BGW shutdown", start=start, count=number)
        if while_held:
            while_held(database)
        daemon.sql(f"COMMIT PREPARED 'hold {database}'", database)
        daemon.log.wait_for("BGW shutdown status", start=start, count=number)
    daemon.log.wait_for("Latch status just before waitlatch", start=start)


def test_rounds(space):
    """A database with pg_partman, one without, a role that may not, all of it by reload: what both log, line by line, and
    the partitions."""
    transcripts, tables = [], []
    for daemon in pair(space, BY_RELOAD):
        daemon.start()
        daemon.log.wait_for("dbname GUC is NULL. Nothing to do in main loop")
        for database in ("app", "other"):
            daemon.sql(f"CREATE DATABASE {database}")
        daemon.sql("CREATE ROLE stranger LOGIN")
        daemon.sql(EXTENSION + TABLE, "app")
        seen = [daemon.sql(PARTITIONS, "app")]

        def look(database, daemon=daemon, seen=seen):
            held = ("SELECT datname, state FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND query LIKE '%pg_extension%'")
            seen.append(wait_until(lambda: daemon.sql(held), what=f"the worker in {database} waits for the lock"))

        daemon.sql("INSERT INTO events VALUES (15)", "app")
        one_round(daemon, ["app", "other"], look, **{"pg_partman_bgw.dbname": "app, other"})
        seen.append(daemon.sql(PARTITIONS, "app"))
        daemon.sql("INSERT INTO events VALUES (25), (35)", "app")
        one_round(daemon, ["app"], look, **{"pg_partman_bgw.dbname": "app", "pg_partman_bgw.role": "stranger"})
        seen.append(daemon.sql(PARTITIONS, "app"))
        one_round(daemon, ["app"], look, **{"pg_partman_bgw.role": "postgres"})
        seen.append(daemon.sql(PARTITIONS, "app"))
        daemon.stop()
        transcripts.append(transcript(daemon, workers=5))
        tables.append(seen)
    agree(transcripts)
    [upstream] = [daemon for daemon in space.daemons if daemon.name == "upstream"]
    assert not upstream.log.count("could not (send|receive) data"), upstream.log.text()  # no worker just hangs up
    first = "events_default events_p0 events_p10 events_p20"
    assert tables[0] == tables[1] == [
        first, "app|active", "other|active", f"{first} events_p30", "app|active",
        f"{first} events_p30", "app|active", f"{first} events_p30 events_p40 events_p50"]
    assert any(level == "ERROR" and text.startswith("permission denied for schema partman")
               for level, text in transcripts[1]["worker 4"])


def test_no_slot_left(space):
    """With no room for a dynamic worker the launcher ends with an error, and is to be back in ten minutes."""
    transcripts = []
    for daemon in pair(space, {**BY_RELOAD, "max_worker_processes": 1, "pg_partman_bgw.dbname": "postgres"}):
        daemon.start()
        daemon.log.wait_for(r"\(PID \d+\) exited with exit code 1")
        daemon.stop()
        transcripts.append(transcript(daemon, workers=1))
    agree(transcripts)
    assert any("Unable to register dynamic background worker" in text for _, text in transcripts[1]["worker 1"])


def partitions(daemon, table):
    return int(daemon.sql(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{table}'::regclass", "app"))


def test_by_itself(space):
    """Every second, as a role of its own, with ANALYZE: tables of numbers and of days grow, and belong to whom they should.
    """
    results = []
    for daemon in pair(space, {**SETTINGS, "pg_partman_bgw.interval": 1, "pg_partman_bgw.role": "maintainer",
                               "pg_partman_bgw.analyze": "on", "pg_partman_bgw.jobmon": "off"}):
        daemon.start()
        daemon.sql("CREATE ROLE maintainer LOGIN")
        daemon.sql("CREATE DATABASE app OWNER maintainer")
        daemon.sql(EXTENSION + """
            GRANT ALL ON SCHEMA public, partman TO maintainer;
            GRANT ALL ON ALL TABLES IN SCHEMA partman TO maintainer;
            GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA partman TO maintainer;
            SET ROLE maintainer;""" + TABLE + """
            CREATE TABLE days (at timestamptz NOT NULL) PARTITION BY RANGE (at);
            SELECT partman.create_parent('public.days', 'at', 'native', 'daily', p_premake := 1);
            INSERT INTO events VALUES (25);
            INSERT INTO days VALUES (now());
            UPDATE partman.part_config SET premake = 5 WHERE parent_table = 'public.days';
            """, "app")
        before = partitions(daemon, "days")
        daemon.write_settings(**{"pg_partman_bgw.dbname": "app"})
        daemon.reload()
        wait_until(lambda d=daemon, n=before + 4: partitions(d, "days") >= n, what="four more days have a partition")
        wait_until(lambda d=daemon: partitions(d, "events") == 6, what="two more tens have a partition")
        daemon.sql("INSERT INTO events VALUES (45)", "app")
        wait_until(lambda d=daemon: d.sql("SELECT to_regclass('events_p60')", "app"), what="the highest number is seen")
        assert daemon.stop() == 0
        results.append(daemon)
    host = results[1]
    server = results[0].start()
    owners = """SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FILTER (WHERE inhparent = 'events'::regclass),
                       count(*) FILTER (WHERE relowner <> 'maintainer'::regrole)
                FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"""
    in_server, in_host = server.sql(owners, "app"), host.sql(owners, "app")
    assert in_host == in_server == "events_default events_p0 events_p10 events_p20 events_p30 events_p40 events_p50 events_p60|0"
    settings = re.findall(r"run_maintenance\(.*?\) called by role \S+ on database \S+", host.log.text())
    assert set(settings) == {"run_maintenance(p_analyze := true, p_jobmon := false) called by role maintainer on database app"}
