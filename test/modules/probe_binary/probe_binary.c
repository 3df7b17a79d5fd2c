/*
 * probe_binary: what the server's catalogues keep in types of which a text does not tell all: the planner's statistics, functions
 * and operators whose names others have too; and results that are mostly bytes.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_sql.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_binary_entry(Datum main_arg);

/* The sum of what is in memory of a value; of an array also of what it is made. */
static const char *
looked_at(Oid type, Datum value)
{
	struct varlena *bytes;
	uint32		sum;

	if (get_typbyval(type))
		return psprintf("%u", DatumGetObjectId(value));
	if (get_typlen(type) != -1)
		return psprintf("%08x", hash_bytes((unsigned char *) DatumGetPointer(value), get_typlen(type)));
	bytes = PG_DETOAST_DATUM(value);
	sum = hash_bytes((unsigned char *) VARDATA(bytes), (int) VARSIZE(bytes) - VARHDRSZ);
	if (type == ANYARRAYOID)
	{
		ArrayType  *array = (ArrayType *) bytes;

		return psprintf("%d dimensions of %u, %08x", ARR_NDIM(array), ARR_ELEMTYPE(array), sum);
	}
	return psprintf("%d bytes, %08x", (int) VARSIZE(bytes), sum);
}

/* What a query gives, through all ways. */
static void
say_rows(const char *query)
{
	uint64		rows;
	SPITupleTable *table;

	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no rows");
	rows = SPI_processed;
	table = SPI_tuptable;
	SAY("%s: " UINT64_FORMAT " rows", query, rows);
	for (uint64 row = 0; row < rows; row++)
		for (int column = 1; column <= table->tupdesc->natts; column++)
		{
			Form_pg_attribute attribute = TupleDescAttr(table->tupdesc, column - 1);
			bool		isnull,
						null_too;
			Datum		value = SPI_getbinval(table->vals[row], table->tupdesc, column, &isnull);
			Datum		same = heap_getattr(table->vals[row], column, table->tupdesc, &null_too);
			char	   *text = SPI_getvalue(table->vals[row], table->tupdesc, column);

			if (isnull != null_too || value != same)
				SAY("DIFFERS: " UINT64_FORMAT ".%d", row, column);
			SAY(" " UINT64_FORMAT ".%d %s %s len %d byval %d: %s, %s", row, column, NameStr(attribute->attname),
				SPI_gettype(table->tupdesc, column), attribute->attlen, attribute->attbyval, text ? text : "NULL",
				isnull ? "-" : looked_at(attribute->atttypid, value));
		}
	SPI_freetuptable(table);
}

/* What a query prints. */
static void
say_texts(const char *query)
{
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no rows");
	outcome(query, SPI_OK_SELECT);
	SPI_freetuptable(SPI_tuptable);
}

static void
do_statistics(const char *argument)
{
	begin();
	execute("CREATE EXTENSION cube", false, 0);
	execute("CREATE DOMAIN small AS int CHECK (VALUE < 1000); CREATE TYPE mood AS ENUM ('sad', 'fine')", false, 0);
	execute("CREATE TABLE seen AS SELECT (i % 10)::int2 AS a, i % 10 AS b, (i % 50)::int8 AS c, 'text ' || i % 7 AS t,"
			" ARRAY[i % 3, i % 2] AS many, (i % 5)::small AS s, (ARRAY['sad', 'fine'])[1 + i % 2]::mood AS m,"
			" ROW(i % 2, 'x')::text AS r, i * 1.5 AS n, i / 10.0::float8 AS f, date '2000-01-01' + i AS d,"
			" int4range(i % 4, 9) AS span, ('(' || i % 3 || ')')::cube AS q, box(point(i, i), point(0, 0)) AS corner"
			" FROM generate_series(1, 2000) i", false, 0);
	execute("ALTER TABLE seen ADD COLUMN late text DEFAULT 'not ''stored'' \\\"', ADD COLUMN numbers int[] DEFAULT '{{1,NULL}}',"
			" ADD COLUMN mood mood DEFAULT 'fine'", false, 0);
	execute("CREATE STATISTICS seen_all ON a, b, c, t FROM seen; CREATE STATISTICS seen_sum ON (a + c), b FROM seen;"
			"CREATE STATISTICS seen_pair (ndistinct, dependencies) ON c, n FROM seen", false, 0);
	execute("ANALYZE seen", false, 0);
	commit();
	begin();
	say_rows("SELECT stavalues1, stavalues2, stavalues3, stavalues4, stavalues5 FROM pg_statistic s JOIN pg_attribute a"
			 " ON attrelid = starelid AND attnum = staattnum WHERE starelid = 'seen'::regclass AND attname NOT IN ('q', 'm', 'mood')"
			 " ORDER BY staattnum");
	say_rows("SELECT stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data d JOIN pg_statistic_ext e ON e.oid = d.stxoid"
			 " ORDER BY stxname");
	say_rows("SELECT n_distinct, dependencies FROM pg_stats_ext ORDER BY statistics_name");
	say_rows("SELECT * FROM pg_stats WHERE tablename = 'seen' AND attname IN ('a', 'd', 'f', 'r', 'span', 't') ORDER BY attname");
	say_rows("SELECT most_common_vals, histogram_bounds FROM pg_stats_ext_exprs ORDER BY statistics_name");
	say_rows("SELECT attname, attmissingval FROM pg_attribute WHERE attrelid = 'seen'::regclass AND atthasmissing AND attname <> 'mood'"
			 " ORDER BY attnum");
	say_rows("SELECT NULL::anyarray, NULL::pg_ndistinct, NULL::pg_dependencies, NULL::pg_mcv_list");
	/* Of an extension's type, and of an enum whose labels have other OIDs in each cluster. */
	say_texts("SELECT attname, most_common_vals, histogram_bounds FROM pg_stats WHERE attname IN ('q', 'm') ORDER BY attname");
	say_texts("SELECT attmissingval FROM pg_attribute WHERE attrelid = 'seen'::regclass AND attname = 'mood'");
	/* Where the text does not show it, from the second time on. */
	execute("CREATE VIEW hidden AS SELECT statistics_name AS name, n_distinct AS d, dependencies AS of FROM pg_stats_ext", false, 0);
	commit();
	begin();
	say_texts("SELECT d, of FROM hidden ORDER BY name");
	say_rows("SELECT d, of FROM hidden ORDER BY name");
	/* In a row without a named type. */
	say_texts("SELECT ROW(histogram_bounds, attname) FROM pg_stats WHERE attname = 'f'");
	execute("SELECT '{}'::pg_ndistinct", true, 0);
	execute("SELECT '{1}'::anyarray", true, 0);
	execute("DROP VIEW hidden; DROP TABLE seen; DROP DOMAIN small; DROP TYPE mood; DROP EXTENSION cube", false, 0);
	commit();
}

static void
do_functions(const char *argument)
{
	begin();
	say_rows("SELECT 'now'::regproc, 'abs(int4)'::regprocedure::regproc, '-'::regproc, NULL::regproc,"
			 " '+(integer,integer)'::regoperator::regoper, '{now,-}'::regproc[]");
	say_rows("SELECT ARRAY['abs(int4)'::regprocedure, 'abs(int8)'::regprocedure]::regproc[] AS f");
	say_rows("SELECT typname, typinput, typreceive, typsubscript FROM pg_type WHERE oid < 30 ORDER BY oid");
	say_rows("SELECT aggfnoid, aggtransfn, aggfinalfn FROM pg_aggregate WHERE aggfnoid::oid < 2120 ORDER BY aggfnoid::oid");
	say_rows("SELECT oprname, oprcode, oprrest FROM pg_operator WHERE oprname = '+' AND oid < 700 ORDER BY oid");
	/* Where the text does not show it: from the second time on. */
	execute("CREATE TABLE kept AS SELECT oid::regprocedure::regproc AS f, proname FROM pg_proc WHERE proname IN ('abs', 'now')"
			" ORDER BY oid", false, 0);
	commit();
	begin();
	say_texts("SELECT f FROM kept");
	say_rows("SELECT f FROM kept");
	/* That name is still not taken for one of them. */
	execute("SELECT 'abs'::regproc", true, 0);
	say_texts("SELECT f, f::regprocedure FROM kept ORDER BY f::oid DESC");
	say_rows("SELECT f, f::regprocedure FROM kept ORDER BY f::oid DESC");
	execute("DROP TABLE kept", false, 0);
	commit();
}

/* The second time, bytes may come in another form than the first. */
static void
do_bytes(const char *argument)
{
	static const char *const queries[] = {
		"SELECT decode(repeat('00ff80415c', 8000), 'hex') AS b",
		"SELECT n, decode(repeat('5c27', 1000 * n), 'hex') AS b, NULL::bytea AS nothing, ''::bytea AS empty, 'text ' || n AS t,"
		" 1.5 * n AS d, now() = now() AS same, ARRAY[n, NULL] AS a FROM generate_series(1, 40) n",
		"SELECT 'x'::text AS t, decode(repeat('ab', 70000), 'hex') AS b, '(1,2)'::point AS p, '{\"a\": [1, null]}'::jsonb AS j,"
		" '1 day 2 hours'::interval AS i, '10.0.0.1/8'::inet AS ip, '-infinity'::timestamptz AS since, 'NaN'::numeric AS nan",
	};

	begin();
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < lengthof(queries); i++)
		{
			uint32		sum = 0;

			if (SPI_execute(queries[i], true, 0) != SPI_OK_SELECT)
				elog(ERROR, "no rows");
			for (uint64 row = 0; row < SPI_processed; row++)
				for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
				{
					Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
					char	   *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
					bool		isnull;
					Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

					sum = hash_combine(sum, text ? hash_bytes((unsigned char *) text, (int) strlen(text)) : 1);
					if (isnull)
						continue;
					if (attribute->attbyval)
						sum = hash_combine(sum, hash_bytes((unsigned char *) &value, sizeof(value)));
					else if (attribute->attlen > 0)
						sum = hash_combine(sum, hash_bytes((unsigned char *) DatumGetPointer(value), attribute->attlen));
					else
					{
						struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

						sum = hash_combine(sum, hash_bytes((unsigned char *) VARDATA_ANY(bytes), (int) VARSIZE_ANY_EXHDR(bytes)));
					}
				}
			SAY("query %d, " UINT64_FORMAT " rows: %08x", i, SPI_processed, sum);
			SPI_freetuptable(SPI_tuptable);
		}
	commit();
}

static void
do_everything(const char *argument)
{
	do_statistics(argument);
	do_functions(argument);
	do_bytes(argument);
}

static const ProbeAction actions[] = {
	{"everything", do_everything},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_binary", "probe_binary_entry");
}

void
probe_binary_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
