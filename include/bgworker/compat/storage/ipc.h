/*
 * Where sources of the 9.3 to 9.6 generation find RequestAddinShmemSpace, which they call from _PG_init.
 */
#ifndef BGWORKER_COMPAT_STORAGE_IPC_H
#define BGWORKER_COMPAT_STORAGE_IPC_H

#include_next "storage/ipc.h"
#include "storage/shmem.h"

#endif
