/*
 * Shared memory and LWLocks as sources of the 9.3 to 9.6 generation ask for them: from _PG_init.
 *
 * Today's server wants RequestAddinShmemSpace and RequestNamedLWLockTranche from shmem_request_hook. What is asked for
 * while modules are preloaded is kept and asked for there; at any other time it is ignored, as it was then.
 *
 * RequestAddinLWLocks and LWLockAssign, which had one pool for everybody until 9.5, become a tranche of the module's own,
 * called "MODULE (LWLockAssign)", and a count in shared memory of how many of its locks are taken.
 */
#ifndef BGWORKER_COMPAT_STORAGE_SHMEM_H
#define BGWORKER_COMPAT_STORAGE_SHMEM_H

#include_next "storage/shmem.h"
#include_next "storage/lwlock.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include <dlfcn.h>

#ifndef BGWORKER_COMPAT_SHARED
#define BGWORKER_COMPAT_SHARED __attribute__((weak, visibility("hidden")))
#endif

typedef struct BgworkerCompatTranche
{
	struct BgworkerCompatTranche *next;
	char		name[NAMEDATALEN];
	int			locks;
} BgworkerCompatTranche;

typedef struct BgworkerCompatRequests
{
	bool		hooked;
	shmem_request_hook_type next_hook;
	Size		size;
	BgworkerCompatTranche *tranches;
	int			locks;			/* of RequestAddinLWLocks */
	LWLockPadded *assigned;		/* those, and how many are taken; NULL until the first is */
	int		   *taken;
} BgworkerCompatRequests;

BGWORKER_COMPAT_SHARED BgworkerCompatRequests bgworker_compat_requests;

extern BGWORKER_COMPAT_SHARED const char *bgworker_compat_pool_name(void);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_shmem_request(void);
extern BGWORKER_COMPAT_SHARED bool bgworker_compat_request_later(void);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_request_shmem(Size size);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_request_tranche(const char *name, int locks);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_request_lwlocks(int locks);
extern BGWORKER_COMPAT_SHARED LWLock *bgworker_compat_assign_lwlock(void);

/* Of the module's file, so that two modules do not share their locks. */
const char *
bgworker_compat_pool_name(void)
{
	static char name[NAMEDATALEN];
	const char *file = "module";
	Dl_info		info;

	if (dladdr(&bgworker_compat_requests, &info) != 0)
		file = strrchr(info.dli_fname, '/') != NULL ? strrchr(info.dli_fname, '/') + 1 : info.dli_fname;
	snprintf(name, sizeof(name), "%.40s (LWLockAssign)", file);
	return name;
}

void
bgworker_compat_shmem_request(void)
{
	BgworkerCompatRequests *requests = &bgworker_compat_requests;
	BgworkerCompatTranche *tranche;

	if (requests->next_hook != NULL)
		requests->next_hook();
	RequestAddinShmemSpace(requests->size);
	for (tranche = requests->tranches; tranche != NULL; tranche = tranche->next)
		RequestNamedLWLockTranche(tranche->name, tranche->locks);
	if (requests->locks > 0)
	{
		RequestNamedLWLockTranche(bgworker_compat_pool_name(), requests->locks);
		RequestAddinShmemSpace(sizeof(int));
	}
}

/* Whether what is asked for is to be kept; if so, it will be asked for in time. */
bool
bgworker_compat_request_later(void)
{
	BgworkerCompatRequests *requests = &bgworker_compat_requests;

	if (!process_shared_preload_libraries_in_progress)
		return false;
	if (!requests->hooked)
	{
		requests->next_hook = shmem_request_hook;
		shmem_request_hook = bgworker_compat_shmem_request;
		requests->hooked = true;
	}
	return true;
}

void
bgworker_compat_request_shmem(Size size)
{
	if (process_shmem_requests_in_progress)
		RequestAddinShmemSpace(size);
	else if (bgworker_compat_request_later())
		bgworker_compat_requests.size = add_size(bgworker_compat_requests.size, size);
}

void
bgworker_compat_request_tranche(const char *name, int locks)
{
	BgworkerCompatTranche *tranche;

	if (process_shmem_requests_in_progress)
		RequestNamedLWLockTranche(name, locks);
	else if (bgworker_compat_request_later())
	{
		tranche = MemoryContextAllocZero(TopMemoryContext, sizeof(BgworkerCompatTranche));
		strlcpy(tranche->name, name, NAMEDATALEN);
		tranche->locks = locks;
		tranche->next = bgworker_compat_requests.tranches;
		bgworker_compat_requests.tranches = tranche;
	}
}

void
bgworker_compat_request_lwlocks(int locks)
{
	if (bgworker_compat_request_later())
		bgworker_compat_requests.locks += locks;
}

/* The next lock of the module's own; callers may hold AddinShmemInitLock, and in the postmaster nobody else is there. */
LWLock *
bgworker_compat_assign_lwlock(void)
{
	BgworkerCompatRequests *requests = &bgworker_compat_requests;
	bool		locked = LWLockHeldByMe(AddinShmemInitLock);
	bool		found;
	int			number;

	if (requests->locks == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no more LWLocks available"),
				 errhint("Call RequestAddinLWLocks in _PG_init, and name the module in shared_preload_libraries.")));
	if (!locked)
		LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	if (requests->taken == NULL)
	{
		requests->assigned = GetNamedLWLockTranche(bgworker_compat_pool_name());
		requests->taken = ShmemInitStruct(bgworker_compat_pool_name(), sizeof(int), &found);
		if (!found)
			*requests->taken = 0;
	}
	number = *requests->taken;
	if (number < requests->locks)
		(*requests->taken)++;
	if (!locked)
		LWLockRelease(AddinShmemInitLock);
	if (number >= requests->locks)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("no more LWLocks available"),
				 errdetail("The module has asked for %d.", requests->locks),
				 errhint("Ask for more with RequestAddinLWLocks in _PG_init.")));
	return &requests->assigned[number].lock;
}

#define RequestAddinShmemSpace(size) bgworker_compat_request_shmem(size)
#define RequestNamedLWLockTranche(name, locks) bgworker_compat_request_tranche(name, locks)
#define RequestAddinLWLocks(locks) bgworker_compat_request_lwlocks(locks)
#define LWLockAssign() bgworker_compat_assign_lwlock()

#endif
