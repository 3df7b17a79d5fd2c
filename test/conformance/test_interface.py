"""What modules use of the server's interface without a database gives the same in the host as in a real server."""

from compare import agree, run_both

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def test_messages(space):
    agree(run_both(space, "probe_api", "w elog", EXITED))


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


def test_late_requests(space):
    agree(run_both(space, "probe_api", "w late_request", EXITED))


def test_unknown_tranche(space):
    agree(run_both(space, "probe_api", "w no_tranche", EXITED))


SETTINGS_DONE = r"probe: settings done"


def settings_test(space, settings, during=None, until=SETTINGS_DONE, **more):
    agree(run_both(space, "probe_api", "w settings", until, settings=settings, during=during, **more))


def test_settings_defaults(space):
    settings_test(space, {})


def test_settings_from_file(space):
    settings_test(space, {
        "probe_api.bool": "off", "probe_api.int": "0x2A", "probe_api.time": "1.5s", "probe_api.memory": "2MB",
        "probe_api.real": "3.25e2", "probe_api.string": "it's", "probe_api.enum": "azure", "probe_api.fixed": "9"})


def test_settings_bad_values(space):
    settings_test(space, {
        "probe_api.bool": "perhaps", "probe_api.int": "1000", "probe_api.time": "5 parsecs",
        "probe_api.memory": "lots", "probe_api.real": "1e20", "probe_api.string": "forbidden",
        "probe_api.enum": "mauve", "probe_api.nosuch": "1"})


def test_settings_reload(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"probe_api.int": "11", "probe_api.time": "2min", "probe_api.string": "changed"})
        daemon.reload()
        daemon.log.wait_for(r"probe: reload 1 done")
        daemon.write_settings(**{"probe_api.int": None, "probe_api.enum": "red"})
        daemon.reload()

    settings_test(space, {"probe_api.bool": "off"}, during, r"probe: reload 2 done")


def test_settings_reload_bad(space):
    """A bad value on reload keeps the old one, says where, and the rest is applied."""
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"probe_api.int": "1000", "probe_api.real": "2.5", "probe_api.enum": "mauve",
                                 "probe_api.fixed": "77"})
        daemon.reload()

    settings_test(space, {"probe_api.int": "5"}, during, r"probe: reload 1 done")


def test_settings_reload_unknown(space):
    def during(daemon):
        daemon.log.wait_for(SETTINGS_DONE)
        daemon.write_settings(**{"nosuchsetting": "1", "probe_api.real": "2.5"})
        daemon.reload()

    settings_test(space, {}, during, r"probe: reload 1 done")
