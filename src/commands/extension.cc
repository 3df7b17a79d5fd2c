// Extensions, asked of the upstream.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "commands/extension.h"
}

#include "bridge/catalog_lookup.hpp"

extern "C" {

bool creating_extension = false;
Oid CurrentExtensionObject = InvalidOid;

Oid get_extension_oid(const char* extname, bool missing_ok) {
  Oid oid = bgw_catalog_oid_by_name("get_extension_oid",
                                    "SELECT oid FROM pg_catalog.pg_extension WHERE extname = $1", extname);
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"%s\" does not exist", extname)));
  return oid;
}

char* get_extension_name(Oid ext_oid) {
  return bgw_catalog_text_by_oid("get_extension_name",
                                 "SELECT extname FROM pg_catalog.pg_extension WHERE oid = $1", ext_oid);
}

}  // extern "C"
