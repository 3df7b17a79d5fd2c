/*
 * probe: how a worker lives and ends: exits of every kind, signals, callbacks, latches, what it finds on entry.
 */
#include "postgres.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/sockios.h>

#include "probe_common.h"

#include "storage/proc.h"
#include "utils/ps_status.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_main_entry(Datum main_arg);

static int	inherited;

/* --- ends ---------------------------------------------------------------------------------------------- */
static void
do_return(const char *argument)
{
	SAY("returning");
}

static void
do_proc_exit(const char *argument)
{
	SAY("proc_exit(%s)", argument);
	proc_exit(atoi(argument));
}

static void
do_exit(const char *argument)
{
	SAY("exit(%s)", argument);
	exit(atoi(argument));
}

static void
do_underscore_exit(const char *argument)
{
	SAY("_exit(%s)", argument);
	_exit(atoi(argument));
}

static void
do_signal(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	SAY("signal %s", argument);
	kill(MyProcPid, atoi(argument));	/* comes before kill() returns */
}

static void
do_segv(const char *argument)
{
	volatile int *nowhere = NULL;

	SAY("writing nowhere");
	pgstat_report_activity(STATE_RUNNING, "a doomed statement");
	*nowhere = 1;
}

/* Listens on a TCP port of the loopback without SO_REUSEADDR and ends at once: the next start finds the port free. */
static void
do_listen(const char *argument)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argument))};
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 1) < 0)
		ereport(FATAL, (errmsg("probe: could not listen: %m")));
	SAY("listening");
	proc_exit(1);
}

/*
 * Says one byte, "I end with 1", on every socket that it has inherited, and crashes once all has been read; after 10 s in any
 * case: a socket may have nobody at its other end.
 */
static void
do_lie(const char *argument)
{
	TimestampTz limit = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 10000);

	for (int fd = 3; fd < 512; fd++)
	{
		int			unread = 0;

		if (send(fd, "\001", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
			continue;
		while (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0 && GetCurrentTimestamp() < limit)
			pg_usleep(1000);
	}
	SAY("lied");
	abort();
}

static void
do_divide(const char *argument)
{
	volatile int zero = 0;

	BackgroundWorkerUnblockSignals();
	SAY("dividing");
	SAY("result %d", 1 / zero);
}

static void
do_error(const char *argument)
{
	ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("something went wrong: %s", argument),
					errdetail("This is the detail."), errhint("This is the hint.")));
}

static void
do_fatal(const char *argument)
{
	PG_TRY();
	{
		ereport(FATAL, (errmsg("this is the end")));
	}
	PG_CATCH();
	{
		SAY("FATAL was caught");
	}
	PG_END_TRY();
}

static void
do_panic(const char *argument)
{
	ereport(PANIC, (errmsg("this is the very end")));
}

static void
do_default_term(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	SAY("waiting with the default handler");
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
do_shutdown_request(const char *argument)
{
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	SAY("waiting for a shutdown request");
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		HandleMainLoopInterrupts();
	}
}

/* Sleeps until a signal has come in that is let in, or one of the postmaster's death. */
static void
sleep_until_a_signal(bool or_the_postmaster_dies)
{
	sigset_t	mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (or_the_postmaster_dies)
		sigdelset(&mask, SIGPWR);
	sigsuspend(&mask);
}

/* Never lets a signal in, so that only SIGQUIT and SIGKILL end it. */
static void
do_stubborn(const char *argument)
{
	SAY("deaf");
	while (PostmasterIsAlive())
		sleep_until_a_signal(true);
	_exit(1);
}

/* Survives SIGQUIT too, by ignoring it. */
static void
do_recalcitrant(const char *argument)
{
	pqsignal(SIGQUIT, SIG_IGN);
	SAY("deaf to everything");
	while (PostmasterIsAlive())
		sleep_until_a_signal(true);
	_exit(1);
}

static void
do_spin(const char *argument)
{
	SAY("spinning");
	for (;;)
		sleep_until_a_signal(false);
}

/* --- callbacks ------------------------------------------------------------------------------------------ */
static void
on_end(int code, Datum arg)
{
	SAY("callback %s code %d", DatumGetCString(arg), code);
}

static void
on_end_error(int code, Datum arg)
{
	SAY("callback %s code %d raises", DatumGetCString(arg), code);
	ereport(ERROR, (errmsg("error in callback %s", DatumGetCString(arg))));
}

static void
register_callbacks(bool raise)
{
	on_proc_exit(on_end, CStringGetDatum("proc 1"));
	on_proc_exit(on_end, CStringGetDatum("proc 2"));
	on_shmem_exit(on_end, CStringGetDatum("shmem 1"));
	on_shmem_exit(raise ? on_end_error : on_end, CStringGetDatum("shmem 2"));
	before_shmem_exit(on_end, CStringGetDatum("before 1"));
	before_shmem_exit(on_end, CStringGetDatum("before 2"));
	before_shmem_exit(on_end, CStringGetDatum("before 3"));
	cancel_before_shmem_exit(on_end, CStringGetDatum("before 3"));
}

static void
do_callbacks(const char *argument)
{
	register_callbacks(false);
	if (strcmp(argument, "error") == 0)
		elog(ERROR, "with callbacks");
	if (strcmp(argument, "exit") == 0)
		exit(0);
	if (strcmp(argument, "term") == 0)
	{
		BackgroundWorkerUnblockSignals();
		kill(MyProcPid, SIGTERM);	/* comes before kill() returns */
	}
	proc_exit(atoi(argument));
}

static void
do_callback_error(const char *argument)
{
	register_callbacks(true);
	proc_exit(0);
}

static void
do_callback_slots(const char *argument)
{
	int			count = 0;

	for (;;)
	{
		SAY("slot %d", ++count);
		on_proc_exit(on_end, CStringGetDatum("one of many"));
	}
}

/* --- what a worker finds -------------------------------------------------------------------------------- */
static const char *
handler_name(const struct sigaction *action)
{
	if (action->sa_handler == SIG_IGN)
		return "ignored";
	if (action->sa_handler == SIG_DFL)
		return "default";
	if (action->sa_handler == (void (*) (int)) die)
		return "die";
	return "handler";
}

static void
do_signals(const char *argument)
{
	static const int interesting[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGFPE,
	SIGCHLD, SIGTTIN, SIGTTOU, SIGXFSZ, SIGURG, SIGPWR};
	sigset_t	mask;

	for (int i = 0; i < lengthof(interesting); i++)
	{
		struct sigaction action;

		sigaction(interesting[i], NULL, &action);
		SAY("signal %d %s%s", interesting[i], handler_name(&action),
			action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN && (action.sa_flags & SA_RESTART) ?
			" restart" : "");
	}
	for (int round = 0; round < 2; round++)
	{
		sigprocmask(SIG_BLOCK, NULL, &mask);
		for (int signo = 1; signo < 32; signo++)
			if (sigismember(&mask, signo) != (round == 0))
				SAY("%s signal %d %s", round == 0 ? "on entry" : "unblocked", signo,
					sigismember(&mask, signo) ? "blocked" : "open");
		BackgroundWorkerUnblockSignals();
	}
}

static void
do_environment(const char *argument)
{
	char		cwd[MAXPGPATH];

	SAY("parent %s", getppid() == PostmasterPid ? "postmaster" : "other");
	SAY("session leader %d, group leader %d", getsid(0) == getpid(), getpgid(0) == getpid());
	SAY("working directory %s", getcwd(cwd, sizeof(cwd)) && strcmp(cwd, DataDir) == 0 ? "DataDir" : cwd);
	SAY("MyProcPid %s", MyProcPid == getpid() ? "right" : "wrong");
	SAY("context %s", CurrentMemoryContext == TopMemoryContext ? "Top" : "other");
	SAY("MyProcPort %s", MyProcPort == NULL ? "null" : "set");
	SAY("IsBackgroundWorker %d IsUnderPostmaster %d", IsBackgroundWorker, IsUnderPostmaster);
	SAY("MyBackendType %s", GetBackendTypeDesc(MyBackendType));
	SAY("in transaction %d", IsTransactionState());
	SAY("inherited %d", inherited);
	SAY("preloading %d", process_shared_preload_libraries_in_progress);
	SAY("MyLatch %s set %d owner %s", MyLatch == &MyProc->procLatch ? "of MyProc" : "other", MyLatch->is_set,
		MyLatch->owner_pid == MyProcPid ? "me" : "other");
	SAY("MyProc pid %s", MyProc->pid == MyProcPid ? "right" : "wrong");
	SAY("entry \"%s\" type \"%s\" library \"%s\" function \"%s\" notify %d flags %d start %d restart %d",
		MyBgworkerEntry->bgw_name, MyBgworkerEntry->bgw_type, MyBgworkerEntry->bgw_library_name,
		MyBgworkerEntry->bgw_function_name, (int) MyBgworkerEntry->bgw_notify_pid, MyBgworkerEntry->bgw_flags,
		MyBgworkerEntry->bgw_start_time, MyBgworkerEntry->bgw_restart_time);
	SAY("argument %d extra \"%s\"", DatumGetInt32(probe_main_arg), MyBgworkerEntry->bgw_extra);
	SAY("processing mode %s", IsInitProcessingMode() ? "init" : IsNormalProcessingMode() ? "normal" : "other");
	SAY("register again");
	{
		BackgroundWorker again = *MyBgworkerEntry;

		RegisterBackgroundWorker(&again);
	}
	SAY("registered nothing");
}

/* --- latches ---------------------------------------------------------------------------------------------- */
static void
set_on_usr2(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

static void
quiet_handler(SIGNAL_ARGS)
{
}

static int
timed_wait(int events, long timeout, long *took)
{
	TimestampTz start = GetCurrentTimestamp();
	int			result = WaitLatch(MyLatch, events | WL_EXIT_ON_PM_DEATH, timeout, PG_WAIT_EXTENSION);

	*took = (GetCurrentTimestamp() - start) / 1000;
	return result;
}

/* The kernel sends it, so that it comes while the process waits. */
static void
signal_self_later(int signo, int milliseconds)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo};
	struct itimerspec when = {.it_value = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L}};
	timer_t		timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &when, NULL) != 0)
		elog(ERROR, "could not set a timer: %m");
}

static void
latch_error(int events, Latch *latch, pgsocket sock)
{
	MemoryContext caller = CurrentMemoryContext;

	PG_TRY();
	{
		SAY("no error %d", WaitLatchOrSocket(latch, events, sock, 0, PG_WAIT_EXTENSION));
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s: %s", unpack_sql_state(error->sqlerrcode), error->message);
	}
	PG_END_TRY();
}

static void
do_latch(const char *argument)
{
	long		took;
	int			result;
	int			pair[2];
	char		byte = 'x';
	Latch		foreign;

	BackgroundWorkerUnblockSignals();
	pqsignal(SIGUSR2, set_on_usr2);
	pqsignal(SIGHUP, quiet_handler);

	SAY("first %d", timed_wait(WL_LATCH_SET, 0, &took));
	SAY("still set %d", timed_wait(WL_LATCH_SET | WL_TIMEOUT, 0, &took));
	ResetLatch(MyLatch);
	SAY("poll %d", timed_wait(WL_LATCH_SET | WL_TIMEOUT, 0, &took));
	result = timed_wait(WL_LATCH_SET | WL_TIMEOUT, 100, &took);
	SAY("timeout %d in time %d", result, took >= 99 && took < 5000);
	SetLatch(MyLatch);
	SAY("set before %d", timed_wait(WL_LATCH_SET | WL_TIMEOUT, 10000, &took));
	result = timed_wait(WL_TIMEOUT, 50, &took);
	SAY("latch not asked for %d", result);
	ResetLatch(MyLatch);

	signal_self_later(SIGUSR2, 50);
	result = timed_wait(WL_LATCH_SET | WL_TIMEOUT, 10000, &took);
	SAY("handler sets the latch %d early %d", result, took < 9000);
	ResetLatch(MyLatch);
	signal_self_later(SIGHUP, 50);
	result = timed_wait(WL_LATCH_SET | WL_TIMEOUT, 200, &took);
	SAY("handler without the latch %d full time %d", result, took >= 199 && took < 5000);
	signal_self_later(SIGURG, 50);
	result = timed_wait(WL_LATCH_SET | WL_TIMEOUT, 200, &took);
	SAY("stray SIGURG %d full time %d", result, took >= 199 && took < 5000);
	while (wait(NULL) > 0)
		;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		elog(ERROR, "socketpair: %m");
	SAY("writeable %d", WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_MASK | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
										  pair[0], 1000, PG_WAIT_EXTENSION));
	SAY("nothing readable %d", WaitLatchOrSocket(MyLatch,
												 WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
												 pair[0], 20, PG_WAIT_EXTENSION));
	if (write(pair[1], &byte, 1) != 1)
		elog(ERROR, "write: %m");
	SAY("readable %d", WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
										 pair[0], 1000, PG_WAIT_EXTENSION));
	SAY("both %d", WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_MASK | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
									 pair[0], 1000, PG_WAIT_EXTENSION));
	SetLatch(MyLatch);
	SAY("latch and socket %d", WaitLatchOrSocket(MyLatch,
												 WL_LATCH_SET | WL_SOCKET_MASK | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
												 pair[0], 1000, PG_WAIT_EXTENSION));
	ResetLatch(MyLatch);
	close(pair[1]);
	SAY("end of file %d", WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
											pair[0], 1000, PG_WAIT_EXTENSION));
	close(pair[0]);

	latch_error(WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NULL, PGINVALID_SOCKET);
	InitLatch(&foreign);
	foreign.owner_pid = 1;
	latch_error(WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, &foreign, PGINVALID_SOCKET);
	latch_error(WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, NULL, PGINVALID_SOCKET);
}

static void
do_event_set(const char *argument)
{
	WaitEventSet *set = CreateWaitEventSet(CurrentMemoryContext, 4);
	WaitEvent	events[4];
	int			pair[2];
	int			found;

	BackgroundWorkerUnblockSignals();
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		elog(ERROR, "socketpair: %m");
	ResetLatch(MyLatch);
	SAY("position %d", AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL));
	SAY("position %d", AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL));
	SAY("position %d", AddWaitEventToSet(set, WL_SOCKET_READABLE, pair[0], NULL, &pair[0]));
	SAY("none %d", WaitEventSetWait(set, 20, events, 4, PG_WAIT_EXTENSION));
	SetLatch(MyLatch);
	found = WaitEventSetWait(set, 1000, events, 4, PG_WAIT_EXTENSION);
	SAY("latch: %d event, pos %d events %d", found, events[0].pos, events[0].events);
	ResetLatch(MyLatch);
	if (write(pair[1], "x", 1) != 1)
		elog(ERROR, "write: %m");
	found = WaitEventSetWait(set, 1000, events, 4, PG_WAIT_EXTENSION);
	SAY("socket: %d event, pos %d events %d user data %s", found, events[0].pos, events[0].events,
		events[0].user_data == &pair[0] ? "mine" : "other");
	ModifyWaitEvent(set, 2, WL_SOCKET_WRITEABLE, NULL);
	found = WaitEventSetWait(set, 1000, events, 4, PG_WAIT_EXTENSION);
	SAY("changed: %d event, pos %d events %d", found, events[0].pos, events[0].events);
	FreeWaitEventSet(set);
	close(pair[0]);
	close(pair[1]);
}

/* --- once told, does what it says in the setting ------------------------------------------------------------ */
static void
do_connect(const char *argument)
{
	char	   *user = NULL;
	char		database[NAMEDATALEN];

	BackgroundWorkerUnblockSignals();
	strlcpy(database, argument ? argument : "postgres", sizeof(database));
	user = strchr(database, '/');
	if (user)
		*user++ = '\0';
	BackgroundWorkerInitializeConnection(database[0] ? database : NULL, user, 0);
	SAY("connected, MyDatabaseId %s", OidIsValid(MyDatabaseId) ? "valid" : "0");
}

static void
do_connect_oid(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(atoi(argument), InvalidOid, 0);
	SAY("connected, MyDatabaseId %s", OidIsValid(MyDatabaseId) ? "valid" : "0");
}

static void
do_connect_twice(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	SAY("connected");
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	SAY("connected twice");
}

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"return", do_return},
	{"proc_exit", do_proc_exit},
	{"exit", do_exit},
	{"_exit", do_underscore_exit},
	{"signal", do_signal},
	{"segv", do_segv},
	{"listen", do_listen},
	{"lie", do_lie},
	{"divide", do_divide},
	{"error", do_error},
	{"fatal", do_fatal},
	{"panic", do_panic},
	{"default_term", do_default_term},
	{"shutdown_request", do_shutdown_request},
	{"stubborn", do_stubborn},
	{"recalcitrant", do_recalcitrant},
	{"spin", do_spin},
	{"callbacks", do_callbacks},
	{"callback_error", do_callback_error},
	{"callback_slots", do_callback_slots},
	{"signals", do_signals},
	{"environment", do_environment},
	{"latch", do_latch},
	{"event_set", do_event_set},
	{"connect", do_connect},
	{"connect_oid", do_connect_oid},
	{"connect_twice", do_connect_twice},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
	{
		SAY("initialised in a worker");
		return;
	}
	inherited = 42;
	probe_init("probe", "probe_main_entry");
}

void
probe_main_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
