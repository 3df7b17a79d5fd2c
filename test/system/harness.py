"""Private PostgreSQL clusters and private bgworkerd hosts, for tests.

Everything a test starts is a child of the test's own process, which makes itself the subreaper of all that descend
from it: whatever a server or a host leaves behind is then found among our descendants, whoever started it. When the
tests run as root, servers and hosts run as the user `postgres`, as they would on a real system.

A Log is filled by a reader thread from the stderr of one process, so that a test can wait for a line with a deadline
and never has to poll a file. Lines have the prefix PREFIX, which names process and backend type.

Everything waits with a deadline and fails with the log in the message; nothing sleeps for luck.
"""

import ctypes
import os
import pwd
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

import libpq

BUILD = os.environ.get("BGW_BUILD_DIR") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", "..", "build", "release"))
BINDIR = os.environ.get("BGW_PG_BINDIR", "/usr/lib/postgresql/15/bin")
PKGLIBDIR = os.environ.get("BGW_PG_PKGLIBDIR", "/usr/lib/postgresql/15/lib")
# Sanitizers and valgrind make everything slower; deadlines grow with this factor.
SLOW = float(os.environ.get("BGW_TEST_SLOWNESS", "1"))
# How long it takes to give up, not how quick something has to be: a busy machine can stall for many seconds.
DEADLINE = 30 * SLOW

PREFIX = "[%p|%b] "
LINE = re.compile(r"^\[(\d+)\|([^\]]*)\] ([A-Z0-9]+):  (.*)$", re.S)

CRASH = re.compile(r"was terminated by signal|PANIC:|ERROR: AddressSanitizer|ERROR: LeakSanitizer|runtime error:|"
                   r"terminating any other active server processes|double free|corrupted")

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # What was started in a shell's background ignores it, and so would all its children; servers are stopped by it.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def unprivileged(command, *options):
    """A command that runs another as an ordinary user: that one itself, unless we are root or there are options of
    setpriv. With subprocess's own arguments for this it cannot use vfork, and copies us each time."""
    user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *options, *user, *command] if user or options else command


def give_to_user(path):
    """Hands a file or a whole folder over to the user that servers and hosts run as."""
    if os.geteuid() != 0:
        return
    entry = pwd.getpwnam("postgres")
    os.chown(path, entry.pw_uid, entry.pw_gid)
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            os.chown(os.path.join(folder, name), entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def temporary_root():
    """Where tests keep their clusters: in memory where there is room. A thousand files made and deleted for each test
    are more work for a disk's file system than everything else that the tests do."""
    try:
        shm = os.statvfs("/dev/shm")
    except OSError:
        return tempfile.gettempdir()
    roomy = shm.f_bavail * shm.f_frsize >= 4 << 30 and not shm.f_flag & os.ST_NOEXEC
    return "/dev/shm" if roomy and "TMPDIR" not in os.environ else tempfile.gettempdir()


def wait_until(condition, deadline=None, what="condition"):
    """Waits until condition() is true and returns its value; fails after `deadline` seconds. What is waited for longer is
    asked less often: a tenth of the time that has gone by is between two tries, a tenth of a second at most."""
    begin = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - begin
        if waited > (deadline or DEADLINE):
            raise AssertionError(f"waited {deadline or DEADLINE:g} s in vain: {what}")
        time.sleep(min(max(0.01, waited / 10), 0.1))


def alive(pid):
    """Whether the process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes():
    """pid → (parent's pid, state) of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                found[int(name)] = (int(fields[1]), fields[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def descendants(root):
    """All living descendants of a process."""
    return [pid for pid, state in family(root) if state not in ("Z", "X")]


def zombies(root):
    """The descendants that have ended and that nobody has waited for."""
    return [pid for pid, state in family(root) if state == "Z"]


def family(root):
    """(pid, state) of all descendants of a process."""
    table = processes()
    found, todo = [], [root]
    while todo:
        parent = todo.pop()
        for pid, (ppid, state) in table.items():
            if ppid == parent:
                todo.append(pid)
                found.append((pid, state))
    return found


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def shared_segments():
    """The System V segments of shared memory there are, each as the fields of its line in /proc/sysvipc/shm."""
    return [line.split() for line in read_file("/proc/sysvipc/shm").splitlines()[1:]]


def read_file(path):
    with open(path) as f:
        return f.read()


def free_port():
    """A port that nobody listens on: below those that the kernel gives to clients, and at random, so that tests that
    run at the same time do not get the same one between its choice and its use."""
    for _ in range(100):
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port between 10000 and 32000 was found in 100 tries")


def quote(value):
    """A value in postgresql.conf's quoting."""
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


def write_whole(path, text):
    """Replaces a file at once: a process that is still at its last reload never reads half of the next."""
    with open(path + ".new", "w") as f:
        f.write(text)
    give_to_user(path + ".new")
    os.rename(path + ".new", path)


class Log:
    """What one process (tree) writes to its stderr, line by line, follow-up lines joined to theirs."""

    def __init__(self, stream, name):
        self.name = name
        self.lines = []
        self.closed = False
        self._changed = threading.Condition()
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for raw in self._stream:
            line = raw.decode(errors="replace").rstrip("\n")
            with self._changed:
                if line.startswith("\t") and self.lines:
                    self.lines[-1] += "\n" + line
                else:
                    self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def finish(self):
        self._thread.join(DEADLINE)

    def text(self):
        with self._changed:
            return "\n".join(self.lines)

    def mark(self):
        """A position: the end of the log now."""
        with self._changed:
            return len(self.lines)

    def count(self, pattern, start=0):
        with self._changed:
            return sum(1 for line in self.lines[start:] if re.search(pattern, line))

    def wait_for(self, pattern, deadline=None, start=0, count=1):
        """Waits until `count` lines from position `start` on match; returns the match of the last of these."""
        end = time.monotonic() + (deadline or DEADLINE)
        position, seen, match = start, 0, None
        with self._changed:
            while True:
                while position < len(self.lines):
                    # The last line may still grow; what is looked for is in its first part or comes with the next.
                    found = re.search(pattern, self.lines[position])
                    position += 1
                    if found:
                        seen, match = seen + 1, found
                        if seen == count:
                            return match
                left = end - time.monotonic()
                if left <= 0 or (self.closed and position == len(self.lines)):
                    why = "the log ended" if self.closed else f"waited {deadline or DEADLINE:g} s"
                    raise AssertionError(f"{self.name}: {why}, no line like {pattern!r} ({seen} of {count}) in:\n" +
                                         "\n".join(self.lines))
                self._changed.wait(left)

    def of(self, backend_type, start=0):
        """[(severity, text)] that processes of one backend type wrote, with their follow-up lines."""
        out = []
        with self._changed:
            for line in self.lines[start:]:
                match = LINE.match(line)
                if match and match.group(2) == backend_type:
                    out.append((match.group(3), match.group(4)))
        return out


class Daemon:
    """A process that stays: its log, its end, and what must be true of its remains."""

    def __init__(self, space, name):
        self.space = space
        self.name = name
        self.process = None
        self.log = None
        self.expect_crash = False
        self.allowed = []  # regular expressions of log lines that look like a crash but are meant

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def last_signal(self):
        """What stops it when the test has ended."""
        return signal.SIGINT

    def spawn(self, command, env=None, as_root=False, stderr=None, cwd=None):
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("PG") and k not in ("DISPLAY", "LD_PRELOAD")}
        environment.update({"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "TZ": "UTC"})
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:handle_segv=0:handle_sigfpe=0:detect_stack_use_after_return=0:verify_asan_link_order=0")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        environment.update(env or {})
        # A test that is killed for taking too long takes its servers and hosts with it.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig=INT", *command] if as_root else unprivileged(command, "--pdeathsig=INT"),
            stdin=subprocess.DEVNULL, stdout=stderr or subprocess.PIPE, stderr=stderr or subprocess.STDOUT,
            cwd=cwd or self.space.folder, env=environment, start_new_session=True)
        self.log = Log(self.process.stdout, self.name) if stderr is None else None
        self.space.pids.add(self.process.pid)
        return self

    def send(self, sig):
        self.process.send_signal(sig)

    def wait_exit(self, deadline=None):
        """Waits for the end and returns the exit status as subprocess gives it."""
        try:
            status = self.process.wait(deadline or 2 * DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; log:\n{self.log.text() if self.log else ''}") from None
        if self.log:
            self.log.finish()
        return status

    def stop(self, sig=signal.SIGINT, deadline=None):
        if not self.running():
            return self.process.poll() if self.process else None
        self.send(sig)
        return self.wait_exit(deadline)

    def reload(self):
        self.send(signal.SIGHUP)

    def crash_lines(self):
        if self.log is None or self.expect_crash:
            return []
        return [line for line in self.log.lines
                if CRASH.search(line) and not any(re.search(p, line) for p in self.allowed)]


class Postgres(Daemon):
    """A private PostgreSQL cluster with a unix socket only, in the test's folder."""

    def __init__(self, space, name="server", settings=None, primary=None, auth=None):
        super().__init__(space, name)
        self.data = os.path.join(space.folder, name)
        self.port = 5432
        self.lookers = {}  # database → the session of look()
        self.socket = os.path.join(space.folder, name + ".sock")
        os.mkdir(self.socket)
        give_to_user(self.socket)
        if primary is None:
            space.unpack_template(self.data)
        else:
            space.run([f"{BINDIR}/pg_basebackup", "-D", self.data, "-h", primary.socket, "-p", str(primary.port),
                       "-R", "-X", "stream", "-c", "fast"])
        if auth:
            with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
                f.write(auth)
        self.settings = {
            "listen_addresses": "", "unix_socket_directories": self.socket, "port": self.port,
            "fsync": "off", "shared_buffers": "16MB", "max_connections": 50, "autovacuum": "off",
            "max_logical_replication_workers": 0, "wal_level": "replica", "max_wal_senders": 4,
            "dynamic_shared_memory_type": "mmap",
            "log_line_prefix": PREFIX, "log_timezone": "UTC", "timezone": "UTC",
            "dynamic_library_path": space.library_path()}
        self.settings.update(settings or {})
        self.write_settings()

    def write_settings(self, **changes):
        self.settings.update(changes)
        write_whole(os.path.join(self.data, "test.conf"), "".join(
            f"{key} = {quote(value)}\n" for key, value in self.settings.items() if value is not None))
        main = os.path.join(self.data, "postgresql.conf")
        if "test.conf" not in read_file(main):
            with open(main, "a") as f:
                f.write("include 'test.conf'\n")

    def start(self, ready=True, **spawn):
        self.spawn([f"{BINDIR}/postgres", "-D", self.data], **spawn)
        if ready:
            self.log.wait_for(r"database system is ready to accept (read-only )?connections", 2 * DEADLINE)
        return self

    def last_signal(self):
        """A server without a module of ours need not write down what is thrown away."""
        modules = self.settings.get("shared_preload_libraries") or self.settings.get("session_preload_libraries")
        return signal.SIGINT if modules else signal.SIGQUIT

    def conninfo(self, database="postgres", user="postgres"):
        return f"host={self.socket} port={self.port} dbname={database} user={user}"

    def sql(self, text, database="postgres"):
        """Runs SQL in a session of its own; returns what psql prints of it, unaligned."""
        return self.space.sql(self.conninfo(database), text)

    def session(self, database="postgres", user="postgres", more=""):
        """A session that stays until its close(), for what sql() cannot do in one go."""
        return libpq.Session(f"{self.conninfo(database, user)} {more}", 4 * DEADLINE)

    def look(self, query, database="postgres"):
        """What sql() returns for a query, by a session that stays until stop(): for what is asked again and again."""
        while True:
            fresh = database not in self.lookers
            if fresh:
                self.lookers[database] = self.session(database)
            try:
                return self.lookers[database].sql(query)
            except libpq.Failed as problem:
                if not problem.session_lost:
                    raise
                self.lookers.pop(database).close()
                if fresh:
                    raise

    def stop(self, *arguments, **options):
        for session in self.lookers.values():
            session.close()
        self.lookers.clear()
        return super().stop(*arguments, **options)


class Host(Daemon):
    """A bgworkerd of its own, with its data directory in the test's folder."""

    def __init__(self, space, name="host", settings=None, upstream=None, init=True):
        super().__init__(space, name)
        self.data = os.path.join(space.folder, name)
        self.upstream = upstream
        self.options = []
        if init:
            space.run([space.program("bgworkerd"), "--init", "-D", self.data])
        self.settings = {"log_line_prefix": PREFIX, "dynamic_library_path": space.library_path()}
        if upstream is not None:
            self.settings["upstream"] = upstream if isinstance(upstream, str) else upstream.conninfo()
        self.settings.update(settings or {})
        if init:
            self.write_settings()

    def write_settings(self, **changes):
        self.settings.update(changes)
        lines = [f"{key} = {quote(value)}\n" for key, value in self.settings.items() if value is not None]
        self.write_config("".join(lines))

    def write_config(self, text):
        write_whole(os.path.join(self.data, "bgworkerd.conf"), text)

    def command(self):
        return [self.space.program("bgworkerd"), "-D", self.data] + self.options

    def start(self, ready=True, **spawn):
        self.spawn(self.command(), **spawn)
        if ready:
            self.log.wait_for(r"bgworkerd is ready", 4 * DEADLINE)
        return self

    def workers(self):
        """name → pid of the worker processes, by their titles."""
        found = {}
        for pid in descendants(self.pid):
            match = re.match(r"bgworkerd: (.*?)\s*$", title(pid))
            if match:
                found[match.group(1)] = pid
        return found

    def worker(self, name, deadline=None, other_than=None):
        """The pid of a worker, waiting until it is there (and has another pid than `other_than`)."""
        def look():
            pid = self.workers().get(name)
            return pid if pid != other_than else None
        return wait_until(look, deadline, f"worker {name} of {self.name}")

    def sql(self, text, database="postgres"):
        if isinstance(self.upstream, Postgres):
            return self.upstream.sql(text, database)
        return self.space.sql(self.embedded_conninfo(database), text)

    def embedded_conninfo(self, database="postgres"):
        folder = os.path.join(self.data, "embedded")
        for where, _, files in os.walk(self.data):
            for name in files:
                match = re.fullmatch(r"\.s\.PGSQL\.(\d+)", name)
                if match:
                    return f"host={where} port={match.group(1)} dbname={database}"
        raise AssertionError(f"no socket of an embedded server below {folder}")

    def control(self, *arguments, check=True):
        return self.space.run([self.space.program("bgworkerctl"), "-D", self.data, *arguments], check=check)


class Space:
    """One test's folder, its servers and hosts, and the checks at the end."""

    def __init__(self, name):
        become_subreaper()
        self.folder = tempfile.mkdtemp(prefix=f"bgw-{name[:30]}-", dir=temporary_root())
        os.chmod(self.folder, 0o755)
        give_to_user(self.folder)
        self.daemons = []
        self.pids = set()
        self._programs = {}
        self._shm_before = set(os.listdir("/dev/shm"))
        self._segments_before = {fields[1] for fields in shared_segments()}
        self._libraries = None

    # --- what the build made, at a place that the unprivileged user can read -------------------------------
    def readable(self, path):
        """Whether everyone may read a file or list a folder, and go through all folders above."""
        if os.geteuid() != 0:
            return True
        needed = stat.S_IROTH | (stat.S_IXOTH if os.path.isdir(path) else 0)
        while os.stat(path).st_mode & needed == needed:
            if path == "/":
                return True
            path, needed = os.path.dirname(os.path.realpath(path)), stat.S_IXOTH
        return False

    def program(self, name):
        if name not in self._programs:
            path = os.path.join(BUILD, "bin", name)
            if not self.readable(path):
                os.makedirs(os.path.join(self.folder, "bin"), exist_ok=True)
                path = shutil.copy(path, os.path.join(self.folder, "bin", name))
            self._programs[name] = path
        return self._programs[name]

    def module_folders(self):
        if self._libraries is None:
            self._libraries = []
            for folder in (os.path.join(BUILD, "lib"), os.path.join(BUILD, "test", "lib")):
                if os.path.isdir(folder) and not self.readable(folder):
                    copy = os.path.join(self.folder, os.path.relpath(folder, BUILD))
                    folder = shutil.copytree(folder, copy)
                self._libraries.append(folder)
        return self._libraries

    def library_path(self):
        return ":".join(self.module_folders() + ["$libdir"])

    # --- running things ---------------------------------------------------------------------------------
    def run(self, command, check=True, as_root=False, env=None, timeout=None, **more):
        """Runs a command to its end as the unprivileged user; returns subprocess's result with texts."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        environment.update(env or {})
        result = subprocess.run(command if as_root else unprivileged(command), capture_output=True, text=True,
                                cwd=self.folder, env=environment, timeout=timeout or 4 * DEADLINE, **more)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def sql(self, conninfo, text):
        """Runs SQL in a session of its own; returns what psql prints of it, unaligned. Without a user in `conninfo` it is the
        one that servers and hosts run as."""
        user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        with libpq.Session(f"user={user} {conninfo}", 4 * DEADLINE) as session:
            return session.sql(text)

    def unpack_template(self, target):
        """A fresh cluster, from the archive that the build has made."""
        archive = os.path.join(BUILD, "test", "cluster-template.tar")
        os.mkdir(target, 0o700)
        give_to_user(target)
        with open(archive, "rb") as f:
            subprocess.run(unprivileged(["tar", "-C", target, "--no-same-owner", "-xpf", "-"]), stdin=f, check=True)

    # --- making servers and hosts -------------------------------------------------------------------------
    def postgres(self, name="server", **options):
        server = Postgres(self, name, **options)
        self.daemons.append(server)
        return server

    def host(self, name="host", **options):
        host = Host(self, name, **options)
        self.daemons.append(host)
        return host

    def daemon_run(self, command, name="client", **spawn):
        """A program that is left running beside the test, with its output as its log."""
        client = Daemon(self, name)
        self.daemons.append(client)
        return client.spawn(command, **spawn)

    # --- the end -----------------------------------------------------------------------------------------
    def close(self):
        """Stops what still runs; returns what is wrong with the remains, as a list of sentences."""
        complaints = []
        clean = True
        for daemon in sorted(self.daemons, key=lambda d: isinstance(d, Postgres)):
            if daemon.process is None:
                continue
            if daemon.running():
                try:
                    daemon.stop(daemon.last_signal())
                except AssertionError as problem:
                    complaints.append(f"{daemon.name} could not be stopped: {problem}")
                    daemon.process.kill()
                    daemon.process.wait()
            clean = clean and daemon.process.returncode in (0, 1)
            complaints += [f"{daemon.name} logged: {line}" for line in daemon.crash_lines()]
        complaints += self._orphans()
        complaints += self._shared_memory()
        if clean:
            complaints += self._sockets()
        return complaints

    def _orphans(self):
        end = time.monotonic() + DEADLINE
        left = descendants(os.getpid())
        while left and time.monotonic() < end:
            time.sleep(0.02)
            left = descendants(os.getpid())
        told = [f"a process was left behind: {pid} {title(pid)}" for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:  # what reparented to us and ended
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    if not descendants(os.getpid()):
                        break
                    time.sleep(0.01)
            except ChildProcessError:
                break
        return told

    def _shared_memory(self):
        told = []
        for fields in shared_segments():
            # An older one is of a process that had the same number.
            if int(fields[4]) in self.pids and int(fields[6]) == 0 and fields[1] not in self._segments_before:
                killed = any(d.process and d.process.pid == int(fields[4]) and d.process.returncode < 0
                             for d in self.daemons)
                if killed:  # kill -9 leaves a server no chance to remove it
                    subprocess.run(["ipcrm", "-m", fields[1]], check=False)
                else:
                    told.append(f"shared memory segment {fields[1]} was left behind")
        if not any(d.process and d.process.returncode not in (0, 1) for d in self.daemons):
            told += self._dev_shm()
        return told

    def _dev_shm(self):
        """What is new in /dev/shm and mapped by nobody. Other tests run at the same time: a file counts only when it
        stays like that."""
        suspects = {name for name in os.listdir("/dev/shm") if not name.startswith("bgw-")} - self._shm_before
        # A server makes segments there only with its default settings, as the embedded one has them: those of our own
        # servers are files in their folders, and what else is there is some other test's.
        if not any(isinstance(daemon, Host) and daemon.upstream is None for daemon in self.daemons):
            suspects = {name for name in suspects if not name.startswith("PostgreSQL.")}
        end = time.monotonic() + DEADLINE
        while suspects and time.monotonic() < end:
            mapped = "".join(self._maps(pid) for pid in processes())
            suspects = {name for name in suspects if name not in mapped and os.path.exists("/dev/shm/" + name)}
            time.sleep(0.1 if suspects else 0)
        return [f"/dev/shm/{name} was left behind" for name in suspects]

    @staticmethod
    def _maps(pid):
        try:
            return read_file(f"/proc/{pid}/maps")
        except OSError:
            return ""

    def _sockets(self):
        told = []
        for where, _, files in os.walk(self.folder):
            for name in files:
                path = os.path.join(where, name)
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    told.append(f"socket {path} was left behind")
        return told

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def dump(space, out=sys.stderr):
    """Writes every log of a failed test."""
    for daemon in space.daemons:
        if daemon.log is not None:
            print(f"--- log of {daemon.name} ---\n{daemon.log.text()}", file=out)
