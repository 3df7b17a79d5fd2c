// Databases by name and OID, asked of the upstream.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "commands/dbcommands.h"
}

#include "bridge/catalog_lookup.hpp"

extern "C" {

Oid get_database_oid(const char* dbname, bool missing_ok) {
  const Oid type = NAMEOID;
  const char* text = bgw_shared_catalog_text(
      "get_database_oid", "SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", 1, &type, &dbname);
  const Oid oid = text != nullptr ? static_cast<Oid>(strtoul(text, nullptr, 10)) : InvalidOid;
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_DATABASE), errmsg("database \"%s\" does not exist", dbname)));
  return oid;
}

char* get_database_name(Oid dbid) {
  char text[16];
  snprintf(text, sizeof(text), "%u", dbid);
  const char* value = text;
  const Oid type = OIDOID;
  return bgw_shared_catalog_text("get_database_name", "SELECT datname FROM pg_catalog.pg_database WHERE oid = $1", 1,
                                 &type, &value);
}

}  // extern "C"
