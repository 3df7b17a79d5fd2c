/*
 * Types of the user's own: enums, row types, domains, ranges and multiranges, and values of them taken apart.
 */
#include "postgres.h"

#include "probe_values.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

/* What a value is made of, as a module takes it apart. */
static void
take_apart(StringInfo to, Oid type, Datum value)
{
	char		kind = get_typtype(type);
	Oid			element = get_element_type(type);

	if (kind == TYPTYPE_DOMAIN)
		take_apart(to, getBaseType(type), value);
	else if (kind == TYPTYPE_COMPOSITE)
	{
		HeapTupleHeader header = DatumGetHeapTupleHeader(value);
		TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
		HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
		Datum	   *values = palloc(sizeof(Datum) * desc->natts);
		bool	   *nulls = palloc(sizeof(bool) * desc->natts);

		heap_deform_tuple(&tuple, desc, values, nulls);
		appendStringInfo(to, "row of %d columns, own type %d (", desc->natts, desc->tdtypeid == type);
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(desc, i);
			bool		isnull;

			if (attribute->attisdropped)
			{
				appendStringInfo(to, "dropped %d;", nulls[i]);
				continue;
			}
			appendStringInfo(to, "%s=", NameStr(attribute->attname));
			if (GetAttributeByNum(header, i + 1, &isnull) != values[i] || isnull != nulls[i])
				appendStringInfoString(to, "DIFFERS BY NUMBER ");
			if (GetAttributeByName(header, NameStr(attribute->attname), &isnull) != values[i] || isnull != nulls[i])
				appendStringInfoString(to, "DIFFERS BY NAME ");
			if (nulls[i])
				appendStringInfoString(to, "null");
			else
				take_apart(to, attribute->atttypid, values[i]);
			appendStringInfoChar(to, ';');
		}
		appendStringInfoChar(to, ')');
		ReleaseTupleDesc(desc);
	}
	else if (kind == TYPTYPE_RANGE)
	{
		TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_RANGE_INFO);
		RangeType  *taken = DatumGetRangeTypeP(value);
		RangeBound	lower,
					upper;
		bool		empty;

		range_deserialize(entry, taken, &lower, &upper, &empty);
		appendStringInfo(to, "range own type %d empty %d flags %x of subtype %d [", RangeTypeGetOid(taken) == type, empty,
						 range_get_flags(taken), entry->rngelemtype->type_id == get_range_subtype(type));
		if (RANGE_HAS_LBOUND(range_get_flags(taken)))
			take_apart(to, entry->rngelemtype->type_id, lower.val);
		appendStringInfoChar(to, ';');
		if (RANGE_HAS_UBOUND(range_get_flags(taken)))
			take_apart(to, entry->rngelemtype->type_id, upper.val);
		appendStringInfoChar(to, ']');
	}
	else if (kind == TYPTYPE_MULTIRANGE)
	{
		TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_MULTIRANGE_INFO);
		RangeType **ranges;
		int32		count;

		multirange_deserialize(entry->rngtype, DatumGetMultirangeTypeP(value), &count, &ranges);
		appendStringInfo(to, "multirange own range type %d %d {", entry->rngtype->type_id == get_multirange_range(type), count);
		for (int i = 0; i < count; i++)
			take_apart(to, entry->rngtype->type_id, RangeTypePGetDatum(ranges[i]));
		appendStringInfoChar(to, '}');
	}
	else if (OidIsValid(element))
	{
		ArrayType  *array = DatumGetArrayTypeP(value);
		int16		len;
		bool		byval;
		char		align;
		Datum	   *items;
		bool	   *nulls;
		int			count;

		get_typlenbyvalalign(element, &len, &byval, &align);
		deconstruct_array(array, element, len, byval, align, &items, &nulls, &count);
		appendStringInfo(to, "array of %d dimensions, %d items, own element %d, array of it %d {", ARR_NDIM(array), count,
						 ARR_ELEMTYPE(array) == element, get_array_type(element) == type);
		for (int i = 0; i < ARR_NDIM(array); i++)
			appendStringInfo(to, "[%d from %d]", ARR_DIMS(array)[i], ARR_LBOUND(array)[i]);
		for (int i = 0; i < count; i++)
		{
			if (nulls[i])
				appendStringInfoString(to, "null");
			else
				take_apart(to, element, items[i]);
			appendStringInfoChar(to, ';');
		}
		appendStringInfoChar(to, '}');
	}
	else
	{
		Oid			output;
		bool		varlena;

		getTypeOutputInfo(type, &output, &varlena);
		appendStringInfo(to, "%c%d:%s", kind, varlena, OidOutputFunctionCall(output, value));
	}
}

/*
 * The bytes of a value, but for rows: the server notes in their header which version of its own catalog they were made
 * for.
 */
static uint32
own_fingerprint(Form_pg_attribute attribute, Datum value)
{
	Oid			element = get_element_type(attribute->atttypid);

	if (type_is_rowtype(OidIsValid(element) ? element : attribute->atttypid))
		return 0;
	return fingerprint(attribute, value);
}

/* How the server sums up a value that it was sent: aclitem has no binary form. */
const char *sum_of_sent = "md5(record_send(row($1)))";

void
own_value(const char *expression)
{
	Form_pg_attribute attribute;
	Datum		value;
	bool		isnull;
	char	   *text,
			   *back;
	StringInfoData parts;

	if (SPI_execute(psprintf("SELECT %s AS v", expression), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no value");
	attribute = TupleDescAttr(SPI_tuptable->tupdesc, 0);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	initStringInfo(&parts);
	take_apart(&parts, attribute->atttypid, value);
	SAY("%s: %s %s len %d byval %d align %c storage %c row %d enum %d, %s, %s, %08x", expression,
		SPI_gettype(SPI_tuptable->tupdesc, 1), format_type_be(attribute->atttypid), attribute->attlen, attribute->attbyval,
		attribute->attalign, attribute->attstorage, type_is_rowtype(attribute->atttypid), type_is_enum(attribute->atttypid),
		text, parts.data, own_fingerprint(attribute, value));
	if (SPI_execute_with_args("SELECT $1 AS back", 1, &attribute->atttypid, &value, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no answer");
	back = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (strcmp(back, text) != 0 ||
		own_fingerprint(attribute, SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) !=
		own_fingerprint(attribute, value))
		SAY("  came back as %s", back);
	outcome("sent", SPI_execute_with_args(psprintf("SELECT pg_typeof($1)::text AS type, %s AS bytes", sum_of_sent), 1,
										  &attribute->atttypid, &value, NULL, true, 0));
}

static const char *
own_row(void)
{
	StringInfoData row;

	initStringInfo(&row);
	appendStringInfo(&row, "ROW(%s, ", below(5) == 0 ? "NULL" : psprintf("%d", below(1000)));
	if (below(5) == 0)
		appendStringInfoString(&row, "NULL, ");
	else
	{
		StringInfoData text;

		initStringInfo(&text);
		words(&text, 6);
		appendStringInfo(&row, "%s, ", quoted(text.data));
	}
	appendStringInfo(&row, "%s, %s)", ONE_OF("NULL", "'sad'", "'it''s, fine'", "'o\"k'"),
					 ONE_OF("NULL", "'{}'", "'{sad,NULL}'", "'[2:3]={sad,\"o\\\"k\"}'", "'{{sad},{sad}}'"));
	return row.data;
}

void
do_own_types(const char *argument)
{
	state = strtoul(argument ? argument : "1", NULL, 10);
	begin();
	outcome("types",
			SPI_execute("CREATE TYPE mood AS ENUM ('sad', 'o\"k', 'it''s, fine');"
						"CREATE TYPE \"Odd Pair\" AS (a int, gone float8, \"b c\" text, m mood, ms mood[]);"
						"ALTER TYPE \"Odd Pair\" DROP ATTRIBUTE gone;"
						"CREATE TYPE nest AS (p \"Odd Pair\", ps \"Odd Pair\"[], n numeric(6,2), v varchar(3));"
						"CREATE DOMAIN positive AS int CHECK (value > 0); CREATE DOMAIN feeling AS mood;"
						"CREATE TYPE holder AS (d positive, f feeling, t timestamptz);"
						"CREATE TABLE stored (id int, label text DEFAULT 'x', at date)", false, 0));
	SPI_execute("CREATE EXTENSION citext", false, 0);
	own_value("'MiXed'::citext");
	own_value("'{MiXed,NULL,\"\"}'::citext[]");
	own_value("'sad'::mood");
	own_value("'it''s, fine'::mood");
	own_value("'{}'::mood[]");
	own_value("'[0:1][3:4]={{sad,NULL},{\"o\\\"k\",\"it''s, fine\"}}'::mood[]");
	own_value("ARRAY[1, NULL, 3]::positive[]");
	own_value("ARRAY['sad', 'o\"k']::feeling[]");
	own_value("ROW(7, 'sad', '2024-02-29 12:00+00')::holder");
	own_value("ROW(NULL, NULL, NULL)::holder");
	own_value("ROW(1, 'y', '2020-01-01')::stored");
	own_value("(SELECT array_agg(ROW(g, 'l' || g, date '2020-01-01' + g)::stored) FROM generate_series(1, 50) g)");
	for (int i = 0; i < 40; i++)
		own_value(psprintf("%s::\"Odd Pair\"", own_row()));
	for (int i = 0; i < 20; i++)
		own_value(psprintf("ROW(%s, ARRAY[%s, NULL, %s]::\"Odd Pair\"[], 1.5, 'abc')::nest", own_row(), own_row(), own_row()));
	/* Altered, in this transaction and between two. */
	outcome("alter", SPI_execute("ALTER TYPE holder ADD ATTRIBUTE late mood; ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", false, 0));
	own_value("ROW(7, 'blue', NULL, 'blue')::holder");
	own_value("'{blue}'::mood[]");
	commit();
	begin();
	outcome("alter", SPI_execute("ALTER TYPE mood ADD VALUE 'new' BEFORE 'blue'", false, 0));
	commit();
	begin();
	own_value("enum_range(NULL::mood)");
	/* A column whose type was never looked at before, in a transaction that has seen an error. */
	execute("SELECT 'no such'::mood", true, 0);
	own_value("'new'::mood");
	execute("DROP TABLE stored; DROP TYPE nest; DROP TYPE \"Odd Pair\"; DROP TYPE holder; DROP DOMAIN positive;"
			"DROP DOMAIN feeling; DROP TYPE mood; DROP EXTENSION citext", false, 0);
	commit();
}

/* --- ranges --- */

Oid
type_named(const char *name)
{
	bool		isnull;
	Oid			type;

	if (SPI_execute(psprintf("SELECT %s::regtype::oid", quoted(name)), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no type");
	type = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return type;
}

typedef struct Reading
{
	Oid			type;
	const char *name;
	const char *literal;
} Reading;

static void
run_reading(void *argument)
{
	Reading    *it = argument;
	Oid			input,
				output,
				param;
	bool		varlena;
	Datum		value;

	getTypeInputInfo(it->type, &input, &param);
	getTypeOutputInfo(it->type, &output, &varlena);
	value = OidInputFunctionCall(input, pstrdup(it->literal), param, -1);
	SAY("%s of %s: %s", it->name, it->literal, OidOutputFunctionCall(output, value));
}

/* What a module gets that reads text of its own with the type's input function. */
void
read_text(const char *name, const char *literal)
{
	Reading		it = {type_named(name), name, literal};
	ErrorData  *error = in_subtransaction(NULL, run_reading, &it, false);

	if (error == NULL)
		return;
	SAY("%s of %s -> %s %s", name, literal, unpack_sql_state(error->sqlerrcode), error->message);
	FreeErrorData(error);
}

void
do_ranges(const char *argument)
{
	static const char *const ours[] = {"floatrange", "wordrange", "localrange", "moodrange", "caserange"};

	begin();
	outcome("types",
			SPI_execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('z', 'a', 'b c');"
						"CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);"
						"CREATE TYPE wordrange AS RANGE (subtype = text, collation = \"C\");"
						"CREATE TYPE localrange AS RANGE (subtype = text);"
						"CREATE TYPE moodrange AS RANGE (subtype = mood);"
						"CREATE TYPE caserange AS RANGE (subtype = citext);"
						"CREATE DOMAIN small AS int4range CHECK (upper(value) < 100);"
						"CREATE TYPE span AS (r int4range, f floatmultirange, s small, ms moodrange[])", false, 0));
	own_value("'[1,2]'::floatrange");
	own_value("'{[1,2],(2,3],[Infinity,NaN],(,-5e300)}'::floatmultirange");
	own_value("'{\"[1,2]\",NULL,empty}'::floatrange[]");
	own_value("wordrange('', E'z\"\\\\,')");
	own_value("wordrange(repeat('long ', 60), NULL, '()')");
	own_value("wordmultirange(wordrange('a', 'b'), wordrange('bb', repeat('long ', 60)), wordrange('q', 'qqqq', '[]'))");
	own_value("localrange('a', 'b', '[]')");
	own_value("localmultirange(localrange('a', 'b', '[]'), localrange('c', 'd'))");
	own_value("moodrange('z', 'b c', '(]')");
	own_value("'{\"[z,z]\",\"[a,\\\"b c\\\"]\"}'::moodrange[]");
	own_value("caserange('A', 'b', '[]')");
	own_value("ARRAY['[1,5]', 'empty']::small[]");
	own_value("ROW('[1,5]', '{[1,2)}', '[1,50]', '{\"[z,a)\"}')::span");
	for (int i = 0; i < lengthof(ours); i++)
	{
		static const char *const literals[] = {
			"[a,b)", "[b,a)", "[a,a)", "[1,2)", "[2,1]", "empty", "(,)", "[x", "[z,a]", "[a,Z)", "[\"b c\",)", "[NaN,NaN]",
		};

		for (int j = 0; j < lengthof(literals); j++)
			read_text(ours[i], literals[j]);
	}
	read_text("small", "[1,5]");
	read_text("small", "[1,100]");
	read_text("small[]", "{\"[1,5]\",NULL}");
	read_text("small[]", "{\"[1,5]\",\"[1,200]\"}");
	read_text("int4range", "[5,5]");
	read_text("int4range", "[5,2147483647]");
	read_text("daterange", "[2024-02-28,2024-02-28]");
	read_text("int4multirange", "{[5,6],[1,2],(2,5),empty}");
	read_text("localmultirange", "{[a,b],[1,2],(b,c)}");
	read_text("localmultirange", "{[b,a]}");
	read_text("moodmultirange", "{[z,a),[a,\"b c\"]}");
	read_text("floatrange[]", "{\"[2,1]\"}");
	read_text("span", "(\"[1,5]\",\"{[1,2]}\",,\"{\"\"[z,a)\"\"}\")");
	execute("DROP TYPE span; DROP DOMAIN small; DROP TYPE caserange; DROP TYPE moodrange; DROP TYPE localrange;"
			"DROP TYPE wordrange; DROP TYPE floatrange; DROP TYPE mood; DROP EXTENSION citext", false, 0);
	commit();
}
