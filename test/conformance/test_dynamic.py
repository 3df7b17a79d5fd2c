"""Workers registered at run time, their handles and who is told of them: the same in the host as in a real server.

Each test is named after the rows of the conformance table that it shows.
"""

import os

from compare import QUIET, agree, run_both, transcript

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def dynamic(space, action, until=EXITED, options="flag", also=("j",), **more):
    """Worker w, registered statically, registers the others. With `flag` SIGUSR1 can reach it."""
    agree(run_both(space, "probe_dynamic", f"w {action} {options}".strip(), until, also=also, **more))


def test_h_01_h_02_h_08_h_09_n_01_status_and_waits(space):
    dynamic(space, "status", also="jkl")


def test_h_03_h_08_h_09_rst_05_restart(space):
    dynamic(space, "restart")


def test_slot_01_slot_02_h_04_h_07_slots(space):
    dynamic(space, "slots", also=("x", "again", "low", "high", "y", "j0", "j13"), postmaster=False)


def test_slot_03_order_in_one_pass(space):
    dynamic(space, "order", also=("j2", "j3"))


def test_slot_04_terminated_before_it_is_known(space):
    dynamic(space, "cancel")


def test_slot_02_parallel_class_limit(space):
    dynamic(space, "parallel", settings={"max_parallel_workers": 2}, also=("p0", "p1", "p3", "q"), postmaster=False)


def test_h_05_h_06_terminate_is_sent_once(space):
    dynamic(space, "stubborn")


def test_h_05_sig_12_terminate_spares_the_process_group(space):
    dynamic(space, "group")


def test_h_07_n_03_terminated_before_its_start(space):
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


def test_h_11_nobody_wakes_who_did_not_ask(space):
    dynamic(space, "wait")


def test_h_12_nothing_wakes_a_worker_without_the_database_flag(space):
    dynamic(space, "wait:notify", options="")


def test_h_12_n_01_with_the_flag_it_is_woken(space):
    dynamic(space, "wait:notify")


def test_h_12_n_01_connected_it_is_woken(space):
    dynamic(space, "wait:notify", options="db")


def test_h_13_interrupts_end_the_waits(space):
    dynamic(space, "interrupt", also="jk")


def test_h_14_type_by_pid(space):
    dynamic(space, "type_by_pid", also=("sort",))


def test_n_02_not_a_pid_of_ours(space):
    dynamic(space, "invalid_notify")


def test_n_03_rst_06_the_registrant_is_gone(space):
    def during(daemon):
        daemon.log.wait_for(EXITED)
        with open(os.path.join(daemon.data, "probe.gone"), "w", encoding="ascii"):
            pass

    dynamic(space, "leaves", r"probe: notify zero", during=during)


def test_chk_01_to_chk_05_reg_06(space):
    dynamic(space, "checks", also="ef")


def test_reg_06_reg_07_reg_01_strings(space):
    dynamic(space, "strings", also=("t" * 95,), postmaster=False,
            during=lambda daemon: daemon.log.wait_for("exited with exit code 0", count=3))


def test_reg_08_not_in_the_postmaster(space):
    transcripts = run_both(space, "probe_dynamic", "w return", EXITED)
    agree(transcripts)
    for daemon in space.daemons:
        if daemon.name != "upstream":
            assert daemon.log.count(r"probe: not registered in the postmaster") == 1


def test_slot_02_an_abort_undoes_nothing(space):
    dynamic(space, "transaction", options="db")


def test_cr_06_cr_08_cr_09_rst_06_crash(space):
    """Restartable dynamic workers are started again at once, the others and the terminated ones are forgotten."""
    def during(daemon):
        daemon.log.wait_for(r"all server processes terminated; reinitializing")
        start = next(i for i, line in enumerate(daemon.log.lines) if "reinitializing" in line)
        daemon.log.wait_for(r"probe: survivor", start=start)
        daemon.log.wait_for(r"probe: idle", start=start, count=2)  # of `again` and `interval`
        return start

    dynamic(space, "before_crash", r"probe: first after the crash", "flag; r after_crash flag restart=3600",
            during=during, crash=True, also=("again", "never", "interval", "doomed", "j"), postmaster=False)
