/*
 * The plain C that the SDK is measured against: what a careful author writes by hand for the same work.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/snapmgr.h"

void		plain_one(void);
int64		plain_rows(void);

static void
begin(const char *query)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, query);
}

static void
end(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
plain_one(void)
{
	bool		isnull;

	begin("SELECT 1");
	if (SPI_execute("SELECT 1", false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result");
	if (DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) != 1 || isnull)
		elog(ERROR, "unexpected value");
	end();
}

int64
plain_rows(void)
{
	int64		sum = 0;
	bool		isnull;

	begin("SELECT v FROM generate_series(1::int8, 10000) v");
	if (SPI_execute("SELECT v FROM generate_series(1::int8, 10000) v", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "unexpected result");
	for (uint64 row = 0; row < SPI_processed; row++)
		sum += DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));
	end();
	return sum;
}
