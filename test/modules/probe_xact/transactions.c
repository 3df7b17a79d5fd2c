/*
 * The order of transaction calls, what a transaction leaves behind, its clocks, time limits and locks.
 */
#include "postgres.h"

#include "probe_xact.h"

void
do_begin_twice(const char *argument)
{
	begin();
	probe_attempt("begin again", StartTransactionCommand);
	execute("SELECT 1");
	SAY("in transaction %d", IsTransactionState());
	commit();
	AbortCurrentTransaction();
	SAY("abort of nothing, in transaction %d", IsTransactionState());
}

void
do_commit_none(const char *argument)
{
	CommitTransactionCommand();
	SAY("committed nothing");
}

void
do_misuse(const char *argument)
{
	begin();
	if (strcmp(argument, "release") == 0)
		probe_attempt("release outside", ReleaseCurrentSubTransaction);
	else if (strcmp(argument, "rollback") == 0)
		RollbackAndReleaseCurrentSubTransaction();
	commit();
	if (strcmp(argument, "begin") == 0)
		BeginInternalSubTransaction(NULL);
	SAY("done");
}

/* Leaves, in one way or another, with a transaction open that has written. */
void
do_leave(const char *argument)
{
	begin();
	execute("CREATE TABLE IF NOT EXISTS probe_leave (how text)");
	commit();
	begin();
	execute(psprintf("INSERT INTO probe_leave VALUES ('%s')", argument));
	if (strcmp(argument, "exit0") == 0)
		proc_exit(0);
	if (strcmp(argument, "exit1") == 0)
		proc_exit(1);
	if (strcmp(argument, "error") == 0)
		elog(ERROR, "leaving by ERROR");
	if (strcmp(argument, "term") == 0)
		kill(MyProcPid, SIGTERM);
	SAY("returning");
}

void
do_abort_unblocks(const char *argument)
{
	sigset_t	mask;

	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	SAY("connected: SIGTERM blocked %d", sigismember(&mask, SIGTERM));
	StartTransactionCommand();
	AbortCurrentTransaction();
	sigprocmask(SIG_BLOCK, NULL, &mask);
	SAY("aborted: SIGTERM blocked %d, SIGINT blocked %d", sigismember(&mask, SIGTERM), sigismember(&mask, SIGINT));
}

void
do_contexts(const char *argument)
{
	SAY("outside: %s", CurrentMemoryContext->name);
	StartTransactionCommand();
	SAY("in the transaction: %s", CurrentMemoryContext->name);
	SPI_connect();
	SAY("in SPI: %s", CurrentMemoryContext->name);
	SPI_finish();
	SAY("after SPI: %s", CurrentMemoryContext->name);
	CommitTransactionCommand();
	SAY("outside: %s", CurrentMemoryContext->name);
}

void
do_left_connected(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_left (i int)");
	CommitTransactionCommand();
	SAY("committed");
	begin();
	execute("SELECT count(*) FROM probe_left");
	commit();
}

void
do_partial(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_partial (i int)");
	commit();
	begin();
	execute("INSERT INTO probe_partial VALUES (100)");
	attempt("INSERT INTO probe_partial SELECT 6 / (3 - g) FROM generate_series(1, 5) g");
	execute("INSERT INTO probe_partial VALUES (200)");
	commit();
	begin();
	execute("SELECT count(*) FROM probe_partial WHERE i >= 100");
	SAY("partial rows %s", value_of("SELECT count(*) FROM probe_partial WHERE i < 100"));
	commit();
}

/* What a caught error leaves of its transaction: of one's own level, of a subtransaction, and of what comes after. */
void
do_caught(const char *argument)
{
	MemoryContext caller;
	ResourceOwner owner;

	begin();
	attempt("SELECT 1 / 0");
	execute("CREATE TABLE probe_caught (i int)");
	caller = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	execute("INSERT INTO probe_caught VALUES (1)");
	attempt("INSERT INTO probe_caught SELECT 1 / 0");
	attempt("INSERT INTO probe_caught VALUES (2)");
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	SAY("rows %s", value_of("SELECT count(*) FROM probe_caught"));
	attempt("INSERT INTO probe_caught SELECT 1 / 0");
	attempt("INSERT INTO probe_caught VALUES (3)");
	SPI_finish();
	PopActiveSnapshot();
	probe_attempt("commit", CommitTransactionCommand);
	AbortCurrentTransaction();
	begin();
	SAY("table left %s", value_of("SELECT count(*) FROM pg_class WHERE relname = 'probe_caught'"));
	commit();
}

void
do_export(const char *argument)
{
	begin();
	execute("SELECT 1");
	attempt("SELECT length(pg_export_snapshot()) > 0");
	commit();
}

void
do_clock(const char *argument)
{
	char	   *first;
	char	   *second;
	TimestampTz started;
	TimestampTz again;

	begin();
	first = MemoryContextStrdup(TopMemoryContext, value_of("SELECT now()"));
	started = GetCurrentTransactionStartTimestamp();
	commit();
	pg_usleep(50000);
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	second = value_of("SELECT now()");
	again = GetCurrentTransactionStartTimestamp();
	SAY("now() stands still %d", strcmp(first, second) == 0);
	SAY("the transaction's start stands still %d", started == again);
	commit();
	pg_usleep(1000);
	begin();
	SAY("told of a statement, the transaction's start moves %d", GetCurrentTransactionStartTimestamp() > started);
	commit();
}

void
do_timeouts(const char *argument)
{
	begin();
	execute("SHOW statement_timeout");
	SAY("slept%s", value_of("SELECT pg_sleep(0.4)"));
	pg_usleep(400000);
	execute("SELECT 1");
	commit();
	pg_usleep(400000);
	begin();
	execute("SELECT 2");
	commit();
}

void
do_own_timeout(const char *argument)
{
	begin();
	execute("SELECT set_config('statement_timeout', '100ms', false)");
	commit();
	begin();
	attempt("SELECT pg_sleep(1)");
	AbortCurrentTransaction();
}

/* Holds a lock that the other one waits for. */
void
do_hold(const char *argument)
{
	begin();
	execute("SELECT pg_advisory_lock(4711) IS NULL");
	commit();
	probe_idle(NULL);
}

void
do_lock(const char *argument)
{
	for (;;)
	{
		char	   *got;

		begin();
		got = value_of("SELECT pg_try_advisory_lock(4711)");
		if (got[0] == 't')
			SPI_execute("SELECT pg_advisory_unlock(4711)", false, 0);
		else
		{
			commit();
			break;
		}
		commit();
		pg_usleep(1000);
	}
	begin();
	execute("SET lock_timeout = '100ms'");
	commit();
	begin();
	attempt("SELECT pg_advisory_lock(4711)");
	AbortCurrentTransaction();
}

void
do_session(const char *argument)
{
	begin();
	execute("SET work_mem = '7MB'");
	execute("CREATE TEMP TABLE probe_lasting (i int)");
	execute("PREPARE lasting AS SELECT 17");
	commit();
	begin();
	execute("SET work_mem = '8MB'");
	execute("SHOW work_mem");
	AbortCurrentTransaction();
	begin();
	execute("SHOW work_mem");
	execute("SELECT count(*) FROM probe_lasting");
	execute("EXECUTE lasting");
	commit();
	begin();
	execute("SET LOCAL work_mem = '9MB'");
	commit();
	begin();
	execute("SHOW work_mem");
	commit();
}

void
do_no_transaction(const char *argument)
{
	SAY("connect %d", SPI_connect());
	execute("SELECT 1");
	SAY("executed");
}
