"""The shipped samples and modules that others distribute run in the host as they do in a real server: the same file,
the same log, the same contents of the database."""

import os
import re
import shutil
import socket
import subprocess
import fcntl

import harness
import pytest
from harness import BINDIR, BUILD, PKGLIBDIR, PREFIX, free_port, wait_until


def pair(space, module, settings=None):
    """A real server with the module, and a host with the same file beside a server without it."""
    both = {"shared_preload_libraries": module, **(settings or {})}
    server = space.postgres("reference", settings=both)
    upstream = space.postgres("upstream")
    host = space.host(settings=both, upstream=upstream)
    upstream.start()
    return server.start(), host.start()


def test_hello_world(space):
    """Greets, takes a new greeting on reload, and says goodbye when it is stopped."""
    said = []
    for daemon in pair(space, "hello_world", {"hello_world.interval": "1s", "hello_world.greeting": "salve"}):
        daemon.log.wait_for(r"LOG:  salve \(greeting 2\)")
        daemon.write_settings(**{"hello_world.greeting": "moin, moin"})
        daemon.reload()
        daemon.log.wait_for(r"LOG:  moin, moin \(greeting")
        daemon.stop()
        lines = daemon.log.of("hello_world")
        assert lines[-1][1].startswith("goodbye after")
        # Where the reload falls between two greetings is chance.
        said.append([re.sub(r"(\(greeting |after )\d+", r"\1N", text) for _, text in lines if "moin" not in text][:2])
        assert [text for _, text in lines][0] == "salve (greeting 1)"
    assert said[0] == said[1]


def test_spi_example(space):
    """Two workers fold what two sessions insert; log and tables agree, and every delta counts once."""
    results = []
    for daemon in pair(space, "spi_example", {"spi_example.naptime": "1s"}):
        daemon.log.wait_for(r"spi_example 1 looks after spi_example1.counted")
        daemon.log.wait_for(r"spi_example 2 looks after spi_example2.counted")
        daemon.sql("INSERT INTO spi_example1.counted SELECT 'delta', g FROM generate_series(1, 100) g")
        daemon.sql("INSERT INTO spi_example2.counted VALUES ('delta', 40), ('delta', 2)")
        daemon.log.wait_for(r"spi_example1.counted: total is now 5050, 100 deltas folded in")
        daemon.log.wait_for(r"spi_example2.counted: total is now 42, 2 deltas folded in")
        daemon.sql("INSERT INTO spi_example2.counted VALUES ('delta', -2)")
        daemon.log.wait_for(r"spi_example2.counted: total is now 40, 1 deltas folded in")
        tables = [daemon.sql(f"SELECT * FROM spi_example{n}.counted ORDER BY 1, 2") for n in (1, 2)]
        shape = daemon.sql("SELECT table_schema, column_name, data_type FROM information_schema.columns "
                           "WHERE table_name = 'counted' ORDER BY 1, 2")
        assert tables == ["total|5050", "total|40"]
        daemon.stop()
        results.append((tables, shape, sorted(daemon.log.of("spi_example"))))
    assert results[0] == results[1]


def test_notification_wakes_a_worker(space):
    """A NOTIFY on a channel of bgworkerd.wake_channels ends the wait of a worker that would sleep for an hour."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "spi_example", "spi_example.naptime": "3600s", "spi_example.workers": 1,
        "bgworkerd.wake_channels": "fold, other"}).start()
    host.log.wait_for(r"spi_example 1 looks after spi_example1.counted")
    upstream.sql("INSERT INTO spi_example1.counted VALUES ('delta', 7)")
    upstream.sql("NOTIFY fold")
    host.log.wait_for(r"spi_example1.counted: total is now 7, 1 deltas folded in")
    assert host.stop() == 0


def test_spi_example_comes_back(space):
    """SIGTERM ends one worker; it is back after its restart time and goes on where it was."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={
        "shared_preload_libraries": "spi_example", "spi_example.naptime": "1s", "spi_example.workers": 1}).start()
    host.log.wait_for(r"looks after spi_example1")
    first = host.worker("spi_example 1")
    os.kill(first, 15)
    host.log.wait_for(r'FATAL:  terminating background worker "spi_example" due to administrator command')
    host.log.wait_for(r'background worker "spi_example" \(PID \d+\) exited with exit code 1')
    host.sql("INSERT INTO spi_example1.counted VALUES ('delta', 5)")
    host.worker("spi_example 1", other_than=first)
    host.log.wait_for(r"total is now 5")


def answer(port):
    with socket.create_connection(("127.0.0.1", port), timeout=harness.DEADLINE) as s:
        text = b""
        while True:
            got = s.recv(100)
            if not got:
                return text
            text += got


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def test_bgw_replstatus(space):
    """Debian's own binary, at the place the package put it: MASTER beside a primary, STANDBY beside a real standby,
    and MASTER there after the promotion."""
    assert os.path.exists(f"{PKGLIBDIR}/bgw_replstatus.so"), "package postgresql-15-bgw-replstatus is missing"
    primary = space.postgres("primary").start()
    standby = space.postgres("standby", primary=primary).start()
    ports, hosts = [], []
    for name, upstream in (("a", primary), ("b", standby)):
        ports.append(free_port())
        hosts.append(space.host("host_" + name, upstream=upstream, settings={
            "shared_preload_libraries": "bgw_replstatus", "dynamic_library_path": "$libdir",
            "bgw_replstatus.bind": "127.0.0.1", "bgw_replstatus.port": ports[-1]}).start())
    for port in ports:
        wait_until(lambda p=port: listening(p), what="bgw_replstatus listens")
    assert answer(ports[0]) == b"MASTER"
    assert answer(ports[1]) == b"STANDBY"
    pid = hosts[1].worker("bgw_replstatus")
    standby.sql("SELECT pg_promote()")
    wait_until(lambda: answer(ports[1]) == b"MASTER", what="the promoted standby is MASTER")
    assert hosts[1].worker("bgw_replstatus") == pid  # a promotion does not restart a worker


def test_bgw_replstatus_in_the_server(space):
    """The reference: the same file in the servers themselves answers the same."""
    settings = {"shared_preload_libraries": "bgw_replstatus", "bgw_replstatus.bind": "127.0.0.1"}
    ports = [free_port(), free_port()]
    primary = space.postgres("primary", settings={**settings, "bgw_replstatus.port": ports[0]}).start()
    space.postgres("standby", primary=primary, settings={**settings, "bgw_replstatus.port": ports[1]}).start()
    for port in ports:
        wait_until(lambda p=port: listening(p), what="bgw_replstatus listens")
    assert [answer(port) for port in ports] == [b"MASTER", b"STANDBY"]


def source_of_postgresql(folder):
    """Fetches the source package of the installed server; the archive's place is this machine's own affair: the
    entries for sources are made from the entries for packages that apt already has. Returns the tar file, or the
    reason why there is none."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SIGNED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)",
         "Created-By: Packages"], capture_output=True, text=True)
    entries = set()
    for line in targets.stdout.split("\n"):
        fields = line.split("|")
        if len(fields) == 4 and all(fields[1:]):
            signed = f"[signed-by={fields[0]}] " if fields[0].startswith("/") else ""
            entries.add(f"deb-src {signed}{fields[1]} {fields[2]} {fields[3]}\n")
    if not entries:
        return None, "apt has no package sources on this machine"
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    with open(os.path.join(folder, "sources.list"), "w") as f:
        f.writelines(sorted(entries))
    options = []
    for option in (f"Dir::Etc::SourceList={folder}/sources.list", f"Dir::Etc::SourceParts={folder}/parts",
                   f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "Acquire::Retries=0",
                   "Acquire::http::Timeout=20", "Acquire::https::Timeout=20", "Acquire::Languages=none",
                   "APT::Sandbox::User=", "APT::Update::Error-Mode=any"):
        options += ["-o", option]
    def apt(program, *arguments):
        done = subprocess.run([program, "-q"] + options + list(arguments), capture_output=True, text=True, cwd=folder,
                              timeout=150)
        return done.stdout if done.returncode == 0 else None, done.stderr.strip()[-300:]

    try:
        done, reason = apt("apt-get", "update")
        if done is None:
            return None, reason
        # The newest first; any minor release of this major will do, and a mirror need not have all that it lists.
        listed, reason = apt("apt-cache", "showsrc", "--only-source", "postgresql-15")
        for version in re.findall(r"^Version: (\S+)", listed or "", re.M):
            done, reason = apt("apt-get", "source", "--download-only", f"postgresql-15={version}")
            if done is not None:
                break
        else:
            return None, reason or "it is not listed"
    except subprocess.TimeoutExpired:
        return None, "the archive does not answer"
    tars = [name for name in os.listdir(folder) if ".orig.tar." in name and not name.endswith(".asc")]
    return (os.path.join(folder, tars[0]), "") if tars else (None, "the source package has no tar file")


def built_from_source(space, name):
    """Builds a test module of PostgreSQL's from its source package, once per build folder; returns the folder that
    the module is in."""
    kept = os.path.join(BUILD, "test", name + ".so")
    with open(os.path.join(BUILD, "test", "from_source.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(kept):
            folder = os.path.join(space.folder, "source")
            os.makedirs(folder)
            tar, reason = source_of_postgresql(folder)
            if tar is None:
                pytest.skip(f"PostgreSQL's source package cannot be had: {reason}")
            modules = ("worker_spi", "test_shm_mq")  # all at once: the package is fetched once
            subprocess.run(["tar", "-xf", tar, "--wildcards", "--strip-components=4", "-C", folder,
                            *(f"*/src/test/modules/{module}/*" for module in modules)], check=True)
            for module in modules:
                subprocess.run(["make", "-s", "USE_PGXS=1", f"PG_CONFIG={BINDIR}/pg_config", "with_llvm=no",
                                module + ".so"], cwd=os.path.join(folder, module), check=True)
                shutil.copy(os.path.join(folder, module, module + ".so"), os.path.join(BUILD, "test", module + ".so"))
    target = os.path.join(space.folder, "extra")
    os.makedirs(target, exist_ok=True)
    shutil.copy(kept, target)
    return target


def worker_spi(space):
    return built_from_source(space, "worker_spi")


def test_worker_spi(space):
    """The static half of PostgreSQL's example: two workers, their tables, their counting; as in the server."""
    folder = worker_spi(space)
    results = []
    for daemon in pair(space, "worker_spi", {"worker_spi.naptime": "1", "dynamic_library_path": f"{folder}:$libdir"}):
        daemon.log.wait_for(r"initialized with schema1.counted")
        daemon.log.wait_for(r"initialized with schema2.counted")
        daemon.sql("INSERT INTO schema1.counted VALUES ('total', 10), ('delta', 3), ('delta', 4)")
        daemon.log.wait_for(r"count in schema1.counted is now 17")
        daemon.sql("INSERT INTO schema1.counted VALUES ('delta', 5)")
        daemon.log.wait_for(r"count in schema1.counted is now 22")
        table = daemon.sql("SELECT * FROM schema1.counted")
        daemon.stop()
        results.append((table, sorted(daemon.log.of("worker_spi"))))
    assert results[0] == results[1]
    assert results[0][0] == "total|22"


def test_test_shm_mq(space):
    """PostgreSQL's own test of message queues: its functions, called in a worker, launch its workers, and messages go
    round through one and three of them; as in the server. The functions check every message themselves."""
    folder = built_from_source(space, "test_shm_mq")
    shutil.copy(os.path.join(BUILD, "test", "lib", "probe_shm.so"), folder)
    for daemon in (space.postgres("reference", settings=SHM_MQ | {"dynamic_library_path": f"{folder}:$libdir"}),
                   space.host("host", upstream=space.postgres("upstream").start(),
                              settings=SHM_MQ | {"dynamic_library_path": f"{folder}:$libdir"})):
        daemon.start()
        daemon.log.wait_for(r"probe: long messages went through a pipeline", deadline=60)
        said = [text for level, text in daemon.log.of("w") if level == "LOG"]
        assert said == ["probe: empty messages went round", "probe: short messages went round",
                        "probe: long messages went through three workers",
                        "probe: long messages went through a pipeline"]
        daemon.log.wait_for(r'background worker "w" \(PID \d+\) exited with exit code 0')
        assert daemon.stop() == 0


SHM_MQ = {"shared_preload_libraries": "probe_shm", "probe_shm.workers": "w test_shm_mq db", "log_min_messages": "debug1",
          "max_worker_processes": 16}
