/*
 * batch.h: one INSERT, UPDATE, DELETE or MERGE for many rows of parameters. For C and C++ modules, in the server and in
 * bgworkerd alike; include it after postgres.h. Link nothing.
 *
 * In the server this is a loop over a prepared plan. In bgworkerd, where each statement of a loop would cost a round
 * trip to the upstream, the rows travel together.
 */
#ifndef BGWORKER_BATCH_H
#define BGWORKER_BATCH_H

#ifdef __cplusplus
extern "C" {
#endif

#include <dlfcn.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef int (*bgworker_batch_function) (const char *command, int nargs, const Oid *argtypes, uint64 count,
										const Datum *values, const char *nulls);

/*
 * Runs `command`, one statement, `count` times. The values of row i, from 0, are values[i * nargs] and the following
 * ones; nulls may be NULL, or has 'n' where a value is NULL and ' ' elsewhere, in the same order.
 *
 * Call between SPI_connect() and SPI_finish() with an active snapshot. Returns SPI_OK_UTILITY, with the sum of affected
 * rows in SPI_processed and SPI_tuptable NULL, or a negative SPI code: SPI_ERROR_UNCONNECTED, SPI_ERROR_ARGUMENT (no
 * text, or not exactly one statement), SPI_ERROR_PARAM (nargs > 0 without types or values), SPI_ERROR_TRANSACTION,
 * SPI_ERROR_COPY, SPI_ERROR_OPUNKNOWN (another kind of statement). An error of any row is raised, and no row's effect is
 * left then: the batch runs in a subtransaction.
 */
static inline int
bgworker_execute_batch(const char *command, int nargs, const Oid *argtypes, uint64 count, const Datum *values,
					   const char *nulls)
{
	static bool looked = false;
	static bgworker_batch_function host = NULL;
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	SPIPlanPtr	plan;
	volatile uint64 processed = 0;
	volatile int code = SPI_OK_UTILITY;

	if (!looked)
	{
		host = (bgworker_batch_function) dlsym(RTLD_DEFAULT, "bgworkerd_SPI_execute_batch");
		looked = true;
	}
	if (host != NULL)
		return host(command, nargs, argtypes, count, values, nulls);

	if (command == NULL || nargs < 0)
		return SPI_ERROR_ARGUMENT;
	if (nargs > 0 && (argtypes == NULL || (values == NULL && count > 0)))
		return SPI_ERROR_PARAM;
	plan = SPI_prepare(command, nargs, (Oid *) argtypes);
	if (plan == NULL)
		return SPI_result;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		uint64		row;

		for (row = 0; row < count && code >= 0; row++)
		{
			size_t		at = (size_t) row * (size_t) nargs;
			int			result = SPI_execute_plan(plan, (Datum *) values + at, nulls ? nulls + at : NULL, false, 0);

			if (result < 0)
				code = result;
			else if (result != SPI_OK_INSERT && result != SPI_OK_UPDATE && result != SPI_OK_DELETE &&
					 result != SPI_OK_MERGE && result != SPI_OK_INSERT_RETURNING &&
					 result != SPI_OK_UPDATE_RETURNING && result != SPI_OK_DELETE_RETURNING)
				code = SPI_ERROR_OPUNKNOWN;
			processed += SPI_processed;
			SPI_freetuptable(SPI_tuptable);
		}
		if (code >= 0)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
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
		ReThrowError(error);
	}
	PG_END_TRY();
	SPI_freeplan(plan);
	SPI_processed = code >= 0 ? processed : 0;
	SPI_tuptable = NULL;
	return code;
}

#ifdef __cplusplus
}
#endif

#endif
