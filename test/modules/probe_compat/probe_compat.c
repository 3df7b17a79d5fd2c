/*
 * probe_compat: what a source of the 9.3 to 9.6 generation may do beside what the examples do.
 *
 * The setting probe_compat.what says which of it.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
void		probe_compat_named(Datum main_arg);

static char *what;
static volatile sig_atomic_t got_sighup = false;

static void
on_sighup(SIGNAL_ARGS)
{
	got_sighup = true;
	if (MyProc)
		SetLatch(&MyProc->procLatch);
}

static void
wait_for_signals(Datum main_arg)
{
	bool		found;
	int		   *counter;

	BackgroundWorkerUnblockSignals();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	counter = ShmemInitStruct("probe_compat", 1000000, &found);
	if (!found)
		*counter = 0;
	LWLockRelease(AddinShmemInitLock);
	elog(LOG, "%s: argument %d, extra \"%s\", flags %d", MyBgworkerEntry->bgw_name, DatumGetInt32(main_arg),
		 MyBgworkerEntry->bgw_extra, MyBgworkerEntry->bgw_flags);
	for (;;)
	{
		(void) WaitLatch(&MyProc->procLatch, WL_LATCH_SET | WL_POSTMASTER_DEATH, -1L);
		ResetLatch(&MyProc->procLatch);
		CHECK_FOR_INTERRUPTS();
		if (got_sighup)
		{
			got_sighup = false;
			elog(LOG, "%s: its own SIGHUP handler ran", MyBgworkerEntry->bgw_name);
		}
	}
}

void
probe_compat_named(Datum main_arg)
{
	wait_for_signals(main_arg);
}

void
_PG_init(void)
{
	BackgroundWorker worker;
	BackgroundWorker other;

	DefineCustomStringVariable("probe_compat.what", "What to do.", NULL, &what, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	RequestAddinShmemSpace(1000000);

	/* Memory that nobody has cleared. */
	memset(&worker, 0xa5, sizeof(worker));
	memset(&other, 0xa5, sizeof(other));
	worker.bgw_flags = 0;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = (void *) 7;
	worker.bgw_name = "probe compat";
	worker.bgw_main = wait_for_signals;

	if (strcmp(what, "handlers") == 0)
	{
		/* One handler of the module, one of the server. */
		worker.bgw_sighup = on_sighup;
		worker.bgw_sigterm = die;
		memset(worker.bgw_extra, 0, BGW_EXTRALEN);
		memset(worker.bgw_extra, 'x', BGW_EXTRALEN - 17);
		RegisterBackgroundWorker(&worker);
	}
	else if (strcmp(what, "names") == 0)
	{
		/* Handlers, and a function by name; SIGHUP is ignored. */
		worker.bgw_main = NULL;
		worker.bgw_sighup = SIG_IGN;
		worker.bgw_sigterm = die;
		strlcpy(worker.bgw_library_name, "probe_compat", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, "probe_compat_named", BGW_MAXLEN);
		RegisterBackgroundWorker(&worker);
	}
	else if (strcmp(what, "exported") == 0)
	{
		/* All of bgw_extra is the source's own when nothing else needs it. */
		worker.bgw_main = probe_compat_named;
		memset(worker.bgw_extra, 'y', BGW_EXTRALEN - 1);
		worker.bgw_extra[BGW_EXTRALEN - 1] = '\0';
		RegisterBackgroundWorker(&worker);
	}
	else if (strcmp(what, "crowded") == 0)
	{
		memset(worker.bgw_extra, 'z', BGW_EXTRALEN);
		RegisterBackgroundWorker(&worker);
	}
	else if (strcmp(what, "foreign") == 0)
	{
		worker.bgw_sigterm = (void *) malloc;
		RegisterBackgroundWorker(&worker);
	}
	else if (strcmp(what, "two") == 0)
	{
		other = worker;
		worker.bgw_name = "one";
		other.bgw_name = "two";
		RegisterBackgroundWorker(&worker);
		RegisterBackgroundWorker(&other);
	}
}
