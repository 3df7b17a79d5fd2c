/*
 * Calling functions by pointer, by OID and by FmgrInfo, with results that are null, strict functions, input and output.
 */
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(probe_core_called);

/* Returns its first argument; null if that is 13; raises if it is 14. */
Datum
probe_core_called(PG_FUNCTION_ARGS)
{
	SAY("called with %d arguments, collation %u, null %d, resno %d, extra %d", fcinfo->nargs, PG_GET_COLLATION(), PG_NARGS() > 0 ? PG_ARGISNULL(0) : 0,
		fcinfo->isnull, fcinfo->flinfo && fcinfo->flinfo->fn_extra != NULL);
	if (fcinfo->nargs == 0)
		PG_RETURN_INT32(-1);
	if (PG_GETARG_INT32(0) == 13)
		PG_RETURN_NULL();
	if (PG_GETARG_INT32(0) == 14)
		ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("fourteen"), errdetail("Detail."), errhint("Hint.")));
	PG_RETURN_INT32(PG_GETARG_INT32(0) + fcinfo->nargs);
}

#define N Int32GetDatum(n)
#define CALL(text, call) ATTEMPT(text, SAY("%s: %d", text, DatumGetInt32(call)))

static void
do_calls(const char *argument)
{
	static const Oid functions[] = {F_INT4PL, F_INT4DIV, F_INT4EQ, F_INT4ABS, F_INT4OUT, F_INT4MI, F_INT4MUL, F_INT4LARGER, F_INT4XOR};
	static const Oid types[] = {INT4OID, BOOLOID, TEXTOID, FLOAT8OID, TIMESTAMPTZOID, NUMERICOID, INT4ARRAYOID, NAMEOID, CHAROID, UUIDOID, INTERVALOID,
		DATEOID, JSONBOID, BYTEAOID, OIDOID, INT2OID, BPCHAROID, VARCHAROID, 0, 99999999};

	state = strtoull(argument, NULL, 10);
	StartTransactionCommand();
	for (int i = 0; i < 120; i++)
	{
		int			n = 10 + below(6);
		FmgrInfo	info;

		memset(&info, 0, sizeof(info));
		info.fn_addr = probe_core_called;
		info.fn_oid = 77;
		info.fn_nargs = 9;
		info.fn_mcxt = CurrentMemoryContext;
		switch (below(14))
		{
			case 0:
				CALL("direct 1", DirectFunctionCall1(probe_core_called, N));
				break;
			case 1:
				CALL("direct 2", DirectFunctionCall2Coll(probe_core_called, 100, N, N));
				break;
			case 2:
				CALL("direct 5", DirectFunctionCall5(probe_core_called, N, N, N, N, N));
				break;
			case 3:
				CALL("direct 9", DirectFunctionCall9(probe_core_called, N, N, N, N, N, N, N, N, N));
				break;
			case 4:
				CALL("info 0", FunctionCall0Coll(&info, 100));
				break;
			case 5:
				CALL("info 1", FunctionCall1(&info, N));
				break;
			case 6:
				CALL("info 4", FunctionCall4Coll(&info, 100, N, N, N, N));
				break;
			case 7:
				CALL("info 7", FunctionCall7(&info, N, N, N, N, N, N, N));
				break;
			case 8:
				CALL("caller 1", CallerFInfoFunctionCall1(probe_core_called, &info, 100, N));
				break;
			case 9:
				CALL("caller 2", CallerFInfoFunctionCall2(probe_core_called, &info, 100, N, N));
				break;
			case 10:
				CALL("direct 3", DirectFunctionCall3Coll(probe_core_called, 5, N, N, N));
				break;
			case 11:
				CALL("info 9", FunctionCall9(&info, N, N, N, N, N, N, N, N, N));
				break;
			case 12:
				info.fn_strict = below(2);
				ATTEMPT("input", SAY("input: %d", DatumGetInt32(InputFunctionCall(&info, below(2) ? NULL : (char *) (intptr_t) n, 1, 2))));
				info.fn_oid = 78;
				ATTEMPT("output", SAY("output of null: %s", OutputFunctionCall(&info, Int32GetDatum(13))));
				break;
			default:
				info.fn_strict = below(2);
				ATTEMPT("receive", SAY("receive: %d", DatumGetInt32(ReceiveFunctionCall(&info, NULL, 1, 2))));
		}
	}
	for (int i = 0; i < 300; i++)
	{
		Oid			function = functions[below(lengthof(functions))];
		int32		a = below(3) ? below(100) - 50 : (int32) draw();
		int32		b = below(3) ? below(10) : (int32) draw();
		FmgrInfo	info;

		/* What takes two numbers. */
		if (function == F_INT4OUT || function == F_INT4ABS)
			ATTEMPT("by OID", SAY("abs: %d", DatumGetInt32(OidFunctionCall1(F_INT4ABS, Int32GetDatum(a)))));
		else
			ATTEMPT("by OID", SAY("%u: %d", function, DatumGetInt32(OidFunctionCall2(function, Int32GetDatum(a), Int32GetDatum(b)))));
		ATTEMPT("info",
				{
					fmgr_info(function, &info);
					SAY("info of %u: %u, %d arguments, strict %d, set %d, extra %d", function, info.fn_oid, info.fn_nargs, info.fn_strict, info.fn_retset, info.fn_extra != NULL);
				});
	}
	for (int i = 0; i < 400; i++)
	{
		Oid			type = types[below(lengthof(types))];
		Oid			input;
		Oid			output;
		Oid			parameter;
		bool		varlena;
		const char *text = ONE_OF("1", "0", "-5", "text", "t", "12.5", "2020-01-01", "{1,2}", "{1,NULL}", "", "infinity", "00000000-0000-0000-0000-000000000001", "1 day", "\\x01", "{\"a\": 1}", "99999999999", "  7  ");
		int32		typmod = below(2) ? -1 : below(12);

		ATTEMPT("io",
				{
					Datum		value;

					getTypeInputInfo(type, &input, &parameter);
					getTypeOutputInfo(type, &output, &varlena);
					value = OidInputFunctionCall(input, (char *) text, parameter, typmod);
					SAY("%u of \"%s\", %d: %s", type, text, typmod, OidOutputFunctionCall(output, value));
				});
	}
	AbortCurrentTransaction();
	SAY("done");
}
