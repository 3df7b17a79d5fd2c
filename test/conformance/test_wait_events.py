"""What a process waits for has the server's names: in `ps` of a host as in pg_stat_activity of a server."""

import json

from compare import agree, is_server, pair, run_both
from harness import wait_until

# worker: (its action, type and name of what it then waits for)
WAITS = {
    "holder": ("hold", "Extension", "Extension"),
    "named": ("exclusive:named", "LWLock", "probe_wait named"),
    "named_share": ("share:named2", "LWLock", "probe_wait named"),
    "registered": ("exclusive:registered", "LWLock", "probe_wait registered"),
    "nameless": ("exclusive:nameless", "LWLock", "extension"),
    "of_the_server": ("or_wait:of_the_server", "LWLock", "ParallelHashJoin"),
    "addin": ("share:addin", "LWLock", "AddinShmemInit"),
    "table": ("table", "LWLock", "probe_wait table"),
    "mq_receive": ("mq_receive", "IPC", "MessageQueueReceive"),
    "mq_send": ("mq_send", "IPC", "MessageQueueSend"),
    "mq_attach": ("mq_attach", "IPC", "MessageQueueInternal"),
    "cv": ("condition_variable", "IPC", "CheckpointDone"),
    "cv_timed": ("condition_variable_timed", "IPC", "ProcSignalBarrier"),
    "barrier": ("barrier", "IPC", "HashBuildElect"),
    "latch": ("latch", "Timeout", "PgSleep"),
    "socket": ("socket", "Client", "ClientRead"),
    "event_set": ("event_set", "Activity", "LogicalLauncherMain"),
    "proc_signal": ("proc_signal", "BufferPin", "BufferPin"),
    "report": ("report", "IO", "DataFileRead"),
    "shutdown": ("shutdown", "IPC", "BgWorkerShutdown"),
}
EXPECTED = {worker: (kind, name) for worker, (_, kind, name) in WAITS.items()}
LOCK_WAITERS = {worker for worker, (kind, _) in EXPECTED.items() if kind == "LWLock"}


def waits(daemon):
    """{worker: (type, name)} of what the probe's workers wait for, as a user reads it."""
    if is_server(daemon):
        text = daemon.sql("SELECT backend_type, coalesce(wait_event_type, ''), coalesce(wait_event, '') FROM pg_stat_activity")
        seen = {worker: (kind, name) for worker, kind, name in (line.split("|") for line in text.splitlines())}
    else:
        rows = json.loads(daemon.control("ps", "--json").stdout)["workers"]
        seen = {row["name"]: (row["wait_event_type"], row["wait_event"]) for row in rows}
    return {worker: seen.get(worker) for worker in WAITS}


def wait_for(daemon, expected):
    seen = {}

    def all_there():
        seen.update(waits(daemon))
        return seen == expected
    try:
        wait_until(all_there, what=f"all workers of the {daemon.name} wait as they should")
    except AssertionError as error:
        differing = {worker: (seen[worker], expected[worker]) for worker in WAITS if seen[worker] != expected[worker]}
        raise AssertionError(f"{error}; seen and expected: {differing}") from None


def test_waits(space):
    """Locks (named, registered and unknown tranches), queues, condition variables, barriers, latches and the rest: while
    they are waited for, and after the locks have been let go."""
    workers = "; ".join(f"{worker} {action} db" for worker, (action, _, _) in WAITS.items())
    settings = {"shared_preload_libraries": "probe_wait", "probe_wait.workers": workers, "max_worker_processes": 40}
    for daemon in pair(space, settings):
        daemon.start()
        wait_for(daemon, EXPECTED)
        if not is_server(daemon):
            text = daemon.control("ps", "--wide").stdout
            for worker, (kind, name) in EXPECTED.items():
                (line,) = [line for line in text.splitlines() if line.startswith(worker + " ")]
                assert f" {kind}/{name} " in line
        daemon.reload()
        wait_for(daemon, EXPECTED | {worker: ("Extension", "Extension") for worker in LOCK_WAITERS})
        for worker in LOCK_WAITERS:
            assert [text for _, text in daemon.log.of(worker)].count("probe: idle") == 1
        assert daemon.log.of("of_the_server")[0] == ("LOG", "probe: acquired: 0")
        daemon.stop()


def test_names(space):
    """pgstat_get_wait_event() and its type, for every number of every class and some beyond."""
    transcripts = run_both(space, "probe_wait", "w names", r'background worker "w" \(PID \d+\) exited with exit code', postmaster=False)
    agree(transcripts)
    assert len(transcripts[1]["w"]) > 1000
