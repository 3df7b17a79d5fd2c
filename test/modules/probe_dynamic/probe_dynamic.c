/*
 * probe_dynamic: workers that register other workers, ask after them, wait for them and end them.
 *
 * An action that must not race with the postmaster stops it (SIGSTOP) for a moment, in the server and in the host
 * alike.
 */
#include "postgres.h"

#include <sys/wait.h>

#include "probe_common.h"

#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_dynamic_main(Datum main_arg);

/* What a handle is made of, in every server of this major. */
typedef struct PeekedHandle
{
	int			slot;
	uint64		generation;
} PeekedHandle;

#define UNTOUCHED ((BackgroundWorkerHandle *) -1)

static const char *
status_name(BgwHandleStatus status)
{
	switch (status)
	{
		case BGWH_STARTED:
			return "STARTED";
		case BGWH_NOT_YET_STARTED:
			return "NOT_YET_STARTED";
		case BGWH_STOPPED:
			return "STOPPED";
		case BGWH_POSTMASTER_DIED:
			return "POSTMASTER_DIED";
	}
	return "?";
}

/* Registers what the words describe (see probe_common.h); null when that fails. */
static BackgroundWorkerHandle *
launch(const char *words)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = UNTOUCHED;

	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup(words), &worker);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		if (handle != UNTOUCHED)
			SAY("the handle was touched");
		return NULL;
	}
	return handle;
}

static BackgroundWorkerHandle *
must_launch(const char *words)
{
	BackgroundWorkerHandle *handle = launch(words);

	if (!handle)
		elog(ERROR, "could not register \"%s\"", words);
	return handle;
}

static const char *
status_of(BackgroundWorkerHandle *handle)
{
	pid_t		pid = -77;
	BgwHandleStatus status = GetBackgroundWorkerPid(handle, &pid);

	if ((status == BGWH_STARTED) != (pid > 0))
		return "inconsistent";
	if (status != BGWH_STARTED && pid != -77)
		return "with the pid touched";
	return status_name(status);
}

/* Looks until the worker has this status, at most twenty seconds. */
static pid_t
until(BackgroundWorkerHandle *handle, BgwHandleStatus wanted, pid_t other_than)
{
	for (int i = 0; i < 20000; i++)
	{
		pid_t		pid = 0;

		CHECK_FOR_INTERRUPTS();
		if (GetBackgroundWorkerPid(handle, &pid) == wanted && (wanted != BGWH_STARTED || pid != other_than))
			return pid;
		pg_usleep(1000);
	}
	elog(ERROR, "the worker never was %s", status_name(wanted));
}

/* Looks until the worker, which has been started, waits for something, at most twenty seconds: its handlers are there then. */
static void
until_waiting(BackgroundWorkerHandle *handle)
{
	pid_t		pid = 0;

	if (GetBackgroundWorkerPid(handle, &pid) != BGWH_STARTED)
		elog(ERROR, "the worker does not run");
	for (int i = 0; i < 20000; i++)
	{
		for (uint32 n = 0; n < ProcGlobal->allProcCount; n++)
			if (ProcGlobal->allProcs[n].pid == pid && ProcGlobal->allProcs[n].wait_event_info != 0)
				return;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(1000);
	}
	elog(ERROR, "the worker with PID %d never waited", (int) pid);
}

static void
hold_postmaster(void)
{
	char		path[64];
	char		line[256];

	kill(PostmasterPid, SIGSTOP);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int) PostmasterPid);
	for (int i = 0; i < 20000; i++)
	{
		FILE	   *file = fopen(path, "r");
		char	   *state;

		if (!file || !fgets(line, sizeof(line), file))
			elog(ERROR, "could not read \"%s\"", path);
		fclose(file);
		state = strrchr(line, ')');
		if (state && state[2] == 'T')
			return;
		pg_usleep(1000);
	}
	kill(PostmasterPid, SIGCONT);
	elog(ERROR, "the postmaster was never stopped");
}

static void
let_postmaster_go(void)
{
	kill(PostmasterPid, SIGCONT);
}

static void
ready(void)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
}

/* Waits for SIGTERM and says nothing. */
static void
linger(void)
{
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
end_and_wait(BackgroundWorkerHandle *handle)
{
	TerminateBackgroundWorker(handle);
	(void) until(handle, BGWH_STOPPED, 0);
}

/* --- the life of a handle --------------------------------------------------------------------------------- */
static void
do_status(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid = -77;
	pid_t		pid_now = -77;

	ready();
	hold_postmaster();
	handle = must_launch("j idle notify");
	SAY("registered: %s", status_of(handle));
	let_postmaster_go();
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	SAY("then: %s", status_of(handle));
	(void) GetBackgroundWorkerPid(handle, &pid_now);
	SAY("a living process with one pid: %d", pid > 0 && pid == pid_now && kill(pid, 0) == 0);
	SAY("startup again: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	TerminateBackgroundWorker(handle);
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	SAY("then: %s", status_of(handle));
	SAY("shutdown again: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	SAY("startup again: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	TerminateBackgroundWorker(handle);
	SAY("terminated again: %s", status_of(handle));
	handle = must_launch("k return notify");
	(void) WaitForBackgroundWorkerStartup(handle, &pid);
	SAY("ends by itself: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	handle = must_launch("l idle notify library=nosuchlibrary");
	/* STARTED, but a server that is slow to wake its registrants can show STOPPED already. */
	SAY("without a library, startup: %s",
		WaitForBackgroundWorkerStartup(handle, &pid) == BGWH_NOT_YET_STARTED ? "NOT_YET_STARTED" : "decided");
	SAY("without a library, shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
}

static void
do_restart(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		first;
	pid_t		pid = 0;

	ready();
	handle = must_launch("j proc_exit:1 restart=1 once notify");
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	SAY("in its interval: %s", status_of(handle));
	SAY("startup at once: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	first = pid;
	pid = until(handle, BGWH_STARTED, first);
	SAY("again: %s, same slot", status_of(handle));
	kill(pid, SIGTERM);
	(void) until(handle, BGWH_STOPPED, 0);
	SAY("signalled, not terminated: %s", status_of(handle));
	(void) until(handle, BGWH_STARTED, pid);
	SAY("and again: %s", status_of(handle));
	end_and_wait(handle);
	SAY("terminated: %s", status_of(handle));
}

/* --- slots -------------------------------------------------------------------------------------------------- */
static void
say_handle(const char *what, BackgroundWorkerHandle *handle)
{
	PeekedHandle *peeked = (PeekedHandle *) handle;

	SAY("%s: slot %d generation %d", what, peeked->slot, (int) peeked->generation);
}

static void
do_slots(const char *argument)
{
	BackgroundWorkerHandle *handles[64];
	BackgroundWorkerHandle *old;
	BackgroundWorkerHandle *waiting;
	int			count = 0;

	ready();
	waiting = must_launch("x proc_exit:1 restart=3600 notify");
	(void) WaitForBackgroundWorkerShutdown(waiting);
	while (count < 64)
	{
		BackgroundWorkerHandle *handle = launch(psprintf("j%d idle notify", count));

		if (!handle)
			break;
		handles[count++] = handle;
	}
	SAY("room for %d", count);
	for (int i = 0; i < count; i++)
	{
		pid_t		pid;

		if (WaitForBackgroundWorkerStartup(handles[i], &pid) != BGWH_STARTED)
			SAY("number %d did not start", i);
		if (i == 0 || i == count - 1)
			say_handle("started", handles[i]);
	}
	SAY("full: %s", launch("z idle") ? "registered" : "refused");

	old = handles[2];
	end_and_wait(old);
	handles[2] = must_launch("again idle notify");
	say_handle("in its place", handles[2]);
	SAY("its startup: %s", status_name(WaitForBackgroundWorkerStartup(handles[2], &(pid_t){0})));
	SAY("old handle: %s", status_of(old));
	TerminateBackgroundWorker(old);
	SAY("full again: %s", launch("z idle") ? "registered" : "refused");
	SAY("new one after terminating the old: %s", status_of(handles[2]));

	/* Two free slots: the lower one is taken first. */
	end_and_wait(handles[5]);
	end_and_wait(handles[1]);
	handles[1] = must_launch("low idle notify");
	handles[5] = must_launch("high idle notify");
	(void) WaitForBackgroundWorkerStartup(handles[1], &(pid_t){0});
	(void) WaitForBackgroundWorkerStartup(handles[5], &(pid_t){0});
	say_handle("first", handles[1]);
	say_handle("second", handles[5]);

	SAY("waiting for its restart: %s", status_of(waiting));
	TerminateBackgroundWorker(waiting);
	SAY("terminated: %s", status_name(WaitForBackgroundWorkerShutdown(waiting)));
	(void) until(waiting, BGWH_STOPPED, 0);
	for (int i = 0; i < 20000 && !(waiting = launch("y idle notify")); i++)
		pg_usleep(1000);
	say_handle("its slot", waiting);
	(void) until(waiting, BGWH_STARTED, 0);
	until_waiting(waiting);
	for (int i = 0; i < count; i++)
		end_and_wait(handles[i]);
	SAY("all ended");
}

static void
do_order(const char *argument)
{
	BackgroundWorkerHandle *first;
	BackgroundWorkerHandle *second;
	pid_t		pid;

	ready();
	hold_postmaster();
	first = must_launch("j2 idle notify");
	second = must_launch("j3 idle notify");
	let_postmaster_go();
	SAY("first: %s", status_name(WaitForBackgroundWorkerStartup(first, &pid)));
	SAY("second: %s", status_name(WaitForBackgroundWorkerStartup(second, &pid)));
	SAY("both");
	until_waiting(first);
	until_waiting(second);
	end_and_wait(first);
	end_and_wait(second);
}

static void
do_cancel(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid = -77;

	ready();
	hold_postmaster();
	handle = must_launch("j idle notify");
	TerminateBackgroundWorker(handle);
	SAY("before the postmaster looks: %s", status_of(handle));
	let_postmaster_go();
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
}

/* The worker's start state is not reached. */
static void
do_unstarted(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid = -77;

	ready();
	handle = must_launch("j idle start=finished notify");
	pg_usleep(300000);
	SAY("registered: %s", status_of(handle));
	TerminateBackgroundWorker(handle);
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	/* A server that is told of k while it is telling of j's end registers k before it forgets j. */
	pg_usleep(300000);
	handle = must_launch("k idle start=finished notify");
	pqsignal(SIGTERM, SIG_IGN);		/* so as to see what the shutdown says of it */
	SAY("and one that is left");
	SAY("at shutdown: %s", status_name(WaitForBackgroundWorkerStartup(handle, &pid)));
}

static void
do_parallel(const char *argument)
{
	BackgroundWorkerHandle *handles[3];

	ready();
	for (int i = 0; i < 3; i++)
	{
		handles[i] = launch(psprintf("p%d idle parallel notify", i));
		SAY("number %d: %s", i + 1, handles[i] ? "registered" : "refused");
	}
	SAY("of no class: %s", (handles[2] = launch("q idle notify")) ? "registered" : "refused");
	(void) WaitForBackgroundWorkerStartup(handles[0], &(pid_t){0});
	(void) WaitForBackgroundWorkerStartup(handles[1], &(pid_t){0});
	end_and_wait(handles[0]);
	SAY("after one has ended: %s", (handles[0] = launch("p3 idle parallel notify")) ? "registered" : "refused");
	SAY("one more: %s", launch("p4 idle parallel") ? "registered" : "refused");
	(void) WaitForBackgroundWorkerStartup(handles[0], &(pid_t){0});
	for (int i = 0; i < 3; i++)
		end_and_wait(handles[i]);
}

/* --- ending others -------------------------------------------------------------------------------------------- */
static volatile sig_atomic_t terms;

static void
count_term(SIGNAL_ARGS)
{
	terms++;
	SetLatch(MyLatch);
}

/* Counts its SIGTERMs and says so; SIGUSR2 ends it. */
static void
do_counts_terms(const char *argument)
{
	int			said = 0;

	pqsignal(SIGTERM, count_term);
	pqsignal(SIGUSR2, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	SAY("counting");
	while (!ShutdownRequestPending)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		if (terms != said)
			SAY("SIGTERM number %d", (int) terms);
		said = terms;
	}
	SAY("leaving after %d", (int) terms);
	proc_exit(1);
}

static void
do_stubborn(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid;

	ready();
	handle = must_launch("j counts_terms restart=1 notify");
	(void) WaitForBackgroundWorkerStartup(handle, &pid);
	TerminateBackgroundWorker(handle);
	SAY("returned");
	pg_usleep(300000);
	SAY("after a while: %s", status_of(handle));
	TerminateBackgroundWorker(handle);
	pg_usleep(300000);
	SAY("after another: %s", status_of(handle));
	kill(pid, SIGUSR2);
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
	pg_usleep(1500000);
	SAY("for good: %s", status_of(handle));
}

/* A process group: the handle's SIGTERM must reach the worker only. */
static void
do_with_child(const char *argument)
{
	pid_t		child;

	BackgroundWorkerUnblockSignals();
	child = fork();
	if (child == 0)
	{
		pqsignal(SIGTERM, SIG_DFL);
		pg_usleep(10 * 1000000L);
		_exit(0);
	}
	pqsignal(SIGTERM, count_term);
	SAY("has a child");
	while (terms == 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	pg_usleep(100000);
	SAY("child alive: %d", waitpid(child, NULL, WNOHANG) == 0);
	kill(child, SIGKILL);
	(void) waitpid(child, NULL, 0);
	proc_exit(0);
}

static void
do_group(const char *argument)
{
	BackgroundWorkerHandle *handle = must_launch("j with_child notify");

	ready();
	(void) WaitForBackgroundWorkerStartup(handle, &(pid_t){0});
	pg_usleep(300000);
	TerminateBackgroundWorker(handle);
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(handle)));
}

/* --- who is woken ---------------------------------------------------------------------------------------------- */
static void
set_latch(SIGNAL_ARGS)
{
	SetLatch(MyLatch);
}

static void
signal_self_later(int signo, int milliseconds)
{
	pid_t		me = getpid();

	if (fork() == 0)
	{
		pg_usleep(milliseconds * 1000L);
		kill(me, signo);
		_exit(0);
	}
}

/*
 * A process of its own that ends a worker once we sleep, and a while after that worker's end wakes us; before it does,
 * it writes a byte, so that we know who was first.
 */
static void
end_and_wake_later(pid_t victim, int told)
{
	pid_t		me = getpid();

	if (fork() == 0)
	{
		int			asleep = 0;

		while (asleep < 10)
		{
			char		path[64];
			char		text[512];
			int			fd;
			ssize_t		size;

			snprintf(path, sizeof(path), "/proc/%d/stat", (int) me);
			fd = open(path, O_RDONLY);
			size = read(fd, text, sizeof(text) - 1);
			close(fd);
			text[size > 0 ? size : 0] = '\0';
			asleep = strrchr(text, ')') && strrchr(text, ')')[2] == 'S' ? asleep + 1 : 0;
			pg_usleep(5000);
		}
		kill(victim, SIGTERM);
		while (kill(victim, 0) == 0)
			pg_usleep(5000);
		pg_usleep(1500000);
		if (write(told, "x", 1) == 1)
			kill(me, SIGUSR2);
		_exit(0);
	}
}

/* Argument: "notify" or nothing. Whether the end of a worker ends the wait for it, or only something else does. */
static void
do_wait(const char *argument)
{
	BackgroundWorkerHandle *handle;
	BgwHandleStatus status;
	int			told[2];
	char		byte;
	pid_t		pid = 0;

	ready();
	pqsignal(SIGUSR2, set_latch);
	if (pipe2(told, O_NONBLOCK) != 0)
		elog(ERROR, "pipe2: %m");
	handle = must_launch(psprintf("j idle %s", argument ? argument : ""));
	(void) until(handle, BGWH_STARTED, 0);
	(void) GetBackgroundWorkerPid(handle, &pid);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	end_and_wake_later(pid, told[1]);
	status = WaitForBackgroundWorkerShutdown(handle);
	SAY("%s %s", status_name(status), read(told[0], &byte, 1) == 1 ? "when woken by another" : "at once");
	while (wait(NULL) < 0 && errno == EINTR)
		;
}

static void
do_interrupt(const char *argument)
{
	BackgroundWorkerHandle *handle;
	MemoryContext caller = CurrentMemoryContext;
	volatile int seen = 0;

	ready();
	handle = must_launch("j idle notify");
	(void) WaitForBackgroundWorkerStartup(handle, &(pid_t){0});
	signal_self_later(SIGINT, 200);
	PG_TRY();
	{
		(void) WaitForBackgroundWorkerShutdown(handle);
		SAY("returned");
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
		seen++;
	}
	PG_END_TRY();
	SAY("the worker: %s", status_of(handle));
	end_and_wait(handle);
	handle = must_launch("k idle start=finished notify");
	kill(MyProcPid, SIGTERM);
	(void) WaitForBackgroundWorkerShutdown(handle);
	SAY("survived");
}

static void
do_invalid_notify(const char *argument)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	ready();
	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup("j says_notify"), &worker);
	worker.bgw_notify_pid = PostmasterPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "not registered");
	(void) until(handle, BGWH_STOPPED, 0);
	SAY("ran");
}

static void
do_says_notify(const char *argument)
{
	SAY("notify %s", MyBgworkerEntry->bgw_notify_pid != 0 ? "set" : "zero");
	if (argument && MyBgworkerEntry->bgw_notify_pid == 0)
	{
		ready();
		linger();
	}
	if (argument)
	{
		/* Leaves when the file is there. */
		while (access(argument, F_OK) != 0)
			pg_usleep(1000);
		proc_exit(1);
	}
}

/* Its worker outlives it, and is started again after its end. */
static void
do_leaves(const char *argument)
{
	BackgroundWorkerHandle *handle = must_launch("j says_notify:probe.gone restart=1 notify");

	ready();
	(void) WaitForBackgroundWorkerStartup(handle, &(pid_t){0});
	SAY("leaving");
}

/* --- checks ------------------------------------------------------------------------------------------------------ */
static void
try_bad(const char *words, int restart_time)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = UNTOUCHED;
	MemoryContext caller = CurrentMemoryContext;

	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup(words), &worker);
	if (restart_time != -1)
		worker.bgw_restart_time = restart_time;
	PG_TRY();
	{
		SAY("%s", RegisterDynamicBackgroundWorker(&worker, &handle) ? "registered" : "refused");
		if (handle != UNTOUCHED)
		{
			(void) until(handle, BGWH_STARTED, 0);
			end_and_wait(handle);
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("level %d %s: %s", error->elevel, unpack_sql_state(error->sqlerrcode), error->message);
	}
	PG_END_TRY();
}

static void
do_checks(const char *argument)
{
	ready();
	try_bad("a idle noshmem", -1);
	try_bad("b idle flag start=postmaster", -1);
	try_bad("c idle", -2);
	try_bad("d idle", 86400001);
	try_bad("e idle", 86400000);
	try_bad("f idle", 0);
	try_bad("g idle parallel", 5);
	try_bad("h idle noshmem start=postmaster", -2);
	try_bad("i idle flag parallel start=postmaster", 5);
	try_bad("j idle parallel", -2);
}

static void
do_strings(const char *argument)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	ready();
	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup("j says_self"), &worker);
	worker.bgw_type[0] = '\0';
	snprintf(worker.bgw_name, BGW_MAXLEN, "a\001b\tc\nd\re\177f\200g\377h%s", "\303\251");
	memset(worker.bgw_extra + 16, 0xfe, BGW_EXTRALEN - 32);
	worker.bgw_main_arg = (Datum) UINT64CONST(0x0123456789abcdef);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		elog(ERROR, "not registered");
	SAY("type filled in: %d", strcmp(worker.bgw_type, worker.bgw_name) == 0);
	memset(&worker, 0x7f, sizeof(worker));	/* the registration is a copy */
	(void) until(handle, BGWH_STOPPED, 0);

	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup("j says_self"), &worker);
	memset(worker.bgw_name, 'n', BGW_MAXLEN);
	memset(worker.bgw_type, 't', BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
		elog(ERROR, "not registered");
}

static void
do_says_self(const char *argument)
{
	unsigned	sum = 0;

	for (int i = 0; i < BGW_EXTRALEN; i++)
		sum += (unsigned char) MyBgworkerEntry->bgw_extra[i];
	SAY("name \"%s\" (%d)", MyBgworkerEntry->bgw_name, (int) strlen(MyBgworkerEntry->bgw_name));
	SAY("type (%d), extra %u, argument right: %d", (int) strlen(MyBgworkerEntry->bgw_type), sum,
		MyBgworkerEntry->bgw_main_arg == (Datum) UINT64CONST(0x0123456789abcdef));
}

/* That it started after it was asked for, and not later than it now is. */
static void
do_starts_after(const char *asked)
{
	TimestampTz now = GetCurrentTimestamp();

	SAY("started after it was asked for: %d, before now: %d, to the second the same: %d",
		MyStartTimestamp >= strtoll(asked, NULL, 10), MyStartTimestamp <= now,
		timestamptz_to_time_t(MyStartTimestamp) == MyStartTime);
}

static void
do_start_times(const char *argument)
{
	BackgroundWorkerHandle *handle;

	ready();
	for (int i = 0; i < 2; i++)
	{
		handle = must_launch(psprintf("j starts_after:%lld notify", (long long) GetCurrentTimestamp()));
		(void) WaitForBackgroundWorkerShutdown(handle);
	}
}

static void
do_type_by_pid(const char *argument)
{
	BackgroundWorkerHandle *handle;
	pid_t		pid;
	const char *type;

	ready();
	handle = must_launch("j idle type=sort notify");
	(void) WaitForBackgroundWorkerStartup(handle, &pid);
	type = GetBackgroundWorkerTypeByPid(pid);
	SAY("its type: %s", type ? type : "none");
	type = GetBackgroundWorkerTypeByPid(MyProcPid);
	SAY("my type: %s", type ? type : "none");
	type = GetBackgroundWorkerTypeByPid(PostmasterPid);
	SAY("the postmaster's: %s", type ? type : "none");
	end_and_wait(handle);
	type = GetBackgroundWorkerTypeByPid(pid);
	SAY("after its end: %s", type ? type : "none");
}

static void
do_transaction(const char *argument)
{
	BackgroundWorkerHandle *handle;
	MemoryContext caller = CurrentMemoryContext;

	StartTransactionCommand();
	MemoryContextSwitchTo(caller);
	handle = must_launch("j idle notify");
	SAY("handle in the caller's context: %d", GetMemoryChunkContext(handle) == caller);
	AbortCurrentTransaction();
	SAY("startup after the abort: %s", status_name(WaitForBackgroundWorkerStartup(handle, &(pid_t){0})));
	end_and_wait(handle);
}

/* --- a crash ------------------------------------------------------------------------------------------------------ */

/* Says after the crash, when it is started again, that it is. */
static void
do_survivor(const char *argument)
{
	SAY("survivor, notify %s", MyBgworkerEntry->bgw_notify_pid != 0 ? "set" : "zero");
	probe_idle(NULL);
}

static void
do_before_crash(const char *argument)
{
	BackgroundWorkerHandle *handles[4];

	ready();
	handles[0] = must_launch("never survivor notify");
	handles[1] = must_launch("again survivor restart=3600 notify");
	handles[2] = must_launch("doomed counts_terms restart=3600 notify");
	handles[3] = must_launch("interval proc_exit:1 once restart=3600 notify");
	for (int i = 0; i < 3; i++)
		(void) WaitForBackgroundWorkerStartup(handles[i], &(pid_t){0});
	(void) WaitForBackgroundWorkerShutdown(handles[3]);
	pg_usleep(300000);
	TerminateBackgroundWorker(handles[2]);
	pg_usleep(300000);
	say_handle("last before the crash", handles[3]);
	SAY("crashing");
	pg_usleep(10000);
	kill(MyProcPid, SIGKILL);
	pg_usleep(10000000);
}

static void
do_after_crash(const char *argument)
{
	int			fd = open("probe.before_crash", O_CREAT | O_EXCL | O_WRONLY, 0600);
	BackgroundWorkerHandle *handle;

	if (fd >= 0)
	{
		close(fd);
		probe_idle(NULL);
	}
	ready();
	handle = must_launch("j return");
	(void) until(handle, BGWH_STOPPED, 0);
	SAY("first after the crash: generation %d", (int) ((PeekedHandle *) handle)->generation);
	linger();
}

static void
do_proc_exit(const char *argument)
{
	SAY("proc_exit(%s)", argument);
	proc_exit(atoi(argument));
}

static void
do_return(const char *argument)
{
	SAY("returning");
}

/* --- a module that writes where it must not -------------------------------------------------------------------- */
static void
do_scribble(const char *argument)
{
	BackgroundWorkerHandle *before[3];
	pid_t		pids[3];
	BackgroundWorkerHandle *after;
	char	   *area = NULL;
	Size		size = 0;
	bool		found;
	MemoryContext caller = CurrentMemoryContext;
	uint64		random = strtoull(argument + 1, NULL, 10) * 2 + 1;

	ready();
	/* Asked for with the wrong size, the area's right size is in the error. */
	PG_TRY();
	{
		(void) ShmemInitStruct("Background Worker Data", 1, &found);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		const char *actual;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		actual = strstr(error->message, "actual ");
		if (actual)
			size = strtoul(actual + 7, NULL, 10);
	}
	PG_END_TRY();
	area = ShmemInitStruct("Background Worker Data", size, &found);
	for (int i = 0; i < 3; i++)
	{
		before[i] = must_launch(psprintf("before%d idle restart=3600 notify", i));
		(void) WaitForBackgroundWorkerStartup(before[i], &pids[i]);
	}
	SAY("scribbling %s over %d bytes", argument, (int) size);
	for (Size at = 0; at < size; at++)
	{
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		area[at] = argument[0] == 'r' ? (char) random : argument[0] == 'f' ? (char) 0xff : 0;
	}
	SendPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE);
	for (int i = 0; i < 3; i++)
	{
		pid_t		pid = 0;

		if (GetBackgroundWorkerPid(before[i], &pid) != BGWH_STARTED || pid != pids[i] || kill(pid, 0) != 0)
			SAY("number %d was lost", i);
	}
	for (int i = 0; !(after = launch("after idle notify")); i++)
	{
		if (i == 10000)
			elog(ERROR, "nothing can be registered any more");
		pg_usleep(1000);
	}
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(after, &(pid_t){0})));
	TerminateBackgroundWorker(after);
	SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(after)));
	for (int i = 0; i < 3; i++)
	{
		TerminateBackgroundWorker(before[i]);
		SAY("shutdown: %s", status_name(WaitForBackgroundWorkerShutdown(before[i])));
	}
	SAY("done");
	linger();
}

static volatile sig_atomic_t told;

static void
on_term(SIGNAL_ARGS)
{
	int			save_errno = errno;

	told = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

/* Registers a worker when it is told to stop: by then the postmaster starts none any more. */
static void
do_too_late(const char *argument)
{
	BackgroundWorkerHandle *handle;

	pqsignal(SIGTERM, on_term);
	BackgroundWorkerUnblockSignals();
	SAY("waiting to be told");
	while (!told)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	handle = launch("j idle notify");
	SAY("registered: %s", handle ? "yes" : "no");
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(handle, &(pid_t){0})));
}

/* Waits for the end of a worker that does not end, until the postmaster does. */
static void
do_outlive(const char *argument)
{
	BackgroundWorkerHandle *handle;
	BgwHandleStatus status;

	BackgroundWorkerUnblockSignals();
	handle = launch("j idle notify");
	SAY("startup: %s", status_name(WaitForBackgroundWorkerStartup(handle, &(pid_t){0})));
	SAY("waiting");
	status = WaitForBackgroundWorkerShutdown(handle);
	SAY("the wait ended: %s", status_name(status));
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"return", do_return},
	{"proc_exit", do_proc_exit},
	{"status", do_status},
	{"restart", do_restart},
	{"slots", do_slots},
	{"order", do_order},
	{"cancel", do_cancel},
	{"parallel", do_parallel},
	{"unstarted", do_unstarted},
	{"counts_terms", do_counts_terms},
	{"stubborn", do_stubborn},
	{"with_child", do_with_child},
	{"group", do_group},
	{"wait", do_wait},
	{"interrupt", do_interrupt},
	{"invalid_notify", do_invalid_notify},
	{"says_notify", do_says_notify},
	{"leaves", do_leaves},
	{"checks", do_checks},
	{"strings", do_strings},
	{"says_self", do_says_self},
	{"starts_after", do_starts_after},
	{"start_times", do_start_times},
	{"type_by_pid", do_type_by_pid},
	{"transaction", do_transaction},
	{"survivor", do_survivor},
	{"before_crash", do_before_crash},
	{"after_crash", do_after_crash},
	{"scribble", do_scribble},
	{"too_late", do_too_late},
	{"outlive", do_outlive},
	{NULL, NULL}
};

void
_PG_init(void)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = UNTOUCHED;

	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_dynamic", "probe_dynamic_main");
	probe_describe("probe_dynamic", "probe_dynamic_main", pstrdup("early idle"), &worker);
	if (RegisterDynamicBackgroundWorker(&worker, &handle) || handle != UNTOUCHED)
		SAY("registered too early");
	else
		SAY("not registered in the postmaster");
}

void
probe_dynamic_main(Datum main_arg)
{
	probe_main(actions, main_arg);
}
