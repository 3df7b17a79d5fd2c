/*
 * RequestAddinShmemSpace as sources of the 9.3 to 9.6 generation call it: from _PG_init.
 *
 * Today's server wants it from shmem_request_hook. What is asked for while modules are preloaded is added up and asked for
 * there; at any other time it is ignored, as it was then.
 */
#ifndef BGWORKER_COMPAT_STORAGE_SHMEM_H
#define BGWORKER_COMPAT_STORAGE_SHMEM_H

#include_next "storage/shmem.h"
#include "miscadmin.h"

#ifndef BGWORKER_COMPAT_SHARED
#define BGWORKER_COMPAT_SHARED __attribute__((weak, visibility("hidden")))
#endif

BGWORKER_COMPAT_SHARED Size bgworker_compat_shmem_size;
BGWORKER_COMPAT_SHARED shmem_request_hook_type bgworker_compat_next_shmem_request;

extern BGWORKER_COMPAT_SHARED void bgworker_compat_shmem_request(void);
extern BGWORKER_COMPAT_SHARED void bgworker_compat_request_shmem(Size size);

void
bgworker_compat_shmem_request(void)
{
	if (bgworker_compat_next_shmem_request != NULL)
		bgworker_compat_next_shmem_request();
	RequestAddinShmemSpace(bgworker_compat_shmem_size);
}

void
bgworker_compat_request_shmem(Size size)
{
	if (process_shmem_requests_in_progress)
		RequestAddinShmemSpace(size);
	else if (process_shared_preload_libraries_in_progress)
	{
		if (bgworker_compat_shmem_size == 0)
		{
			bgworker_compat_next_shmem_request = shmem_request_hook;
			shmem_request_hook = bgworker_compat_shmem_request;
		}
		bgworker_compat_shmem_size = add_size(bgworker_compat_shmem_size, size);
	}
}

#define RequestAddinShmemSpace(size) bgworker_compat_request_shmem(size)

#endif
