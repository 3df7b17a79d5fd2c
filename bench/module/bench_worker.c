/*
 * The module that `make bench` runs in a PostgreSQL server and in bgworkerd: the same file in both, so that a
 * figure compares the two hosts and nothing else.
 *
 * bench_worker.mode says what is measured; each run prints its figures as log lines "bench NAME VALUE UNIT".
 * All figures are taken with CLOCK_MONOTONIC inside the workers.
 */
#include "postgres.h"

#include <stdio.h>
#include <time.h>

#include "access/xact.h"
#include "bgworker/batch.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void bench_restart_main(Datum arg);
PGDLLEXPORT void bench_latch_main(Datum arg);
PGDLLEXPORT void bench_idle_main(Datum arg);
PGDLLEXPORT void bench_spi_main(Datum arg);
PGDLLEXPORT void bench_interrupt_main(Datum arg);

#define MAX_ROUNDS 100000

typedef struct BenchShared
{
	/* bench_restart: written by each incarnation of the worker just before it exits, read by the next */
	int64		exited_at;
	int			restarts;
	int64		restart_ns[1000];
	/* bench_latch: each worker publishes its own latch once; then the two only set each other's */
	Latch	   *volatile latch[2];
	volatile int turn;
	/* bench_idle: entry times; `up` is counted with an atomic add */
	pg_atomic_uint32 up;
	pg_atomic_uint64 first_entry;
} BenchShared;

static BenchShared *shared;
static char *mode;
static int	workers;
static int	rounds;
static int	lifetime_us;
static char *query;
static char *setup;
static bool read_only;
static bool argument;
static bool savepoints;
static bool together;
static int	batch;
static int	warmup;
static char *database;
static char *own_timeout;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

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
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(BenchShared));
}

static void
startup_shmem(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	shared = ShmemInitStruct("bench_worker", sizeof(BenchShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(BenchShared));
		pg_atomic_init_u32(&shared->up, 0);
		pg_atomic_init_u64(&shared->first_entry, 0);
	}
}

static void
register_worker(const char *function, int number, int restart, bool with_database, BgWorkerStartTime when)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof worker);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s %d", function, number);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | (with_database ? BGWORKER_BACKEND_DATABASE_CONNECTION : 0);
	worker.bgw_start_time = when;
	worker.bgw_restart_time = restart;
	strlcpy(worker.bgw_library_name, "bench_worker", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	worker.bgw_main_arg = Int32GetDatum(number);
	RegisterBackgroundWorker(&worker);
}

void
_PG_init(void)
{
	DefineCustomStringVariable("bench_worker.mode", "What is measured: restart, latch, idle, spi or interrupt.", NULL, &mode,
							   "idle", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_worker.workers", "Workers of the idle measurement.", NULL, &workers, 50, 1, 10000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_worker.rounds", "Repetitions.", NULL, &rounds, 1000, 1, MAX_ROUNDS,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_worker.lifetime_us", "How long a worker of the restart measurement lives.", NULL,
							&lifetime_us, 0, 0, 1000000, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("bench_worker.query", "The statement of the spi measurement.", NULL, &query,
							   "SELECT 1", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("bench_worker.setup", "Statements that are run once before the spi measurement.", NULL,
							   &setup, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("bench_worker.read_only", "Whether the statement is run as a read-only one.", NULL,
							 &read_only, true, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("bench_worker.argument", "Whether the statement has a parameter $1, the round's number.",
							 NULL, &argument, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("bench_worker.savepoints",
							 "One transaction for all rounds, each in a subtransaction of its own.", NULL, &savepoints,
							 false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("bench_worker.together", "One transaction for all rounds, each a statement of it.", NULL,
							 &together, false, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_worker.batch", "Rows of a batch that is one round of the spi measurement; 0: no batch.",
							NULL, &batch, 0, 0, MAX_ROUNDS, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_worker.warmup", "Rounds of the spi measurement that do not count.", NULL, &warmup,
							200, 0, MAX_ROUNDS, PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("bench_worker.database", "The database of the spi measurement.", NULL, &database,
							   "postgres", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("bench_worker.timeout",
							   "The time-out that the interrupt measurement sets before its statement: statement, lock, idle or none.",
							   NULL, &own_timeout, "", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;

	if (strcmp(mode, "restart") == 0)
		register_worker("bench_restart_main", 0, 0, false, BgWorkerStart_RecoveryFinished);
	else if (strcmp(mode, "latch") == 0)
	{
		register_worker("bench_latch_main", 0, BGW_NEVER_RESTART, false, BgWorkerStart_RecoveryFinished);
		register_worker("bench_latch_main", 1, BGW_NEVER_RESTART, false, BgWorkerStart_RecoveryFinished);
	}
	else if (strcmp(mode, "spi") == 0)
		register_worker("bench_spi_main", 0, BGW_NEVER_RESTART, true, BgWorkerStart_RecoveryFinished);
	else if (strcmp(mode, "interrupt") == 0)
		register_worker("bench_interrupt_main", 0, BGW_NEVER_RESTART, true, BgWorkerStart_RecoveryFinished);
	else
		for (int i = 0; i < workers; i++)
			register_worker("bench_idle_main", i, BGW_NEVER_RESTART, false, BgWorkerStart_RecoveryFinished);
}

/* exit(1) of one incarnation to the first line of the next */
void
bench_restart_main(Datum arg)
{
	int64		entered = now_ns();
	int			limit = Min(rounds, (int) lengthof(shared->restart_ns));

	BackgroundWorkerUnblockSignals();
	if (shared->exited_at != 0 && shared->restarts < limit)
		shared->restart_ns[shared->restarts++] = entered - shared->exited_at;
	if (shared->restarts == limit)
	{
		qsort(shared->restart_ns, limit, sizeof(int64), compare_int64);
		elog(LOG, "bench restart_p50 %.3f us", shared->restart_ns[limit / 2] / 1e3);
		proc_exit(0);
	}
	if (lifetime_us > 0)
		pg_usleep(lifetime_us);
	shared->exited_at = now_ns();
	proc_exit(1);
}

/* two workers setting each other's latch in turn */
void
bench_latch_main(Datum arg)
{
	int			me = DatumGetInt32(arg);
	int64		start;

	BackgroundWorkerUnblockSignals();
	shared->latch[me] = MyLatch;
	while (shared->latch[1 - me] == NULL)
		pg_usleep(1000);

	start = now_ns();
	for (int i = 0; i < rounds; i++)
	{
		if (me == 0)
		{
			shared->turn = 1;
			SetLatch(shared->latch[1]);
		}
		while (shared->turn != me)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1L, 0);
			ResetLatch(MyLatch);
		}
		if (me == 1)
		{
			shared->turn = 0;
			SetLatch(shared->latch[0]);
		}
	}
	if (me == 0)
		elog(LOG, "bench latch_round_trip %.3f us", (now_ns() - start) / 1e3 / rounds);
	else
		pg_usleep(100000);		/* the partner still has its last wait to finish */
	proc_exit(0);
}

/* wait for ever; the last one up says how long it took from the first one's entry */
void
bench_idle_main(Datum arg)
{
	uint64		none = 0;
	uint64		entered = (uint64) now_ns();
	uint32		up;

	BackgroundWorkerUnblockSignals();
	pg_atomic_compare_exchange_u64(&shared->first_entry, &none, entered);
	up = pg_atomic_add_fetch_u32(&shared->up, 1);
	if (up == (uint32) workers)
		elog(LOG, "bench all_up %.3f ms", (now_ns() - (int64) pg_atomic_read_u64(&shared->first_entry)) / 1e6);
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1L, 0);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static void
one_statement(int round)
{
	int			code;

	if (argument)
	{
		static SPIPlanPtr plan = NULL;
		Oid			type = INT4OID;
		Datum		value = Int32GetDatum(round);

		if (plan == NULL)
		{
			plan = SPI_prepare(query, 1, &type);
			SPI_keepplan(plan);
		}
		code = SPI_execute_plan(plan, &value, NULL, read_only, 0);
	}
	else
		code = SPI_execute(query, read_only, 0);
	if (code < 0 || SPI_processed < 1)
		elog(ERROR, "unexpected result of the measured statement");
}

/* A round is a batch; with bench_worker.savepoints off, a transaction of its own. */
static void
one_batch(int round)
{
	Oid			type = INT4OID;
	Datum	   *values = palloc(sizeof(Datum) * batch);

	for (int i = 0; i < batch; i++)
		values[i] = Int32GetDatum(round * batch + i);
	if (bgworker_execute_batch(query, 1, &type, batch, values, NULL) != SPI_OK_UTILITY || SPI_processed != batch)
		elog(ERROR, "unexpected result of the measured batch");
	pfree(values);
}

static void
one_round(int round)
{
	if (savepoints)
	{
		MemoryContext caller = CurrentMemoryContext;
		ResourceOwner owner = CurrentResourceOwner;

		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(caller);
		one_statement(round);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		return;
	}
	if (together)
	{
		one_statement(round);
		return;
	}
	begin();
	if (batch > 0)
		one_batch(round);
	else
		one_statement(round);
	commit();
}

/* the highest the process's own memory has been, in kB, from the kernel */
static long
peak_memory(void)
{
	FILE	   *f = fopen("/proc/self/status", "r");
	char		line[256];
	long		kilobytes = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1)
			break;
	if (f)
		fclose(f);
	return kilobytes;
}

void
bench_spi_main(Datum arg)
{
	int64		start;
	long		before;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	if (setup[0])
	{
		begin();
		SPI_execute(setup, false, 0);
		commit();
	}
	begin();
	SPI_execute("SELECT 1", true, 0);
	commit();
	before = peak_memory();
	elog(LOG, "bench connected %d pid", MyProcPid);
	if (savepoints || together)
		begin();
	for (int i = 0; i < warmup; i++)
		one_round(i);
	start = now_ns();
	for (int i = 0; i < rounds; i++)
		one_round(warmup + i);
	elog(LOG, "bench spi_transaction %.3f us", (now_ns() - start) / 1e3 / rounds / Max(batch, 1));
	elog(LOG, "bench spi_memory %.3f MB", (peak_memory() - before) / 1024.0);
	if (savepoints || together)
		commit();
	proc_exit(0);
}

/*
 * Waits in the given statement, or for ever outside one, until something interrupts it; says when that was caught, in
 * milliseconds of the wall clock, which is the upstream's too.
 */
void
bench_interrupt_main(Datum arg)
{
	const int	after_ms = 300;
	struct timespec t;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	begin();
	if (setup[0])
		SPI_execute(setup, false, 0);
	if (strcmp(own_timeout, "statement") == 0)
		enable_timeout_after(STATEMENT_TIMEOUT, after_ms);
	else if (strcmp(own_timeout, "lock") == 0)
		enable_timeout_after(LOCK_TIMEOUT, after_ms);
	else if (strcmp(own_timeout, "idle") == 0)
	{
		SetConfigOption("idle_in_transaction_session_timeout", "300ms", PGC_USERSET, PGC_S_SESSION);
		enable_timeout_after(IDLE_IN_TRANSACTION_SESSION_TIMEOUT, after_ms);
	}
	clock_gettime(CLOCK_REALTIME, &t);
	elog(LOG, "bench due_at %.3f ms", t.tv_sec * 1e3 + t.tv_nsec / 1e6 + after_ms);
	elog(LOG, "bench connected %d pid", MyProcPid);
	PG_TRY();
	{
		if (query[0])
			SPI_execute(query, false, 0);
		for (;;)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1L, 0);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_CATCH();
	{
		FlushErrorState();
		clock_gettime(CLOCK_REALTIME, &t);
		elog(LOG, "bench caught_at %.3f ms", t.tv_sec * 1e3 + t.tv_nsec / 1e6);
	}
	PG_END_TRY();
	AbortCurrentTransaction();
	proc_exit(0);
}
