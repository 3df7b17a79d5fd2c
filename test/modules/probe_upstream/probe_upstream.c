/*
 * probe_upstream: what passes between a worker and the database beside its statements, as notifications sent and
 * received from C, messages of every level, recovery and its end, and what others see that the worker does.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_sql.h"

#include "access/xlog.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_upstream_entry(Datum main_arg);

/* Waits for the latch until `done` says so; half a minute is far more than it takes. */
static bool
wait_for(bool (*done) (void))
{
	TimestampTz deadline = GetCurrentTimestamp() + 30 * USECS_PER_SEC;

	while (!done())
	{
		if (GetCurrentTimestamp() > deadline)
			return false;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/* --- notifications ------------------------------------------------------------------------------------------- */
static const char *const channel = "Probe \"Channel\"";

static void
empty_channel(void)
{
	Async_Notify("", "x");
}

static void
no_channel(void)
{
	Async_Notify(NULL, NULL);
}

static void
long_channel(void)
{
	char		name[NAMEDATALEN + 1];

	memset(name, 'c', NAMEDATALEN);
	name[NAMEDATALEN] = '\0';
	Async_Notify(name, NULL);
}

static void
long_payload(void)
{
	char	   *payload = palloc(8001);

	memset(payload, 'p', 8000);
	payload[8000] = '\0';
	Async_Notify(channel, payload);
}

static void
longest_payload(void)
{
	char	   *payload = palloc(8000);

	memset(payload, 'p', 7999);
	payload[7999] = '\0';
	Async_Notify("nobody", payload);
}

static void
listening(const char *when)
{
	begin();
	outcome(when, SPI_execute("SELECT pg_listening_channels() AS channel ORDER BY 1", true, 0));
	commit();
}

static bool
notified(void)
{
	return notifyInterruptPending;
}

/* Takes in what has come; each shows as a line of level INFO, for want of a client. */
static void
take_in(const char *when)
{
	SAY("%s: %s", when, wait_for(notified) ? "notified" : "nothing came");
	ProcessNotifyInterrupt(false);
	SAY("%s: pending %d", when, notifyInterruptPending);
}

static void
do_notifications(const char *argument)
{
	MemoryContext caller;
	ResourceOwner owner;

	begin();
	probe_attempt("empty channel", empty_channel);
	probe_attempt("no channel", no_channel);
	probe_attempt("long channel", long_channel);
	probe_attempt("long payload", long_payload);
	probe_attempt("longest payload", longest_payload);
	commit();

	/* Undone with the transaction. */
	begin();
	Async_Listen(channel);
	AbortCurrentTransaction();
	listening("after an abort");

	/* From the commit on. */
	begin();
	Async_Listen(channel);
	Async_Listen(channel);
	Async_Listen("other");
	commit();
	listening("after the commit");

	/* What a worker tells itself: each once, in order, without what was rolled back. */
	begin();
	caller = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	Async_Notify(channel, "first");
	Async_Notify(channel, NULL);
	Async_Notify(channel, "first");
	Async_Notify("other", "elsewhere");
	Async_Notify("nobody listens", "lost");
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	Async_Notify(channel, "rolled back");
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	execute("SELECT pg_notify('other', 'by a function')", false, 0);
	execute("NOTIFY other, 'by a statement'", false, 0);
	SAY("before the commit: pending %d", notifyInterruptPending);
	ProcessNotifyInterrupt(false);
	commit();
	take_in("its own");

	begin();
	Async_Notify(channel, "never told");
	AbortCurrentTransaction();
	SAY("after an abort: pending %d", notifyInterruptPending);

	/* From another session, while the worker sleeps. */
	SAY("listens");
	take_in("from outside");

	/* From another session, while the worker is in a transaction: not before its end. */
	begin();
	SAY("listens in a transaction");
	execute("SELECT pg_advisory_xact_lock(4711)", false, 0);
	SAY("in a transaction");
	ProcessNotifyInterrupt(false);
	commit();
	take_in("from outside a transaction");

	begin();
	Async_Unlisten("other");
	Async_Unlisten("never listened");
	commit();
	listening("after unlisten");
	begin();
	Async_Notify("other", "unheard");
	Async_Notify(channel, "heard");
	commit();
	take_in("after unlisten");
	begin();
	Async_UnlistenAll();
	AbortCurrentTransaction();
	listening("after an aborted unlisten");
	begin();
	Async_UnlistenAll();
	commit();
	listening("after unlisten of all");
	begin();
	Async_Notify(channel, "unheard");
	commit();
	SAY("at last: pending %d", notifyInterruptPending);
}

/* --- messages ------------------------------------------------------------------------------------------------- */
static void
do_messages(const char *argument)
{
	begin();
	execute("CREATE FUNCTION probe_tells(level text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
			" CASE level WHEN 'debug' THEN RAISE DEBUG 'told as %', level;"
			" WHEN 'log' THEN RAISE LOG 'told as %', level; WHEN 'info' THEN RAISE INFO 'told as %', level;"
			" WHEN 'notice' THEN RAISE NOTICE 'told as %', level; ELSE RAISE WARNING 'told as %', level"
			" USING ERRCODE = '01P02', DETAIL = 'the detail', HINT = 'the hint'; END CASE; END $$", false, 0);
	for (int i = 0; i < 3; i++)
	{
		static const char *const limits[] = {"debug1", "notice", "error"};

		execute(psprintf("SET log_min_messages = %s", limits[i]), false, 0);
		execute("SELECT probe_tells('log')", true, 0);
		execute("SELECT probe_tells('info')", true, 0);
		execute("SELECT probe_tells('notice')", true, 0);
		execute("SELECT probe_tells('warning')", false, 0);
	}
	execute("SET log_min_messages = notice", false, 0);
	/* Of statements of every way to run them. */
	outcome("with arguments", SPI_execute_with_args("DROP TABLE IF EXISTS probe_nosuch", 0, NULL, NULL, NULL, false, 0));
	outcome("a plan", SPI_execute_plan(SPI_prepare("SELECT probe_tells('notice')", 0, NULL), NULL, NULL, true, 0));
	SPI_cursor_fetch(SPI_cursor_open_with_args("c", "SELECT probe_tells('warning') FROM generate_series(1, 2)", 0, NULL,
											   NULL, NULL, true, 0), true, 1);
	execute("DO $$ BEGIN RAISE NOTICE 'before an error'; PERFORM 1/0; END $$", false, 0);
	execute("CREATE TABLE probe_long (" "a_name_that_is_far_longer_than_the_sixty_three_bytes_that_an_identifier_may_have"
			" int)", false, 0);
	/* At the commit. */
	execute("CREATE TABLE probe_late (i int)", false, 0);
	execute("CREATE FUNCTION probe_late() RETURNS trigger LANGUAGE plpgsql AS "
			"$$ BEGIN RAISE WARNING 'told at the commit'; RETURN NULL; END $$", false, 0);
	execute("CREATE CONSTRAINT TRIGGER probe_late AFTER INSERT ON probe_late DEFERRABLE INITIALLY DEFERRED "
			"FOR EACH ROW EXECUTE FUNCTION probe_late()", false, 0);
	execute("INSERT INTO probe_late VALUES (1)", false, 0);
	commit();
}

/* --- recovery -------------------------------------------------------------------------------------------------- */
static void
needs_primary(void)
{
	PreventCommandDuringRecovery("THIS");
}

static void
needs_to_write(void)
{
	PreventCommandIfReadOnly("THAT");
}

static bool
writes(void)
{
	return !RecoveryInProgress();
}

static void
look_at_recovery(void)
{
	begin();
	SAY("in recovery %d, read only %d, by default %d", RecoveryInProgress(), XactReadOnly, DefaultXactReadOnly);
	execute("SHOW transaction_read_only", false, 0);
	execute("SELECT pg_is_in_recovery()", true, 0);
	execute("CREATE TABLE probe_recovery (i int)", false, 0);
	execute("SELECT nextval('probe_sequence')", false, 0);
	execute("SET LOCAL transaction_read_only = off", false, 0);
	execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", false, 0);
	execute("SET LOCAL transaction_read_only = on", false, 0);
	SAY("read only %d", XactReadOnly);
	execute("CREATE TABLE probe_recovery_too (i int)", false, 0);
	probe_attempt("needs a primary", needs_primary);
	probe_attempt("needs to write", needs_to_write);
	commit();
	SAY("outside: read only %d", XactReadOnly);
	begin();
	attempt_plain("SET LOCAL transaction_read_only = on");
	SAY("set: read only %d", XactReadOnly);
	attempt_plain("SHOW transaction_read_only");
	execute("CREATE TABLE probe_recovery_three (i int)", false, 0);
	commit();
	begin();
	execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", false, 0);
	execute("SET TRANSACTION READ ONLY", false, 0);
	execute("SET TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED", false, 0);
	execute("SET TRANSACTION DEFERRABLE", false, 0);
	commit();
	StartTransactionCommand();
	SPI_connect();
	attempt_plain("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY, DEFERRABLE");
	SAY("set: isolation %d read only %d deferrable %d", XactIsoLevel, XactReadOnly, XactDeferrable);
	attempt_plain("SHOW transaction_isolation");
	execute("SET LOCAL transaction_deferrable TO off", false, 0);
	execute("SET LOCAL transaction_isolation TO serializable", false, 0);
	attempt_plain("SELECT 1");
	attempt_plain("SET TRANSACTION READ ONLY");
	SAY("set: isolation %d read only %d deferrable %d", XactIsoLevel, XactReadOnly, XactDeferrable);
	SPI_finish();
	CommitTransactionCommand();
	begin();
	attempt_plain("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
	SAY("now: isolation %d read only %d, by default %d %d", XactIsoLevel, XactReadOnly, DefaultXactIsoLevel,
		DefaultXactReadOnly);
	commit();
	begin();
	SAY("by default: isolation %d read only %d", XactIsoLevel, XactReadOnly);
	attempt_plain("SHOW transaction_read_only");
	attempt_plain("SHOW transaction_isolation");
	attempt_plain("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE, NOT DEFERRABLE");
	commit();
	begin();
	XactReadOnly = true;
	attempt_plain("SHOW transaction_read_only");
	execute("CREATE TABLE probe_recovery_four (i int)", false, 0);
	commit();
	probe_attempt("outside, needs a primary", needs_primary);
}

static void
do_recovery(const char *argument)
{
	look_at_recovery();
	if (argument)
	{
		SAY("waits for the promotion");
		SAY("%s", wait_for(writes) ? "promoted" : "still in recovery");
		look_at_recovery();
	}
}

/* --- what others see ---------------------------------------------------------------------------------------- */
static bool
never(void)
{
	return false;
}

static bool
signalled(void)
{
	return ConfigReloadPending;
}

static void
show(int step)
{
	SAY("shows %d", step);
	if (!wait_for(signalled))
		elog(ERROR, "nobody looked");
	ConfigReloadPending = false;
}

/* Shows one state after the other, the next when SIGHUP says so. */
static void
do_activity(const char *argument)
{
	char	   *longer = palloc(3001);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	/* A text longer than is kept, of characters of two bytes after one of one. */
	for (int i = 1; i < 3001; i += 2)
		memcpy(longer + i, "\xc3\xa4", 2);
	longer[0] = 'x';
	longer[2999] = '\0';
	pgstat_report_activity(STATE_RUNNING, "counting \"things\"\tand\nmore");
	show(1);
	pgstat_report_activity(STATE_IDLE, NULL);
	show(2);
	pgstat_report_activity(STATE_RUNNING, longer);
	show(3);
	begin();
	pgstat_report_activity(STATE_RUNNING, "a long statement");
	SAY("shows 4");
	execute("SELECT pg_advisory_xact_lock(4712)", false, 0);
	commit();
	pgstat_report_activity(STATE_IDLE, "");
	SAY("shows 5");
	(void) wait_for(never);
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"notifications", do_notifications},
	{"messages", do_messages},
	{"recovery", do_recovery},
	{"activity", do_activity},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_upstream", "probe_upstream_entry");
}

void
probe_upstream_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
