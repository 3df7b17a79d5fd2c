"""The daemon as a whole: its command line, its data directory, its lock, its end, and what it leaves behind."""

import os
import pwd
import re
import signal
import time

import harness
import pytest
from harness import alive, descendants, give_to_user, read_file, title, wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root's rights to change users")


def test_version(space):
    """--version names the major whose ABI the host has."""
    done = space.run([space.program("bgworkerd"), "--version"])
    assert re.search(r"bgworkerd .*PostgreSQL 15", done.stdout)


def test_init(space):
    data = os.path.join(space.folder, "fresh")
    space.run([space.program("bgworkerd"), "--init", "-D", data])
    assert os.stat(data).st_mode & 0o777 == 0o700
    text = read_file(os.path.join(data, "bgworkerd.conf"))
    for name in ("shared_preload_libraries", "upstream", "max_worker_processes", "log_line_prefix", "user"):
        assert re.search(rf"^#{name} = ", text, re.M), name


def test_init_refuses_what_is_not_empty(space):
    folder = os.path.join(space.folder, "full")
    os.mkdir(folder)
    with open(os.path.join(folder, "precious"), "w") as f:
        f.write("x")
    give_to_user(folder)
    done = space.run([space.program("bgworkerd"), "--init", "-D", folder], check=False)
    assert done.returncode == 1
    assert f'directory "{folder}" exists but is not empty' in done.stderr
    assert os.listdir(folder) == ["precious"]


@root_only
def test_init_as_root(space):
    """As root, the directory is made for the user that the host will run as."""
    folder = os.path.join(space.folder, "for_postgres")
    space.run([space.program("bgworkerd"), "--init", "-D", folder], as_root=True)
    owner = pwd.getpwnam("postgres").pw_uid
    assert os.stat(folder).st_uid == owner
    assert os.stat(os.path.join(folder, "bgworkerd.conf")).st_uid == owner


@root_only
def test_root_becomes_postgres(space):
    """Started as root, neither the host nor a worker nor anything else runs as root."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world"})
    host.start(as_root=True)
    host.worker("hello_world")
    owner = pwd.getpwnam("postgres").pw_uid
    for pid in [host.pid] + descendants(host.pid):
        uids = re.search(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", read_file(f"/proc/{pid}/status"), re.M).groups()
        assert set(uids) == {str(owner)}, title(pid)


@root_only
def test_root_with_unknown_user(space):
    host = space.host(settings={"user": "nosuchuser"}, upstream="host=/nowhere")
    host.start(ready=False, as_root=True)
    assert host.wait_exit() == 1
    assert re.search(r'user "nosuchuser".* does not exist', host.log.text())


def test_missing_data_directory(space):
    done = space.run([space.program("bgworkerd"), "-D", "/nonexistent/place"], check=False)
    assert done.returncode == 1
    assert 'directory "/nonexistent/place" does not exist' in done.stderr


def test_no_data_directory(space):
    done = space.run([space.program("bgworkerd")], check=False)
    assert done.returncode != 0
    assert "-D" in done.stderr


def test_data_directory_without_a_host(space):
    folder = os.path.join(space.folder, "other")
    os.mkdir(folder, 0o700)
    give_to_user(folder)
    done = space.run([space.program("bgworkerd"), "-D", folder], check=False)
    assert done.returncode == 1
    assert "--init" in done.stderr


def test_data_directory_permissions(space):
    host = space.host(upstream="host=/nowhere")
    os.chmod(host.data, 0o777)
    host.start(ready=False)
    assert host.wait_exit() == 1
    host.log.wait_for(r'FATAL:  data directory ".*" has invalid permissions')
    assert "Permissions should be u=rwx (0700)" in host.log.text()


@root_only
def test_data_directory_of_another_owner(space):
    host = space.host(upstream="host=/nowhere")
    os.chown(host.data, 0, 0)
    os.chmod(host.data, 0o755)
    host.start(ready=False)
    assert host.wait_exit() == 1
    host.log.wait_for(r'FATAL:  data directory ".*" has wrong ownership')


def test_second_host_is_refused(space):
    host = space.host(upstream="host=/nowhere").start()
    second = space.run(host.command(), check=False)
    assert second.returncode == 1
    assert 'lock file "bgworkerd.pid" already exists' in second.stderr
    assert str(host.pid) in second.stderr
    assert host.running()


def test_lock_survives_a_crash(space):
    """A host that was killed leaves its lock file; the next one starts nevertheless."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world"}).start()
    host.worker("hello_world")
    host.process.kill()
    host.wait_exit()
    assert os.path.exists(os.path.join(host.data, "bgworkerd.pid"))
    host.start()
    host.worker("hello_world")
    assert host.stop() == 0
    assert not os.path.exists(os.path.join(host.data, "bgworkerd.pid"))


def test_killed_postmaster_leaves_nothing(space):
    """kill -9 of the postmaster: soon no process of the host is left, embedded server and stubborn worker included."""
    host = space.host(settings={"shared_preload_libraries": "probe,hello_world",
                                "probe.workers": "a idle; b stubborn; c default_term; d spin"}).start()
    for name in ("a", "b", "c", "d", "hello_world"):
        host.worker(name)
    family = descendants(host.pid)
    assert any("postgres" in title(pid) for pid in family)
    host.process.kill()
    host.process.wait()
    wait_until(lambda: not [pid for pid in family if alive(pid)], what="all children end with the postmaster")


def stop_with(space, sig, line):
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world,spi_example"}).start()
    host.log.wait_for(r"looks after spi_example2")
    assert host.stop(sig) == 0
    host.log.wait_for(line)
    assert "database system is shut down" in host.log.lines[-1]


def test_stop_smart(space):
    stop_with(space, signal.SIGTERM, r"LOG:  received smart shutdown request")


def test_stop_fast(space):
    stop_with(space, signal.SIGINT, r"LOG:  received fast shutdown request")


def test_stop_immediate(space):
    stop_with(space, signal.SIGQUIT, r"LOG:  received immediate shutdown request")


def test_embedded_upstream(space):
    """No upstream configured: a private server, made on first use, for this user only, stopped with the host."""
    host = space.host(settings={"shared_preload_libraries": "spi_example", "spi_example.naptime": "1s"}).start()
    host.log.wait_for(r"looks after spi_example1")
    host.sql("INSERT INTO spi_example1.counted VALUES ('delta', 7)")
    host.log.wait_for(r"total is now 7")
    assert host.sql("SHOW listen_addresses") == ""
    for where in host.sql("SHOW unix_socket_directories").split(","):
        assert os.path.realpath(where.strip('"')).startswith(os.path.realpath(host.data))
    assert host.stop() == 0
    # The second start finds what the first one left.
    host.start()
    host.log.wait_for(r"looks after spi_example1")
    assert host.sql("SELECT value FROM spi_example1.counted WHERE type = 'total'") == "7"


def test_settings_of_the_embedded_upstream(space):
    """embedded.conf has settings for the private server: from the first start on, changed by a reload, never against the host."""
    host = space.host()
    path = os.path.join(host.data, "embedded.conf")
    harness.write_whole(path, "shared_preload_libraries = 'pg_stat_statements'\nwork_mem = 5MB\nmax_connections = 5\n")
    host.start()
    host.log.wait_for(r"embedded: LOG:  database system is ready to accept connections", 4 * harness.DEADLINE)
    assert host.sql("SHOW shared_preload_libraries") == "pg_stat_statements"
    assert host.sql("CREATE EXTENSION pg_stat_statements; SELECT count(*) > 0 FROM pg_stat_statements") == "t"
    assert host.sql("SHOW work_mem") == "5MB"
    assert int(host.sql("SHOW max_connections")) >= 32
    harness.write_whole(path, "shared_preload_libraries = 'pg_stat_statements'\nwork_mem = 6MB\n")
    host.reload()
    wait_until(lambda: host.sql("SHOW work_mem") == "6MB", what="the private server has the new setting")
    harness.write_whole(path, "work_mem = much\n")
    host.reload()
    host.log.wait_for(r'embedded: LOG:  invalid value for parameter "work_mem": "much"')


def test_embedded_upstream_is_restarted(space):
    """When the private server dies, it is started again, and so are the workers that had sessions on it."""
    host = space.host(settings={"shared_preload_libraries": "spi_example,hello_world", "spi_example.naptime": "1s",
                                "spi_example.workers": 1}).start()
    host.allowed = [r"embedded upstream", r"embedded:"]
    host.log.wait_for(r"looks after spi_example1")
    first, other = host.worker("spi_example 1"), host.worker("hello_world")
    postmaster = int(read_file(os.path.join(host.data, "embedded", "postmaster.pid")).split()[0])
    os.kill(postmaster, signal.SIGKILL)
    host.log.wait_for(r"looks after spi_example1", count=2, deadline=30)
    assert host.worker("spi_example 1") != first
    assert host.worker("hello_world") == other


def test_log_cannot_be_written(space):
    """Disk full while logging: messages are lost, work goes on, and the end is clean."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "spi_example",
                                                   "spi_example.naptime": "1s", "spi_example.workers": 1})
    with open("/dev/full", "w") as full:
        host.start(ready=False, stderr=full)
    wait_until(lambda: upstream.sql("SELECT to_regclass('spi_example1.counted')") != "", what="the worker's table")
    upstream.sql("INSERT INTO spi_example1.counted VALUES ('delta', 3)")
    wait_until(lambda: upstream.sql("SELECT value FROM spi_example1.counted WHERE type = 'total'") == "3",
               what="the worker works")
    host.process.send_signal(signal.SIGINT)
    assert host.process.wait(30) == 0


def test_command_line_over_file(space):
    host = space.host(upstream="host=/nowhere", settings={
        "shared_preload_libraries": "hello_world", "hello_world.greeting": "from the file"})
    host.options = ["-c", "hello_world.greeting=from the command line"]
    upstream = space.postgres("upstream").start()
    host.options += ["-c", f"upstream={upstream.conninfo()}"]
    host.start()
    host.log.wait_for(r"from the command line \(greeting 1\)")


def test_titles(space):
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "probe",
                                                   "probe.workers": "some-name idle type=some-type"}).start()
    assert title(host.worker("some-name")) == "bgworkerd: some-name"


def test_json_log(space):
    import json

    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world",
                                                   "log_destination": "jsonlog"})
    host.start(ready=False)
    line = host.log.wait_for(r".*hello, world.*").group(0)
    record = json.loads(line)
    assert record["message"] == "hello, world (greeting 1)"
    assert record["error_severity"] == "LOG"
    assert record["backend_type"] == "hello_world"


def test_idle_host_does_not_wake_up(space):
    """Nothing due, nothing done: an idle host's postmaster uses no processor time at all."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "probe",
                                                   "probe.workers": "a idle; b idle"}).start()
    host.log.wait_for(r"probe: idle", count=2)

    def switches():
        text = read_file(f"/proc/{host.pid}/status")
        return sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", text))

    def rests():
        before = switches()
        time.sleep(3)  # the time over which nothing may happen, not a wait for something
        return switches() - before <= 1

    # Whatever belongs to the start may take as long as it likes; what is due again and again is seen in every look.
    wait_until(rests, what="the postmaster comes to rest")


def test_bgworkerctl(space):
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "hello_world"}).start()
    pid = host.worker("hello_world")
    table = host.control("ps").stdout
    assert re.search(rf"hello_world\s.*\b{pid}\b", table), table
    assert host.control("status").returncode == 0
    host.control("reload")
    host.log.wait_for(r"received SIGHUP, reloading configuration files")
    host.control("stop")
    assert host.wait_exit() == 0
    assert host.control("status", check=False).returncode == 3


def test_crash_disturbs_no_client(space):
    """A worker is killed under 20 busy client sessions of the database: none of them is lost."""
    upstream = space.postgres("upstream").start()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "spi_example",
                                                   "spi_example.naptime": "1s", "spi_example.workers": 1}).start()
    host.expect_crash = True
    host.log.wait_for(r"looks after spi_example1")
    upstream.sql("CREATE TABLE stop (now bool)")
    clients = [upstream.session() for _ in range(20)]
    for client in clients:
        client.send("DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM stop) LOOP PERFORM pg_sleep(0.1); END LOOP; END $$")
    wait_until(lambda: upstream.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO%'") == "20",
               what="20 sessions")
    os.kill(host.worker("spi_example 1"), signal.SIGKILL)
    host.log.wait_for(r"all server processes terminated; reinitializing")
    host.log.wait_for(r"looks after spi_example1", count=2)
    upstream.sql("INSERT INTO stop VALUES (true)")
    for client in clients:
        with client:
            client.result()
