// Scans of the catalogues, and of tables, as the server's own code makes them (access/genam.h): by conditions
// on columns, in the order of an index where there is one.
//
// An index is not read here: a scan is the table's SELECT with the keys as conditions, and the columns of the
// index as its order. Conditions name the columns of the table.
#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/relscan.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type_d.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
}

#include "utils/relcache_internal.hpp"

namespace {

struct Scan {
  SysScanDescData desc;  // first: modules hold a SysScanDesc
  bgw::TupleSource* source;
  MemoryContext context;  // where the scan was begun
  bool begun;             // a tuple has been asked for
  int row;                // of the tuple that was handed out last; -1 and the count: beyond an end
  HeapTuple tuple;        // nullptr: none is at hand
};

Scan* scan_of(SysScanDesc scan) {
  return reinterpret_cast<Scan*>(scan);
}

[[noreturn]] void not_an_index(const RelationData* relation) {
  ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                  errmsg("\"%s\" is not an index", NameStr(relation->rd_rel->relname))));
  pg_unreachable();
}

bool is_index(const RelationData* relation) {
  const char kind = relation->rd_rel->relkind;
  return kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX;
}

bool has_column(const RelationData* index, AttrNumber number) {
  for (int i = 0; i < index->rd_index->indnatts; i++)
    if (index->rd_index->indkey.values[i] == number) return true;
  return false;
}

// The columns of an index, in `order`, which has room for INDEX_MAX_KEYS. Returns how many.
int order_of_index(const RelationData* index, AttrNumber* order) {
  const int count = index->rd_index->indnkeyatts;
  for (int i = 0; i < count; i++) {
    order[i] = index->rd_index->indkey.values[i];
    if (order[i] == 0)
      ereport(ERROR,
              (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
               errmsg("a scan by index \"%s\", which has an expression, is not available outside the server",
                      NameStr(index->rd_rel->relname)),
               errhint("Use SPI.")));
  }
  return count;
}

SysScanDesc begin(Relation relation, const RelationData* index, Snapshot snapshot, int nkeys,
                  const ScanKeyData* keys) {
  if (index != nullptr && index->rd_index->indrelid != RelationGetRelid(relation))
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("\"%s\" is not an index for table \"%s\"", NameStr(index->rd_rel->relname),
                           RelationGetRelationName(relation))));
  for (int i = 0; index != nullptr && i < nkeys; i++)
    if (!has_column(index, keys[i].sk_attno)) elog(ERROR, "column is not in index");
  AttrNumber order[INDEX_MAX_KEYS];
  const int norder = index != nullptr ? order_of_index(index, order) : 0;
  Scan* scan = static_cast<Scan*>(palloc0(sizeof(Scan)));
  scan->context = CurrentMemoryContext;
  scan->desc.heap_rel = relation;
  // The scan's own snapshot, if none was given.
  if (snapshot == nullptr)
    scan->desc.snapshot = snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));
  scan->source = bgw::open_tuples(bgw_relation_row(relation), nkeys, keys, norder, order);
  RelationIncrementReferenceCount(relation);
  return &scan->desc;
}

HeapTuple next(Scan* scan, int step) {
  const int count = bgw::tuple_count(scan->source);
  if (scan->tuple != nullptr) heap_freetuple(scan->tuple);
  scan->tuple = nullptr;
  if (!scan->begun) scan->row = step > 0 ? -1 : count;
  scan->begun = true;
  scan->row += step;
  if (scan->row < 0 || scan->row >= count) {
    scan->row = step > 0 ? count : -1;
    return nullptr;
  }
  MemoryContext caller = MemoryContextSwitchTo(scan->context);
  scan->tuple = bgw::build_tuple_of(scan->source, scan->row);
  MemoryContextSwitchTo(caller);
  return scan->tuple;
}

void end(Scan* scan) {
  if (scan->tuple != nullptr) heap_freetuple(scan->tuple);
  bgw::close_tuples(scan->source);
  RelationDecrementReferenceCount(scan->desc.heap_rel);
  if (scan->desc.snapshot != nullptr) UnregisterSnapshot(scan->desc.snapshot);
  pfree(scan);
}

}  // namespace

extern "C" {

Relation index_open(Oid relationId, LOCKMODE lockmode) {
  Relation relation = relation_open(relationId, lockmode);
  if (!is_index(relation)) not_an_index(relation);
  return relation;
}

Relation try_index_open(Oid relationId, LOCKMODE lockmode) {
  Relation relation = try_relation_open(relationId, lockmode);
  if (relation != nullptr && !is_index(relation)) not_an_index(relation);
  return relation;
}

void index_close(Relation relation, LOCKMODE lockmode) {
  RelationClose(relation);
}

SysScanDesc systable_beginscan(Relation heapRelation, Oid indexId, bool indexOK, Snapshot snapshot, int nkeys,
                               ScanKey key) {
  if (!indexOK) return begin(heapRelation, nullptr, snapshot, nkeys, key);
  Relation index = index_open(indexId, NoLock);
  SysScanDesc scan = begin(heapRelation, index, snapshot, nkeys, key);
  index_close(index, NoLock);
  return scan;
}

HeapTuple systable_getnext(SysScanDesc sysscan) {
  return next(scan_of(sysscan), 1);
}

// Whether a statement that begins now still finds the row where it was, and no newer version of it.
bool systable_recheck_tuple(SysScanDesc sysscan, HeapTuple tup) {
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(caller, "a row's recheck", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  const char* values[2] = {
      psprintf("(%u,%u)", ItemPointerGetBlockNumber(&tup->t_self), ItemPointerGetOffsetNumber(&tup->t_self)),
      psprintf("%u", HeapTupleHeaderGetXmin(tup->t_data))};
  const Oid types[2] = {TIDOID, XIDOID};
  const bgw::RowSet* rows = bgw::catalog_lookup(
      psprintf("SELECT FROM ONLY %s WHERE ctid OPERATOR(pg_catalog.=) $1 AND xmin OPERATOR(pg_catalog.=) $2",
               bgw_relation_row(sysscan->heap_rel)->quoted),
      2, types, values);
  const bool found = rows->rows() > 0;
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  return found;
}

void systable_endscan(SysScanDesc sysscan) {
  end(scan_of(sysscan));
}

SysScanDesc systable_beginscan_ordered(Relation heapRelation, Relation indexRelation, Snapshot snapshot,
                                       int nkeys, ScanKey key) {
  return begin(heapRelation, indexRelation, snapshot, nkeys, key);
}

HeapTuple systable_getnext_ordered(SysScanDesc sysscan, ScanDirection direction) {
  if (ScanDirectionIsNoMovement(direction)) return nullptr;
  return next(scan_of(sysscan), ScanDirectionIsForward(direction) ? 1 : -1);
}

void systable_endscan_ordered(SysScanDesc sysscan) {
  end(scan_of(sysscan));
}

}  // extern "C"
