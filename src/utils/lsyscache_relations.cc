// The part of the catalog look-ups that is about relations and schemas, asked of the upstream. What is known
// of built-in types without asking is in lsyscache_types.cc.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"
}

#include "bridge/catalog_lookup.hpp"

namespace {

Oid number(char* text) {
  return text == nullptr ? InvalidOid : static_cast<Oid>(strtoul(text, nullptr, 10));
}
char first(char* text) {
  return text == nullptr ? '\0' : text[0];
}

}  // namespace

extern "C" {

Oid get_relname_relid(const char* relname, Oid relnamespace) {
  char schema[16];
  snprintf(schema, sizeof(schema), "%u", relnamespace);
  const char* values[2] = {relname, schema};
  Oid types[2] = {NAMEOID, OIDOID};
  return bgw_catalog_oid("get_relname_relid",
                         "SELECT oid FROM pg_catalog.pg_class WHERE relname = $1 AND relnamespace = $2", 2,
                         types, values);
}

char* get_rel_name(Oid relid) {
  return bgw_catalog_text_by_oid("get_rel_name", "SELECT relname FROM pg_catalog.pg_class WHERE oid = $1",
                                 relid);
}

Oid get_rel_namespace(Oid relid) {
  return number(bgw_catalog_text_by_oid("get_rel_namespace",
                                        "SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = $1", relid));
}

Oid get_rel_type_id(Oid relid) {
  return number(bgw_catalog_text_by_oid("get_rel_type_id",
                                        "SELECT reltype FROM pg_catalog.pg_class WHERE oid = $1", relid));
}

char get_rel_relkind(Oid relid) {
  return first(bgw_catalog_text_by_oid("get_rel_relkind",
                                       "SELECT relkind FROM pg_catalog.pg_class WHERE oid = $1", relid));
}

char get_rel_persistence(Oid relid) {
  return first(bgw_catalog_text_by_oid("get_rel_persistence",
                                       "SELECT relpersistence FROM pg_catalog.pg_class WHERE oid = $1", relid));
}

Oid get_rel_tablespace(Oid relid) {
  return number(bgw_catalog_text_by_oid("get_rel_tablespace",
                                        "SELECT reltablespace FROM pg_catalog.pg_class WHERE oid = $1", relid));
}

char* get_namespace_name(Oid nspid) {
  return bgw_catalog_text_by_oid("get_namespace_name",
                                 "SELECT nspname FROM pg_catalog.pg_namespace WHERE oid = $1", nspid);
}

char* get_func_name(Oid funcid) {
  return bgw_catalog_text_by_oid("get_func_name", "SELECT proname FROM pg_catalog.pg_proc WHERE oid = $1",
                                 funcid);
}

Oid get_func_namespace(Oid funcid) {
  return number(bgw_catalog_text_by_oid("get_func_namespace",
                                        "SELECT pronamespace FROM pg_catalog.pg_proc WHERE oid = $1", funcid));
}

Oid get_func_rettype(Oid funcid) {
  char* text = bgw_catalog_text_by_oid("get_func_rettype",
                                       "SELECT prorettype FROM pg_catalog.pg_proc WHERE oid = $1", funcid);
  if (text == nullptr) elog(ERROR, "cache lookup failed for function %u", funcid);
  return number(text);
}

AttrNumber get_attnum(Oid relid, const char* attname) {
  char relation[16];
  snprintf(relation, sizeof(relation), "%u", relid);
  const char* values[2] = {relation, attname};
  Oid types[2] = {OIDOID, NAMEOID};
  char* text =
      bgw_catalog_text("get_attnum",
                       "SELECT attnum FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attname = $2 "
                       "AND NOT attisdropped",
                       2, types, values);
  return text == nullptr ? InvalidAttrNumber : static_cast<AttrNumber>(atoi(text));
}

}  // extern "C"
