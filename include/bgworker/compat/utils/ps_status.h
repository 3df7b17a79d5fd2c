/*
 * set_ps_display as it was until 12: with a second argument that said whether to do it when update_process_title is off.
 */
#ifndef BGWORKER_COMPAT_UTILS_PS_STATUS_H
#define BGWORKER_COMPAT_UTILS_PS_STATUS_H

#include_next "utils/ps_status.h"
#include "bgworker_compat_arguments.h"

static inline void
bgworker_compat_ps_display2(const char *activity, bool force pg_attribute_unused())
{
	set_ps_display(activity);
}

#define set_ps_display(...) \
	BGWORKER_COMPAT_THIRD(__VA_ARGS__, bgworker_compat_ps_display2, set_ps_display, )(__VA_ARGS__)

#endif
