/*
 * probe_api: the parts of the server's interface that need no database: errors and messages, memory, strings, lists,
 * hash tables, settings, shared memory and its locks.
 */
#include "postgres.h"

#include <sched.h>

#include "probe_common.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_api_entry(Datum main_arg);

/* Written under the lock by every worker of the action `shared`; `started` only by the startup hook. */
typedef struct SharedProbe
{
	LWLock	   *lock;
	slock_t		spin;
	pg_atomic_uint64 atomic;
	int			counter;
	int			under_spin;
	int			started;
} SharedProbe;

static SharedProbe *shared;
static int	startups;
static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

static bool a_bool;
static int	an_int;
static int	a_time;
static int	a_memory;
static double a_real;
static char *a_string;
static int	an_enum;
static int	postmaster_int;
static char *register_in;

static const struct config_enum_entry colours[] = {
	{"red", 1, false}, {"green", 2, false}, {"blue", 3, false}, {"azure", 3, true}, {NULL, 0, false}
};

/* --- settings --------------------------------------------------------------------------------------------- */
static bool
check_string(char **newval, void **extra, GucSource source)
{
	if (*newval && strcmp(*newval, "forbidden") == 0)
	{
		GUC_check_errdetail("The word \"%s\" is not allowed.", *newval);
		GUC_check_errhint("Say something else.");
		return false;
	}
	return true;
}

static void
assign_int(int newval, void *extra)
{
	SAY("assign hook %d -> %d", an_int, newval);
}

static const char *
show_int(void)
{
	static char shown[32];

	snprintf(shown, sizeof(shown), "int:%d", an_int);
	return shown;
}

static void
define_settings(void)
{
	DefineCustomBoolVariable("probe_api.bool", "A bool.", NULL, &a_bool, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("probe_api.int", "An int.", NULL, &an_int, 7, -10, 100, PGC_SIGHUP, 0, NULL, assign_int,
							show_int);
	DefineCustomIntVariable("probe_api.time", "A time.", NULL, &a_time, 1000, 0, 100000, PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("probe_api.memory", "Memory.", NULL, &a_memory, 64, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);
	DefineCustomRealVariable("probe_api.real", "A real.", NULL, &a_real, 0.5, -1, 1e10, PGC_SIGHUP, 0, NULL, NULL,
							 NULL);
	DefineCustomStringVariable("probe_api.string", "A string.", NULL, &a_string, "nothing", PGC_SIGHUP, 0,
							   check_string, NULL, NULL);
	DefineCustomEnumVariable("probe_api.enum", "An enum.", NULL, &an_enum, 2, colours, PGC_SIGHUP, 0, NULL, NULL,
							 NULL);
	DefineCustomIntVariable("probe_api.fixed", "Not without a restart.", NULL, &postmaster_int, 1, 0, 1000,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("probe_api.register_in", "The hook that registers a worker.", NULL, &register_in, "",
							   PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

static void
show_settings(const char *when)
{
	SAY("%s bool %d int %d time %d memory %d real %g string %s enum %d fixed %d", when, a_bool, an_int, a_time,
		a_memory, a_real, a_string, an_enum, postmaster_int);
	for (const char *const *name = (const char *const[]) {"probe_api.bool", "probe_api.int", "probe_api.time",
			"probe_api.memory", "probe_api.real", "probe_api.string", "probe_api.enum", "probe_api.fixed", NULL}; *name;
		 name++)
		SAY("%s %s = %s, shown %s", when, *name, GetConfigOption(*name, false, false),
			GetConfigOptionByName(*name, NULL, false));
}

static void
attempt(const char *what, void (*run) (void))
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		run();
		SAY("%s: no error", what);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		SAY("%s: context in catch %s", what, CurrentMemoryContext == ErrorContext ? "ErrorContext" : "other");
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s: level %d %s %s | %s | %s", what, error->elevel, unpack_sql_state(error->sqlerrcode), error->message,
			error->detail ? error->detail : "-", error->hint ? error->hint : "-");
		FreeErrorData(error);
	}
	PG_END_TRY();
}

static void
set_fixed(void)
{
	SetConfigOption("probe_api.fixed", "5", PGC_SUSET, PGC_S_SESSION);
}

static void
set_sighup(void)
{
	SetConfigOption("probe_api.int", "5", PGC_SUSET, PGC_S_SESSION);
}

static void
set_unknown(void)
{
	SetConfigOption("nosuchthing", "5", PGC_SUSET, PGC_S_SESSION);
}

static void
get_unknown(void)
{
	GetConfigOption("nosuchthing", false, false);
}

static void
redefine(void)
{
	DefineCustomBoolVariable("probe_api.bool", "Again.", NULL, &a_bool, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
do_settings(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	show_settings("at start");
	SAY("missing ok %s", GetConfigOption("nosuchthing", true, false) == NULL ? "null" : "value");
	attempt("set fixed", set_fixed);
	attempt("set sighup", set_sighup);
	attempt("set unknown", set_unknown);
	attempt("get unknown", get_unknown);
	attempt("redefine", redefine);
	SetConfigOption("fresh.placeholder", "kept", PGC_SUSET, PGC_S_SESSION);
	SAY("placeholder %s", GetConfigOption("fresh.placeholder", false, false));
	/* before the line that a test waits for: until then a SIGHUP is ignored, hence lost */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	SAY("settings done");
	for (int round = 1;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			show_settings("before reload");
			ProcessConfigFile(PGC_SIGHUP);
			show_settings("after reload");
			SAY("reload %d done", round++);
		}
	}
}

/* --- errors and messages ---------------------------------------------------------------------------------- */
static void
raise_fields(void)
{
	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errmsg("duplicate %s number %d", "thing", 3),
					errdetail("Thing %d is there.", 3), errhint("Take another.")));
}

static void
raise_plain(void)
{
	elog(ERROR, "plain %s %5.2f %m", "text", 1.5);
}

static void
raise_rethrown(void)
{
	PG_TRY();
	{
		raise_fields();
	}
	PG_FINALLY();
	{
		SAY("finally");
	}
	PG_END_TRY();
}

static void
add_context(void *argument)
{
	errcontext("while doing %s", (const char *) argument);
}

static void
do_elog(const char *argument)
{
	static const int levels[] = {DEBUG5, DEBUG1, LOG, LOG_SERVER_ONLY, INFO, NOTICE, WARNING};
	ErrorContextCallback callback;

	for (int i = 0; i < lengthof(levels); i++)
		ereport(levels[i], (errmsg("probe: level %d", levels[i])));
	ereport(WARNING, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("probe: with everything"), errdetail("Detail %d.", 1),
					  errdetail_log("Detail for the log."), errhint("Hint."), errcontext("Context.")));
	ereport(LOG, (errmsg_plural("probe: %d thing", "probe: %d things", 2, 2)));
	ereport(LOG, (errmsg("probe: first line\nsecond line"), errdetail("One.\nTwo.")));
	errno = ENOENT;
	ereport(LOG, (errcode_for_file_access(), errmsg("probe: file: %m")));
	SAY("percent %% string %-5s| number %05d hex %x long %ld size %zu double %g char %c", "ab", 42, 255, 123456789012L,
		(size_t) 7, 0.1, 'z');
	errno = EACCES;
	attempt("fields", raise_fields);
	errno = EACCES;
	attempt("plain", raise_plain);
	attempt("rethrown", raise_rethrown);

	callback.callback = add_context;
	callback.arg = (void *) "the outer thing";
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	ereport(LOG, (errmsg("probe: with context")));
	ereport(LOG, (errmsg("probe: context hidden"), errhidecontext(true)));
	debug_query_string = "SELECT what_is_running";
	ereport(WARNING, (errmsg("probe: no statement at WARNING")));
	ereport(ERROR, (errmsg("probe: uncaught"), errdetail("The detail.")));
}

/* --- memory ------------------------------------------------------------------------------------------------- */
static void
on_reset(void *argument)
{
	SAY("reset callback %s", (const char *) argument);
}

static void
too_big(void)
{
	palloc((Size) 1 << 40);
}

static void
do_memory(const char *argument)
{
	MemoryContext parent = AllocSetContextCreate(CurrentMemoryContext, "parent", ALLOCSET_DEFAULT_SIZES);
	MemoryContext child = AllocSetContextCreate(parent, "child", ALLOCSET_SMALL_SIZES);
	MemoryContext slab = SlabContextCreate(parent, "slab", 8192, 64);
	MemoryContext generation = GenerationContextCreate(parent, "generation", ALLOCSET_DEFAULT_SIZES);
	MemoryContextCallback first = {on_reset, (void *) "first", NULL};
	MemoryContextCallback second = {on_reset, (void *) "second", NULL};
	MemoryContext old;
	char	   *block;
	bool		zero = true;

	SAY("parent of child %s", MemoryContextGetParent(child) == parent ? "parent" : "other");
	MemoryContextRegisterResetCallback(child, &first);
	MemoryContextRegisterResetCallback(child, &second);
	old = MemoryContextSwitchTo(child);
	block = palloc(100);
	SAY("chunk context %s space %s", GetMemoryChunkContext(block) == child ? "child" : "other",
		GetMemoryChunkSpace(block) >= 100 ? "enough" : "small");
	strcpy(block, "contents");
	block = repalloc(block, 1000000);
	SAY("after repalloc %s", block);
	block = palloc0(5000);
	for (int i = 0; i < 5000; i++)
		zero = zero && block[i] == 0;
	SAY("zero %d", zero);
	pfree(block);
	SAY("%s", psprintf("%s-%d", pstrdup("copied"), 5));
	SAY("%s", pnstrdup("abcdef", 3));
	MemoryContextSwitchTo(old);
	SAY("empty before reset %d", MemoryContextIsEmpty(child));
	MemoryContextReset(child);
	SAY("empty after reset %d", MemoryContextIsEmpty(child));
	MemoryContextReset(child);
	for (int i = 0; i < 1000; i++)
	{
		void	   *chunk = MemoryContextAlloc(slab, 64);

		(void) MemoryContextAllocZero(generation, 17 + i);
		if (i % 3 == 0)
			pfree(chunk);
	}
	MemoryContextDeleteChildren(parent);
	MemoryContextDelete(parent);
	attempt("too big", too_big);
	SAY("no oom %s", palloc_extended((Size) 1 << 40, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM) ? "block" : "null");
	SAY("add_size " UINT64_FORMAT " mul_size " UINT64_FORMAT, (uint64) add_size(3, 4), (uint64) mul_size(3, 4));
}

/* --- strings, lists, hash tables -------------------------------------------------------------------------- */
typedef struct Entry
{
	char		key[NAMEDATALEN];
	int			value;
} Entry;

static void
do_containers(const char *argument)
{
	StringInfoData text;
	List	   *list = NIL;
	List	   *names = NIL;
	ListCell   *cell;
	HASHCTL		control;
	HTAB	   *table;
	HASH_SEQ_STATUS scan;
	Entry	   *entry;
	bool		found;
	int			sum = 0;
	char	   *split;

	initStringInfo(&text);
	for (int i = 0; i < 200; i++)
		appendStringInfo(&text, "%d,", i);
	SAY("length %d tail %s", text.len, text.data + text.len - 8);
	resetStringInfo(&text);
	appendStringInfoString(&text, "abc");
	appendStringInfoChar(&text, 'd');
	appendBinaryStringInfo(&text, "efg", 2);
	appendStringInfoSpaces(&text, 2);
	SAY("'%s'", text.data);

	for (int i = 0; i < 10; i++)
		list = (i % 2) ? lappend_int(list, i) : lcons_int(i, list);
	list = list_delete_int(list, 4);
	foreach(cell, list)
		SAY("list %d", lfirst_int(cell));
	SAY("length %d member %d", list_length(list), list_member_int(list, 9));
	list_free(list);
	split = pstrdup("alpha, \"Beta Two\" , gamma");
	SAY("split %d", SplitIdentifierString(split, ',', &names));
	foreach(cell, names)
		SAY("name %s", (char *) lfirst(cell));

	memset(&control, 0, sizeof(control));
	control.keysize = NAMEDATALEN;
	control.entrysize = sizeof(Entry);
	control.hcxt = CurrentMemoryContext;
	table = hash_create("probe", 8, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	for (int i = 0; i < 1000; i++)
	{
		char		key[NAMEDATALEN];

		memset(key, 0, sizeof(key));
		snprintf(key, sizeof(key), "key %d", i % 500);
		entry = hash_search(table, key, HASH_ENTER, &found);
		entry->value = found ? entry->value + 1 : i;
	}
	SAY("entries %ld", hash_get_num_entries(table));
	hash_search(table, "key 17", HASH_REMOVE, &found);
	SAY("removed %d, found again %d", found, hash_search(table, "key 17", HASH_FIND, NULL) != NULL);
	hash_seq_init(&scan, table);
	while ((entry = hash_seq_search(&scan)) != NULL)
		sum += entry->value;
	SAY("sum %d", sum);
	hash_destroy(table);

	SAY("%s %s %s", quote_identifier("plain"), quote_identifier("Odd \"one\""), quote_identifier("select"));
	SAY("%s %s", quote_literal_cstr("it's"), quote_literal_cstr("back\\slash"));
	SAY("%s", quote_qualified_identifier("My", "table"));
	SAY("text %s", text_to_cstring(cstring_to_text("there and back")));
	SAY("int %d", pg_strtoint32("-2147483648"));
	SAY("strcasecmp %d %d", pg_strcasecmp("ABC", "abc"), pg_strncasecmp("ABx", "abY", 2));
	{
		long		seconds;
		int			micros;
		TimestampTz now = 700000000000000;

		TimestampDifference(now, now + 1500000, &seconds, &micros);
		SAY("difference %ld %d exceeds %d", seconds, micros, TimestampDifferenceExceeds(now, now + 1500000, 1500));
		SAY("milliseconds %ld", TimestampDifferenceMilliseconds(now, now + 1500400));
		SAY("timestamptz %s", timestamptz_to_str(now));
	}
}

/* --- shared memory -------------------------------------------------------------------------------------------- */
static void
request(void)
{
	if (previous_request)
		previous_request();
	if (strcmp(register_in, "request") == 0)
		probe_register("probe_api", "probe_api_entry", pstrdup("late idle"));
	RequestAddinShmemSpace(sizeof(SharedProbe));
	RequestNamedLWLockTranche("probe_api", 1);
}

static void
startup(void)
{
	bool		found;

	if (previous_startup)
		previous_startup();
	if (strcmp(register_in, "startup") == 0)
		probe_register("probe_api", "probe_api_entry", pstrdup("late idle"));
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("probe_api", sizeof(SharedProbe), &found);
	if (!found)
	{
		SAY("shared memory is new, zero %d, startup %d", shared->counter == 0 && shared->started == 0, ++startups);
		shared->lock = &(GetNamedLWLockTranche("probe_api"))->lock;
		SpinLockInit(&shared->spin);
		pg_atomic_init_u64(&shared->atomic, 0);
		shared->started = startups;
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
do_shared(const char *argument)
{
	int			rounds = atoi(argument);
	int			counter;

	BackgroundWorkerUnblockSignals();
	for (int i = 0; i < rounds; i++)
	{
		LWLockAcquire(shared->lock, LW_EXCLUSIVE);
		counter = shared->counter;
		if (i % 64 == 0)
			sched_yield();		/* the others run, and find the lock taken */
		shared->counter = counter + 1;
		LWLockRelease(shared->lock);

		SpinLockAcquire(&shared->spin);
		shared->under_spin++;
		SpinLockRelease(&shared->spin);
		pg_atomic_fetch_add_u64(&shared->atomic, 1);
	}
	LWLockAcquire(shared->lock, LW_SHARED);
	SAY("held %d", LWLockHeldByMe(shared->lock));
	LWLockRelease(shared->lock);
	/* the others may still be adding: then it is refused, and that is right */
	while (!LWLockConditionalAcquire(shared->lock, LW_SHARED))
	{
		LWLockAcquire(shared->lock, LW_SHARED);	/* until they let it go */
		LWLockRelease(shared->lock);
	}
	SAY("conditional acquired");
	LWLockRelease(shared->lock);
	SAY("held %d", LWLockHeldByMe(shared->lock));
	SAY("added");
	pqsignal(SIGTERM, die);
	for (;;)
	{
		uint64		sum = pg_atomic_read_u64(&shared->atomic);
		static uint64 reported;

		CHECK_FOR_INTERRUPTS();
		/* The worker with the larger argument tells the sum when all is in. */
		if (sum != reported && sum % 10000 == 0)
		{
			LWLockAcquire(shared->lock, LW_SHARED);
			SAY("sums %d %d " UINT64_FORMAT, shared->counter, shared->under_spin, sum);
			LWLockRelease(shared->lock);
			reported = sum;
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
space_too_late(void)
{
	RequestAddinShmemSpace(100);
}

static void
do_late_request(const char *argument)
{
	attempt("late", space_too_late);
}

static void
no_tranche(void)
{
	GetNamedLWLockTranche("no such tranche");
}

static void
do_no_tranche(const char *argument)
{
	attempt("no tranche", no_tranche);
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"settings", do_settings},
	{"elog", do_elog},
	{"memory", do_memory},
	{"containers", do_containers},
	{"shared", do_shared},
	{"late_request", do_late_request},
	{"no_tranche", do_no_tranche},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	define_settings();
	probe_init("probe_api", "probe_api_entry");
	MarkGUCPrefixReserved("probe_api");
	previous_request = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

void
probe_api_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
