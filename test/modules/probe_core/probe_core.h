/*
 * What the files of probe_core share.
 */
#ifndef PROBE_CORE_H
#define PROBE_CORE_H

#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"
#include "probe_result.h"

#include <float.h>
#include <limits.h>

#endif
