/*
 * probe_values: the property that a value means the same in the host as in the server. Values of the built-in types are
 * generated from a seed, fetched through SPI in rows with NULLs between, looked at as text, as the bytes of their Datum
 * and through the heap tuple, and sent back as parameters. The argument is SEED or SEED/ROWS.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"
#include "probe_sql.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_values_entry(Datum main_arg);

static void
digits(StringInfo to, int n)
{
	while (n-- > 0)
		appendStringInfoChar(to, '0' + below(10));
}

static void
number(StringInfo to, int whole, int fraction)
{
	if (below(2))
		appendStringInfoChar(to, '-');
	appendStringInfoChar(to, '1' + below(9));
	digits(to, below(whole + 1));
	if (fraction > 0 && below(3) > 0)
	{
		appendStringInfoChar(to, '.');
		digits(to, 1 + below(fraction));
	}
}

static void
words(StringInfo to, int most)
{
	int			n = below(most + 1);

	while (n-- > 0)
		appendStringInfoString(to, ONE_OF("a", "B", " ", "'", "\"", "\\", "{", "}", ",", "NULL", "\xc3\xa4", "\xe2\x82\xac",
										  "\xf0\x9d\x84\x9e", "\t", "\n", "x1", "()", "[]", "$1", "%s"));
}

static void
hex(StringInfo to, int bytes)
{
	while (bytes-- > 0)
		appendStringInfo(to, "%02x", below(256));
}

static void
day(StringInfo to)
{
	bool		bc = below(8) == 0;
	int			year = below(6) == 0 ? 1 + below(bc ? 4700 : 250000) : 1900 + below(200);

	appendStringInfo(to, "%04d-%02d-%02d", year, 1 + below(12), 1 + below(28));
	if (bc)
		appendStringInfoString(to, " BC");
}

static void
clock_time(StringInfo to)
{
	appendStringInfo(to, "%02d:%02d:%02d", below(24), below(60), below(60));
	if (below(2))
	{
		appendStringInfoChar(to, '.');
		digits(to, 1 + below(6));
	}
}

static void
json(StringInfo to, int depth)
{
	int			n;

	switch (below(depth > 0 ? 8 : 5))
	{
		case 0:
			appendStringInfoString(to, ONE_OF("null", "true", "false"));
			break;
		case 1:
			number(to, 20, 20);
			break;
		case 2:
			appendStringInfo(to, "%de%d", below(1000), below(40) - 20);
			break;
		case 3:
		case 4:
			appendStringInfoString(to, ONE_OF("\"\"", "\"text\"", "\"\\u00e4\\n\"", "\"\xe2\x82\xac\"", "\"a \\\"b\\\"\""));
			break;
		case 5:
		case 6:
			n = below(6);
			appendStringInfoChar(to, '[');
			for (int i = 0; i < n; i++)
			{
				appendStringInfoString(to, i ? ", " : "");
				json(to, depth - 1);
			}
			appendStringInfoChar(to, ']');
			break;
		default:
			n = below(6);
			appendStringInfoChar(to, '{');
			for (int i = 0; i < n; i++)
			{
				appendStringInfo(to, "%s\"%s%d\":", i ? "," : "", ONE_OF("k", "", "key", "\xc3\xa4"), below(9));
				json(to, depth - 1);
			}
			appendStringInfoChar(to, '}');
	}
}

static void
points(StringInfo to, int n)
{
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(to, i ? ",(" : "(");
		number(to, 9, 9);
		appendStringInfoChar(to, ',');
		if (below(12) == 0)
			appendStringInfoString(to, ONE_OF("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1e308"));
		else
			number(to, 9, 9);
		appendStringInfoChar(to, ')');
	}
}

static const char *const types[] = {
	"bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "numeric(30,5)", "text", "varchar(12)", "char(7)",
	"name", "\"char\"", "bytea", "date", "time", "timetz", "timestamp", "timestamptz", "timestamp(2)", "interval", "uuid",
	"json", "jsonb", "inet", "cidr", "xid", "xid8", "pg_lsn", "int2vector", "oidvector",
	"bit(9)", "varbit", "macaddr", "macaddr8", "tid",
	"point", "lseg", "box", "path", "polygon", "line", "circle",
	"pg_snapshot", "refcursor", "xml", "tsvector", "tsquery", "money", "aclitem", "jsonpath",
	"int4range", "int8range",
	"numrange", "daterange", "tsrange", "tstzrange", "int4multirange", "int8multirange", "nummultirange",
	"datemultirange", "tsmultirange", "tstzmultirange",
};

/* A bound of a range: of those of one range the smaller text is the smaller value. */
static void
bound(StringInfo to, const char *type)
{
	if (strncmp(type, "int", 3) == 0)
		appendStringInfo(to, "%d", 1000 + below(9000));
	else if (strncmp(type, "num", 3) == 0)
		appendStringInfo(to, "%d.%0*d", 10 + below(90), 1 + below(40), below(100));
	else
		appendStringInfo(to, "%04d-%02d-%02d", 1900 + below(200), 1 + below(12), 1 + below(28));
	if (strncmp(type, "ts", 2) == 0)
	{
		appendStringInfo(to, " %02d:%02d:%02d", below(24), below(60), below(60));
		if (below(2))
			appendStringInfo(to, ".%06d", below(1000000));
	}
}

static void
range(StringInfo to, const char *type)
{
	StringInfoData low,
				high;

	if (below(8) == 0)
	{
		appendStringInfoString(to, ONE_OF("empty", "(,)", "[,]"));
		return;
	}
	initStringInfo(&low);
	initStringInfo(&high);
	if (below(6) > 0)
		bound(&low, type);
	if (below(6) > 0)
		bound(&high, type);
	if (low.len > 0 && high.len > 0 && (strncmp(type, "num", 3) == 0 ? atof(low.data) > atof(high.data) :
										 strcmp(low.data, high.data) > 0))
	{
		StringInfoData swap = low;

		low = high;
		high = swap;
	}
	appendStringInfo(to, "%s%s%s%s,%s%s%s", ONE_OF("[", "("), low.len ? "\"" : "", low.data, low.len ? "\"" : "",
					 high.len ? "\"" : "", high.data, high.len ? "\"" : "");
	appendStringInfoString(to, ONE_OF("]", ")"));
}

/* Text of a value of types[type]. */
static void
value_text(StringInfo to, const char *type)
{
	if (strcmp(type, "bool") == 0)
		appendStringInfoString(to, ONE_OF("t", "f"));
	else if (strcmp(type, "int2") == 0)
		appendStringInfo(to, "%d", below(4) ? below(65536) - 32768 : below(2) ? -32768 : 32767);
	else if (strcmp(type, "int4") == 0)
		appendStringInfo(to, "%d", below(4) ? (int) draw() : below(2) ? PG_INT32_MIN : PG_INT32_MAX);
	else if (strcmp(type, "int8") == 0)
		appendStringInfo(to, INT64_FORMAT, below(4) ? (int64) draw() : below(2) ? PG_INT64_MIN : PG_INT64_MAX);
	else if (strcmp(type, "oid") == 0 || strcmp(type, "xid") == 0)
		appendStringInfo(to, "%u", (uint32) draw());
	else if (strcmp(type, "xid8") == 0)
		appendStringInfo(to, UINT64_FORMAT, draw());
	else if (strcmp(type, "float4") == 0)
	{
		if (below(4) == 0)
			appendStringInfoString(to, ONE_OF("NaN", "Infinity", "-Infinity", "-0", "1e-45", "3.4028235e38", "0.1"));
		else
			appendStringInfo(to, "%.9g", ((double) draw() - 9e18) * pow(10, below(60) - 50));
	}
	else if (strncmp(type, "numeric(", 8) == 0)
		number(to, 20, 9);
	else if (strcmp(type, "numeric") == 0)
	{
		if (below(10) == 0)
			appendStringInfoString(to, ONE_OF("NaN", "Infinity", "-Infinity", "0", "0.000", "1e-60", "1e130"));
		else
			number(to, below(5) ? 12 : 180, below(5) ? 8 : 120);
	}
	else if (strcmp(type, "text") == 0)
		words(to, below(9) ? 20 : 3000);
	else if (strcmp(type, "varchar(12)") == 0 || strcmp(type, "char(7)") == 0)
		words(to, 2);
	else if (strcmp(type, "name") == 0)
		words(to, 14);
	else if (strcmp(type, "\"char\"") == 0)
		appendStringInfoString(to, ONE_OF("a", "", "\\001", "\\377", " "));
	else if (strcmp(type, "bytea") == 0)
	{
		appendStringInfoString(to, "\\x");
		hex(to, below(9) ? below(40) : 2500);
	}
	else if (strcmp(type, "date") == 0)
	{
		if (below(9) == 0)
			appendStringInfoString(to, ONE_OF("infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "epoch"));
		else
			day(to);
	}
	else if (strcmp(type, "time") == 0)
		clock_time(to);
	else if (strcmp(type, "timetz") == 0)
	{
		clock_time(to);
		appendStringInfo(to, "%c%02d:%02d", below(2) ? '+' : '-', below(15), below(4) * 15);
	}
	else if (strncmp(type, "timestamp", 9) == 0)
	{
		if (below(9) == 0)
			appendStringInfoString(to, ONE_OF("infinity", "-infinity", "4714-11-24 00:00:00+00 BC", "294276-12-31 12:00:00+00"));
		else
		{
			appendStringInfo(to, "%04d-%02d-%02d ", 1800 + below(400), 1 + below(12), 1 + below(28));
			clock_time(to);
			appendStringInfo(to, "%s", ONE_OF("", "+00", "-05:30", " BC"));
		}
	}
	else if (strcmp(type, "interval") == 0)
		appendStringInfo(to, "%d years %d mons %d days %d hours %d.%06d seconds", below(300) - 150, below(40) - 20,
						 below(4000) - 2000, below(200) - 100, below(100000) - 50000, below(1000000));
	else if (strcmp(type, "uuid") == 0)
		hex(to, 16);
	else if (strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0)
		json(to, 4);
	else if (strcmp(type, "inet") == 0)
	{
		if (below(2))
			appendStringInfo(to, "%d.%d.%d.%d/%d", below(256), below(256), below(256), below(256), below(33));
		else
			appendStringInfo(to, "%x:%x::%x/%d", below(65536), below(65536), below(65536), below(129));
	}
	else if (strcmp(type, "cidr") == 0)
		appendStringInfo(to, below(2) ? "%d.%d.0.0/16" : "%d:%d::/32", below(256), below(256));
	else if (strcmp(type, "pg_lsn") == 0)
		appendStringInfo(to, "%X/%X", (uint32) draw(), (uint32) draw());
	else if (strcmp(type, "bit(9)") == 0 || strcmp(type, "varbit") == 0)
		for (int i = type[0] == 'b' ? 9 : below(below(9) ? 40 : 3000); i > 0; i--)
			appendStringInfoChar(to, '0' + below(2));
	else if (strncmp(type, "macaddr", 7) == 0)
		hex(to, type[7] ? 8 : 6);
	else if (strcmp(type, "tid") == 0)
		appendStringInfo(to, "(%u,%d)", (uint32) draw(), below(65536));
	else if (strcmp(type, "pg_snapshot") == 0)
		appendStringInfo(to, "%d:%d:1000%s", 1 + below(1000), 1001 + below(1000), ONE_OF("", ",1000"));
	else if (strcmp(type, "tsvector") == 0)
		for (int i = below(below(9) ? 8 : 300); i > 0; i--)
		{
			appendStringInfo(to, "%s%d", ONE_OF("a", "b", "ab", "it''s", "\xc3\xa4", "\\\\x"), below(2) ? 7 : below(30));
			for (int p = 0, n = below(5); p < n; p++)
				appendStringInfo(to, "%c%d%s", p ? ',' : ':', 1 + below(p == 3 ? 20000 : 50), ONE_OF("", "A", "B", "C", "D"));
			appendStringInfoChar(to, ' ');
		}
	else if (strcmp(type, "tsquery") == 0)
		for (int i = below(6); i >= 0; i--)
			appendStringInfo(to, "%s%s%d%s%s", ONE_OF("", "", "!"), ONE_OF("a", "\xc3\xa4", "b"), below(30),
							 ONE_OF("", "", ":A", ":*", ":*BD"), i ? ONE_OF(" & ", " | ", " <-> ", " <7> ") : "");
	else if (strcmp(type, "refcursor") == 0)
		words(to, 14);
	else if (strcmp(type, "xml") == 0)
		appendStringInfo(to, "<a>%d<b c='%d'/>%s</a>", below(1000), below(100), ONE_OF("", "\xc3\xa4", "<!-- x -->"));
	else if (strcmp(type, "jsonpath") == 0)
	{
		appendStringInfoString(to, ONE_OF("", "lax ", "strict "));
		appendStringInfoString(to, ONE_OF("$", "$v", "-1.5", "(1 + $.x)", "\"\\u00e4\""));
		for (int i = below(5); i > 0; i--)
			appendStringInfo(to, "%s%s", i == 1 ? " " : "",
							 ONE_OF(".a", ".\"b c\"", "[*]", "[last - 1, 2 to $n]", ".**{1 to last}", ".type()", " ? (@ like_regex \"^a\" flag \"i\")",
									" ? (@.\xc3\xa4 == 1 && !exists(@.b))", ".datetime(\"HH24\")", " ? ((@ starts with \"x\") is unknown)"));
	}
	else if (strcmp(type, "money") == 0)
	{
		if (below(6) == 0)
			appendStringInfoString(to, ONE_OF("0", "-0.01", "-92233720368547758.08", "92233720368547758.07", "1000", "-999.99"));
		else
			number(to, below(14), 2);
	}
	else if (strcmp(type, "aclitem") == 0)
		appendStringInfo(to, "%s=%s/%s", ONE_OF("", "postgres", "pg_monitor", "\"pg_read_all_data\""),
						 ONE_OF("", "r", "arwdDxt", "a*r*w*d*D*x*t*", "X", "U*C", "CTc", "sA*"), ONE_OF("postgres", "pg_monitor"));
	else if (strcmp(type, "point") == 0)
		points(to, 1);
	else if (strcmp(type, "lseg") == 0 || strcmp(type, "box") == 0)
		points(to, 2);
	else if (strcmp(type, "path") == 0)
	{
		bool		open = below(2);

		appendStringInfoChar(to, open ? '[' : '(');
		points(to, 1 + below(below(9) ? 6 : 200));
		appendStringInfoChar(to, open ? ']' : ')');
	}
	else if (strcmp(type, "polygon") == 0)
		points(to, 1 + below(below(9) ? 6 : 200));
	else if (strcmp(type, "line") == 0)
	{
		appendStringInfoString(to, "{1,");
		number(to, 9, 9);
		appendStringInfoChar(to, ',');
		number(to, 9, 9);
		appendStringInfoChar(to, '}');
	}
	else if (strcmp(type, "circle") == 0)
	{
		points(to, 1);
		appendStringInfo(to, ",%d.%d", below(1000), below(1000));
	}
	else if (strcmp(type, "int2vector") == 0 || strcmp(type, "oidvector") == 0)
		for (int i = below(6); i > 0; i--)
			appendStringInfo(to, "%d ", below(30000));
	else if (strstr(type, "multirange") != NULL)
	{
		int			n = below(3) ? below(4) : below(14);

		appendStringInfoChar(to, '{');
		for (int i = 0; i < n; i++)
		{
			appendStringInfoString(to, i > 0 ? "," : "");
			range(to, type);
		}
		appendStringInfoChar(to, '}');
	}
	else if (strstr(type, "range") != NULL)
		range(to, type);
	else if (strcmp(type, "float8") == 0)
	{
		uint64		bits = draw();
		double		number;

		memcpy(&number, &bits, sizeof(number));
		if (below(4) == 0)
			appendStringInfoString(to, ONE_OF("NaN", "Infinity", "-Infinity", "-0", "5e-324", "1.7976931348623157e308", "0.1"));
		else
			appendStringInfo(to, "%.17g", isnan(number) || isinf(number) ? 1.5 : number);
	}
}

static char *
quoted(const char *text)
{
	StringInfoData to;

	initStringInfo(&to);
	appendStringInfoString(&to, "E'");
	for (; *text; text++)
	{
		if (*text == '\'' || *text == '\\')
			appendStringInfoChar(&to, *text);
		appendStringInfoChar(&to, *text);
	}
	appendStringInfoChar(&to, '\'');
	return to.data;
}

/* An SQL expression: a value, or an array of some shape. */
static char *
expression(void)
{
	const char *type = types[below(lengthof(types))];
	StringInfoData to;

	initStringInfo(&to);
	if (below(4) > 0)
	{
		value_text(&to, type);
		return psprintf("%s::%s", quoted(to.data), type);
	}
	{
		int			dimensions = 1 + below(3);
		int			length[3];
		int			items = 1;
		int			first = below(3) == 0 ? below(9) - 4 : 1;

		if (below(8) == 0)
			return psprintf("'{}'::%s[]", type);
		for (int d = 0; d < dimensions; d++)
			items *= length[d] = 1 + below(3);
		if (first != 1)
		{
			for (int d = 0; d < dimensions; d++)
				appendStringInfo(&to, "[%d:%d]", first, first + length[d] - 1);
			appendStringInfoChar(&to, '=');
		}
		for (int i = 0; i < items; i++)
		{
			int			run = 1;

			for (int d = dimensions - 1; d >= 0; d--)
			{
				run *= length[d];
				if (i % run == 0)
					appendStringInfoChar(&to, '{');
			}
			if (below(6) == 0)
				appendStringInfoString(&to, "NULL");
			else
			{
				StringInfoData one;

				initStringInfo(&one);
				value_text(&one, type);
				appendStringInfoChar(&to, '"');
				for (char *c = one.data; *c; c++)
				{
					if (*c == '"' || *c == '\\')
						appendStringInfoChar(&to, '\\');
					appendStringInfoChar(&to, *c);
				}
				appendStringInfoChar(&to, '"');
			}
			run = 1;
			for (int d = dimensions - 1; d >= 0; d--)
			{
				run *= length[d];
				if ((i + 1) % run == 0)
					appendStringInfoChar(&to, '}');
			}
			if (i + 1 < items)
				appendStringInfoChar(&to, strcmp(type, "box") == 0 ? ';' : ',');
		}
		return psprintf("%s::%s[]", quoted(to.data), type);
	}
}

/* Every byte counts, and where it stands; eight at a time, since some values are very large. */
static uint32
hash_bytes_of(const void *bytes, Size size)
{
	uint64		hash = UINT64CONST(14695981039346656037) ^ size;
	uint64		word;
	const char *at = bytes;

	for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word))
	{
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64CONST(1099511628211);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, at, size);
	hash = (hash ^ word) * UINT64CONST(1099511628211);
	return (uint32) (hash ^ (hash >> 32));
}

/* A number that stands for all the bytes that mean something. */
static uint32
fingerprint(Form_pg_attribute attribute, Datum value)
{
	if (attribute->attbyval)
	{
		/* what is beyond the type's own width in the word means nothing */
		uint64		word = attribute->attlen == 1 ? (uint8) value : attribute->attlen == 2 ? (uint16) value :
			attribute->attlen == 4 ? (uint32) value : (uint64) value;

		return hash_bytes_of(&word, sizeof(word));
	}
	if (attribute->attlen == -1)
	{
		struct varlena *plain = PG_DETOAST_DATUM(value);

		return hash_bytes_of(plain, VARSIZE(plain));
	}
	if (attribute->attlen == -2)
		return hash_bytes_of(DatumGetCString(value), strlen(DatumGetCString(value)));
	return hash_bytes_of(DatumGetPointer(value), attribute->attlen);
}

/* One row of generated values, and each of them back as a parameter. */
static void
one_row(int row)
{
	StringInfoData query;
	int			columns = 1 + below(9);
	SPITupleTable *table;
	bool		nulls[10];
	Datum		values[10];

	initStringInfo(&query);
	for (int i = 0; i < columns; i++)
		appendStringInfo(&query, "%s %s AS c%d", i ? "," : "SELECT", expression(), i);
	if (below(2))
		appendStringInfoString(&query, ", NULL::int8");
	if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "no row: %s", query.data);
	table = SPI_tuptable;
	heap_deform_tuple(table->vals[0], table->tupdesc, values, nulls);
	SAY("row %d: %d columns, size %u, null bitmap %d, variable %d", row, table->tupdesc->natts, table->vals[0]->t_len,
		HeapTupleHasNulls(table->vals[0]), HeapTupleHasVarWidth(table->vals[0]));
	for (int i = 0; i < table->tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(table->tupdesc, i);
		bool		isnull,
					isnull2;
		Datum		value = SPI_getbinval(table->vals[0], table->tupdesc, i + 1, &isnull);
		Datum		through_tuple = heap_getattr(table->vals[0], i + 1, table->tupdesc, &isnull2);
		char	   *text = SPI_getvalue(table->vals[0], table->tupdesc, i + 1);
		char	   *back;

		if (isnull || isnull2 || nulls[i])
		{
			SAY("  %d null %d%d%d", i, isnull, isnull2, nulls[i]);
			continue;
		}
		SAY("  %d %s len %d typmod %d %.70s (%zu) %08x%s", i, SPI_gettype(table->tupdesc, i + 1), attribute->attlen,
			attribute->atttypmod, text, strlen(text), fingerprint(attribute, value),
			fingerprint(attribute, value) == fingerprint(attribute, through_tuple) &&
			fingerprint(attribute, value) == fingerprint(attribute, values[i]) ? "" : " DIFFERS IN THE TUPLE");
		if (SPI_execute_with_args("SELECT $1 AS back", 1, &attribute->atttypid, &value, NULL, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no answer");
		back = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		if (strcmp(back, text) != 0 ||
			fingerprint(attribute, SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) !=
			fingerprint(attribute, value))
			SAY("  %d came back as %s", i, back);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_freetuptable(table);
}

static void
do_generated(const char *argument)
{
	char	   *rest;
	int			rows = 150;

	state = strtoul(argument ? argument : "1", &rest, 10);
	if (*rest == '/')
		rows = atoi(rest + 1);
	begin();
	for (int i = 0; i < rows; i++)
		one_row(i);
	commit();
}

/* Very large values, both ways. */
static void
do_large(const char *argument)
{
	static const char *const queries[] = {
		/* Of rows, so that the planner does not make a constant of each and copy it time and again. */
		"SELECT repeat('0123456789abcdef', 4 * 1024 * 1024 * g) FROM generate_series(1, 1) g",
		"SELECT string_agg(decode(repeat('00ff10fe', 64 * 1024), 'hex'), ''::bytea) FROM generate_series(1, 256)",
		"SELECT array_agg(g) FROM generate_series(1, 1000000) g", "SELECT repeat('9', 100000)::numeric",
		"SELECT jsonb_agg(g) FROM generate_series(1, 200000) g", "SELECT ''::text", "SELECT '\\x'::bytea",
	};

	begin();
	for (int i = 0; i < lengthof(queries); i++)
	{
		bool		isnull;
		Datum		value;
		Form_pg_attribute attribute;
		SPITupleTable *table;
		char	   *text;

		if (SPI_execute(queries[i], true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no value");
		table = SPI_tuptable;
		attribute = TupleDescAttr(table->tupdesc, 0);
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		SAY("%s: %zu characters, bytes %08x, text %08x", queries[i], strlen(text), fingerprint(attribute, value),
			hash_bytes_of(text, strlen(text)));
		/* Of bytes as they are: their text is twice as long, and has been looked at. */
		outcome("back", SPI_execute_with_args(attribute->atttypid == BYTEAOID ?
											  "SELECT md5($1) AS sum" : "SELECT md5($1::text) AS sum", 1,
											  &attribute->atttypid, &value, NULL, true, 0));
		SPI_freetuptable(SPI_tuptable);
		pfree(text);
		SPI_freetuptable(table);
	}
	commit();
}

/* --- types of the user's own --- */

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
static const char *sum_of_sent = "md5(record_send(row($1)))";

static void
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

static void
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

static Oid
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

/* What a module gets that reads text of its own with the type's input function. */
static void
read_text(const char *name, const char *literal)
{
	Oid			type = type_named(name);
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		Oid			input,
					output,
					param;
		bool		varlena;
		Datum		value;

		getTypeInputInfo(type, &input, &param);
		getTypeOutputInfo(type, &output, &varlena);
		value = OidInputFunctionCall(input, pstrdup(literal), param, -1);
		SAY("%s of %s: %s", name, literal, OidOutputFunctionCall(output, value));
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		SAY("%s of %s -> %s %s", name, literal, unpack_sql_state(error->sqlerrcode), error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static void
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

/* --- the type cache --- */

static void
cached_type(Oid type, const char *name)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR | TYPECACHE_LT_OPR | TYPECACHE_GT_OPR |
											  TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC | TYPECACHE_HASH_EXTENDED_PROC |
											  TYPECACHE_TUPDESC | TYPECACHE_BTREE_OPFAMILY | TYPECACHE_HASH_OPFAMILY |
											  TYPECACHE_RANGE_INFO | TYPECACHE_MULTIRANGE_INFO | TYPECACHE_DOMAIN_BASE_INFO);

	SAY("%s: %d %d %c %c %c relation %d element %u subscript %u collation %u btree %u %u hash %u %u eq %u lt %u gt %u cmp %u"
		" hash %u %u columns %d range %u %u %u multirange %u domain %u", name, entry->typlen, entry->typbyval, entry->typalign,
		entry->typstorage, entry->typtype, OidIsValid(entry->typrelid), entry->typelem, entry->typsubscript,
		entry->typcollation, entry->btree_opf, entry->btree_opintype, entry->hash_opf, entry->hash_opintype, entry->eq_opr,
		entry->lt_opr, entry->gt_opr, entry->cmp_proc, entry->hash_proc, entry->hash_extended_proc,
		entry->tupDesc ? entry->tupDesc->natts : -1, entry->rngelemtype ? entry->rngelemtype->type_id : InvalidOid,
		entry->rng_collation, entry->rng_cmp_proc_finfo.fn_oid, entry->rngtype ? entry->rngtype->type_id : InvalidOid,
		entry->domainBaseType);
	if (entry != lookup_type_cache(type, 0))
		SAY("  %s DIFFERS", name);
	if (entry->tupDesc && (entry->tupDesc_identifier != assign_record_type_identifier(type, -1) ||
						   entry->tupDesc_identifier <= INVALID_TUPLEDESC_IDENTIFIER))
		SAY("  the identifier of %s DIFFERS", name);
}

static void
do_type_cache(const char *argument)
{
	static const char *const ours[] = {"mood", "positive", "pair", "points", "mood[]", "pair[]", "points[]", "floatrange",
	"floatmultirange", "citext", "citext[]", "positive[]"};
	SPITupleTable *table;
	Oid			type;
	uint64		number;
	TypeCacheEntry *entry;

	begin();
	if (SPI_execute("SELECT oid, typname FROM pg_type WHERE oid < 10000 AND typtype IN ('b', 'r', 'm') AND oid NOT IN "
					"(SELECT typarray FROM pg_type WHERE typtype = 'c') ORDER BY oid", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "no types");
	table = SPI_tuptable;
	for (uint64 row = 0; row < table->numvals; row++)
	{
		bool		isnull;

		cached_type(DatumGetObjectId(SPI_getbinval(table->vals[row], table->tupdesc, 1, &isnull)),
					SPI_getvalue(table->vals[row], table->tupdesc, 2));
	}
	outcome("types",
			SPI_execute("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN positive AS int CHECK (value > 0);"
						"CREATE TYPE pair AS (a int, m mood); CREATE TYPE points AS (p json, a int);"
						"CREATE TYPE floatrange AS RANGE (subtype = float8)", false, 0));
	for (int i = 0; i < lengthof(ours); i++)
		cached_type(type_named(ours[i]), ours[i]);
	/* Calling what it found. */
	entry = lookup_type_cache(INT4OID, TYPECACHE_CMP_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO | TYPECACHE_HASH_PROC_FINFO);
	SAY("compared %d, equal %d, hash %08x", DatumGetInt32(FunctionCall2(&entry->cmp_proc_finfo, Int32GetDatum(3), Int32GetDatum(4))),
		DatumGetBool(FunctionCall2(&entry->eq_opr_finfo, Int32GetDatum(3), Int32GetDatum(3))),
		DatumGetUInt32(FunctionCall1(&entry->hash_proc_finfo, Int32GetDatum(3))));
	/* A row type that is altered has another descriptor, under another number. */
	type = type_named("pair");
	number = assign_record_type_identifier(type, -1);
	outcome("alter", SPI_execute("ALTER TYPE pair ADD ATTRIBUTE late text", false, 0));
	SAY("changed %d", number != assign_record_type_identifier(type, -1));
	cached_type(type, "pair");
	execute("DROP TYPE pair; DROP TYPE points; DROP DOMAIN positive; DROP TYPE mood; DROP TYPE floatrange;"
			"DROP EXTENSION citext", false, 0);
	commit();
}

/* --- row descriptors --- */

static void
describe(const char *what, TupleDesc desc)
{
	SAY("%s: %s, %d columns", what, desc == NULL ? "none" : desc->tdtypeid == RECORDOID ? "record" : "named",
		desc ? desc->natts : 0);
	for (int i = 0; desc && i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		SAY("  %s %s %d len %d byval %d align %c number %d", NameStr(attribute->attname), format_type_be(attribute->atttypid),
			attribute->atttypmod, attribute->attlen, attribute->attbyval, attribute->attalign, attribute->attnum);
	}
}

static void
do_descriptors(const char *argument)
{
	begin();
	SPI_execute("CREATE TABLE stored (id int, label varchar(9), at date[]); CREATE TYPE pair AS (a int, b text)", false, 0);
	describe("relation", RelationNameGetTupleDesc("stored"));
	describe("catalog", RelationNameGetTupleDesc("pg_catalog.pg_am"));
	describe("type", TypeGetTupleDesc(type_named("pair"), NIL));
	describe("with aliases", TypeGetTupleDesc(type_named("pair"), list_make2(makeString("x"), makeString("y"))));
	describe("scalar", TypeGetTupleDesc(INT8ARRAYOID, list_make1(makeString("x"))));
	execute("DROP TABLE stored; DROP TYPE pair", false, 0);
	commit();
}

/* --- OIDs with names --- */

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
static void
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

/* --- money and access rights --- */

/* The argument names locales, with plus signs between. */
static void
do_money(const char *argument)
{
	static const char *const amounts[] = {
		"0", "0.01", "-0.05", "1", "-12", "999.99", "-1000", "12345.6", "1234567.89", "-1234567890.12", "92233720368547758.07",
		"-92233720368547758.08",
	};
	char	   *locales = pstrdup(argument);

	begin();
	outcome("types", SPI_execute("CREATE DOMAIN price AS money; CREATE TYPE item AS (m money, p price, ms money[])", false, 0));
	for (char *locale = strtok(locales, "+"); locale != NULL; locale = strtok(NULL, "+"))
	{
		int			units = strncmp(locale, "is_IS", 5) == 0 ? 1 : 100;

		outcome(locale, SPI_execute(psprintf("SET LOCAL lc_monetary = '%s'", locale), false, 0));
		for (int i = 0; i < lengthof(amounts); i++)
			own_value(psprintf("(%s::numeric * 100 / %d)::money", amounts[i], units));
		own_value("ARRAY[1::money, NULL, (-1234.5)::numeric::money]::price[]");
		own_value("ROW(123456::money, (-7)::money, ARRAY[[1234::money], [(-5000)::money]])::item");
		own_value("ARRAY[ROW(NULL, 5::money, '{}')::item]");
		read_text("money", "1234");
		read_text("money", "-5");
		read_text("money", "(17)");
		read_text("money", "  +12 ");
		read_text("money", "nothing");
		read_text("money", "99999999999999999999");
		read_text("money[]", "{1,NULL,-22}");
	}
	/* In the locale that was there before. */
	commit();
	begin();
	own_value("(-1234.5)::numeric::money");
	execute("DROP TYPE item; DROP DOMAIN price", false, 0);
	commit();
}

static void
do_access_rights(const char *argument)
{
	static const char *const kept[] = {
		"SELECT proacl FROM pg_proc WHERE proacl IS NOT NULL ORDER BY oid LIMIT 20",
		"SELECT relacl FROM pg_class WHERE relname IN ('kept', 'emptied') ORDER BY relname",
		"SELECT relacl[1], relacl[2], NULL::aclitem FROM pg_class WHERE relname = 'kept'",
	};

	begin();
	sum_of_sent = "md5(row($1)::text)";
	outcome("objects",
			SPI_execute("CREATE ROLE \"Odd \"\"one\"\", =/\"; CREATE ROLE \"12345\"; CREATE ROLE plain_1;"
						"CREATE ROLE \"Ã¤rger\"; CREATE TABLE kept (i int); CREATE TABLE emptied (i int);"
						"GRANT SELECT, INSERT ON kept TO \"Odd \"\"one\"\", =/\" WITH GRANT OPTION; GRANT UPDATE ON kept TO \"12345\";"
						"GRANT ALL ON kept TO plain_1, public; GRANT TRIGGER ON kept TO \"Ã¤rger\"; REVOKE ALL ON emptied FROM CURRENT_USER;"
						"CREATE DOMAIN grant_of AS aclitem; CREATE TYPE granted AS (a aclitem, g grant_of, acl aclitem[])", false, 0));
	/* What looks read-only takes the transaction's snapshot. */
	commit();
	begin();
	for (int i = 0; i < lengthof(kept); i++)
	{
		if (SPI_execute(kept[i], true, 0) != SPI_OK_SELECT)
			elog(ERROR, "no rights");
		for (uint64 row = 0; row < SPI_processed; row++)
			for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
			{
				Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
				bool		isnull;
				Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);

				if (isnull)
				{
					SAY("  null");
					continue;
				}
				SAY("  %s %s %08x", SPI_gettype(SPI_tuptable->tupdesc, column),
					SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column), fingerprint(attribute, value));
				if (attribute->atttypid == ACLITEMARRAYOID)
				{
					Acl		   *acl = DatumGetAclP(value);

					SAY("    %d dimensions, %d items", ARR_NDIM(acl), ACL_NUM(acl));
					for (int item = 0; item < ACL_NUM(acl); item++)
						SAY("    %u from %u: %08x", ACL_DAT(acl)[item].ai_grantee, ACL_DAT(acl)[item].ai_grantor, ACL_DAT(acl)[item].ai_privs);
				}
			}
	}
	own_value("makeaclitem(0, 'plain_1'::regrole, 'SELECT', true)");
	own_value("makeaclitem('\"12345\"'::regrole, '\"Odd \"\"one\"\", =/\"'::regrole, 'SELECT', false)");
	own_value("'{plain_1=r/postgres,NULL}'::aclitem[]");
	own_value("ROW('=U*/postgres', 'pg_monitor=C/plain_1', (SELECT relacl FROM pg_class WHERE relname = 'kept'))::granted");
	read_text("aclitem", "plain_1=r/postgres");
	read_text("aclitem", "group \"12345\"=ar*/plain_1");
	read_text("aclitem", "nobody_at_all=r/postgres");
	read_text("aclitem", "plain_1");
	read_text("aclitem[]", "{=c/postgres,NULL}");
	read_text("xml", "<a><b/></a>");
	read_text("xml", "text alone");
	read_text("xml", "<a>");
	read_text("xml[]", "{<a/>,\"<b c='d'/>\",NULL}");
	/* A role that has another name now. */
	SPI_execute("ALTER ROLE plain_1 RENAME TO other_1", false, 0);
	commit();
	begin();
	own_value("(SELECT relacl FROM pg_class WHERE relname = 'kept')");
	execute("DROP TYPE granted; DROP DOMAIN grant_of; DROP TABLE kept; DROP TABLE emptied; DROP ROLE other_1;"
			"DROP ROLE \"Odd \"\"one\"\", =/\"; DROP ROLE \"12345\"; DROP ROLE \"Ã¤rger\"", false, 0);
	commit();
}

/* --- what the worker itself changes between two uses of a text --- */

/* Often enough to be worth keeping, if anything is kept. */
static void
ask_often(const char *query)
{
	for (int i = 0; i < 4; i++)
		execute(query, false, 0);
}

static void
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

/* --- rows without a named type --- */

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

static void
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

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"generated", do_generated},
	{"large", do_large},
	{"own_types", do_own_types},
	{"ranges", do_ranges},
	{"type_cache", do_type_cache},
	{"descriptors", do_descriptors},
	{"aliases", do_aliases},
	{"money", do_money},
	{"access_rights", do_access_rights},
	{"own_changes", do_own_changes},
	{"records", do_records},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_values", "probe_values_entry");
}

void
probe_values_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
