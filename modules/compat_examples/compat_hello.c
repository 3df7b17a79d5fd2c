/*
 * compat_hello: the hello-world worker as it was written for 9.3, with a SIGTERM handler given in the structure.
 *
 * The name is assigned, the main function is a pointer and takes one, nothing clears the structure, and what is not set
 * is not there. The worker greets every ten seconds until it is asked to leave.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static volatile sig_atomic_t got_sigterm = false;

static void
compat_hello_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sigterm = true;
	if (MyProc)
		SetLatch(&MyProc->procLatch);
	errno = save_errno;
}

static void
compat_hello_main(void *main_arg)
{
	BackgroundWorkerUnblockSignals();

	while (!got_sigterm)
	{
		int			rc;

		elog(LOG, "hello from the first days");
		rc = WaitLatch(&MyProc->procLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, 10000L);
		ResetLatch(&MyProc->procLatch);
		if (rc & WL_POSTMASTER_DEATH)
			proc_exit(1);
	}

	elog(LOG, "goodbye from the first days");
	proc_exit(0);
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_main = compat_hello_main;
	worker.bgw_name = "compat hello";
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = NULL;
	worker.bgw_sighup = NULL;
	worker.bgw_sigterm = compat_hello_sigterm;
	RegisterBackgroundWorker(&worker);
}
