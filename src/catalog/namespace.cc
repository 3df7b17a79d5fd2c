// Schemas and names of relations, asked of the upstream.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "utils/builtins.h"
}

#include "bridge/catalog_lookup.hpp"

extern "C" {

Oid get_namespace_oid(const char* nspname, bool missing_ok) {
  Oid oid = bgw_catalog_oid_by_name("get_namespace_oid",
                                    "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1", nspname);
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA), errmsg("schema \"%s\" does not exist", nspname)));
  return oid;
}

Oid LookupExplicitNamespace(const char* nspname, bool missing_ok) {
  return get_namespace_oid(nspname, missing_ok);
}

Oid RelnameGetRelid(const char* relname) {
  Oid type = NAMEOID;
  return bgw_catalog_oid("RelnameGetRelid",
                         "SELECT oid FROM pg_catalog.pg_class WHERE relname = $1 AND "
                         "pg_catalog.pg_table_is_visible(oid)",
                         1, &type, &relname);
}

char* NameListToString(List* names) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < list_length(names); ++i) {
    Node* node = static_cast<Node*>(list_nth(names, i));
    if (i > 0) appendStringInfoChar(&text, '.');
    if (IsA(node, String)) {
      appendStringInfoString(&text, strVal(node));
    } else if (IsA(node, A_Star)) {
      appendStringInfoChar(&text, '*');
    } else {
      elog(ERROR, "unexpected node type in name list: %d", static_cast<int>(nodeTag(node)));
    }
  }
  return text.data;
}

Oid RangeVarGetRelidExtended(const RangeVar* relation, LOCKMODE lockmode, uint32 flags,
                             RangeVarGetRelidCallback callback, void* callback_arg) {
  if (lockmode != NoLock)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("locking a relation by name is not available outside the server"),
                    errhint("Run LOCK TABLE through SPI.")));
  Oid oid;
  if (relation->schemaname != nullptr) {
    const char* values[2] = {relation->schemaname, relation->relname};
    Oid types[2] = {NAMEOID, NAMEOID};
    oid = bgw_catalog_oid("RangeVarGetRelidExtended",
                          "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
                          "c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                          2, types, values);
  } else {
    oid = RelnameGetRelid(relation->relname);
  }
  if (callback != nullptr) callback(relation, oid, InvalidOid, callback_arg);
  if (!OidIsValid(oid) && (flags & RVR_MISSING_OK) == 0) {
    if (relation->schemaname != nullptr)
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("relation \"%s.%s\" does not exist", relation->schemaname, relation->relname)));
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"%s\" does not exist", relation->relname)));
  }
  return oid;
}

RangeVar* makeRangeVarFromNameList(List* names) {
  RangeVar* made = makeRangeVar(nullptr, nullptr, -1);
  const int count = list_length(names);
  if (count < 1 || count > 3)
    ereport(ERROR,
            (errcode(ERRCODE_SYNTAX_ERROR),
             errmsg("improper relation name (too many dotted names): %s", NameListToString(names))));
  made->relname = strVal(llast(names));
  if (count > 1) made->schemaname = strVal(list_nth(names, count - 2));
  if (count > 2) made->catalogname = strVal(linitial(names));
  return made;
}

}  // extern "C"
