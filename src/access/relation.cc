// Opening relations (access/relation.h, access/table.h): by OID or by name, with a lock.
//
// A lock on a table is LOCK TABLE in the worker's transaction (storage/lmgr.cc). AccessShareLock on a catalogue
// needs no statement: what reads it takes the lock anyway. Relations that LOCK TABLE does not take are opened
// without one. Locks last until the transaction ends, whatever a relation is closed with.
#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/relcache.h"
}

namespace {

bool needs_lock_statement(const RelationData* relation, LOCKMODE mode) {
  const char kind = relation->rd_rel->relkind;
  if (mode == NoLock || (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)) return false;
  return mode != AccessShareLock || relation->rd_id >= FirstNormalObjectId;
}

// nullptr if there is none. What is read of the relation before the lock is there may be out of date when it
// is.
Relation open_relation(Oid relid, LOCKMODE mode) {
  Relation relation = RelationIdGetRelation(relid);
  if (relation == nullptr || !needs_lock_statement(relation, mode)) return relation;
  RelationClose(relation);
  LockRelationOid(relid, mode);
  return RelationIdGetRelation(relid);
}

void must_be_table(const RelationData* relation) {
  const char kind = relation->rd_rel->relkind;
  const char* name = NameStr(relation->rd_rel->relname);
  if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is an index", name)));
  if (kind == RELKIND_COMPOSITE_TYPE)
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is a composite type", name)));
}

Oid find_by_name(const RangeVar* name, bool missing_ok) {
  return RangeVarGetRelidExtended(name, NoLock, missing_ok ? RVR_MISSING_OK : 0, nullptr, nullptr);
}

}  // namespace

extern "C" {

Relation try_relation_open(Oid relationId, LOCKMODE lockmode) {
  return open_relation(relationId, lockmode);
}

Relation relation_open(Oid relationId, LOCKMODE lockmode) {
  Relation relation = open_relation(relationId, lockmode);
  if (relation == nullptr) elog(ERROR, "could not open relation with OID %u", relationId);
  return relation;
}

Relation relation_openrv(const RangeVar* relation, LOCKMODE lockmode) {
  return relation_open(find_by_name(relation, false), lockmode);
}

Relation relation_openrv_extended(const RangeVar* relation, LOCKMODE lockmode, bool missing_ok) {
  const Oid relid = find_by_name(relation, missing_ok);
  return OidIsValid(relid) ? relation_open(relid, lockmode) : nullptr;
}

void relation_close(Relation relation, LOCKMODE lockmode) {
  RelationClose(relation);
}

Relation table_open(Oid relationId, LOCKMODE lockmode) {
  Relation relation = relation_open(relationId, lockmode);
  must_be_table(relation);
  return relation;
}

Relation try_table_open(Oid relationId, LOCKMODE lockmode) {
  Relation relation = try_relation_open(relationId, lockmode);
  if (relation != nullptr) must_be_table(relation);
  return relation;
}

Relation table_openrv(const RangeVar* relation, LOCKMODE lockmode) {
  Relation opened = relation_openrv(relation, lockmode);
  must_be_table(opened);
  return opened;
}

Relation table_openrv_extended(const RangeVar* relation, LOCKMODE lockmode, bool missing_ok) {
  Relation opened = relation_openrv_extended(relation, lockmode, missing_ok);
  if (opened != nullptr) must_be_table(opened);
  return opened;
}

void table_close(Relation relation, LOCKMODE lockmode) {
  relation_close(relation, lockmode);
}

}  // extern "C"
