#!/usr/bin/python3
"""Measures what the workers of modules/ cost the database they look after, under pgbench.

usage: bench/soak_workers.py [--only NAME,...] [--where server,host] [--pairs N] [--seconds S] [--share-seconds S] [--json FILE]

Each worker runs at its defaults, in the server and under a host beside it, on a private cluster whose pg_stat_statements
holds 2,000 statements, with 20 idle sessions and an invalid index, so that every worker has something to look at. Two
figures:

throughput  pgbench runs in short pairs, one with the worker and one without it, in turn which is first (ABBA…), and the
            ratio of each pair is taken, so that a machine that grows slower or faster meanwhile does so for both. The
            median is told with the interval that holds it in 19 of 20 cases (by the order of the ratios; no
            distribution is assumed). "Without" means that the worker's processes are stopped
            (SIGSTOP) outside a transaction: nothing else differs. A worker that was stopped past its time has its round
            as soon as it goes on.
CPU time    what the worker and its sessions use under the same load while they run freely, over --share-seconds: of one
            core, and beside what the server uses for all else. A bound that noise hardly moves. The time must have
            at least one of the worker's rounds: by default it is 150 s, and for a worker with a longer interval a minute
            more than that.

Target for both: less than 1 %. Nothing fails here: the numbers are for reading.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "system"))
import harness  # noqa: E402

CLIENTS = 4
COLUMNS = 50  # of a table, two of which each of the statements selects
IDLE_SESSIONS = 20

# What is to be set beside the defaults; the statement that is true once the worker has had its first round; what is
# to be done then.
WORKERS = {
    "statement_history": {"ready": "SELECT count(*) > 0 FROM statement_history.snapshot"},
    "stats_exporter": {"port": True},
    "index_rebuilder": {"interval": 600, "ready": "SELECT to_regnamespace('index_rebuilder') IS NOT NULL"},
    "idle_terminator": {"ready": "SELECT to_regclass('idle_terminator.rule') IS NOT NULL",
                        "then": "INSERT INTO idle_terminator.rule (state, idle_limit) VALUES ('idle', '1 hour')"},
}
PREPARE = """
    CREATE EXTENSION pg_stat_statements;
    CREATE ROLE shop LOGIN;
    GRANT CREATE ON SCHEMA public TO shop;
    CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1);
    CREATE TABLE wide ({})""".format(", ".join(f"c{n} int" for n in range(COLUMNS)))


def cpu_seconds(pid, ended_children=False):
    """CPU time of a process, or of its children that have ended; 0 of one that is gone."""
    try:
        if ended_children:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        with open(f"/proc/{pid}/schedstat") as f:
            return int(f.read().split()[0]) / 1e9
    except OSError:
        return 0.0


def median_interval(values):
    """Where the true median is in 19 of 20 cases: between the values that so many coin tosses would not reach past."""
    ordered = sorted(values)
    outside = max(0, int(len(ordered) / 2 - 0.98 * len(ordered) ** 0.5))
    return ordered[outside], ordered[-1 - outside]


class Place:
    """A cluster with its load, and the worker in it or under a host beside it."""

    def __init__(self, space, worker, where):
        self.space, self.worker, self.where = space, worker, where
        self.what = WORKERS[worker]
        self.port = harness.free_port()
        settings = {"stats_exporter.listen": f"127.0.0.1:{self.port}"} if self.what.get("port") else {}
        inside = where == "server"
        self.server = space.postgres("server", settings={
            "shared_preload_libraries": "pg_stat_statements", "shared_buffers": "128MB", "max_wal_size": "4GB",
            "checkpoint_timeout": "1h"}).start()
        self.server.sql(PREPARE)
        pairs = [(a, b) for a in range(COLUMNS) for b in range(COLUMNS)][:2000]
        space.run([f"{harness.BINDIR}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.server.conninfo()],
                  input="".join(f"SELECT c{a}, c{b} FROM wide;\n" for a, b in pairs))
        self.build_that_fails()
        self.pgbench("-iq", "-s", "5")
        if inside:
            self.server.stop()
            self.server.write_settings(shared_preload_libraries=f"pg_stat_statements, {worker}", **settings)
            self.server.start()
            self.daemon = self.server
        else:
            self.daemon = space.host(upstream=self.server.conninfo(), settings={
                "shared_preload_libraries": worker, **settings}).start()
        self.idle = [subprocess.Popen([f"{harness.BINDIR}/psql", "-Xq", "-d", self.server.conninfo(user="shop")],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, **harness.unprivileged())
                     for _ in range(IDLE_SESSIONS)]
        if "ready" in self.what:
            harness.wait_until(lambda: self.true(self.what["ready"]), 120, f"{worker} has begun")
        if "port" in self.what:
            harness.wait_until(self.scrape, 120, f"{worker} answers")
        if "then" in self.what:
            self.server.sql(self.what["then"])
        if not self.processes():
            raise AssertionError(f"no process of {worker} is found")

    def build_that_fails(self):
        self.space.run([f"{harness.BINDIR}/psql", "-Xq", "-d", self.server.conninfo(), "-c",
                        "CREATE UNIQUE INDEX CONCURRENTLY twice_key ON twice (a)"], check=False)

    def close(self):
        for session in self.idle:
            session.stdin.close()
            session.wait()

    def true(self, condition):
        try:
            return self.server.sql(condition) == "t"
        except AssertionError:  # the table is not there yet
            return False

    def scrape(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
                return b"\npg_up 1" in answer.read()
        except OSError:
            return False

    def pgbench(self, *options, **more):
        return self.space.run([f"{harness.BINDIR}/pgbench", *options, self.server.conninfo(user="shop")], timeout=3600,
                              **more).stdout

    def throughput(self, seconds):
        out = self.pgbench("-n", "-c", str(CLIENTS), "-T", str(seconds))
        return float(re.search(r"^tps = ([0-9.]+)", out, re.M).group(1))

    def processes(self):
        """The worker's processes: by their titles, in the server as in the host."""
        return [pid for pid in harness.descendants(self.daemon.pid)
                if re.match(rf"(postgres|bgworkerd): .*{self.worker}", harness.title(pid))]

    def sessions(self):
        """The sessions that the worker has on the server: clients that are neither pgbench nor ours."""
        return [int(pid) for pid in self.server.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name NOT IN ('pgbench', 'psql')"
            " AND pid <> pg_backend_pid()").split()]

    def hold(self):
        """Stops the worker's processes at a moment when none is in a transaction."""
        pids = self.processes()
        listed = ", ".join(map(str, pids + self.sessions()))

        def stopped():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            if self.server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE pid IN ({listed}) AND xact_start IS NOT NULL") == "0":
                return True
            self.let_go()
            return False

        harness.wait_until(stopped, 60, f"{self.worker} is outside a transaction")

    def let_go(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def pair(self, seconds, without_first):
        tps = {}
        for without in (without_first, not without_first):
            if without:
                self.hold()
            try:
                tps[without] = self.throughput(seconds)
            finally:
                if without:
                    self.let_go()
        return tps[False] / tps[True]

    def share(self, seconds):
        """(CPU time of worker and sessions, of all else in the server), in cores, while the worker runs freely."""
        load = self.space.daemon_run([f"{harness.BINDIR}/pgbench", "-n", "-c", str(CLIENTS), "-T", str(seconds + 30),
                                      self.server.conninfo(user="shop")], name="pgbench")
        harness.wait_until(lambda: self.server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'")
                           == str(CLIENTS), 30, "the load runs")
        stop = threading.Event()
        if "port" in self.what:  # as Prometheus would
            threading.Thread(target=lambda: [self.scrape() for _ in iter(lambda: stop.wait(15), True)], daemon=True).start()
        sessions = self.sessions()
        # A host's whole tree counts as the worker's. Children that end meanwhile are sessions of the worker's: pgbench's do not.
        own = sessions + (self.processes() if self.where == "server" else [self.daemon.pid] + harness.descendants(self.daemon.pid))
        parents = {self.server.pid, self.daemon.pid}
        others = [pid for pid in harness.descendants(self.server.pid) if pid not in own]

        def read():
            return (sum(map(cpu_seconds, own)) + sum(cpu_seconds(pid, True) for pid in parents), sum(map(cpu_seconds, others)),
                    time.monotonic())

        before = read()
        time.sleep(seconds)
        after = read()
        stop.set()
        load.stop(signal.SIGTERM)
        took = after[2] - before[2]
        return (after[0] - before[0]) / took, (after[1] - before[1]) / took


def main():
    parser = argparse.ArgumentParser(description="what the workers cost the database")
    parser.add_argument("--only", default=",".join(WORKERS), help="comma-separated: " + ", ".join(WORKERS))
    parser.add_argument("--where", default="server,host", help="comma-separated: server, host")
    parser.add_argument("--pairs", type=int, default=50, help="pairs of runs with and without the worker (0: none)")
    parser.add_argument("--seconds", type=int, default=3, help="length of one run of pgbench")
    parser.add_argument("--share-seconds", type=int, help="how long CPU time is counted (0: not at all)")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    for given, known in ((options.only, WORKERS), (options.where, ("server", "host"))):
        for name in given.split(","):
            if name not in known:
                parser.error(f'"{name}" is none of: {", ".join(known)}')
    print(f"{'worker':<18} {'where':<7} {'throughput with / without':>26} {'min..max':>13}   {'CPU of a core':>13} {'of the server':>13}  target")
    rows = []
    for worker in options.only.split(","):
        if not os.path.exists(os.path.join(harness.BUILD, "lib", worker + ".so")):
            print(f"{worker:<18} is not built", flush=True)
            continue
        for where in options.where.split(","):
            space = harness.Space("soak")
            place = None
            try:
                place = Place(space, worker, where)
                row = {"worker": worker, "where": where}
                text = f"{worker:<18} {where:<7} "
                place.throughput(options.seconds)  # for the caches
                ratios = [place.pair(options.seconds, n % 2 == 0) for n in range(options.pairs)]
                if len(ratios) > 1:
                    row["ratios"] = ratios
                    low, high = median_interval(ratios)
                    text += (f"{statistics.median(ratios):>9.4f} ({low:.4f}..{high:.4f}) {min(ratios):>6.3f}..{max(ratios):<5.3f}   ")
                else:
                    text += " " * 43
                share_seconds = options.share_seconds
                if share_seconds is None:
                    share_seconds = max(150, place.what.get("interval", 0) + 60)
                if share_seconds > 0:
                    used, others = place.share(share_seconds)
                    row["cores"], row["cores_of_others"] = used, others
                    text += f"{100 * used:>11.3f} % {100 * used / others:>11.3f} %"
                else:
                    text += " " * 27
                print(text + "  < 1 %", flush=True)
                rows.append(row)
            finally:
                if place:
                    place.close()
                space.close()
                space.remove()
    if options.json:
        with open(options.json, "w") as f:
            json.dump(rows, f, indent=1)


main()
