/*
 * What the probe modules that run SQL share: a transaction around, and a statement with all that came of it as log
 * lines. Include after probe_common.h.
 */
#ifndef PROBE_SQL_H
#define PROBE_SQL_H

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

static inline void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SAY("connect %d", SPI_connect());
	PushActiveSnapshot(GetTransactionSnapshot());
}

static inline void
commit(void)
{
	SAY("finish %d", SPI_finish());
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/* Prints what a call left behind. */
static inline void
outcome(const char *what, int result)
{
	SAY("%s -> %d %s processed " UINT64_FORMAT " table %s", what, result, SPI_result_code_string(result), SPI_processed,
		SPI_tuptable ? "yes" : "no");
	if (SPI_tuptable)
		for (uint64 row = 0; row < SPI_tuptable->numvals && row < 20; row++)
			for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
			{
				char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

				SAY("  " UINT64_FORMAT ".%d %s %s = %s", row, column, SPI_fname(SPI_tuptable->tupdesc, column),
					SPI_gettype(SPI_tuptable->tupdesc, column), value ? value : "NULL");
			}
}

/* Runs a statement in a subtransaction, so that an error leaves the rest alone. */
static inline void
execute(const char *statement, bool read_only, long count)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		outcome(statement, SPI_execute(statement, read_only, count));
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
		SAY("%s -> %s %s | detail %s | hint %s | context %s | position %d %d %s", statement,
			unpack_sql_state(error->sqlerrcode), error->message, error->detail ? error->detail : "-",
			error->hint ? error->hint : "-", error->context ? error->context : "-", error->cursorpos,
			error->internalpos, error->internalquery ? error->internalquery : "-");
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static inline void
attempt_plain(const char *statement)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		outcome(statement, SPI_execute(statement, false, 0));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s -> %s %s", statement, unpack_sql_state(error->sqlerrcode), error->message);
	}
	PG_END_TRY();
}

#endif
