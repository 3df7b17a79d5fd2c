// Scans of tables (access/heapam.h, access/tableam.h): one SELECT for each, sent when the scan begins; the rows
// are handed out one by one, forwards or backwards.
//
// The access method of every relation here is heap, with the entries that read; each of the others raises an
// error that names it. A tuple lives until the next one is asked for, or the scan ends.
#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}

#include "utils/relcache_internal.hpp"

namespace {

struct Scan {
  HeapScanDescData heap;  // first: modules hold a TableScanDesc, or a HeapScanDesc
  bgw::TupleSource* source;
  MemoryContext context;  // where the scan was begun
  int row;                // of the tuple that was handed out last; -1: before the first one
  HeapTuple tuple;        // nullptr: none is at hand
};

Scan* scan_of(TableScanDesc scan) {
  return reinterpret_cast<Scan*>(scan);
}

void drop_tuple(Scan* scan) {
  if (scan->tuple != nullptr) heap_freetuple(scan->tuple);
  scan->tuple = nullptr;
}

// Reads the rows that the keys of the scan allow.
void read_rows(Scan* scan) {
  TableScanDesc base = &scan->heap.rs_base;
  MemoryContext caller = MemoryContextSwitchTo(scan->context);
  drop_tuple(scan);
  if (scan->source != nullptr) bgw::close_tuples(scan->source);
  scan->source = nullptr;
  scan->source = bgw::open_tuples(bgw_relation_row(base->rs_rd), base->rs_nkeys, base->rs_key, 0, nullptr);
  scan->row = -1;
  scan->heap.rs_inited = false;
  MemoryContextSwitchTo(caller);
}

[[noreturn]] void refuse(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("\"%s\" of a table's access method is not available outside the server", what),
                  errhint("Use SPI.")));
  pg_unreachable();
}

template <class Name, class R, class... A>
R refusal(A...) {
  refuse(Name::text());
}

template <class Name, class R, class... A>
void set_refusal(R (*&member)(A...)) {
  member = &refusal<Name, R, A...>;
}

}  // namespace

extern "C" {

TableScanDesc heap_beginscan(Relation relation, Snapshot snapshot, int nkeys, ScanKey key,
                             ParallelTableScanDesc parallel_scan, uint32 flags) {
  const char kind = relation->rd_rel->relkind;
  if (!RELKIND_HAS_TABLE_AM(kind) && kind != RELKIND_SEQUENCE)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("\"%s\" is not a table that can be scanned", RelationGetRelationName(relation)),
                    errhint("SELECT from it through SPI.")));
  if (parallel_scan != nullptr || !(flags & SO_TYPE_SEQSCAN))
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("only sequential scans of a table are available outside the server"), errhint("Use SPI.")));
  Scan* scan = static_cast<Scan*>(palloc0(sizeof(Scan)));
  scan->context = CurrentMemoryContext;
  TableScanDesc base = &scan->heap.rs_base;
  base->rs_rd = relation;
  base->rs_snapshot = snapshot;
  base->rs_nkeys = nkeys;
  base->rs_flags = flags;
  if (nkeys > 0) {
    base->rs_key = static_cast<ScanKey>(palloc0(sizeof(ScanKeyData) * static_cast<Size>(nkeys)));
    if (key != nullptr) memcpy(base->rs_key, key, sizeof(ScanKeyData) * static_cast<Size>(nkeys));
  }
  scan->heap.rs_numblocks = InvalidBlockNumber;
  scan->heap.rs_cblock = InvalidBlockNumber;
  scan->heap.rs_ctup.t_tableOid = RelationGetRelid(relation);
  RelationIncrementReferenceCount(relation);
  // Keys may come with the first rescan.
  if (nkeys == 0 || key != nullptr) read_rows(scan);
  return base;
}

void heap_rescan(TableScanDesc sscan, ScanKey key, bool set_params, bool allow_strat, bool allow_sync,
                 bool allow_pagemode) {
  if (key != nullptr && sscan->rs_nkeys > 0)
    memcpy(sscan->rs_key, key, sizeof(ScanKeyData) * static_cast<Size>(sscan->rs_nkeys));
  read_rows(scan_of(sscan));
}

void heap_endscan(TableScanDesc sscan) {
  Scan* scan = scan_of(sscan);
  drop_tuple(scan);
  if (scan->source != nullptr) bgw::close_tuples(scan->source);
  RelationDecrementReferenceCount(sscan->rs_rd);
  if (sscan->rs_key != nullptr) pfree(sscan->rs_key);
  if (sscan->rs_flags & SO_TEMP_SNAPSHOT) UnregisterSnapshot(sscan->rs_snapshot);
  pfree(scan);
}

HeapTuple heap_getnext(TableScanDesc sscan, ScanDirection direction) {
  Scan* scan = scan_of(sscan);
  if (scan->source == nullptr) read_rows(scan);
  const int count = bgw::tuple_count(scan->source);
  if (ScanDirectionIsNoMovement(direction)) return scan->tuple != nullptr ? &scan->heap.rs_ctup : nullptr;
  // A scan that has come to an end begins anew, from the side that it is then read from.
  if (!scan->heap.rs_inited) scan->row = ScanDirectionIsForward(direction) ? -1 : count;
  scan->heap.rs_inited = true;
  scan->row += ScanDirectionIsForward(direction) ? 1 : -1;
  drop_tuple(scan);
  if (scan->row < 0 || scan->row >= count) {
    scan->heap.rs_inited = false;
    scan->heap.rs_ctup.t_data = nullptr;
    return nullptr;
  }
  MemoryContext caller = MemoryContextSwitchTo(scan->context);
  scan->tuple = bgw::build_tuple_of(scan->source, scan->row);
  MemoryContextSwitchTo(caller);
  scan->heap.rs_ctup = *scan->tuple;
  return &scan->heap.rs_ctup;
}

TableScanDesc table_beginscan_catalog(Relation relation, int nkeys, ScanKeyData* key) {
  Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));
  return relation->rd_tableam->scan_begin(
      relation, snapshot, nkeys, key, nullptr,
      SO_TYPE_SEQSCAN | SO_ALLOW_STRAT | SO_ALLOW_SYNC | SO_ALLOW_PAGEMODE | SO_TEMP_SNAPSHOT);
}

const TableAmRoutine* GetHeapamTableAmRoutine(void) {
  static TableAmRoutine routine;
  if (routine.type == T_TableAmRoutine) return &routine;
#define REFUSE(member)                              \
  do {                                              \
    struct Name {                                   \
      static const char* text() { return #member; } \
    };                                              \
    set_refusal<Name>(routine.member);              \
  } while (0)
  REFUSE(slot_callbacks);
  REFUSE(scan_getnextslot);
  REFUSE(scan_set_tidrange);
  REFUSE(scan_getnextslot_tidrange);
  REFUSE(parallelscan_estimate);
  REFUSE(parallelscan_initialize);
  REFUSE(parallelscan_reinitialize);
  REFUSE(index_fetch_begin);
  REFUSE(index_fetch_reset);
  REFUSE(index_fetch_end);
  REFUSE(index_fetch_tuple);
  REFUSE(tuple_fetch_row_version);
  REFUSE(tuple_tid_valid);
  REFUSE(tuple_get_latest_tid);
  REFUSE(tuple_satisfies_snapshot);
  REFUSE(index_delete_tuples);
  REFUSE(tuple_insert);
  REFUSE(tuple_insert_speculative);
  REFUSE(tuple_complete_speculative);
  REFUSE(multi_insert);
  REFUSE(tuple_delete);
  REFUSE(tuple_update);
  REFUSE(tuple_lock);
  REFUSE(relation_set_new_filenode);
  REFUSE(relation_nontransactional_truncate);
  REFUSE(relation_copy_data);
  REFUSE(relation_copy_for_cluster);
  REFUSE(relation_vacuum);
  REFUSE(scan_analyze_next_block);
  REFUSE(scan_analyze_next_tuple);
  REFUSE(index_build_range_scan);
  REFUSE(index_validate_scan);
  REFUSE(relation_size);
  REFUSE(relation_needs_toast_table);
  REFUSE(relation_toast_am);
  REFUSE(relation_fetch_toast_slice);
  REFUSE(relation_estimate_size);
  REFUSE(scan_bitmap_next_block);
  REFUSE(scan_bitmap_next_tuple);
  REFUSE(scan_sample_next_block);
  REFUSE(scan_sample_next_tuple);
#undef REFUSE
  routine.scan_begin = heap_beginscan;
  routine.scan_end = heap_endscan;
  routine.scan_rescan = heap_rescan;
  routine.type = T_TableAmRoutine;
  return &routine;
}

}  // extern "C"
