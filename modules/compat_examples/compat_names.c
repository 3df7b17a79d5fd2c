/*
 * compat_names: a worker given by the names of its library and function, which starts another one at run time.
 *
 * As in 9.4 to 9.6: bgw_main is NULL, so the names count. The second worker is asked for with bgw_notify_pid, gets a text in
 * bgw_extra, and has a main function pointer again, to a function that is static.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
void		compat_names_main(Datum main_arg);

static void
compat_names_second(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();
	elog(LOG, "%s: argument %d, extra \"%s\"", MyBgworkerEntry->bgw_name, DatumGetInt32(main_arg),
		 MyBgworkerEntry->bgw_extra);
	proc_exit(0);
}

void
compat_names_main(Datum main_arg)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	set_latch_on_sigusr1 = true;
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s, the second", MyBgworkerEntry->bgw_name);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main = compat_names_second;
	worker.bgw_main_arg = Int32GetDatum(42);
	strlcpy(worker.bgw_extra, "from the first", sizeof(worker.bgw_extra));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(FATAL, "no room for a second worker");
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_STOPPED && GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
		elog(LOG, "%s: the second has come and gone", MyBgworkerEntry->bgw_name);

	for (;;)
	{
		(void) WaitLatch(&MyProc->procLatch, WL_LATCH_SET | WL_TIMEOUT, 10000L);
		ResetLatch(&MyProc->procLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main = NULL;
	sprintf(worker.bgw_name, "compat names");
	sprintf(worker.bgw_library_name, "compat_names");
	sprintf(worker.bgw_function_name, "compat_names_main");
	worker.bgw_main_arg = (Datum) 0;
	worker.bgw_notify_pid = 0;
	RegisterBackgroundWorker(&worker);
}
