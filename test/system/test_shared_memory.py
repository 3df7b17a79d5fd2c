"""Dynamic shared memory ends with the host, however that ends, and with a reset."""

import json
import os
import signal

from harness import wait_until


def shared_memory_files():
    """What the host holds of dynamic shared memory, in file systems that other hosts could see."""
    # The folders of tests that run at the same time come and go there.
    return {name for name in os.listdir("/dev/shm") if not name.startswith("bgw-")}


def no_file_since(before):
    """What is new there belongs to a server of some other test, and goes with that."""
    wait_until(lambda: not shared_memory_files() - before, what="no file of shared memory more than before")


def memory_files(pid):
    """The process's files of memory, by their identity."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if "memfd:bgworkerd dynamic shared memory" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                found.append(os.stat(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            pass
    return found


def has_ended(pid):
    """Gone, or a zombie that nobody has asked after yet."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def start(space, workers):
    upstream = space.postgres("upstream").start()
    before = shared_memory_files()
    host = space.host(upstream=upstream, settings={"shared_preload_libraries": "probe_shm", "probe_shm.workers": workers})
    return host.start(), before


def test_nothing_is_left_after_a_kill(space):
    """A pinned segment of 10 MB takes memory while the host lives, and no file anywhere; after kill -9 of the
    postmaster its processes end and the memory with them."""
    host, before = start(space, "w leave_behind")
    host.log.wait_for(r"probe: left behind")
    no_file_since(before)
    files = memory_files(host.pid)
    assert len(files) == 1 and files[0].st_blocks * 512 >= 11 * 1024 * 1024
    worker = host.worker("w")
    host.expect_crash = True
    os.kill(host.pid, signal.SIGKILL)
    wait_until(lambda: has_ended(worker), what="the worker ends")
    no_file_since(before)


def test_nothing_is_left_after_a_reset(space):
    """A crash resets the host: pinned segments are gone, and the new ones are in new memory."""
    host, before = start(space, "w pin_and_die once restart=1; o leave_behind restart=1")
    host.expect_crash = True
    host.log.wait_for(r"all server processes terminated; reinitializing")
    begin = next(i for i, line in enumerate(host.log.lines) if "reinitializing" in line)
    host.log.wait_for(r"probe: left behind", start=begin)
    files = memory_files(host.pid)
    assert len(files) == 1  # the one of before is closed
    size = files[0].st_blocks * 512
    assert 11 * 1024 * 1024 <= size < 12 * 1024 * 1024  # and holds what the second life of the worker made, only
    assert host.stop() == 0
    no_file_since(before)


def test_a_reset_releases_locks(space):
    """Who waits for a lock is shown with it by `ps`; when its holder is killed, the reset makes the lock free again."""
    host, _ = start(space, "a take_lock restart=1; b take_lock restart=1")
    host.expect_crash = True

    def waiting():
        rows = json.loads(host.control("ps", "--json").stdout)["workers"]
        return [row["name"] for row in rows
                if (row["wait_event_type"], row["wait_event"]) == ("LWLock", "AddinShmemInit")]

    host.log.wait_for(r"probe: holds the lock")
    wait_until(lambda: len(waiting()) == 1, what="one of the two waits for the other's lock")
    assert sum("probe: holds the lock" in line for line in host.log.lines) == 1
    holder = "a" if waiting() == ["b"] else "b"
    os.kill(host.worker(holder), signal.SIGKILL)
    host.log.wait_for(r"all server processes terminated; reinitializing")
    begin = next(i for i, line in enumerate(host.log.lines) if "reinitializing" in line)
    host.log.wait_for(r"probe: holds the lock", start=begin)
    wait_until(lambda: len(waiting()) == 1, what="the other one waits again")
    os.kill(host.pid, signal.SIGQUIT)  # neither listens to anything less
    wait_until(lambda: has_ended(host.pid), what="the host ends")
