"""Everything is killed, again and again, at random: nothing leaks, nothing is lost, nothing runs twice.

The seed is printed and can be given (BGW_CHAOS_SEED), as can the number of kills (BGW_CHAOS_KILLS) and a limit in seconds
(BGW_CHAOS_SECONDS). `make soak` runs it long. Invariants, looked at again and again while nothing is being killed:

 1. every worker that is to be restarted runs, as exactly one process;
 2. every process below the postmaster is one that belongs there, and none is a zombie;
 3. as many slots are taken as there are workers: none leaks;
 4. whoever waits for a worker's start or end is answered;
 5. the postmaster's descriptors and memory do not grow;
 6. after the postmaster itself is killed nothing of it is left, and the next one starts.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import harness
from harness import alive, descendants, title, wait_until, zombies

STATIC = [f"w{number} idle restart=0" for number in range(8)] + \
         [f"d{number} idle restart=0 db" for number in range(3)]
SLOTS = 40
SPARES = 4


class Chaos:
    def __init__(self, space, upstream, seed):
        self.random = random.Random(seed)
        self.space = space
        self.host = space.host(upstream=upstream, settings={
            "shared_preload_libraries": "probe", "probe.workers": ";".join(STATIC), "max_worker_processes": SLOTS})
        self.host.expect_crash = True
        self.names = [entry.split()[0] for entry in STATIC]
        # name -> who waits for its start; then whether it must be there: it is restarted and nobody ended it
        self.launched = {}
        self.known = set()  # every name launched since the postmaster started
        self.kills = 0
        self.count = {}
        self.waiters = []
        self.embedded = upstream is None
        self.baseline = None

    # --- what is there ---------------------------------------------------------------------------------------

    def titles(self):
        """title -> pids of the processes of the host, the embedded upstream's own left out."""
        found = {}
        for pid in descendants(self.host.pid):
            match = re.match(r"bgworkerd: (.*?)\s*$", title(pid))
            if match:
                found.setdefault(match.group(1), []).append(pid)
        return found

    def pick(self, test):
        pids = [pid for name, all_of_it in self.titles().items() if test(name) for pid in all_of_it]
        return self.random.choice(pids) if pids else None

    def expected(self):
        return set(self.names) | {name for name, stays in self.launched.items() if stays is True}

    # --- what is done to it ----------------------------------------------------------------------------------

    def kill(self, what, pid, number):
        if pid is None:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        self.kills += 1
        self.count[what] = self.count.get(what, 0) + 1

    def is_worker(self, name):
        return name in self.names or name in self.launched

    def end_worker(self):
        self.kill("worker ended", self.pick(self.is_worker), signal.SIGTERM)

    def crash_worker(self):
        self.kill("worker crashed", self.pick(self.is_worker),
                  self.random.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT]))

    def kill_spare(self):
        self.kill("spare", self.pick(lambda name: name == "spare"), signal.SIGKILL)

    def kill_fork_server(self):
        self.kill("fork server", self.pick(lambda name: name == "fork server"), signal.SIGKILL)

    def kill_monitor(self):
        self.kill("monitor", self.pick(lambda name: name == "monitor"), signal.SIGKILL)

    def kill_backend(self):
        """A control connection is opened and its backend killed: a crash like any other."""
        before = set(descendants(self.host.pid))
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(os.path.join(self.host.data, "run", "control.sock"))
            except OSError:
                return
            deadline = time.monotonic() + 1
            while time.monotonic() < deadline:
                new = [pid for pid in set(descendants(self.host.pid)) - before
                       if re.match(r"bgworkerd: (control|backend)", title(pid))]
                if new:
                    self.kill("backend", new[0], signal.SIGKILL)
                    return

    def reload(self):
        self.host.reload()
        self.count["reload"] = self.count.get("reload", 0) + 1

    def launch(self):
        """A worker is registered at run time; whoever did it waits for its start, or gives up because of a crash."""
        if len(self.launched) > 10:
            return
        name = f"l{self.random.randrange(1 << 30)}"
        restarts = self.random.random() < 0.5
        process = self.control("launch", "probe", "probe_main_entry", "--name", name, "--restart",
                               "0" if restarts else "never", "--extra", "idle", "-t", "20")
        self.waiters.append(process)
        self.launched[name] = process if restarts else False
        self.known.add(name)
        self.count["launch"] = self.count.get("launch", 0) + 1

    def terminate(self):
        if not self.launched:
            return
        name = self.random.choice(sorted(self.launched))
        self.waiters.append(self.control("terminate", name, "--wait", "-t", "20"))
        self.launched[name] = False  # its backend may be killed before it has asked
        self.count["terminate"] = self.count.get("terminate", 0) + 1

    def control(self, *arguments):
        return subprocess.Popen(harness.unprivileged([self.space.program("bgworkerctl"), "-D", self.host.data, *arguments]),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                cwd=self.space.folder)

    def kill_postmaster(self):
        """Everything of it is gone soon after, and another host starts in its place."""
        left = [pid for pid in descendants(self.host.pid)]
        self.kill("postmaster", self.host.pid, signal.SIGKILL)
        self.host.wait_exit()
        wait_until(lambda: not any(alive(pid) for pid in left), what="the end of the killed host's children")
        self.waited_for()
        self.launched = {}
        self.known = set()
        self.baseline = None
        self.start()

    def kill_embedded(self):
        if not self.embedded:
            return
        postgres = [pid for pid in descendants(self.host.pid) if re.match(r"\S*postgres -D", title(pid))]
        if postgres:
            self.kill("embedded upstream", postgres[0], signal.SIGKILL)

    # --- what must hold --------------------------------------------------------------------------------------

    def start(self):
        self.host.start()
        self.settled()

    def waited_for(self):
        for process in self.waiters:
            try:
                process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise AssertionError(f"a waiter got no answer: {process.args}") from None
        self.waiters = []
        for name, launcher in self.launched.items():
            if not isinstance(launcher, bool):
                self.launched[name] = launcher.returncode == 0

    def settled(self):
        """Waits until all is quiet and looks at the invariants."""
        self.waited_for()
        ps = {}

        def quiet():
            nonlocal ps
            done = self.host.control("ps", "--json", check=False)
            if done.returncode != 0:
                return False
            ps = {}
            for row in json.loads(done.stdout)["workers"]:
                ps.setdefault(row["name"], []).append(row)
            running = {name for name, rows in ps.items() if all(row["state"] == "running" for row in rows)}
            if not self.expected() <= running or len(ps) != len(running):
                return False
            found = self.titles()
            if len(found.get("spare", [])) != 2 * SPARES or len(found.get("fork server", [])) > 2:
                return False
            return len(found.get("monitor", [])) == 1 and "backend" not in found and not zombies(self.host.pid)

        try:
            wait_until(quiet, deadline=60, what="a quiet host")
        except AssertionError:
            print(self.titles(), zombies(self.host.pid), ps)
            raise
        found = self.titles()
        for name, rows in ps.items():
            assert len(rows) == 1 and len(found[name]) == 1, (name, rows, found[name])
            assert rows[0]["pid"] == found[name][0]
        assert set(found) - {"spare", "fork server", "monitor"} == set(ps), (sorted(found), sorted(ps))
        dynamic = {name for name, rows in ps.items() if rows[0]["dynamic"]}
        assert set(ps) - dynamic == set(self.names) and dynamic <= self.known, (sorted(ps), self.known)
        self.launched = {name: self.launched.get(name, False) for name in dynamic}
        self.flat()

    def no_slot_is_lost(self):
        """All slots but those of the static workers can be had, and not one more."""
        for name in list(self.launched):
            self.host.control("terminate", name, "--wait", "-t", "20")
        self.launched = {}
        for number in range(SLOTS - len(self.names)):
            self.host.control("launch", "probe", "probe_main_entry", "--name", f"fill{number}", "--extra", "idle")
        one_more = self.host.control("launch", "probe", "probe_main_entry", "--name", "more", check=False)
        assert one_more.returncode == 1, one_more.stdout

    def flat(self):
        """Descriptors to the number, memory within what allocators and page tables need."""
        workers = len(self.names) + len(self.launched)
        descriptors = len(os.listdir(f"/proc/{self.host.pid}/fd")) - workers  # one for each
        with open(f"/proc/{self.host.pid}/statm") as f:
            memory = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
        if self.baseline is None:
            self.baseline = (descriptors, memory)
        assert descriptors <= self.baseline[0] + 1, (descriptors, self.baseline)
        assert memory <= self.baseline[1] + 4096, (memory, self.baseline)

    def run(self, kills, seconds, weights):
        started = time.monotonic()
        target = self.kills + kills
        least = min(target, 100)  # fewer say nothing, however slow the machine is
        actions = [getattr(self, name) for name in weights]
        while self.kills < target and (time.monotonic() - started < seconds or self.kills < least):
            for _ in range(self.random.randrange(10, 40)):
                self.random.choices(actions, list(weights.values()))[0]()
                if self.random.random() < 0.5:
                    time.sleep(self.random.random() * 0.02)
            self.settled()


def chaos(space, upstream, kills, weights, capfd):
    seed = int(os.environ.get("BGW_CHAOS_SEED", random.randrange(1 << 31)))
    with capfd.disabled():
        print(f"seed {seed} (BGW_CHAOS_SEED)", flush=True)
    it = Chaos(space, upstream, seed)
    try:
        it.start()
        it.run(int(os.environ.get("BGW_CHAOS_KILLS", kills)), float(os.environ.get("BGW_CHAOS_SECONDS", 100)), weights)
        it.no_slot_is_lost()
    finally:
        with capfd.disabled():
            print(f"seed {seed}: {it.kills} kills, {it.count}", flush=True)


def test_chaos(space, capfd):
    upstream = space.postgres("upstream").start()
    chaos(space, upstream, 900, {
        "end_worker": 40, "crash_worker": 12, "kill_spare": 12, "kill_fork_server": 6, "kill_monitor": 5,
        "kill_backend": 3, "reload": 5, "launch": 6, "terminate": 6, "kill_postmaster": 0.5}, capfd)


def test_chaos_embedded(space, capfd):
    """The same with an upstream of the host's own, which is killed too."""
    chaos(space, None, 100, {
        "end_worker": 40, "crash_worker": 8, "kill_spare": 8, "kill_fork_server": 4, "kill_monitor": 5, "reload": 5,
        "kill_embedded": 4, "kill_postmaster": 1}, capfd)
