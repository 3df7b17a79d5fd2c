/*
 * LWLocks as sources of the 9.3 to 9.6 generation use them: LWLockId, locks asked for in _PG_init (storage/shmem.h beside
 * this file), and tranches registered as a structure, of which only the name has a meaning now.
 */
#ifndef BGWORKER_COMPAT_STORAGE_LWLOCK_H
#define BGWORKER_COMPAT_STORAGE_LWLOCK_H

#include_next "storage/lwlock.h"
#include "storage/shmem.h"

typedef LWLock *LWLockId;

typedef struct LWLockTranche
{
	const char *name;
	void	   *array_base;
	Size		array_stride;
} LWLockTranche;

static inline void
bgworker_compat_register_tranche(int id, const LWLockTranche *tranche)
{
	LWLockRegisterTranche(id, tranche->name);
}

#define LWLockRegisterTranche(id, tranche) \
	_Generic((tranche), \
			 LWLockTranche *: bgworker_compat_register_tranche, \
			 const LWLockTranche *: bgworker_compat_register_tranche, \
			 default: LWLockRegisterTranche)(id, tranche)

#endif
