/*
 * OIDs that are written as names: regclass and its kin.
 */
#include "postgres.h"

#include "probe_values.h"

static void
named_oids(const char *query)
{
	int			result = SPI_execute(query, false, 0);

	outcome(query, result);
	for (uint64 row = 0; row < SPI_tuptable->numvals; row++)
		for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
		{
			Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
			bool		isnull;
			Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

			if (isnull)
				SAY("  null");
			else
				SAY("  len %d byval %d oid %u", attribute->attlen, attribute->attbyval, DatumGetObjectId(value));
		}
}

/* The OIDs of what was there from the start are the same in every cluster, and those of what one script makes, too. */
void
do_aliases(const char *argument)
{
	static const char *const catalogs[][2] = {
		{"pg_class", "regclass"}, {"pg_type", "regtype"}, {"pg_proc", "regprocedure"}, {"pg_operator", "regoperator"},
		{"pg_roles", "regrole"}, {"pg_namespace", "regnamespace"}, {"pg_ts_config", "regconfig"},
		{"pg_ts_dict", "regdictionary"}, {"pg_collation", "regcollation"},
	};

	begin();
	SPI_execute("CREATE SCHEMA one; CREATE SCHEMA \"Two, 'q'\"; CREATE TABLE one.t (i int); CREATE TABLE \"Two, 'q'\".t (i int);"
				"CREATE TABLE public.\"a \"\"b\"\" \\ {c}\" (i int); SET LOCAL search_path = one, public", false, 0);
	named_oids("SELECT 'one.t'::regclass, '\"Two, ''q''\".t'::regclass, 'one'::regnamespace, NULL::regclass, 0::regclass,"
			   " 4000000000::oid::regclass, 'public.\"a \"\"b\"\" \\ {c}\"'::regclass");
	/* The same name is another table now. */
	SPI_execute("SET LOCAL search_path = \"Two, 'q'\", public", false, 0);
	named_oids("SELECT 'one.t'::regclass, '\"Two, ''q''\".t'::regclass, 'pg_class'::regclass");
	SPI_execute("ALTER TABLE t RENAME TO u; ALTER TABLE one.t SET SCHEMA \"Two, 'q'\"", false, 0);
	named_oids("SELECT oid::regclass FROM pg_class WHERE relname IN ('t', 'u') ORDER BY oid");
	named_oids("SELECT 'now'::regproc, 'pg_catalog.now'::regproc, 'now()'::regprocedure, '!!'::regoper,"
			   " '+(integer,integer)'::regoperator, '\"C\"'::regcollation, 'integer[]'::regtype, 'simple'::regconfig");
	for (int i = 0; i < lengthof(catalogs); i++)
	{
		uint64		wrong = 0;
		bool		isnull;

		if (SPI_execute(psprintf("SELECT oid AS o, oid::%s AS a, oid::%s::text AS t FROM %s WHERE oid < 16384 ORDER BY o", catalogs[i][1],
								 catalogs[i][1], catalogs[i][0]), true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no rows");
		for (uint64 row = 0; row < SPI_processed; row++)
			if (DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull)) !=
				DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull)) ||
				strcmp(SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2),
					   SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3)) != 0)
				wrong++;
		SAY("%s: %d rows, " UINT64_FORMAT " wrong", catalogs[i][1], SPI_processed > 0, wrong);
	}
	/* In arrays, rows, rows in arrays, domains, and as parameters; names that need quoting, none at all. */
	SPI_execute("CREATE DOMAIN rel AS regclass; CREATE TYPE tagged AS (c regclass, ts regtype[], n int, r rel);"
				"CREATE TYPE nest AS (a tagged, many tagged[])", false, 0);
	own_value("'{pg_class,NULL,pg_proc,-,4000000000}'::regclass[]");
	own_value("'[2:3][0:0]={{int4},{text[]}}'::regtype[]");
	own_value("ARRAY['max(int4)', 'now()']::regprocedure[]");
	own_value("ARRAY['pg_class', 'pg_type']::rel[]");
	own_value("ROW('pg_class', '{int4,NULL,timestamptz}', 5, 'pg_proc')::tagged");
	own_value("ROW(NULL, '{}', 5, NULL)::tagged");
	own_value("ARRAY[ROW('pg_class', NULL, 1, 'pg_proc'), ROW('pg_type', '{\"char\"}', 2, NULL)]::tagged[]");
	own_value("ROW(ROW('pg_class', NULL, 1, 'pg_proc')::tagged, ARRAY[ROW('pg_am', '{bit}', 2, NULL)::tagged])::nest");
	own_value("(SELECT array_agg(oid::regclass ORDER BY oid) FROM pg_class WHERE oid < 10000)");
	SPI_execute("DROP TYPE nest; DROP TYPE tagged; DROP DOMAIN rel", false, 0);
	commit();
}
