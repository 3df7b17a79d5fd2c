/*
 * Settings: numbers with units, custom variables of every type with hooks, setting them from every source in every context,
 * and going back at the ends of levels.
 */
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc_tables.h"
#include "catalog/pg_type.h"

static const int units[] = {0, GUC_UNIT_KB, GUC_UNIT_BLOCKS, GUC_UNIT_XBLOCKS, GUC_UNIT_MB, GUC_UNIT_BYTE, GUC_UNIT_MS, GUC_UNIT_S, GUC_UNIT_MIN};

static const char *
draw_number(void)
{
	static char text[100];
	const char *sign = ONE_OF("", "", "", "-", "+", " ", "- ");
	const char *blank = ONE_OF("", "", "", " ", "  ", "\t");
	const char *unit = ONE_OF("", "", "", "B", "kB", "MB", "GB", "TB", "us", "ms", "s", "min", "h", "d", "KB", "kb", "S", "m", "x", "kBB", "verylongunit");
	const char *number;

	switch (below(9))
	{
		case 0:
			number = psprintf("%d", below(10));
			break;
		case 1:
			number = psprintf("%d", below(100000));
			break;
		case 2:
			number = psprintf("%llu", (unsigned long long) (draw() >> below(60)));
			break;
		case 3:
			number = psprintf("%d.%d", below(100), below(1000));
			break;
		case 4:
			number = psprintf("%d.%de%d", below(100), below(1000), below(20) - 8);
			break;
		case 5:
			number = psprintf("0x%x", below(100000));
			break;
		case 6:
			number = psprintf("0%o", below(100000));
			break;
		case 7:
			number = ONE_OF("2147483647", "2147483648", "-2147483648", "0.5", "1.5", "2.5", ".5", "5.", "1e400", "nan", "infinity", "1e10", "0.4999999999999999");
			break;
		default:
			number = ONE_OF("", "x", "1 2", "1,000", "0x", "08", "1e", "--1", "0x1.8p3", "1.5.2");
	}
	snprintf(text, sizeof(text), "%s%s%s%s%s%s", ONE_OF("", "", "", " "), sign, number, blank, unit, ONE_OF("", "", "", " ", " x"));
	return text;
}

static void
do_units(const char *argument)
{
	state = strtoull(argument, NULL, 10);
	for (int i = 0; i < 4000; i++)
	{
		MemoryContext context = AllocSetContextCreate(TopMemoryContext, "number", ALLOCSET_DEFAULT_SIZES);
		MemoryContext before = MemoryContextSwitchTo(context);
		const char *text = draw_number();
		int			flags = units[below(lengthof(units))];
		const char *hint = NULL;
		int			whole = -1;
		double		real = -1;
		bool		good = parse_int(text, &whole, flags, below(10) ? &hint : NULL);

		SAY("int \"%s\" %x: %d %d %s", text, flags, good, good ? whole : 0, hint ? hint : "-");
		hint = NULL;
		good = parse_real(text, &real, flags, below(10) ? &hint : NULL);
		SAY("real \"%s\" %x: %d %.17g %s", text, flags, good, good ? real : 0, hint ? hint : "-");
		MemoryContextSwitchTo(before);
		MemoryContextDelete(context);
	}
	SAY("done");
}

/* ---- variables */

#define VARIABLES 70

typedef struct Variable
{
	char		name[30];
	enum config_type type;
	bool		as_bool;
	int			as_int;
	double		as_real;
	char	   *as_string;
	const struct config_enum_entry *options;
} Variable;

static Variable variables[VARIABLES];

static const struct config_enum_entry some_options[] = {
	{"red", 1, false}, {"green", 2, false}, {"blue", 3, false}, {"azure", 3, true}, {"hidden", 9, true}, {NULL, 0, false}
};
static const struct config_enum_entry all_hidden[] = {{"first", 1, true}, {"second", 2, true}, {NULL, 0, false}};

/* What the hooks do follows from the value, so that it is the same in both. */
static bool
judge(uint32 what, void **extra, GucSource source, const char *shown)
{
	if (what % 7 == 3)
	{
		switch (what % 5)
		{
			case 0:
				GUC_check_errdetail("The detail of %s.", shown);
				break;
			case 1:
				GUC_check_errmsg("a message of its own on %s", shown);
				GUC_check_errhint("A hint.");
				break;
			case 2:
				GUC_check_errcode(ERRCODE_FEATURE_NOT_SUPPORTED);
				break;
			case 3:
				if (source == PGC_S_TEST)
					GUC_check_errdetail("In a test.");
				break;
			default:
				break;
		}
		return false;
	}
	if (what % 2)
	{
		*extra = malloc(sizeof(uint32));
		*(uint32 *) *extra = what;
	}
	return true;
}

static uint32
extra_of(void *extra)
{
	return extra ? *(uint32 *) extra : 0;
}

static bool
check_bool(bool *value, void **extra, GucSource source)
{
	SAY("check %d from %d", *value, source);
	return judge(*value ? 11 : 22, extra, source, *value ? "true" : "false");
}
static void
assign_bool(bool value, void *extra)
{
	SAY("assign %d %u", value, extra_of(extra));
}
static bool
check_int(int *value, void **extra, GucSource source)
{
	if (*value == 77)
		*value = 78;
	SAY("check %d from %d", *value, source);
	return judge((uint32) *value, extra, source, psprintf("%d", *value));
}
static void
assign_int(int value, void *extra)
{
	SAY("assign %d %u", value, extra_of(extra));
}
static bool
check_real(double *value, void **extra, GucSource source)
{
	SAY("check %g from %d", *value, source);
	return judge((uint32) (int) *value, extra, source, psprintf("%g", *value));
}
static void
assign_real(double value, void *extra)
{
	SAY("assign %g %u", value, extra_of(extra));
}
static bool
check_string(char **value, void **extra, GucSource source)
{
	SAY("check \"%s\" from %d", *value ? *value : "(null)", source);
	if (*value == NULL)
		return true;
	if (strcmp(*value, "other") == 0)
	{
		free(*value);
		*value = strdup("changed");
	}
	return judge((uint32) strlen(*value), extra, source, *value);
}
static void
assign_string(const char *value, void *extra)
{
	SAY("assign \"%s\" %u", value ? value : "(null)", extra_of(extra));
}
static bool
check_enum(int *value, void **extra, GucSource source)
{
	SAY("check %d from %d", *value, source);
	return judge((uint32) *value * 2, extra, source, psprintf("%d", *value));
}
static void
assign_enum(int value, void *extra)
{
	SAY("assign %d %u", value, extra_of(extra));
}
static const char *
show_something(void)
{
	return "shown by a hook";
}

static const char *
draw_word(void)
{
	switch (below(5))
	{
		case 0:
			return ONE_OF("on", "off", "t", "FALSE", "yes", "n", "1", "0", "tr", "maybe", "o", "");
		case 1:
			return ONE_OF("red", "GREEN", "blue", "azure", "hidden", "first", "pink", "", "red ");
		case 2:
			return ONE_OF("text", "", "other", "a longer text", "a, b", "\"quoted\"", "xyz", "seven..", "3");
		case 3:
			return psprintf("%d%s", below(200) - 50, ONE_OF("", "", "kB", "ms", "MB", "s", " min", "x"));
		default:
			return pstrdup(draw_number());
	}
}

static void
define(Variable *variable, int i)
{
	GucContext	context = (GucContext) below(PGC_USERSET + 1);
	int			flags = (below(3) ? 0 : units[below(lengthof(units))]) | (below(4) ? 0 : GUC_NO_SHOW_ALL) | (below(4) ? 0 : GUC_NO_RESET_ALL) |
		(below(4) ? 0 : GUC_LIST_INPUT) | (below(4) ? 0 : GUC_REPORT) | (below(4) ? 0 : GUC_SUPERUSER_ONLY) | (below(4) ? 0 : GUC_DISALLOW_IN_FILE);
	bool		hooks = below(2);
	GucShowHook show = below(8) ? NULL : show_something;
	const char *description = below(4) ? "A variable." : NULL;
	int			base = below(1000) - 200;

	if (context == PGC_POSTMASTER)
		context = PGC_SIGHUP;
	variable->type = (enum config_type) below(5);
	SAY("define %s: type %d, context %d, flags %x, hooks %d", variable->name, variable->type, context, flags, hooks);
	switch (variable->type)
	{
		case PGC_BOOL:
			DefineCustomBoolVariable(variable->name, description, NULL, &variable->as_bool, below(2), context, flags & ~GUC_UNIT,
									 hooks ? check_bool : NULL, hooks ? assign_bool : NULL, show);
			break;
		case PGC_INT:
			base -= base % 7 == 3 || base % 7 == -4;
			DefineCustomIntVariable(variable->name, description, "At length.", &variable->as_int, (base / 7) * 7, below(2) ? INT_MIN : -10000,
									below(2) ? INT_MAX : 10000, context, flags, hooks ? check_int : NULL, hooks ? assign_int : NULL, show);
			break;
		case PGC_REAL:
			DefineCustomRealVariable(variable->name, description, NULL, &variable->as_real, below(100) * 7 + 0.25, below(2) ? -DBL_MAX : -5.5,
									 below(2) ? DBL_MAX : 100000.25, context, flags, hooks ? check_real : NULL, hooks ? assign_real : NULL, show);
			break;
		case PGC_STRING:
			DefineCustomStringVariable(variable->name, description, NULL, &variable->as_string, ONE_OF("start", NULL, "", "four"), context,
									   flags & ~GUC_UNIT, hooks ? check_string : NULL, hooks ? assign_string : NULL, show);
			break;
		case PGC_ENUM:
			variable->options = below(6) ? some_options : all_hidden;
			DefineCustomEnumVariable(variable->name, description, NULL, &variable->as_int, 1 + below(2), variable->options, context,
									 flags & ~GUC_UNIT, hooks ? check_enum : NULL, hooks ? assign_enum : NULL, show);
			break;
	}
}

static struct config_generic *
record_of(const char *name)
{
	struct config_generic **records = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (pg_strcasecmp(records[i]->name, name) == 0)
			return records[i];
	return NULL;
}

static int
number_of(struct config_generic *record)
{
	struct config_generic **records = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (records[i] == record)
			return i;
	return -1;
}

static const char *
or_null(const char *text)
{
	return text ? text : "(null)";
}

static void
say_variable(const char *name)
{
	struct config_generic *record = record_of(name);
	const char *spelled = NULL;
	const char *columns[17];
	bool		noshow;

	if (record == NULL)
	{
		SAY("%s is not there", name);
		return;
	}
	SAY("%s: \"%s\", reset \"%s\", flags %x, type %d, context %d, source %d/%d, scontext %d/%d, role %u/%u, status %d, stack %d", name,
		or_null(GetConfigOption(name, false, below(2))), or_null(GetConfigOptionResetString(name)), pg_strncasecmp(name, "core.", 5) == 0 ? GetConfigOptionFlags(name, false) : 0,
		record->vartype, record->context, record->source, record->reset_source, record->scontext, record->reset_scontext, record->srole,
		record->reset_srole, record->status & GUC_PENDING_RESTART, record->stack ? record->stack->nest_level * 10 + record->stack->state : 0);
	SAY("  shown \"%s\", spelled %s", or_null(GetConfigOptionByName(name, &spelled, false)), or_null(spelled));
	if (pg_strncasecmp(name, "core.", 5) != 0)
		return;					/* the host describes the others in its own words */
	GetConfigOptionByNum(number_of(record), columns, &noshow);
	SAY("  %d|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s", noshow, or_null(columns[1]), or_null(columns[2]), or_null(columns[3]),
		or_null(columns[4]), or_null(columns[5]), or_null(columns[6]), or_null(columns[7]), or_null(columns[8]), or_null(columns[9]),
		or_null(columns[10]), or_null(columns[11]), or_null(columns[12]), or_null(columns[13]), or_null(columns[14]), or_null(columns[15]),
		or_null(columns[16]));
}

static const char *
draw_name(void)
{
	if (below(12) == 0)
		return ONE_OF("core.", ".core", "core", "1core.x", "core.x-y", "core.x.y", "reserved.x", "nothere.at_all", "core..x", "work_mem",
					  "WORK_MEM", "sort_mem", "statement_timeout", "application_name");
	if (below(20) == 0)
		return psprintf("CORE.V%d", below(VARIABLES));
	return psprintf("core.v%d", below(VARIABLES));
}

static void
set_something(void)
{
	static const int levels[] = {0, 0, ERROR, WARNING, LOG, NOTICE};
	const char *name = draw_name();
	const char *value = below(8) ? draw_word() : NULL;
	GucContext	context = below(2) ? (below(2) ? PGC_SUSET : PGC_USERSET) : (GucContext) below(PGC_USERSET + 1);
	GucSource	source = below(2) ? PGC_S_SESSION : (GucSource) below(PGC_S_SESSION + 1);
	GucAction	action = (GucAction) below(3);
	bool		change = below(6) != 0;
	int			level = levels[below(lengthof(levels))];
	bool		reload = below(8) == 0;
	int			result = 99;

	SAY("set %s to \"%s\", context %d, source %d, action %d, change %d, level %d, reload %d", name, or_null(value), context, source, action,
		change, level, reload);
	ATTEMPT("set", result = set_config_option(name, value, context, source, action, change, level, reload));
	SAY("set: %d", result);
	ATTEMPT("look", say_variable(name));
}

static void
do_settings(const char *argument)
{
	int			nests[6];
	int			depth = 0;
	bool		inside = false;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "settings", ALLOCSET_DEFAULT_SIZES);

	state = strtoull(argument, NULL, 10);
	StartTransactionCommand();
	for (int i = 0; i < 60; i++)
	{
		char	   *name = psprintf("core.v%d", below(VARIABLES));

		ATTEMPT("early", SetConfigOption(name, draw_word(), below(2) ? PGC_USERSET : PGC_SUSET, below(2) ? PGC_S_SESSION : PGC_S_DATABASE));
		ATTEMPT("look", say_variable(name));
	}
	SetConfigOption("reserved.y", "1", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("reserved.defined", "7", PGC_USERSET, PGC_S_SESSION);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	{
		static int	defined;

		StartTransactionCommand();
		DefineCustomIntVariable("reserved.defined", "Defined.", NULL, &defined, 0, 0, 10, PGC_USERSET, 0, NULL, NULL, NULL);
		EmitWarningsOnPlaceholders("reserved");
		SAY("defined: %d", defined);
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
	}

	StartTransactionCommand();
	for (int i = 0; i < VARIABLES; i++)
	{
		snprintf(variables[i].name, sizeof(variables[i].name), "core.v%d", i);
		define(&variables[i], i);
		ATTEMPT("look", say_variable(variables[i].name));
	}
	ATTEMPT("again", define(&variables[3], 3));
	CommitTransactionCommand();
	for (int i = 0; i < lengthof(some_options); i++)
		ATTEMPT("word of", SAY("%s", config_enum_lookup_by_value((struct config_enum *) record_of("log_min_messages"), i * 2 + 10)));

	for (int i = 0; i < 2500; i++)
	{
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		if (!inside)
		{
			StartTransactionCommand();
			inside = true;
			depth = 0;
		}
		MemoryContextSwitchTo(context);
		switch (below(10))
		{
			case 0:
				if (depth < lengthof(nests))
					nests[depth++] = NewGUCNestLevel();
				break;
			case 1:
				if (depth > 0)
				{
					bool		commit = below(2);

					/* Perhaps more than one at a time. */
					depth -= 1 + below(depth);
					SAY("end of level %d: %d", nests[depth], commit);
					AtEOXact_GUC(commit, nests[depth]);
					for (int v = 0; v < 5; v++)
						say_variable(psprintf("core.v%d", below(VARIABLES)));
				}
				break;
			case 2:
				if (below(3) == 0)
				{
					bool		commit = below(2);

					SAY("end of the transaction: %d", commit);
					if (commit)
						CommitTransactionCommand();
					else
						AbortCurrentTransaction();
					inside = false;
					MemoryContextSwitchTo(context);
					StartTransactionCommand();
					MemoryContextSwitchTo(context);
					for (int v = 0; v < VARIABLES; v += 7)
						say_variable(psprintf("core.v%d", v));
					CommitTransactionCommand();
				}
				else if (below(20) == 0)
				{
					SAY("reset all");
					ResetAllOptions();
				}
				break;
			default:
				set_something();
		}
	}
	MemoryContextSwitchTo(TopMemoryContext);
	if (inside)
		CommitTransactionCommand();
	SAY("done");
}
