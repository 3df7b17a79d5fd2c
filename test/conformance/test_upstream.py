"""What passes between a worker and the database beside its statements is in the host as in a real server."""

from compare import agree, is_server, run_both
from harness import wait_until
from rows import shows

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def upstream(space, action, options="db", **more):
    transcripts = run_both(space, "probe_upstream", f"w {action} {options}", EXITED, **more)
    agree(transcripts)
    return transcripts


def test_notifications_from_c(space):
    """Async_Notify, Async_Listen and their relatives, and what a worker is told from outside, asleep or in a transaction."""
    def during(daemon):
        daemon.log.wait_for(r"probe: listens$")
        with (daemon if is_server(daemon) else daemon.upstream).session() as client:
            client.sql("DO 'BEGIN PERFORM pg_advisory_lock(4711); END';")
            client.sql('NOTIFY "Probe ""Channel""", \'from outside\';')
            daemon.log.wait_for(r"probe: listens in a transaction")
            wait_until(lambda: daemon.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1", what="the worker waits")
            client.sql("NOTIFY other, 'in a transaction'; DO 'BEGIN PERFORM pg_advisory_unlock(4711); END';")

    said = upstream(space, "notifications", during=during)[1]["w"]
    assert ("INFO", 'NOTIFY for "Probe "Channel"" payload "from outside"') in said


@shows({"LG-10": r"w\|.*told"})
def test_messages_of_every_level(space):
    """Each reaches the log under the worker's name, with its fields, when the worker's log_min_messages lets it."""
    upstream(space, "messages")


def test_recovery_on_a_primary(space):
    upstream(space, "recovery", sql="CREATE SEQUENCE probe_sequence")


def test_recovery_until_a_promotion(space):
    """On a standby, and on the same server after its promotion, which a running worker learns."""
    def during(daemon):
        daemon.log.wait_for(r"probe: waits for the promotion")
        daemon.sql("SELECT pg_promote()")

    # The worker may learn of it, and end, before the postmaster says that all are welcome, or afterwards.
    upstream(space, "recovery:promotion", during=during, standby=True, postmaster=False)
