/*
 * probe_call: functions to be called by SQL in a server and by bgworkerctl in a host: values and NULLs of many
 * types, rows, sets in both modes, errors, notices, waits, SPI.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void probe_call_sleeper(Datum main_arg);

/* The argument, whatever its type. */
PG_FUNCTION_INFO_V1(probe_call_same);
Datum
probe_call_same(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

PG_FUNCTION_INFO_V1(probe_call_add);
Datum
probe_call_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_INT32(0) + PG_GETARG_INT32(1));
}

/* Not what its name says: no PG_FUNCTION_INFO_V1. */
extern PGDLLEXPORT Datum probe_call_old(PG_FUNCTION_ARGS);
Datum
probe_call_old(PG_FUNCTION_ARGS)
{
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(probe_call_void);
Datum
probe_call_void(PG_FUNCTION_ARGS)
{
	ereport(NOTICE, (errmsg("called with %d arguments", PG_NARGS())));
	PG_RETURN_VOID();
}

/* What a function is told of its call: the arguments' types, and whether it is in a transaction. */
PG_FUNCTION_INFO_V1(probe_call_types);
Datum
probe_call_types(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	Oid		   *types;
	bool	   *nulls;
	int			count = extract_variadic_args(fcinfo, 0, true, &values, &types, &nulls);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendStringInfo(&text, "%s%s%s", i > 0 ? ", " : "", format_type_be(types[i]), nulls[i] ? " null" : "");
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}

/* One row: number, name, and NULL. */
PG_FUNCTION_INFO_V1(probe_call_row);
Datum
probe_call_row(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false, false, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("function returning record called in context that cannot accept type record")));
	values[0] = PG_GETARG_DATUM(0);
	values[1] = CStringGetTextDatum("one row");
	values[2] = (Datum) 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* The numbers from 1 to n, one per call; every third is NULL. */
PG_FUNCTION_INFO_V1(probe_call_series);
Datum
probe_call_series(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	int32		number;

	if (SRF_IS_FIRSTCALL())
	{
		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = (uint64) Max(PG_GETARG_INT32(0), 0);
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);
	number = (int32) funcctx->call_cntr + 1;
	if (number % 3 == 0)
		SRF_RETURN_NEXT_NULL(funcctx);
	SRF_RETURN_NEXT(funcctx, Int32GetDatum(number));
}

/* Rows of number and square, one per call, made from C strings. */
PG_FUNCTION_INFO_V1(probe_call_squares);
Datum
probe_call_squares(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;

	if (SRF_IS_FIRSTCALL())
	{
		TupleDesc	desc;
		MemoryContext old;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		funcctx->attinmeta = TupleDescGetAttInMetadata(desc);
		funcctx->max_calls = (uint64) PG_GETARG_INT32(0);
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr < funcctx->max_calls)
	{
		uint64		n = funcctx->call_cntr + 1;
		char	   *values[2] = {psprintf(UINT64_FORMAT, n), psprintf(UINT64_FORMAT, n * n)};

		SRF_RETURN_NEXT(funcctx, HeapTupleGetDatum(BuildTupleFromCStrings(funcctx->attinmeta, values)));
	}
	SRF_RETURN_DONE(funcctx);
}

/* Rows of number and text, all at once. */
PG_FUNCTION_INFO_V1(probe_call_table);
Datum
probe_call_table(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 1; i <= PG_GETARG_INT32(0); i++)
	{
		Datum		values[2] = {Int32GetDatum(i), CStringGetTextDatum(psprintf("row %d", i))};
		bool		nulls[2] = {false, i % 2 == 0};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The same, the long way, and with a descriptor of the function's own. */
PG_FUNCTION_INFO_V1(probe_call_store);
Datum
probe_call_store(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc	desc;
	Tuplestorestate *store;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("materialize mode required, but it is not allowed in this context")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(desc, 1, "k", INT4OID, -1, 0);
	TupleDescInitEntry(desc, 2, "v", TEXTOID, -1, 0);
	store = tuplestore_begin_heap(false, false, work_mem);
	for (int i = 0; i < 3; i++)
	{
		Datum		values[2] = {Int32GetDatum(i), CStringGetTextDatum("stored")};
		bool		nulls[2] = {false, false};

		tuplestore_puttuple(store, heap_form_tuple(desc, values, nulls));
	}
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = store;
	rsinfo->setDesc = desc;
	MemoryContextSwitchTo(old);
	return (Datum) 0;
}

static const char *
class_name(TypeFuncClass type_class)
{
	switch (type_class)
	{
		case TYPEFUNC_SCALAR:
			return "scalar";
		case TYPEFUNC_COMPOSITE:
			return "composite";
		case TYPEFUNC_COMPOSITE_DOMAIN:
			return "domain over composite";
		case TYPEFUNC_RECORD:
			return "record";
		case TYPEFUNC_OTHER:
			return "other";
	}
	return "?";
}

/* All that a function can learn of its call: types of the arguments and the result, VARIADIC, the row's columns. */
static char *
describe_call(FunctionCallInfo fcinfo)
{
	StringInfoData text;
	TupleDesc	desc;
	Oid			type;
	TypeFuncClass type_class = get_call_result_type(fcinfo, &type, &desc);

	initStringInfo(&text);
	for (int i = 0; i < PG_NARGS(); i++)
		appendStringInfo(&text, "%s%s%s", i > 0 ? ", " : "", format_type_be(get_fn_expr_argtype(fcinfo->flinfo, i)),
						 PG_ARGISNULL(i) ? " null" : "");
	appendStringInfo(&text, " -> %s, %s %s%s", format_type_be(get_fn_expr_rettype(fcinfo->flinfo)), class_name(type_class),
					 format_type_be(type), get_fn_expr_variadic(fcinfo->flinfo) ? ", variadic" : "");
	for (int i = 0; desc != NULL && i < desc->natts; i++)
		appendStringInfo(&text, "%s%s %s", i > 0 ? ", " : ": ", NameStr(TupleDescAttr(desc, i)->attname),
						 format_type_with_typemod(TupleDescAttr(desc, i)->atttypid, TupleDescAttr(desc, i)->atttypmod));
	return text.data;
}

PG_FUNCTION_INFO_V1(probe_call_describe);
Datum
probe_call_describe(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(describe_call(fcinfo)));
}

/* Its first argument, with a notice of the whole call. */
PG_FUNCTION_INFO_V1(probe_call_first);
Datum
probe_call_first(PG_FUNCTION_ARGS)
{
	ereport(NOTICE, (errmsg("%s", describe_call(fcinfo))));
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* An array of all arguments, which have one type. */
PG_FUNCTION_INFO_V1(probe_call_array);
Datum
probe_call_array(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	int			dims[1] = {PG_NARGS()};
	int			bounds[1] = {1};
	int16		length;
	bool		by_value;
	char		align;

	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i);
	}
	get_typlenbyvalalign(type, &length, &by_value, &align);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, dims, bounds, type, length, by_value, align));
}

/* The n-th element of the array that is the last argument; n is the number of the arguments before it, from 1. */
PG_FUNCTION_INFO_V1(probe_call_element);
Datum
probe_call_element(PG_FUNCTION_ARGS)
{
	int			last = PG_NARGS() - 1;
	Oid			type = get_base_element_type(get_fn_expr_argtype(fcinfo->flinfo, last));
	int			index = Max(last, 1);
	int16		length;
	bool		by_value;
	bool		isnull;
	char		align;
	Datum		value;

	if (PG_ARGISNULL(last))
		PG_RETURN_NULL();
	get_typlenbyvalalign(type, &length, &by_value, &align);
	value = array_get_element(PG_GETARG_DATUM(last), 1, &index, -1, length, by_value, align, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/* The elements of an array, one per call. */
PG_FUNCTION_INFO_V1(probe_call_unnest);
Datum
probe_call_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	ArrayIterator iterator;
	Datum		value;
	bool		isnull;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		funcctx = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		funcctx->user_fctx = array_create_iterator(PG_GETARG_ARRAYTYPE_P_COPY(0), 0, NULL);
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	iterator = funcctx->user_fctx;
	if (!array_iterate(iterator, &value, &isnull))
		SRF_RETURN_DONE(funcctx);
	if (isnull)
		SRF_RETURN_NEXT_NULL(funcctx);
	SRF_RETURN_NEXT(funcctx, value);
}

/* Rows of all arguments, two of them, and one of NULLs, in materialize mode; flags as InitMaterializedSRF's. */
static Datum
materialize(FunctionCallInfo fcinfo, bits32 flags)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[FUNC_MAX_ARGS] = {0};
	bool		nulls[FUNC_MAX_ARGS];

	InitMaterializedSRF(fcinfo, flags);
	for (int row = 0; row < 3; row++)
	{
		for (int i = 0; i < rsinfo->setDesc->natts; i++)
		{
			values[i] = i < PG_NARGS() ? PG_GETARG_DATUM(i) : (Datum) 0;
			nulls[i] = row == 2 || i >= PG_NARGS() || PG_ARGISNULL(i);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(probe_call_rows);
Datum
probe_call_rows(PG_FUNCTION_ARGS)
{
	return materialize(fcinfo, 0);
}

PG_FUNCTION_INFO_V1(probe_call_rows_expected);
Datum
probe_call_rows_expected(PG_FUNCTION_ARGS)
{
	return materialize(fcinfo, MAT_SRF_USE_EXPECTED_DESC | MAT_SRF_BLESS);
}

/* Rows of the arguments, one per call: as many as the first says, every second NULL. */
PG_FUNCTION_INFO_V1(probe_call_values);
Datum
probe_call_values(PG_FUNCTION_ARGS)
{
	FuncCallContext *funcctx;
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		TupleDesc	desc;

		funcctx = SRF_FIRSTCALL_INIT();
		funcctx->max_calls = PG_ARGISNULL(0) ? 0 : (uint64) PG_GETARG_INT32(0);
		old = MemoryContextSwitchTo(funcctx->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		funcctx->tuple_desc = BlessTupleDesc(CreateTupleDescCopy(desc));
		MemoryContextSwitchTo(old);
	}
	funcctx = SRF_PERCALL_SETUP();
	if (funcctx->call_cntr >= funcctx->max_calls)
		SRF_RETURN_DONE(funcctx);
	if (funcctx->call_cntr % 2 == 1)
		SRF_RETURN_NEXT_NULL(funcctx);
	for (int i = 0; i < funcctx->tuple_desc->natts; i++)
	{
		values[i] = i < PG_NARGS() ? PG_GETARG_DATUM(i) : (Datum) 0;
		nulls[i] = i >= PG_NARGS() || PG_ARGISNULL(i);
	}
	SRF_RETURN_NEXT(funcctx, HeapTupleGetDatum(heap_form_tuple(funcctx->tuple_desc, values, nulls)));
}

/* A row of the result's type from the arguments, with a notice of the call. */
PG_FUNCTION_INFO_V1(probe_call_make_row);
Datum
probe_call_make_row(PG_FUNCTION_ARGS)
{
	Datum		values[FUNC_MAX_ARGS];
	bool		nulls[FUNC_MAX_ARGS];
	TupleDesc	desc;
	Oid			type;

	ereport(NOTICE, (errmsg("%s", describe_call(fcinfo))));
	if (PG_NARGS() > 0 && PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, &type, &desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("function returning record called in context that cannot accept type record")));
	for (int i = 0; i < desc->natts; i++)
	{
		values[i] = i < PG_NARGS() ? PG_GETARG_DATUM(i) : (Datum) 0;
		nulls[i] = i >= PG_NARGS() || PG_ARGISNULL(i);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* What is in a row: its type, and columns by number and by name. */
PG_FUNCTION_INFO_V1(probe_call_look_at_row);
Datum
probe_call_look_at_row(PG_FUNCTION_ARGS)
{
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%s:", format_type_be(get_fn_expr_argtype(fcinfo->flinfo, 0)));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		isnull;
		bool		again;
		Datum		value;
		Oid			output;
		bool		varlena;

		if (att->attisdropped)
			continue;
		value = GetAttributeByNum(row, (AttrNumber) (i + 1), &isnull);
		getTypeOutputInfo(att->atttypid, &output, &varlena);
		appendStringInfo(&text, " %s=%s", NameStr(att->attname), isnull ? "null" : OidOutputFunctionCall(output, value));
		value = GetAttributeByName(row, NameStr(att->attname), &again);
		if (isnull != again || (!isnull && strcmp(OidOutputFunctionCall(output, value),
												  OidOutputFunctionCall(output, GetAttributeByNum(row, (AttrNumber) (i + 1), &again))) != 0))
			appendStringInfo(&text, " (not the same by name)");
	}
	ReleaseTupleDesc(desc);
	PG_RETURN_TEXT_P(cstring_to_text(text.data));
}

static void
add_context(void *arg)
{
	errcontext("the probe's own context");
}

/* An error with every field, after some rows of notice. */
PG_FUNCTION_INFO_V1(probe_call_error);
Datum
probe_call_error(PG_FUNCTION_ARGS)
{
	ErrorContextCallback callback = {.callback = add_context, .previous = error_context_stack};

	ereport(WARNING, (errmsg("something is about to fail"), errhint("Look out.")));
	error_context_stack = &callback;
	ereport(PG_GETARG_INT32(0), (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("the probe failed"),
								 errdetail("It was told to."), errhint("Do not call it.")));
	error_context_stack = callback.previous;
	PG_RETURN_VOID();
}

/* Waits on the latch until `seconds` are over; true if the latch was set before. */
PG_FUNCTION_INFO_V1(probe_call_wait);
Datum
probe_call_wait(PG_FUNCTION_ARGS)
{
	TimestampTz end = GetCurrentTimestamp() + PG_GETARG_INT32(0) * USECS_PER_SEC;

	elog(LOG, "probe_call: waiting");
	ResetLatch(MyLatch);
	for (;;)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
		int			rc = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left, PG_WAIT_EXTENSION);

		CHECK_FOR_INTERRUPTS();
		if (rc & WL_TIMEOUT)
			PG_RETURN_BOOL(false);
		ResetLatch(MyLatch);
	}
}

/* What a regular backend has. */
PG_FUNCTION_INFO_V1(probe_call_process);
Datum
probe_call_process(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s proc=%d latch=%d worker=%d postmaster=%d",
											  GetBackendTypeDesc(MyBackendType), MyProc != NULL && MyProc->pid == MyProcPid,
											  MyLatch == &MyProc->procLatch, MyBgworkerEntry != NULL, PostmasterPid > 0)));
}

/* One value out of the database. */
PG_FUNCTION_INFO_V1(probe_call_query);
Datum
probe_call_query(PG_FUNCTION_ARGS)
{
	char	   *value;
	text	   *result = NULL;

	SPI_connect();
	if (SPI_execute(text_to_cstring(PG_GETARG_TEXT_PP(0)), false, 0) > 0 && SPI_tuptable != NULL && SPI_processed > 0)
	{
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		if (value != NULL)
		{
			result = SPI_palloc(strlen(value) + VARHDRSZ);
			SET_VARSIZE(result, strlen(value) + VARHDRSZ);
			memcpy(VARDATA(result), value, strlen(value));
		}
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}

PG_FUNCTION_INFO_V1(probe_call_crash);
Datum
probe_call_crash(PG_FUNCTION_ARGS)
{
	raise(SIGKILL);
	PG_RETURN_VOID();
}

static volatile sig_atomic_t got_sigterm = false;

static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sigterm = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/*
 * A worker that says what it was given and sleeps until it is told to end; each time its latch is set it says so.
 * bgw_main_arg: exit at once with this code (1 to 99), or do not heed SIGTERM (100).
 */
void
probe_call_sleeper(Datum main_arg)
{
	int			arg = DatumGetInt32(main_arg);

	pqsignal(SIGTERM, arg == 100 ? SIG_IGN : handle_sigterm);
	BackgroundWorkerUnblockSignals();
	elog(LOG, "probe_call: sleeper arg=" INT64_FORMAT " extra=\"%s\" type=%s", (int64) main_arg, MyBgworkerEntry->bgw_extra,
		 MyBgworkerEntry->bgw_type);
	if (arg > 0 && arg < 100)
		proc_exit(arg);
	for (bool first = true; !got_sigterm; first = false)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (!first && !got_sigterm)
			elog(LOG, "probe_call: woken");
	}
	elog(LOG, "probe_call: told to end");
	proc_exit(0);
}
