/*
 * probe_process: a worker's process among others: restarts and how long they take, process groups, children of its own,
 * signals before they are let in, the end of the postmaster.
 */
#include "postgres.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "probe_common.h"

#include "storage/proc.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_process_entry(Datum main_arg);

static int	in_supervisor;

static void
on_end(int code, Datum arg)
{
	SAY("callback %s code %d", DatumGetCString(arg), code);
}

static void
on_end_quiet(int code, Datum arg)
{
}

/* Registered by the supervisor: no worker runs it. */
static void
on_end_of_supervisor(int code, Datum arg)
{
	SAY("callback of the supervisor");
}

/* Appends to a file of this worker's in the data directory, and reads what all its lives so far have left there. */
static int
previous_lives(TimestampTz *lives, int room)
{
	char		path[MAXPGPATH];
	int			fd;
	int			found;
	TimestampTz now = GetCurrentTimestamp();

	snprintf(path, sizeof(path), "probe.%s.lives", MyBgworkerEntry->bgw_name);
	fd = open(path, O_CREAT | O_RDWR | O_APPEND, 0600);
	if (fd < 0)
		elog(FATAL, "%s: %m", path);
	found = pread(fd, lives, room * sizeof(*lives), 0) / sizeof(*lives);
	if (write(fd, &now, sizeof(now)) != sizeof(now))
		elog(FATAL, "%s: %m", path);
	close(fd);
	return found;
}

/* --- restarts ------------------------------------------------------------------------------------------ */

/* Exits with 1 and, when it is back, tells whether that took at least the restart time, and not much more. */
static void
do_timed(const char *argument)
{
	TimestampTz lives[64];
	int			found = previous_lives(lives, lengthof(lives));

	if (found > 0)
	{
		long		took = (GetCurrentTimestamp() - lives[found - 1]) / 1000;
		long		due = MyBgworkerEntry->bgw_restart_time * 1000L;

		SAY("back not before %ld ms %d, soon after %d", due, took >= due, took < due + 5000);
		probe_idle(NULL);
	}
	SAY("leaving for a while");
	if (argument && strcmp(argument, "error") == 0)
		elog(ERROR, "leaving by ERROR");
	if (argument && strcmp(argument, "fatal") == 0)
		elog(FATAL, "leaving by FATAL");
	proc_exit(1);
}

/* Lives N times, then says so; crashes each time when told so. */
static void
do_flap(const char *argument)
{
	TimestampTz lives[256];
	int			found = previous_lives(lives, lengthof(lives));
	int			wanted = atoi(argument);

	if (found >= wanted)
	{
		SAY("life %d", found + 1);
		probe_idle(NULL);
	}
	if (strstr(argument, "crash"))
		proc_exit(3);
	proc_exit(1);
}

/* A later life finds what the supervisor has, not what an earlier one made of it. */
static void
do_fresh(const char *argument)
{
	TimestampTz lives[8];
	int			found = previous_lives(lives, lengthof(lives));

	SAY("life %d: in the supervisor %d, entry \"%s\" extra \"%s\" restart %d argument %d", found + 1, in_supervisor,
		MyBgworkerEntry->bgw_name, MyBgworkerEntry->bgw_extra, MyBgworkerEntry->bgw_restart_time,
		DatumGetInt32(probe_main_arg));
	in_supervisor = 13;
	MyBgworkerEntry->bgw_extra[0] = '?';
	if (found > 0)
		probe_idle(NULL);
	proc_exit(1);
}

static void
do_activity(const char *argument)
{
	SAY("active");
	pgstat_report_activity(STATE_RUNNING, "what it was doing");
	proc_exit(atoi(argument));
}

/* --- signals -------------------------------------------------------------------------------------------- */
static void
do_late_unblock(const char *argument)
{
	kill(MyProcPid, SIGTERM);
	SAY("SIGTERM is pending");
	BackgroundWorkerUnblockSignals();
	pg_usleep(10 * 1000000L);
	SAY("and did nothing");
}

static void
do_pending(const char *argument)
{
	int			result;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	ResetLatch(MyLatch);
	kill(MyProcPid, SIGTERM);
	result = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10000, PG_WAIT_EXTENSION);
	SAY("the wait returned %d, pending %d", result, ProcDiePending);
	CHECK_FOR_INTERRUPTS();
	SAY("no interrupt");
}

/* Another process, one of ours, sets our latch. */
static void
do_latch_of_another(const char *argument)
{
	int			result;
	pid_t		child;
	TimestampTz start = GetCurrentTimestamp();

	BackgroundWorkerUnblockSignals();
	ResetLatch(MyLatch);
	child = fork();
	if (child == 0)
	{
		/* a process of its own to the latch code, not the owner that happens to have another pid */
		MyProcPid = getpid();
		pg_usleep(50000);
		SetLatch(MyLatch);
		_exit(0);
	}
	result = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 10000, PG_WAIT_EXTENSION);
	SAY("the wait returned %d, early %d", result, GetCurrentTimestamp() - start < 9 * USECS_PER_SEC);
	waitpid(child, NULL, 0);
}

static void
do_ignores(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	for (int i = 0; i < 3; i++)
	{
		static const int ignored[] = {SIGHUP, SIGUSR2, SIGPIPE};

		kill(MyProcPid, ignored[i]);
	}
	SAY("still here");
}

/* --- children and the process group ------------------------------------------------------------------------ */

/* A child that stays in our process group, then idles; the child's pid is the name of a file. */
static void
do_parent(const char *argument)
{
	pid_t		child;
	char		path[MAXPGPATH];
	int			fd;

	child = fork();
	if (child == 0)
	{
		sigset_t	none;

		sigemptyset(&none);
		for (int signo = 1; signo < 32; signo++)
			signal(signo, SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		for (;;)
			pause();
	}
	snprintf(path, sizeof(path), "probe.child.%d", (int) child);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	on_proc_exit(on_end, CStringGetDatum("of a parent"));
	probe_idle(NULL);
}

/* Crashes; the others are seen in what they do not log. */
static void
do_callbacks_then_idle(const char *argument)
{
	on_proc_exit(on_end, CStringGetDatum("proc"));
	before_shmem_exit(on_end, CStringGetDatum("before"));
	probe_idle(NULL);
}

/* Crashes when told to by SIGUSR2. */
static void
do_crash_when_told(const char *argument)
{
	pqsignal(SIGUSR2, SIG_DFL);
	probe_idle(NULL);
}

static void
do_child_exits(const char *argument)
{
	int			status = 0;
	pid_t		child;

	on_proc_exit(on_end, CStringGetDatum("of the worker"));
	child = fork();
	if (child == 0)
		proc_exit(0);
	waitpid(child, &status, 0);
	SAY("the child ended by signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void
cancel_wrong(void)
{
	cancel_before_shmem_exit(on_end, CStringGetDatum("never registered"));
}

static void
do_cancel_wrong(const char *argument)
{
	before_shmem_exit(on_end, CStringGetDatum("registered"));
	cancel_wrong();
}

/* --- the list of callbacks around a connection --------------------------------------------------------------- */
static void
in_transaction(int code, Datum arg)
{
	SAY("callback registered %s connecting: in transaction %d", DatumGetCString(arg), IsTransactionState());
}

static void
do_connect_between(const char *argument)
{
	before_shmem_exit(in_transaction, CStringGetDatum("before"));
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	before_shmem_exit(in_transaction, CStringGetDatum("after"));
	StartTransactionCommand();
	SAY("in transaction %d", IsTransactionState());
}

static void
do_before_slots(const char *argument)
{
	bool		before = strcmp(argument, "before") == 0;

	for (int count = 1;; count++)
	{
		/* How many the server's own take up is its affair: what counts is the end. */
		if (before)
			before_shmem_exit(on_end_quiet, (Datum) 0);
		else
			on_shmem_exit(on_end_quiet, (Datum) 0);
	}
}

/* --- the end of the postmaster ------------------------------------------------------------------------------ */
static void
do_orphan(const char *argument)
{
	int			result;

	on_proc_exit(on_end, CStringGetDatum("of an orphan"));
	BackgroundWorkerUnblockSignals();
	ResetLatch(MyLatch);
	SAY("waiting for the end of the postmaster");
	if (strcmp(argument, "exit") == 0)
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
	else if (strcmp(argument, "neither") == 0)
	{
		result = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT, 20000, PG_WAIT_EXTENSION);
		SAY("without a flag %d", result);
	}
	else
	{
		result = WaitLatch(MyLatch, WL_LATCH_SET | WL_POSTMASTER_DEATH, 0, PG_WAIT_EXTENSION);
		SAY("the postmaster ended %d", result);
		result = WaitLatch(MyLatch, WL_LATCH_SET | WL_POSTMASTER_DEATH, 0, PG_WAIT_EXTENSION);
		SAY("and again %d, alive %d", result, PostmasterIsAlive());
	}
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"timed", do_timed},
	{"flap", do_flap},
	{"fresh", do_fresh},
	{"activity", do_activity},
	{"late_unblock", do_late_unblock},
	{"pending", do_pending},
	{"latch_of_another", do_latch_of_another},
	{"ignores", do_ignores},
	{"parent", do_parent},
	{"callbacks_then_idle", do_callbacks_then_idle},
	{"crash_when_told", do_crash_when_told},
	{"child_exits", do_child_exits},
	{"cancel_wrong", do_cancel_wrong},
	{"connect_between", do_connect_between},
	{"slots", do_before_slots},
	{"orphan", do_orphan},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR, (errmsg("loaded by a worker"), errdetail("It refuses.")));
	in_supervisor = 42;
	on_proc_exit(on_end_of_supervisor, (Datum) 0);
	probe_init("probe_process", "probe_process_entry");
}

void
probe_process_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
