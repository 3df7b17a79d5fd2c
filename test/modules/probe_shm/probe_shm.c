/*
 * probe_shm: dynamic shared memory, message queues, areas and tables between a worker and the workers it launches.
 */
#include "postgres.h"

#include "probe_common.h"

#include "lib/dshash.h"
#include "storage/barrier.h"
#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shm_mq.h"
#include "storage/shm_toc.h"
#include "utils/builtins.h"
#include "utils/dsa.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_shm_main(Datum main_arg);
PGDLLEXPORT void probe_shm_partner_main(Datum handle);

#define MAGIC UINT64CONST(0x70726f6265)
#define QUEUE_SIZE 8192

typedef struct Shared
{
	Barrier		barrier;
	dsa_handle	area;
	dshash_table_handle table;
	dsa_pointer text;
	dsm_handle	left_behind;
	int			behaviour;		/* of the partner: what it does after its greeting */
} Shared;

enum
{
	ECHO, FAIL, LEAVE
};

typedef struct Entry
{
	int			key;
	int			value;
} Entry;

static const dshash_parameters parameters = {sizeof(int), sizeof(Entry), dshash_memcmp, dshash_memhash,
LWTRANCHE_PARALLEL_HASH_JOIN};

static const char *
result_name(shm_mq_result result)
{
	switch (result)
	{
		case SHM_MQ_SUCCESS:
			return "SUCCESS";
		case SHM_MQ_WOULD_BLOCK:
			return "WOULD_BLOCK";
		case SHM_MQ_DETACHED:
			return "DETACHED";
	}
	return "?";
}

static void
say_detached(dsm_segment *seg, Datum arg)
{
	SAY("detach callback %d", DatumGetInt32(arg));
}

static BackgroundWorkerHandle *
launch_partner(dsm_segment *seg, const char *function)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	memset(&worker, 0, sizeof worker);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_name, "partner", BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "probe_shm", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(seg));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "not registered");
	return handle;
}

/* A segment with a table of contents, two queues and what the partner needs; key 0 Shared, 1 to it, 2 from it. */
static Shared *
set_up(dsm_segment **seg, shm_mq **to, shm_mq **from)
{
	shm_toc_estimator estimator;
	shm_toc    *toc;
	Shared	   *shared;
	Size		size;

	shm_toc_initialize_estimator(&estimator);
	shm_toc_estimate_chunk(&estimator, sizeof(Shared));
	shm_toc_estimate_chunk(&estimator, QUEUE_SIZE);
	shm_toc_estimate_chunk(&estimator, QUEUE_SIZE);
	shm_toc_estimate_keys(&estimator, 3);
	size = shm_toc_estimate(&estimator);
	*seg = dsm_create(size, 0);
	SAY("mapped what was asked for: %d", dsm_segment_map_length(*seg) == size);
	toc = shm_toc_create(MAGIC, dsm_segment_address(*seg), size);
	shared = shm_toc_allocate(toc, sizeof(Shared));
	memset(shared, 0, sizeof(Shared));
	BarrierInit(&shared->barrier, 2);
	shm_toc_insert(toc, 0, shared);
	*to = shm_mq_create(shm_toc_allocate(toc, QUEUE_SIZE), QUEUE_SIZE);
	shm_toc_insert(toc, 1, *to);
	*from = shm_mq_create(shm_toc_allocate(toc, QUEUE_SIZE), QUEUE_SIZE);
	shm_toc_insert(toc, 2, *from);
	shm_mq_set_sender(*to, MyProc);
	shm_mq_set_receiver(*from, MyProc);
	return shared;
}

static void
expect(shm_mq_handle *from, const char *when)
{
	Size		size;
	void	   *data;
	shm_mq_result result = shm_mq_receive(from, &size, &data, false);

	if (result == SHM_MQ_SUCCESS)
		SAY("%s: \"%.20s\" of %zu bytes", when, (char *) data, size);
	else
		SAY("%s: %s", when, result_name(result));
}

/* The partner's side. */
void
probe_shm_partner_main(Datum arg)
{
	dsm_segment *seg;
	shm_toc    *toc;
	Shared	   *shared;
	shm_mq_handle *in;
	shm_mq_handle *out;
	Size		size;
	void	   *data;

	BackgroundWorkerUnblockSignals();
	seg = dsm_attach(DatumGetUInt32(arg));
	if (!seg)
		elog(ERROR, "no segment");
	SAY("the wrong table of contents: %d", shm_toc_attach(MAGIC + 1, dsm_segment_address(seg)) == NULL);
	toc = shm_toc_attach(MAGIC, dsm_segment_address(seg));
	shared = shm_toc_lookup(toc, 0, false);
	SAY("no such key: %d", shm_toc_lookup(toc, 17, true) == NULL);
	on_dsm_detach(seg, say_detached, Int32GetDatum(1));
	on_dsm_detach(seg, say_detached, Int32GetDatum(2));
	if (shared->behaviour == FAIL)
		ereport(FATAL, (errmsg("partner fails before it attaches")));
	in = (shm_mq_handle *) shm_toc_lookup(toc, 1, false);
	shm_mq_set_receiver((shm_mq *) in, MyProc);
	in = shm_mq_attach((shm_mq *) in, seg, NULL);
	out = (shm_mq_handle *) shm_toc_lookup(toc, 2, false);
	shm_mq_set_sender((shm_mq *) out, MyProc);
	out = shm_mq_attach((shm_mq *) out, seg, NULL);
	shm_mq_send(out, 8, "greeting", false, true);
	if (shared->behaviour == LEAVE)
	{
		/* not before the other side has seen it there */
		BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
		proc_exit(0);
	}
	if (shared->area != 0)
	{
		dsa_area   *area = dsa_attach(shared->area);
		dshash_table *table = dshash_attach(area, &parameters, shared->table, NULL);
		bool		found;

		SAY("in the area: %s", (char *) dsa_get_address(area, shared->text));
		for (int i = 500; i < 1500; i++)
		{
			Entry	   *entry = dshash_find_or_insert(table, &i, &found);

			entry->value = found ? entry->value + 1 : 1;
			dshash_release_lock(table, entry);
		}
		BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
		dshash_detach(table);
		dsa_detach(area);
	}
	while (shm_mq_receive(in, &size, &data, false) == SHM_MQ_SUCCESS)
		if (shm_mq_send(out, size, data, false, true) != SHM_MQ_SUCCESS)
			break;
	shm_mq_detach(out);
	dsm_detach(seg);
	proc_exit(0);
}

static void
talk(int behaviour)
{
	dsm_segment *seg;
	shm_mq	   *to;
	shm_mq	   *from;
	Shared	   *shared = set_up(&seg, &to, &from);
	shm_mq_handle *out;
	shm_mq_handle *in;
	BackgroundWorkerHandle *handle;
	char	   *big = palloc(100000);
	shm_mq_iovec pieces[3] = {{"one", 3}, {", two", 5}, {", three", 7}};

	shared->behaviour = behaviour;
	handle = launch_partner(seg, "probe_shm_partner_main");
	out = shm_mq_attach(to, seg, handle);
	in = shm_mq_attach(from, seg, NULL);
	shm_mq_set_handle(in, handle);
	if (behaviour == FAIL)
	{
		SAY("wait for attach: %s", result_name(shm_mq_wait_for_attach(out)));
		expect(in, "receive");
		dsm_detach(seg);
		return;
	}
	SAY("wait for attach: %s", result_name(shm_mq_wait_for_attach(in)));
	SAY("the sender is there: %d", shm_mq_get_sender(from) != NULL);
	expect(in, "first");
	if (behaviour == LEAVE)
	{
		BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
		expect(in, "then");
		WaitForBackgroundWorkerShutdown(handle);	/* it leaves one queue after the other */
		SAY("send: %s", result_name(shm_mq_send(out, 5, "hello", false, true)));
		dsm_detach(seg);
		return;
	}
	SAY("send: %s", result_name(shm_mq_send(out, 5, "hello", false, true)));
	expect(in, "echo");
	SAY("sendv: %s", result_name(shm_mq_sendv(out, pieces, 3, false, true)));
	expect(in, "echo");
	SAY("nothing: %s", result_name(shm_mq_send(out, 0, "", false, true)));
	expect(in, "echo");
	memset(big, 'x', 100000);
	SAY("big: %s", result_name(shm_mq_send(out, 100000, big, false, true)));
	expect(in, "echo");
	shm_mq_detach(out);
	expect(in, "after detaching");
	WaitForBackgroundWorkerShutdown(handle);
	dsm_detach(seg);
}

static void
do_echo(const char *argument)
{
	talk(ECHO);
	SAY("done");
}

static void
do_partner_leaves(const char *argument)
{
	talk(LEAVE);
	SAY("done");
}

static void
do_partner_fails(const char *argument)
{
	talk(FAIL);
	SAY("done");
}

/* An area and a table that two workers fill. */
static void
do_area(const char *argument)
{
	dsm_segment *seg;
	shm_mq	   *to;
	shm_mq	   *from;
	Shared	   *shared = set_up(&seg, &to, &from);
	dsa_area   *area = dsa_create(LWTRANCHE_PARALLEL_HASH_JOIN);
	dshash_table *table = dshash_create(area, &parameters, NULL);
	BackgroundWorkerHandle *handle;
	dshash_seq_status scan;
	Entry	   *entry;
	int			ones = 0;
	int			twos = 0;
	int			sum = 0;
	bool		found;
	dsa_pointer huge;

	shared->table = dshash_get_hash_table_handle(table);
	shared->text = dsa_allocate0(area, 100);
	strcpy(dsa_get_address(area, shared->text), "hello from the area");
	shared->area = dsa_get_handle(area);
	handle = launch_partner(seg, "probe_shm_partner_main");
	(void) shm_mq_attach(to, seg, handle);
	(void) shm_mq_attach(from, seg, handle);
	for (int i = 0; i < 1000; i++)
	{
		entry = dshash_find_or_insert(table, &i, &found);
		entry->value = found ? entry->value + 1 : 1;
		dshash_release_lock(table, entry);
	}
	BarrierArriveAndWait(&shared->barrier, PG_WAIT_EXTENSION);
	SAY("phase %d", BarrierPhase(&shared->barrier));
	dsm_detach(seg);
	WaitForBackgroundWorkerShutdown(handle);
	dshash_seq_init(&scan, table, true);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		sum += entry->key;
		if (entry->value == 1)
			ones++;
		else if (entry->value == 2)
			twos++;
		if (entry->key < 700)
			dshash_delete_current(&scan);
	}
	dshash_seq_term(&scan);
	SAY("%d ones, %d twos, keys add up to %d", ones, twos, sum);
	ones = 699;
	SAY("deleted: %d", dshash_find(table, &ones, false) == NULL);
	ones = 700;
	entry = dshash_find(table, &ones, true);
	SAY("kept: %d", entry->value);
	dshash_delete_entry(table, entry);
	SAY("deleted again: %d", dshash_delete_key(table, &ones));
	ones = 701;
	SAY("deleted by key: %d", dshash_delete_key(table, &ones));
	dshash_destroy(table);
	huge = dsa_allocate_extended(area, (Size) 20 * 1024 * 1024, DSA_ALLOC_ZERO);
	SAY("zero: %d", ((char *) dsa_get_address(area, huge))[20 * 1024 * 1024 - 1]);
	dsa_free(area, huge);
	dsa_set_size_limit(area, 1024 * 1024);
	dsa_trim(area);
	SAY("over the limit: %d", dsa_allocate_extended(area, 30 * 1024 * 1024, DSA_ALLOC_NO_OOM) == InvalidDsaPointer);
	PG_TRY();
	{
		(void) dsa_allocate(area, 30 * 1024 * 1024);
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	dsa_detach(area);
	SAY("done");
}

static void
refuse(void (*what) (void *), void *argument)
{
	PG_TRY();
	{
		what(argument);
		SAY("not refused");
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		LWLockReleaseAll();		/* as the end of the transaction would */
	}
	PG_END_TRY();
}

static dsm_handle handle_under_test;

static void
attach_it(void *unused)
{
	(void) dsm_attach(handle_under_test);
}

static void
pin_it(void *seg)
{
	dsm_pin_segment(seg);
}

static void
unpin_it(void *unused)
{
	dsm_unpin_segment(handle_under_test);
}

static void
do_segments(const char *argument)
{
	dsm_segment *seg = dsm_create(10000, 0);
	dsm_segment *many[1000];
	int			count = 0;

	handle_under_test = dsm_segment_handle(seg);
	SAY("found: %d", dsm_find_mapping(handle_under_test) == seg);
	refuse(attach_it, NULL);
	refuse(unpin_it, NULL);
	dsm_pin_segment(seg);
	refuse(pin_it, seg);
	on_dsm_detach(seg, say_detached, Int32GetDatum(1));
	on_dsm_detach(seg, say_detached, Int32GetDatum(2));
	on_dsm_detach(seg, say_detached, Int32GetDatum(3));
	cancel_on_dsm_detach(seg, say_detached, Int32GetDatum(2));
	strcpy(dsm_segment_address(seg), "pinned");
	dsm_detach(seg);
	SAY("found: %d", dsm_find_mapping(handle_under_test) != NULL);
	seg = dsm_attach(handle_under_test);
	SAY("still there: %s", (char *) dsm_segment_address(seg));
	dsm_unpin_segment(handle_under_test);
	dsm_detach(seg);
	SAY("gone: %d", dsm_attach(handle_under_test) == NULL);
	refuse(unpin_it, NULL);
	while (count < 1000 && (many[count] = dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS)) != NULL)
		count++;
	SAY("many: %d", count > 64 && count < 1000);
	while (count > 0)
		dsm_detach(many[--count]);
	seg = dsm_create(100, 0);
	on_dsm_detach(seg, say_detached, Int32GetDatum(9));
	SAY("done");
	proc_exit(1);				/* the last callback runs on the way out */
}

/* a segment that is pinned and never unpinned; and one that is there when the process dies */
static void
do_leave_behind(const char *argument)
{
	dsm_segment *seg = dsm_create(10 * 1024 * 1024, 0);

	dsm_pin_segment(seg);
	(void) dsm_create(1024 * 1024, 0);
	SAY("left behind");
	probe_idle(NULL);
}

static void
do_pin_and_die(const char *argument)
{
	dsm_segment *seg = dsm_create(1024 * 1024, 0);

	dsm_pin_segment(seg);
	SAY("about to die");
	kill(MyProcPid, SIGKILL);
}

/* whoever comes first has it until it is killed; the others wait */
static void
do_take_lock(const char *argument)
{
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	SAY("holds the lock");
	for (;;)
		pause();
}

/* PostgreSQL's own test_shm_mq, called as SQL would call it */
static void
do_test_shm_mq(const char *argument)
{
	PGFunction	test = load_external_function("test_shm_mq", "test_shm_mq", true, NULL);
	PGFunction	pipelined = load_external_function("test_shm_mq", "test_shm_mq_pipelined", true, NULL);
	char	   *letters = palloc(100001);

	for (int i = 0; i < 100000; i++)
		letters[i] = 'a' + i % 26;
	letters[100000] = '\0';
	StartTransactionCommand();
	DirectFunctionCall4(test, Int64GetDatum(1024), CStringGetTextDatum(""), Int32GetDatum(2000), Int32GetDatum(1));
	SAY("empty messages went round");
	DirectFunctionCall4(test, Int64GetDatum(1024), CStringGetTextDatum("a"), Int32GetDatum(2001), Int32GetDatum(1));
	SAY("short messages went round");
	DirectFunctionCall4(test, Int64GetDatum(32768), CStringGetTextDatum(letters), Int32GetDatum(100), Int32GetDatum(3));
	SAY("long messages went through three workers");
	DirectFunctionCall5(pipelined, Int64GetDatum(16384), CStringGetTextDatum(letters), Int32GetDatum(200),
						Int32GetDatum(3), BoolGetDatum(true));
	SAY("long messages went through a pipeline");
	CommitTransactionCommand();
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"echo", do_echo},
	{"partner_leaves", do_partner_leaves},
	{"partner_fails", do_partner_fails},
	{"area", do_area},
	{"segments", do_segments},
	{"leave_behind", do_leave_behind},
	{"pin_and_die", do_pin_and_die},
	{"take_lock", do_take_lock},
	{"test_shm_mq", do_test_shm_mq},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_shm", "probe_shm_main");
}

void
probe_shm_main(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();	/* the postmaster's notifications are signals */
	probe_main(actions, main_arg);
}
