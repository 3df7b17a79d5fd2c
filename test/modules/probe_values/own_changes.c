/*
 * What the worker itself changes between two uses of a text.
 */
#include "postgres.h"

#include "probe_values.h"

#include "access/xact.h"

/* Often enough to be worth keeping, if anything is kept. */
static void
ask_often(const char *query)
{
	for (int i = 0; i < 4; i++)
		execute(query, false, 0);
}

void
do_own_changes(const char *argument)
{
	static const char *const queries[] = {
		"SELECT 'a'::mood", "SELECT ARRAY['a']::mood[]", "SELECT '(1,x)'::pair", "SELECT count(*), min(origin) FROM place",
		"SELECT 5::small + 0 AS n", "SELECT described(1)", "SELECT '[1,2]'::span", "INSERT INTO kept VALUES ('a') RETURNING m",
		"SELECT x.*::text FROM shown x", "SELECT 1 @@@ 2",
	};
	static const char *const changes[] = {
		"DROP TABLE kept; DROP TYPE mood; CREATE TYPE mood AS ENUM ('z', 'a'); CREATE TABLE kept (m mood)",
		"DROP TYPE pair; CREATE TYPE pair AS (b text, a text)",
		"CREATE TEMP TABLE other (i int)",
		"CREATE TEMP TABLE place (origin text); INSERT INTO place VALUES ('temporary')",
		"DROP TABLE pg_temp.place",
		"CREATE TABLE first.place (origin text)",
		"ALTER TABLE first.place RENAME TO elsewhere",
		"DROP DOMAIN small; CREATE DOMAIN small AS int8",
		"CREATE FUNCTION first.described(int) RETURNS text LANGUAGE sql AS 'SELECT ''first '' || $1'",
		"DROP TYPE span; CREATE TYPE span AS RANGE (subtype = float8)",
		"ALTER TABLE shown ADD COLUMN late text DEFAULT 'new'",
		"CREATE OPERATOR first.@@@ (FUNCTION = int4mul, LEFTARG = int, RIGHTARG = int)",
		"DO $$ BEGIN DROP TYPE pair; CREATE TYPE pair AS (c int, d text); END $$",
	};

	begin();
	outcome("objects", SPI_execute("CREATE SCHEMA first; CREATE TYPE mood AS ENUM ('a'); CREATE TYPE pair AS (a int, b text);"
								   "CREATE TABLE place (origin text); INSERT INTO place VALUES ('public');"
								   "CREATE DOMAIN small AS int CHECK (value < 10); CREATE TYPE span AS RANGE (subtype = int4);"
								   "CREATE FUNCTION described(int) RETURNS text LANGUAGE sql AS 'SELECT ''public '' || $1';"
								   "CREATE TABLE kept (m mood); CREATE TABLE shown AS SELECT 1 AS a;"
								   "CREATE OPERATOR public.@@@ (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)", false, 0));
	commit();
	begin();
	SPI_execute("SET search_path = first, public", false, 0);
	for (int i = 0; i < lengthof(queries); i++)
		ask_often(queries[i]);
	for (int i = 0; i < lengthof(changes); i++)
	{
		execute(changes[i], false, 0);
		for (int j = 0; j < lengthof(queries); j++)
			execute(queries[j], false, 0);
	}
	commit();
	/* A plan keeps what its names meant when it was made; the same text planned anew does not. */
	{
		const char *query = "SELECT origin FROM place WHERE origin <> 'none'";
		SPIPlanPtr	first,
					second;

		begin();
		first = SPI_prepare(query, 0, NULL);
		SPI_keepplan(first);
		outcome("first", SPI_execute_plan(first, NULL, NULL, false, 0));
		outcome("first", SPI_execute_plan(first, NULL, NULL, false, 0));
		SPI_execute("CREATE TEMP TABLE place (origin text); INSERT INTO place VALUES ('temporary')", false, 0);
		outcome("first", SPI_execute_plan(first, NULL, NULL, false, 0));
		outcome("text", SPI_execute(query, false, 0));
		second = SPI_prepare(query, 0, NULL);
		outcome("second", SPI_execute_plan(second, NULL, NULL, false, 0));
		SPI_execute("DROP TABLE pg_temp.place", false, 0);
		/* Planned time and again. */
		for (int i = 0; i < 5; i++)
			outcome("again", SPI_execute_plan(SPI_prepare(query, 0, NULL), NULL, NULL, false, 0));
		SPI_freeplan(first);
		commit();
	}
	/* Made, used and taken back, by the transaction and by a subtransaction; then another takes the name. */
	for (int i = 0; i < 2; i++)
	{
		MemoryContext caller = CurrentMemoryContext;
		ResourceOwner owner = CurrentResourceOwner;

		begin();
		if (i == 1)
			BeginInternalSubTransaction(NULL);
		execute("CREATE TYPE passing AS ENUM ('a')", false, 0);
		ask_often("SELECT 'a'::passing");
		if (i == 1)
		{
			RollbackAndReleaseCurrentSubTransaction();
			MemoryContextSwitchTo(caller);
			CurrentResourceOwner = owner;
		}
		else
		{
			SPI_finish();
			PopActiveSnapshot();
			AbortCurrentTransaction();
			begin();
		}
		execute("CREATE TYPE passing AS (a int)", false, 0);
		execute("SELECT '(1)'::passing", false, 0);
		execute("DROP TYPE passing; CREATE TYPE passing AS ENUM ('a', 'b')", false, 0);
		execute("SELECT 'a'::passing", false, 0);
		execute("DROP TYPE passing", false, 0);
		commit();
	}
	begin();
	execute("RESET search_path; DROP SCHEMA first CASCADE; DROP TABLE kept, shown, place; DROP TYPE mood; DROP TYPE pair; DROP DOMAIN small;"
			"DROP TYPE span; DROP FUNCTION described(int); DROP OPERATOR @@@ (int, int)", false, 0);
	commit();
}
