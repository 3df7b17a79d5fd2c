/*
 * Measures locks, queues and tables in shared memory, for `make bench`: the same file in a PostgreSQL server and in
 * bgworkerd. bench_shm.mode says what is measured; the last worker to finish prints one line "bench NAME VALUE UNIT".
 */
#include "postgres.h"

#include <time.h>

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/barrier.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void bench_shm_lock_main(Datum arg);
PGDLLEXPORT void bench_shm_queue_main(Datum arg);
PGDLLEXPORT void bench_shm_condition_main(Datum arg);
PGDLLEXPORT void bench_shm_hash_main(Datum arg);

#define HASH_ENTRIES 100000

typedef struct BenchShared
{
	Barrier		barrier;		/* all workers of a run, at its beginning and end */
	pg_atomic_uint64 operations;	/* of all workers together */
	volatile uint64 counter;	/* what the lock guards */
	slock_t		mutex;			/* guards turn */
	int			turn;
	ConditionVariable condition[2];
	char		queue[FLEXIBLE_ARRAY_MEMBER];
} BenchShared;

typedef struct HashEntry
{
	uint64		key;
	uint64		value;
} HashEntry;

static BenchShared *shared;
static LWLock *lock;
static HTAB *table;
static char *mode;
static int	workers;
static int	rounds;
static int	message_size;
static int	queue_size;
static bool flush;
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static int64
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64) t.tv_sec * 1000000000 + t.tv_nsec;
}

static Size
shared_size(void)
{
	return offsetof(BenchShared, queue) + queue_size;
}

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(shared_size());
	RequestAddinShmemSpace(hash_estimate_size(HASH_ENTRIES, sizeof(HashEntry)));
	RequestNamedLWLockTranche("bench_shm", 1);
}

static void
startup_shmem(void)
{
	bool		found;
	HASHCTL		info;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("bench_shm", shared_size(), &found);
	if (!found)
	{
		memset(shared, 0, offsetof(BenchShared, queue));
		BarrierInit(&shared->barrier, workers);
		pg_atomic_init_u64(&shared->operations, 0);
		SpinLockInit(&shared->mutex);
		ConditionVariableInit(&shared->condition[0]);
		ConditionVariableInit(&shared->condition[1]);
		shm_mq_create(shared->queue, queue_size);
	}
	lock = &GetNamedLWLockTranche("bench_shm")->lock;
	info.keysize = sizeof(uint64);
	info.entrysize = sizeof(HashEntry);
	table = ShmemInitHash("bench_shm hash", HASH_ENTRIES, HASH_ENTRIES, &info, HASH_ELEM | HASH_BLOBS);
	LWLockRelease(AddinShmemInitLock);
}

static void
register_workers(const char *function)
{
	for (int i = 0; i < workers; i++)
	{
		BackgroundWorker worker;

		memset(&worker, 0, sizeof worker);
		snprintf(worker.bgw_name, BGW_MAXLEN, "%s %d", function, i);
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		strlcpy(worker.bgw_library_name, "bench_shm", BGW_MAXLEN);
		strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
		worker.bgw_main_arg = Int32GetDatum(i);
		RegisterBackgroundWorker(&worker);
	}
}

void
_PG_init(void)
{
	DefineCustomStringVariable("bench_shm.mode", "What is measured: lock, queue, condition or hash.", NULL, &mode,
							   "lock", PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_shm.workers", "Workers of the measurement.", NULL, &workers, 1, 1, 100,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_shm.rounds", "Repetitions.", NULL, &rounds, 1000, 1, INT_MAX,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_shm.message_size", "Bytes of a message.", NULL, &message_size, 64, 0, 1000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("bench_shm.queue_size", "Bytes of the queue.", NULL, &queue_size, 65536, 1024, 10000000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("bench_shm.flush", "Whether each message is flushed.", NULL, &flush, true,
							 PGC_POSTMASTER, 0, NULL, NULL, NULL);
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;

	if (strcmp(mode, "queue") == 0)
		register_workers("bench_shm_queue_main");
	else if (strcmp(mode, "condition") == 0)
		register_workers("bench_shm_condition_main");
	else if (strcmp(mode, "hash") == 0)
		register_workers("bench_shm_hash_main");
	else
		register_workers("bench_shm_lock_main");
}

/* every worker takes the lock again and again for a second; nanoseconds for each time it was had, by whomever */
void
bench_shm_lock_main(Datum arg)
{
	int64		start,
				end;
	uint64		mine = 0;

	BackgroundWorkerUnblockSignals();
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	start = now_ns();
	do
	{
		for (int i = 0; i < 100; i++)
		{
			LWLockAcquire(lock, LW_EXCLUSIVE);
			shared->counter++;
			LWLockRelease(lock);
		}
		mine += 100;
		end = now_ns();
	} while (end - start < INT64CONST(1000000000));
	pg_atomic_fetch_add_u64(&shared->operations, mine);
	if (BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION))
	{
		if (shared->counter != pg_atomic_read_u64(&shared->operations))
			elog(FATAL, "the lock let two in");
		elog(LOG, "bench lock %.3f ns", (end - start) / (double) shared->counter);
	}
	proc_exit(0);
}

/* one sends, one receives; nanoseconds for each message */
void
bench_shm_queue_main(Datum arg)
{
	bool		sending = DatumGetInt32(arg) == 0;
	shm_mq	   *queue = (shm_mq *) shared->queue;
	shm_mq_handle *handle;
	char	   *message = palloc0(message_size + 1);
	int64		start;

	BackgroundWorkerUnblockSignals();
	if (sending)
		shm_mq_set_sender(queue, MyProc);
	else
		shm_mq_set_receiver(queue, MyProc);
	handle = shm_mq_attach(queue, NULL, NULL);
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	start = now_ns();
	for (int i = 0; i < rounds; i++)
	{
		Size		size;
		void	   *data;
		shm_mq_result result;

		if (sending)
			result = shm_mq_send(handle, message_size, message, false, flush || i == rounds - 1);
		else
		{
			result = shm_mq_receive(handle, &size, &data, false);
			if (size != (Size) message_size)
				elog(FATAL, "a message of %zu bytes", size);
		}
		if (result != SHM_MQ_SUCCESS)
			elog(FATAL, "the queue is detached");
	}
	if (!sending)
		elog(LOG, "bench queue %.3f ns", (now_ns() - start) / (double) rounds);
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	proc_exit(0);
}

/* two workers wake each other in turn; nanoseconds for the way there and back */
void
bench_shm_condition_main(Datum arg)
{
	int			me = DatumGetInt32(arg);
	int64		start;

	BackgroundWorkerUnblockSignals();
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	start = now_ns();
	for (int i = 0; i < rounds; i++)
	{
		for (;;)
		{
			bool		my_turn;

			SpinLockAcquire(&shared->mutex);
			my_turn = shared->turn == me;
			SpinLockRelease(&shared->mutex);
			if (my_turn)
				break;
			ConditionVariableSleep(&shared->condition[me], PG_WAIT_EXTENSION);
		}
		ConditionVariableCancelSleep();
		SpinLockAcquire(&shared->mutex);
		shared->turn = 1 - me;
		SpinLockRelease(&shared->mutex);
		ConditionVariableSignal(&shared->condition[1 - me]);
	}
	if (me == 1)
		elog(LOG, "bench condition %.3f ns", (now_ns() - start) / (double) rounds);
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	proc_exit(0);
}

/* one worker fills a shared table and finds its entries; nanoseconds for each search */
void
bench_shm_hash_main(Datum arg)
{
	int64		start;
	uint64		found = 0;
	uint64		key;

	BackgroundWorkerUnblockSignals();
	for (key = 0; key < HASH_ENTRIES; key++)
		((HashEntry *) hash_search(table, &key, HASH_ENTER, NULL))->value = key;
	start = now_ns();
	for (int i = 0; i < rounds; i++)
	{
		HashEntry  *entry;

		key = murmurhash32((uint32) i) % HASH_ENTRIES;
		entry = hash_search(table, &key, HASH_FIND, NULL);
		found += entry->value == key;
	}
	if (found != (uint64) rounds)
		elog(FATAL, "the table lost an entry");
	elog(LOG, "bench hash %.3f ns", (now_ns() - start) / (double) rounds);
	proc_exit(0);
}
