"""What modules use of the server's interface without a database gives the same in the host as in a real server."""

import os
import re

import rows
from compare import QUIET, agree, is_server, mask, pair, run_both
from rows import shows

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


@shows({"LG-04": r"level 21|context in catch|finally",
        "LG-05": r"probe: level|probe: file",
        "LG-06": r"\n",
        "LG-08": r"no statement|STATEMENT"})
def test_messages(space):
    agree(run_both(space, "probe_api", "w elog", EXITED))


@shows({"LG-06": r"w\|"})
def test_messages_terse(space):
    agree(run_both(space, "probe_api", "w elog", EXITED, settings={"log_error_verbosity": "terse"}))


def test_messages_debug5(space):
    """Of the messages below DEBUG1, only the probe's own are compared."""
    transcripts = run_both(space, "probe_api", "w elog", EXITED, settings={"log_min_messages": "info"})
    agree(transcripts)


def test_memory(space):
    agree(run_both(space, "probe_api", "w memory", EXITED))


def test_containers(space):
    agree(run_both(space, "probe_api", "w containers", EXITED))


def test_shared_memory(space):
    """Three workers count under an LWLock, under a spinlock and atomically; no count is lost."""
    transcripts = run_both(space, "probe_api", "a shared:2000; b shared:3000; c shared:5000", r"probe: sums",
                           postmaster=False, during=lambda d: d.log.wait_for(r"probe: sums", count=3))
    for said in transcripts:
        for worker in "abc":
            assert ("LOG", "probe: sums 10000 10000 10000") in said[worker]
            assert ("LOG", "probe: held 1") in said[worker]


@shows({"LB-09": r"shared memory is new", "CR-08": r"shared memory is new"})
def test_shared_memory_after_crash(space):
    """The startup hook runs again after a crash, on memory that is new, in the same postmaster."""
    def during(daemon):
        daemon.log.wait_for(r"all server processes terminated; reinitializing")
        start = next(i for i, line in enumerate(daemon.log.lines) if "reinitializing" in line)
        daemon.log.wait_for(r"probe: idle", start=start, count=2)
        return start

    transcripts = run_both(
        space, "probe_api", "w segv library=probe function=probe_main_entry once restart=5; o idle restart=5",
        r"probe: idle", crash=True, during=during, ignore=("o",))
    agree(transcripts)
    for daemon in space.daemons:
        if daemon.name != "upstream":
            daemon.log.wait_for(r"probe: shared memory is new, zero 1, startup 1")
            daemon.log.wait_for(r"probe: shared memory is new, zero 1, startup 2")


@shows({"LB-08": r"cannot request additional shared memory|late"})
def test_late_requests(space):
    agree(run_both(space, "probe_api", "w late_request", EXITED))


def test_unknown_tranche(space):
    agree(run_both(space, "probe_api", "w no_tranche", EXITED))


SETTINGS_DONE = r"probe: settings done"


def settings_test(space, settings, during=None, until=SETTINGS_DONE, **more):
    agree(run_both(space, "probe_api", "w settings", until, settings=settings, during=during, **more))


@shows({"G-05": r"missing ok|shown", "G-16": r"set |placeholder"})
def test_settings_defaults(space):
    settings_test(space, {})


@shows({"G-01": r"assign hook|at start", "G-04": r"at start"})
def test_settings_from_file(space):
    settings_test(space, {
        "probe_api.bool": "off", "probe_api.int": "0x2A", "probe_api.time": "1.5s", "probe_api.memory": "2MB",
        "probe_api.real": "3.25e2", "probe_api.string": "it's", "probe_api.enum": "azure", "probe_api.fixed": "9"})


@shows({"G-02": r"invalid value|requires a Boolean",
        "G-03": r"outside the valid range",
        "G-04": r"Valid units|WARNING",
        "G-06": r"invalid configuration parameter name",
        "G-09": r"redefine|Say something else|WARNING"})
def test_settings_bad_values(space):
    settings_test(space, {
        "probe_api.bool": "perhaps", "probe_api.int": "1000", "probe_api.time": "5 parsecs",
        "probe_api.memory": "lots", "probe_api.real": "1e20", "probe_api.string": "forbidden",
        "probe_api.enum": "mauve", "probe_api.nosuch": "1"})


@shows({"G-10": r"received SIGHUP|changed to",
        "G-12": r"removed from configuration file",
        "G-15": r"before reload|after reload"})
def test_settings_reload(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"probe_api.int": "11", "probe_api.time": "2min", "probe_api.string": "changed"})
        daemon.reload()
        daemon.log.wait_for(r"probe: reload 1 done")
        daemon.write_settings(**{"probe_api.int": None, "probe_api.enum": "red"})
        daemon.reload()

    settings_test(space, {"probe_api.bool": "off"}, during, r"probe: reload 2 done")


@shows({"G-11": r"invalid value|outside|unaffected changes|after reload",
        "G-12": r"cannot be changed without restarting"})
def test_settings_reload_bad(space):
    """A bad value on reload keeps the old one, says where, and the rest is applied."""
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"probe_api.int": "1000", "probe_api.real": "2.5", "probe_api.enum": "mauve",
                                 "probe_api.fixed": "77"})
        daemon.reload()

    settings_test(space, {"probe_api.int": "5"}, during, r"probe: reload 1 done")


@shows({"G-13": r"unrecognized|no changes were applied|after reload"})
def test_settings_reload_unknown(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"nosuchsetting": "1", "probe_api.real": "2.5"})
        daemon.reload()

    settings_test(space, {}, during, r"probe: reload 1 done")


@shows({"G-14": r"changed to|after reload"})
def test_settings_given_twice(space):
    """The last of several wins; names compare without case; only what is spelled alike is skipped silently."""
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        name = "test.conf" if is_server(daemon) else "bgworkerd.conf"
        with open(os.path.join(daemon.data, name), "a", encoding="ascii") as f:
            f.write("probe_api.int = 21\nprobe_api.int = 22\nPROBE_api.int = 23\nprobe_api.real = 1.5\n")
        daemon.reload()

    settings_test(space, {}, during, r"probe: reload 1 done")


@shows({"G-08": r"nosuch", "G-13": r"syntax error|no changes|after reload"})
def test_settings_reload_reserved_and_syntax(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"probe_api.nosuch": "1", "probe_api.real": "2.5"})
        daemon.reload()
        daemon.log.wait_for(r"probe: reload 1 done")
        name = "test.conf" if is_server(daemon) else "bgworkerd.conf"
        with open(os.path.join(daemon.data, name), "a", encoding="ascii") as f:
            f.write("probe_api.real = 7\nprobe_api.int = = 5\n")
        daemon.reload()

    settings_test(space, {}, during, r"probe: reload 2 done")


@shows({"G-10": r"received SIGHUP|changed to"})
def test_reload_of_nothing(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.reload()

    settings_test(space, {}, during, r"probe: reload 1 done")


@shows({"G-15": r"number|reloaded|late"})
def test_a_running_worker_reads_when_it_wants(space):
    """Who runs keeps the old values until it reads the file itself; who is forked later has the new ones."""
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        daemon.log.wait_for(r'worker "late" \(PID \d+\) exited')
        daemon.write_settings(**{"probe_xact.number": "9"})
        daemon.reload()

    agree(run_both(space, "probe_xact", "w wait_for_reload; late number_and_leave restart=2", r"number 9",
                   during=during, apart=True))


@shows({"LG-07": r"LINE"})
def test_line_prefix(space):
    """What the escapes of log_line_prefix stand for in a worker and in the postmaster."""
    said = []
    prefix = "%b|%a|%u|%d|%r|%h|%i|%v|%q|never "
    settings = {"shared_preload_libraries": "probe", "probe.workers": "w return type=kind", "log_line_prefix": prefix,
                **QUIET}
    for daemon in pair(space, settings):
        daemon.start()
        daemon.log.wait_for(r'worker "kind" \(PID \d+\) exited')
        daemon.stop()
        said.append({"all": [("LINE", mask(line)) for line in daemon.log.lines
                             if re.search(r'probe: |background worker "kind"|received fast', line)]})
    rows.compare(*said)


@shows({"LG-06": r"LOCATION"})
def test_messages_verbose(space):
    """With the place in the source: the module's own lines name the same file and line in both."""
    settings_of = {"log_error_verbosity": "verbose"}
    agree(run_both(space, "probe_api", "w elog", EXITED, settings=settings_of, postmaster=False))
