// Roles and privileges, asked of the upstream; and aclitem, whose text names roles: "grantee=rights/grantor".
//
// What the server printed is taken apart here. Text from a module is first read, and printed again, by the
// upstream.
#include <cctype>
#include <cstring>

#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/fmgrprotos.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/oid_aliases.hpp"
#include "bridge/worker_session.hpp"

namespace {

constexpr char rights[] = ACL_ALL_RIGHTS_STR;
static_assert(sizeof(rights) == N_ACL_RIGHTS + 1);

// A role's name in a printed item, without its quotes; moves on behind it. Names are shorter than NAMEDATALEN.
bool read_role(const char** text, char* name) {
  const char* at = *text;
  const bool quoted = *at == '"';
  if (quoted) at++;
  int len = 0;
  for (;; at++) {
    if (quoted) {
      if (*at == '"' && *++at != '"') break;
    } else if (!isalnum(static_cast<unsigned char>(*at)) && *at != '_' && !IS_HIGHBIT_SET(*at)) {
      break;
    }
    if (*at == '\0' || len == NAMEDATALEN - 1) return false;
    name[len++] = *at;
  }
  name[len] = '\0';
  *text = at;
  return true;
}

// False: not as the server prints it.
bool read_item(const char* text, AclItem* item) {
  char grantee[NAMEDATALEN], grantor[NAMEDATALEN];
  if (!read_role(&text, grantee) || *text++ != '=') return false;
  AclMode granted = ACL_NO_RIGHTS, grantable = ACL_NO_RIGHTS;
  for (; *text != '/'; text++) {
    const char* letter = *text == '\0' ? nullptr : strchr(rights, *text);
    if (letter == nullptr) return false;
    const AclMode right = static_cast<AclMode>(1) << (letter - rights);
    granted |= right;
    if (text[1] == '*') {
      grantable |= right;
      text++;
    }
  }
  text++;
  if (!read_role(&text, grantor) || *text != '\0') return false;
  item->ai_grantee = *grantee == '\0' ? ACL_ID_PUBLIC : bgw::role_in_aclitem(grantee);
  item->ai_grantor = bgw::role_in_aclitem(grantor);
  ACLITEM_SET_PRIVS_GOPTIONS(*item, granted, grantable);
  return true;
}

void print_role(StringInfo out, Oid role) {
  const char* name = bgw::name_in_aclitem(role);
  bool quote = false;
  for (const char* at = name; *at != '\0'; at++)
    quote = quote || !(isalnum(static_cast<unsigned char>(*at)) || *at == '_');
  if (!quote) {
    appendStringInfoString(out, name);
    return;
  }
  appendStringInfoChar(out, '"');
  for (; *name != '\0'; name++) {
    if (*name == '"') appendStringInfoChar(out, '"');
    appendStringInfoChar(out, *name);
  }
  appendStringInfoChar(out, '"');
}

bool ask_about_two_roles(const char* what, const char* query, Oid member, Oid role) {
  char first[16], second[16];
  snprintf(first, sizeof(first), "%u", member);
  snprintf(second, sizeof(second), "%u", role);
  const char* values[2] = {first, second};
  Oid types[2] = {OIDOID, OIDOID};
  char* answer = bgw_shared_catalog_text(what, query, 2, types, values);
  return answer != nullptr && answer[0] == 't';
}

}  // namespace

extern "C" {

Oid get_role_oid(const char* rolename, bool missing_ok) {
  const Oid type = NAMEOID;
  const char* text = bgw_shared_catalog_text(
      "get_role_oid", "SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1", 1, &type, &rolename);
  const Oid oid = text != nullptr ? static_cast<Oid>(strtoul(text, nullptr, 10)) : InvalidOid;
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

Datum aclitemin(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  AclItem* item = static_cast<AclItem*>(palloc(sizeof(AclItem)));
  if (!bgw::trusted_text) {
    if (!bgw_have_session() || !IsTransactionState())
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("%s needs a transaction of a database session", "aclitem")));
    const Oid argument = TEXTOID;
    const bgw::RowSet* rows =
        bgw_session_lookup("SELECT $1::pg_catalog.aclitem::pg_catalog.text", 1, &argument, &text);
    text = pstrdup(rows->value(0, 0));
  }
  if (!read_item(text, item))
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "aclitem", text)));
  PG_RETURN_ACLITEM_P(item);
}

Datum aclitemout(PG_FUNCTION_ARGS) {
  const AclItem* item = PG_GETARG_ACLITEM_P(0);
  StringInfoData out;
  initStringInfo(&out);
  if (item->ai_grantee != ACL_ID_PUBLIC) print_role(&out, item->ai_grantee);
  appendStringInfoChar(&out, '=');
  for (int i = 0; i < N_ACL_RIGHTS; i++) {
    const AclMode right = static_cast<AclMode>(1) << i;
    if ((ACLITEM_GET_PRIVS(*item) & right) != 0) appendStringInfoChar(&out, rights[i]);
    if ((ACLITEM_GET_GOPTIONS(*item) & right) != 0) appendStringInfoChar(&out, '*');
  }
  appendStringInfoChar(&out, '/');
  print_role(&out, item->ai_grantor);
  PG_RETURN_CSTRING(out.data);
}

Datum aclitem_eq(PG_FUNCTION_ARGS) {
  const AclItem *a = PG_GETARG_ACLITEM_P(0), *b = PG_GETARG_ACLITEM_P(1);
  PG_RETURN_BOOL(a->ai_privs == b->ai_privs && a->ai_grantee == b->ai_grantee &&
                 a->ai_grantor == b->ai_grantor);
}

Datum hash_aclitem(PG_FUNCTION_ARGS) {
  const AclItem* item = PG_GETARG_ACLITEM_P(0);
  PG_RETURN_UINT32(item->ai_privs + item->ai_grantee + item->ai_grantor);
}

}  // extern "C"
