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
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
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
