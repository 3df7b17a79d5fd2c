/*
 * What the probe modules share: static workers described by one setting, and a log line per observation.
 *
 * A probe module defines a table of actions and calls probe_init() from _PG_init. The setting MODULE.workers lists
 * the workers, separated by ';':
 *
 *     NAME ACTION[:ARGUMENT] [restart=SECONDS|never] [start=postmaster|consistent|finished] [db] [once]
 *
 * `db` asks for a database connection at registration and connects; `flag` only asks. With `once` the worker does its
 * action the first time, known by a file in the data directory, and from then on only idles. `times=N` registers N
 * workers, named NAME1 and so on. The other words are in probe_register(); most make a registration that is refused.
 *
 * What a probe sees it logs as "probe: ..." lines, to be compared between a real server and bgworkerd.
 */
#ifndef PROBE_COMMON_H
#define PROBE_COMMON_H

#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

typedef struct ProbeAction
{
	const char *name;
	void		(*run) (const char *argument);
} ProbeAction;

#define SAY(...) ereport(LOG, (errmsg_internal("probe: " __VA_ARGS__), errhidestmt(true), errhidecontext(true)))

static char *probe_workers;
static Datum probe_main_arg pg_attribute_unused();

/* Runs something that may raise, and says what was raised. */
static inline void
probe_attempt(const char *what, void (*run) (void))
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

		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		SAY("%s: %s %s | %s | %s", what, unpack_sql_state(error->sqlerrcode), error->message,
			error->detail ? error->detail : "-", error->hint ? error->hint : "-");
		FreeErrorData(error);
	}
	PG_END_TRY();
}

/* How many workers the description asks for. */
static int	probe_times pg_attribute_unused();

/* Fills `worker` in from the words of one description, which it cuts up; returns how many there were. */
static inline int
probe_describe(const char *library, const char *entry, char *words, BackgroundWorker *described)
{
	BackgroundWorker worker;
	char	   *save = NULL;
	char	   *word;
	int			position = 0;
	int			times = 1;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, library, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, entry, BGW_MAXLEN);
	for (word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save), position++)
	{
		if (position == 0)
		{
			strlcpy(worker.bgw_name, word, BGW_MAXLEN);
			strlcpy(worker.bgw_type, word, BGW_MAXLEN);
		}
		else if (position == 1)
			strlcpy(worker.bgw_extra, word, BGW_EXTRALEN - 2);
		else if (strcmp(word, "restart=never") == 0)
			worker.bgw_restart_time = BGW_NEVER_RESTART;
		else if (strncmp(word, "restart=", 8) == 0)
			worker.bgw_restart_time = atoi(word + 8);
		else if (strcmp(word, "start=postmaster") == 0)
			worker.bgw_start_time = BgWorkerStart_PostmasterStart;
		else if (strcmp(word, "start=consistent") == 0)
			worker.bgw_start_time = BgWorkerStart_ConsistentState;
		else if (strcmp(word, "start=finished") == 0)
			worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		else if (strcmp(word, "noshmem") == 0)
			worker.bgw_flags = 0;
		else if (strcmp(word, "notify") == 0)
			worker.bgw_notify_pid = MyProcPid;
		else if (strcmp(word, "parallel") == 0)
			worker.bgw_flags |= BGWORKER_CLASS_PARALLEL;
		else if (strcmp(word, "flag") == 0 || strcmp(word, "db") == 0)
		{
			worker.bgw_flags |= BGWORKER_BACKEND_DATABASE_CONNECTION;
			if (strcmp(word, "db") == 0)
				worker.bgw_extra[BGW_EXTRALEN - 1] = 'd';
		}
		else if (strcmp(word, "once") == 0)
			worker.bgw_extra[BGW_EXTRALEN - 2] = 'o';
		else if (strcmp(word, "oddflags") == 0)
			worker.bgw_flags |= 0x4000;
		else if (strcmp(word, "oddstart") == 0)
			worker.bgw_start_time = (BgWorkerStartTime) 77;
		else if (strcmp(word, "noname") == 0)
			worker.bgw_name[0] = '\0';
		else if (strcmp(word, "notype") == 0)
			worker.bgw_type[0] = '\0';
		else if (strcmp(word, "bytes") == 0)
			strcpy(worker.bgw_name + strlen(worker.bgw_name), "\x01\x7f");
		else if (strcmp(word, "raise") == 0)
			ereport(ERROR, (errmsg("raised while libraries are preloaded"), errhint("Do not.")));
		else if (strncmp(word, "times=", 6) == 0)
			times = atoi(word + 6);
		else if (strncmp(word, "library=", 8) == 0)
			strlcpy(worker.bgw_library_name, word + 8, BGW_MAXLEN);
		else if (strncmp(word, "function=", 9) == 0)
			strlcpy(worker.bgw_function_name, word + 9, BGW_MAXLEN);
		else if (strncmp(word, "type=", 5) == 0)
			strlcpy(worker.bgw_type, word + 5, BGW_MAXLEN);
		else
			elog(FATAL, "probe: what is \"%s\"?", word);
	}
	worker.bgw_main_arg = Int32GetDatum(position);
	*described = worker;
	probe_times = times;
	return position;
}

static inline void
probe_register(const char *library, const char *entry, char *words)
{
	BackgroundWorker worker;

	if (probe_describe(library, entry, words, &worker) == 0)
		return;
	if (probe_times > 1)
		for (int i = 1; i <= probe_times; i++)
		{
			snprintf(worker.bgw_name, BGW_MAXLEN, "%s%d", worker.bgw_type, i);
			RegisterBackgroundWorker(&worker);
		}
	else
	{
		bool		typeless = worker.bgw_type[0] == '\0';

		RegisterBackgroundWorker(&worker);
		if (typeless)
			SAY("type was empty and is now \"%s\"", worker.bgw_type);
		/* It has been copied: what becomes of ours does not matter. */
		memset(&worker, 0x7f, sizeof(worker));
	}
}

/* Called by _PG_init while libraries are preloaded. */
static inline void
probe_init(const char *library, const char *entry)
{
	char	   *list;
	char	   *save = NULL;
	char	   *one;

	DefineCustomStringVariable(psprintf("%s.workers", library), "What to start.", NULL, &probe_workers, "",
							   PGC_POSTMASTER, 0, NULL, NULL, NULL);
	list = pstrdup(probe_workers);
	for (one = strtok_r(list, ";", &save); one != NULL; one = strtok_r(NULL, ";", &save))
		probe_register(library, entry, one);
	pfree(list);
}

/* The loop of a worker that has nothing to do, ended by SIGTERM through `die`. */
static inline void
probe_idle(const char *argument)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	SAY("idle");
	for (;;)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			SAY("reloaded");
		}
	}
}

/* The body of a probe's entry function. */
static inline void
probe_main(const ProbeAction *actions, Datum main_arg)
{
	char		extra[BGW_EXTRALEN];
	char	   *argument;
	const ProbeAction *action;

	probe_main_arg = main_arg;
	memcpy(extra, MyBgworkerEntry->bgw_extra, BGW_EXTRALEN);
	if (extra[BGW_EXTRALEN - 2] == 'o')
	{
		char		marker[MAXPGPATH];
		int			fd;

		snprintf(marker, sizeof(marker), "probe.%s.done", MyBgworkerEntry->bgw_name);
		fd = open(marker, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			probe_idle(NULL);
		close(fd);
	}
	argument = strchr(extra, ':');
	if (argument)
		*argument++ = '\0';
	if (extra[BGW_EXTRALEN - 1] == 'd')
	{
		BackgroundWorkerUnblockSignals();
		BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	}
	for (action = actions; action->name; action++)
		if (strcmp(action->name, extra) == 0)
		{
			action->run(argument);
			return;
		}
	elog(FATAL, "probe: no action \"%s\"", extra);
}

#endif
