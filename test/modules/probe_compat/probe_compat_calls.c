/*
 * probe_compat_calls: the calls of 9.3 to 9.6 that have changed since, each made in its old form by a worker that says
 * what it got.
 *
 * Three workers: one that is given a pointer and connects by name, one that connects by OID and reads pg_database as a table, and
 * one that waits without a word on the postmaster's death.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/hash.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tqual.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

typedef struct Shared
{
	LWLockId	lock;
	LWLockId	other;
	int			count;
} Shared;

static Shared *shared;
static shmem_startup_hook_type next_shmem_startup;
static const char *argument = "from the postmaster";

static void
find_shared(void)
{
	bool		found;

	if (next_shmem_startup)
		next_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("probe_compat_calls", sizeof(Shared), &found);
	if (!found)
	{
		shared->lock = LWLockAssign();
		shared->other = LWLockAssign();
		shared->count = 0;
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
say_error(const char *what)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	elog(LOG, "%s: %s", what, error->message);
	FreeErrorData(error);
}

static void
try_locks(void)
{
	LWLockPadded *named = GetNamedLWLockTranche("probe_compat_calls");
	static LWLockTranche tranche = {"probe_compat_calls of its own", NULL, 0};
	static LWLock lock;
	int			id = LWLockNewTrancheId();

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	LWLockAcquire(shared->other, LW_SHARED);
	shared->count++;
	elog(LOG, "locks: %d %d, %d apart, \"%s\"", LWLockHeldByMe(shared->lock), LWLockHeldByMe(shared->other),
		 (int) (((LWLockPadded *) shared->other) - ((LWLockPadded *) shared->lock)),
		 GetLWLockIdentifier(PG_WAIT_LWLOCK, shared->lock->tranche));
	LWLockRelease(shared->other);
	LWLockRelease(shared->lock);
	PG_TRY();
	{
		(void) LWLockAssign();
		elog(LOG, "a third lock");
	}
	PG_CATCH();
	{
		say_error("a third lock");
	}
	PG_END_TRY();

	LWLockAcquire(&named[2].lock, LW_EXCLUSIVE);
	elog(LOG, "named tranche: %d %d \"%s\"", LWLockHeldByMe(&named[2].lock), LWLockHeldByMe(&named[0].lock),
		 GetLWLockIdentifier(PG_WAIT_LWLOCK, named[2].lock.tranche));
	LWLockRelease(&named[2].lock);

	LWLockRegisterTranche(id, &tranche);
	LWLockInitialize(&lock, id);
	elog(LOG, "own tranche: \"%s\"", GetLWLockIdentifier(PG_WAIT_LWLOCK, lock.tranche));
	LWLockRegisterTranche(id, "by name");
	elog(LOG, "own tranche: \"%s\"", GetLWLockIdentifier(PG_WAIT_LWLOCK, lock.tranche));
	pg_memory_barrier();
}

static void
try_dsm(void)
{
	dsm_segment *segment;
	shm_toc    *toc;
	void	   *place;
	shm_mq	   *queue;
	shm_mq_handle *handle;
	shm_mq_iovec iov[2] = {{"two ", 4}, {"parts", 6}};
	void	   *data;
	Size		size;

	segment = dsm_create(8192);
	toc = shm_toc_create(0x77, dsm_segment_address(segment), 8192);
	place = shm_toc_allocate(toc, 4096);
	shm_toc_insert(toc, 1, place);
	elog(LOG, "table of contents: %d %d", shm_toc_lookup(toc, 1) == place, shm_toc_lookup(toc, 2) == NULL);
	queue = shm_mq_create(place, 4096);
	shm_mq_set_receiver(queue, MyProc);
	shm_mq_set_sender(queue, MyProc);
	handle = shm_mq_attach(queue, segment, NULL);
	elog(LOG, "sent: %d", shm_mq_send(handle, 6, "hello", true));
	elog(LOG, "received: %d", shm_mq_receive(handle, &size, &data, true));
	elog(LOG, "it is \"%s\", %d bytes", (char *) data, (int) size);
	elog(LOG, "sent: %d", shm_mq_sendv(handle, iov, 2, true));
	elog(LOG, "received: %d", shm_mq_receive(handle, &size, &data, true));
	elog(LOG, "it is \"%s\", %d bytes", (char *) data, (int) size);
	dsm_detach(segment);
}

static void
try_files(void)
{
	FileName	name = "probe_compat_calls.file";
	struct stat is;
	int			fd;

	fd = OpenTransientFile(name, O_CREAT | O_RDWR | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0 || write(fd, "12345", 5) != 5)
		elog(ERROR, "could not write: %m");
	CloseTransientFile(fd);
	fd = BasicOpenFile(name, O_RDONLY | PG_BINARY, 0);
	if (fstat(fd, &is) != 0)
		elog(ERROR, "could not stat: %m");
	elog(LOG, "file: mode %o, %d bytes", (int) is.st_mode & 0777, (int) is.st_size);
	close(fd);
	unlink(name);
	elog(LOG, "not there: %d", OpenTransientFile(name, O_RDONLY | PG_BINARY, 0));
}

static void
try_waits(void)
{
	static Latch own;
	volatile Latch *latch = &own;
	int			ends[2];

	InitializeLatchSupport();
	InitLatch(&own);
	SetLatch(latch);
	elog(LOG, "own latch: %d", WaitLatch(latch, WL_LATCH_SET | WL_TIMEOUT, 60000L));
	ResetLatch(latch);
	elog(LOG, "timeout: %d", WaitLatch(latch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, 10L));
	if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
		elog(ERROR, "could not use a pipe: %m");
	elog(LOG, "socket: %d", WaitLatchOrSocket(latch, WL_SOCKET_READABLE | WL_TIMEOUT, ends[0], 60000L));
	SetLatch(latch);
	elog(LOG, "socket or latch: %d",
		 WaitLatchOrSocket(latch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_POSTMASTER_DEATH, ends[0], -1L) &
		 (WL_LATCH_SET | WL_POSTMASTER_DEATH));
	close(ends[0]);
	close(ends[1]);
}

static void
by_name(void *main_arg)
{
	const char *display;
	int			length;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL);
	elog(LOG, "argument \"%s\"", (char *) main_arg);
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "probe_compat_calls");
	try_locks();
	try_dsm();
	try_waits();
	set_ps_display("probing", false);
	display = get_ps_display(&length);
	elog(LOG, "title: \"%.*s\"", length, display);
	elog(LOG, "hash: %u", DatumGetUInt32(hash_any((const unsigned char *) "abc", 3)));
	StartTransactionCommand();
	try_files();
	elog(LOG, "user: %s", GetUserNameFromId(GetUserId()));
	{
		TupleDesc	desc = CreateTemplateTupleDesc(1, false);
		Datum		value = Int32GetDatum(5);
		bool		null = false;

		TupleDescInitEntry(desc, 1, "n", INT4OID, -1, 0);
		elog(LOG, "row: %d", DatumGetInt32(heap_getattr(heap_form_tuple(desc, &value, &null), 1, desc, &null)));
		PG_TRY();
		{
			(void) CreateTemplateTupleDesc(1, true);
			elog(LOG, "with OIDs");
		}
		PG_CATCH();
		{
			say_error("with OIDs");
		}
		PG_END_TRY();
	}
	CommitTransactionCommand();
	elog(LOG, "all done");
	proc_exit(0);
}

/* Files of the server's pool of descriptors. */
static void
try_pool(void)
{
	FileName	name = "probe_compat_calls.pool";
	File		file = PathNameOpenFile(name, O_CREAT | O_RDWR | PG_BINARY, 0640);

	if (FileWrite(file, "abc", 3, 0, PG_WAIT_EXTENSION) != 3)
		elog(ERROR, "could not write: %m");
	elog(LOG, "path: \"%s\", mode %o, %d bytes", FilePathName(file), (int) FileGetRawMode(file), (int) FileSize(file));
	FileClose(file);
	unlink(name);
}

static void
by_oid(Datum main_arg)
{
	Relation	relation;
	HeapScanDesc scan;
	HeapTuple	tuple;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg), InvalidOid);
	elog(LOG, "connected to %u", MyDatabaseId);
	StartTransactionCommand();
	try_pool();
	(void) GetTransactionSnapshot();
	relation = heap_open(DatabaseRelationId, AccessShareLock);
	scan = heap_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		elog(LOG, "database %u: %s", HeapTupleGetOid(tuple), NameStr(((Form_pg_database) GETSTRUCT(tuple))->datname));
	heap_endscan(scan);
	heap_close(relation, AccessShareLock);
	elog(LOG, "no more databases");
	CommitTransactionCommand();
	proc_exit(0);
}

static void
waits(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();
	elog(LOG, "waiting");
	for (;;)
	{
		(void) WaitLatch(&MyProc->procLatch, WL_LATCH_SET | WL_TIMEOUT, 600000L);
		ResetLatch(&MyProc->procLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

void
_PG_init(void)
{
	BackgroundWorker worker;

	RequestAddinShmemSpace(sizeof(Shared));
	RequestAddinLWLocks(1);
	RequestAddinLWLocks(1);
	RequestNamedLWLockTranche("probe_compat_calls", 3);
	next_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = find_shared;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = 1;
	worker.bgw_name = "by name";
	worker.bgw_main = by_name;
	worker.bgw_main_arg = (void *) argument;
	RegisterBackgroundWorker(&worker);

	worker.bgw_name = "by oid";
	worker.bgw_main = by_oid;
	worker.bgw_main_arg = ObjectIdGetDatum(Template1DbOid);
	RegisterBackgroundWorker(&worker);

	worker.bgw_name = "waits";
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_main = waits;
	worker.bgw_main_arg = NULL;
	RegisterBackgroundWorker(&worker);
}
