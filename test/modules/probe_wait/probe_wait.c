/*
 * probe_wait: workers that wait in every way a module can, each for good, for whoever reads what they wait for.
 *
 * The worker with the action `hold` takes all locks and lets go of them when it gets a SIGHUP; those that wait for a
 * lock then have it, say so, and idle.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "probe_common.h"

#include "lib/dshash.h"
#include "storage/barrier.h"
#include "storage/condition_variable.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shmem.h"
#include "utils/dsa.h"
#include "utils/wait_event.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_wait_main(Datum main_arg);

#define AREA_SIZE (256 * 1024)
#define QUEUE_SIZE 1024

typedef struct Shared
{
	LWLock		registered;		/* its tranche is registered by the postmaster */
	LWLock		nameless;		/* its tranche is registered only where it is waited for */
	LWLock		of_the_server;	/* its tranche is one of the server's own */
	int			registered_tranche;
	int			table_tranche;
	pg_atomic_uint32 held;		/* the holder has everything, and the next field is set */
	PGPROC	   *holder;
	dshash_table_handle table;
	char		area[AREA_SIZE] pg_attribute_aligned(MAXIMUM_ALIGNOF);
} Shared;

static Shared *shared;
static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

static void
request(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Shared)));
	RequestNamedLWLockTranche("probe_wait named", 2);
}

static void
startup(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("probe_wait", sizeof(Shared), &found);
	if (!found)
	{
		shared->registered_tranche = LWLockNewTrancheId();
		shared->table_tranche = LWLockNewTrancheId();
		LWLockInitialize(&shared->registered, shared->registered_tranche);
		LWLockInitialize(&shared->nameless, LWLockNewTrancheId());
		LWLockInitialize(&shared->of_the_server, LWTRANCHE_PARALLEL_HASH_JOIN);
		pg_atomic_init_u32(&shared->held, 0);
	}
	LWLockRegisterTranche(shared->registered_tranche, "probe_wait registered");
	LWLockRegisterTranche(shared->table_tranche, "probe_wait table");
	LWLockRelease(AddinShmemInitLock);
}

static dshash_parameters
table_parameters(void)
{
	dshash_parameters parameters = {sizeof(int), sizeof(int), dshash_memcmp, dshash_memhash, 0};

	parameters.tranche_id = shared->table_tranche;
	return parameters;
}

static LWLock *
lock_called(const char *name)
{
	if (strcmp(name, "named") == 0)
		return &GetNamedLWLockTranche("probe_wait named")[0].lock;
	if (strcmp(name, "named2") == 0)
		return &GetNamedLWLockTranche("probe_wait named")[1].lock;
	if (strcmp(name, "registered") == 0)
		return &shared->registered;
	if (strcmp(name, "nameless") == 0)
		return &shared->nameless;
	if (strcmp(name, "of_the_server") == 0)
		return &shared->of_the_server;
	if (strcmp(name, "addin") == 0)
		return AddinShmemInitLock;
	elog(FATAL, "probe: no lock \"%s\"", name);
}

static void
do_hold(const char *argument)
{
	static const char *const names[] = {"named", "named2", "registered", "nameless", "of_the_server", "addin"};
	dshash_parameters parameters = table_parameters();
	dsa_area   *area = dsa_create_in_place(shared->area, AREA_SIZE, shared->table_tranche, NULL);
	dshash_table *table = dshash_create(area, &parameters, NULL);
	int			key = 1;
	bool		found;
	void	   *entry = dshash_find_or_insert(table, &key, &found);

	shared->table = dshash_get_hash_table_handle(table);
	for (int i = 0; i < lengthof(names); i++)
		LWLockAcquire(lock_called(names[i]), LW_EXCLUSIVE);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	shared->holder = MyProc;
	pg_write_barrier();
	pg_atomic_write_u32(&shared->held, 1);
	SAY("holds everything");
	while (!ConfigReloadPending)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	dshash_release_lock(table, entry);
	for (int i = 0; i < lengthof(names); i++)
		LWLockRelease(lock_called(names[i]));
	probe_idle(NULL);
}

static void
until_held(void)
{
	while (pg_atomic_read_u32(&shared->held) == 0)
		pg_usleep(1000);
}

static void
have_it(const char *what)
{
	SAY("has %s", what);
	probe_idle(NULL);
}

static void
do_exclusive(const char *name)
{
	until_held();
	if (strcmp(name, "nameless") == 0)
		LWLockRegisterTranche(shared->nameless.tranche, "known here only");
	LWLockAcquire(lock_called(name), LW_EXCLUSIVE);
	LWLockRelease(lock_called(name));
	have_it(name);
}

static void
do_share(const char *name)
{
	until_held();
	LWLockAcquire(lock_called(name), LW_SHARED);
	LWLockRelease(lock_called(name));
	have_it(name);
}

static void
do_or_wait(const char *name)
{
	until_held();
	SAY("acquired: %d", LWLockAcquireOrWait(lock_called(name), LW_EXCLUSIVE));
	have_it(name);
}

static void
do_table(const char *argument)
{
	dshash_parameters parameters = table_parameters();
	dshash_table *table;
	int			key = 1;
	int		   *entry;

	until_held();
	table = dshash_attach(dsa_attach_in_place(shared->area, NULL), &parameters, shared->table, NULL);
	entry = dshash_find(table, &key, false);
	dshash_release_lock(table, entry);
	have_it("the table's entry");
}

/* A queue whose other end is the holder's, who does not care. */
static shm_mq *
queue(PGPROC *sender, PGPROC *receiver)
{
	shm_mq	   *mq = shm_mq_create(palloc(QUEUE_SIZE), QUEUE_SIZE);

	if (sender)
		shm_mq_set_sender(mq, sender);
	if (receiver)
		shm_mq_set_receiver(mq, receiver);
	return mq;
}

static void
do_mq_receive(const char *argument)
{
	shm_mq_handle *handle;
	Size		size;
	void	   *data;

	until_held();
	handle = shm_mq_attach(queue(shared->holder, MyProc), NULL, NULL);
	(void) shm_mq_receive(handle, &size, &data, false);
}

static void
do_mq_send(const char *argument)
{
	shm_mq_handle *handle;

	until_held();
	handle = shm_mq_attach(queue(MyProc, shared->holder), NULL, NULL);
	(void) shm_mq_send(handle, 2 * QUEUE_SIZE, palloc0(2 * QUEUE_SIZE), false, true);
}

static void
do_mq_attach(const char *argument)
{
	shm_mq_handle *handle;

	until_held();
	handle = shm_mq_attach(queue(MyProc, NULL), NULL, NULL);
	(void) shm_mq_wait_for_attach(handle);
}

static void
do_condition_variable(const char *argument)
{
	ConditionVariable cv;

	ConditionVariableInit(&cv);
	ConditionVariablePrepareToSleep(&cv);
	for (;;)
		ConditionVariableSleep(&cv, WAIT_EVENT_CHECKPOINT_DONE);
}

static void
do_condition_variable_timed(const char *argument)
{
	ConditionVariable cv;

	ConditionVariableInit(&cv);
	while (!ConditionVariableTimedSleep(&cv, 3600 * 1000, WAIT_EVENT_PROC_SIGNAL_BARRIER) || true)
		;
}

static void
do_barrier(const char *argument)
{
	Barrier		barrier;

	BarrierInit(&barrier, 2);
	(void) BarrierArriveAndWait(&barrier, WAIT_EVENT_HASH_BUILD_ELECT);
}

static void
do_latch(const char *argument)
{
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 3600 * 1000, WAIT_EVENT_PG_SLEEP);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
do_socket(const char *argument)
{
	int			ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		elog(FATAL, "socketpair: %m");
	for (;;)
	{
		(void) WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, ends[0], -1,
								 WAIT_EVENT_CLIENT_READ);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
do_event_set(const char *argument)
{
	WaitEventSet *set = CreateWaitEventSet(TopMemoryContext, 2);
	WaitEvent	event;

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	for (;;)
	{
		(void) WaitEventSetWait(set, -1, &event, 1, WAIT_EVENT_LOGICAL_LAUNCHER_MAIN);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
do_proc_signal(const char *argument)
{
	for (;;)
	{
		ProcWaitForSignal(PG_WAIT_BUFFER_PIN);
		CHECK_FOR_INTERRUPTS();
	}
}

/* What a module reports itself, around a call of its own that takes long. */
static void
do_report(const char *argument)
{
	pgstat_report_wait_start(WAIT_EVENT_DATA_FILE_READ);
	for (;;)
		pause();
}

static void
do_shutdown(const char *argument)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	memset(&worker, 0, sizeof worker);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_name, "child", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "probe_wait", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "probe_wait_main", BGW_MAXLEN);
	strlcpy(worker.bgw_extra, "idle", BGW_EXTRALEN);
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "not registered");
	if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
		elog(ERROR, "not started");
	(void) WaitForBackgroundWorkerShutdown(handle);
}

/* The names of all that a process can wait for, beyond the last of each class too. */
static void
do_names(const char *argument)
{
	static const uint32 classes[] = {0x02000000U, PG_WAIT_LWLOCK, PG_WAIT_LOCK, PG_WAIT_BUFFER_PIN, PG_WAIT_ACTIVITY,
		PG_WAIT_CLIENT, PG_WAIT_EXTENSION, PG_WAIT_IPC, PG_WAIT_TIMEOUT, PG_WAIT_IO};

	SAY("nothing: %s, %s", pgstat_get_wait_event_type(0) ? "something" : "null", pgstat_get_wait_event(0) ? "something" : "null");
	for (int i = 0; i < lengthof(classes); i++)
		for (uint32 event = 0; event < 100; event++)
			SAY("%08x: %s %s", classes[i] | event, pgstat_get_wait_event_type(classes[i] | event),
				pgstat_get_wait_event(classes[i] | event));
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"hold", do_hold},
	{"exclusive", do_exclusive},
	{"share", do_share},
	{"or_wait", do_or_wait},
	{"table", do_table},
	{"mq_receive", do_mq_receive},
	{"mq_send", do_mq_send},
	{"mq_attach", do_mq_attach},
	{"condition_variable", do_condition_variable},
	{"condition_variable_timed", do_condition_variable_timed},
	{"barrier", do_barrier},
	{"latch", do_latch},
	{"socket", do_socket},
	{"event_set", do_event_set},
	{"proc_signal", do_proc_signal},
	{"report", do_report},
	{"shutdown", do_shutdown},
	{"names", do_names},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	probe_init("probe_wait", "probe_wait_main");
}

void
probe_wait_main(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();
	probe_main(actions, main_arg);
}
