"""A worker's process beside others: restarts and their times, groups and children, the end of the postmaster."""

import os
import signal
import time

from compare import agree, is_server, observe, position, recovered, run_both
from harness import alive, descendants, title, wait_until
from rows import differs, shows
from test_lifecycle import EXITED, worker_pid

MODULE = "probe_process"


def run(space, workers, until, **more):
    agree(run_both(space, MODULE, workers, until, **more))


# --- restarts ---------------------------------------------------------------------------------------------------
@shows({"RST-02": r"back not before|leaving|exited with exit code 1|starting"})
def test_restart_interval(space):
    """Three ways out with status 1; each is back after its interval, and the one beside them never left."""
    run(space, "w timed restart=1; e timed:error restart=1; f timed:fatal restart=2; idler idle restart=1", r"back not before",
        during=lambda d: d.log.wait_for(r"back not before", count=3), apart=True)


@shows({"RST-03": r"life|exited with exit code 1"})
def test_restart_at_once(space):
    run(space, "w flap:50 restart=0", r"life 51")


@shows({"CR-07": r"life|exited with exit code 3|reinitializing|starting"})
def test_crash_loop(space):
    """A worker that crashes every time is started again every time, at once."""
    run(space, "w flap:5crash restart=60", r"life 6", crash=True,
        during=lambda d: d.log.wait_for(r"database system is ready", count=6) and None)


@shows({"RST-05": r"w\||exited|starting|back"})
def test_terminated_from_outside_comes_back(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: waiting")
        first = worker_pid(daemon, "w")
        os.kill(first, signal.SIGTERM)
        daemon.log.wait_for(r"probe: waiting", count=2)
        observe(daemon, f"back with another pid: {worker_pid(daemon, 'w') != first}")

    agree(run_both(space, "probe", "w default_term restart=1", r"probe: waiting", during=during))


@shows({"RST-06": r"life"})
def test_second_life(space):
    """A restarted worker is a fresh fork of the supervisor, and its struct is as it was registered."""
    run(space, "w fresh:x restart=0", r"life 2")


@shows({"RST-08": r"exited|Failed process"})
def test_activity_and_clean_exit(space):
    run(space, "w activity:1 db", EXITED)


@shows({"RST-08": r"exited|Failed process"})
def test_activity_and_crash(space):
    run(space, "w activity:2 db", r"database system is ready", crash=True, during=recovered)


@shows({"RST-08": r"exited|Failed process"})
def test_activity_without_a_connection(space):
    """Only a worker with a connection has an entry that says what it does."""
    run(space, "w activity:2", r"database system is ready", crash=True, during=recovered)


# --- crashes ----------------------------------------------------------------------------------------------------
def told_to_crash(daemon, name="w"):
    os.kill(worker_pid(daemon, name), signal.SIGUSR2)


@shows({"CR-04": r"other|child|terminated by|terminating any"})
def test_crash_of_another(space):
    """The others get SIGQUIT, with their process groups: no callback, no line of theirs, no line about their end."""
    def during(daemon):
        daemon.log.wait_for(r"probe: idle", count=3)
        child = child_of(daemon)
        observe(daemon, f"the child lives: {alive(child)}")
        told_to_crash(daemon)
        recovered(daemon)
        wait_until(lambda: not alive(child), what="the child of a worker ends with its group")
        observe(daemon, "the child has ended")
        daemon.log.wait_for(r"probe: idle", start=position(daemon, "reinitializing"), count=3)

    # The order in which the three speak is chance; what each says is not.
    run(space, "w crash_when_told restart=60; other callbacks_then_idle restart=60; parent parent restart=60",
        r"reinitializing", crash=True, during=during, stop=stop_immediately, ready=True,
        settings={"log_min_messages": "log"})


def stop_immediately(daemon):
    """Nobody's exit is logged, which would be in any order."""
    daemon.send(signal.SIGQUIT)
    daemon.wait_exit()


def child_of(daemon):
    names = wait_until(lambda: [n for n in os.listdir(daemon.data) if n.startswith("probe.child.")], what="a child")
    return int(names[0].rsplit(".", 1)[1])


@shows({"CR-05": r"recalcitrant|terminating any|reinitializing|within"})
def test_crash_with_a_recalcitrant_worker(space):
    """What survives SIGQUIT in a crash is killed after five seconds."""
    def during(daemon):
        daemon.log.wait_for(r"probe: deaf")
        daemon.log.wait_for(r"probe: idle")
        start = time.monotonic()
        os.kill(worker_pid(daemon, "w"), signal.SIGKILL)
        daemon.log.wait_for(r"issuing SIGKILL to recalcitrant children")
        observe(daemon, f"SIGKILL not before 4.5 s: {time.monotonic() - start >= 4.5}")
        recovered(daemon)

    agree(run_both(space, "probe", "w idle; r recalcitrant", r"reinitializing", crash=True, during=during, ready=True))


@shows({"CR-06": r"unregistering|starting|reinitializing", "CR-10": r"reinitializing|starting"})
def test_what_comes_back_after_a_crash(space):
    """Never-restart workers are forgotten, running or not; the others are back at once, whatever their interval, also
    the one that waits for it; none starts before the reinitialisation."""
    def during(daemon):
        daemon.log.wait_for(r'worker "waiting" \(PID \d+\) exited with exit code 1')
        daemon.log.wait_for(r"probe: idle", count=3)
        told_to_crash(daemon)
        recovered(daemon)
        daemon.log.wait_for(r"probe: idle", count=2, start=position(daemon, "reinitializing"))
        daemon.log.wait_for(r'probe: leaving|back', count=1, start=position(daemon, "reinitializing"))

    agree(after(run_both(space, MODULE, "w crash_when_told restart=600; never idle; waiting timed restart=600; "
                         "early idle restart=600 start=postmaster", r"reinitializing", crash=True, ready=True,
                         during=during, stop=stop_immediately, ignore=("waiting", "early", "never", "w")),
                "was terminated by"))


def after(transcripts, text):
    """The postmaster's lines from one on: what was before is another test's affair."""
    for said in transcripts:
        lines = said["postmaster"]
        start = next(i for i, (_, line) in enumerate(lines) if text in line)
        said["postmaster"] = lines[start:]
    return transcripts


@shows({"CR-12": r"postmaster\|LOG|exit status 1", "SD-06": r"exit status 1"})
def test_crash_during_fast_shutdown(space):
    def stop(daemon):
        pid = worker_pid(daemon, "w")
        daemon.send(signal.SIGINT)
        daemon.log.wait_for(r"received fast shutdown request")
        daemon.log.wait_for(r'background worker "other" \(PID \d+\) exited')
        os.kill(pid, signal.SIGKILL)
        daemon.wait_exit()

    agree(run_both(space, "probe", "w stubborn; other idle", r"probe: deaf", stop=stop, crash=True, ready=True,
                   settings={"log_min_messages": "log"}, during=lambda d: d.log.wait_for(r"probe: idle")))


@shows({"SIG-04": r"w\||exited with exit code 2"})
def test_sigquit_reaches_a_stubborn_worker(space):
    """A worker that never lets a signal in ends silently with status 2 when it is sent SIGQUIT."""
    def during(daemon):
        daemon.log.wait_for(r"probe: deaf")
        pid = worker_pid(daemon, "w")
        for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            os.kill(pid, sig)
        observe(daemon, f"still alive: {alive(pid)}")
        os.kill(pid, signal.SIGQUIT)
        recovered(daemon)

    agree(run_both(space, "probe", "w stubborn", r"reinitializing", crash=True, ready=True, during=during))


# --- signals ----------------------------------------------------------------------------------------------------
@shows({"SIG-04": r"w\||exited"})
def test_sigterm_before_unblocking(space):
    run(space, "w late_unblock restart=60", EXITED)


@shows({"L-10": r"w\|"})
def test_wait_does_not_raise(space):
    run(space, "w pending", EXITED)


@shows({"L-10": r"w\|"})
def test_latch_set_by_another_process(space):
    run(space, "w latch_of_another", EXITED)


@shows({"SIG-09": r"w\|", "SIG-01": r"w\|"})
def test_ignored_signals(space):
    run(space, "w ignores", EXITED)


@shows({"SIG-12": r"observed"})
def test_process_group(space):
    """SIGTERM to a worker leaves its children alone; the postmaster's own reaches the process group."""
    seen = {}

    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        seen[daemon] = first = child_of(daemon)
        daemon.reload()
        daemon.log.wait_for(r"probe: reloaded")
        observe(daemon, f"after a reload the child lives: {alive(first)}")

    def stop(daemon):
        daemon.stop()
        wait_until(lambda: not alive(seen[daemon]), what="the child ends with the group of its parent")
        observe(daemon, "after a fast shutdown the child has ended")

    run(space, "w parent", r"probe: reloaded", during=during, stop=stop)


# --- callbacks --------------------------------------------------------------------------------------------------
@shows({"E-06": r"w\||observed"})
def test_exit_in_a_child_of_the_worker(space):
    """proc_exit() in a process that the worker forked is a PANIC of that process; the worker lives on."""
    transcripts = run_both(space, MODULE, "w child_exits", EXITED, postmaster=False,
                           allowed=[r"PANIC:  proc_exit\(\) called in child process"])
    agree(transcripts)


@shows({"E-06": r"not the latest entry|w\|LOG"})
def test_cancel_what_is_not_the_latest(space):
    run(space, "w cancel_wrong", EXITED)


@shows({"E-04": r"out of before_shmem_exit slots"})
def test_before_shmem_exit_slots(space):
    run(space, "w slots:before", EXITED)


@shows({"E-04": r"out of on_shmem_exit slots"})
def test_on_shmem_exit_slots(space):
    run(space, "w slots:on", EXITED)


@shows({"E-05": r"callback registered|in transaction"})
def test_callbacks_around_connecting(space):
    run(space, "w connect_between flag", EXITED)


# --- what it is called -----------------------------------------------------------------------------------------
@shows({"START-06": r"child of the postmaster"})
@differs("START-06", r"titled")
def test_title(space):
    def during(daemon):
        daemon.log.wait_for(r"probe: idle")
        pid = worker_pid(daemon, "w")
        observe(daemon, f"child of the postmaster: {pid in descendants(daemon.pid)}")
        observe(daemon, f"titled {title(pid)}")

    agree(run_both(space, "probe", "w idle", r"probe: idle", during=during))


# --- the end of the postmaster ---------------------------------------------------------------------------------
@shows({"L-07": r"death\|", "L-08": r"exit\|", "L-09": r"neither\|", "SD-08": r"observed"})
def test_killed_postmaster(space):
    """Nothing is sent to workers: each notices by itself, in its own way."""
    def stop(daemon):
        pids = [worker_pid(daemon, name) for name in ("death", "exit", "neither")]
        daemon.process.kill()
        daemon.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in pids), what="the workers end by themselves")
        daemon.log.wait_for(r"callback of an orphan", count=3)
        observe(daemon, "the workers have ended")

    run(space, "death orphan:death; exit orphan:exit; neither orphan:neither", r"waiting for the end", stop=stop,
        during=lambda d: d.log.wait_for(r"waiting for the end", count=3), postmaster=False)


@shows({"SD-07": r"observed"})
def test_pid_file_goes_first(space):
    """When the last line is said the pid file is gone, and so is every worker."""
    def stop(daemon):
        pid = worker_pid(daemon, "w")
        name = os.path.join(daemon.data, "postmaster.pid" if is_server(daemon) else "bgworkerd.pid")
        observe(daemon, f"a pid file before: {os.path.exists(name)}")
        daemon.send(signal.SIGINT)
        daemon.log.wait_for(r"database system is shut down")
        observe(daemon, f"at the last line: pid file {os.path.exists(name)}, worker {alive(pid)}")
        daemon.wait_exit()
        lines = [line for line in daemon.log.lines if "is shut down" in line]
        observe(daemon, f"the last line of all: {daemon.log.lines[-1] == lines[-1]}")

    agree(run_both(space, "probe", "w idle", r"probe: idle", stop=stop))


# --- libraries ----------------------------------------------------------------------------------------------------
@shows({"START-08": r"w\||l\|"})
def test_library_under_another_name(space):
    """A preloaded library is not initialised again in the worker, nor is it when it is named by another path."""
    folder = os.path.join(space.folder, "linked")
    os.mkdir(folder)
    os.symlink(os.path.join(space.module_folders()[1], "probe.so"), os.path.join(folder, "another.so"))
    agree(run_both(space, "probe", f"w idle; l idle library={folder}/another", r"probe: idle",
                   during=lambda d: d.log.wait_for(r"probe: idle", count=2)))


@shows({"LB-06": r"w\|(ERROR|DETAIL)|exited with exit code 1"})
def test_init_raises_in_a_worker(space):
    agree(run_both(space, "probe", "w idle library=probe_process function=probe_process_entry restart=1",
                   r"loaded by a worker", during=lambda d: d.log.wait_for(r"exited with exit code 1", count=2) and None))


@shows({"LB-05": r"w\|ERROR"})
def test_function_of_the_server_itself(space):
    agree(run_both(space, "probe", "w idle library=postgres function=nosuchfunction", EXITED))


# --- standbys ---------------------------------------------------------------------------------------------------
@shows({"START-02": r'process "|ready to accept|observed', "START-03": r"observed"})
def test_standby_and_promotion(space):
    """On a hot standby what may start once it is consistent does; the rest starts when it is promoted, and what runs
    goes on."""
    def during(daemon):
        daemon.log.wait_for(r"\|early\] LOG:  probe: idle")
        early = worker_pid(daemon, "early")
        observe(daemon, f"started later: {daemon.log.count('late.*idle') > 0}")
        daemon.sql("SELECT pg_promote()")
        daemon.log.wait_for(r"\|late\] LOG:  probe: idle")
        observe(daemon, f"the same process through the promotion: {worker_pid(daemon, 'early') == early}")

    agree(run_both(space, "probe", "early idle start=consistent; late idle start=finished", r"late\] LOG:  probe: idle",
                   during=during, standby=True))
