/*
 * HeapTupleGetOid, of a tuple of a system catalog: the OID is its first column now.
 */
#ifndef BGWORKER_COMPAT_ACCESS_HTUP_DETAILS_H
#define BGWORKER_COMPAT_ACCESS_HTUP_DETAILS_H

#include_next "access/htup_details.h"

#define HeapTupleGetOid(tuple) (*(const Oid *) GETSTRUCT(tuple))

#endif
