// Relations (utils/relcache.h): what the upstream's catalogues say of one, kept from the first time it is
// opened until its transaction ends or a statement may have changed it.
//
// References are counted for the module's resource owner, as the server does. An entry that is out of date and
// still referenced stays where it is and is not found any more; a new one is made beside it. Entries without a
// reference are removed when the next relation is opened after they went out of date, and not before: one
// reference given back too many is then an error and no accident.
#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner_private.h"
#include "utils/syscache.h"
}

#include "bridge/catalog_lookup.hpp"
#include "utils/relcache_internal.hpp"

namespace {

struct Entry {
  RelationData relation;  // first: a Relation is its entry
  const bgw::RelationRow* row;
  MemoryContext context;  // the entry itself is in it
  unsigned long generation;
  Entry* next;
};

Entry* entries;

Entry* entry_of(Relation relation) {
  return reinterpret_cast<Entry*>(relation);
}

void remove_old_entries() {
  const unsigned long now = bgw_lookups_generation();
  for (Entry** link = &entries; *link != nullptr;) {
    Entry* entry = *link;
    if (entry->generation == now || entry->relation.rd_refcnt > 0) {
      link = &entry->next;
      continue;
    }
    *link = entry->next;
    MemoryContextDelete(entry->context);
  }
}

Entry* find(Oid relid) {
  const unsigned long now = bgw_lookups_generation();
  for (Entry* entry = entries; entry != nullptr; entry = entry->next)
    if (entry->relation.rd_id == relid && entry->generation == now) return entry;
  return nullptr;
}

bool is_index(char relkind) {
  return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX;
}

void fill(RelationData* relation, const bgw::RelationRow* row) {
  const FormData_pg_class* form = row->form;
  relation->rd_node.spcNode = OidIsValid(form->reltablespace) ? form->reltablespace : MyDatabaseTableSpace;
  relation->rd_node.dbNode = form->relisshared ? InvalidOid : MyDatabaseId;
  relation->rd_node.relNode = row->relfilenode;
  relation->rd_backend = InvalidBackendId;
  relation->rd_islocaltemp = row->of_this_session;
  relation->rd_isvalid = true;
  relation->rd_rel = row->form;
  relation->rd_att = row->desc;
  relation->rd_id = form->oid;
  relation->rd_lockInfo.lockRelId.relId = form->oid;
  relation->rd_lockInfo.lockRelId.dbId = relation->rd_node.dbNode;
  relation->rd_amhandler = row->amhandler;
  // Views and the like have none in the server; with ours, a scan of one is an error instead of a crash.
  if (!is_index(form->relkind)) relation->rd_tableam = GetHeapamTableAmRoutine();
  if (form->relkind == RELKIND_SEQUENCE) relation->rd_amhandler = F_HEAP_TABLEAM_HANDLER;
}

void fill_index(RelationData* relation) {
  HeapTuple tuple = SearchSysCacheCopy1(INDEXRELID, ObjectIdGetDatum(relation->rd_id));
  if (tuple == nullptr) elog(ERROR, "cache lookup failed for index %u", relation->rd_id);
  relation->rd_indextuple = tuple;
  relation->rd_index = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
}

Entry* make_entry(Oid relid) {
  remove_old_entries();
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext context = AllocSetContextCreateInternal(caller, "a relation", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(context);
  Entry* entry = static_cast<Entry*>(palloc0(sizeof(Entry)));
  const bgw::RelationRow* row = bgw::describe_relation(relid);
  if (row == nullptr) {
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(context);
    return nullptr;
  }
  entry->row = row;
  entry->context = context;
  fill(&entry->relation, row);
  if (is_index(row->form->relkind)) fill_index(&entry->relation);
  entry->generation = bgw_lookups_generation();
  MemoryContextSwitchTo(caller);
  MemoryContextSetParent(context, TopMemoryContext);
  entry->next = entries;
  entries = entry;
  return entry;
}

}  // namespace

const bgw::RelationRow* bgw_relation_row(Relation relation) {
  return entry_of(relation)->row;
}

extern "C" {

Relation RelationIdGetRelation(Oid relationId) {
  bgw::require_relations("RelationIdGetRelation", relationId);
  Entry* entry = find(relationId);
  if (entry == nullptr) entry = make_entry(relationId);
  if (entry == nullptr) return nullptr;
  RelationIncrementReferenceCount(&entry->relation);
  return &entry->relation;
}

void RelationClose(Relation relation) {
  RelationDecrementReferenceCount(relation);
}

void RelationIncrementReferenceCount(Relation rel) {
  ResourceOwnerEnlargeRelationRefs(CurrentResourceOwner);
  rel->rd_refcnt++;
  ResourceOwnerRememberRelationRef(CurrentResourceOwner, rel);
}

void RelationDecrementReferenceCount(Relation rel) {
  ResourceOwnerForgetRelationRef(CurrentResourceOwner, rel);
  rel->rd_refcnt--;
}

}  // extern "C"
