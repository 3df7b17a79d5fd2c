"""What SQL does to a worker's session, its C code sees as in a real server."""

import os
import signal

from compare import agree, run_both
from harness import descendants, title, wait_until

EXITED = r'background worker "w" \(PID \d+\) exited with exit code'


def session(space, action, options="db", **more):
    transcripts = run_both(space, "probe_session", f"w {action} {options}", EXITED, **more)
    agree(transcripts)
    return transcripts


def test_g_16_settings_by_sql(space):
    """SET, RESET, SHOW of the module's variables and of the server's act on the module's C code too."""
    session(space, "settings")


def test_s_17_parameters_of_every_kind(space):
    """OID aliases, enums and domains as parameters; nothing is lost or mistaken under odd date and float settings."""
    session(space, "parameters")


def test_batch(space):
    """A batch has the same effects, counts and errors whether its rows travel together or one by one."""
    session(space, "batch")


def interrupted(space, sig, action="interrupted"):
    def during(daemon):
        daemon.log.wait_for(r"probe: sleeping")
        titles = (f"{'postgres' if daemon.name == 'reference' else 'bgworkerd'}: w",)
        pid = wait_until(lambda: next((pid for pid in descendants(daemon.pid) if title(pid) in titles), None),
                         what="worker w")
        sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(lambda: daemon.sql(sleeps) == "1", what="the statement runs")
        os.kill(pid, sig)

    session(space, action, during=during)


def test_sig_06_sigterm_in_a_statement(space):
    interrupted(space, signal.SIGTERM)


def test_sig_07_die_in_a_statement(space):
    interrupted(space, signal.SIGTERM, "interrupted:die")


def test_sig_08_sigint_in_a_statement(space):
    """The error is caught, and the transaction goes on with what it had."""
    interrupted(space, signal.SIGINT)


def test_statement_timeout_of_the_worker(space):
    """A worker may start the time-outs of a session itself; the statement is cancelled, the transaction goes on."""
    session(space, "timeouts:statement")


def test_lock_timeout_of_the_worker(space):
    session(space, "timeouts:lock")


def test_idle_timeout_of_the_worker(space):
    session(space, "timeouts:idle")


def test_s_20_cursors(space):
    session(space, "cursors")


def test_s_12_errors(space):
    """Errors of every kind have the same fields, context and position, and leave the transaction usable."""
    session(space, "errors")


def test_roles(space):
    """SET ROLE by SQL, kept, local, undone, is what the module's C code sees."""
    session(space, "roles")


def test_catalog(space):
    """Look-ups from C follow what the transaction does and undoes; relations are locked by OID."""
    session(space, "catalog")
