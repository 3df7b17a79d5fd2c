"""The worker stats_exporter, in a real server and in a host beside one: the formats as Prometheus's own tools read them, the last
good pass whatever happens to the database, bounds on everything, and no more rights than it needs."""

import csv
import io
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import harness
from harness import SLOW, free_port, wait_until

PROMTOOL = shutil.which("promtool")
PROMETHEUS = shutil.which("prometheus")
WHERE = pytest.mark.parametrize("where", ["server", "host"])
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Metrics:
    """A text in Prometheus's format, taken apart."""

    def __init__(self, text):
        self.text = text
        self.samples = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def all(self, name, **labels):
        return [(l, v) for n, l, v in self.samples if n == name and all(l.get(k) == w for k, w in labels.items())]

    def one(self, name, **labels):
        found = self.all(name, **labels)
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0][1]

    def maybe(self, name, **labels):
        found = self.all(name, **labels)
        return found[0][1] if len(found) == 1 else None


class Place:
    """A server, and the worker: in that server, or in a host beside it."""

    def __init__(self, space, where="host", settings=None, server_settings=None, role="postgres", prepare=None, queries=None):
        self.space, self.port, self.where = space, free_port(), where
        self.settings = {"stats_exporter.listen": f"127.0.0.1:{self.port}", "stats_exporter.interval": "1s", **(settings or {})}
        if queries is not None:
            self.queries = self.write("queries.sql", queries)
            self.settings["stats_exporter.queries"] = self.queries
        if role != "postgres":
            self.settings["stats_exporter.role"] = role
        self.server = space.postgres("server", settings=server_settings)
        self.server.start()
        if prepare:
            self.server.sql(prepare)
        for database in self.settings.get("stats_exporter.databases", "postgres").split(", "):
            if database != "postgres":
                self.server.sql(f"CREATE DATABASE {database}")
        if where == "server":
            self.server.stop()
            libraries = (server_settings or {}).get("shared_preload_libraries")
            self.server.write_settings(**self.settings, shared_preload_libraries=", ".join(filter(None, [libraries, "stats_exporter"])))
            self.server.start()
            self.daemon = self.server
        else:
            self.daemon = space.host(upstream=self.server.conninfo(user=role), settings={
                "shared_preload_libraries": "stats_exporter", **self.settings}).start()

    def write(self, name, text):
        path = os.path.join(self.space.folder, name)
        harness.write_whole(path, text)
        return path

    def get(self, path="/metrics", accept=None, method="GET", timeout=10):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         headers={"Accept": accept} if accept else {})
        with urllib.request.urlopen(request, timeout=timeout * SLOW) as answer:
            return answer.status, answer.headers, answer.read().decode()

    def metrics(self):
        return Metrics(self.get()[2])

    def wait(self, condition, what="the metrics are as wanted"):
        """Until condition(metrics) is true; returns these metrics."""
        def look():
            try:
                m = self.metrics()
            except OSError:  # it does not listen yet
                return None
            return m if condition(m) else None
        return wait_until(look, 30 * SLOW, what)

    def wait_up(self):
        return self.wait(lambda m: m.maybe("pg_up") == 1, "pg_up is 1")


def check_metrics(text):
    """Prometheus's own opinion of the text format: errors, and what its linter has to say."""
    if PROMTOOL is None:
        pytest.skip("promtool is not installed")
    result = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and not result.stdout + result.stderr, result.stdout + result.stderr


@WHERE
def test_metrics(space, where):
    """All own views are collected, promtool has nothing to say, and values are those of the server."""
    place = Place(space, where, server_settings={"shared_preload_libraries": "pg_stat_statements", "track_functions": "all"}, prepare="""
        CREATE EXTENSION pg_stat_statements;
        CREATE TABLE "odd ""na\\me" (a int PRIMARY KEY); INSERT INTO "odd ""na\\me" SELECT generate_series(1, 1000);
        CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'; SELECT f();
        SELECT pg_create_physical_replication_slot('kept', true)""")
    m = place.wait(lambda m: m.maybe("pg_up") == 1 and m.all("pg_stat_user_tables_n_tup_ins"))
    failed = [labels for labels, value in m.all("pg_scrape_collector_success") if value != 1]
    assert failed == []
    assert len(m.all("pg_scrape_collector_success")) >= 25
    check_metrics(m.text)
    assert m.one("pg_stat_user_tables_n_tup_ins", relname='odd \\"na\\\\me', datname="postgres") == 1000
    assert m.one("pg_settings_shared_buffers_bytes") == 16 * 1024 * 1024
    assert m.one("pg_settings_max_connections") == 50
    assert m.one("pg_database_size_bytes", datname="template1") == \
        float(place.server.sql("SELECT pg_database_size('template1')"))
    assert abs(m.one("pg_postmaster_start_time_seconds") -
               float(place.server.sql("SELECT extract(epoch FROM pg_postmaster_start_time())"))) < 0.001
    assert m.one("pg_replication_is_replica") == 0
    assert m.one("pg_replication_slots_pg_wal_lsn_diff", slot_name="kept") >= 0
    assert m.one("pg_stat_user_functions_calls_total", funcname="f") == 1
    assert m.all("pg_stat_statements_calls_total")
    for name in ("pg_stat_database_xact_commit", "pg_stat_database_blks_hit", "pg_stat_activity_count", "pg_locks_count",
                 "pg_stat_bgwriter_buffers_alloc_total", "pg_static", "pg_stat_archiver_archived_count", "pg_wal_size_bytes"):
        assert m.all(name), name
    # The clock runs on: what is shown is collected anew.
    before = m.one("pg_stat_database_xact_commit", datname="postgres")
    place.wait(lambda m: m.one("pg_stat_database_xact_commit", datname="postgres") > before)
    assert place.daemon.log.count("WARNING|ERROR|FATAL") == 0


# What the panels of the most used dashboards for postgres_exporter ask for (with the names that it has since 0.12 for the
# background writer), and by which labels.
DASHBOARD = {
    "datname": """pg_locks_count pg_stat_activity_count pg_stat_activity_max_tx_duration pg_stat_database_blks_hit
        pg_stat_database_blks_read pg_stat_database_conflicts pg_stat_database_deadlocks pg_stat_database_numbackends
        pg_stat_database_temp_bytes pg_stat_database_temp_files pg_stat_database_tup_deleted pg_stat_database_tup_fetched
        pg_stat_database_tup_inserted pg_stat_database_tup_returned pg_stat_database_tup_updated pg_stat_database_xact_commit
        pg_stat_database_xact_rollback pg_stat_database_blk_read_time pg_stat_database_blk_write_time pg_database_size_bytes""",
    "mode": "pg_locks_count",
    "state": "pg_stat_activity_count",
    "short_version": "pg_static",
    "": """pg_up pg_postmaster_start_time_seconds pg_settings_effective_cache_size_bytes pg_settings_maintenance_work_mem_bytes
        pg_settings_max_connections pg_settings_max_parallel_workers pg_settings_max_wal_size_bytes
        pg_settings_max_worker_processes pg_settings_random_page_cost pg_settings_seq_page_cost pg_settings_shared_buffers_bytes
        pg_settings_work_mem_bytes pg_stat_bgwriter_buffers_alloc_total pg_stat_bgwriter_buffers_backend_total
        pg_stat_bgwriter_buffers_backend_fsync_total pg_stat_bgwriter_buffers_checkpoint_total
        pg_stat_bgwriter_buffers_clean_total pg_stat_bgwriter_checkpoint_sync_time_total
        pg_stat_bgwriter_checkpoint_write_time_total pg_stat_archiver_archived_count pg_stat_archiver_failed_count
        pg_replication_lag_seconds pg_replication_is_replica process_cpu_seconds_total process_resident_memory_bytes
        process_virtual_memory_bytes process_open_fds""",
}


def test_names_of_dashboards(space):
    """Every series that the dashboards ask for is there, with the labels by which they choose."""
    place = Place(space)
    m = place.wait_up()
    missing = [(name, label) for label, names in DASHBOARD.items() for name in names.split()
               if not [labels for labels, _ in m.all(name) if not label or label in labels]]
    assert missing == []
    assert {"active", "idle"} & {labels["state"] for labels, _ in m.all("pg_stat_activity_count")}
    assert "accesssharelock" in {labels["mode"] for labels, _ in m.all("pg_locks_count")}
    assert m.one("process_cpu_seconds_total") > 0 and m.one("process_resident_memory_bytes") > 1e6
    assert 3 < m.one("process_open_fds") < m.one("process_max_fds")


def test_formats(space):
    """The format follows Accept or the query; OpenMetrics is read by a strict parser; CSV and JSON lines say the same."""
    place = Place(space)
    place.wait_up()
    kinds = {}
    for accept, kind in [(None, "text/plain"), ("*/*", "text/plain"), ("text/html,*/*;q=0.8", "text/plain"),
                         ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text"),
                         ("application/openmetrics-text;q=0.1,text/plain;q=0.5", "text/plain")]:
        status, headers, text = place.get(accept=accept)
        assert status == 200 and headers.get_content_type() == kind
        kinds[kind] = text
    check_metrics(kinds["text/plain"])
    openmetrics = kinds["application/openmetrics-text"]
    assert openmetrics.endswith("\n# EOF\n") and openmetrics.count("# EOF") == 1
    assert "# TYPE pg_stat_bgwriter_buffers_alloc counter\n" in openmetrics
    assert "# TYPE pg_stat_database_xact_commit unknown\n" in openmetrics
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    strict = {s.name for f in parser.text_string_to_metric_families(openmetrics) for s in f.samples}
    rows = list(csv.DictReader(io.StringIO(place.get("/metrics?format=csv")[2])))
    lines = [json.loads(line) for line in place.get("/metrics?format=json")[2].splitlines()]
    assert {r["name"] for r in rows} == {l["name"] for l in lines} == strict
    assert all(json.loads(r["labels"]) is not None and re.match(r"\d{4}-\d\d-\d\dT.*Z$", r["time"]) for r in rows)
    assert next(l for l in lines if l["name"] == "pg_settings_max_connections")["value"] == 50
    with pytest.raises(urllib.error.HTTPError, match="400"):
        place.get("/metrics?format=xml")
    assert "/metrics" in place.get("/")[2]


def test_prometheus_scrapes(space):
    """A real Prometheus scrapes it: the target is up, series are there by the names of dashboards, with a job's label."""
    if PROMETHEUS is None:
        pytest.skip("prometheus is not installed")
    place = Place(space)
    place.wait_up()
    port = free_port()
    config = place.write("prometheus.yml", f"""
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: postgres
    static_configs: [{{targets: ['127.0.0.1:{place.port}']}}]
""")
    data = os.path.join(space.folder, "tsdb")
    os.mkdir(data)
    harness.give_to_user(data)
    space.daemon_run([PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={data}",
                      f"--web.listen-address=127.0.0.1:{port}"], name="prometheus")

    def query(text):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={text}", timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:  # not up yet
            return []
    wait_until(lambda: any(r["value"][1] == "1" for r in query("up")), 60 * SLOW, "the target is up")
    assert query("pg_up")[0]["value"][1] == "1"
    assert {r["metric"].get("datname") for r in query("pg_stat_database_xact_commit")} >= {"postgres", "template1"}
    wait_until(lambda: query("rate(pg_stat_database_xact_commit{datname='postgres'}[30s])".replace("{", "%7B").replace("}", "%7D")),
               30 * SLOW, "a rate can be had")
    assert int(query("scrape_samples_scraped")[0]["value"][1]) > 200


QUERIES = """
-- Anything may be said here.
-- metric: shop
-- label: state
-- gauge: orders Orders in this state
-- counter: cents_total What they cost
SELECT state, count(*) AS orders, sum(cents) AS cents_total FROM public.orders GROUP BY state;

-- metric: broken
-- value: number Never had
SELECT 1 / 0 AS number; -- with a comment at the end
"""


@WHERE
def test_one_view_fails(space, where):
    """A statement that fails, and one that waits for a lock: the others go on, the time-out ends it, and what it had is shown with its age."""
    place = Place(space, where, {"stats_exporter.statement_timeout": "300ms"}, queries=QUERIES,
                  prepare="CREATE TABLE orders (state text, cents int); INSERT INTO orders VALUES ('paid', 5), ('paid', 6), ('open', 7)")
    m = place.wait(lambda m: m.maybe("shop_orders", state="paid") == 2)
    assert m.one("shop_cents_total", state="paid") == 11
    assert m.one("pg_scrape_collector_success", collector="broken") == 0
    assert m.one("pg_scrape_collector_success", collector="shop") == 1
    assert m.one("pg_exporter_last_scrape_error") == 1
    assert m.all("pg_stat_database_xact_commit") and not m.all("broken_number")
    check_metrics(m.text)
    place.daemon.log.wait_for(r"WARNING:  division by zero")
    place.daemon.log.wait_for('stats_exporter collected "broken" of database "postgres"')
    with place.server.session() as locker:
        locker.sql("BEGIN; LOCK TABLE orders")
        m = place.wait(lambda m: m.one("pg_scrape_collector_success", collector="shop") == 0)
        first = m.one("pg_stats_exporter_age_seconds", collector="shop")
        m = place.wait(lambda m: m.one("pg_stats_exporter_age_seconds", collector="shop") > first + 1)
        assert m.one("shop_orders", state="paid") == 2
        assert m.one("pg_up") == 1
        # The others are collected all the while, and the time-out ends the wait: always, but for a moment of a busy machine.
        place.wait(lambda m: m.one("pg_stats_exporter_age_seconds", collector="pg_stat_database") < 3 * SLOW)
        place.wait(lambda m: m.one("pg_scrape_collector_duration_seconds", collector="shop") < 5 * SLOW)
        place.daemon.log.wait_for("DETAIL:  It was cancelled after 300ms")
        # What is too old is not shown any more; its age still is.
        place.daemon.write_settings(**{"stats_exporter.stale_after": "2s"})
        place.daemon.reload()
        m = place.wait(lambda m: not m.all("shop_orders"))
        assert m.one("pg_stats_exporter_age_seconds", collector="shop") > 2
        assert m.all("pg_stat_database_xact_commit")
    place.wait(lambda m: m.maybe("shop_orders", state="paid") == 2)
    place.daemon.log.wait_for('"shop" is collected again')
    assert place.daemon.log.count("division by zero") == 1


@WHERE
def test_scrapes_do_not_pile_up(space, where):
    """A pass that takes long: its deadline holds, scrapes are answered at once meanwhile, and cause no statement."""
    slow = "".join(f"-- metric: slow{i}\n-- value: x\nSELECT count(pg_sleep(20)) AS x;\n" for i in range(5))
    place = Place(space, where, {"stats_exporter.statement_timeout": "2s", "stats_exporter.deadline": "3s"}, queries=slow)
    m = place.wait_up()
    begun, busy = time.monotonic(), []
    while len(busy) < 10 or "1" not in busy:
        for _ in range(20):
            place.get()
        busy.append(place.server.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '/* stats_exporter%' AND state = 'active'"))
        assert time.monotonic() - begun < 30 * SLOW
    assert set(busy) <= {"0", "1"}
    m = place.wait(lambda m: len(m.all("pg_scrape_collector_success", collector="slow4")) == 1)
    for i in range(5):
        assert m.one("pg_scrape_collector_success", collector=f"slow{i}") == 0
    m = place.wait(lambda m: m.one("pg_exporter_last_scrape_duration_seconds", datname="postgres") < 6 * SLOW)
    assert m.one("pg_exporter_last_scrape_duration_seconds", datname="postgres") > 2.9
    assert m.one("pg_up") == 1 and m.one("pg_scrape_collector_success", collector="pg_stat_database") == 1


@WHERE
def test_database_goes_away(space, where):
    """The collecting session is ended, or the whole server stops: the last good pass is served, and pg_up tells."""
    place = Place(space, where, {"stats_exporter.deadline": "1s", "stats_exporter.interval": "1s"})
    m = place.wait_up()
    if where == "server":
        place.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'stats_exporter collector'")
    else:
        place.server.stop()
    m = place.wait(lambda m: m.one("pg_up") == 0, "pg_up is 0")
    assert m.all("pg_stat_database_xact_commit")
    assert m.one("pg_stats_exporter_pass_age_seconds", datname="postgres") > 2
    check_metrics(m.text)
    if where == "host":
        place.server.start()
    place.wait_up()


def test_bounded_labels(space):
    """More tables than have a place: the top ones stay, whatever is busier later; the rest counts on without going back."""
    place = Place(space, settings={"stats_exporter.top": "3"}, prepare="".join(
        f"CREATE TABLE t{i} (a int); INSERT INTO t{i} SELECT generate_series(1, {i * 10});" for i in range(1, 11)))
    ins = "pg_stat_user_tables_n_tup_ins"
    m = place.wait(lambda m: len(m.all(ins)) == 4)
    assert {l["relname"] for l, _ in m.all(ins)} == {"t8", "t9", "t10", "_other"}
    assert m.one(ins, relname="_other") == sum(range(10, 80, 10))
    assert m.one(ins, relname="_other") == m.one(ins, schemaname="_other", datname="postgres")
    assert m.one("pg_stats_exporter_others", collector="pg_stat_user_tables") == 7
    assert not m.all("pg_stat_user_tables_last_vacuum", relname="_other")
    check_metrics(m.text)
    place.server.sql("INSERT INTO t1 SELECT generate_series(1, 5000)")
    m = place.wait(lambda m: m.one(ins, relname="_other") == 280 + 5000)
    assert {l["relname"] for l, _ in m.all(ins)} == {"t8", "t9", "t10", "_other"}
    # One that goes leaves its place to the highest of the others; the rest's counter does not go down.
    place.server.sql("DROP TABLE t9")
    m = place.wait(lambda m: m.all(ins, relname="t1"))
    assert {l["relname"] for l, _ in m.all(ins)} == {"t8", "t1", "t10", "_other"}
    assert m.one(ins, relname="_other") == 280 + 5000
    # Without the hold the places go to who is on top.
    place.server.sql("INSERT INTO t2 SELECT generate_series(1, 9000)")
    place.daemon.write_settings(**{"stats_exporter.top_hold": "0"})
    place.daemon.reload()
    m = place.wait(lambda m: m.all(ins, relname="t2"))
    assert {l["relname"] for l, _ in m.all(ins)} == {"t1", "t2", "t10", "_other"}
    assert m.one(ins, relname="_other") >= 280 + 5000


@WHERE
def test_databases_and_least_privilege(space, where):
    """Several databases, as the role of the README: no superuser, pg_monitor only. Server-wide views are there once."""
    place = Place(space, where, {"stats_exporter.databases": 'postgres, "shop"'}, role="exporter", prepare="CREATE ROLE exporter LOGIN; GRANT pg_monitor TO exporter")
    place.server.sql("CREATE SCHEMA s; CREATE TABLE s.inner (a int); INSERT INTO s.inner VALUES (1), (2)", "shop")
    place.server.sql("CREATE TABLE outer_one (a int)")
    m = place.wait(lambda m: m.maybe("pg_up") == 1 and m.maybe("pg_stat_user_tables_n_tup_ins", datname="shop", relname="inner") == 2)
    m = place.wait(lambda m: m.all("pg_stat_user_tables_n_tup_ins", datname="postgres", relname="outer_one"))
    assert [l for l, v in m.all("pg_scrape_collector_success") if v != 1] == []
    assert {l["datname"] for l, _ in m.all("pg_stats_exporter_pass_age_seconds")} == {"postgres", "shop"}
    assert len(m.all("pg_stat_database_xact_commit", datname="shop")) == 1
    assert m.one("pg_stats_exporter_dropped_series") == 0
    check_metrics(m.text)
    assert place.server.sql("SELECT usename, usesuper, count(DISTINCT datname) FROM pg_stat_activity JOIN pg_user USING (usename) WHERE"
                            " backend_type = 'stats_exporter collector' OR application_name LIKE 'stats_exporter %' GROUP BY 1, 2") == "exporter|f|2"


def test_queries_file(space):
    """Bad definitions are told with file and line, and the good ones stay; the file is read again when it changes."""
    good = "-- metric: custom\n-- value: x A number\nSELECT 7 AS x"
    place = Place(space, queries=good)
    m = place.wait(lambda m: m.maybe("custom_x") == 7)
    for text, message in [
            ("-- metric: a\n-- guage: x\nSELECT 1 AS x", 'line 2: "guage" is none of metric, label'),
            ("SELECT 1", 'line 1: a statement without "-- metric: NAME" before it'),
            ("-- metric: a b\n", 'line 1: metric "a b" is not made of letters'),
            ("-- metric: pg_locks\n-- value: x\nSELECT 1 AS x", 'metric "pg_locks" is one of stats_exporter\'s own'),
            ("-- metric: a\n-- gauge: x_total\nSELECT 1", '"x_total" is not a counter'),
            ("-- metric: a\n-- top: none\n-- gauge: x\nSELECT 1", 'top "none" is not a number from 1 on'),
            ("-- metric: a\n-- gauge: x\n-- rank: y\nSELECT 1 AS x", 'line 1: metric "a" has no value "y" to rank by'),
            ("-- metric: a\nSELECT 1 AS x", 'line 1: metric "a" has no gauge, counter or value'),
            ("-- metric: a\n-- gauge: x\n", 'line 1: metric "a" has no statement')]:
        place.write("queries.sql", text)
        place.daemon.log.wait_for("WARNING:.*queries.sql, " + ("" if message.startswith("line") else r"line \d+: ") + re.escape(message), 30 * SLOW)
        m = place.wait(lambda m: m.maybe("pg_scrape_collector_success", collector="queries") == 0)
        assert m.one("custom_x") == 7
        place.write("queries.sql", good)
        place.wait(lambda m: m.maybe("pg_scrape_collector_success", collector="queries") == 1)
    place.write("queries.sql", good.replace("7", "generate_series(1, 2)"))
    place.daemon.log.wait_for('"custom" has two rows with the same labels')
    place.write("queries.sql", good.replace("7", "'NaN'::float8"))
    place.wait(lambda m: "custom_x NaN\n" in m.text)
    place.write("queries.sql", "-- metric: other\n-- counter: x_total\nSELECT 8 AS x_total")
    m = place.wait(lambda m: m.maybe("other_x_total") == 8)
    assert not m.all("custom_x")
    check_metrics(m.text)


def test_files(space):
    """The text file is whole whenever it is read, and promtool likes it; CSV and JSON lines grow and are rotated."""
    folder = os.path.join(space.folder, "out")
    os.mkdir(folder)
    harness.give_to_user(folder)
    text, as_csv, as_json = (os.path.join(folder, n) for n in ("pg.prom", "pg.csv", "pg.json"))
    place = Place(space, settings={"stats_exporter.text_file": text, "stats_exporter.csv_file": as_csv, "stats_exporter.json_file": as_json,
                                   "stats_exporter.file_interval": "1s", "stats_exporter.file_size": "300kB"})
    seen = set()

    def read():
        if not os.path.exists(text):
            return False
        m = Metrics(harness.read_file(text))
        assert m.text.endswith("\n") and m.all("pg_stats_exporter_http_requests_total")
        if m.all("pg_stat_database_xact_commit"):
            seen.add(m.one("pg_stat_database_xact_commit", datname="postgres"))
        return len(seen) >= 3
    wait_until(read, 30 * SLOW, "the text file is written again and again")
    check_metrics(harness.read_file(text))
    assert os.stat(text).st_mode & 0o777 == 0o644
    wait_until(lambda: os.path.exists(as_csv + ".old") and os.path.exists(as_json + ".old"), 60 * SLOW, "the files are rotated")
    assert max(os.path.getsize(p) for p in (as_csv + ".old", as_json + ".old")) <= 300 * 1024
    rows = list(csv.DictReader(io.StringIO(harness.read_file(as_csv + ".old"))))
    assert len({r["time"] for r in rows}) > 1 and "time" not in {r["time"] for r in rows}
    assert all(json.loads(line)["name"] for line in harness.read_file(as_json + ".old").splitlines())
    # A folder that is not there: said once, and taken up again when it is.
    place.daemon.write_settings(**{"stats_exporter.text_file": os.path.join(space.folder, "none", "pg.prom")})
    place.daemon.reload()
    place.daemon.log.wait_for('WARNING:  could not create file ".*none/pg.prom.new": No such file or directory')
    os.mkdir(os.path.join(space.folder, "none"))
    harness.give_to_user(os.path.join(space.folder, "none"))
    wait_until(lambda: os.path.exists(os.path.join(space.folder, "none", "pg.prom")), 30 * SLOW, "the file is there")


def ask(port, data, timeout=10):
    """What comes back for these bytes, until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout * SLOW) as s:
        s.sendall(data)
        out = b""
        while part := s.recv(65536):
            out += part
        return out.decode()


@WHERE
def test_http(space, where):
    """Requests that are wrong, long, slow, or many: answered or closed within bounds, and others are served."""
    place = Place(space, where, {"stats_exporter.connections": "4", "stats_exporter.request_timeout": "1s"})
    place.wait_up()
    for data, status in [(b"nonsense\r\n\r\n", 400), (b"GET /metrics\r\n\r\n", 400), (b"GET / FTP/1.1\r\n\r\n", 400),
                         (b"GET / HTTP/2.0\r\n\r\n", 505), (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
                         (b"GET /nothing HTTP/1.1\r\n\r\n", 404), (b"\x00\xff\r\n\r\n", 400),
                         (b"GET / HTTP/1.1\r\nX: " + b"y" * 20000, 431), (b"GET /metrics HTTP/1.0\n\n", 200)]:
        assert ask(place.port, data).startswith(f"HTTP/1.1 {status} "), data[:40]
    status, headers, body = place.get(method="HEAD")
    assert status == 200 and int(headers["Content-Length"]) > 1000 and body == ""
    # In pieces; a machine that stalls for the second that a request may take makes that another try.
    def in_pieces():
        with socket.create_connection(("127.0.0.1", place.port), timeout=10 * SLOW) as s:
            try:
                for byte in b"GET / HTTP/1.1\r\n\r\n":
                    s.sendall(bytes([byte]))
                return s.recv(100).startswith(b"HTTP/1.1 200 ")
            except ConnectionError:
                return False
    wait_until(in_pieces, what="a request in pieces is answered")
    # Idle ones take all places, for a second: who comes meanwhile waits, and is served then.
    idle = [socket.create_connection(("127.0.0.1", place.port), timeout=10 * SLOW) for _ in range(6)]
    assert place.get()[0] == 200
    for s in idle:
        assert s.recv(10) == b""
        s.close()
    # One that does not read its answer is closed too; sending to it does not end the worker.
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", place.port))
        s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        s.close()
    assert place.get()[0] == 200
    assert place.daemon.log.count("stats_exporter.*(exited|terminated)") == 0


def test_address(space):
    """Loopback by default; an address that is taken is told and taken when it is free; a reload moves it; a wrong one is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = Place(space, settings={"stats_exporter.listen": f"127.0.0.1:{port}"})
        place.port = port
        place.daemon.log.wait_for(f"WARNING:  stats_exporter could not bind 127.0.0.1:{port}: Address already in use")
    place.wait_up()
    other = free_port()
    place.daemon.write_settings(**{"stats_exporter.listen": f"127.0.0.1:{other}, [::1]:{other}"})
    place.daemon.reload()
    place.port = other
    place.wait_up()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    place.daemon.write_settings(**{"stats_exporter.listen": "example.org"})
    place.daemon.reload()
    place.daemon.log.wait_for('invalid value for parameter "stats_exporter.listen": "example.org"')
    place.wait_up()
    place.daemon.write_settings(**{"stats_exporter.listen": ""})
    place.daemon.reload()

    def closed():
        try:
            socket.create_connection(("127.0.0.1", other), timeout=1).close()
            return False
        except ConnectionRefusedError:
            return True
    wait_until(closed, 10 * SLOW, "it listens nowhere")


def test_standby(space):
    """On a hot standby everything is collected as well."""
    primary = space.postgres("primary").start()
    standby = space.postgres("standby", primary=primary).start()
    port = free_port()
    host = space.host(upstream=standby.conninfo(), settings={
        "shared_preload_libraries": "stats_exporter", "stats_exporter.interval": "1s", "stats_exporter.listen": f"127.0.0.1:{port}"}).start()
    place = Place.__new__(Place)
    place.space, place.port, place.daemon, place.server = space, port, host, standby
    m = place.wait_up()
    assert m.one("pg_replication_is_replica") == 1
    assert [l for l, v in m.all("pg_scrape_collector_success") if v != 1] == []
