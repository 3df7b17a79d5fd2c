/*
 * Workers registered at run time, one after the other: how long from the registration until the registrant knows that
 * the worker has started, and until it knows that it has ended. The same file in a PostgreSQL server and in bgworkerd.
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void bench_launcher_main(Datum arg);
PGDLLEXPORT void bench_launched_main(Datum arg);

#define WARM_UP 50

static int	rounds;

static int64
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
compare_int64(const void *a, const void *b)
{
	int64		x = *(const int64 *) a,
				y = *(const int64 *) b;

	return (x > y) - (x < y);
}

static void
describe(BackgroundWorker *worker, const char *function, int flags)
{
	memset(worker, 0, sizeof *worker);
	strlcpy(worker->bgw_name, function, BGW_MAXLEN);
	worker->bgw_flags = flags;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker->bgw_library_name, "bench_launch", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	DefineCustomIntVariable("bench_launch.rounds", "How many workers are launched.", NULL, &rounds, 1000, 1, 100000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	/* Only a worker that asked for a database is woken by the postmaster's signal. */
	describe(&worker, "bench_launcher_main", BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION);
	RegisterBackgroundWorker(&worker);
}

void
bench_launched_main(Datum arg)
{
}

void
bench_launcher_main(Datum arg)
{
	int64	   *started = palloc(sizeof(int64) * rounds);
	int64	   *stopped = palloc(sizeof(int64) * rounds);
	int64		begin = 0;
	BackgroundWorker worker;

	BackgroundWorkerUnblockSignals();
	describe(&worker, "bench_launched_main", BGWORKER_SHMEM_ACCESS);
	worker.bgw_notify_pid = MyProcPid;
	for (int i = -WARM_UP; i < rounds; i++)
	{
		BackgroundWorkerHandle *handle;
		pid_t		pid;
		int64		registered = now_ns();
		BgwHandleStatus status;

		if (i == 0)
			begin = registered;
		if (!RegisterDynamicBackgroundWorker(&worker, &handle))
			elog(ERROR, "no slot for worker %d", i);
		status = WaitForBackgroundWorkerStartup(handle, &pid);
		if (i >= 0)
			started[i] = now_ns() - registered;
		/* It may have been too quick for the registrant to see it run. */
		if (status != BGWH_STARTED && status != BGWH_STOPPED)
			elog(ERROR, "worker %d did not start", i);
		if (WaitForBackgroundWorkerShutdown(handle) != BGWH_STOPPED)
			elog(ERROR, "worker %d did not stop", i);
		if (i >= 0)
			stopped[i] = now_ns() - registered;
		pfree(handle);
	}
	begin = now_ns() - begin;
	qsort(started, rounds, sizeof(int64), compare_int64);
	qsort(stopped, rounds, sizeof(int64), compare_int64);
	elog(LOG, "bench launch_started_p50 %.3f us", started[rounds / 2] / 1e3);
	elog(LOG, "bench launch_stopped_p50 %.3f us", stopped[rounds / 2] / 1e3);
	elog(LOG, "bench launch_each %.3f us", begin / 1e3 / rounds);
	proc_exit(0);
}
