/*
 * What the probe modules that call one function after the other share: a line for what came of each call, be it an error. Include
 * after probe_common.h.
 */
#ifndef PROBE_RESULT_H
#define PROBE_RESULT_H

/* Says an expression's value, or the error that it raises. */
#define RESULT(what, format, ...) \
	do { \
		MemoryContext result_context = CurrentMemoryContext; \
		PG_TRY(); \
		{ \
			char	   *result_text = psprintf(format, __VA_ARGS__); \
			SAY("%s: %s", what, result_text); \
		} \
		PG_CATCH(); \
		{ \
			ErrorData  *result_error; \
			MemoryContextSwitchTo(result_context); \
			result_error = CopyErrorData(); \
			FlushErrorState(); \
			SAY("%s: %s %s", what, unpack_sql_state(result_error->sqlerrcode), result_error->message); \
		} \
		PG_END_TRY(); \
	} while (0)

/* Does something that may raise, and says what was raised. */
#define ATTEMPT(what, action) \
	do { \
		MemoryContext attempt_context = CurrentMemoryContext; \
		PG_TRY(); \
		{ \
			action; \
		} \
		PG_CATCH(); \
		{ \
			ErrorData  *attempt_error; \
			MemoryContextSwitchTo(attempt_context); \
			attempt_error = CopyErrorData(); \
			FlushErrorState(); \
			SAY("%s: %s %s | %s | %s | %s", what, unpack_sql_state(attempt_error->sqlerrcode), attempt_error->message, \
				attempt_error->detail ? attempt_error->detail : "-", attempt_error->hint ? attempt_error->hint : "-", \
				attempt_error->context ? attempt_error->context : "-"); \
			FreeErrorData(attempt_error); \
		} \
		PG_END_TRY(); \
	} while (0)

#endif
