/*
 * Rows without a named type.
 */
#include "postgres.h"

#include "probe_values.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* What a record is made of, to the bytes of what is no row itself. */
static void
say_record(Datum value, int depth)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple;
	Datum	   *values = palloc(sizeof(Datum) * (desc->natts + 1));
	bool	   *nulls = palloc(sizeof(bool) * (desc->natts + 1));

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	SAY("%*s%s of %d columns, null bitmap %d, variable %d", depth, "", format_type_be(desc->tdtypeid), desc->natts,
		HeapTupleHasNulls(&tuple), HeapTupleHasVarWidth(&tuple));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Oid			output;
		bool		varlena,
					isnull;
		Datum		by_number = GetAttributeByNum(header, i + 1, &isnull);

		if (attribute->attisdropped || nulls[i])
		{
			SAY("%*s%d %s null %d", depth, "", i, attribute->attisdropped ? "dropped" : format_type_be(attribute->atttypid), isnull);
			continue;
		}
		getTypeOutputInfo(attribute->atttypid, &output, &varlena);
		SAY("%*s%d %s len %d byval %d align %c storage %c %.70s%s", depth, "", i, format_type_be(attribute->atttypid),
			attribute->attlen, attribute->attbyval, attribute->attalign, attribute->attstorage,
			OidOutputFunctionCall(output, values[i]),
			datumIsEqual(values[i], by_number, attribute->attbyval, attribute->attlen) ? "" : " DIFFERS BY NUMBER");
		if (type_is_rowtype(attribute->atttypid))
			say_record(values[i], depth + 2);
		else if (!type_is_enum(attribute->atttypid) && attribute->atttypid < FirstNormalObjectId && !type_is_array(attribute->atttypid))
			SAY("%*s  %08x", depth, "", fingerprint(attribute, values[i]));
	}
	ReleaseTupleDesc(desc);
}

static void
say_records(void)
{
	TupleDesc	desc = SPI_tuptable->tupdesc;

	for (uint64 row = 0; row < SPI_tuptable->numvals; row++)
		for (int column = 1; column <= desc->natts; column++)
		{
			Oid			type = SPI_gettypeid(desc, column);
			bool		isnull,
						isnull2;
			Datum		value = SPI_getbinval(SPI_tuptable->vals[row], desc, column, &isnull);
			Datum		through_tuple = heap_getattr(SPI_tuptable->vals[row], column, desc, &isnull2);
			Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);

			if (isnull)
			{
				SAY("  %s %s null %d", SPI_fname(desc, column), SPI_gettype(desc, column), isnull2);
				continue;
			}
			SAY("  %s %s len %d align %c %.100s%s", SPI_fname(desc, column), SPI_gettype(desc, column), attribute->attlen,
				attribute->attalign, SPI_getvalue(SPI_tuptable->vals[row], desc, column),
				datumIsEqual(value, through_tuple, attribute->attbyval, attribute->attlen) ? "" : " DIFFERS IN THE TUPLE");
			if (type == RECORDOID)
				say_record(value, 4);
			else if (type == RECORDARRAYOID)
			{
				Datum	   *items;
				bool	   *nulls;
				int			count;

				deconstruct_array(DatumGetArrayTypeP(value), RECORDOID, -1, false, TYPALIGN_DOUBLE, &items, &nulls, &count);
				for (int i = 0; i < count; i++)
					if (nulls[i])
						SAY("    item %d null", i);
					else
						say_record(items[i], 4);
			}
			else if (type < FirstNormalObjectId)
				SAY("    %08x", fingerprint(attribute, value));
		}
}

static void
query_records(const char *query, bool read_only, long count)
{
	int			code = SPI_execute(query, read_only, count);

	SAY("%s: %d, %d rows", query, code, (int) SPI_processed);
	if (SPI_tuptable != NULL)
		say_records();
}

static char *failing_query;

static void
run_failing_query(void)
{
	query_records(failing_query, false, 0);
}

void
do_records(const char *argument)
{
	static const char *const queries[] = {
		"SELECT ROW(1, 'a'::text, NULL::int8, 1.5::numeric)", "SELECT (1, 'unknown', NULL)", "SELECT ROW()",
		"SELECT NULL::record, 7 AS n", "SELECT ROW(ROW(1, 2::int2), ROW('a'::text, ROW(true, NULL::date)), NULL::record)",
		"SELECT t FROM (VALUES (1, 'x'::text), (2, NULL)) t(a, b)", "SELECT t.a, t, 'z'::name FROM (SELECT 1 AS a, 2.5::float8 AS b) AS t",
		"VALUES (ROW(1, 2)), (ROW(3, NULL))", "SELECT ROW(1, 2) UNION ALL SELECT ROW('a'::text, 'b'::text)",
		"SELECT ARRAY[ROW(1, 'a'::text), NULL, ROW(2, NULL)] AS l, array_agg(t) AS g FROM (VALUES (1, '2001-02-03'::date), (NULL, 'infinity')) t",
		"SELECT ROW(ARRAY[ROW(1), ROW(NULL::int)], ARRAY[1, 2, NULL], '{}'::text[])",
		"WITH c AS (SELECT 1 AS a, 'b'::bpchar AS b) SELECT c FROM c", "WITH c AS (SELECT 1 AS a) SELECT x FROM c AS x",
		"SELECT j FROM ((SELECT 1 AS a) p CROSS JOIN (SELECT 'q'::text AS b) q) AS j",
		"SELECT r FROM (SELECT ROW(1, 2) AS r) AS s", "SELECT s FROM (SELECT ROW(1, 2) AS r) AS s",
		"SELECT few()", "SELECT public.few(), 5 AS n", "SELECT f FROM few() AS f", "SELECT few FROM few()", "SELECT * FROM few()",
		"SELECT g FROM generate_series(1, 2) WITH ORDINALITY AS g", "SELECT several(1), several(2)", "SELECT several(n) FROM generate_series(1, 3) n",
		"SELECT r FROM several(1) AS r(a int, b text)", "SELECT json_each_text('{\"a\": 1}')", "SELECT (SELECT t FROM (VALUES (1, 2)) t)",
		"SELECT ROW('sad'::mood, 5::small, (7, 'x', 3)::pair, ARRAY['glad']::mood[], ARRAY[1, 2]::small[], '$.a ? (@ == 1)'::jsonpath, '$'::route)",
		"SELECT ROW('pg_class'::regclass, 'int4'::regtype, 'abs(int4)'::regprocedure::regproc, ARRAY['pg_type'::regclass])",
		"SELECT ROW('A'::citext), 'B'::citext",
		"SELECT ROW(1), pg_sleep(0), 'sad'::mood, (1, 'y', 2)::pair, 'pg_class'::regclass, '{5}'::small[], '{glad}'::mood[]",
		"SELECT COALESCE(NULL, ROW(1, 'b'::text))",
		"SELECT CASE WHEN n = 1 THEN ROW(1, 2) ELSE ROW(3, 4) END FROM generate_series(1, 2) n", "TABLE held", "SELECT held FROM held",
		"INSERT INTO held VALUES (3, 'c') RETURNING ROW(i, t), held", "UPDATE held SET t = 'd' FROM (SELECT 3 AS k, 4 AS v) s WHERE i = k RETURNING s",
		"DELETE FROM held WHERE i = 3 RETURNING (i, t)", "SELECT ROW(xmlcomment('c'), '<a/>'::xml, ARRAY['<b/>'::xml], NULL::xml)",
		"SELECT ROW('a:1 b'::tsvector, 'a & !b:*'::tsquery, '1.2.3.0/24'::cidr, '::1'::inet, '1:9:3,4'::pg_snapshot, '((0,0),(1,1))'::polygon)",
		"SELECT 1 FROM few() WHERE (1, 2) = (1, 2)",
		"SELECT ROW(''::int2vector, ''::oidvector, '1 2'::int2vector, ARRAY['']::oidvector[], ''::tsvector, '{}'::numeric[])",
	};
	static const char *const failing[] = {
		"SELECT ROW(1 / 0)", "SELECT ROW(nosuch)", "SELECT t FROM nosuch() t", "SELECT ROW(1), 1 / (n - 2) FROM generate_series(1, 3) n",
	};
	Oid			types[1] = {INT4OID};
	Datum		values[1];
	SPIPlanPtr	plan;
	Portal		portal;

	state = strtoul(argument ? argument : "1", NULL, 10);
	begin();
	SPI_execute("CREATE EXTENSION cube; CREATE EXTENSION citext", false, 0);
	execute("CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN small AS int CHECK (VALUE < 10);"
			"CREATE TYPE pair AS (a int, b text, c small); CREATE DOMAIN route AS jsonpath; CREATE TABLE held (i int, t text);"
			"INSERT INTO held VALUES (1, 'a'), (2, NULL);"
			"CREATE FUNCTION few(OUT a int, OUT b text, OUT c numeric) LANGUAGE sql AS $$SELECT 1, 'x'::text, NULL::numeric$$;"
			"CREATE FUNCTION several(n int) RETURNS record LANGUAGE plpgsql AS $$DECLARE r record; BEGIN"
			" IF n = 1 THEN SELECT 1, 'one'::text INTO r; ELSE SELECT 'two'::text, 2.0, NULL::date INTO r; END IF; RETURN r; END$$", false, 0);
	commit();
	begin();
	for (int twice = 0; twice < 2; twice++)
		for (int i = 0; i < lengthof(queries); i++)
			query_records(queries[i], false, 0);
	query_records("SELECT ROW(n, 'x'::text) FROM generate_series(1, 5) n", true, 2);
	query_records("SELECT ROW(n, 'x'::text) FROM generate_series(1, 5) n", true, 0);
	/* What has no binary form at all can still be read, and what the host does not know is printed. */
	SPI_execute("SELECT ROW('=r/postgres'::aclitem)", true, 0);
	SAY("%s", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_execute("INSERT INTO held VALUES (8, 'h')", false, 0);
	SPI_execute("WITH w AS (INSERT INTO held VALUES (9, 'i') RETURNING i) SELECT i, ROW('=w/postgres'::aclitem) FROM w", false, 0);
	SAY("%s %s", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1), SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
	SPI_execute("DELETE FROM held WHERE i IN (8, 9) RETURNING i", false, 0);
	SAY("%d rows of those", (int) SPI_processed);
	for (int i = 0; i < 2; i++)
	{
		SPI_execute("SELECT ROW('(1,2)'::cube, 1, NULL::cube), ROW(2, ARRAY['(3)'::cube]), 4 AS n", true, 0);
		for (int column = 1; column <= 3; column++)
			SAY("%s", SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column));
	}
	commit();
	begin();
	for (int i = 0; i < lengthof(failing); i++)
	{
		failing_query = (char *) failing[i];
		probe_attempt(failing[i], run_failing_query);
		AbortCurrentTransaction();
		begin();
	}
	plan = SPI_prepare("SELECT ROW($1, 'p'::text), $1", 1, types);
	for (int i = 0; i < 3; i++)
	{
		values[0] = Int32GetDatum(i);
		SAY("plan: %d", SPI_execute_plan(plan, values, NULL, true, 0));
		say_records();
	}
	portal = SPI_cursor_open("records", plan, values, NULL, true);
	SPI_cursor_fetch(portal, true, 5);
	say_records();
	SPI_cursor_close(portal);
	portal = SPI_cursor_open_with_args(NULL, "SELECT t, n FROM (SELECT n, n::text AS w FROM generate_series(1, 5) n) t", 0, NULL, NULL, NULL, true, CURSOR_OPT_SCROLL);
	SPI_cursor_fetch(portal, true, 2);
	say_records();
	SPI_cursor_fetch(portal, false, 1);
	say_records();
	SPI_cursor_close(portal);
	/* Values of every type in rows, and beside them. */
	for (int round = 0; round < 60; round++)
	{
		StringInfoData query;
		int			columns = 1 + below(6);

		initStringInfo(&query);
		appendStringInfoString(&query, "SELECT ROW(");
		for (int i = 0; i < columns; i++)
		{
			char	   *one = expression();

			while (strstr(one, "::aclitem") != NULL)
				one = expression();
			appendStringInfo(&query, "%s%s%s", i ? ", " : "", below(8) ? one : "NULL::int8", i == 2 && below(2) ? ", ROW(1, 'n'::text)" : "");
		}
		appendStringInfoString(&query, ") AS r");
		for (int i = below(3); i > 0; i--)
		{
			char	   *one = expression();

			while (strstr(one, "::aclitem") != NULL)
				one = expression();
			appendStringInfo(&query, ", %s AS c%d", one, i);
		}
		if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no row");
		SAY("row %d", round);
		say_records();
		SPI_freetuptable(SPI_tuptable);
	}
	execute("DROP FUNCTION several(int); DROP FUNCTION few(); DROP TABLE held; DROP DOMAIN route; DROP TYPE pair; DROP DOMAIN small;"
			"DROP TYPE mood; DROP EXTENSION cube; DROP EXTENSION citext", false, 0);
	commit();
}
