/*
 * Drawing values: the text of a value of any built-in type, and SQL expressions of values and arrays.
 */
#include "postgres.h"

#include "probe_values.h"

#include <math.h>

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

void
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

char *
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
char *
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
