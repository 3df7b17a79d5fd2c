/*
 * probe_session: what a worker's statements do to its session and what its session does to its C code: settings that
 * are set by SQL, roles, time zones, cursors, errors of the rarer kinds.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_sql.h"

#include "bgworker/batch.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_session_entry(Datum main_arg);

static int	number;
static char *word;
static int	reloadable;

static void
show_variables(const char *when)
{
	SAY("%s: number %d word %s reloadable %d style %d order %d interval %d zone %s digits %d messages %d", when, number,
		word, reloadable, DateStyle, DateOrder, IntervalStyle, pg_get_timezone_name(session_timezone), extra_float_digits,
		log_min_messages);
}

/* Settings of the module and of the server, set and shown by SQL and seen in C. */
static void
do_settings(const char *argument)
{
	static const char *const session[] = {
		"SET probe_session.number = 5", "SHOW probe_session.number", "SELECT current_setting('probe_session.number')",
		"SET probe_session.number TO -3", "SHOW probe_session.number", "SET probe_session.number = 0",
		"SET probe_session.number = 5000", "SET probe_session.number = 'many'", "SET probe_session.word = 'a ''b'' c'",
		"SHOW probe_session.word", "SET probe_session.word TO 'x', y, 7", "SHOW probe_session.word",
		"SET probe_session.reloadable = 2", "SHOW probe_session.reloadable", "SET probe_session.workers = 'x'",
		"SET probe_session.nosuch = 1", "SET other_class.name = 'placeholder'", "SHOW other_class.name",
		"RESET probe_session.number", "SHOW probe_session.number", "SET probe_session.number TO DEFAULT",
		"SET nosuch = 1", "SHOW nosuch", "SHOW statement_timeout", "SET statement_timeout = '90s'",
		"SHOW statement_timeout", "RESET statement_timeout", "SHOW statement_timeout", "SET client_min_messages = error",
		"SHOW client_min_messages", "SET extra_float_digits = 0", "SELECT 0.1::float8 + 0.2::float8 AS sum",
		"SET extra_float_digits = 99", "SHOW extra_float_digits", "RESET extra_float_digits",
	};
	static const char *const values =
		"SELECT '2024-02-03'::date AS d, '2024-02-03 04:05:06.789'::timestamp AS t, '2024-07-03 04:05:06+00'::timestamptz AS z,"
		" '1 year -2 days 03:04:05'::interval AS i, '-1 day -00:00:01'::interval AS j";
	static const char *const styles[] = {
		"SET datestyle = 'SQL, DMY'", "SHOW datestyle", "SET intervalstyle = 'iso_8601'", "SHOW intervalstyle",
		"SELECT '03/02/2024'::date AS feb", "SET datestyle = 'German'", "SELECT '03.02.2024'::date AS feb",
		"SET LOCAL datestyle TO postgres, mdy", "SHOW datestyle", "SET intervalstyle = sql_standard",
		"SET TIME ZONE 'Europe/Berlin'", "SET LOCAL TIME ZONE 'Asia/Kolkata'", "SET TIME ZONE INTERVAL '-03:30' HOUR TO MINUTE",
		"SET TIME ZONE 5", "SELECT set_config('timezone', 'America/New_York', false)", "RESET timezone", "RESET datestyle",
		"SET datestyle = 'nonsense'", "SET TIME ZONE 'No/Where'",
	};

	begin();
	show_variables("at first");
	for (int i = 0; i < lengthof(session); i++)
	{
		execute(session[i], false, 0);
		show_variables("  so");
	}
	for (int i = 0; i < lengthof(styles); i++)
	{
		execute(styles[i], false, 0);
		show_variables("  so");
		execute(values, false, 0);
	}
	execute("SHOW probe_session.number", true, 0);
	commit();
	show_variables("after commit");

	/* undone with the transaction, and with a subtransaction */
	begin();
	execute("SET probe_session.number = 7", false, 0);
	execute("SET LOCAL probe_session.word = 'local'", false, 0);
	execute("SET TIME ZONE 'Europe/Paris'; SET LOCAL intervalstyle = postgres_verbose", false, 0);
	execute("SET probe_session.number = 8; SET TIME ZONE 'Europe/Rome'; SELECT 1/0", false, 0);
	show_variables("after a failed subtransaction");
	execute(values, false, 0);
	commit();
	show_variables("committed");
	begin();
	execute("SET probe_session.number = 9; SET probe_session.word = 'gone'; SET TIME ZONE 'Asia/Tokyo'; SET datestyle = sql",
			false, 0);
	show_variables("before abort");
	AbortCurrentTransaction();
	show_variables("after abort");
	begin();
	execute(values, false, 0);
	execute("SHOW timezone", false, 0);
	execute("SELECT current_setting('probe_session.number'), current_setting('probe_session.word')", false, 0);
	execute("SET log_min_messages = notice; DO $$ BEGIN RAISE NOTICE 'probe: a notice'; END $$", false, 0);
	execute("SET LOCAL log_min_messages = error; DO $$ BEGIN RAISE WARNING 'probe: unheard'; END $$", false, 0);
	execute("RESET ALL", false, 0);
	show_variables("all reset");
	execute(values, false, 0);
	execute("SHOW probe_session.word", false, 0);
	execute("SELECT 0.1::float8 + 0.2::float8 AS sum", false, 0);
	execute("DISCARD ALL", false, 0);
	commit();
	show_variables("at last");
}

typedef struct WithParameter
{
	const char *statement;
	Oid			type;
	Datum		value;
} WithParameter;

static void
run_with_parameter(void *argument)
{
	WithParameter *it = argument;

	outcome(it->statement, SPI_execute_with_args(it->statement, 1, &it->type, &it->value, NULL, false, 0));
}

/* Runs a statement with one parameter, catching errors. */
static void
with_parameter(const char *statement, Oid type, Datum value)
{
	WithParameter it = {statement, type, value};
	ErrorData  *error = in_subtransaction(NULL, run_with_parameter, &it, false);

	if (error != NULL)
		SAY("%s -> %s %s | context %s", statement, unpack_sql_state(error->sqlerrcode), error->message,
			error->context ? error->context : "-");
}

/* The OID that a query gives. */
static Oid
oid_of(const char *query)
{
	bool		isnull;

	if (SPI_execute(query, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no OID: %s", query);
	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Parameters of types whose values a module has in hand: OID aliases, enums, domains; dates under odd settings. */
static void
do_parameters(const char *argument)
{
	Oid			mood,
				positive,
				label;
	Interval	interval = {.time = -1000001, .day = -1, .month = 14};

	begin();
	SPI_execute("DROP TYPE IF EXISTS probe_mood; CREATE TYPE probe_mood AS ENUM ('sad', 'ok', 'it''s fine');"
				"DROP DOMAIN IF EXISTS probe_positive; CREATE DOMAIN probe_positive AS int CHECK (value > 0);"
				"DROP TABLE IF EXISTS probe_p; CREATE TABLE probe_p (m probe_mood, p probe_positive)", false, 0);
	mood = oid_of("SELECT 'probe_mood'::regtype::oid");
	positive = oid_of("SELECT 'probe_positive'::regtype::oid");
	label = oid_of("SELECT oid FROM pg_enum WHERE enumlabel = 'it''s fine'");
	with_parameter("SELECT $1::text AS r", REGCLASSOID, ObjectIdGetDatum(1259));
	with_parameter("SELECT $1::text AS r", REGTYPEOID, ObjectIdGetDatum(INT4OID));
	with_parameter("SELECT $1::text AS r", REGPROCOID, ObjectIdGetDatum(2971));
	with_parameter("SELECT $1::text AS r", REGROLEOID, ObjectIdGetDatum(10));
	with_parameter("SELECT $1::text AS r", REGNAMESPACEOID, ObjectIdGetDatum(11));
	with_parameter("SELECT $1::text || '!' AS m", mood, ObjectIdGetDatum(label));
	with_parameter("SELECT $1 + 1 AS p", positive, Int32GetDatum(41));
	with_parameter("SELECT $1::text AS r", CSTRINGOID, CStringGetDatum("c string"));
	with_parameter("SELECT $1 AS f", FLOAT4OID, Float4GetDatum(0.1f));
	SPI_execute("SET datestyle = 'German'; SET intervalstyle = sql_standard; SET extra_float_digits = -3; SET TIME ZONE 'Asia/Kolkata'",
				false, 0);
	with_parameter("SELECT extract(epoch FROM $1) AS e", TIMESTAMPTZOID, TimestampTzGetDatum(INT64CONST(757382400123456)));
	with_parameter("SELECT extract(epoch FROM $1) AS e", TIMESTAMPOID, TimestampGetDatum(INT64CONST(757382400123456)));
	with_parameter("SELECT $1 - date '2000-01-01' AS days", DATEOID, Int32GetDatum(8766));
	with_parameter("SELECT extract(epoch FROM $1) AS e", INTERVALOID, PointerGetDatum(&interval));
	with_parameter("SELECT $1 = 0.1::float8 AS same", FLOAT8OID, Float8GetDatum(0.1));
	with_parameter("SELECT $1 = 0.3::float8 AS same, $1 AS it", FLOAT8OID, Float8GetDatum(0.1 + 0.2));
	commit();
}

static void
batch(const char *command, uint64 count, const Datum *values, const char *nulls)
{
	static const Oid types[2] = {INT4OID, TEXTOID};
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		outcome(command, bgworker_execute_batch(command, 2, types, count, values, nulls));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s -> %s %s | detail %s | context %s", command, unpack_sql_state(error->sqlerrcode), error->message,
			error->detail ? error->detail : "-", error->context ? error->context : "-");
	}
	PG_END_TRY();
}

/* The SDK's batch call: the same whether its rows travel together or one by one. */
static void
do_batch(const char *argument)
{
	enum
	{
		rows = 1777
	};
	Datum	   *values = palloc(sizeof(Datum) * rows * 2);
	char	   *nulls = palloc(rows * 2);

	for (int i = 0; i < rows; i++)
	{
		values[2 * i] = Int32GetDatum(i);
		values[2 * i + 1] = CStringGetTextDatum(psprintf("row %d", i));
		nulls[2 * i] = ' ';
		nulls[2 * i + 1] = i % 3 == 0 ? 'n' : ' ';
	}
	SAY("not connected %d", bgworker_execute_batch("SELECT 1", 0, NULL, 1, NULL, NULL));
	begin();
	SPI_execute("DROP TABLE IF EXISTS probe_b; CREATE TABLE probe_b (i int PRIMARY KEY, t text)", false, 0);
	batch("INSERT INTO probe_b VALUES ($1, $2)", rows, values, nulls);
	execute("SELECT count(*), count(t), sum(i), max(t) FROM probe_b", false, 0);
	batch("UPDATE probe_b SET t = $2 || '!' WHERE i BETWEEN $1 AND $1 + 1", 10, values, NULL);
	batch("DELETE FROM probe_b WHERE i = $1 AND t <> $2", 20, values, NULL);
	batch("INSERT INTO probe_b VALUES ($1 + 2000, $2)", 0, values, NULL);
	/* the last row of the second slice fails: nothing of the batch is left, and the transaction goes on */
	values[2 * 999] = Int32GetDatum(998);
	batch("INSERT INTO probe_b VALUES ($1 + 5000, $2)", rows, values, nulls);
	batch("INSERT INTO nosuch VALUES ($1, $2)", 5, values, NULL);
	batch("SELECT $1, $2", 5, values, NULL);
	batch("COMMIT", 5, values, NULL);
	batch(NULL, 5, values, NULL);
	batch("INSERT INTO probe_b VALUES ($1 + 9000, $2) RETURNING i", 3, values, NULL);
	execute("SELECT count(*), count(t), sum(i), max(t) FROM probe_b", false, 0);
	commit();
}

/* Waits inside a statement; what interrupts it is caught, and the transaction goes on. */
static void
do_interrupted(const char *argument)
{
	if (argument && strcmp(argument, "die") == 0)
		pqsignal(SIGTERM, die);
	begin();
	execute("CREATE TEMP TABLE kept (i int); INSERT INTO kept VALUES (1)", false, 0);
	SAY("sleeping");
	execute("SELECT pg_sleep(60)", false, 0);
	execute("SELECT count(*) FROM kept", false, 0);
	commit();
	begin();
	execute("SELECT count(*) FROM kept", true, 0);
	commit();
}

/* Everything of the catalogs that the host answers by a statement. */
static void
look_up(void)
{
	Oid			schema = get_namespace_oid("pg_catalog", false);
	Oid			relation = get_relname_relid("pg_class", schema);

	SAY("%s %s %s %s %s %s %d %d %d %d", get_database_name(get_database_oid("postgres", false)),
		GetUserNameFromId(get_role_oid("postgres", false), false), get_namespace_name(schema), get_rel_name(relation),
		format_type_be(INT4OID), get_extension_name(get_extension_oid("plpgsql", false)), get_attnum(relation, "relname"),
		get_typlen(NAMEOID), superuser(), OidIsValid(get_role_oid("nosuch", true)));
}

/* Looks the same things up again and again; the upstream's log says how often it was asked. */
static void
do_lookups(const char *argument)
{
	begin();
	SPI_execute("SELECT 'asked first'", true, 0);
	look_up();
	SPI_execute("SELECT 'asked again'", true, 0);
	look_up();
	look_up();
	SPI_execute("CREATE TEMP TABLE something_changed (i int)", false, 0);
	look_up();
	SPI_execute("SELECT 'done'", true, 0);
	commit();
}

/*
 * Goes on for ever: transactions of two rows each, the second in a subtransaction, numbered by what is there already.
 * Says before and after each commit which one it is.
 */
static void
do_ledger(const char *argument)
{
	Oid			type = INT4OID;

	for (;;)
	{
		MemoryContext caller;
		ResourceOwner owner;
		bool		isnull;
		Datum		id;
		int			number;

		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		SPI_execute("SELECT coalesce(max(id), 0) + 1 FROM ledger", true, 0);
		id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		number = DatumGetInt32(id);
		SPI_execute_with_args("INSERT INTO ledger VALUES ($1, 1)", 1, &type, &id, NULL, false, 0);
		caller = CurrentMemoryContext;
		owner = CurrentResourceOwner;
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(caller);
		SPI_execute_with_args("INSERT INTO ledger VALUES ($1, 2)", 1, &type, &id, NULL, false, 0);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		SAY("committing %d", number);
		SPI_finish();
		PopActiveSnapshot();
		CommitTransactionCommand();
		SAY("committed %d", number);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
do_waits_for_lock(const char *argument)
{
	begin();
	execute("SELECT count(*) FROM locked", false, 0);
	commit();
}

/*
 * Time-outs that the worker sets for itself (statement, lock, idle), and those that a session of its own on the
 * upstream has (own_statement, own_idle).
 */
static void
do_timeouts(const char *argument)
{
	begin();
	execute("CREATE TEMP TABLE kept (i int); INSERT INTO kept VALUES (1)", false, 0);
	if (strcmp(argument, "own_statement") == 0)
		execute("SELECT set_config('statement_timeout', '200ms', true)", false, 0);
	else if (strcmp(argument, "own_idle") == 0)
		execute("SELECT set_config('idle_in_transaction_session_timeout', '200ms', true)", false, 0);
	else if (strcmp(argument, "statement") == 0)
		enable_timeout_after(STATEMENT_TIMEOUT, 200);
	else if (strcmp(argument, "lock") == 0)
		enable_timeout_after(LOCK_TIMEOUT, 200);
	else
	{
		SetConfigOption("idle_in_transaction_session_timeout", "200ms", PGC_USERSET, PGC_S_SESSION);
		enable_timeout_after(IDLE_IN_TRANSACTION_SESSION_TIMEOUT, 200);
	}
	SAY("waiting");
	if (strcmp(argument, "idle") == 0)
		for (;;)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	/* Each statement starts the upstream's clock anew. */
	if (strcmp(argument, "own_idle") == 0)
		for (int i = 0; i < 30; i++)
		{
			pg_usleep(1000000);
			SPI_execute("SELECT 1", true, 0);
		}
	execute("SELECT pg_sleep(60)", false, 0);
	SAY("active %d %d", get_timeout_active(STATEMENT_TIMEOUT), get_timeout_active(LOCK_TIMEOUT));
	execute("SELECT count(*) FROM kept", false, 0);
	commit();
}

static void
who(const char *when)
{
	SAY("%s: user %d outer %d session %d role %d, superuser %d", when, GetUserId() == 10, GetOuterUserId() == 10,
		GetSessionUserId() == 10, OidIsValid(GetCurrentRoleId()), superuser());
	execute("SELECT current_user, session_user", false, 0);
}

/* SET ROLE by SQL is what C code sees, and ends with what it was set for. */
static void
do_roles(const char *argument)
{
	Oid			user;
	int			context;

	begin();
	execute("DROP ROLE IF EXISTS probe_a, probe_b; CREATE ROLE probe_a; CREATE ROLE probe_b; GRANT probe_b TO probe_a",
			false, 0);
	who("at first");
	commit();
	begin();
	execute("SET ROLE probe_a", false, 0);
	who("set");
	execute("CREATE ROLE nope", false, 0);
	commit();
	begin();
	who("next transaction");
	execute("SET LOCAL ROLE probe_b", false, 0);
	who("local");
	commit();
	begin();
	who("local is over");
	execute("SET ROLE NONE", false, 0);
	who("none");
	AbortCurrentTransaction();
	begin();
	who("aborted");
	execute("SET ROLE nosuch", false, 0);
	execute("RESET ROLE; SET ROLE probe_b; SELECT 1/0", false, 0);
	who("failed subtransaction");
	execute("RESET ROLE", false, 0);
	who("reset");
	execute("SHOW role", false, 0);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(oid_of("SELECT oid FROM pg_roles WHERE rolname = 'probe_a'"),
						   context | SECURITY_LOCAL_USERID_CHANGE);
	who("by C");
	SetUserIdAndSecContext(user, context);
	who("back");
	commit();
}

static void
fetched(const char *what, Portal portal)
{
	SAY("%s: portal %s", what, PortalIsValid(portal) ? portal->name : "-");
	outcome(what, SPI_result);
	SPI_freetuptable(SPI_tuptable);
}

typedef struct Opening
{
	const char *name;
	const char *query;
	bool		read_only;
} Opening;

static void
run_opening(void *argument)
{
	Opening    *it = argument;
	Portal		portal = SPI_cursor_open_with_args(it->name, it->query, 0, NULL, NULL, NULL, it->read_only, 0);

	SPI_cursor_fetch(portal, true, 2);
	outcome(it->query, 0);
	SPI_cursor_close(portal);
}

/* Calls a cursor function that may raise. */
static void
try_open(const char *name, const char *query, bool read_only)
{
	Opening		it = {name, query, read_only};
	ErrorData  *error = in_subtransaction(NULL, run_opening, &it, false);

	if (error != NULL)
		SAY("%s -> %s %s | context %s | query %s", query, unpack_sql_state(error->sqlerrcode), error->message,
			error->context ? error->context : "-", error->internalquery ? error->internalquery : "-");
}

static void
do_cursors(const char *argument)
{
	Oid			type = INT4OID;
	Datum		value = Int32GetDatum(3);
	SPIPlanPtr	plan;
	Portal		portal;

	begin();
	plan = SPI_prepare_cursor("SELECT g, g * g AS square FROM generate_series(1, 6) g WHERE g <> $1", 1, &type,
							  CURSOR_OPT_SCROLL);
	SAY("cursor plan %d", SPI_is_cursor_plan(plan));
	portal = SPI_cursor_open("c", plan, &value, NULL, true);
	SAY("found %d, other %d", SPI_cursor_find("c") == portal, SPI_cursor_find("nosuch") == NULL);
	SPI_cursor_fetch(portal, true, 2);
	fetched("two", portal);
	SPI_cursor_fetch(portal, false, 1);
	fetched("back", portal);
	SPI_scroll_cursor_fetch(portal, FETCH_ABSOLUTE, -1);
	fetched("last", portal);
	SPI_scroll_cursor_fetch(portal, FETCH_RELATIVE, -2);
	fetched("relative", portal);
	SPI_scroll_cursor_move(portal, FETCH_ABSOLUTE, 0);
	fetched("moved", portal);
	SPI_cursor_move(portal, true, 3);
	fetched("moved three", portal);
	SPI_cursor_fetch(portal, true, 0);
	fetched("the same again", portal);
	SPI_cursor_fetch(portal, true, FETCH_ALL);
	fetched("rest", portal);
	SPI_cursor_fetch(portal, true, 1);
	fetched("end", portal);
	SPI_cursor_fetch(portal, false, FETCH_ALL);
	fetched("all back", portal);
	execute("FETCH 1 FROM c", false, 0);
	try_open("c", "SELECT 1", true);
	SPI_cursor_close(portal);
	SAY("closed %d", SPI_cursor_find("c") == NULL);
	portal = SPI_cursor_open(NULL, plan, &value, "n", true);
	SAY("unnamed %s", portal->name);
	SPI_cursor_fetch(portal, true, 5);
	fetched("null argument", NULL);
	SPI_cursor_close(portal);
	execute("CREATE TEMP TABLE probe_c (i int)", false, 0);
	try_open("d", "INSERT INTO probe_c SELECT generate_series(1, 4) RETURNING i", false);
	try_open("d", "INSERT INTO probe_c VALUES (9)", false);
	try_open("d", "SHOW work_mem", false);
	try_open("d", "EXPLAIN (COSTS OFF) SELECT 1", false);
	try_open("d", "SELECT 1; SELECT 2", false);
	try_open("d", "SELECT nosuch", false);
	try_open("d", "SELECT 1 / (g - 2) AS q FROM generate_series(1, 3) g", false);
	try_open("d", "SELECT relname FROM pg_class FOR UPDATE", true);
	try_open("d", "", false);
	try_open("d", "COMMIT", false);
	execute("DECLARE e SCROLL CURSOR FOR SELECT generate_series(10, 15) AS n", false, 0);
	portal = SPI_cursor_find("e");
	SAY("declared by SQL: found %d", portal != NULL);
	if (portal)
	{
		SPI_cursor_fetch(portal, true, 2);
		fetched("declared", portal);
	}
	execute("SELECT name, statement, is_scrollable FROM pg_cursors WHERE name <> ''", false, 0);
	execute("CLOSE e", false, 0);
	SAY("closed by SQL: found %d", SPI_cursor_find("e") != NULL);
	execute("DECLARE e CURSOR FOR SELECT 1; DECLARE f CURSOR FOR SELECT 2; CLOSE ALL", false, 0);
	SAY("all closed: found %d %d", SPI_cursor_find("e") != NULL, SPI_cursor_find("f") != NULL);
	commit();
	SAY("plans die with SPI_finish");
}

/* Errors with every field; messages of functions; what a procedure or DO block may not do. */
static void
do_errors(const char *argument)
{
	static const char *const bad[] = {
		"INSERT INTO probe_e VALUES (1, -1)", "INSERT INTO probe_e VALUES (NULL, 1)",
		"INSERT INTO probe_e VALUES (1, 1); INSERT INTO probe_e VALUES (1, 2)",
		"DO $$ BEGIN RAISE EXCEPTION 'own' USING ERRCODE = 'AB123', DETAIL = 'the detail', HINT = 'the hint', SCHEMA = 's', TABLE = 't', COLUMN = 'c', CONSTRAINT = 'n', DATATYPE = 'd'; END $$",
		"DO $$ BEGIN PERFORM 1/0; END $$", "SELECT probe_fail(3)", "SELECT * FROM probe_fail(0) AS f",
		"SELECT probe_parse()", "SELECT 'x'::int", "SELECT '{1,2'::int[]", "SELECT 1 +", "SELECT 'unterminated",
		"SELECT 1; SELECT 2 FROM; SELECT 3", "SELECT '\xc3\xa4', nosuch", "CALL probe_commit()",
		"DO $$ BEGIN COMMIT; END $$", "CREATE TABLE probe_e (i int)", "DROP TABLE nosuch", "EXECUTE nosuch", "FETCH nosuch",
		"SET LOCAL nosuch.x.y.z.1 = 1", "SELECT pg_terminate_backend(0)", "LOCK TABLE nosuch", "SELECT count(*) FROM pg_class, nosuch",
		"SELECT set_config('work_mem', '-1', true)", "VACUUM", "CREATE INDEX CONCURRENTLY i ON probe_e (i)",
		"REINDEX DATABASE postgres", "DROP DATABASE nosuch", "ALTER SYSTEM SET work_mem = '1MB'", "CLUSTER", "CHECKPOINT",
		"DISCARD TEMP", "DISCARD ALL", "REFRESH MATERIALIZED VIEW nosuch", "SELECT pg_export_snapshot() IS NULL AS none",
		"PREPARE TRANSACTION 'x'", "COPY probe_e TO '/nonexistent/file'", "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null'",
		"EXPLAIN ANALYZE SELECT nosuch",
	};

	begin();
	execute("CREATE TABLE IF NOT EXISTS probe_e (i int PRIMARY KEY, j int NOT NULL CONSTRAINT positive CHECK (j > 0));"
			"CREATE OR REPLACE FUNCTION probe_fail(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF $1 > 0 THEN RETURN probe_fail($1 - 1); END IF; RAISE NOTICE 'about to fail'; RETURN 1 / $1; END $$;"
			"CREATE OR REPLACE FUNCTION probe_parse() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT nosuch); END $$;"
			"CREATE OR REPLACE PROCEDURE probe_commit() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$", false, 0);
	for (int i = 0; i < lengthof(bad); i++)
		execute(bad[i], false, 0);
	execute("SELECT count(*) FROM probe_e", false, 0);
	commit();
}

/* Look-ups follow what the transaction itself does, and what it undoes. */
static void
do_catalog(const char *argument)
{
	MemoryContext caller;
	ResourceOwner owner;
	Oid			schema,
				relation;

	begin();
	caller = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	execute("DROP SCHEMA IF EXISTS probe_schema CASCADE", false, 0);
	SAY("schema %d", OidIsValid(get_namespace_oid("probe_schema", true)));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	SPI_execute("CREATE SCHEMA probe_schema; CREATE TABLE probe_schema.t (a int, b text)", false, 0);
	schema = get_namespace_oid("probe_schema", true);
	relation = get_relname_relid("t", schema);
	SAY("schema %d relation %d %s.%s kind %c column b %d", OidIsValid(schema), OidIsValid(relation),
		get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation), get_rel_relkind(relation),
		get_attnum(relation, "b"));
	SPI_execute("ALTER TABLE probe_schema.t RENAME TO u", false, 0);
	SAY("renamed %s, old name %d", get_rel_name(relation), OidIsValid(get_relname_relid("t", schema)));
	LockRelationOid(relation, ShareLock);
	SAY("conditional lock %d", ConditionalLockRelationOid(relation, AccessExclusiveLock));
	UnlockRelationOid(relation, AccessExclusiveLock);
	execute("SELECT mode, granted FROM pg_locks WHERE relation = 'probe_schema.u'::regclass AND pid = pg_backend_pid() AND mode = 'ShareLock'",
			false, 0);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	SAY("rolled back: schema %d", OidIsValid(get_namespace_oid("probe_schema", true)));
	SAY("database %s", get_database_name(get_database_oid("postgres", false)));
	SAY("role %s, missing %d", GetUserNameFromId(get_role_oid("postgres", false), false),
		OidIsValid(get_role_oid("nosuch", true)));
	SAY("extension %d missing %d", OidIsValid(get_extension_oid("plpgsql", false)),
		OidIsValid(get_extension_oid("nosuch", true)));
	commit();
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"settings", do_settings},
	{"parameters", do_parameters},
	{"batch", do_batch},
	{"interrupted", do_interrupted},
	{"lookups", do_lookups},
	{"ledger", do_ledger},
	{"waits_for_lock", do_waits_for_lock},
	{"timeouts", do_timeouts},
	{"cursors", do_cursors},
	{"errors", do_errors},
	{"roles", do_roles},
	{"catalog", do_catalog},
	{NULL, NULL}
};

void
_PG_init(void)
{
	DefineCustomIntVariable("probe_session.number", "A number.", NULL, &number, 1, -10, 100, PGC_USERSET, 0, NULL, NULL,
							NULL);
	DefineCustomStringVariable("probe_session.word", "A word.", NULL, &word, "first", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("probe_session.reloadable", "Another number.", NULL, &reloadable, 1, 0, 10, PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_session", "probe_session_entry");
	MarkGUCPrefixReserved("probe_session");
}

void
probe_session_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
