/*
 * probe_xact: transactions, cursors, plans, connections and settings through SPI where they are used at their edges: out
 * of order, twice, without what they need, and where a remote session is known to be different.
 */
#include "postgres.h"

#include "probe_common.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "parser/parse_node.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_xact_entry(Datum main_arg);

static int	a_number;

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
outcome(const char *what, int result)
{
	SAY("%s -> %d processed " UINT64_FORMAT " table %s", what, result, SPI_processed, SPI_tuptable ? "yes" : "no");
	if (SPI_tuptable)
		for (uint64 row = 0; row < SPI_tuptable->numvals && row < 20; row++)
			for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
			{
				char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

				SAY("  " UINT64_FORMAT ".%d = %s", row, column, value ? value : "NULL");
			}
}

static void
execute(const char *statement)
{
	outcome(statement, SPI_execute(statement, false, 0));
}

/* Runs a statement and catches its error, without a subtransaction. */
static const char *attempted;

static void
run_attempted(void)
{
	execute(attempted);
}

static void
attempt(const char *statement)
{
	attempted = statement;
	probe_attempt(statement, run_attempted);
}

/* One value as text, of a statement that gives one. */
static char *
value_of(const char *statement)
{
	if (SPI_execute(statement, false, 0) != SPI_OK_SELECT && SPI_tuptable == NULL)
		elog(ERROR, "no result of %s", statement);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* --- the order of transaction calls ----------------------------------------------------------------------- */
static void
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

static void
do_commit_none(const char *argument)
{
	CommitTransactionCommand();
	SAY("committed nothing");
}

static void
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
static void
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

static void
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

static void
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

static void
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

static void
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
static void
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

static void
do_export(const char *argument)
{
	begin();
	execute("SELECT 1");
	attempt("SELECT length(pg_export_snapshot()) > 0");
	commit();
}

static void
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

static void
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

static void
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
static void
do_hold(const char *argument)
{
	begin();
	execute("SELECT pg_advisory_lock(4711) IS NULL");
	commit();
	probe_idle(NULL);
}

static void
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

static void
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

static void
do_no_transaction(const char *argument)
{
	SAY("connect %d", SPI_connect());
	execute("SELECT 1");
	SAY("executed");
}

/* --- settings -------------------------------------------------------------------------------------------------- */
static void
do_set_module(const char *argument)
{
	begin();
	execute("SET probe_xact.number = 5");
	SAY("the variable %d", a_number);
	execute("SHOW probe_xact.number");
	attempt("SET probe_xact.nosuch = 5");
	attempt("SET probe_xact.number = 'x'");
	AbortCurrentTransaction();
	begin();
	SAY("after an abort %d", a_number);
	execute("SET LOCAL probe_xact.number = 6");
	SAY("local %d", a_number);
	commit();
	SAY("after the commit %d", a_number);
}

static void
do_wait_for_reload(const char *argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	SAY("number %d", a_number);
	probe_idle(NULL);
}

static void
do_number_and_leave(const char *argument)
{
	SAY("late number %d", a_number);
	proc_exit(1);
}

/* --- SPI at its edges --------------------------------------------------------------------------------------------- */
static void
do_no_snapshot(const char *argument)
{
	StartTransactionCommand();
	SPI_connect();
	attempt("SELECT 1");
	AbortCurrentTransaction();
	StartTransactionCommand();
	SPI_connect();
	execute("SET work_mem = '5MB'");
	execute("SHOW work_mem");
	execute("NOTIFY probe_channel");
	execute("UNLISTEN probe_channel");
	execute("SET CONSTRAINTS ALL IMMEDIATE");
	SPI_finish();
	CommitTransactionCommand();
}

static void
do_only_outside(const char *argument)
{
	begin();
	attempt("VACUUM");
	AbortCurrentTransaction();
	begin();
	attempt("CREATE DATABASE probe_db");
	AbortCurrentTransaction();
}

static void
do_rule(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_ruled (i int); CREATE RULE nothing AS ON INSERT TO probe_ruled DO INSTEAD NOTHING");
	commit();
	begin();
	SAY("ruled out: code %d", SPI_execute("INSERT INTO probe_ruled VALUES (1)", false, 0));
	execute("SELECT count(*) FROM probe_ruled");
	commit();
}

static void
run_returning(void)
{
	outcome("returning", SPI_execute("INSERT INTO probe_limited SELECT g FROM generate_series(1, 10) g RETURNING i",
									 false, 4));
}

static void
do_limit_returning(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_limited (i int)");
	commit();
	begin();
	outcome("not reached", SPI_execute("INSERT INTO probe_limited VALUES (0) RETURNING i", false, 4));
	probe_attempt("reached", run_returning);
	SAY("rows there: %s", value_of("SELECT count(*) FROM probe_limited"));
	AbortCurrentTransaction();
}

static void
do_limits(const char *argument)
{
	begin();
	execute("CREATE TEMP TABLE probe_limits (i int)");
	outcome("select", SPI_execute("SELECT generate_series(1, 10)", false, 4));
	outcome("insert", SPI_execute("INSERT INTO probe_limits SELECT generate_series(1, 10)", false, 4));
	execute("SELECT count(*) FROM probe_limits");
	outcome("in a cursor's way", SPI_execute("SELECT generate_series(1, 10)", true, 1));
	commit();
}

static void
do_snapshot(const char *argument)
{
	begin();
	execute("CREATE TEMP TABLE probe_seen (i int)");
	commit();
	begin();
	execute("INSERT INTO probe_seen VALUES (1)");
	SAY("read only sees %s",
		SPI_execute("SELECT count(*) FROM probe_seen", true, 0) == SPI_OK_SELECT ?
		SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : "nothing");
	execute("SELECT count(*) FROM probe_seen");
	commit();
}

static void
do_deferred_in_read_only(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_late (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
	execute("CREATE FUNCTION probe_write() RETURNS int LANGUAGE sql VOLATILE AS "
			"'INSERT INTO probe_late VALUES (1), (1); SELECT 1'");
	commit();
	begin();
	outcome("call", SPI_execute("SELECT probe_write()", true, 0));
	SPI_finish();
	PopActiveSnapshot();
	probe_attempt("commit", CommitTransactionCommand);
	if (IsTransactionState())
		AbortCurrentTransaction();
	begin();
	execute("SELECT count(*) FROM probe_late");
	commit();
}

static void
do_free_twice(const char *argument)
{
	SPITupleTable *outer;

	begin();
	execute("SELECT 1");
	outer = SPI_tuptable;
	SPI_connect();
	SPI_freetuptable(outer);
	SPI_finish();
	SAY("still there %s", SPI_getvalue(outer->vals[0], outer->tupdesc, 1));
	execute("SELECT 2");
	SPI_freetuptable(outer);
	SAY("current %s", SPI_tuptable ? "set" : "null");
	SPI_freetuptable(SPI_tuptable);
	SAY("current %s processed " UINT64_FORMAT, SPI_tuptable ? "set" : "null", SPI_processed);
	commit();
}

/* A value of a type that only an extension knows, and the type's OID. */
static void
execute_cube(void)
{
	execute("CREATE EXTENSION IF NOT EXISTS cube");
	execute("SELECT '(1,2)'::cube");
}

static void
do_extension_value(const char *argument)
{
	bool		isnull;

	begin();
	execute_cube();
	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SAY("built, null %d", isnull);
	commit();
}

/* An anonymous row. */
static void
do_record(const char *argument)
{
	bool		isnull;

	begin();
	execute("SELECT ROW(1, 'a', NULL)");
	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	SAY("built, null %d", isnull);
	commit();
}

/* The upstream prints a function as a name that others have, too. */
static void
do_ambiguous(const char *argument)
{
	bool		isnull;

	begin();
	execute("SELECT 'now'::regproc, 'abs(int4)'::regprocedure, 'abs(int4)'::regprocedure::regproc");
	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	SAY("found, null %d", isnull);
	(void) SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull);
	SAY("built, null %d", isnull);
	commit();
}

static void
do_domain(const char *argument)
{
	begin();
	execute("CREATE DOMAIN probe_domain AS int");
	execute("SELECT 5::probe_domain");
	SAY("type of the domain %s", SPI_gettype(SPI_tuptable->tupdesc, 1));
	commit();
}

static void
run_extension_parameter(void)
{
	Oid			types[1];
	Datum		values[1];
	bool		isnull;

	execute_cube();
	types[0] = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
	values[0] = heap_getattr(SPI_tuptable->vals[0], 1, SPI_tuptable->tupdesc, &isnull);
	outcome("cube", SPI_execute_with_args("SELECT $1", 1, types, values, NULL, true, 0));
}

static void
run_record_parameter(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1);
	Oid			types[1] = {RECORDOID};
	Datum		values[1] = {Int32GetDatum(7)};
	bool		nulls[1] = {false};

	TupleDescInitEntry(desc, 1, "a", INT4OID, -1, 0);
	BlessTupleDesc(desc);
	values[0] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	outcome("record", SPI_execute_with_args("SELECT $1", 1, types, values, NULL, true, 0));
}

static void
do_record_parameter(const char *argument)
{
	begin();
	probe_attempt("parameter", run_record_parameter);
	AbortCurrentTransaction();
}

static void
do_parameter(const char *argument)
{
	begin();
	probe_attempt("parameter", run_extension_parameter);
	AbortCurrentTransaction();
}

static void
do_own_portal(const char *argument)
{
	begin();
	SAY("portals seen %s", value_of("SELECT count(*) FROM pg_cursors"));
	SAY("with names %s", value_of("SELECT count(*) FROM pg_cursors WHERE name <> ''"));
	commit();
}

static void
do_current_setting(const char *argument)
{
	char	   *value;

	begin();
	execute("SHOW probe_xact.number");
	value = value_of("SELECT current_setting('probe_xact.number', true)");
	SAY("current_setting %s", value ? value : "null");
	commit();
}

static void
do_date_style(const char *argument)
{
	begin();
	execute("SET DateStyle = 'German'");
	execute("SELECT '2024-01-02'::date");
	SAY("cast %s", value_of("SELECT '2024-01-02'::date::text"));
	commit();
}

static void
no_variables(ParseState *state, void *argument)
{
}

static void
run_hooked(void)
{
	SPIPlanPtr	plan = SPI_prepare_params("SELECT 1", no_variables, NULL, 0);

	SAY("hooked plan %s", plan ? "made" : "null");
}

static void
run_snapshot_execute(void)
{
	SPIPlanPtr	plan = SPI_prepare("SELECT 1", 0, NULL);

	outcome("with a snapshot", SPI_execute_snapshot(plan, NULL, NULL, GetActiveSnapshot(), InvalidSnapshot, true, false,
													0));
}

static void
do_executor(const char *argument)
{
	begin();
	probe_attempt("hooks", run_hooked);
	probe_attempt("snapshot", run_snapshot_execute);
	AbortCurrentTransaction();
}

static void
run_bad_prepare(void)
{
	SPI_prepare("SELEC 1", 0, NULL);
}

static SPIPlanPtr kept;

static void
do_plans(const char *argument)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(4)};
	SPIPlanPtr	plan;

	begin();
	probe_attempt("parse error", run_bad_prepare);
	AbortCurrentTransaction();
	begin();
	plan = SPI_prepare("SELECT $1 + 1", 1, types);
	SAY("argument type %u of %d, cursor plan %d", SPI_getargtypeid(plan, 0), SPI_getargcount(plan),
		SPI_is_cursor_plan(plan));
	SAY("keep %d, again %d", SPI_keepplan(plan), SPI_keepplan(plan));
	kept = plan;
	plan = SPI_saveplan(SPI_prepare("SELECT $1 + 2", 1, types));
	SAY("saved %s", plan ? "plan" : "null");
	commit();
	begin();
	outcome("kept", SPI_execute_plan(kept, values, NULL, true, 0));
	outcome("saved", SPI_execute_plan(plan, values, NULL, true, 0));
	outcome("null value", SPI_execute_plan(kept, values, "n", true, 0));
	commit();
	begin();
	outcome("several", SPI_execute_with_args("CREATE TEMP TABLE probe_several AS SELECT 1 AS i; SELECT i + $1 FROM probe_several",
											 1, types, values, NULL, false, 0));
	outcome("free", SPI_freeplan(kept));
	commit();
}

static Portal portal;

static void
run_open_insert(void)
{
	SPIPlanPtr	plan = SPI_prepare("INSERT INTO pg_catalog.pg_class DEFAULT VALUES", 0, NULL);

	SPI_cursor_open("inserting", plan, NULL, NULL, false);
}

static void
run_open_two(void)
{
	SPIPlanPtr	plan = SPI_prepare("SELECT 1; SELECT 2", 0, NULL);

	SPI_cursor_open("two", plan, NULL, NULL, false);
}

static void
run_open_again(void)
{
	SPIPlanPtr	plan = SPI_prepare("SELECT 1", 0, NULL);

	SPI_cursor_open("probe_cursor", plan, NULL, NULL, false);
}

static void
run_fetch_nothing(void)
{
	SPI_cursor_fetch(NULL, true, 1);
}

static void
do_cursors(const char *argument)
{
	SPIPlanPtr	plan;

	begin();
	plan = SPI_prepare("SELECT generate_series(1, 5)", 0, NULL);
	portal = SPI_cursor_open("probe_cursor", plan, NULL, NULL, true);
	SAY("cursor %s, name %s", portal ? "open" : "null", portal->name);
	SPI_cursor_fetch(portal, true, 2);
	outcome("two", 0);
	SPI_cursor_move(portal, true, 1);
	outcome("moved", 0);
	SPI_cursor_fetch(portal, true, 10);
	outcome("rest", 0);
	SPI_cursor_fetch(portal, true, 10);
	outcome("at the end", 0);
	SAY("found %d, unknown %s", SPI_cursor_find("probe_cursor") == portal, SPI_cursor_find("nosuch") ? "found" : "null");
	probe_attempt("name taken", run_open_again);
	SPI_cursor_close(portal);
	SAY("closed, found %s", SPI_cursor_find("probe_cursor") ? "still" : "null");
	commit();
	begin();
	probe_attempt("two statements", run_open_two);
	AbortCurrentTransaction();
	begin();
	probe_attempt("insert", run_open_insert);
	AbortCurrentTransaction();
	begin();
	probe_attempt("no portal", run_fetch_nothing);
	AbortCurrentTransaction();
	begin();
	portal = SPI_cursor_open_with_args("with_args", "SELECT $1 * 2", 1, (Oid[]) {INT4OID},
									   (Datum[]) {Int32GetDatum(21)}, NULL, true, 0);
	SPI_cursor_fetch(portal, true, 1);
	outcome("with arguments", 0);
	commit();
}

static void
do_hold_cursor(const char *argument)
{
	begin();
	execute("DECLARE held CURSOR WITH HOLD FOR SELECT 1");
	SAY("inside: declared");
	commit();
	begin();
	SAY("after the commit: found %d", SPI_cursor_find("held") != NULL);
	execute("FETCH 1 FROM held");
	commit();
}

static void
run_commit(void)
{
	SPI_commit();
}

static void
run_rollback(void)
{
	SPI_rollback();
}

static void
do_nonatomic(const char *argument)
{
	StartTransactionCommand();
	SAY("connect %d", SPI_connect_ext(SPI_OPT_NONATOMIC));
	execute("CREATE TABLE probe_nonatomic (i int)");
	SPI_commit();
	SAY("committed, in transaction %d", IsTransactionState());
	execute("INSERT INTO probe_nonatomic VALUES (1)");
	SPI_rollback();
	execute("INSERT INTO probe_nonatomic VALUES (2)");
	SPI_commit_and_chain();
	execute("SELECT i FROM probe_nonatomic");
	SAY("finish %d", SPI_finish());
	CommitTransactionCommand();
	begin();
	probe_attempt("commit", run_commit);
	AbortCurrentTransaction();
	begin();
	probe_attempt("rollback", run_rollback);
	AbortCurrentTransaction();
}

static void
run_palloc(void)
{
	SPI_palloc(10);
}

static void
do_memory(const char *argument)
{
	MemoryContext outer;
	char	   *block;
	HeapTuple	copy;
	TupleDesc	desc;

	probe_attempt("palloc unconnected", run_palloc);
	SAY("copytuple unconnected %s", SPI_copytuple(NULL) ? "tuple" : "null");
	SAY("result %d", SPI_result);
	StartTransactionCommand();
	outer = CurrentMemoryContext;
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	block = SPI_palloc(16);
	SAY("palloc in the outer context %d", GetMemoryChunkContext(block) == outer);
	execute("SELECT 5");
	copy = SPI_copytuple(SPI_tuptable->vals[0]);
	SAY("copy in the outer context %d", GetMemoryChunkContext(copy) == outer);
	MemoryContextSwitchTo(outer);
	desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	SPI_finish();
	strcpy(block, "still mine");
	SAY("%s, %u columns", block, HeapTupleHeaderGetNatts(copy->t_data));
	SAY("of %d", desc->natts);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
do_levels(const char *argument)
{
	int			depth = 40;

	StartTransactionCommand();
	for (int i = 0; i < depth; i++)
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "not connected");
	SAY("%d levels", depth);
	for (int i = 0; i < depth; i++)
		if (SPI_finish() != SPI_OK_FINISH)
			elog(ERROR, "not finished");
	SAY("one too many %d", SPI_finish());
	CommitTransactionCommand();
}

static void
do_logged(const char *argument)
{
	begin();
	SPI_execute("SELECT pg_advisory_unlock_all()", false, 0);
	SPI_execute("DO $$ BEGIN RAISE WARNING 'shown'; RAISE NOTICE 'hidden'; END $$", false, 0);
	commit();
}

/* Waits inside a statement until a signal ends it. */
static void
do_sleep(const char *argument)
{
	if (argument && strcmp(argument, "die") == 0)
		pqsignal(SIGTERM, die);
	begin();
	SAY("sleeping");
	PG_TRY();
	{
		SPI_execute("SELECT pg_sleep(60)", false, 0);
		SAY("slept");
	}
	PG_CATCH();
	{
		SAY("caught");
		PG_RE_THROW();
	}
	PG_END_TRY();
	commit();
}

/* The commit itself takes a while, in a deferred trigger. */
static void
do_slow_commit(const char *argument)
{
	begin();
	execute("CREATE TABLE probe_slow (i int)");
	execute("CREATE FUNCTION probe_dawdle() RETURNS trigger LANGUAGE plpgsql AS "
			"'BEGIN PERFORM pg_sleep(5); RETURN NULL; END'");
	execute("CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON probe_slow DEFERRABLE INITIALLY DEFERRED "
			"FOR EACH ROW EXECUTE FUNCTION probe_dawdle()");
	commit();
	begin();
	execute("INSERT INTO probe_slow VALUES (1)");
	SAY("committing");
	commit();
	SAY("committed");
}

/* --- connections ------------------------------------------------------------------------------------------------- */

/* The argument is DATABASE/USER/FLAGS, each possibly empty. */
static void
do_connect(const char *argument)
{
	char	   *database = pstrdup(argument);
	char	   *user = strchr(database, '/');
	char	   *flags = NULL;

	BackgroundWorkerUnblockSignals();
	if (user)
	{
		*user++ = '\0';
		flags = strchr(user, '/');
		if (flags)
			*flags++ = '\0';
	}
	PG_TRY();
	{
		BackgroundWorkerInitializeConnection(database[0] ? database : NULL, user && user[0] ? user : NULL,
											 flags ? atoi(flags) : 0);
	}
	PG_CATCH();
	{
		SAY("caught");
		PG_RE_THROW();
	}
	PG_END_TRY();
	SAY("connected, database %s", OidIsValid(MyDatabaseId) ? "valid" : "0");
	begin();
	execute("SELECT current_user, session_user");
	SAY("user %s", GetUserId() == 10 ? "10" : "another");
	commit();
}

static void
do_connect_oid(const char *argument)
{
	char	   *user = strchr(argument, '/');

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(atoi(argument), user ? atoi(user + 1) : InvalidOid, 0);
	SAY("connected");
}

static void
do_session_defaults(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", argument, 0);
	begin();
	execute("SHOW work_mem");
	execute("SHOW search_path");
	execute("SELECT current_setting('client_encoding') = getdatabaseencoding()");
	SAY("application name \"%s\"", value_of("SHOW application_name"));
	SAY("backend type \"%s\"",
		value_of("SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()"));
	commit();
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"begin_twice", do_begin_twice},
	{"commit_none", do_commit_none},
	{"misuse", do_misuse},
	{"leave", do_leave},
	{"abort_unblocks", do_abort_unblocks},
	{"contexts", do_contexts},
	{"left_connected", do_left_connected},
	{"partial", do_partial},
	{"caught", do_caught},
	{"export", do_export},
	{"clock", do_clock},
	{"timeouts", do_timeouts},
	{"own_timeout", do_own_timeout},
	{"hold", do_hold},
	{"lock", do_lock},
	{"session", do_session},
	{"no_transaction", do_no_transaction},
	{"set_module", do_set_module},
	{"wait_for_reload", do_wait_for_reload},
	{"number_and_leave", do_number_and_leave},
	{"no_snapshot", do_no_snapshot},
	{"only_outside", do_only_outside},
	{"rule", do_rule},
	{"limit_returning", do_limit_returning},
	{"limits", do_limits},
	{"snapshot", do_snapshot},
	{"deferred_in_read_only", do_deferred_in_read_only},
	{"free_twice", do_free_twice},
	{"extension_value", do_extension_value},
	{"record", do_record},
	{"ambiguous", do_ambiguous},
	{"domain", do_domain},
	{"parameter", do_parameter},
	{"record_parameter", do_record_parameter},
	{"own_portal", do_own_portal},
	{"current_setting", do_current_setting},
	{"date_style", do_date_style},
	{"executor", do_executor},
	{"plans", do_plans},
	{"cursors", do_cursors},
	{"hold_cursor", do_hold_cursor},
	{"nonatomic", do_nonatomic},
	{"memory", do_memory},
	{"levels", do_levels},
	{"logged", do_logged},
	{"sleep", do_sleep},
	{"slow_commit", do_slow_commit},
	{"connect", do_connect},
	{"connect_oid", do_connect_oid},
	{"session_defaults", do_session_defaults},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("probe_xact.number", "A number.", NULL, &a_number, 1, 0, 100, PGC_USERSET, 0, NULL, NULL,
							NULL);
	probe_init("probe_xact", "probe_xact_entry");
	MarkGUCPrefixReserved("probe_xact");
}

void
probe_xact_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
