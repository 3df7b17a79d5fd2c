#!/usr/bin/python3
"""Measures the host beside a real PostgreSQL server with the same module, and prints the ratios.

usage: bench/run.py [--runs N] [--only FIGURE,...] [--json FILE]

Each figure is taken several times, server and host (and floor) in turn, so that a machine that grows slower or faster
meanwhile does so for all; the medians are compared. A ratio is host / reference; its target stands beside it. Nothing
fails here: the numbers are for reading.
"""

import argparse
import json
import os
import re
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "system"))
import harness  # noqa: E402

BENCH = re.compile(r"bench (\w+) ([0-9.]+) (\w+)")


TABLE = ("DROP TABLE IF EXISTS bench_t; CREATE TABLE bench_t (id int PRIMARY KEY, v int NOT NULL, t text); "
         "INSERT INTO bench_t SELECT g, 0, 'row ' || g FROM generate_series(0, 9999) g; ANALYZE bench_t")
# Stored uncompressed, and read with something appended, since SPI in the server would hand out a pointer into the table otherwise.
LARGE_VALUES = ("DROP TABLE IF EXISTS bench_large; CREATE TABLE bench_large (t text, b bytea); "
                "ALTER TABLE bench_large ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL; "
                "INSERT INTO bench_large VALUES (repeat('x', 1024 * 1024), decode(repeat('ab', 1024 * 1024), 'hex'))")
EMPTY_TABLE = "DROP TABLE IF EXISTS bench_t; CREATE TABLE bench_t (id int, t text)"

# The statements whose transactions are measured: `target` beside SPI in the server, `libpq_target` beside a bare loop.
SPI_ROWS = [
    {"name": "select1", "title": "SELECT 1", "query": "SELECT 1", "rounds": 5000, "libpq_target": "<= 0.60"},
    {"name": "activity", "title": "count of pg_stat_activity", "query": "SELECT count(*) FROM pg_stat_activity",
     "rounds": 5000, "target": "<= 0.30"},
    {"name": "catalog", "title": "catalog read", "rounds": 5000,
     "query": "SELECT relname, relkind FROM pg_class WHERE relname = 'pg_proc'"},
    {"name": "point", "title": "SELECT by key, prepared", "query": "SELECT t FROM bench_t WHERE id = $1 % 10000",
     "setup": TABLE, "argument": "on", "rounds": 5000, "libpq_target": "<= 1.00"},
    {"name": "insert", "title": "INSERT, prepared", "query": "INSERT INTO bench_t VALUES ($1, 'inserted')",
     "setup": EMPTY_TABLE, "argument": "on", "read_only": "off", "rounds": 3000},
    {"name": "update", "title": "UPDATE ... RETURNING, prepared", "setup": TABLE, "argument": "on", "read_only": "off",
     "query": "UPDATE bench_t SET v = v + 1 WHERE id = $1 % 10000 RETURNING v", "rounds": 3000},
    {"name": "rows", "title": "10,000 int8 rows", "query": "SELECT g::int8 FROM generate_series(1, 10000) g",
     "rounds": 200, "warmup": 20, "libpq_target": "<= 1.20"},
    {"name": "million", "title": "1,000,000 int8 rows", "query": "SELECT g::int8 FROM generate_series(1, 1000000) g",
     "rounds": 2, "warmup": 0, "memory_target": "<= 1.50"},
    {"name": "wide", "title": "1,000,000 rows of int4, text, timestamptz", "rounds": 2, "warmup": 0,
     "query": "SELECT g, 'some text ' || g, now() FROM generate_series(1, 1000000) g", "memory_target": "<= 1.50"},
    {"name": "value", "title": "a value of 1 MB", "query": "SELECT t || '' FROM bench_large", "setup": LARGE_VALUES, "rounds": 200,
     "warmup": 20},
    {"name": "bytes", "title": "1 MB of bytea", "query": "SELECT b || '' FROM bench_large", "setup": LARGE_VALUES, "rounds": 200,
     "warmup": 20},
    {"name": "savepoints", "title": "INSERT in a subtransaction each", "savepoints": "on", "argument": "on",
     "query": "INSERT INTO bench_t VALUES ($1, 'inserted')", "setup": EMPTY_TABLE, "read_only": "off", "rounds": 5000},
    {"name": "together", "title": "INSERT, one of 5,000 in a transaction", "together": "on", "argument": "on",
     "query": "INSERT INTO bench_t VALUES ($1, 'inserted')", "setup": EMPTY_TABLE, "read_only": "off", "rounds": 5000,
     "host_without": {"bgworkerd.statement_savepoints": "off"}, "without_title": "without statement savepoints"},
    {"name": "readers", "title": "SELECT by key, one of 5,000 in a transaction", "together": "on", "argument": "on",
     "query": "SELECT t FROM bench_t WHERE id = $1 % 10000", "setup": TABLE, "rounds": 5000,
     "host_without": {"bgworkerd.statement_savepoints": "off"}, "without_title": "without statement savepoints"},
    {"name": "batch", "title": "INSERT, batches of 1000, per row", "batch": 1000, "libpq_rounds": 5000, "argument": "on",
     "query": "INSERT INTO bench_t VALUES ($1, 'inserted')", "setup": EMPTY_TABLE, "read_only": "off", "rounds": 50,
     "warmup": 5, "one_by_one": {"batch": 0, "together": "on", "rounds": 5000, "warmup": 500}},
]

SHM_ROWS = [
    {"name": "lock", "title": "LWLock, one worker", "settings": {"mode": "lock", "workers": 1}},
    {"name": "contended", "title": "LWLock, 8 workers contending", "settings": {"mode": "lock", "workers": 8}},
    {"name": "queue", "title": "shm_mq, messages of 64 B, flushed", "settings": {"mode": "queue", "rounds": 1000000}},
    {"name": "queue_fill", "title": "shm_mq, messages of 64 B, as they fill up",
     "settings": {"mode": "queue", "rounds": 3000000, "flush": "off"}},
    {"name": "queue_64kB", "title": "shm_mq, messages of 64 kB",
     "settings": {"mode": "queue", "rounds": 50000, "message_size": 65536, "queue_size": 262144}},
    {"name": "condition", "title": "condition variable round trip", "settings": {"mode": "condition", "rounds": 30000}},
    {"name": "hash", "title": "hash_search in a shared table",
     "settings": {"mode": "hash", "workers": 1, "rounds": 10000000}},
]


class Bench:
    def __init__(self, runs):
        self.runs = runs
        self.rows = []

    def worker_settings(self, module="bench_worker", **settings):
        named = {f"{module}.{key}": value for key, value in settings.items()}
        named["shared_preload_libraries"] = module
        return named

    def in_server(self, measure, **settings):
        return self.within(lambda space, more: space.postgres(settings=more), measure, **settings)

    def in_host(self, measure, host_settings=None, **settings):
        def make(space, more):
            server = space.postgres(name="upstream").start()
            return space.host(settings={**more, **(host_settings or {})}, upstream=server)
        return self.within(make, measure, **settings)

    def within(self, make, measure, **settings):
        space = harness.Space("bench")
        try:
            more = self.worker_settings(**settings)
            more["max_worker_processes"] = max(8, int(settings.get("workers", 0)) + 4)
            daemon = make(space, more)
            daemon.start(ready=False)
            return measure(daemon)
        finally:
            space.close()
            space.remove()

    def log_figure(self, name):
        return lambda daemon: float(daemon.log.wait_for(rf"bench {name} ([0-9.]+) ", 120).group(1))

    def figure(self, title, unit, target, host, reference, reference_name="server", floor=None):
        hosts, references, floors = [], [], []
        for _ in range(self.runs):
            references.append(reference())
            hosts.append(host())
            if floor:
                floors.append(floor[1]())
        h, r = statistics.median(hosts), statistics.median(references)
        pairs = [a / b for a, b in zip(hosts, references)]
        row = {"figure": title, "unit": unit, "reference": reference_name, "reference_value": r, "host_value": h,
               "ratio": statistics.median(pairs), "ratio_min": min(pairs), "ratio_max": max(pairs), "target": target}
        self.rows.append(row)
        self.show(row)
        if floor:
            f = statistics.median(floors)
            pairs = [a / b for a, b in zip(hosts, floors)]
            row = {"figure": title, "unit": unit, "reference": floor[0], "reference_value": f, "host_value": h,
                   "ratio": statistics.median(pairs), "ratio_min": min(pairs), "ratio_max": max(pairs),
                   "target": floor[2]}
            self.rows.append(row)
            self.show(row)

    def spi(self, row):
        """One row of SPI_ROWS: beside a bare libpq loop and beside SPI in the server, and the memory it took."""
        settings = {key: row[key] for key in ("query", "setup", "read_only", "argument", "savepoints", "together", "batch", "warmup",
                                           "rounds")
                    if key in row}
        memory = {"host": [], "server": []}

        def measure(who):
            def read(daemon):
                time_taken = self.log_figure("spi_transaction")(daemon)
                memory[who].append(self.log_figure("spi_memory")(daemon))
                return time_taken
            return read

        def libpq():
            space = harness.Space("bench")
            try:
                server = space.postgres(name="upstream").start()
                more = [word for flag in ("argument", "savepoints", "together") if row.get(flag) == "on" for word in [f"--{flag}"]]
                for option in ("setup", "warmup"):
                    if option in row:
                        more += [f"--{option}", str(row[option])]
                return bare("bare_libpq", server.conninfo(user="postgres"), str(row.get("libpq_rounds", row["rounds"])),
                            row["query"], *more)
            finally:
                space.close()
                space.remove()

        self.figure(row["title"], "us", row.get("target", "-"),
                    lambda: self.in_host(measure("host"), mode="spi", **settings),
                    lambda: self.in_server(measure("server"), mode="spi", **settings),
                    floor=("bare libpq", libpq, row.get("libpq_target", "-")))
        if "host_without" in row:
            self.figure(row["title"], "us", "-", lambda: self.in_host(measure("host"), mode="spi", **settings),
                        lambda: self.in_host(measure("host"), mode="spi", host_settings=row["host_without"], **settings),
                        reference_name=row["without_title"])
        if "one_by_one" in row:
            self.figure(row["title"], "us", "<= 0.20", lambda: self.in_host(measure("host"), mode="spi", **settings),
                        lambda: self.in_host(measure("host"), mode="spi", **{**settings, **row["one_by_one"]}),
                        reference_name="one by one")
        if "memory_target" in row:
            pairs = [h / s for h, s in zip(memory["host"], memory["server"])]
            memory_row = {"figure": row["title"] + ", memory", "unit": "MB", "reference": "server",
                          "reference_value": statistics.median(memory["server"]),
                          "host_value": statistics.median(memory["host"]), "ratio": statistics.median(pairs),
                          "ratio_min": min(pairs), "ratio_max": max(pairs), "target": row["memory_target"]}
            self.rows.append(memory_row)
            self.show(memory_row)

    def compile(self):
        """The CPU time that a compiler takes for the worker that the guide shows, against the 3 s that it may take."""
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
        with open(os.path.join(root, "docs", "writing-a-worker.md")) as f:
            source = re.search(r"^    #include <bgworker/bgworker.hpp>\n(?:(?:    .*)?\n)*", f.read(), re.M).group(0)
        headers = subprocess.run([f"{harness.BINDIR}/pg_config", "--includedir-server"], capture_output=True, text=True,
                                 check=True).stdout.strip()
        for compiler in filter(shutil.which, ("g++", "clang++")):
            times = []
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "my_worker.cc")
                with open(path, "w") as f:
                    f.write(source)
                for _ in range(self.runs):
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    subprocess.run([compiler, "-std=gnu++20", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-isystem",
                                    os.path.join(root, "include"), "-isystem", headers, "-c", path, "-o", path + ".o"], check=True)
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            row = {"figure": f"compiling a minimal worker, {compiler}", "unit": "s", "reference": "what it may take",
                   "reference_value": 3.0, "host_value": statistics.median(times), "ratio": statistics.median(times) / 3,
                   "ratio_min": min(times) / 3, "ratio_max": max(times) / 3, "target": "<= 1.00"}
            self.rows.append(row)
            self.show(row)

    def several(self, figures, host, reference, runs=None):
        """Figures that one run gives together: (key, title, unit, target) each; host() and reference() return them."""
        hosts, references = [], []
        for _ in range(runs or self.runs):
            references.append(reference())
            hosts.append(host())
        for key, title, unit, target in figures:
            pairs = [a[key] / b[key] for a, b in zip(hosts, references)]
            row = {"figure": title, "unit": unit, "reference": "server",
                   "reference_value": statistics.median(r[key] for r in references),
                   "host_value": statistics.median(h[key] for h in hosts), "ratio": statistics.median(pairs),
                   "ratio_min": min(pairs), "ratio_max": max(pairs), "target": target}
            self.rows.append(row)
            self.show(row)
        return hosts

    def head(self):
        print(f"{'figure':<44} {'against':<28} {'reference':>12} {'host':>12} {'ratio':>7} {'min..max':>13} {'target':>7}")

    def show(self, row):
        print(f"{row['figure']:<44} {row['reference']:<28} {row['reference_value']:>9.1f} {row['unit']:<2} "
              f"{row['host_value']:>9.1f} {row['unit']:<2} {row['ratio']:>7.2f} "
              f"{row['ratio_min']:>5.2f}..{row['ratio_max']:<5.2f}  {row['target']:>7}", flush=True)


SLEEP = "SELECT pg_sleep(60)"

# What interrupts a worker inside a statement: the name, the worker's settings, who interrupts (None: its own time-out),
# and whether the worker catches the error or ends.
INTERRUPTS = [
    ("SIGTERM -> ended", {"query": SLEEP}, lambda daemon, pid: os.kill(pid, signal.SIGTERM), False),
    ("SIGINT -> caught", {"query": SLEEP}, lambda daemon, pid: os.kill(pid, signal.SIGINT), True),
    ("pg_cancel_backend -> caught", {"query": SLEEP}, lambda daemon, pid: of_session(daemon, "pg_cancel_backend"), True),
    ("pg_terminate_backend -> ended", {"query": SLEEP}, lambda daemon, pid: of_session(daemon, "pg_terminate_backend"),
     False),
    ("death of the postmaster -> ended", {"query": SLEEP}, lambda daemon, pid: daemon.process.kill(), False),
    ("statement time-out -> caught", {"query": SLEEP, "timeout": "statement"}, None, True),
    ("lock time-out -> caught", {"query": SLEEP, "timeout": "lock"}, None, True),
    ("idle-in-transaction time-out -> ended", {"query": "", "timeout": "idle"}, None, False),
]


def of_session(daemon, function):
    """Calls a function of the session that sleeps; returns when, in milliseconds of the wall clock."""
    return float(daemon.sql(f"WITH found AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'), "
                            f"at AS MATERIALIZED (SELECT pid, extract(epoch FROM clock_timestamp()) * 1000 AS ms FROM found) "
                            f"SELECT ms FROM at WHERE {function}(pid)"))


def interruption(settings, act, caught):
    """How long after the interrupt the worker has caught the error, or has ended, in milliseconds."""
    def measure(daemon):
        pid = int(daemon.log.wait_for(r"bench connected ([0-9]+) pid", 60).group(1))
        process = os.pidfd_open(pid)
        try:
            if act:
                harness.wait_until(lambda: daemon.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1",
                                   what="the statement runs")
                start = time.time() * 1000
                start = act(daemon, pid) or start
            else:
                start = float(daemon.log.wait_for(r"bench due_at ([0-9.]+) ms").group(1))
            if caught:
                return float(daemon.log.wait_for(r"bench caught_at ([0-9.]+) ms", 30).group(1)) - start
            if not select.select([process], [], [], 30)[0]:
                raise AssertionError("the worker does not end")
            return time.time() * 1000 - start
        finally:
            os.close(process)

    return measure


def launches(daemon):
    daemon.log.wait_for(r"bench launch_each", 120)
    return {match.group(1): float(match.group(2)) for match in map(BENCH.search, daemon.log.lines) if match}


def many(daemon):
    """Milliseconds until all idle workers are up, kB of each, milliseconds until all are down again."""
    up = float(daemon.log.wait_for(r"bench all_up ([0-9.]+) ", 300).group(1))
    memory = idle_memory(daemon, sample=50)
    start = time.monotonic()
    daemon.stop(deadline=300)
    return {"up": up, "memory": memory, "down": (time.monotonic() - start) * 1000}


def idle_memory(daemon, sample=None):
    """Mean proportional set size of the idle workers, in kB, once all are up; of every so many, `sample` in all."""
    daemon.log.wait_for(r"bench all_up", 120)
    sizes = []
    pids = [pid for pid in harness.descendants(daemon.pid) if "bench_idle_main" in harness.title(pid)]
    for pid in pids[::max(1, len(pids) // sample) if sample else 1]:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            sizes.append(int(re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M).group(1)))
    assert sizes, "no idle worker found"
    return statistics.mean(sizes)


def sdk_figures(daemon):
    daemon.log.wait_for(r"bench sdk_done", 120)
    return {match.group(1): float(match.group(2)) for match in map(BENCH.search, daemon.log.lines) if match}


def bare(program, *arguments):
    out = subprocess.run([os.path.join(harness.BUILD, "bin", program), *arguments], check=True, capture_output=True,
                         text=True).stdout
    return float(BENCH.search(out).group(2))


def main():
    parser = argparse.ArgumentParser(description="host beside server, with ratios")
    parser.add_argument("--runs", type=int, default=3, help="times each figure is taken (median counts)")
    parser.add_argument("--only", default="", help="comma-separated: restart, latch, memory, launch, start, "
                        "start200 (start1000, ...), interrupt, spi, shm, compile, sdk, or one of "
                        + ", ".join(row["name"] for row in SPI_ROWS + SHM_ROWS))
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    bench = Bench(options.runs)
    bench.head()

    def wanted(name):
        return not only or name in only

    if wanted("restart"):
        # A worker that has lived for a few milliseconds, and one that fails at once, again and again.
        for title, lifetime, rounds in (("exit(1) -> running again, p50", 5000, 300),
                                        ("exit(1) -> running again, back to back", 0, 500)):
            bench.figure(title, "us", "<= 0.20",
                         lambda life=lifetime, n=rounds: bench.in_host(bench.log_figure("restart_p50"), mode="restart",
                                                                       rounds=n, lifetime_us=life),
                         lambda life=lifetime, n=rounds: bench.in_server(bench.log_figure("restart_p50"),
                                                                         mode="restart", rounds=n, lifetime_us=life))
    if wanted("latch"):
        bench.figure("latch round trip between two workers", "us", "<= 0.60",
                     lambda: bench.in_host(bench.log_figure("latch_round_trip"), mode="latch", rounds=30000),
                     lambda: bench.in_server(bench.log_figure("latch_round_trip"), mode="latch", rounds=30000),
                     floor=("bare futex", lambda: bare("bare_futex", "30000"), "<= 1.25"))
    if wanted("memory"):
        bench.figure("memory per idle worker (PSS, 50 workers)", "kB", "<= 0.70",
                     lambda: bench.in_host(idle_memory, mode="idle", workers=50),
                     lambda: bench.in_server(idle_memory, mode="idle", workers=50))
    if wanted("launch"):
        bench.several([("launch_started_p50", "register -> started, p50", "us", "<= 0.35"),
                       ("launch_stopped_p50", "register -> started -> seen stopped, p50", "us", "<= 0.20"),
                       ("launch_each", "launches one after the other, each", "us", "<= 0.20")],
                      lambda: bench.in_host(launches, module="bench_launch", rounds=1000),
                      lambda: bench.in_server(launches, module="bench_launch", rounds=1000))
    each = {}
    for workers in (200, 1000, 4000, 10000):
        if not wanted("start") and not wanted(f"start{workers}"):
            continue
        hosts = bench.several([("up", f"{workers} workers registered -> all up", "ms", "<= 0.15" if workers == 4000 else "-"),
                               ("memory", f"{workers} workers: memory of each (PSS)", "kB", "<= 0.70"),
                               ("down", f"{workers} workers: all down", "ms", "-")],
                              lambda n=workers: bench.in_host(many, mode="idle", workers=n),
                              lambda n=workers: bench.in_server(many, mode="idle", workers=n),
                              runs=1 if workers > 4000 else None)
        each[workers] = statistics.median(figures["up"] for figures in hosts) / workers
        if 200 in each and workers > 200:
            row = {"figure": f"cost of a worker's start, {workers} beside 200", "unit": "us", "reference": "200 in host",
                   "reference_value": each[200] * 1000, "host_value": each[workers] * 1000,
                   "ratio": each[workers] / each[200], "ratio_min": each[workers] / each[200],
                   "ratio_max": each[workers] / each[200], "target": "<= 1.25" if workers == 4000 else "-"}
            bench.rows.append(row)
            bench.show(row)
    if wanted("interrupt"):
        for title, settings, act, caught in INTERRUPTS:
            measure = interruption(settings, act, caught)
            bench.figure(title, "ms", "<50 ms", lambda m=measure, more=settings: bench.in_host(m, mode="interrupt", **more),
                         lambda m=measure, more=settings: bench.in_server(m, mode="interrupt", **more))
    for row in SPI_ROWS:
        if wanted("spi") or wanted(row["name"]):
            bench.spi(row)
    for row in SHM_ROWS:
        if wanted("shm") or wanted(row["name"]):
            given = {"module": "bench_shm", "workers": 2, **row["settings"]}
            measure = bench.log_figure(given["mode"])
            bench.figure(row["title"], "ns", "<= 1.00", lambda m=measure, more=given: bench.in_host(m, **more),
                         lambda m=measure, more=given: bench.in_server(m, **more))
    if wanted("compile"):
        bench.compile()
    if wanted("sdk"):
        # The same work in plain C and on the SDK, in turn in one process; once in the server, once in the host.
        for where in (bench.in_server, bench.in_host):
            figures = []
            name = "server" if where == bench.in_server else "host"
            for _ in range(options.runs):
                figures.append(where(sdk_figures, module="bench_sdk"))
            for kind, title, target in (("one", "SELECT 1 transaction", "<= 1.05"), ("rows", "10,000 int8 rows", "<= 1.10")):
                plain = [f[f"plain_{kind}"] for f in figures]
                sdk = [f[f"sdk_{kind}"] for f in figures]
                pairs = [a / b for a, b in zip(sdk, plain)]
                bench.rows.append({"figure": f"SDK in the {name}: {title}", "unit": "us", "reference": "plain C",
                                   "reference_value": statistics.median(plain), "host_value": statistics.median(sdk),
                                   "ratio": statistics.median(pairs), "ratio_min": min(pairs), "ratio_max": max(pairs),
                                   "target": target})
                bench.show(bench.rows[-1])
    if options.json:
        with open(options.json, "w") as f:
            json.dump(bench.rows, f, indent=1)


if __name__ == "__main__":
    main()
