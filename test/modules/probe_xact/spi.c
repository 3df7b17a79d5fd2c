/*
 * SPI at its edges: plans, cursors, values, limits and memory.
 */
#include "postgres.h"

#include "probe_xact.h"

void
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

void
do_only_outside(const char *argument)
{
	begin();
	attempt("VACUUM");
	AbortCurrentTransaction();
	begin();
	attempt("CREATE DATABASE probe_db");
	AbortCurrentTransaction();
}

void
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

void
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

void
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

void
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

void
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

void
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

void
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
void
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
void
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

void
do_domain(const char *argument)
{
	begin();
	execute("CREATE DOMAIN probe_domain AS int");
	execute("SELECT 5::probe_domain");
	SAY("type of the domain %s", SPI_gettype(SPI_tuptable->tupdesc, 1));
	commit();
}

/* Values of a type that only an extension knows, and of what is made of it, sent as they came. */
static void
run_extension_parameter(void)
{
	static const char *const queries[] = {
		"SELECT '(1,2)'::cube AS v", "SELECT ARRAY['(1,2)', NULL, '(3),(4)']::cube[] AS v", "SELECT ROW(1, '(5,6)', 'a \"b\"')::boxed AS v",
		"SELECT cube(ARRAY(SELECT i FROM generate_series(1, 60) i)) AS v",
	};

	execute_cube();
	execute("CREATE TYPE boxed AS (n int, c cube, t text)");
	for (int i = 0; i < lengthof(queries); i++)
	{
		Oid			types[1];
		Datum		values[1];
		bool		isnull;

		execute(queries[i]);
		types[0] = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
		values[0] = heap_getattr(SPI_tuptable->vals[0], 1, SPI_tuptable->tupdesc, &isnull);
		outcome("cube", SPI_execute_with_args("SELECT $1", 1, types, values, NULL, true, 0));
	}
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

void
do_record_parameter(const char *argument)
{
	begin();
	probe_attempt("parameter", run_record_parameter);
	AbortCurrentTransaction();
}

void
do_parameter(const char *argument)
{
	begin();
	probe_attempt("parameter", run_extension_parameter);
	AbortCurrentTransaction();
}

void
do_own_portal(const char *argument)
{
	begin();
	SAY("portals seen %s", value_of("SELECT count(*) FROM pg_cursors"));
	SAY("with names %s", value_of("SELECT count(*) FROM pg_cursors WHERE name <> ''"));
	commit();
}

void
do_current_setting(const char *argument)
{
	char	   *value;

	begin();
	execute("SHOW probe_xact.number");
	value = value_of("SELECT current_setting('probe_xact.number', true)");
	SAY("current_setting %s", value ? value : "null");
	commit();
}

void
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

void
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

void
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

void
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

void
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

void
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

void
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

void
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

void
do_logged(const char *argument)
{
	begin();
	SPI_execute("SELECT pg_advisory_unlock_all()", false, 0);
	SPI_execute("DO $$ BEGIN RAISE WARNING 'shown'; RAISE NOTICE 'hidden'; END $$", false, 0);
	commit();
}

/* Waits inside a statement until a signal ends it. */
void
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
void
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
