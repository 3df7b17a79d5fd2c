/*
 * set_latch_on_sigusr1, which workers of 9.4 and 9.5 set before they wait for others to start.
 *
 * SIGUSR1 always sets the latch now, so it has no effect.
 */
#ifndef BGWORKER_COMPAT_STORAGE_PROCSIGNAL_H
#define BGWORKER_COMPAT_STORAGE_PROCSIGNAL_H

#include_next "storage/procsignal.h"

#ifndef BGWORKER_COMPAT_SHARED
#define BGWORKER_COMPAT_SHARED __attribute__((weak, visibility("hidden")))
#endif

BGWORKER_COMPAT_SHARED bool set_latch_on_sigusr1;

#endif
