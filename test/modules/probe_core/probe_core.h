/*
 * What the files of probe_core share.
 */
#ifndef PROBE_CORE_H
#define PROBE_CORE_H

#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"

#include <float.h>
#include <limits.h>

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
