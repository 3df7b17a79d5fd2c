// What a query sees beside the catalogs (utils/queryenvironment.h): a list of named relations that live only in
// memory. Here it is kept for modules that hand one to the functions of their own; the upstream's queries see
// none of it. C style.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/table.h"
#include "nodes/pg_list.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
}

struct QueryEnvironment {
  List* relations;  // EphemeralNamedRelation, the caller's
};

extern "C" {

QueryEnvironment* create_queryEnv(void) {
  return static_cast<QueryEnvironment*>(palloc0(sizeof(QueryEnvironment)));
}

EphemeralNamedRelation get_ENR(QueryEnvironment* queryEnv, const char* name) {
  if (queryEnv == nullptr) return nullptr;
  ListCell* cell;
  foreach (cell, queryEnv->relations) {
    EphemeralNamedRelation relation = static_cast<EphemeralNamedRelation>(lfirst(cell));
    if (strcmp(relation->md.name, name) == 0) return relation;
  }
  return nullptr;
}

EphemeralNamedRelationMetadata get_visible_ENR_metadata(QueryEnvironment* queryEnv, const char* refname) {
  EphemeralNamedRelation relation = get_ENR(queryEnv, refname);
  return relation != nullptr ? &relation->md : nullptr;
}

// The name must not be taken.
void register_ENR(QueryEnvironment* queryEnv, EphemeralNamedRelation enr) {
  Assert(get_ENR(queryEnv, enr->md.name) == nullptr);
  queryEnv->relations = lappend(queryEnv->relations, enr);
}

void unregister_ENR(QueryEnvironment* queryEnv, const char* name) {
  EphemeralNamedRelation relation = get_ENR(queryEnv, name);
  if (relation != nullptr) queryEnv->relations = list_delete_ptr(queryEnv->relations, relation);
}

TupleDesc ENRMetadataGetTupDesc(EphemeralNamedRelationMetadata enrmd) {
  if (enrmd->tupdesc != nullptr) return enrmd->tupdesc;
  Relation relation = table_open(enrmd->reliddesc, NoLock);
  TupleDesc descriptor = relation->rd_att;
  table_close(relation, NoLock);
  return descriptor;
}

}  // extern "C"
