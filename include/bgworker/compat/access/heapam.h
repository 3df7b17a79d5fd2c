/*
 * Tables as sources of the 9.3 to 9.6 generation open and read them.
 */
#ifndef BGWORKER_COMPAT_ACCESS_HEAPAM_H
#define BGWORKER_COMPAT_ACCESS_HEAPAM_H

#include_next "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"

#define heap_open(relation, lockmode) table_open(relation, lockmode)
#define heap_openrv(relation, lockmode) table_openrv(relation, lockmode)
#define heap_openrv_extended(relation, lockmode, missing_ok) table_openrv_extended(relation, lockmode, missing_ok)
#define heap_close(relation, lockmode) table_close(relation, lockmode)
#define heap_beginscan(relation, snapshot, nkeys, key) \
	((HeapScanDesc) table_beginscan(relation, snapshot, nkeys, key))
#define heap_beginscan_catalog(relation, nkeys, key) ((HeapScanDesc) table_beginscan_catalog(relation, nkeys, key))
#define heap_getnext(scan, direction) heap_getnext((TableScanDesc) (scan), direction)
#define heap_endscan(scan) table_endscan((TableScanDesc) (scan))

#endif
