"""Workers registered at run time, their handles and who is told of them: the same in the host as in a real server."""

import os

from compare import QUIET, agree, run_both, transcript
from rows import shows

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def dynamic(space, action, until=EXITED, options="flag", also=("j",), **more):
    """Worker w, registered statically, registers the others. With `flag` SIGUSR1 can reach it."""
    agree(run_both(space, "probe_dynamic", f"w {action} {options}".strip(), until, also=also, **more))


@shows({"H-01": r"registered: ",
        "H-02": r"startup|then|without a library",
        "H-08": r"startup",
        "H-09": r"shutdown",
        "N-01": r"startup|shutdown|ends by itself"})
def test_status_and_waits(space):
    dynamic(space, "status", also="jkl")


@shows({"H-03": r"w\|LOG: probe: (in its interval|again|and again)",
        "H-08": r"startup at once",
        "H-09": r"shutdown",
        "RST-05": r"signalled"})
def test_restart(space):
    dynamic(space, "restart")


@shows({"SLOT-01": r"room for|full|all ended",
        "SLOT-02": r"slot \d+ generation",
        "H-04": r"old handle|new one",
        "H-07": r"waiting for its restart|terminated"})
def test_slots(space):
    dynamic(space, "slots", also=("x", "again", "low", "high", "y", "j0", "j13"), postmaster=False)


@shows({"SLOT-03": r'process "j[23]"|worker "j[23]"$|first|second'})
def test_order_in_one_pass(space):
    dynamic(space, "order", also=("j2", "j3"))


@shows({"SLOT-04": r"w\|LOG|registering"})
def test_terminated_before_it_is_known(space):
    dynamic(space, "cancel")


@shows({"SLOT-02": r"number|of no class|one more|after one"})
def test_parallel_class_limit(space):
    dynamic(space, "parallel", settings={"max_parallel_workers": 2}, also=("p0", "p1", "p3", "q"), postmaster=False)


@shows({"H-05": r"shutdown|for good|unregistering", "H-06": r"SIGTERM number|leaving after|after"})
def test_terminate_is_sent_once(space):
    dynamic(space, "stubborn")


@shows({"H-05": r"shutdown", "SIG-12": r"child"})
def test_terminate_spares_the_process_group(space):
    dynamic(space, "group")


@shows({"H-07": r"registered|startup|shutdown|unregistering", "N-03": r"at shutdown|unregistering"})
def test_terminated_before_its_start(space):
    """Its start state is not reached: a terminated worker is forgotten without a process, and so is, at shutdown, one
    that somebody waits for."""
    settings = {"shared_preload_libraries": "probe_dynamic", **QUIET,
                "probe_dynamic.workers": "w unstarted flag start=consistent"}
    as_primary = {"max_connections": 100, "max_wal_senders": 10}  # a standby must have as many as its primary
    server = space.postgres("reference", settings={**settings, **as_primary})
    upstream = space.postgres("upstream", settings=as_primary)
    host = space.host(settings=settings, upstream=upstream)
    said = []
    for standby in (server, upstream):
        with open(os.path.join(standby.data, "standby.signal"), "w", encoding="ascii"):
            pass
    upstream.start()
    for daemon in (server, host):
        daemon.start()
        daemon.log.wait_for("probe: and one that is left")
        daemon.log.wait_for('registering background worker "k"')
        daemon.stop()
        said.append(transcript(daemon, ["w", "j", "k"]))
    agree(said)


@shows({"H-11": r"when woken|at once"})
def test_nobody_wakes_who_did_not_ask(space):
    dynamic(space, "wait")


@shows({"H-12": r"when woken|at once"})
def test_nothing_wakes_a_worker_without_the_database_flag(space):
    dynamic(space, "wait:notify", options="")


@shows({"H-12": r"when woken|at once", "N-01": r"when woken|at once"})
def test_with_the_flag_it_is_woken(space):
    dynamic(space, "wait:notify")


@shows({"H-12": r"when woken|at once", "N-01": r"when woken|at once"})
def test_connected_it_is_woken(space):
    dynamic(space, "wait:notify", options="db")


@shows({"H-13": r"w\|"})
def test_interrupts_end_the_waits(space):
    # Whether k is started before its registrant is gone is chance, in the server too.
    dynamic(space, "interrupt", ignore=("k",), postmaster=False)


@shows({"H-14": r"type:|postmaster's|after its end"})
def test_type_by_pid(space):
    dynamic(space, "type_by_pid", also=("sort",))


@shows({"N-02": r"worker notification PID"})
def test_not_a_pid_of_ours(space):
    dynamic(space, "invalid_notify")


@shows({"N-03": r"notify", "RST-06": r"notify"})
def test_the_registrant_is_gone(space):
    def during(daemon):
        daemon.log.wait_for(EXITED)
        with open(os.path.join(daemon.data, "probe.gone"), "w", encoding="ascii"):
            pass

    dynamic(space, "leaves", r"probe: notify zero", during=during)


@shows({"CHK-01": r"without shared memory",
        "CHK-02": r"starting at postmaster start",
        "CHK-03": r"invalid restart interval",
        "CHK-04": r"configured for restart",
        "CHK-05": r"w\|LOG",
        "REG-06": r"w\|LOG"})
def test_checks(space):
    dynamic(space, "checks", also="ef")


@shows({"REG-06": r"type filled in", "REG-07": r"name|type \(", "REG-01": r"name|registering"})
def test_strings(space):
    dynamic(space, "strings", also=("t" * 95,), postmaster=False,
            during=lambda daemon: daemon.log.wait_for("exited with exit code 0", count=3))


@shows({"REG-08": r"not registered in the postmaster"})
def test_not_in_the_postmaster(space):
    transcripts = run_both(space, "probe_dynamic", "w return", EXITED)
    agree(transcripts)
    for daemon in space.daemons:
        if daemon.name != "upstream":
            assert daemon.log.count(r"probe: not registered in the postmaster") == 1


@shows({"SLOT-02": r"caller's context|after the abort"})
def test_an_abort_undoes_nothing(space):
    dynamic(space, "transaction", options="db")


@shows({"CR-06": r"survivor|idle|never", "CR-08": r"survivor|generation", "CR-09": r"doomed|crashing|first after"})
def test_crash(space):
    """Restartable dynamic workers are started again at once, the others and the terminated ones are forgotten."""
    def during(daemon):
        daemon.log.wait_for(r"all server processes terminated; reinitializing")
        start = next(i for i, line in enumerate(daemon.log.lines) if "reinitializing" in line)
        daemon.log.wait_for(r"probe: survivor", start=start)
        daemon.log.wait_for(r"probe: idle", start=start, count=2)  # of `again` and `interval`
        return start

    dynamic(space, "before_crash", r"probe: first after the crash", "flag; r after_crash flag restart=3600",
            during=during, crash=True, also=("again", "never", "interval", "doomed", "j"), postmaster=False)


@shows({"SLOT-05": r"w\|LOG|registering"})
def test_registered_too_late(space):
    """A stopping postmaster starts nobody: the worker is dropped, and who asked for it is told."""
    dynamic(space, "too_late", r"waiting to be told")


@shows({"H-10": r"the wait ended"})
def test_postmaster_ends_during_a_wait(space):
    def stop(daemon):
        daemon.process.kill()
        daemon.log.wait_for(r"probe: the wait ended")
        daemon.wait_exit()

    dynamic(space, "outlive", r"probe: waiting", stop=stop, postmaster=False, also=())


def test_start_times(space):
    """A worker's start time is when it started, whether its process was made then or waited as a spare."""
    dynamic(space, "start_times")
