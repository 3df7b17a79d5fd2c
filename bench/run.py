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
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "system"))
import harness  # noqa: E402

BENCH = re.compile(r"bench (\w+) ([0-9.]+) (\w+)")


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

    def in_host(self, measure, **settings):
        def make(space, more):
            server = space.postgres(name="upstream").start()
            return space.host(settings=more, upstream=server)
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

    def head(self):
        print(f"{'figure':<44} {'against':<12} {'reference':>12} {'host':>12} {'ratio':>7} {'min..max':>13} {'target':>7}")

    def show(self, row):
        print(f"{row['figure']:<44} {row['reference']:<12} {row['reference_value']:>9.1f} {row['unit']:<2} "
              f"{row['host_value']:>9.1f} {row['unit']:<2} {row['ratio']:>7.2f} "
              f"{row['ratio_min']:>5.2f}..{row['ratio_max']:<5.2f}  {row['target']:>7}", flush=True)


def idle_memory(daemon):
    """Mean proportional set size of the idle workers, in kB, once all are up."""
    daemon.log.wait_for(r"bench all_up", 120)
    sizes = []
    for pid in harness.descendants(daemon.pid):
        if "bench_idle_main" not in harness.title(pid):
            continue
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
    parser.add_argument("--only", default="", help="comma-separated: restart, latch, memory, start, spi, shm, sdk")
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
    if wanted("start"):
        bench.figure("start of 200 registered workers", "ms", "<= 0.15",
                     lambda: bench.in_host(bench.log_figure("all_up"), mode="idle", workers=200),
                     lambda: bench.in_server(bench.log_figure("all_up"), mode="idle", workers=200))
    if wanted("spi"):
        for title, query, target in (("SELECT 1 transaction", "SELECT 1", "<= 0.60"),
                                     ("pg_stat_activity transaction", "SELECT count(*) FROM pg_stat_activity", "-")):
            def libpq(text=query):
                space = harness.Space("bench")
                try:
                    server = space.postgres(name="upstream").start()
                    return bare("bare_libpq", server.conninfo(user="postgres"), "5000", text)
                finally:
                    space.close()
                    space.remove()
            bench.figure(f"{title} through SPI", "us", target,
                         lambda text=query: bench.in_host(bench.log_figure("spi_transaction"), mode="spi", rounds=5000,
                                                          query=text),
                         libpq, "bare libpq")
            bench.figure(f"{title} through SPI", "us", "<= 0.30" if "activity" in query else "-",
                         lambda text=query: bench.in_host(bench.log_figure("spi_transaction"), mode="spi", rounds=5000,
                                                          query=text),
                         lambda text=query: bench.in_server(bench.log_figure("spi_transaction"), mode="spi",
                                                            rounds=5000, query=text))
    if wanted("shm"):
        pair = {"module": "bench_shm", "workers": 2}
        for title, name, settings in (
                ("LWLock, one worker", "lock", {"mode": "lock", "workers": 1}),
                ("LWLock, 8 workers contending", "lock", {"mode": "lock", "workers": 8}),
                ("shm_mq, messages of 64 B, flushed", "queue", {"mode": "queue", "rounds": 1000000}),
                ("shm_mq, messages of 64 B, as they fill up", "queue",
                 {"mode": "queue", "rounds": 3000000, "flush": "off"}),
                ("shm_mq, messages of 64 kB", "queue",
                 {"mode": "queue", "rounds": 50000, "message_size": 65536, "queue_size": 262144}),
                ("condition variable round trip", "condition", {"mode": "condition", "rounds": 30000}),
                ("hash_search in a shared table", "hash", {"mode": "hash", "workers": 1, "rounds": 10000000})):
            given = {**pair, **settings}
            bench.figure(title, "ns", "<= 1.00",
                         lambda n=name, more=given: bench.in_host(bench.log_figure(n), **more),
                         lambda n=name, more=given: bench.in_server(bench.log_figure(n), **more))
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


main()
