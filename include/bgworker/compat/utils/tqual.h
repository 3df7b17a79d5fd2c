/*
 * The snapshots of utils/tqual.h, which is utils/snapmgr.h and access/heapam.h now.
 */
#ifndef BGWORKER_COMPAT_UTILS_TQUAL_H
#define BGWORKER_COMPAT_UTILS_TQUAL_H

#include "access/heapam.h"
#include "utils/snapmgr.h"

#endif
