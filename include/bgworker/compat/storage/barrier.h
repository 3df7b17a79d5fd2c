/*
 * Memory barriers, which this header had in 9.3 and 9.4, beside the barriers of today.
 */
#ifndef BGWORKER_COMPAT_STORAGE_BARRIER_H
#define BGWORKER_COMPAT_STORAGE_BARRIER_H

#include_next "storage/barrier.h"
#include "port/atomics.h"

#endif
