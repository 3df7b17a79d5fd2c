/*
 * hello_world: the smallest background worker that is still well behaved.
 *
 * One worker without a database session. It logs a greeting, sleeps on its latch until the next one is due, takes new
 * settings when the configuration is reloaded, and leaves at once when it is asked to.
 *
 * The two signal handlers (the server's own) only set a flag and the latch; everything else happens in the loop, which
 * therefore looks at the flags each time round and resets the latch before it does so: a signal that arrives after the
 * look sets the latch again, and the wait returns at once.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void hello_world_main(Datum main_arg) pg_attribute_noreturn();

static char *hello_world_greeting;
static int	hello_world_interval;

void
_PG_init(void)
{
	BackgroundWorker worker;

	/* Workers can be registered while the server preloads libraries, and at no other time. */
	if (!process_shared_preload_libraries_in_progress)
		return;

	DefineCustomStringVariable("hello_world.greeting",
							   "What to say.",
							   NULL,
							   &hello_world_greeting,
							   "hello, world",
							   PGC_SIGHUP, 0,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("hello_world.interval",
							"Time between two greetings.",
							NULL,
							&hello_world_interval,
							10, 1, 24 * 60 * 60,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);
	MarkGUCPrefixReserved("hello_world");

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_name, "hello_world", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "hello_world", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "hello_world", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "hello_world_main", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

void
hello_world_main(Datum main_arg)
{
	int64		said = 0;
	TimestampTz next;

	/* Signals are blocked when a worker starts: first say what is to be done about them, then let them in. */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	next = GetCurrentTimestamp();
	while (!ShutdownRequestPending)
	{
		long		wait;

		if (ConfigReloadPending)
		{
			int			old_interval = hello_world_interval;

			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			if (hello_world_interval != old_interval)
				next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), hello_world_interval * INT64CONST(1000));
		}

		wait = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next);
		if (wait == 0)
		{
			said++;
			ereport(LOG,
					(errmsg("%s (greeting " INT64_FORMAT ")", hello_world_greeting, said)));
			next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), hello_world_interval * INT64CONST(1000));
			wait = hello_world_interval * 1000L;
		}

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}

	/* Exit code 0: finished, not to be started again. */
	ereport(LOG,
			(errmsg("goodbye after " INT64_FORMAT " greetings", said)));
	proc_exit(0);
}
