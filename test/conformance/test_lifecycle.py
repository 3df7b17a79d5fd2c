"""How a worker lives and ends is the same in the host as in a real server, line for line of the log."""

import os
import signal

from compare import agree, run_both
from harness import alive, descendants, free_port, title, wait_until

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def lifecycle(space, action, until=EXITED, options="", **more):
    agree(run_both(space, "probe", f"w {action} {options}".strip(), until, **more))


def test_main_returns(space):
    lifecycle(space, "return", options="restart=1")


def test_proc_exit_0(space):
    lifecycle(space, "proc_exit:0", options="restart=1")


def test_proc_exit_1_never(space):
    lifecycle(space, "proc_exit:1")


def test_proc_exit_1_restarts(space):
    lifecycle(space, "proc_exit:1", r"probe: idle", "restart=1 once")


def test_restart_time_0(space):
    lifecycle(space, "proc_exit:1", r"probe: idle", "restart=0 once")


def test_descriptors_are_closed_before_the_restart(space):
    """However soon a worker is started again, what its predecessor listened on is free."""
    host = space.host(settings={"shared_preload_libraries": "probe",
                                "probe.workers": f"w listen:{free_port()} restart=0"}).start(ready=False)
    host.log.wait_for(r"probe: listening", count=200)
    assert "could not listen" not in host.log.text()


def test_a_false_announcement_of_the_end_is_a_crash(space):
    """A worker that says that it ends with 1, and then dies of a signal, has crashed."""
    host = space.host(settings={"shared_preload_libraries": "probe", "probe.workers": "w lie restart=60"})
    host.expect_crash = True
    host.start(ready=False)
    host.log.wait_for(r"background worker.* was terminated by signal 6: Aborted")
    host.log.wait_for(r"all server processes terminated; reinitializing")


def test_exit_0(space):
    lifecycle(space, "exit:0")


def test_exit_1(space):
    lifecycle(space, "exit:1", r"probe: idle", "restart=1 once")


def test_uncaught_error(space):
    lifecycle(space, "error:x")


def test_fatal(space):
    lifecycle(space, "fatal")


def test_callbacks_0(space):
    lifecycle(space, "callbacks:0")


def test_callbacks_1(space):
    lifecycle(space, "callbacks:1")


def test_callbacks_error(space):
    lifecycle(space, "callbacks:error")


def test_callbacks_exit(space):
    lifecycle(space, "callbacks:exit")


def test_callbacks_term(space):
    lifecycle(space, "callbacks:term")


def test_callback_raises(space):
    lifecycle(space, "callback_error")


def test_callback_slots(space):
    lifecycle(space, "callback_slots")


def test_signals_without_database(space):
    lifecycle(space, "signals")


def test_signals_with_database(space):
    lifecycle(space, "signals", options="flag")


def test_environment_with_type(space):
    lifecycle(space, "environment", options="restart=7 type=kind", until=r"exited with exit code")


def test_environment(space):
    transcripts = run_both(space, "probe", "w environment", EXITED)
    agree(transcripts)
    assert ("LOG", "probe: parent postmaster") in transcripts[1]["w"]
    assert ("LOG", "probe: session leader 1, group leader 1") in transcripts[1]["w"]


def test_latch(space):
    transcripts = run_both(space, "probe", "w latch", EXITED)
    agree(transcripts)
    assert ("LOG", "probe: first 1") in transcripts[1]["w"]


def test_wait_event_set(space):
    lifecycle(space, "event_set")


def test_division_without_database(space):
    lifecycle(space, "divide", r"was terminated by signal 8|exited", crash=True, postmaster=False)


def test_division_with_database(space):
    lifecycle(space, "divide", options="flag")


def crash(space, action, options="restart=5 once", back=2):
    """`w` crashes; afterwards `back` workers idle in the new generation."""
    def during(daemon):
        daemon.log.wait_for(r"all server processes terminated; reinitializing")
        start = next(i for i, line in enumerate(daemon.log.lines) if "reinitializing" in line)
        daemon.log.wait_for(r"probe: idle", start=start, count=back)
        return start

    # Whether the other one got as far as its first line before the crash is chance.
    agree(run_both(space, "probe", f"w {action} {options}; other idle restart=5", r"probe: idle", crash=True,
                   during=during, ignore=("other",)))


def test_crash_proc_exit_2(space):
    crash(space, "proc_exit:2")


def test_crash_proc_exit_3(space):
    crash(space, "proc_exit:3")


def test_crash_segv(space):
    crash(space, "segv")


def test_crash_abort(space):
    crash(space, "signal:6")


def test_crash_kill(space):
    crash(space, "signal:9")


def test_crash_panic(space):
    crash(space, "panic")


def test_crash_sigquit(space):
    crash(space, "signal:3")


def test_crash_underscore_exit_0(space):
    """_exit(0) ran no clean-up: a crash, and the worker does not come back (row CR-09)."""
    crash(space, "_exit:0", "restart=5", back=1)


def test_crash_underscore_exit_1(space):
    crash(space, "_exit:1")


def test_crash_forgets_never_restart(space):
    crash(space, "segv", "restart=never", back=1)


def test_no_restart_after_crash(space):
    def stop(daemon):
        assert daemon.wait_exit() == 1

    agree(run_both(space, "probe", "w segv; other idle", r"database system is shut down", crash=True, stop=stop,
                   ignore=("other",), settings={"restart_after_crash": "off"}))


def worker_pid(daemon, name):
    """A worker's pid in either: the server titles it `postgres: NAME`, the host `bgworkerd: NAME`."""
    def look():
        for pid in descendants(daemon.pid):
            if title(pid) in (f"postgres: {name}", f"bgworkerd: {name}"):
                return pid
        return None
    return wait_until(look, what=f"worker {name}")


def signalled(space, action, sig, options, until, module="probe", **more):
    ready = r"probe: (waiting|idle|sleeping|deaf)"

    def during(daemon):
        daemon.log.wait_for(ready)
        os.kill(worker_pid(daemon, "w"), sig)

    agree(run_both(space, module, f"w {action} {options}", until, during=during, **more))


def test_sigterm_default(space):
    signalled(space, "default_term", signal.SIGTERM, "restart=5", EXITED)


def test_sigterm_die(space):
    signalled(space, "idle", signal.SIGTERM, "restart=5", EXITED)


def test_sigterm_shutdown_request(space):
    signalled(space, "shutdown_request", signal.SIGTERM, "restart=5", EXITED)


def test_sigint_without_database(space):
    """SIGINT is ignored by a worker without a database: it still answers to SIGTERM."""
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        pid = worker_pid(daemon, "w")
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)

    agree(run_both(space, "probe", "w idle", EXITED, during=during))


def test_sigint_with_database(space):
    signalled(space, "idle", signal.SIGINT, "flag", EXITED)


def test_sighup_reload(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        daemon.reload()

    agree(run_both(space, "probe", "w idle", r"probe: reloaded", during=during))


def test_kill_worker(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        os.kill(worker_pid(daemon, "w"), signal.SIGKILL)
        daemon.log.wait_for(r"reinitializing")
        daemon.log.wait_for(r"probe: idle", count=2)

    agree(run_both(space, "probe", "w idle restart=5", r"probe: idle", during=during, crash=True))


def test_refused_registrations(space):
    agree(run_both(space, "probe",
                   "a idle noshmem; b idle db start=postmaster; c idle restart=86400001; d idle parallel restart=1; "
                   "e idle notify; ok idle; f idle restart=-5", r"probe: idle"))


def test_too_many_workers(space):
    agree(run_both(space, "probe", "a idle; b idle; c idle noshmem; d idle; e idle", r"probe: idle",
                   during=lambda d: d.log.wait_for(r"probe: idle", count=2), settings={"max_worker_processes": 2}))


def test_start_order(space):
    """Workers are started in the reverse order of their registration."""
    transcripts = run_both(space, "probe", "a idle; b idle; c idle", r"probe: idle",
                           during=lambda d: d.log.wait_for(r"probe: idle", count=3))
    agree(transcripts)


def test_missing_function(space):
    agree(run_both(space, "probe", "w idle function=nosuchfunction", EXITED))


def test_missing_library(space):
    agree(run_both(space, "probe", "w idle library=nosuchlibrary", EXITED))


def test_library_not_preloaded(space):
    """Loaded by the worker itself: _PG_init runs there, outside of the preload phase."""
    agree(run_both(space, "probe_api", "w idle library=probe function=probe_main_entry", r"probe: idle"))


def stopped_by(space, sig, status=0, settings=None, workers="w idle; v default_term; u shutdown_request; t proc_exit:1 restart=60"):
    def stop(daemon):
        daemon.send(sig)
        assert daemon.wait_exit() == status

    agree(run_both(space, "probe", workers, r"probe: idle", stop=stop, settings=settings,
                   during=lambda d: [d.log.wait_for(p) for p in
                                     (r"probe: waiting with", r"probe: waiting for", r"exited with exit code 1")]))


def test_smart_shutdown(space):
    stopped_by(space, signal.SIGTERM)


def test_fast_shutdown(space):
    stopped_by(space, signal.SIGINT)


def test_immediate_shutdown(space):
    # Which workers the postmaster still gets to forget, at DEBUG, is chance.
    stopped_by(space, signal.SIGQUIT, settings={"log_min_messages": "log"})


def test_stubborn_worker_delays_fast_shutdown(space):
    """A worker that hears no SIGTERM holds a fast shutdown up without limit; an immediate one ends it."""
    def stop(daemon):
        pid = worker_pid(daemon, "w")
        daemon.send(signal.SIGINT)
        daemon.log.wait_for(r"received fast shutdown request")
        daemon.log.wait_for(r'background worker "other" \(PID \d+\) exited')
        assert alive(pid) and daemon.running()
        daemon.send(signal.SIGQUIT)
        assert daemon.wait_exit() == 0

    # As above: which workers the immediate shutdown still lets the postmaster forget, at DEBUG, is chance.
    agree(run_both(space, "probe", "w stubborn; other idle", r"probe: deaf", stop=stop,
                   settings={"log_min_messages": "log"},
                   during=lambda d: d.log.wait_for(r"probe: idle")))


def test_recalcitrant_worker_is_killed(space):
    """What survives SIGQUIT gets SIGKILL after five seconds, and the log says so."""
    def stop(daemon):
        daemon.send(signal.SIGQUIT)
        assert daemon.wait_exit() == 0

    agree(run_both(space, "probe", "w recalcitrant", r"probe: deaf", stop=stop))
