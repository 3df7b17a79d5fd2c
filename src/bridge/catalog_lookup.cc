// Look-ups run on the worker's session, in its transaction if it has one. They change nothing and count as
// read-only. Scratch memory goes at once.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/worker_session.hpp"
#include "executor/spi_internal.hpp"

char* bgw_catalog_text(const char* what, const char* query, int nargs, const Oid* types,
                       const char* const* values) {
  if (!bgw_have_session())
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("%s needs a database session, which this process does not have", what)));
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "catalog look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  const bgw::RowSet* rows = bgw_session_lookup(query, nargs, types, values);
  char* found = nullptr;
  if (rows != nullptr && rows->rows() > 0 && !rows->is_null(0, 0))
    found = MemoryContextStrdup(outside, rows->value(0, 0));
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
  return found;
}

Oid bgw_catalog_oid(const char* what, const char* query, int nargs, const Oid* types,
                    const char* const* values) {
  char* text = bgw_catalog_text(what, query, nargs, types, values);
  if (text == nullptr) return InvalidOid;
  Oid oid = static_cast<Oid>(strtoul(text, nullptr, 10));
  pfree(text);
  return oid;
}

char* bgw_catalog_text_by_oid(const char* what, const char* query, Oid key) {
  char text[16];
  snprintf(text, sizeof(text), "%u", key);
  const char* value = text;
  Oid type = OIDOID;
  return bgw_catalog_text(what, query, 1, &type, &value);
}

Oid bgw_catalog_oid_by_name(const char* what, const char* query, const char* key) {
  Oid type = NAMEOID;
  return bgw_catalog_oid(what, query, 1, &type, &key);
}

char* bgw_type_name(Oid type) {
  return bgw_catalog_text_by_oid("a type's name", "SELECT typname FROM pg_catalog.pg_type WHERE oid = $1",
                                 type);
}
