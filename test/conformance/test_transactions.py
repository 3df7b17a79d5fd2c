"""Transactions, cursors, plans and settings through SPI at their edges: the same in the host, or different as listed."""

import os
import signal

import pytest
from compare import agree, is_server, observe, run_both
from harness import wait_until
from rows import differs, shows
from test_lifecycle import EXITED, worker_pid

MODULE = "probe_xact"


def run(space, action, options="db", until=EXITED, **more):
    agree(run_both(space, MODULE, f"w {action} {options}", until, **more))


# --- transactions -----------------------------------------------------------------------------------------------
@shows({"X-01": r"begin again|abort of nothing|in transaction"})
def test_begin_twice(space):
    run(space, "begin_twice")


@shows({"X-01": r"w\|FATAL|exited with exit code 1"})
def test_commit_none(space):
    run(space, "commit_none")


def left_open(space, how):
    def during(daemon):
        daemon.log.wait_for(EXITED)
        observe(daemon, f"rows {daemon.sql('SELECT count(*) FROM probe_leave')}")

    run(space, f"leave:{how}", during=during)


@shows({"X-02": r"observed|exited"})
def test_return_with_open_transaction(space):
    left_open(space, "return")


@shows({"X-02": r"observed|exited"})
def test_exit_with_open_transaction(space):
    left_open(space, "exit0")


@shows({"X-02": r"observed|exited"})
def test_exit_1_with_open_transaction(space):
    left_open(space, "exit1")


@shows({"X-02": r"observed|exited"})
def test_error_with_open_transaction(space):
    left_open(space, "error")


@shows({"X-02": r"observed|exited"})
def test_terminated_with_open_transaction(space):
    left_open(space, "term")


@shows({"X-05": r"release outside"})
def test_release_outside(space):
    run(space, "misuse:release")


@shows({"X-05": r"w\|FATAL"})
def test_rollback_outside(space):
    run(space, "misuse:rollback")


@shows({"X-05": r"w\|FATAL"})
def test_begin_outside(space):
    run(space, "misuse:begin")


@shows({"SIG-05": r"aborted", "SIG-03": r"connected"})
def test_abort_unblocks(space):
    run(space, "abort_unblocks", "flag")


@shows({"X-10": r"outside|in the transaction|in SPI|after SPI"})
def test_memory_contexts(space):
    run(space, "contexts")


@shows({"X-10": r"WARNING|HINT|committed"})
def test_left_connected(space):
    run(space, "left_connected")


@shows({"X-04": r"i >= 100|  0\.1|200"})
@differs("X-04a", r"partial rows|still active")
def test_partial_rows(space):
    run(space, "partial")


@shows({"X-04": r"probe_caught|rows 0|commit|table left"})
def test_caught_error(space):
    run(space, "caught")


@shows({"X-04": r"division by zero|rows 0"})
@differs("X-04c", r"VALUES \([23]\)|commit|table left|without waiting|  0\.|still active|WARNING")
def test_caught_error_without_savepoints(space):
    run(space, "caught", settings={"bgworkerd.statement_savepoints": "off"})


@shows({"X-04": r"SELECT 1 ->"})
@differs("X-04b", r"export_snapshot|  0\.1 = t|finish")
def test_exported_snapshot(space):
    run(space, "export")


@shows({"X-07": r"transaction's start"})
@differs("X-07", r"now\(\) stands still")
def test_clock(space):
    run(space, "clock")


TIMEOUTS = ("ALTER DATABASE postgres SET statement_timeout = '200ms'; "
            "ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '200ms'; "
            "ALTER DATABASE postgres SET idle_session_timeout = '200ms'")


@shows({"X-08": r"slept|SELECT [12]"})
@differs("X-08b", r"SHOW statement_timeout|0\.1 = (200ms|0)$")
def test_timeouts_of_the_database(space):
    run(space, "timeouts", sql=TIMEOUTS)


@differs("X-08a", r"pg_sleep|0\.1 = $")
def test_timeout_of_its_own(space):
    run(space, "own_timeout")


@shows({"X-08": r"w\|LOG"})
def test_lock_timeout(space):
    agree(run_both(space, MODULE, "w lock db; h hold db", EXITED, apart=True))


@shows({"X-09": r"w\|LOG"})
def test_session_state(space):
    run(space, "session")


@differs("X-11", r"\|")
def test_spi_without_a_transaction(space):
    run(space, "no_transaction", until=r'worker "w" \(PID \d+\) (exited|was terminated)', crash=True,
        stop=lambda d: (d.process.kill(), d.wait_exit()), allowed=["."])


@shows({"G-16": r"variable|after|local", "G-08": r"nosuch"})
def test_set_of_a_module_setting(space):
    run(space, "set_module")


# --- SPI ----------------------------------------------------------------------------------------------------------
@shows({"S-01": r"levels|one too many"})
def test_levels(space):
    run(space, "levels")


@shows({"S-03": r"w\|LOG"})
def test_no_snapshot(space):
    run(space, "no_snapshot")


@shows({"S-07": r"SELECT count|0\.1"})
@differs("S-07", r"ruled out")
def test_ruled_out(space):
    run(space, "rule")


@shows({"S-09": r"not reached"})
@differs("S-09a", r"returning ->|  [0-3]\.1 = [1-4]$|reached: |rows there")
def test_limit_of_returning(space):
    run(space, "limit_returning")


@shows({"S-09": r"w\|LOG"})
def test_limits(space):
    run(space, "limits")


@shows({"S-11": r"SELECT count|0\.1"})
@differs("S-11", r"read only sees")
def test_snapshot_of_read_only(space):
    run(space, "snapshot")


@differs("S-12", r"commit: |WARNING|DETAIL|CONTEXT")
def test_failed_commit_of_read_only(space):
    run(space, "deferred_in_read_only")


@shows({"S-13": r"cannot be executed from a function"})
def test_only_outside_a_function(space):
    run(space, "only_outside")


@shows({"S-15": r"w\|"})
def test_free_twice(space):
    run(space, "free_twice")


@differs("S-16a", r"built|w\|ERROR|w\|HINT|w\|DETAIL|exited with|unregistering")
def test_value_that_cannot_be_built(space):
    run(space, "extension_value")


@shows({"S-16": r"built|  0\.1"})
def test_record_is_built(space):
    run(space, "record")


@shows({"S-16": r"found|built|  0\.1"})
def test_name_that_several_functions_have(space):
    run(space, "ambiguous")


@differs("S-17b", r"hooks|hooked|snapshot|  0\.1")
def test_plans_with_hooks(space):
    run(space, "executor")


@shows({"S-16": r"w\|LOG: probe: SELECT|  0\.1"})
@differs("S-16b", r"type of the domain")
def test_domain(space):
    run(space, "domain")


@shows({"S-17": r"parameter|cube|  0\.1"})
def test_parameter_of_an_extension_type(space):
    run(space, "parameter")


@differs("S-17a", r"parameter|record|  0\.1")
def test_record_that_cannot_be_sent(space):
    run(space, "record_parameter")


@shows({"S-20": r"with names"})
@differs("S-20a", r"portals seen")
def test_own_portal(space):
    run(space, "own_portal")


@shows({"G-16": r"SHOW|  0\.1"})
@differs("G-16a", r"current_setting ")
def test_current_setting_of_a_module_setting(space):
    run(space, "current_setting")


@shows({"G-16": r"SET|SELECT|  0\.1"})
@differs("G-16b", r"cast ")
def test_date_style(space):
    run(space, "date_style")


@shows({"S-17": r"parse error|argument type|null value", "S-18": r"keep|kept|saved", "S-19": r"several"})
def test_plans(space):
    run(space, "plans")


@shows({"S-20": r"w\|LOG"})
def test_cursors(space):
    run(space, "cursors")


@shows({"S-20": r"FETCH 1"})
@differs("S-20b", r"after the commit")
def test_cursor_with_hold(space):
    run(space, "hold_cursor")


@shows({"S-21": r"w\|LOG"})
def test_transactions_of_spi(space):
    run(space, "nonatomic")


@shows({"S-22": r"w\|LOG"})
def test_spi_memory(space):
    run(space, "memory")


# --- signals and SPI ---------------------------------------------------------------------------------------------
def sleeping(space, action, sig, statements_left=0):
    def during(daemon):
        daemon.log.wait_for(r"probe: sleeping")
        running = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' OR wait_event = 'PgSleep'"
        wait_until(lambda: daemon.sql(running) != "0", what="the statement runs")
        os.kill(worker_pid(daemon, "w"), sig)
        daemon.log.wait_for(EXITED)
        wait_until(lambda: daemon.sql(running) == "0", what="the statement is cancelled")
        observe(daemon, "the statement has ended")

    run(space, action, during=during)


@shows({"SIG-06": r"w\||exited with exit code 1|observed"})
def test_sigterm_in_a_statement(space):
    sleeping(space, "sleep", signal.SIGTERM)


@shows({"SIG-07": r"w\||exited with exit code 1|observed"})
def test_sigterm_with_die_in_a_statement(space):
    sleeping(space, "sleep:die", signal.SIGTERM)


@shows({"SIG-08": r"w\||exited with exit code 1|observed"})
def test_sigint_in_a_statement(space):
    sleeping(space, "sleep", signal.SIGINT)


@differs("SIG-06", r"rows|w\|CONTEXT")
def test_sigterm_during_commit(space):
    def during(daemon):
        worker = worker_pid(daemon, "w")
        daemon.log.wait_for(r"probe: committing")
        dawdling = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_until(lambda: daemon.sql(dawdling) != "0", what="the commit runs")
        os.kill(worker, signal.SIGTERM)
        daemon.log.wait_for(EXITED)
        wait_until(lambda: daemon.sql(dawdling) == "0", what="the commit ends")
        observe(daemon, f"rows {daemon.sql('SELECT count(*) FROM probe_slow')}")

    run(space, "slow_commit", during=during)


# --- connections ---------------------------------------------------------------------------------------------------
@shows({"C-01": r"w\|FATAL|exited with exit code 1"})
def test_connect_without_the_flag(space):
    run(space, "connect:postgres", "")


@shows({"C-02": r"w\|FATAL|exited with exit code 1|starting"})
def test_missing_database_is_tried_again(space):
    run(space, "connect:nosuchdb", "flag restart=1", r"does not exist",
        during=lambda d: d.log.wait_for(r"exited with exit code 1", count=2) and None)


@shows({"C-03": r"w\|FATAL"})
def test_missing_role_before_database(space):
    run(space, "connect:nosuchdb/nosuchrole", "flag")


@shows({"C-03": r"w\|FATAL"})
def test_missing_role_by_oid(space):
    run(space, "connect_oid:5/99", "flag")


@shows({"C-04": r"w\|FATAL"})
def test_role_without_login(space):
    run(space, "connect:postgres/nologin", "flag", sql="CREATE ROLE nologin")


@shows({"C-05": r"w\|FATAL"})
def test_no_privilege(space):
    run(space, "connect:closed/common", "flag",
        sql="CREATE ROLE common LOGIN; SELECT 1; REVOKE CONNECT ON DATABASE template1 FROM public; "
            "UPDATE pg_database SET datname = 'closed' WHERE datname = 'template1'")


@differs("C-05", r"w\||exited|unregistering")
def test_bypass(space):
    run(space, "connect:template0//1", "flag")


@differs("C-06", r"w\||exited|unregistering")
def test_connection_limit(space):
    run(space, "connect:limited/common", "flag", user="common",
        sql="CREATE ROLE common LOGIN; UPDATE pg_database SET datname = 'limited', datconnlimit = 0 "
            "WHERE datname = 'template1'")


@shows({"C-07": r"w\|LOG"})
def test_default_role(space):
    run(space, "connect:postgres", "flag")


@differs("C-07", r"0\.[12] = |user ")
def test_default_role_is_that_of_the_upstream(space):
    run(space, "connect:postgres", "flag", sql="CREATE ROLE another LOGIN", user="another")


@shows({"C-08": r"connected|w\|FATAL"})
def test_no_database(space):
    run(space, "connect:", "flag")


@shows({"C-09": r"w\|(LOG|ERROR)"})
@differs("C-09", r"postmaster\||observed")
def test_connect_twice(space):
    agree(run_both(space, "probe", "w connect_twice flag", r'worker "w" \(PID \d+\) (exited|was terminated)', crash=True,
                   stop=lambda d: (d.process.kill(), d.wait_exit()), allowed=["."]))


@shows({"C-10": r"SHOW|SELECT|0\.1"})
@differs("C-10", r"application name|backend type")
def test_session_defaults(space):
    run(space, "session_defaults:common", "flag",
        sql="CREATE ROLE common LOGIN; ALTER ROLE common SET work_mem = '9MB'; "
            "ALTER DATABASE postgres SET search_path = 'public, pg_temp'")


# --- what the upstream's log has -----------------------------------------------------------------------------------
@shows({"LG-10": r"w\|"})
@differs("LG-10", r"observed")
def test_statements_in_the_log(space):
    """Statements of SPI are not logged by the settings of a server; those of a session are."""
    def during(daemon):
        daemon.log.wait_for(EXITED)
        logged = r"(statement|execute [^:]*): .*pg_advisory_unlock_all"
        if not is_server(daemon):
            daemon.upstream.log.wait_for(logged)
        log = daemon.log if is_server(daemon) else daemon.upstream.log
        observe(daemon, f"statements are logged: {log.count(logged) > 0}")

    run(space, "logged", during=during, sql="ALTER DATABASE postgres SET log_statement = 'all'")


# --- smart shutdown while somebody is connected -------------------------------------------------------------------
@differs("SD-01", r"worker has ended|w\|")
def test_smart_shutdown_with_a_client(space):
    """A server waits for its clients; those of the upstream are no clients of the host."""
    def stop(daemon):
        server = daemon if is_server(daemon) else daemon.upstream
        with server.session():
            daemon.send(signal.SIGTERM)
            daemon.log.wait_for(r"received smart shutdown request")
            if is_server(daemon):  # one more round of its loop: a new client is refused
                with pytest.raises(AssertionError, match="shutting down"):
                    server.sql("SELECT 1")
            else:
                daemon.wait_exit()
            observe(daemon, f"the worker has ended before the client: {daemon.log.count('terminating background') > 0}")
        daemon.wait_exit()

    agree(run_both(space, "probe", "w idle", r"probe: idle", stop=stop))
