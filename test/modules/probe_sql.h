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

/*
 * Runs call(argument) in a subtransaction; null, or a copy of the error that it raised, with which the subtransaction is rolled
 * back. With `report` the error is logged too.
 */
static inline ErrorData *
in_subtransaction(const char *name, void (*call) (void *), void *argument, bool report)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(name);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		call(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		if (report)
			EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return error;
}

typedef struct Statement
{
	const char *label;
	const char *text;
	bool		read_only;
	long		count;
} Statement;

static inline void
run_statement(void *argument)
{
	Statement  *statement = argument;

	outcome(statement->label, SPI_execute(statement->text, statement->read_only, statement->count));
}

/* Runs a statement so that an error leaves the rest alone. */
static inline void
execute(const char *statement, bool read_only, long count)
{
	Statement	it = {statement, statement, read_only, count};
	ErrorData  *error = in_subtransaction(NULL, run_statement, &it, false);

	if (error == NULL)
		return;
	SAY("%s -> %s %s | detail %s | hint %s | context %s | position %d %d %s", statement,
		unpack_sql_state(error->sqlerrcode), error->message, error->detail ? error->detail : "-",
		error->hint ? error->hint : "-", error->context ? error->context : "-", error->cursorpos,
		error->internalpos, error->internalquery ? error->internalquery : "-");
	FreeErrorData(error);
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
