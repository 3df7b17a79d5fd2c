"""How a worker lives and ends is the same in the host as in a real server, line for line of the log."""

import os
import signal

from compare import agree, run_both
from harness import alive, descendants, free_port, title, wait_until
from rows import shows

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def lifecycle(space, action, until=EXITED, options="", **more):
    agree(run_both(space, "probe", f"w {action} {options}".strip(), until, **more))


@shows({"RST-01": r"exited with exit code 0", "RST-07": r"unregistering|exited"})
def test_main_returns(space):
    lifecycle(space, "return", options="restart=1")


@shows({"RST-01": r"exited with exit code 0"})
def test_proc_exit_0(space):
    lifecycle(space, "proc_exit:0", options="restart=1")


@shows({"RST-04": r"unregistering|exited with exit code 1"})
def test_proc_exit_1_never(space):
    lifecycle(space, "proc_exit:1")


@shows({"RST-02": r"exited with exit code 1|starting|w\|"})
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


@shows({"RST-01": r"exited with exit code 0"})
def test_exit_0(space):
    lifecycle(space, "exit:0")


@shows({"RST-02": r"exited with exit code 1|starting|w\|"})
def test_exit_1(space):
    lifecycle(space, "exit:1", r"probe: idle", "restart=1 once")


@shows({"LG-01": r"w\|ERROR|exited with exit code 1"})
def test_uncaught_error(space):
    lifecycle(space, "error:x")


@shows({"LG-02": r"w\||exited with exit code 1"})
def test_fatal(space):
    lifecycle(space, "fatal")


@shows({"E-01": r"callback .* code 0"})
def test_callbacks_0(space):
    lifecycle(space, "callbacks:0")


@shows({"E-01": r"callback .* code 1"})
def test_callbacks_1(space):
    lifecycle(space, "callbacks:1")


@shows({"E-01": r"callback .* code 1"})
def test_callbacks_error(space):
    lifecycle(space, "callbacks:error")


@shows({"E-02": r"callback .* code -1|exited with exit code 0"})
def test_callbacks_exit(space):
    lifecycle(space, "callbacks:exit")


@shows({"E-01": r"callback .* code 1"})
def test_callbacks_term(space):
    lifecycle(space, "callbacks:term")


@shows({"E-03": r"callback|exited with exit code 1"})
def test_callback_raises(space):
    lifecycle(space, "callback_error")


@shows({"E-04": r"probe: slot|out of on_proc_exit slots"})
def test_callback_slots(space):
    lifecycle(space, "callback_slots")


@shows({"SIG-01": r"probe: signal", "SIG-03": r"probe: (on entry|unblocked)"})
def test_signals_without_database(space):
    lifecycle(space, "signals")


@shows({"SIG-02": r"probe: signal", "SIG-03": r"probe: (on entry|unblocked)"})
def test_signals_with_database(space):
    lifecycle(space, "signals", options="flag")


@shows({"REG-07": r"entry|argument"})
def test_environment_with_type(space):
    lifecycle(space, "environment", options="restart=7 type=kind", until=r"exited with exit code")


@shows({"START-06": r"parent|leader|working directory",
        "START-07": r"context|MyProcPort|IsBackgroundWorker|in transaction|inherited|MyLatch|processing mode",
        "REG-03": r'register|background worker \"w\"'})
def test_environment(space):
    transcripts = run_both(space, "probe", "w environment", EXITED)
    agree(transcripts)
    assert ("LOG", "probe: parent postmaster") in transcripts[1]["w"]
    assert ("LOG", "probe: session leader 1, group leader 1") in transcripts[1]["w"]


@shows({"L-01": r"first",
        "L-02": r"still set|poll|timeout|set before",
        "L-03": r"latch not asked for",
        "L-04": r"handler|stray",
        "L-05": r"cannot wait",
        "L-06": r"writeable|readable|both|latch and socket|end of file"})
def test_latch(space):
    transcripts = run_both(space, "probe", "w latch", EXITED)
    agree(transcripts)
    assert ("LOG", "probe: first 1") in transcripts[1]["w"]


@shows({"L-06": r"socket|changed"})
def test_wait_event_set(space):
    lifecycle(space, "event_set")


@shows({"SIG-11": r"w\||observed"})
def test_division_without_database(space):
    lifecycle(space, "divide", r"was terminated by signal 8|exited", crash=True, postmaster=False)


@shows({"SIG-11": r"w\||exited"})
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


@shows({"CR-01": r"exited with exit code 2|terminating any",
        "CR-03": r"postmaster\|LOG: (background|terminating|all server|database)"})
def test_crash_proc_exit_2(space):
    crash(space, "proc_exit:2")


@shows({"CR-01": r"exited with exit code 3|terminating any"})
def test_crash_proc_exit_3(space):
    crash(space, "proc_exit:3")


@shows({"CR-01": r"terminated by signal 11|terminating any",
        "CR-03": r"postmaster\|LOG: (background|terminating|all server|database)"})
def test_crash_segv(space):
    crash(space, "segv")


@shows({"CR-01": r"terminated by signal 6|terminating any"})
def test_crash_abort(space):
    crash(space, "signal:6")


@shows({"CR-01": r"terminated by signal 9|terminating any"})
def test_crash_kill(space):
    crash(space, "signal:9")


@shows({"LG-02": r"w\|PANIC|terminated by signal 6"})
def test_crash_panic(space):
    crash(space, "panic")


@shows({"SIG-04": r"exited with exit code 2|terminating any"})
def test_crash_sigquit(space):
    crash(space, "signal:3")


@shows({"CR-02": r"exited with exit code 0|terminating any", "CR-09": r'"w"|probe: '})
def test_crash_underscore_exit_0(space):
    """_exit(0) ran no clean-up: a crash, and the worker does not come back (row CR-09)."""
    crash(space, "_exit:0", "restart=5", back=1)


@shows({"CR-02": r"exited with exit code 1|terminating any"})
def test_crash_underscore_exit_1(space):
    crash(space, "_exit:1")


@shows({"CR-06": r"reinitializing|unregistering|starting"})
def test_crash_forgets_never_restart(space):
    crash(space, "segv", "restart=never", back=1)


@shows({"CR-11": r"postmaster\|LOG|exit status 1", "SD-06": r"exit status 1"})
def test_no_restart_after_crash(space):
    def stop(daemon):
        daemon.wait_exit()

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


@shows({"SIG-06": r"w\|FATAL|exited with exit code 1"})
def test_sigterm_default(space):
    signalled(space, "default_term", signal.SIGTERM, "restart=5", EXITED)


@shows({"SIG-07": r"w\|FATAL|exited with exit code 1"})
def test_sigterm_die(space):
    signalled(space, "idle", signal.SIGTERM, "restart=5", EXITED)


@shows({"SIG-10": r"exited with exit code 0"})
def test_sigterm_shutdown_request(space):
    signalled(space, "shutdown_request", signal.SIGTERM, "restart=5", EXITED)


@shows({"SIG-08": r"w\||exited"})
def test_sigint_without_database(space):
    """SIGINT is ignored by a worker without a database: it still answers to SIGTERM."""
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        pid = worker_pid(daemon, "w")
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)

    agree(run_both(space, "probe", "w idle", EXITED, during=during))


@shows({"SIG-08": r"w\|ERROR|exited with exit code 1"})
def test_sigint_with_database(space):
    signalled(space, "idle", signal.SIGINT, "flag", EXITED)


@shows({"SIG-09": r"probe: reloaded"})
def test_sighup_reload(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        daemon.reload()

    agree(run_both(space, "probe", "w idle", r"probe: reloaded", during=during))


@shows({"CR-01": r"terminated by signal 9|terminating any"})
def test_kill_worker(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        os.kill(worker_pid(daemon, "w"), signal.SIGKILL)
        daemon.log.wait_for(r"reinitializing")
        daemon.log.wait_for(r"probe: idle", count=2)

    agree(run_both(space, "probe", "w idle restart=5", r"probe: idle", during=during, crash=True))


@shows({"LB-05": r"could not find function"})
def test_missing_function(space):
    agree(run_both(space, "probe", "w idle function=nosuchfunction", EXITED))


@shows({"LB-01": r"could not access file", "LB-06": r"w\|ERROR|exited with exit code 1"})
def test_missing_library(space):
    agree(run_both(space, "probe", "w idle library=nosuchlibrary", EXITED))


@shows({"START-08": r"initialised in a worker|idle"})
def test_library_not_preloaded(space):
    """Loaded by the worker itself: _PG_init runs there, outside of the preload phase."""
    agree(run_both(space, "probe_api", "w idle library=probe function=probe_main_entry", r"probe: idle"))


def stopped_by(space, sig, status=0, settings=None, workers="w idle; v default_term; u shutdown_request; t proc_exit:1 restart=60"):
    def stop(daemon):
        daemon.send(sig)
        daemon.wait_exit()

    agree(run_both(space, "probe", workers, r"probe: idle", stop=stop, settings=settings,
                   during=lambda d: [d.log.wait_for(p) for p in
                                     (r"probe: waiting with", r"probe: waiting for", r"exited with exit code 1")]))


@shows({"SD-06": r"exit status 0"})
def test_smart_shutdown(space):
    stopped_by(space, signal.SIGTERM)


@shows({"SD-03": r"postmaster\|LOG|\|(FATAL|LOG)", "SD-06": r"exit status 0"})
def test_fast_shutdown(space):
    stopped_by(space, signal.SIGINT)


@shows({"SD-05": r"postmaster\|LOG", "SD-06": r"exit status 0"})
def test_immediate_shutdown(space):
    # Which workers the postmaster still gets to forget, at DEBUG, is chance.
    stopped_by(space, signal.SIGQUIT, settings={"log_min_messages": "log"})


@shows({"SD-04": r"postmaster\|LOG|exit status 0"})
def test_stubborn_worker_delays_fast_shutdown(space):
    """A worker that hears no SIGTERM holds a fast shutdown up without limit; an immediate one ends it."""
    def stop(daemon):
        pid = worker_pid(daemon, "w")
        daemon.send(signal.SIGINT)
        daemon.log.wait_for(r"received fast shutdown request")
        daemon.log.wait_for(r'background worker "other" \(PID \d+\) exited')
        assert alive(pid) and daemon.running()
        daemon.send(signal.SIGQUIT)
        daemon.wait_exit()

    # As above: which workers the immediate shutdown still lets the postmaster forget, at DEBUG, is chance.
    agree(run_both(space, "probe", "w stubborn; other idle", r"probe: deaf", stop=stop,
                   settings={"log_min_messages": "log"},
                   during=lambda d: d.log.wait_for(r"probe: idle")))


@shows({"SD-05": r"recalcitrant|immediate shutdown|database system is shut down"})
def test_recalcitrant_worker_is_killed(space):
    """What survives SIGQUIT gets SIGKILL after five seconds, and the log says so."""
    def stop(daemon):
        daemon.send(signal.SIGQUIT)
        daemon.wait_exit()

    agree(run_both(space, "probe", "w recalcitrant", r"probe: deaf", stop=stop))
