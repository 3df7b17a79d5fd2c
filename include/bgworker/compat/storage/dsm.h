/*
 * Dynamic shared memory as 9.4 has it: dsm_create without flags.
 */
#ifndef BGWORKER_COMPAT_STORAGE_DSM_H
#define BGWORKER_COMPAT_STORAGE_DSM_H

#include_next "storage/dsm.h"
#include "bgworker_compat_arguments.h"

static inline dsm_segment *
bgworker_compat_dsm_create1(Size size)
{
	return dsm_create(size, 0);
}

#define dsm_create(...) BGWORKER_COMPAT_THIRD(__VA_ARGS__, dsm_create, bgworker_compat_dsm_create1, )(__VA_ARGS__)

#endif
