/*
 * GetUserNameFromId as 9.3 and 9.4 have it: with the role alone, which must exist.
 */
#ifndef BGWORKER_COMPAT_MISCADMIN_H
#define BGWORKER_COMPAT_MISCADMIN_H

#include_next "miscadmin.h"
#include <bgworker_compat_arguments.h>

static inline char *
bgworker_compat_user_name1(Oid role)
{
	return GetUserNameFromId(role, false);
}

#define GetUserNameFromId(...) \
	BGWORKER_COMPAT_THIRD(__VA_ARGS__, GetUserNameFromId, bgworker_compat_user_name1, )(__VA_ARGS__)

#endif
