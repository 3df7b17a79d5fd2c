/*
 * Makes the server's BackgroundWorker of the one of the 9.3 to 9.6 generation, for postmaster/bgworker.h beside it.
 *
 * A function pointer means nothing in another process. A main function that the module exports becomes library and
 * function name, no more. A static one, or one with signal handlers in the structure, is started by bgworker_compat_main,
 * which is exported by every module that is built with this header: it finds the functions by their offsets from the
 * start of the module (or of the server's program, for handlers such as die), installs the handlers while signals are
 * still blocked, and calls.
 *
 * The offsets travel in the last 16 bytes of bgw_extra, because nothing else goes through the server as it is. The
 * source's own data there is left alone; if it reaches into those bytes and they are needed, registration fails and says so.
 *
 * State and functions are weak and hidden: one copy for a module, however many of its files include this.
 */
#ifndef BGWORKER_COMPAT_H
#define BGWORKER_COMPAT_H

#include <dlfcn.h>

/* In quotes the second would be found beside this file, and its include_next would begin with this folder again. */
#include <miscadmin.h>
#include <storage/latch.h>

#define BGWORKER_COMPAT_SHARED __attribute__((weak, visibility("hidden")))

#define BGWORKER_COMPAT_HAS_MAIN	0x1
#define BGWORKER_COMPAT_HAS_SIGHUP	0x2
#define BGWORKER_COMPAT_HAS_SIGTERM 0x4
#define BGWORKER_COMPAT_HAS_EXTRA	0x8

/* Where a function is. */
#define BGWORKER_COMPAT_NOWHERE		0
#define BGWORKER_COMPAT_IN_MODULE	1
#define BGWORKER_COMPAT_IN_SERVER	2
#define BGWORKER_COMPAT_SIG_IGN		3

/* The end of bgw_extra. */
typedef struct BgworkerCompatTail
{
	uint32		offset[3];		/* main function, SIGHUP's handler, SIGTERM's */
	uint8		where;			/* two bits each */
	char		magic[3];
} BgworkerCompatTail;

StaticAssertDecl(sizeof(BgworkerCompatTail) == 16, "the documentation says 16 bytes");

#define BGWORKER_COMPAT_TAIL (BGW_EXTRALEN - sizeof(BgworkerCompatTail))

typedef struct BgworkerCompatState
{
	char	   *name[3];		/* two for structures, whatever their bit is; the worker's own */
	char		buffer[2][BGW_MAXLEN];	/* what the first two point to before they are assigned */
	const BackgroundWorker *registered; /* the last one */
	const char *last;			/* and its name */
	bool		named;			/* a name was looked up since then */
	int			touched;
	bool		have_entry;
	BgworkerCompatEntry entry;
} BgworkerCompatState;

BGWORKER_COMPAT_SHARED BgworkerCompatState bgworker_compat_state;

extern BGWORKER_COMPAT_SHARED int bgworker_compat_touch(int field);
extern BGWORKER_COMPAT_SHARED char **bgworker_compat_names(void);
extern BGWORKER_COMPAT_SHARED BgworkerCompatEntry *bgworker_compat_entry(void);
extern BGWORKER_COMPAT_SHARED char *bgworker_compat_base(const void *address);
extern BGWORKER_COMPAT_SHARED int bgworker_compat_pack(BgworkerCompatTail *tail, int which, const void *function,
													const char *name);
extern BGWORKER_COMPAT_SHARED void *bgworker_compat_unpack(const BgworkerCompatTail *tail, int which);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_library(char *library, const char *path);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_translate(BackgroundWorker *worker, BgworkerCompatServerWorker *out);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_register(BackgroundWorker *worker);
extern BGWORKER_COMPAT_SHARED bool bgworker_compat_register_dynamic(BackgroundWorker *worker,
															 BackgroundWorkerHandle **handle);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_sigusr1(int signo);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_unblock_signals(void);
extern PGDLLEXPORT __attribute__((weak, visibility("default"))) void bgworker_compat_main(Datum main_arg);

/* Notes that the source has a field; the index of its only element. */
int
bgworker_compat_touch(int field)
{
	bgworker_compat_state.touched |= field;
	return 0;
}

/* The names, each leading to memory that can be written to. */
char **
bgworker_compat_names(void)
{
	BgworkerCompatState *state = &bgworker_compat_state;
	int			i;

	for (i = 0; i < 2; i++)
		if (state->name[i] == NULL)
			state->name[i] = state->buffer[i];
	state->named = true;
	return state->name;
}

/* This worker's entry as that generation sees it; NULL outside of a worker. */
BgworkerCompatEntry *
bgworker_compat_entry(void)
{
	BgworkerCompatEntry *entry = &bgworker_compat_state.entry;
	char	   *extra;

	if (MyBgworkerEntry == NULL)
		return NULL;
	if (bgworker_compat_state.have_entry)
		return entry;
#ifdef BGWORKER_COMPAT
	strlcpy(entry->bgw_name, MyBgworkerEntry->bgw_name, BGW_MAXLEN);
	extra = entry->bgw_extra;
#else
	entry->bgworker_compat_which = 2;
	extra = entry->bgworker_compat_extra[0];
#endif
	bgworker_compat_state.name[2] = MyBgworkerEntry->bgw_name;
	entry->bgw_flags = MyBgworkerEntry->bgw_flags;
	entry->bgw_start_time = MyBgworkerEntry->bgw_start_time;
	entry->bgw_restart_time = MyBgworkerEntry->bgw_restart_time;
	strlcpy(entry->bgw_library_name, MyBgworkerEntry->bgw_library_name, BGW_MAXLEN);
	strlcpy(entry->bgw_function_name, MyBgworkerEntry->bgw_function_name, BGW_MAXLEN);
	entry->bgw_main_arg = MyBgworkerEntry->bgw_main_arg;
	entry->bgw_notify_pid = MyBgworkerEntry->bgw_notify_pid;
	memcpy(extra, MyBgworkerEntry->bgw_extra, BGW_EXTRALEN);
	if (strcmp(MyBgworkerEntry->bgw_function_name, "bgworker_compat_main") == 0)
		memset(extra + BGWORKER_COMPAT_TAIL, 0, sizeof(BgworkerCompatTail));
	bgworker_compat_state.have_entry = true;
	return entry;
}

/* Start in memory of the file that something belongs to. */
char *
bgworker_compat_base(const void *address)
{
	Dl_info		info;

	return dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* Puts a function into the tail; returns whether there is one. */
int
bgworker_compat_pack(BgworkerCompatTail *tail, int which, const void *function, const char *name)
{
	char	   *base = bgworker_compat_base(function);
	size_t		offset = (const char *) function - base;
	int			where;

	if (function == NULL)
		return false;
	if (function == (void *) SIG_IGN)
		where = BGWORKER_COMPAT_SIG_IGN, offset = 0;
	else if (base != NULL && base == bgworker_compat_base(&bgworker_compat_state))
		where = BGWORKER_COMPAT_IN_MODULE;
	else if (base != NULL && base == bgworker_compat_base(&MyProcPid))
		where = BGWORKER_COMPAT_IN_SERVER;
	else
		where = BGWORKER_COMPAT_NOWHERE;
	if (where == BGWORKER_COMPAT_NOWHERE || offset > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("background worker \"%s\": function %p is neither in the module nor in the server", name, function),
				 errhint("Give a function of the module that registers the worker.")));
	tail->offset[which] = (uint32) offset;
	tail->where |= where << (2 * which);
	return true;
}

void *
bgworker_compat_unpack(const BgworkerCompatTail *tail, int which)
{
	switch ((tail->where >> (2 * which)) & 3)
	{
		case BGWORKER_COMPAT_IN_MODULE:
			return bgworker_compat_base(&bgworker_compat_state) + tail->offset[which];
		case BGWORKER_COMPAT_IN_SERVER:
			return bgworker_compat_base(&MyProcPid) + tail->offset[which];
		case BGWORKER_COMPAT_SIG_IGN:
			return (void *) SIG_IGN;
		default:
			return NULL;
	}
}

/* The name under which the worker's process finds the file: its path, or when that is too long, the name alone. */
void
bgworker_compat_library(char *library, const char *path)
{
	if (strlen(path) >= BGW_MAXLEN && strrchr(path, '/') != NULL)
		path = strrchr(path, '/') + 1;
	if (strlcpy(library, path, BGW_MAXLEN) >= BGW_MAXLEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("module name \"%s\" is too long for a background worker", path),
				 errhint("Give the file a name of less than %d characters.", BGW_MAXLEN)));
}

void
bgworker_compat_translate(BackgroundWorker *worker, BgworkerCompatServerWorker *out)
{
	BgworkerCompatState *state = &bgworker_compat_state;
	BgworkerCompatTail tail;
	const void *function;
	const void *sighup = NULL;
	const void *sigterm = NULL;
	const char *name;
	const char *extra = NULL;
	Dl_info		module;
	Dl_info		info;

#ifdef BGWORKER_COMPAT
	name = worker->bgw_name;
	function = worker->bgw_main;
	extra = worker->bgw_extra;
#else
	if (!state->named && state->registered != worker)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a background worker without a name of its own is registered after \"%s\"",
						state->last ? state->last : ""),
				 errhint("Register each worker before the next one is named, or build the module with -DBGWORKER_COMPAT=904.")));
	name = bgworker_compat_names()[worker->bgworker_compat_which];
	function = (state->touched & BGWORKER_COMPAT_HAS_MAIN) ? worker->bgworker_compat_function[0] : NULL;
	if (state->touched & BGWORKER_COMPAT_HAS_SIGHUP)
		sighup = (const void *) worker->bgworker_compat_sighup[0];
	if (state->touched & BGWORKER_COMPAT_HAS_SIGTERM)
		sigterm = (const void *) worker->bgworker_compat_sigterm[0];
	if (state->touched & BGWORKER_COMPAT_HAS_EXTRA)
		extra = worker->bgworker_compat_extra[0];
#endif

	memset(out, 0, sizeof(*out));
	strlcpy(out->bgw_name, name, BGW_MAXLEN);
	/* Workers without shared memory are a thing of the past. */
	out->bgw_flags = worker->bgw_flags | BGWORKER_SHMEM_ACCESS;
	out->bgw_start_time = worker->bgw_start_time;
	out->bgw_restart_time = worker->bgw_restart_time;
	out->bgw_main_arg = worker->bgw_main_arg;
	if (extra != NULL)
		memcpy(out->bgw_extra, extra, BGW_EXTRALEN);

	if (dladdr(state, &module) == 0)
		elog(ERROR, "background worker \"%s\": the loader does not know the module that registers it", out->bgw_name);

	if (function == NULL)
	{
		if (sighup != NULL || sigterm != NULL)
		{
			void	   *self = dlopen(module.dli_fname, RTLD_NOW | RTLD_NOLOAD);

			function = self != NULL ? dlsym(self, worker->bgw_function_name) : NULL;
			if (self != NULL)
				dlclose(self);
			if (function == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_UNDEFINED_FUNCTION),
						 errmsg("background worker \"%s\" has signal handlers, and its function \"%s\" is not in the module that registers it",
								out->bgw_name, worker->bgw_function_name),
						 errhint("Set the handlers in the function, with pqsignal().")));
		}
		else
		{
			strlcpy(out->bgw_library_name, worker->bgw_library_name, BGW_MAXLEN);
			strlcpy(out->bgw_function_name, worker->bgw_function_name, BGW_MAXLEN);
		}
	}
	if (function != NULL)
	{
		memset(&tail, 0, sizeof(tail));
		memcpy(tail.magic, "bgw", sizeof(tail.magic));
		(void) bgworker_compat_pack(&tail, 1, sighup, out->bgw_name);
		(void) bgworker_compat_pack(&tail, 2, sigterm, out->bgw_name);
		if (tail.where == 0 && dladdr(function, &info) != 0 && info.dli_saddr == function &&
			strlen(info.dli_sname) < BGW_MAXLEN)
		{
			/* Exported, here or in another file: its name says it all. */
			bgworker_compat_library(out->bgw_library_name, info.dli_fname);
			strlcpy(out->bgw_function_name, info.dli_sname, BGW_MAXLEN);
		}
		else
		{
			static const char none[sizeof(tail)];

			(void) bgworker_compat_pack(&tail, 0, function, out->bgw_name);
			if (memcmp(out->bgw_extra + BGWORKER_COMPAT_TAIL, none, sizeof(tail)) != 0)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("background worker \"%s\" uses more than %d bytes of bgw_extra", out->bgw_name,
								(int) BGWORKER_COMPAT_TAIL),
						 errdetail("The rest holds a main function that the module does not export, and signal handlers."),
						 errhint("Clear what is not used, or make the main function not static.")));
			memcpy(out->bgw_extra + BGWORKER_COMPAT_TAIL, &tail, sizeof(tail));
			bgworker_compat_library(out->bgw_library_name, module.dli_fname);
			strlcpy(out->bgw_function_name, "bgworker_compat_main", BGW_MAXLEN);
		}
	}

#ifndef BGWORKER_COMPAT
	/* The name stays with the structure, and is in memory that can be written to again. */
	strlcpy(state->buffer[worker->bgworker_compat_which], out->bgw_name, BGW_MAXLEN);
	state->name[worker->bgworker_compat_which] = state->buffer[worker->bgworker_compat_which];
	state->last = state->buffer[worker->bgworker_compat_which];
#endif
	state->registered = worker;
	state->named = false;
}

void
bgworker_compat_register(BackgroundWorker *worker)
{
	BgworkerCompatServerWorker translated;

	bgworker_compat_translate(worker, &translated);
	RegisterBackgroundWorker(&translated);
}

bool
bgworker_compat_register_dynamic(BackgroundWorker *worker, BackgroundWorkerHandle **handle)
{
	BgworkerCompatServerWorker translated;

	bgworker_compat_translate(worker, &translated);
	translated.bgw_notify_pid = worker->bgw_notify_pid;
	return RegisterDynamicBackgroundWorker(&translated, handle);
}

/* Sets the latch: what SIGUSR1, the notification of bgw_notify_pid say, did in every worker. */
void
bgworker_compat_sigusr1(int signo)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

/* Lets signals in; a worker without a database session, in which SIGUSR1 is ignored now, gets the handler of that time. */
void
bgworker_compat_unblock_signals(void)
{
	struct sigaction now;

	if (sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
		pqsignal(SIGUSR1, bgworker_compat_sigusr1);
	BackgroundWorkerUnblockSignals();
}

/* Entry point of workers whose main function has no exported name, or that bring signal handlers. */
void
bgworker_compat_main(Datum main_arg)
{
	BgworkerCompatTail tail;
	void	   *function;

	memcpy(&tail, MyBgworkerEntry->bgw_extra + BGWORKER_COMPAT_TAIL, sizeof(tail));
	function = memcmp(tail.magic, "bgw", sizeof(tail.magic)) == 0 ? bgworker_compat_unpack(&tail, 0) : NULL;
	if (function == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bgworker_compat_main was started without a function to call"),
				 errhint("Only the module itself can register it; launch one of the module's own functions.")));
	if (tail.where & (3 << 2))
		pqsignal(SIGHUP, (pqsigfunc) bgworker_compat_unpack(&tail, 1));
	if (tail.where & (3 << 4))
		pqsignal(SIGTERM, (pqsigfunc) bgworker_compat_unpack(&tail, 2));
	((bgworker_main_type) function) (main_arg);
}

#endif
