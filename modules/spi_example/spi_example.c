/*
 * spi_example: background workers with a database session.
 *
 * Each worker looks after one table of its own, spi_exampleN.counted, and makes it if it is not there. The table has
 * one row of type 'total' and any number of rows of type 'delta', which anybody may insert. On every round the worker
 * takes the deltas out of the table and adds them to the total, in one transaction: whoever looks sees every delta
 * either as a row of its own or in the total, and never in both.
 *
 * What it shows of the worker API: several workers of one entry function, told apart by the argument; settings and
 * their reload; the server's own signal handlers, so that SIGTERM ends the worker even inside a query; the latch; plans
 * that are prepared once and kept; results read as C values; what the worker is doing, for pg_stat_activity.
 *
 * An error anywhere ends the worker: its transaction is rolled back, the error is in the log, and it is started again
 * ten seconds later. Nothing is lost by that, so there is nothing for the worker to catch.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void spi_example_main(Datum main_arg) pg_attribute_noreturn();

static int	spi_example_workers;
static int	spi_example_naptime;
static char *spi_example_database;

/* What one worker prepares once and then uses on every round. */
typedef struct Rounds
{
	char	   *table;			/* schema-qualified and quoted */
	char	   *take_text;
	char	   *add_text;
	SPIPlanPtr	take;			/* takes the deltas out, returns their values */
	SPIPlanPtr	add;			/* adds $1 to the total, returns the new one */
} Rounds;

void
_PG_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress)
		return;

	DefineCustomIntVariable("spi_example.workers",
							"Number of workers, each with a table of its own.",
							NULL,
							&spi_example_workers,
							2, 1, 100,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("spi_example.naptime",
							"Time between two rounds.",
							NULL,
							&spi_example_naptime,
							10, 1, 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomStringVariable("spi_example.database",
							   "Database that the tables are in.",
							   NULL,
							   &spi_example_database,
							   "postgres",
							   PGC_POSTMASTER, 0,
							   NULL, NULL, NULL);
	MarkGUCPrefixReserved("spi_example");

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 10;
	strlcpy(worker.bgw_library_name, "spi_example", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "spi_example_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "spi_example", BGW_MAXLEN);
	for (int number = 1; number <= spi_example_workers; number++)
	{
		snprintf(worker.bgw_name, BGW_MAXLEN, "spi_example %d", number);
		worker.bgw_main_arg = Int32GetDatum(number);
		RegisterBackgroundWorker(&worker);
	}
}

/* Everything that SPI is asked for happens between these two. */
static void
begin_round(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
end_round(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

static void
run(const char *statement, int expected)
{
	int			result = SPI_execute(statement, false, 0);

	if (result != expected)
		ereport(ERROR,
				(errmsg("spi_example: \"%s\" returned %s", statement, SPI_result_code_string(result))));
}

static SPIPlanPtr
prepare(const char *statement, int nargs, Oid *argtypes)
{
	SPIPlanPtr	plan = SPI_prepare(statement, nargs, argtypes);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		ereport(ERROR,
				(errmsg("spi_example: could not prepare \"%s\": %s", statement,
						SPI_result_code_string(SPI_result))));
	return plan;
}

static void
set_up(Rounds *rounds, int number)
{
	char	   *schema = psprintf("spi_example%d", number);
	Oid			sum_type[1] = {INT8OID};

	rounds->table = psprintf("%s.counted", quote_identifier(schema));
	rounds->take_text = psprintf("DELETE FROM %s WHERE type = 'delta' RETURNING value", rounds->table);
	rounds->add_text = psprintf("UPDATE %s SET value = value + $1 WHERE type = 'total' RETURNING value",
								rounds->table);

	begin_round("making the table");
	run(psprintf("CREATE SCHEMA IF NOT EXISTS %s", quote_identifier(schema)), SPI_OK_UTILITY);
	run(psprintf("CREATE TABLE IF NOT EXISTS %s ("
				 "type text NOT NULL CHECK (type IN ('total', 'delta')), value int NOT NULL)", rounds->table),
		SPI_OK_UTILITY);
	run(psprintf("CREATE UNIQUE INDEX IF NOT EXISTS counted_one_total ON %s (type) WHERE type = 'total'",
				 rounds->table),
		SPI_OK_UTILITY);
	run(psprintf("INSERT INTO %s VALUES ('total', 0) ON CONFLICT DO NOTHING", rounds->table), SPI_OK_INSERT);
	rounds->take = prepare(rounds->take_text, 0, NULL);
	rounds->add = prepare(rounds->add_text, 1, sum_type);
	end_round();

	ereport(LOG,
			(errmsg("%s looks after %s", MyBgworkerEntry->bgw_name, rounds->table)));
}

static void
fold(Rounds *rounds)
{
	int64		sum = 0;
	int32		total = 0;
	uint64		taken;
	bool		isnull;

	begin_round(rounds->take_text);
	if (SPI_execute_plan(rounds->take, NULL, NULL, false, 0) != SPI_OK_DELETE_RETURNING)
		ereport(ERROR,
				(errmsg("spi_example: could not take the deltas out of %s", rounds->table)));
	taken = SPI_processed;
	for (uint64 row = 0; row < taken; row++)
		sum += DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));

	if (taken > 0)
	{
		Datum		values[1] = {Int64GetDatum(sum)};

		pgstat_report_activity(STATE_RUNNING, rounds->add_text);
		if (SPI_execute_plan(rounds->add, values, NULL, false, 0) != SPI_OK_UPDATE_RETURNING)
			ereport(ERROR,
					(errmsg("spi_example: could not add to the total of %s", rounds->table)));
		if (SPI_processed != 1)
			ereport(ERROR,
					(errcode(ERRCODE_NO_DATA_FOUND),
					 errmsg("%s has no row of type \"total\"", rounds->table),
					 errhint("Put it back: INSERT INTO %s VALUES ('total', 0).", rounds->table)));
		total = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	end_round();

	/* Only now is it true. */
	if (taken > 0)
		ereport(LOG,
				(errmsg("%s: total is now %d, " UINT64_FORMAT " deltas folded in", rounds->table, total, taken)));
}

void
spi_example_main(Datum main_arg)
{
	Rounds		rounds;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(spi_example_database, NULL, 0);

	set_up(&rounds, DatumGetInt32(main_arg));
	for (;;)
	{
		fold(&rounds);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 spi_example_naptime * 1000L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
}
