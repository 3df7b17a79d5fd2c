/*
 * Background workers as sources of the 9.3 to 9.6 generation (and Greenplum's) declare them, on this major's server.
 *
 * The folder of this header goes in front of the server's:  make PG_CPPFLAGS=-I.../include/bgworker/compat
 *
 * The structure of that time has what the server's has no longer: a function pointer, two signal handlers, and in 9.3 a
 * pointer for a name. RegisterBackgroundWorker and RegisterDynamicBackgroundWorker take it, and bgworker_compat.h makes
 * the server's structure of it.
 *
 * The generations disagree in what a field is, and their sources leave alone what they do not know, often in memory that
 * nothing has cleared. So the fields that only some have are macros with an index that notes, when it is evaluated, that
 * the source has this field (touch); one that was never touched counts as not given. The name is a pointer in 9.3, to be
 * assigned, and an array later, to be written to. It is not in the structure: the macro leads to a pointer outside that
 * points to an array, so that both work. The name belongs to the structure that is registered next.
 *
 * What that cannot do, -DBGWORKER_COMPAT=904 can, for sources of 9.4 to 9.6: sizeof(worker.bgw_name), initializers with
 * field names, several structures filled in before the first of them is registered. The structure then is the plain one
 * of 9.4 to 9.6, the name an array in it, and what the source does not set it must clear.
 */
#ifndef BGWORKER_COMPAT_POSTMASTER_BGWORKER_H
#define BGWORKER_COMPAT_POSTMASTER_BGWORKER_H

#ifdef __cplusplus
#error "include/bgworker/compat is for sources in C; in C++ use include/bgworker/bgworker.hpp"
#endif
#if defined(BGWORKER_COMPAT) && BGWORKER_COMPAT != 904
#error "BGWORKER_COMPAT can be 904, for sources of 9.4 to 9.6, or not be defined, for any"
#endif

#define BackgroundWorker BgworkerCompatServerWorker
#include_next "postmaster/bgworker.h"
#undef BackgroundWorker

/* An argument of the worker is a pointer in 9.3 and a Datum later: both are assigned to the same field. */
#pragma GCC diagnostic ignored "-Wint-conversion"

typedef void (*bgworker_sighdlr_type) (int);

#define BGWORKER_COMPAT_FIELDS \
	int			bgw_flags; \
	BgWorkerStartTime bgw_start_time; \
	int			bgw_restart_time;	/* in seconds, or BGW_NEVER_RESTART */ \
	char		bgw_library_name[BGW_MAXLEN];	/* used when bgw_main is NULL */ \
	char		bgw_function_name[BGW_MAXLEN]; \
	Datum		bgw_main_arg; \
	pid_t		bgw_notify_pid	/* of dynamic workers; no other can ask for it */

#ifdef BGWORKER_COMPAT

typedef struct BackgroundWorker
{
	char		bgw_name[BGW_MAXLEN];
	void	   *bgw_main;		/* a function with one argument, pointer or Datum */
	char		bgw_extra[BGW_EXTRALEN];
	BGWORKER_COMPAT_FIELDS;
} BackgroundWorker;

typedef BackgroundWorker BgworkerCompatEntry;

#else

/* The bit is whatever is in memory; volatile, so that the compiler reads it and draws no conclusions. */
typedef struct BackgroundWorker
{
	volatile unsigned int bgworker_compat_which:1;
	void	   *bgworker_compat_function[1];
	bgworker_sighdlr_type bgworker_compat_sighup[1];
	bgworker_sighdlr_type bgworker_compat_sigterm[1];
	char		bgworker_compat_extra[1][BGW_EXTRALEN];
	BGWORKER_COMPAT_FIELDS;
} BackgroundWorker;

/* What MyBgworkerEntry leads to: the same, with a name of its own. */
typedef struct BgworkerCompatEntry
{
	int			bgworker_compat_which;
	void	   *bgworker_compat_function[1];
	bgworker_sighdlr_type bgworker_compat_sighup[1];
	bgworker_sighdlr_type bgworker_compat_sigterm[1];
	char		bgworker_compat_extra[1][BGW_EXTRALEN];
	BGWORKER_COMPAT_FIELDS;
} BgworkerCompatEntry;

#endif

#include "bgworker_compat.h"

#define RegisterBackgroundWorker(worker) bgworker_compat_register(worker)
#define RegisterDynamicBackgroundWorker(worker, handle) bgworker_compat_register_dynamic(worker, handle)
#define BackgroundWorkerUnblockSignals() bgworker_compat_unblock_signals()
#define MyBgworkerEntry bgworker_compat_entry()

#ifndef BGWORKER_COMPAT
#define bgw_name	bgworker_compat_which[bgworker_compat_names()]
#define bgw_main	bgworker_compat_function[bgworker_compat_touch(BGWORKER_COMPAT_HAS_MAIN)]
#define bgw_sighup	bgworker_compat_sighup[bgworker_compat_touch(BGWORKER_COMPAT_HAS_SIGHUP)]
#define bgw_sigterm bgworker_compat_sigterm[bgworker_compat_touch(BGWORKER_COMPAT_HAS_SIGTERM)]
#define bgw_extra	bgworker_compat_extra[bgworker_compat_touch(BGWORKER_COMPAT_HAS_EXTRA)]
#endif

/* Two arguments, or three as now. */
static inline void
bgworker_compat_connect(const char *dbname, const char *username, uint32 flags)
{
	BackgroundWorkerInitializeConnection(dbname, username, flags);
}

static inline void
bgworker_compat_connect_by_oid(Oid dboid, Oid useroid, uint32 flags)
{
	BackgroundWorkerInitializeConnectionByOid(dboid, useroid, flags);
}

#define BGWORKER_COMPAT_FLAGS(first, second, flags, ...) (first), (second), (flags)
#define BackgroundWorkerInitializeConnection(...) \
	bgworker_compat_connect(BGWORKER_COMPAT_FLAGS(__VA_ARGS__, 0, 0))
#define BackgroundWorkerInitializeConnectionByOid(...) \
	bgworker_compat_connect_by_oid(BGWORKER_COMPAT_FLAGS(__VA_ARGS__, 0, 0))

#endif
