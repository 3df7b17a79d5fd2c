// Roles and privileges, asked of the upstream.
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "utils/acl.h"
}

#include "bridge/catalog_lookup.hpp"

namespace {

bool ask_about_two_roles(const char* what, const char* query, Oid member, Oid role) {
  char first[16], second[16];
  snprintf(first, sizeof(first), "%u", member);
  snprintf(second, sizeof(second), "%u", role);
  const char* values[2] = {first, second};
  Oid types[2] = {OIDOID, OIDOID};
  char* answer = bgw_catalog_text(what, query, 2, types, values);
  return answer != nullptr && answer[0] == 't';
}

}  // namespace

extern "C" {

Oid get_role_oid(const char* rolename, bool missing_ok) {
  Oid oid = bgw_catalog_oid_by_name("get_role_oid", "SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1",
                                    rolename);
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("role \"%s\" does not exist", rolename)));
  return oid;
}

Oid get_role_oid_or_public(const char* rolename) {
  return strcmp(rolename, "public") == 0 ? ACL_ID_PUBLIC : get_role_oid(rolename, false);
}

bool has_privs_of_role(Oid member, Oid role) {
  return member == role || ask_about_two_roles("has_privs_of_role",
                                               "SELECT pg_catalog.pg_has_role($1, $2, 'USAGE')", member, role);
}

bool is_member_of_role(Oid member, Oid role) {
  return member == role || ask_about_two_roles("is_member_of_role",
                                               "SELECT pg_catalog.pg_has_role($1, $2, 'MEMBER')", member, role);
}

}  // extern "C"
