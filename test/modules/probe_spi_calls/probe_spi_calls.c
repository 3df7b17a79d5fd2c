/*
 * probe_spi_calls: the functions of executor/spi.h that the other probes leave out: extended options, lists of
 * parameters, cursors over texts, tuples made and changed, memory, chains, nested and nonatomic connections; and the
 * return codes of the statement kinds that need something to be set up.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_sql.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/params.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_spi_calls_entry(Datum main_arg);

static void
run_call(void *argument)
{
	(*(void (**) (void)) argument) ();
}

/* Runs `call` so that its error is seen and does no harm. */
static void
attempt(const char *what, void (*call) (void))
{
	ErrorData  *error = in_subtransaction(NULL, run_call, &call, false);

	if (error)
		SAY("%s -> %s %s | hint %s", what, unpack_sql_state(error->sqlerrcode), error->message,
			error->hint ? error->hint : "-");
}

static ParamListInfo
one_parameter(int value, bool isnull)
{
	ParamListInfo list = makeParamList(1);

	list->params[0].ptype = INT4OID;
	list->params[0].value = Int32GetDatum(value);
	list->params[0].isnull = isnull;
	list->params[0].pflags = PARAM_FLAG_CONST;
	return list;
}

/* --- running ------------------------------------------------------------------------------------------------ */
static void
no_tuples(void)
{
	SPIExecuteOptions options = {.must_return_tuples = true};

	SPI_execute_extended("CREATE TEMP TABLE nope (i int)", &options);
}

static void
no_statement(void)
{
	SPIExecuteOptions options = {.must_return_tuples = true};

	SPI_execute_extended(" ; ", &options);
}

static void
writes_read_only(void)
{
	SPIExecuteOptions options = {.read_only = true};

	SPI_execute_extended("INSERT INTO calls VALUES (0)", &options);
}

static void
do_execute(const char *argument)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(20);
	SPIExecuteOptions options = {0};
	SPIPlanPtr	plan;

	begin();
	outcome("exec", SPI_exec("CREATE TEMP TABLE calls (i int)", 0));
	outcome("exec limited", SPI_exec("SELECT generate_series(1, 9) AS n", 2));
	outcome("exec of nothing", SPI_exec(NULL, 0));
	options.params = copyParamList(one_parameter(7, false));
	SAY("copied %d: %u %d", options.params->numParams, options.params->params[0].ptype,
		DatumGetInt32(options.params->params[0].value));
	outcome("extended", SPI_execute_extended("SELECT $1 + 1 AS next", &options));
	options.must_return_tuples = true;
	options.tcount = 3;
	outcome("extended, limited", SPI_execute_extended("SELECT g * $1 AS times FROM generate_series(1, 10) g", &options));
	outcome("returning", SPI_execute_extended("INSERT INTO calls VALUES ($1) RETURNING i", &options));
	options.read_only = true;
	outcome("read only", SPI_execute_extended("SELECT $1 + 2 AS sum", &options));
	outcome("no text", SPI_execute_extended(NULL, &options));
	outcome("no options", SPI_execute_extended("SELECT 1", NULL));
	attempt("must return tuples", no_tuples);
	attempt("nothing must return tuples", no_statement);
	attempt("read only", writes_read_only);
	plan = SPI_prepare("SELECT $1 AS i, $1 IS NULL AS missing", 1, &type);
	outcome("execp", SPI_execp(plan, &value, NULL, 0));
	outcome("execp without values", SPI_execp(plan, NULL, NULL, 0));
	outcome("plan with list", SPI_execute_plan_with_paramlist(plan, one_parameter(3, true), true, 0));
	memset(&options, 0, sizeof(options));
	options.params = one_parameter(4, false);
	outcome("plan extended", SPI_execute_plan_extended(plan, &options));
	outcome("plan extended without options", SPI_execute_plan_extended(plan, NULL));
	outcome("plan extended without plan", SPI_execute_plan_extended(NULL, &options));
	SAY("valid %d", SPI_plan_is_valid(plan));
	{
		SPIPrepareOptions how = {.parseMode = RAW_PARSE_DEFAULT, .cursorOptions = CURSOR_OPT_NO_SCROLL};

		plan = SPI_prepare_extended("SELECT 'extended' AS kind", &how);
		outcome("prepared extended", SPI_execute_plan(plan, NULL, NULL, true, 0));
		SAY("no text %s result %d", SPI_prepare_extended(NULL, &how) ? "plan" : "null", SPI_result);
	}
	commit();
}

/* --- kinds of statements --------------------------------------------------------------------------------------- */
static void
do_kinds(const char *argument)
{
	static const char *const kinds[] = {
		"CREATE PROCEDURE probe_add(i int) LANGUAGE sql AS 'INSERT INTO kinds VALUES (i)'",
		"CALL probe_add(5)",
		"CREATE PROCEDURE probe_inout(INOUT i int) LANGUAGE plpgsql AS 'BEGIN i := i * 2; END'",
		"CALL probe_inout(21)",
		"CALL nosuch()",
		"CREATE PROCEDURE probe_commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
		"CALL probe_commits()",
		"DO 'BEGIN COMMIT; END'",
		"CREATE TABLE kinds2 AS SELECT i FROM kinds",
		"CREATE TABLE kinds3 AS SELECT i FROM kinds WITH NO DATA",
		"CREATE TABLE kinds4 AS VALUES (1), (2), (3)",
		"CREATE TABLE kinds5 AS EXECUTE nosuch",
		"CREATE MATERIALIZED VIEW kinds_view AS SELECT i FROM kinds",
		"REFRESH MATERIALIZED VIEW kinds_view",
		"EXPLAIN (COSTS OFF) INSERT INTO kinds VALUES (6)",
		"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO kinds VALUES (7)",
		"COPY kinds TO PROGRAM 'cat >/dev/null'",
		"COPY kinds FROM PROGRAM 'echo 8'",
		"WITH added AS (INSERT INTO kinds VALUES (9) RETURNING i) SELECT i FROM added",
		"WITH q AS (SELECT 10 AS i) INSERT INTO kinds SELECT i FROM q",
		"SELECT i FROM kinds ORDER BY i",
		"SELECT i FROM kinds WHERE i = 5 FOR UPDATE",
		"START TRANSACTION",
		"END",
		"ABORT",
		"ROLLBACK TO s",
		"COMMIT PREPARED 'x'",
		"COMMIT AND CHAIN",
		"NOTIFY probe_channel",
		"LISTEN probe_channel",
		"UNLISTEN probe_channel",
		"SET TRANSACTION READ ONLY",
		"RESET work_mem",
		"DISCARD PLANS",
		"DISCARD ALL",
		"CHECKPOINT",
		"ANALYZE kinds",
		"GRANT SELECT ON kinds TO PUBLIC",
		"COMMENT ON TABLE kinds IS 'x'",
		"DROP TABLE kinds3",
		"ALTER TABLE kinds ADD COLUMN more text",
		"CREATE INDEX CONCURRENTLY ON kinds (i)",
		"REINDEX TABLE kinds",
		"ALTER SYSTEM SET work_mem = '4MB'",
	};

	begin();
	execute("CREATE TABLE kinds (i int)", false, 0);
	commit();
	begin();
	for (int i = 0; i < lengthof(kinds); i++)
		execute(kinds[i], false, 0);
	for (int code = -12; code <= 20; code++)
		if (strncmp(SPI_result_code_string(code), "Unrecognized", 12) != 0)
			SAY("%d is %s", code, SPI_result_code_string(code));
	SAY("what is 99: %s", SPI_result_code_string(99));
	commit();
}

/* --- cursors ---------------------------------------------------------------------------------------------------- */
static void
no_cursor(void)
{
	SPIParseOpenOptions options = {0};

	SPI_cursor_parse_open("p", "CREATE TEMP TABLE nope (i int)", &options);
}

static void
do_cursors(const char *argument)
{
	Oid			type = INT4OID;
	SPIPlanPtr	plan;
	Portal		portal;
	SPIParseOpenOptions options = {0};

	begin();
	plan = SPI_prepare("SELECT g + $1 AS n FROM generate_series(1, 5) g", 1, &type);
	portal = SPI_cursor_open_with_paramlist("listed", plan, one_parameter(10, false), true);
	SAY("portal %s", portal->name);
	SPI_cursor_fetch(portal, true, 2);
	outcome("fetched", 0);
	SPI_cursor_move(portal, true, 1);
	SAY("moved " UINT64_FORMAT, SPI_processed);
	SPI_cursor_fetch(portal, true, 10);
	outcome("the rest", 0);
	SPI_cursor_close(portal);
	SAY("found %d", SPI_cursor_find("listed") != NULL);
	options.params = one_parameter(2, false);
	options.cursorOptions = CURSOR_OPT_SCROLL;
	options.read_only = true;
	portal = SPI_cursor_parse_open("parsed", "SELECT g * $1 AS n FROM generate_series(1, 5) g", &options);
	SPI_scroll_cursor_fetch(portal, FETCH_ABSOLUTE, 4);
	outcome("absolute", 0);
	SPI_scroll_cursor_fetch(portal, FETCH_RELATIVE, -2);
	outcome("relative", 0);
	SPI_scroll_cursor_move(portal, FETCH_BACKWARD, FETCH_ALL);
	SPI_scroll_cursor_fetch(portal, FETCH_FORWARD, 1);
	outcome("first", 0);
	SPI_cursor_close(portal);
	attempt("no cursor", no_cursor);
	commit();
}

/* --- tuples and memory ------------------------------------------------------------------------------------------ */
static void
do_tuples(const char *argument)
{
	RelationData relation = {0};
	FormData_pg_class class = {0};
	HeapTuple	tuple;
	HeapTuple	changed;
	HeapTupleHeader header;
	TupleDesc	desc;
	int			columns[2] = {2, 1};
	Datum		values[2];
	bool		isnull;
	char	   *memory;

	namestrcpy(&class.relname, "some_relation");
	class.relnamespace = PG_CATALOG_NAMESPACE;
	relation.rd_rel = &class;
	SAY("not connected: modify %d return %d", SPI_modifytuple(&relation, (HeapTuple) &class, 0, columns, values, NULL) == NULL,
		SPI_result);
	begin();
	outcome("select", SPI_execute("SELECT 1 AS i, 'one'::text AS t, NULL::int8 AS b", true, 0));
	desc = SPI_tuptable->tupdesc;
	tuple = SPI_tuptable->vals[0];
	relation.rd_att = desc;
	SAY("names %s %s", SPI_getrelname(&relation), SPI_getnspname(&relation));
	values[0] = CStringGetTextDatum("changed");
	values[1] = Int32GetDatum(0);
	changed = SPI_modifytuple(&relation, tuple, 2, columns, values, " n");
	SAY("changed %s %s %s, result %d", SPI_getvalue(changed, desc, 1) ? "value" : "NULL", SPI_getvalue(changed, desc, 2),
		SPI_getvalue(changed, desc, 3) ? "value" : "NULL", SPI_result);
	SAY("as before %s %s", SPI_getvalue(tuple, desc, 1), SPI_getvalue(tuple, desc, 2));
	columns[0] = 9;
	SAY("no column 9: %d result %d", SPI_modifytuple(&relation, tuple, 1, columns, values, NULL) == NULL, SPI_result);
	columns[0] = 0;
	SAY("no column 0: %d result %d", SPI_modifytuple(&relation, tuple, 1, columns, values, NULL) == NULL, SPI_result);
	SAY("no tuple: %d result %d", SPI_modifytuple(&relation, NULL, 1, columns, values, NULL) == NULL, SPI_result);
	header = SPI_returntuple(changed, desc);
	SAY("returned: type %u natts %d typmod %d", HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetNatts(header),
		HeapTupleHeaderGetTypMod(header) >= -1);
	SAY("no tuple: %d result %d", SPI_returntuple(NULL, desc) == NULL, SPI_result);
	tuple = SPI_copytuple(changed);
	SPI_freetuple(changed);
	SAY("copy %s", SPI_getvalue(tuple, desc, 2));
	SAY("no tuple: %d result %d", SPI_copytuple(NULL) == NULL, SPI_result);
	values[0] = SPI_datumTransfer(SPI_getbinval(tuple, desc, 2, &isnull), false, -1);
	SAY("transferred %s", TextDatumGetCString(values[0]));
	memory = SPI_palloc(8);
	strcpy(memory, "memory");
	memory = SPI_repalloc(memory, 10000);
	SPI_finish();
	SAY("after finish %s %s", memory, TextDatumGetCString(values[0]));
	SPI_pfree(memory);
	SAY("connect %d", SPI_connect());
	SAY("register nothing %d %d %d", SPI_register_relation(NULL), SPI_unregister_relation(NULL),
		SPI_register_trigger_data(NULL));
	commit();
}

/* --- transactions of SPI ------------------------------------------------------------------------------------- */
static void
inner_commit(void)
{
	SPI_commit();
}

static void
do_chains(const char *argument)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SAY("outside %d", SPI_inside_nonatomic_context());
	SAY("connect %d", SPI_connect_ext(SPI_OPT_NONATOMIC));
	SAY("nonatomic %d", SPI_inside_nonatomic_context());
	SPI_start_transaction();
	outcome("create", SPI_execute("CREATE TABLE chains (i int)", false, 0));
	SPI_commit();
	SAY("in transaction %d", IsTransactionState());
	SPI_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", false, 0);
	SPI_execute("INSERT INTO chains VALUES (1)", false, 0);
	SPI_commit_and_chain();
	outcome("chained", SPI_execute("SHOW transaction_isolation", false, 0));
	SPI_execute("INSERT INTO chains VALUES (2)", false, 0);
	SPI_rollback_and_chain();
	outcome("chained again", SPI_execute("SHOW transaction_isolation", false, 0));
	outcome("rows", SPI_execute("SELECT i FROM chains", false, 0));
	SPI_rollback();
	outcome("no longer", SPI_execute("SHOW transaction_isolation", false, 0));
	/* One inside that is atomic makes all atomic. */
	SAY("nested %d", SPI_connect());
	SAY("nonatomic %d", SPI_inside_nonatomic_context());
	attempt("commit in an atomic one", inner_commit);
	SPI_finish();
	SAY("nonatomic %d", SPI_inside_nonatomic_context());
	SAY("finish %d", SPI_finish());
	CommitTransactionCommand();
}

/* --- what needs the executor in the process --------------------------------------------------------------- */
static void
register_trigger_data(void)
{
	TriggerData data = {.type = T_TriggerData};

	SAY("trigger data %d", SPI_register_trigger_data(&data));
}

static SPIPlanPtr looked_at;

static void
plan_sources(void)
{
	SAY("plan sources %d", list_length(SPI_plan_get_plan_sources(looked_at)));
}

static void
cached_plan(void)
{
	SAY("plan sources, cached plan %d", SPI_plan_get_cached_plan(looked_at) != NULL);
}

static void
do_trigger_data(const char *argument)
{
	begin();
	attempt("trigger data", register_trigger_data);
	looked_at = SPI_prepare("CREATE TABLE a (i int); CREATE TABLE b (i int)", 0, NULL);
	attempt("plan sources", plan_sources);
	attempt("plan sources, cached plan", cached_plan);
	commit();
}

/* --- as schedulers do --------------------------------------------------------------------------------------- */
static SPIPlanPtr claim_plan;

/* One job: taken with SKIP LOCKED by a kept plan, run in a subtransaction, its outcome written down. */
static bool
run_a_job(void)
{
	Statement	it;
	ErrorData  *error;
	Oid			types[3] = {INT4OID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[3];
	char		nulls[4] = "   ";
	int			job;
	char	   *command;
	bool		isnull;
	int			result;

	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (claim_plan == NULL)
	{
		claim_plan = SPI_prepare("UPDATE jobs SET state = 'runs', runs = runs + 1 WHERE id = (SELECT id FROM jobs "
								 "WHERE state = 'waits' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *", 0, NULL);
		SPI_keepplan(claim_plan);
	}
	result = SPI_execute_plan(claim_plan, NULL, NULL, false, 1);
	if (result != SPI_OK_UPDATE_RETURNING || SPI_processed == 0)
	{
		outcome("no job", result);
		SPI_finish();
		PopActiveSnapshot();
		CommitTransactionCommand();
		return false;
	}
	job = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	command = MemoryContextStrdup(TopTransactionContext, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
																	  SPI_fnumber(SPI_tuptable->tupdesc, "command")));
	SAY("job %d of %d columns: %s", job, SPI_tuptable->tupdesc->natts, command);
	pgstat_report_activity(STATE_RUNNING, command);
	values[0] = Int32GetDatum(job);
	nulls[1] = 'n';
	values[1] = (Datum) 0;
	it = (Statement) {"ran", command, false, 0};
	error = in_subtransaction("job", run_statement, &it, true);
	if (error)
	{
		values[1] = CStringGetTextDatum(error->message);
		nulls[1] = ' ';
	}
	values[2] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	outcome("written down", SPI_execute_with_args("UPDATE jobs SET state = CASE WHEN $2 IS NULL THEN 'done' ELSE 'failed' END, "
												  "error = $2, done = now() >= $3 - interval '1 minute' WHERE id = $1",
												  3, types, values, nulls, false, 0));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return true;
}

static void
do_jobs(const char *argument)
{
	Portal		portal;
	int			number = 0;

	begin();
	execute("CREATE TABLE jobs (id int PRIMARY KEY, command text, state text DEFAULT 'waits', runs int DEFAULT 0, error text, done bool)",
			false, 0);
	execute("INSERT INTO jobs VALUES (1, 'SELECT count(*) FROM pg_class WHERE false'), (2, 'SELECT 1/0'), "
			"(3, 'INSERT INTO jobs VALUES (3)'), (4, 'CREATE TABLE parts (d date, i int) PARTITION BY RANGE (d)'), "
			"(5, 'CREATE TABLE part PARTITION OF parts FOR VALUES FROM (''2024-01-01'') TO (''2024-02-01''); "
			"INSERT INTO parts VALUES (''2024-01-05'', 7)'), (6, 'INSERT INTO parts VALUES (''2025-01-05'', 7)'), "
			"(7, 'ALTER TABLE jobs ADD COLUMN later int DEFAULT 5'), (8, 'SELECT later FROM jobs ORDER BY id LIMIT 1'), "
			"(9, 'COMMIT'), (10, 'VACUUM jobs'), (11, 'SELECT pg_notify(''jobs'', ''done''), set_config(''work_mem'', ''3MB'', true)'), "
			"(12, 'DELETE FROM parts RETURNING i'), (13, 'SET LOCAL search_path = pg_catalog, public; SELECT 1'), (14, 'SELEC 1')",
			false, 0);
	commit();
	while (run_a_job())
		;
	begin();
	outcome("all", SPI_execute("SELECT id, state, runs, error, done FROM jobs ORDER BY id", true, 0));
	/* Row by row, changing the row under the cursor. */
	portal = SPI_cursor_open_with_args("walk", "SELECT id, state FROM jobs WHERE id < 8 ORDER BY id FOR UPDATE", 0, NULL, NULL,
									   NULL, false, CURSOR_OPT_NO_SCROLL);
	for (;;)
	{
		SPITupleTable *row;

		SPI_cursor_fetch(portal, true, 1);
		if (SPI_processed == 0)
			break;
		row = SPI_tuptable;
		if (++number % 2 == 0)
			outcome("current", SPI_execute("UPDATE jobs SET runs = runs + 10 WHERE CURRENT OF walk", false, 0));
		SAY("walked %s", SPI_getvalue(row->vals[0], row->tupdesc, 1));
		SPI_freetuptable(row);
	}
	SPI_cursor_close(portal);
	outcome("runs", SPI_execute("SELECT string_agg(runs::text, ',' ORDER BY id) AS runs FROM jobs", false, 0));
	outcome("on conflict", SPI_execute("INSERT INTO jobs (id) VALUES (1), (20) ON CONFLICT (id) DO UPDATE SET runs = -1 RETURNING id, runs",
									   false, 0));
	outcome("nothing", SPI_execute("INSERT INTO jobs (id) VALUES (1) ON CONFLICT DO NOTHING RETURNING id", false, 0));
	outcome("lock", SPI_execute("SELECT pg_try_advisory_lock(1), pg_try_advisory_xact_lock(2), pg_advisory_unlock(1), pg_advisory_unlock(1)",
								false, 0));
	commit();

	/* A nonatomic connection that commits inside a loop. */
	StartTransactionCommand();
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (int i = 0; i < 3; i++)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		outcome("in a loop", SPI_execute("UPDATE jobs SET runs = runs + 1 WHERE id = 1 RETURNING runs", false, 0));
		PopActiveSnapshot();
		if (i == 1)
			SPI_rollback();
		else
			SPI_commit();
		SAY("in a transaction %d, table %d", IsTransactionState(), SPI_tuptable != NULL);
	}
	SPI_finish();
	CommitTransactionCommand();
	/* The table is gone, and back with other columns: the kept plan finds out. */
	begin();
	execute("DROP TABLE jobs", false, 0);
	commit();
	begin();
	SAY("valid %d", SPI_plan_is_valid(claim_plan));
	execute("CREATE TABLE jobs (id bigint, state text DEFAULT 'waits', runs int DEFAULT 0)", false, 0);
	execute("INSERT INTO jobs VALUES (77)", false, 0);
	outcome("claimed", SPI_execute_plan(claim_plan, NULL, NULL, false, 0));
	SAY("freed %d", SPI_freeplan(claim_plan));
	commit();
}

static const ProbeAction actions[] = {
	{"jobs", do_jobs},
	{"idle", probe_idle},
	{"execute", do_execute},
	{"kinds", do_kinds},
	{"cursors", do_cursors},
	{"tuples", do_tuples},
	{"chains", do_chains},
	{"trigger_data", do_trigger_data},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_spi_calls", "probe_spi_calls_entry");
}

void
probe_spi_calls_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
