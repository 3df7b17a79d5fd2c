/*
 * Smaller pieces: distances between texts, settings in arrays and in shared memory, query environments, the next character,
 * names of arguments.
 */
#include <sys/socket.h>

#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/arrayaccess.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/varlena.h"

static const char *
draw_text(int most)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = below(most + 1); i > 0; i--)
		appendStringInfoString(&text, ONE_OF("a", "a", "b", "c", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x98", " "));
	return text.data;
}

static void
say_array(const char *what, ArrayType *array)
{
	if (array == NULL)
		SAY("%s: none", what);
	else
		SAY("%s: %s", what, OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array)));
}

/* Null, or an array that fits or does not. */
static Datum
draw_array(Oid type, int count)
{
	Datum		items[10];
	bool		nulls[10] = {false};
	int			low = 1;

	if (below(6) == 0)
		return PointerGetDatum(NULL);
	if (below(15) == 0)
		return PointerGetDatum(construct_empty_array(type));
	if (below(15) == 0)
		count = 1 + below(9);
	if (below(15) == 0)
		nulls[below(count)] = true;
	for (int i = 0; i < count; i++)
		items[i] = type == TEXTOID ? CStringGetTextDatum(ONE_OF("a", "b", "", "column1")) : type == CHAROID ? CharGetDatum("iobvt"[below(5)]) : ObjectIdGetDatum(below(2) ? INT4OID : TEXTOID);
	if (below(30) == 0)
		type = type == TEXTOID ? BYTEAOID : type == CHAROID ? BOOLOID : INT4OID;
	return PointerGetDatum(construct_md_array(items, nulls, 1, &count, &low, type, type == TEXTOID || type == BYTEAOID ? -1 : type == CHAROID || type == BOOLOID ? 1 : 4,
											  type != TEXTOID && type != BYTEAOID, type == CHAROID || type == BOOLOID ? 'c' : 'i'));
}

static void
do_arguments(void)
{
	for (int i = 0; i < 600; i++)
	{
		int			count = 1 + below(6);
		Datum		names = draw_array(TEXTOID, count);
		Datum		modes = draw_array(CHAROID, count);
		Datum		types = draw_array(OIDOID, count);
		char	  **found = NULL;
		TupleDesc	desc = NULL;
		int			n = 0;

		ATTEMPT("names", n = get_func_input_arg_names(names, modes, &found));
		SAY("passed in: %d %d", n, found != NULL);
		for (int k = 0; k < n; k++)
			SAY("  %s", or_null(found[k]));
		ATTEMPT("columns", desc = build_function_result_tupdesc_d(below(2) ? PROKIND_FUNCTION : PROKIND_PROCEDURE, types, modes, names));
		SAY("columns: %d", desc ? desc->natts : -1);
		for (int k = 0; desc && k < desc->natts; k++)
			SAY("  %s %u", NameStr(TupleDescAttr(desc, k)->attname), TupleDescAttr(desc, k)->atttypid);
	}
}

static void
do_dates(void)
{
	static const Oid types[] = {DATEOID, TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID};

	for (int i = 0; i < 1000; i++)
	{
		Oid			type = types[below(below(10) ? 5 : 6)];
		TimeTzADT	time;
		int			zone = (below(100) - 50) * 900 + (below(4) ? 0 : below(60));
		Datum		value;
		char		buffer[MAXDATELEN + 1];
		int64		moment = below(10) ? (int64) (draw() % UINT64CONST(9000000000000000000)) % INT64CONST(400000000000000000) - INT64CONST(200000000000000000)
			: below(2) ? DT_NOBEGIN : below(2) ? DT_NOEND : INT64CONST(9223371331199999999);

		time.time = (int64) (draw() % (uint64) USECS_PER_DAY);
		time.zone = zone;
		if (type == DATEOID)
			value = DateADTGetDatum(below(10) ? below(6000000) - 2000000 : below(2) ? DATEVAL_NOBEGIN : DATEVAL_NOEND);
		else if (type == TIMEOID)
			value = TimeADTGetDatum(time.time);
		else if (type == TIMETZOID)
			value = TimeTzADTPGetDatum(&time);
		else
			value = Int64GetDatum(moment);
		ATTEMPT("date", SAY("%u: %s", type, JsonEncodeDateTime(below(2) ? buffer : NULL, value, type, below(2) ? &zone : NULL)));
	}
	for (int i = 0; i < 20; i++)
	{
		char		address[40];

		strlcpy(address, ONE_OF("fe80::1%eth0", "::1", "%", "1.2.3.4%x", "a%b%c"), sizeof(address));
		clean_ipv6_addr(below(2) ? AF_INET6 : AF_INET, address);
		SAY("address %s", address);
	}
}

static void
do_expanded(MemoryContext context)
{
	static const Oid types[] = {INT4ARRAYOID, TEXTARRAYOID, INT8ARRAYOID, INT2ARRAYOID};
	ArrayMetaState known = {0};

	for (int i = 0; i < 300; i++)
	{
		Oid			type = types[below(lengthof(types))];
		const char *written = ONE_OF("{}", "{1,2,3}", "{1,NULL,3}", "{{1,2},{3,4}}", "[0:1]={7,8}", "{NULL}", "{{1,NULL},{3,4},{5,6}}", "{12345}");
		Oid			input;
		Oid			parameter;
		Datum		flat;
		Datum		expanded;
		ExpandedArrayHeader *header;
		AnyArrayType *any;

		getTypeInputInfo(type, &input, &parameter);
		flat = OidInputFunctionCall(input, (char *) written, parameter, -1);
		expanded = expand_array(flat, context, below(2) ? &known : NULL);
		header = DatumGetExpandedArray(expanded);
		SAY("%s of %u: %d dimensions, element %u, %d %d %c, the same %d", written, type, header->ndims, header->element_type, header->typlen, header->typbyval,
			header->typalign, header == (ExpandedArrayHeader *) DatumGetEOHP(expanded));
		any = DatumGetAnyArrayP(below(2) ? flat : MakeExpandedObjectReadOnly(expanded, false, -1));
		SAY("any: %d %d %u, nulls %d", AARR_NDIM(any), AARR_NDIM(any) > 0 ? AARR_DIMS(any)[0] * 100 + AARR_LBOUND(any)[0] : 0, AARR_ELEMTYPE(any), AARR_HASNULL(any));
		if (below(3))
		{
			array_iter	iterator;

			deconstruct_expanded_array(header);
			SAY("%d elements, nulls %d", header->nelems, header->dnulls != NULL);
			any = (AnyArrayType *) header;
			array_iter_setup(&iterator, any);
			for (int k = 0; k < header->nelems; k++)
			{
				bool		isnull;
				Datum		element = array_iter_next(&iterator, &isnull, k, header->typlen, header->typbyval, header->typalign);

				SAY("  %d %s", isnull, isnull ? "" : type == TEXTARRAYOID ? TextDatumGetCString(element) : psprintf("%d", (int) element));
			}
			if (header->nelems > 1 && below(2))
			{
				/* As who changes it does. */
				Datum		first = header->dvalues[0];

				header->dvalues[0] = header->dvalues[header->nelems - 1];
				header->dvalues[header->nelems - 1] = first;
				if (header->dnulls)
				{
					bool		null = header->dnulls[0];

					header->dnulls[0] = header->dnulls[header->nelems - 1];
					header->dnulls[header->nelems - 1] = null;
				}
				header->fvalue = NULL;
				header->flat_size = 0;
			}
		}
		SAY("flat size %zu", EOH_get_flat_size(&header->hdr));
		say_array("expanded", (ArrayType *) DatumGetPointer(expanded));
		{
			ArrayType  *again = DatumGetArrayTypePCopy(expanded);
			ExpandedArrayHeader *copy = DatumGetExpandedArrayX(below(2) ? PointerGetDatum(again) : MakeExpandedObjectReadOnly(expanded, false, -1), &known);

			SAY("flat again: %u", DatumGetUInt32(hash_any((unsigned char *) again, VARSIZE(again))));
			SAY("another: %d, known %u %d", copy != header, known.element_type, known.typlen);
			say_array("copy", (ArrayType *) DatumGetPointer(EOHPGetRWDatum(&copy->hdr)));
		}
		if (below(4) == 0)
		{
			ExpandedArrayHeader *empty = construct_empty_expanded_array(INT4OID, context, below(2) ? &known : NULL);

			SAY("empty: %d %zu", empty->ndims, EOH_get_flat_size(&empty->hdr));
		}
		DeleteExpandedObject(expanded);
	}
}

static void
do_elements(void)
{
	for (int i = 0; i < 800; i++)
	{
		const char *written = ONE_OF("{\"a\": {\"b\": [1, null, \"x\", {\"c\": true}]}, \"\": 1, \"1\": 2}", "[1, [2, [3, null]], {\"a\": \"b\"}, false]", "7.50", "null", "\"text\"", "[]", "{}");
		Jsonb	   *value = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(written)));
		Datum		path[4];
		int			count = below(5);
		StringInfoData said;
		bool		isnull = false;
		bool		as_text = below(2);
		Datum		result = 0;

		initStringInfo(&said);
		for (int k = 0; k < count; k++)
		{
			const char *step = ONE_OF("a", "b", "c", "0", "1", "-1", "2", "3", "-4", "-5", "", " 1", "1 ", "1x", "99999999999", "-2147483648");

			appendStringInfo(&said, " \"%s\"", step);
			path[k] = CStringGetTextDatum(step);
		}
		ATTEMPT("element", result = jsonb_get_element(value, path, count, &isnull, as_text));
		SAY("at%s: %s", said.data, isnull ? "null" : as_text ? TextDatumGetCString(result) : JsonbToCString(NULL, &DatumGetJsonbP(result)->root, 100));
	}
}

static void
do_pieces(const char *argument)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pieces", ALLOCSET_DEFAULT_SIZES);
	ArrayType  *array = NULL;
	QueryEnvironment *environment;
	static int	one;
	static double two;
	static char *three;

	state = strtoull(argument, NULL, 10);
	MemoryContextSwitchTo(context);

	for (int i = 0; i < 1500; i++)
	{
		const char *a = draw_text(below(20) ? 12 : 300);
		const char *b = draw_text(below(20) ? 12 : 300);
		int			ins = 1 + below(3);
		int			del = 1 + below(3);
		int			sub = 1 + below(5);
		int			most = below(10);
		int			result = 0;
		bool		trusted = below(2);

		ATTEMPT("distance", SAY("distance %d", varstr_levenshtein(a, strlen(a), b, strlen(b), ins, del, sub, trusted)));
		/* Above the limit any number above the limit will do. */
		ATTEMPT("distance", result = varstr_levenshtein_less_equal(a, strlen(a), b, strlen(b), ins, del, sub, most, trusted));
		SAY("distance up to %d: %d", most, Min(result, most + 1));
	}

	/* In arrays. */
	DefineCustomIntVariable("pieces.one", NULL, NULL, &one, 5, -100, 100, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("pieces.two", NULL, NULL, &two, 0.5, -100, 100, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pieces.three", NULL, NULL, &three, NULL, PGC_SIGHUP, 0, NULL, NULL, NULL);
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	for (int i = 0; i < 600; i++)
	{
		const char *name = ONE_OF("pieces.one", "PIECES.ONE", "pieces.two", "pieces.three", "pieces.unknown", "Pieces.Unknown", "nothere", "work_mem", "WORK_mem", "search_path", "application_name");
		const char *value = ONE_OF("1", "2.5", "text", "", "a, b", "9999", "x=y", "64kB", "50MB");

		switch (below(8))
		{
			case 0:
				ATTEMPT("delete", array = GUCArrayDelete(array, name));
				break;
			case 1:
				if (below(20) == 0)
					ATTEMPT("reset", array = GUCArrayReset(array));
				break;
			case 2:
				if (array && below(4) == 0)
				{
					int			nest = NewGUCNestLevel();
					Datum		more = CStringGetTextDatum("without a value");
					int			at = ARR_DIMS(array)[0] + 1;

					ATTEMPT("process", ProcessGUCArray(below(2) ? array_set(array, 1, &at, more, below(2), -1, -1, false, 'i') : array, PGC_SUSET,
													   PGC_S_SESSION, GUC_ACTION_SAVE));
					SAY("one %d, two %g, work_mem %s", one, two, GetConfigOption("work_mem", false, false));
					AtEOXact_GUC(false, nest);
				}
				break;
			case 3:
				if (array && below(4) == 0)
				{
					int			at = 1 + below(ARR_DIMS(array)[0]);

					array = array_set(array, 1, &at, (Datum) 0, true, -1, -1, false, 'i');
				}
				break;
			default:
				ATTEMPT("add", array = GUCArrayAdd(array, name, value));
		}
		say_array("array", array);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	/* In a stretch of memory. */
	StartTransactionCommand();
	SetConfigOption("pieces.one", "7", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("pieces.two", "0.1234567890123456", PGC_SUSET, PGC_S_SESSION);
	SetConfigOption("pieces.other", "a placeholder", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("work_mem", "1MB", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("pieces.three", "from a file", PGC_SIGHUP, PGC_S_FILE);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	StartTransactionCommand();
	{
		Size		size = EstimateGUCStateSpace();
		char	   *memory = MemoryContextAllocZero(context, size);
		double		before = two;

		SerializeGUCState(size, memory);
		ATTEMPT("too little", SerializeGUCState(60, MemoryContextAllocZero(context, size)));
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
		SetConfigOption("pieces.one", "8", PGC_USERSET, PGC_S_SESSION);
		SetConfigOption("pieces.two", "1", PGC_SUSET, PGC_S_SESSION);
		SetConfigOption("maintenance_work_mem", "2MB", PGC_USERSET, PGC_S_SESSION);
		StartTransactionCommand();
		MemoryContextSwitchTo(context);
		/* As a process does that has set nothing yet. */
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
		RestoreGUCState(memory);
		SAY("one %d, two %d, three %s, other %s, work_mem %s, maintenance_work_mem %s", one, two == before, three,
			GetConfigOption("pieces.other", false, false), GetConfigOption("work_mem", false, false), GetConfigOption("maintenance_work_mem", false, false));
		for (int i = 0; i < 4; i++)
		{
			static const char *const names[] = {"pieces.one", "pieces.three", "pieces.other", "work_mem"};
			struct config_generic *record = record_of(names[i]);

			SAY("%s: source %d, scontext %d, reset %s", record->name, record->source, record->scontext, or_null(GetConfigOptionResetString(names[i])));
		}
	}

	environment = create_queryEnv();
	for (int i = 0; i < 100; i++)
	{
		const char *name = ONE_OF("a", "b", "c");

		if (get_ENR(environment, name) == NULL && below(3))
		{
			EphemeralNamedRelation relation = palloc0(sizeof(*relation));

			relation->md.name = pstrdup(name);
			relation->md.tupdesc = CreateTemplateTupleDesc(1 + i);
			relation->md.enrtuples = i;
			register_ENR(environment, relation);
		}
		else if (below(2))
			unregister_ENR(environment, name);
		for (int j = 0; j < 3; j++)
		{
			EphemeralNamedRelationMetadata found = get_visible_ENR_metadata(environment, j == 0 ? "a" : j == 1 ? "b" : "c");

			SAY("%d: %g %d", j, found ? found->enrtuples : -1, found ? ENRMetadataGetTupDesc(found)->natts : 0);
		}
	}
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	do_arguments();
	do_dates();
	do_expanded(context);
	do_elements();
	CommitTransactionCommand();
	SAY("none: %d %d", get_ENR(NULL, "a") == NULL, get_visible_ENR_metadata(NULL, "a") == NULL);
	SAY("done");
}
