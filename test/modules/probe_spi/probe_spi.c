/*
 * probe_spi: SPI and transactions as a worker sees them: return codes of every kind of statement, values of every type
 * that must be built in memory, errors, subtransactions, plans.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_sql.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_spi_entry(Datum main_arg);

/* --- return codes ------------------------------------------------------------------------------------------- */
static const char *const statements[] = {
	"SELECT 1 AS one, 'x'::text AS x, NULL::int AS none",
	"VALUES (1), (2)",
	"WITH q AS (SELECT 3 AS v) SELECT v FROM q",
	"SELECT 1 WHERE false",
	"TABLE probe_t",
	"INSERT INTO probe_t SELECT g, 'row ' || g FROM generate_series(1, 5) g",
	"INSERT INTO probe_t VALUES (6, 'six') RETURNING id, label",
	"UPDATE probe_t SET label = upper(label) WHERE id < 3",
	"UPDATE probe_t SET label = 'u' WHERE id = 3 RETURNING *",
	"DELETE FROM probe_t WHERE id = 4",
	"DELETE FROM probe_t WHERE id = 5 RETURNING id",
	"DELETE FROM probe_t WHERE false RETURNING id",
	"MERGE INTO probe_t t USING (VALUES (1, 'merged')) v(id, label) ON t.id = v.id WHEN MATCHED THEN UPDATE SET label = v.label",
	"WITH gone AS (DELETE FROM probe_t WHERE id = 6 RETURNING id) SELECT count(*) FROM gone",
	"CREATE TEMP TABLE probe_temp AS SELECT generate_series(1, 3) AS g",
	"SELECT * INTO TEMP probe_temp2 FROM probe_temp",
	"CREATE TEMP TABLE IF NOT EXISTS probe_temp AS SELECT 1",
	"CREATE TABLE IF NOT EXISTS probe_t (id int)",
	"EXPLAIN (COSTS OFF) SELECT 1",
	"SHOW work_mem",
	"SET work_mem = '3MB'",
	"SET LOCAL work_mem = '5MB'",
	"SHOW work_mem",
	"PREPARE p AS SELECT 7 AS seven",
	"EXECUTE p",
	"DEALLOCATE p",
	"DECLARE c CURSOR FOR SELECT generate_series(1, 5) AS n",
	"FETCH 2 FROM c",
	"MOVE 1 IN c",
	"FETCH ALL FROM c",
	"CLOSE c",
	"NOTIFY probe_channel, 'x'",
	"UNLISTEN *",
	"LISTEN probe_channel",
	"LOCK TABLE probe_t IN SHARE MODE",
	"DO $$ BEGIN PERFORM 1; END $$",
	"TRUNCATE probe_temp",
	"BEGIN",
	"COMMIT",
	"ROLLBACK",
	"SAVEPOINT s",
	"RELEASE s",
	"PREPARE TRANSACTION 'x'",
	"COPY probe_t TO STDOUT",
	"COPY probe_t FROM STDIN",
	"",
	" ; ; ",
	"-- only a comment",
	"/* begin */ SELECT 'commented' AS c",
	"SELECT 1 AS first; SELECT 2 AS second",
	"INSERT INTO probe_t VALUES (10, 'ten'); SELECT count(*) FROM probe_t WHERE id = 10",
	"INSERT INTO probe_t VALUES (11, 'eleven'); COMMIT; INSERT INTO probe_t VALUES (12, 'twelve')",
	"SELECT id FROM probe_t WHERE id IN (10, 11, 12) ORDER BY id",
	"VACUUM probe_t",
	"CREATE DATABASE probe_db",
	"SELECT 1/0",
	"SELECT nosuchcolumn FROM probe_t",
	"SELECT * FROM nosuchtable",
	"SELEC 1",
	"SELECT $1",
	"INSERT INTO probe_t VALUES (1, 'again')",
	"SELECT 'two' || chr(10) || 'lines' AS text",
	"SELECT id, label, ctid IS NULL AS c FROM probe_t WHERE id = 1",
};

static void
set_up(void)
{
	begin();
	outcome("create", SPI_execute("CREATE TABLE IF NOT EXISTS probe_t (id int PRIMARY KEY, label varchar(40)); "
								  "DELETE FROM probe_t", false, 0));
	commit();
}

static void
do_codes(const char *argument)
{
	SAY("not connected: execute %d prepare %s result %d finish %d", SPI_execute("SELECT 1", false, 0),
		SPI_prepare("SELECT 1", 0, NULL) ? "plan" : "null", SPI_result, SPI_finish());
	set_up();
	begin();
	SAY("NULL text %d negative count %d", SPI_execute(NULL, false, 0), SPI_execute("SELECT 1", false, -1));
	for (int i = 0; i < lengthof(statements); i++)
		execute(statements[i], false, 0);
	execute("SELECT generate_series(1, 10) AS g", false, 3);
	execute("INSERT INTO probe_t SELECT g, 'n' FROM generate_series(100, 109) g", false, 4);
	execute("UPDATE probe_t SET label = 'limited' WHERE id >= 100 RETURNING id", true, 0);
	execute("SELECT count(*) FROM probe_t WHERE id >= 100", false, 0);
	execute("SHOW work_mem", true, 0);
	execute("SELECT id FROM probe_t FOR UPDATE", true, 0);
	execute("CREATE TABLE nope (i int)", true, 0);
	commit();
}

static void
do_accessors(const char *argument)
{
	TupleDesc	desc;
	HeapTuple	row;
	bool		isnull;
	char	   *value;
	SPITupleTable *kept;

	begin();
	outcome("select", SPI_execute("SELECT 5 AS five, NULL::text AS nothing, 'v'::varchar AS word", false, 0));
	kept = SPI_tuptable;
	desc = kept->tupdesc;
	row = kept->vals[0];
	SAY("columns %d fnumber word %d unknown %d ctid %d", desc->natts, SPI_fnumber(desc, "word"),
		SPI_fnumber(desc, "unknown"), SPI_fnumber(desc, "ctid"));
	value = SPI_getvalue(row, desc, 0);
	SAY("column 0: %s, result %d", value ? value : "null", SPI_result);
	value = SPI_getvalue(row, desc, 2);
	SAY("null column: %s, result %d", value ? value : "null", SPI_result);
	SAY("getbinval 9: " UINT64_FORMAT " null %d result %d", (uint64) SPI_getbinval(row, desc, 9, &isnull), isnull,
		SPI_result);
	SAY("fname 9 %s result %d", SPI_fname(desc, 9) ? "name" : "null", SPI_result);
	SAY("gettype 3 %s, typeid %u %u, result %d", SPI_gettype(desc, 3), SPI_gettypeid(desc, 3), SPI_gettypeid(desc, 9),
		SPI_result);
	SAY("five %d", DatumGetInt32(SPI_getbinval(row, desc, 1, &isnull)));
	SAY("heap_getattr %d null %d", DatumGetInt32(heap_getattr(row, 1, desc, &isnull)), isnull);
	outcome("other", SPI_execute("SELECT 6 AS six", false, 0));
	SAY("first still %s", SPI_getvalue(kept->vals[0], kept->tupdesc, 1));
	SPI_freetuptable(SPI_tuptable);
	SAY("freed, table %s processed " UINT64_FORMAT, SPI_tuptable ? "set" : "null", SPI_processed);
	SPI_freetuptable(NULL);
	SAY("nested connect %d", SPI_connect());
	SAY("inner processed " UINT64_FORMAT " table %s", SPI_processed, SPI_tuptable ? "set" : "null");
	outcome("inner", SPI_execute("SELECT generate_series(1, 3)", false, 0));
	SAY("inner finish %d, outer processed " UINT64_FORMAT, SPI_finish(), SPI_processed);
	value = SPI_palloc(10);
	strcpy(value, "kept");
	commit();
	SAY("finish again %d", SPI_finish());
}

/* --- plans ------------------------------------------------------------------------------------------------ */
static SPIPlanPtr kept_plan;

static void
do_plans(const char *argument)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2] = {Int32GetDatum(21), CStringGetTextDatum("twenty-one")};
	SPIPlanPtr	plan;

	set_up();
	begin();
	outcome("with args", SPI_execute_with_args("SELECT $1 * 2 AS twice, $2 || '!' AS loud", 2, types, values, NULL,
											   false, 0));
	outcome("with null", SPI_execute_with_args("SELECT $1 AS i, $2 AS t", 2, types, values, "n ", true, 0));
	outcome("missing args", SPI_execute_with_args("SELECT $1", 1, NULL, NULL, NULL, false, 0));
	plan = SPI_prepare("INSERT INTO probe_t VALUES ($1, $2) RETURNING id", 2, types);
	SAY("plan %s args %d", plan ? "made" : "null", SPI_getargcount(plan));
	outcome("execute plan", SPI_execute_plan(plan, values, NULL, false, 0));
	outcome("no values", SPI_execute_plan(plan, NULL, NULL, false, 0));
	outcome("null plan", SPI_execute_plan(NULL, NULL, NULL, false, 0));
	SAY("keep %d again %d", SPI_keepplan(plan), SPI_keepplan(plan));
	kept_plan = plan;
	plan = SPI_prepare("COMMIT", 0, NULL);
	SAY("commit prepared %s", plan ? "yes" : "no");
	outcome("execute commit", SPI_execute_plan(plan, NULL, NULL, false, 0));
	plan = SPI_prepare("SELECT 1 AS a; SELECT $1 + 1 AS b", 1, types);
	outcome("two statements", SPI_execute_plan(plan, values, NULL, false, 0));
	SAY("free %d", SPI_freeplan(plan));
	SAY("missing types %s result %d", SPI_prepare("SELECT $1", 1, NULL) ? "plan" : "null", SPI_result);
	commit();
	begin();
	values[0] = Int32GetDatum(22);
	outcome("kept plan", SPI_execute_plan(kept_plan, values, " n", false, 0));
	for (int i = 30; i < 40; i++)
	{
		values[0] = Int32GetDatum(i);
		if (SPI_execute_plan(kept_plan, values, NULL, false, 0) != SPI_OK_INSERT_RETURNING)
			SAY("unexpected");
	}
	outcome("count", SPI_execute("SELECT count(*), min(id), max(id) FROM probe_t", false, 0));
	commit();
}

/* --- values --------------------------------------------------------------------------------------------------- */
static const char *const type_cases[] = {
	"true::bool", "false::bool", "'-32768'::int2", "2147483647::int4", "'-9223372036854775808'::int8", "42::oid",
	"4294967295::oid", "1.5::float4", "'NaN'::float4", "1e-300::float8", "'-Infinity'::float8", "0.1::float8",
	"'some text'::text", "''::text", "repeat('long ', 1000)::text", "'vc'::varchar(10)", "'bp'::char(5)", "'nm'::name",
	"'\\xdeadbeef00'::bytea", "'\\x'::bytea", "'2000-01-01'::date", "'1582-10-15'::date", "'infinity'::date",
	"'0044-03-15 BC'::date", "'23:59:59.999999'::time", "'2024-02-29 12:34:56.789'::timestamp",
	"'-infinity'::timestamp", "'2024-07-01 12:00:00+02'::timestamptz", "'1 year 2 mons 3 days 04:05:06.7'::interval",
	"'-1 day -00:00:01'::interval", "123.456::numeric", "0::numeric", "'NaN'::numeric", "'Infinity'::numeric",
	"-99999999999999999999.000001::numeric", "1e-20::numeric", "12345.6700::numeric(12,4)",
	"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "'{\"a\" : [1, 2]}'::json",
	"'{\"b\": 1, \"aa\": [true, null, \"x\", {\"n\": 1.50}]}'::jsonb", "'[]'::jsonb", "'\"scalar\"'::jsonb",
	"'1234'::xid", "'192.168.1.5/24'::inet", "'2001:db8::1'::inet", "'10.0.0.0/8'::inet", "'{1,2,NULL,4}'::int4[]",
	"'{}'::int4[]", "'{a,\"b c\",NULL,\"\"}'::text[]", "'{1.5,2.5}'::float8[]", "'{t,f}'::bool[]",
	"'{2000-01-01,2001-02-03}'::date[]", "'{1.10,2}'::numeric[]", "'[3:4]={7,8}'::int8[]",
	"'{\"2024-01-01 00:00:00+00\"}'::timestamptz[]", "'{192.168.0.1}'::inet[]", "'{one,two}'::varchar[]",
	"'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'::uuid[]", "'{\"{\\\"a\\\": 1}\"}'::jsonb[]", "'{1,2}'::oid[]",
	"'{x,y}'::name[]", "'{\"\\\\xff\"}'::bytea[]", "'{00:00:01}'::time[]", "'{1 day}'::interval[]", "'{3}'::int2[]",
	"'{1.5}'::float4[]",
};

/* Does something with the value that only a right one survives, in C, by type. */
static void
use_value(Oid type, Datum value)
{
	switch (type)
	{
		case BOOLOID:
			SAY("  bool %d", DatumGetBool(value));
			break;
		case INT2OID:
			SAY("  int2 %d", DatumGetInt16(value));
			break;
		case INT4OID:
			SAY("  int4 %d", DatumGetInt32(value));
			break;
		case INT8OID:
			SAY("  int8 " INT64_FORMAT, DatumGetInt64(value));
			break;
		case OIDOID:
			SAY("  oid %u", DatumGetObjectId(value));
			break;
		case XIDOID:
			SAY("  xid %u", DatumGetTransactionId(value));
			break;
		case FLOAT4OID:
			SAY("  float4 %.9g", (double) DatumGetFloat4(value));
			break;
		case FLOAT8OID:
			SAY("  float8 %.17g", DatumGetFloat8(value));
			break;
		case NAMEOID:
			SAY("  name %s", NameStr(*DatumGetName(value)));
			break;
		case DATEOID:
			SAY("  date %d", DatumGetDateADT(value));
			break;
		case TIMEOID:
			SAY("  time " INT64_FORMAT, DatumGetTimeADT(value));
			break;
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			SAY("  timestamp " INT64_FORMAT, DatumGetTimestamp(value));
			break;
		case INTERVALOID:
			{
				Interval   *interval = DatumGetIntervalP(value);

				SAY("  interval %d %d " INT64_FORMAT, interval->month, interval->day, interval->time);
				break;
			}
		case UUIDOID:
			SAY("  uuid %02x%02x", DatumGetUUIDP(value)->data[0], DatumGetUUIDP(value)->data[15]);
			break;
		case INETOID:
			SAY("  inet family %d bits %d", ip_family(DatumGetInetPP(value)), ip_bits(DatumGetInetPP(value)));
			break;
		default:
			{
				struct varlena *plain = PG_DETOAST_DATUM_COPY(value);
				uint32		hash = 2166136261u;

				for (Size i = 0; i < VARSIZE(plain); i++)
					hash = (hash ^ ((unsigned char *) plain)[i]) * 16777619u;
				SAY("  size %u hash %08x", (unsigned) VARSIZE(plain), hash);
				break;
			}
	}
}

static void
do_types(const char *argument)
{
	StringInfoData all;
	bool		isnull;

	begin();
	for (int i = 0; i < lengthof(type_cases); i++)
	{
		char	   *query = psprintf("SELECT %s AS v", type_cases[i]);
		Oid			type;
		char	   *text;

		if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no result");
		type = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		SAY("%s: type %u %s text %.60s", type_cases[i], type, SPI_gettype(SPI_tuptable->tupdesc, 1), text);
		use_value(type, SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	/* All in one row, with NULLs between, so that alignment and the null bitmap count. */
	initStringInfo(&all);
	appendStringInfoString(&all, "SELECT ");
	for (int i = 0; i < lengthof(type_cases); i++)
		appendStringInfo(&all, "%s%s, NULL::int4", i ? ", " : "", type_cases[i]);
	if (SPI_execute(all.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no result");
	SAY("one row of %d columns", SPI_tuptable->tupdesc->natts);
	for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
	{
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

		if (isnull != (column % 2 == 0))
			SAY("column %d null %d", column, isnull);
		if (!isnull)
			use_value(SPI_gettypeid(SPI_tuptable->tupdesc, column), value);
	}
	commit();
}

/* A value of a type that cannot be built still prints. */
static void
do_odd_types(const char *argument)
{
	static const char *const odd[] = {
		"'(1,2)'::point", "int4range(1, 5)", "'{{1,2},{3,4}}'::int4[]", "'101'::bit(3)", "'08:00:2b:01:02:03'::macaddr",
		"'12.34'::money", "row(1, 'x')", "'pg_class'::regclass", "'fat & cat'::tsquery", "'12:00+02'::timetz",
	};

	begin();
	for (int i = 0; i < lengthof(odd); i++)
	{
		if (SPI_execute(psprintf("SELECT %s AS v", odd[i]), true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no result");
		SAY("%s: %s %s", odd[i], SPI_gettype(SPI_tuptable->tupdesc, 1),
			SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	}
	commit();
}

/* --- transactions ------------------------------------------------------------------------------------------- */
static void
do_transactions(const char *argument)
{
	MemoryContext caller = CurrentMemoryContext;

	set_up();
	begin();
	outcome("insert", SPI_execute("INSERT INTO probe_t VALUES (1, 'kept')", false, 0));
	execute("INSERT INTO probe_t VALUES (1, 'duplicate')", false, 0);
	execute("INSERT INTO probe_t VALUES (2, 'kept too')", false, 0);
	SAY("in transaction %d", IsTransactionState());
	commit();
	SAY("in transaction %d", IsTransactionState());

	/* Rolled back as a whole. */
	begin();
	outcome("insert", SPI_execute("INSERT INTO probe_t VALUES (3, 'lost')", false, 0));
	AbortCurrentTransaction();
	SAY("after abort: execute %d, in transaction %d", SPI_execute("SELECT 1", false, 0), IsTransactionState());
	MemoryContextSwitchTo(caller);

	/* Caught without a subtransaction: the transaction goes on. */
	begin();
	outcome("before", SPI_execute("INSERT INTO probe_t VALUES (4, 'before')", false, 0));
	attempt_plain("SELECT 1/0");
	attempt_plain("INSERT INTO probe_t VALUES (5, 'after')");
	commit();

	begin();
	outcome("rows", SPI_execute("SELECT id, label FROM probe_t ORDER BY id", true, 0));
	commit();

	/* Nested subtransactions. */
	begin();
	{
		ResourceOwner owner = CurrentResourceOwner;
		MemoryContext inside = CurrentMemoryContext;

		BeginInternalSubTransaction("one");
		MemoryContextSwitchTo(inside);
		SPI_execute("INSERT INTO probe_t VALUES (20, 'outer')", false, 0);
		BeginInternalSubTransaction("two");
		MemoryContextSwitchTo(inside);
		SPI_execute("INSERT INTO probe_t VALUES (21, 'inner')", false, 0);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(inside);
		SPI_execute("INSERT INTO probe_t VALUES (22, 'outer again')", false, 0);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(inside);
		CurrentResourceOwner = owner;
		outcome("nested", SPI_execute("SELECT id FROM probe_t WHERE id >= 20 ORDER BY id", false, 0));
	}
	commit();

	/* A deferred constraint fails at commit. */
	begin();
	SPI_execute("DROP TABLE IF EXISTS probe_deferred; "
				"CREATE TABLE probe_deferred (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)", false, 0);
	commit();
	begin();
	outcome("twice", SPI_execute("INSERT INTO probe_deferred VALUES (1), (1)", false, 0));
	SPI_finish();
	PopActiveSnapshot();
	PG_TRY();
	{
		CommitTransactionCommand();
		SAY("committed");
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		SAY("commit: %s %s | %s", unpack_sql_state(error->sqlerrcode), error->message, error->detail);
		SAY("in transaction %d", IsTransactionState());
		AbortCurrentTransaction();
		SAY("in transaction %d", IsTransactionState());
	}
	PG_END_TRY();
	begin();
	outcome("none", SPI_execute("SELECT count(*) FROM probe_deferred", true, 0));
	commit();

	/* Left without SPI_finish. */
	begin();
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("transactions done");
}

static void
do_identity(const char *argument)
{
	begin();
	outcome("identity", SPI_execute("SELECT current_database() AS d, current_user AS u, "
									"session_user = current_user AS same, "
									"current_setting('client_encoding') = getdatabaseencoding() AS encoding", true, 0));
	SAY("MyDatabaseId %d", OidIsValid(MyDatabaseId));
	SAY("user id %u", GetUserId());
	commit();
}

static void
do_uncaught(const char *argument)
{
	begin();
	outcome("insert", SPI_execute("CREATE TABLE IF NOT EXISTS probe_lost (i int)", false, 0));
	SPI_execute("SELECT 1/0", false, 0);
}

static void
do_uncaught_position(const char *argument)
{
	begin();
	SPI_execute("SELECT nosuchcolumn", false, 0);
}

static void
do_return_open(const char *argument)
{
	begin();
	outcome("insert", SPI_execute("CREATE TABLE probe_open (i int)", false, 0));
}

static void
do_messages(const char *argument)
{
	begin();
	SPI_execute("DO $$ BEGIN RAISE WARNING 'a warning'; RAISE NOTICE 'a notice'; RAISE LOG 'a log line'; END $$", false,
				0);
	commit();
}

/* Ends after a transaction that only read, as far as the calls tell, and whose commit fails. */
static void
do_late_refusal(const char *argument)
{
	begin();
	SPI_execute("CREATE TABLE probe_unique (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)", false, 0);
	SPI_execute("CREATE FUNCTION probe_twice() RETURNS void LANGUAGE sql AS "
				"'INSERT INTO probe_unique VALUES (1), (1)'", false, 0);
	commit();
	begin();
	SPI_execute("SELECT probe_twice()", true, 0);
	commit();
}

/* Waits inside a statement until a signal ends it. */
static void
do_sleep(const char *argument)
{
	if (argument && strcmp(argument, "die") == 0)
		pqsignal(SIGTERM, die);
	begin();
	pgstat_report_activity(STATE_RUNNING, "SELECT pg_sleep(60)");
	SAY("sleeping");
	SPI_execute("SELECT pg_sleep(60)", false, 0);
	SAY("slept");
	commit();
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"codes", do_codes},
	{"accessors", do_accessors},
	{"plans", do_plans},
	{"types", do_types},
	{"odd_types", do_odd_types},
	{"transactions", do_transactions},
	{"identity", do_identity},
	{"uncaught", do_uncaught},
	{"uncaught_position", do_uncaught_position},
	{"return_open", do_return_open},
	{"messages", do_messages},
	{"late_refusal", do_late_refusal},
	{"sleep", do_sleep},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_spi", "probe_spi_entry");
}

void
probe_spi_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
