// Row descriptors by name: of a type, of a relation, and of a function's OUT columns (funcapi.h). A relation's
// and a row type's columns are asked of the upstream. C style throughout.
extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

#include "bridge/catalog_lookup.hpp"

namespace {

void must_have_aliases(const List* aliases, int columns) {
  if (list_length(aliases) != columns)
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("number of aliases does not match number of columns")));
}

const char* alias_at(const List* aliases, int i) {
  return strVal(list_nth(aliases, i));
}

}  // namespace

extern "C" {

TupleDesc TypeGetTupleDesc(Oid typeoid, List* colaliases) {
  if (get_typtype(typeoid) == TYPTYPE_COMPOSITE) {
    TupleDesc desc = lookup_rowtype_tupdesc_copy(typeoid, -1);
    if (colaliases == NIL) return desc;
    must_have_aliases(colaliases, desc->natts);
    for (int i = 0; i < desc->natts; i++) namestrcpy(&TupleDescAttr(desc, i)->attname, alias_at(colaliases, i));
    // With other names it is no longer the named type's.
    desc->tdtypeid = RECORDOID;
    desc->tdtypmod = -1;
    return desc;
  }
  if (typeoid == RECORDOID)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("could not determine row description for function returning record")));
  const bool pseudo = get_typtype(typeoid) == TYPTYPE_PSEUDO && typeoid != VOIDOID && typeoid != CSTRINGOID;
  if (pseudo || type_is_rowtype(typeoid)) elog(ERROR, "function in FROM has unsupported return type");
  if (colaliases == NIL)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("no column alias was provided")));
  must_have_aliases(colaliases, 1);
  TupleDesc desc = CreateTemplateTupleDesc(1);
  TupleDescInitEntry(desc, 1, alias_at(colaliases, 0), typeoid, -1, 0);
  return desc;
}

TupleDesc RelationNameGetTupleDesc(const char* relname) {
  const Oid argument = TEXTOID;
  const Oid type = bgw_catalog_oid(
      "a relation's columns", "SELECT reltype FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.regclass", 1,
      &argument, &relname);
  if (!OidIsValid(type))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("the columns of relation \"%s\" are not available outside the server", relname),
                    errdetail("It has no row type.")));
  return lookup_rowtype_tupdesc_copy(type, -1);
}

}  // extern "C"
