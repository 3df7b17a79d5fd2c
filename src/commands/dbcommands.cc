// Databases by name and OID, asked of the upstream.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "commands/dbcommands.h"
}

#include "bridge/catalog_lookup.hpp"

extern "C" {

Oid get_database_oid(const char* dbname, bool missing_ok) {
  Oid oid = bgw_catalog_oid_by_name("get_database_oid",
                                    "SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", dbname);
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_DATABASE), errmsg("database \"%s\" does not exist", dbname)));
  return oid;
}

char* get_database_name(Oid dbid) {
  return bgw_catalog_text_by_oid("get_database_name",
                                 "SELECT datname FROM pg_catalog.pg_database WHERE oid = $1", dbid);
}

}  // extern "C"
