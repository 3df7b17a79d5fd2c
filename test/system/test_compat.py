"""Sources of the 9.3 to 9.6 generation, built with include/bgworker/compat, run in the host as in a real server."""

import os
import signal

import pytest
from harness import alive, wait_until


def both(space, module, settings=None):
    """The module in a real server, and the same file in a host beside a server without it; each to be started."""
    settings = {"shared_preload_libraries": module, **(settings or {})}
    upstream = space.postgres("upstream").start()
    return space.postgres("reference", settings=settings), space.host(settings=settings, upstream=upstream)


def signal_worker(daemon, backend_type, text, number):
    """Sends a signal to the process that wrote a line, and returns its PID."""
    pid = int(daemon.log.wait_for(rf"^\[(\d+)\|{backend_type}\] LOG:  {text}").group(1))
    os.kill(pid, number)
    return pid


def test_hello(space):
    """The 9.3 tutorial's worker: greets, leaves through its own SIGTERM handler, and does not come back."""
    for daemon in both(space, "compat_hello"):
        daemon.start()
        pid = signal_worker(daemon, "compat hello", "hello from the first days", signal.SIGTERM)
        daemon.log.wait_for(rf"\[{pid}\|compat hello\] LOG:  goodbye from the first days")
        wait_until(lambda: not alive(pid), what="the worker's end")
        assert daemon.stop() == 0
        # A latch that is set when the worker comes gives one more greeting.
        said = [text for _, text in daemon.log.of("compat hello")]
        assert set(said[:-1]) == {"hello from the first days"} and said[-1] == "goodbye from the first days"


def test_hello_greets_again(space):
    """The wait of ten seconds ends by itself, and a host that stops takes the worker with it cleanly."""
    for daemon in both(space, "compat_hello"):
        daemon.start()
        daemon.log.wait_for("hello from the first days", deadline=40, count=2)
        assert daemon.stop() == 0
        daemon.log.wait_for("goodbye from the first days")


def test_pointer(space):
    """Two workers with a pointer for a main function query, take a reload, end with status 1 and are back."""
    for daemon in both(space, "compat_pointer"):
        daemon.start()
        daemon.log.wait_for(r"compat pointer 1: one more than its number is 2")
        pid = signal_worker(daemon, "compat pointer 2", "compat pointer 2: one more than its number is 3",
                            signal.SIGHUP)
        daemon.log.wait_for(r"compat pointer 2: reloaded")
        os.kill(pid, signal.SIGTERM)
        daemon.log.wait_for(r"compat pointer 2: one more than its number is 3", count=2)
        daemon.stop()
        assert daemon.log.of("compat pointer 1") == [("LOG", "compat pointer 1: one more than its number is 2")]


def test_names(space):
    """Names count when the pointer is NULL; a second worker gets its argument, its extra and its notification."""
    for daemon in both(space, "compat_names"):
        daemon.start()
        daemon.log.wait_for(r'LOG:  compat names, the second: argument 42, extra "from the first"')
        pid = signal_worker(daemon, "compat names", "compat names: the second has come and gone", signal.SIGTERM)
        wait_until(lambda: not alive(pid), what="the worker's end")
        daemon.stop()
        assert [text for severity, text in daemon.log.of("compat names") if severity == "FATAL"]


@pytest.mark.parametrize("what, extra", [("handlers", "x" * 111), ("names", ""), ("exported", "y" * 127)],
                         ids=["handlers", "names", "exported"])
def test_fields(space, what, extra):
    """Memory that nobody cleared, the handlers of the structure, bgw_extra, shared memory asked for in _PG_init."""
    for daemon in both(space, "probe_compat", {"probe_compat.what": what}):
        daemon.start()
        pid = signal_worker(daemon, "probe compat", f'probe compat: argument 7, extra "{extra}", flags 1', signal.SIGHUP)
        if what == "handlers":
            daemon.log.wait_for("its own SIGHUP handler ran")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), what="the worker's end")
        daemon.stop()
        daemon.log.wait_for("FATAL:  terminating")
        if what != "handlers":
            assert daemon.log.count("SIGHUP handler") == 0


@pytest.mark.parametrize("what, error", [
    ("crowded", r'background worker "probe compat" uses more than 112 bytes of bgw_extra'),
    ("foreign", r'background worker "probe compat": function 0x[0-9a-f]+ is neither in the module nor in the server'),
    ("two", r'a background worker without a name of its own is registered after "two"')],
    ids=["crowded", "foreign", "two"])
def test_refusals(space, what, error):
    """What cannot be carried over is refused where it is registered, by name."""
    for daemon in both(space, "probe_compat", {"probe_compat.what": what}):
        daemon.start(ready=False)
        assert daemon.wait_exit() == 1
        daemon.log.wait_for(error)


def test_plain_structure(space):
    """With BGWORKER_COMPAT=904 the structure is that of 9.4 to 9.6, and several can be filled in at once."""
    for daemon in both(space, "probe_compat_904"):
        daemon.start()
        daemon.log.wait_for(r"LOG:  one with a long name: argument 1$")
        daemon.log.wait_for(r"LOG:  two with a long name: argument 2$")
        daemon.stop()


def test_entry_by_hand(space):
    """The entry point that the header adds says what is wrong when somebody launches it by its name."""
    host = space.host(upstream=space.postgres("upstream").start()).start()
    host.control("launch", "compat_hello", "bgworker_compat_main", check=False)
    host.log.wait_for("FATAL:  bgworker_compat_main was started without a function to call")


def test_calls(space):
    """What has changed its name, its arguments or its time since is called in its old form, with the same outcome."""
    seen = []
    for daemon in both(space, "probe_compat_calls"):
        daemon.start()
        daemon.log.wait_for(r"LOG:  all done")
        daemon.log.wait_for(r"by oid\] (LOG:  no more|ERROR: )")
        seen.append(daemon.log.of("by name"))
        tables = daemon.log.of("by oid")
        assert tables[:2] == [("LOG", "connected to 1"), ("LOG", 'path: "probe_compat_calls.pool", mode 640, 3 bytes')]
        assert set(tables[2:-1]) == {("LOG", "database 1: template1"), ("LOG", "database 4: template0"),
                                     ("LOG", "database 5: postgres")}
        assert tables[-1] == ("LOG", "no more databases")
        # A wait that says nothing of the postmaster's death ends with it.
        pid = int(daemon.log.wait_for(r"^\[(\d+)\|waits\] LOG:  waiting").group(1))
        os.kill(daemon.pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), what="the worker's end")
        daemon.wait_exit()
    assert seen[0] == seen[1]
    for line in ['argument "from the postmaster"', 'locks: 1 1, 1 apart, "probe_compat_calls.so (LWLockAssign)"',
                 "a third lock: no more LWLocks available", 'named tranche: 1 0 "probe_compat_calls"',
                 'own tranche: "probe_compat_calls of its own"', "table of contents: 1 1", 'it is "hello", 6 bytes',
                 'it is "two parts", 10 bytes', "own latch: 1", "file: mode 600, 5 bytes", "not there: -1", "user: postgres",
                 "row: 5", "with OIDs: tuples have no OIDs"]:
        assert ("LOG", line) in seen[0], (line, seen[0])
