/*
 * CreateTemplateTupleDesc as it was until 11: with a second argument that said whether tuples have OIDs. None has now.
 */
#ifndef BGWORKER_COMPAT_ACCESS_TUPDESC_H
#define BGWORKER_COMPAT_ACCESS_TUPDESC_H

#include_next "access/tupdesc.h"
#include "bgworker_compat_arguments.h"

static inline TupleDesc
bgworker_compat_template2(int natts, bool hasoid)
{
	if (hasoid)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("tuples have no OIDs"),
						errhint("Give the OID a column of its own.")));
	return CreateTemplateTupleDesc(natts);
}

#define CreateTemplateTupleDesc(...) \
	BGWORKER_COMPAT_THIRD(__VA_ARGS__, bgworker_compat_template2, CreateTemplateTupleDesc, )(__VA_ARGS__)

#endif
