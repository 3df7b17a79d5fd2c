/*
 * compat_pointer: two workers with a pointer to their main function and a Datum for it, as Greenplum's and 9.4's have.
 *
 * Each has a session on the database "postgres" and counts, once, what it finds in pg_class under its own number; then it
 * waits for the end. The handlers are set in the main function, which is exported: it is found by its name.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
void		compat_pointer_main(Datum main_arg);

static volatile sig_atomic_t got_sighup = false;
static volatile sig_atomic_t got_sigterm = false;

static void
compat_pointer_sighup(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sighup = true;
	if (MyProc)
		SetLatch(&MyProc->procLatch);
	errno = save_errno;
}

static void
compat_pointer_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sigterm = true;
	if (MyProc)
		SetLatch(&MyProc->procLatch);
	errno = save_errno;
}

void
compat_pointer_main(Datum main_arg)
{
	int			number = DatumGetInt32(main_arg);
	char		query[100];

	pqsignal(SIGHUP, compat_pointer_sighup);
	pqsignal(SIGTERM, compat_pointer_sigterm);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL);

	snprintf(query, sizeof(query), "SELECT %d + count(*)::int4 FROM pg_class WHERE relname = 'pg_class'", number);
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, query);
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(FATAL, "%s: cannot count", MyBgworkerEntry->bgw_name);
	elog(LOG, "%s: one more than its number is %s", MyBgworkerEntry->bgw_name,
		 SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);

	while (!got_sigterm)
	{
		int			rc;

		rc = WaitLatchOrSocket(&MyProc->procLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, PGINVALID_SOCKET,
							   10000L);
		ResetLatch(&MyProc->procLatch);
		if (rc & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (got_sighup)
		{
			got_sighup = false;
			ProcessConfigFile(PGC_SIGHUP);
			elog(LOG, "%s: reloaded", MyBgworkerEntry->bgw_name);
		}
	}
	proc_exit(1);
}

void
_PG_init(void)
{
	BackgroundWorker worker;
	int			i;

	if (!process_shared_preload_libraries_in_progress)
		return;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	worker.bgw_main = compat_pointer_main;
	worker.bgw_notify_pid = 0;
	for (i = 1; i <= 2; i++)
	{
		snprintf(worker.bgw_name, BGW_MAXLEN, "compat pointer %d", i);
		worker.bgw_main_arg = Int32GetDatum(i);
		RegisterBackgroundWorker(&worker);
	}
}
