/*
 * Tables of contents as 9.4 to 9.6 have them: a key that is not there gives NULL.
 */
#ifndef BGWORKER_COMPAT_STORAGE_SHM_TOC_H
#define BGWORKER_COMPAT_STORAGE_SHM_TOC_H

#include_next "storage/shm_toc.h"
#include "bgworker_compat_arguments.h"

static inline void *
bgworker_compat_shm_toc_lookup2(shm_toc *toc, uint64 key)
{
	return shm_toc_lookup(toc, key, true);
}

#define shm_toc_lookup(...) \
	BGWORKER_COMPAT_FOURTH(__VA_ARGS__, shm_toc_lookup, bgworker_compat_shm_toc_lookup2, )(__VA_ARGS__)

#endif
