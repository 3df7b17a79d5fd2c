#!/usr/bin/python3
"""Measures what the workers of modules/ cost the database they look after, under pgbench.

usage: bench/soak_workers.py [--only NAME,...] [--where server,host] [--windows N] [--seconds S] [--until PERCENT] [--decide]
                             [--json FILE]

Each worker runs at its defaults, in the server and under a host beside it, on a private cluster whose pg_stat_statements
holds 2,000 statements, with 20 idle sessions and an invalid index, so that every worker has something to look at. One
pgbench runs all the time. Meanwhile the worker is held and let go in windows of --seconds, in turn which is first of a pair
(ABBA...), and the transactions that end in each window are counted from pgbench's own log. "Held" means that the worker's
processes are stopped (SIGSTOP) outside a transaction: nothing else differs. Two figures:

throughput  with the worker, beside without it: of all windows together, with the interval that holds it in 19 of 20 cases, by
            drawing the pairs anew 4,000 times (bootstrap). A machine that grows slower or faster does so for both windows of a
            pair; and what other programs took of its CPUs in one window more than in the other is taken out by the line that
            fits best through all pairs' differences (the worker's own time is none of it). A worker that was held past its time has its round as soon as it goes on, so the half of the time in which it
            runs has nearly all of its work: what is seen is up to twice what it costs.
CPU time    what the worker and its sessions use over all of that time: of one core, and beside what the server uses for
            all else. A bound that noise hardly moves.

Both are over --windows pairs: 85 s by default, so that the whole takes about a quarter of an hour. Every worker has at
least one round in that time, index_rebuilder by looking every minute, ten times as often as by default: what it costs at
its default is a tenth of what is shown.

With --until 0.5 the measurement goes on until the throughput is known to ±0.5 %, for at most ten times --windows. The interval
shrinks with the root of the number of pairs: --windows pairs that gave ±1.5 % take nine times as many. What helps more: a
machine without other work and with a fixed CPU frequency; four cores or more, so that pgbench, the server and the worker
each have one; data in memory (as it is where /dev/shm is large enough and TMPDIR is not set); windows that are short beside the drift of the machine (one second
is; below half a second the holding and letting go begin to count).

With --decide it goes on until the interval lies on one side of 99 %, that is until it is shown whether the cost is less than the
target, for at most ten times --windows as well.

Target for both: less than 1 %. Nothing fails here: the numbers are for reading.
"""

import argparse
import bisect
import glob
import json
import os
import random
import re
import signal
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "system"))
import harness  # noqa: E402

CLIENTS = 4
COLUMNS = 50  # of a table, two of which each of the statements selects
IDLE_SESSIONS = 20
WARM_UP = 5  # seconds
TARGET = 0.01

# What is to be set beside the defaults; the statement that is true once the worker has had its first round; what is
# to be done then.
WORKERS = {
    "statement_history": {"ready": "SELECT count(*) > 0 FROM statement_history.snapshot"},
    "stats_exporter": {"port": True},
    "index_rebuilder": {"settings": {"index_rebuilder.interval": "1min"},
                        "ready": "SELECT to_regnamespace('index_rebuilder') IS NOT NULL"},
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


def busy_seconds():
    """CPU time that all CPUs together have spent since the start of the machine on anything, that taken by a hypervisor included."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def ratio(pairs):
    """Throughput with the worker beside without it, by all pairs of ((rate, CPU of others) with, the same without): the
    differences in what others took of the CPUs are taken out by their least-squares line."""
    count = len(pairs)
    gain = [a[0] - b[0] for a, b in pairs]
    taken = [a[1] - b[1] for a, b in pairs]
    mean_gain, mean_taken = sum(gain) / count, sum(taken) / count
    spread = sum((t - mean_taken) ** 2 for t in taken)
    slope = sum((t - mean_taken) * g for t, g in zip(taken, gain)) / spread if spread > 0 else 0
    return 1 + (mean_gain - slope * mean_taken) * count / sum(b[0] for _, b in pairs)


def ratio_interval(pairs, seed, draws=4000):
    """That ratio, and where it is in 19 of 20 cases, by drawing the pairs anew."""
    draw = random.Random(seed)
    drawn = sorted(ratio(draw.choices(pairs, k=len(pairs))) for _ in range(draws))
    return ratio(pairs), drawn[draws // 40], drawn[-1 - draws // 40]


class Transactions:
    """When transactions of a running pgbench ended, from the logs that it writes."""

    def __init__(self, prefix):
        self.prefix, self.files, self.rest, self.ends = prefix, {}, {}, []

    def read_on(self):
        for name in glob.glob(self.prefix + ".*"):
            if name not in self.files:
                self.files[name], self.rest[name] = open(name), ""
            *lines, self.rest[name] = (self.rest[name] + self.files[name].read()).split("\n")
            # client, number, latency, script, second, microsecond
            self.ends += [int(line[4]) + int(line[5]) / 1e6 for line in map(str.split, lines)]
        self.ends.sort()

    def rate(self, begin, end):
        """Transactions per second in this time, which must have been read."""
        return (bisect.bisect(self.ends, end) - bisect.bisect(self.ends, begin)) / (end - begin)

    def close(self):
        for file in self.files.values():
            file.close()


class Place:
    """A cluster with its load, and the worker in it or under a host beside it."""

    def __init__(self, space, worker, where):
        self.space, self.worker, self.where = space, worker, where
        self.what = WORKERS[worker]
        self.port = harness.free_port()
        settings = dict(self.what.get("settings", {}))
        if "port" in self.what:
            settings["stats_exporter.listen"] = f"127.0.0.1:{self.port}"
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
        self.idle = [self.server.session(user="shop") for _ in range(IDLE_SESSIONS)]
        if "ready" in self.what:
            harness.wait_until(lambda: self.true(self.what["ready"]), 120, f"{worker} has begun")
        if "port" in self.what:
            harness.wait_until(self.scrape, 120, f"{worker} answers")
        if "then" in self.what:
            self.server.sql(self.what["then"])
        if not self.processes():
            raise AssertionError(f"no process of {worker} is found")

        self.looker = self.server.session()

    def build_that_fails(self):
        self.space.run([f"{harness.BINDIR}/psql", "-Xq", "-d", self.server.conninfo(), "-c",
                        "CREATE UNIQUE INDEX CONCURRENTLY twice_key ON twice (a)"], check=False)

    def close(self):
        for session in [*self.idle, self.looker]:
            session.close()

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

    def processes(self):
        """The worker's processes: by their titles, in the server as in the host."""
        return [pid for pid in harness.descendants(self.daemon.pid)
                if re.match(rf"(postgres|bgworkerd): .*{self.worker}", harness.title(pid))]

    def sessions(self):
        """The sessions that the worker has on the server: clients that are neither pgbench nor ours."""
        return [int(pid) for pid in self.ask(
            "SELECT coalesce(string_agg(pid::text, ' '), '') FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND application_name NOT IN ('pgbench', 'test')").split()]

    def ask(self, query):
        """The one value of a query, by a session that stays: one that ended would be taken for one of the worker's."""
        return self.looker.sql(query)

    def hold(self):
        """Stops the worker's processes at a moment when none is in a transaction."""
        pids = self.processes()
        listed = ", ".join(map(str, pids + self.sessions()))

        def stopped():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            if self.ask(f"SELECT count(*) FROM pg_stat_activity WHERE pid IN ({listed}) AND xact_start IS NOT NULL") == "0":
                return True
            self.let_go()
            return False

        harness.wait_until(stopped, 60, f"{self.worker} is outside a transaction")

    def let_go(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def measure(self, windows, seconds, enough):
        """Pairs of ((transactions per second, cores that other programs took) with the worker, the same without it); CPU time of
        worker and sessions, and of all else in the server, in cores. `enough(low, high)`: whether the measurement may end with this
        interval, asked after so many windows; None: it ends."""
        log = os.path.join(self.space.folder, "transactions")
        done = Transactions(log)
        load = self.space.daemon_run([f"{harness.BINDIR}/pgbench", "-n", "-c", str(CLIENTS), "-T", "86400", "-l", "--log-prefix", log,
                                      self.server.conninfo(user="shop")], name="pgbench")
        stop = threading.Event()
        try:
            harness.wait_until(lambda: self.server.sql(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") == str(CLIENTS), 30, "the load runs")
            if "port" in self.what:  # as Prometheus would
                threading.Thread(target=lambda: [self.scrape() for _ in iter(lambda: stop.wait(15), True)], daemon=True).start()
            time.sleep(WARM_UP)
            sessions = self.sessions()
            # A host's whole tree counts as the worker's. Children that end meanwhile are sessions of the worker's: pgbench's do not.
            own = sessions + (self.processes() if self.where == "server" else [self.daemon.pid] + harness.descendants(self.daemon.pid))
            parents = {self.server.pid, self.daemon.pid}
            others = [pid for pid in harness.descendants(self.server.pid) if pid not in own]

            def read():
                return (sum(map(cpu_seconds, own)) + sum(cpu_seconds(pid, True) for pid in parents), sum(map(cpu_seconds, others)),
                        time.monotonic())

            everything = own + others + [load.pid] + harness.descendants(load.pid)

            def elsewhere():
                return busy_seconds() - sum(map(cpu_seconds, everything))

            def window(held):
                if held:
                    self.hold()
                try:
                    taken, begin = elsewhere(), time.time()  # a round that was due begins at once
                    time.sleep(seconds)
                    end = time.time()
                    return begin, end, (elsewhere() - taken) / (end - begin)
                finally:
                    if held:
                        self.let_go()

            def pairs():
                done.read_on()
                return [tuple((done.rate(begin, end), taken) for begin, end, taken in pair) for pair in times
                        if done.ends and max(end for _, end, _ in pair) < done.ends[-1]]

            def known():
                _, low, high = ratio_interval(pairs(), seed=1, draws=400)
                return enough(low, high)

            before, times = read(), []
            while True:
                for n in range(windows):
                    pair = {held: window(held) for held in (n % 2 == 0, n % 2 == 1)}
                    times.append((pair[False], pair[True]))
                if enough is None or len(times) >= 10 * windows or known():
                    break
            after = read()
        finally:
            stop.set()
            load.stop(signal.SIGTERM)
        found = pairs()
        done.close()
        took = after[2] - before[2]
        return found, (after[0] - before[0]) / took, (after[1] - before[1]) / took


def main():
    parser = argparse.ArgumentParser(description=__doc__, usage=argparse.SUPPRESS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(WORKERS), help="comma-separated: " + ", ".join(WORKERS))
    parser.add_argument("--where", default="server,host", help="comma-separated: server, host")
    parser.add_argument("--windows", type=int, default=40, help="pairs of windows with and without the worker")
    parser.add_argument("--seconds", type=float, default=1, help="length of a window")
    parser.add_argument("--until", type=float, metavar="PERCENT",
                        help="go on until the throughput is known to this much more or less, for at most ten times --windows")
    parser.add_argument("--decide", action="store_true",
                        help="go on until it is shown on which side of the target the cost is, for at most ten times --windows")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    for given, known in ((options.only, WORKERS), (options.where, ("server", "host"))):
        for name in given.split(","):
            if name not in known:
                parser.error(f'"{name}" is none of: {", ".join(known)}')
    enough = None
    if options.decide:
        enough = lambda low, high: low > 1 - TARGET or high < 1 - TARGET
    elif options.until is not None:
        enough = lambda low, high: (high - low) / 2 <= options.until / 100
    print(f"{'worker':<18} {'where':<7} {'throughput with / without':>26} {'tps':>7}   {'CPU of a core':>13} {'of the server':>13}  target")
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
                pairs, used, others = place.measure(options.windows, options.seconds, enough)
                ratio, low, high = ratio_interval(pairs, seed=1)
                row = {"worker": worker, "where": where, "pairs": pairs, "ratio": ratio, "low": low, "high": high,
                           "cores": used, "cores_of_others": others}
                print(f"{worker:<18} {where:<7} {ratio:>8.4f} ({low:.4f}..{high:.4f}) {sum(b[0] for _, b in pairs) / len(pairs):>7.0f}   "
                      f"{100 * used:>11.3f} % {100 * used / others:>11.3f} %  < 1 %", flush=True)
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
