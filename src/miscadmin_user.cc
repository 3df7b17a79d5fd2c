// Who this process is on the upstream: the authenticated, session and current user, and what is known of
// them. The current user follows SetUserIdAndSecContext(); the session makes statements run as it
// (bridge/worker_session.cc).
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/builtins.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/worker_session.hpp"

namespace {

Oid authenticated_user_id = InvalidOid, session_user_id = InvalidOid;
// outer_user_id is whom SET ROLE has made the worker, else the session user; the current user may differ for a while.
Oid outer_user_id = InvalidOid, current_user_id = InvalidOid;
bool role_is_set = false;
bool authenticated_super = false, session_super = false;
int security_context = 0;

// One value that the upstream gives for a role; nullptr if there is no such role or no session. In the
// current memory context.
char* ask_about_role(const char* query, Oid role) {
  if (bgw_have_session()) return bgw_catalog_text_by_oid("a role", query, role);
  if (!bgw_connected_without_database() || !IsTransactionState()) return nullptr;
  char text[16];
  snprintf(text, sizeof(text), "%u", role);
  const char* value = text;
  const Oid type = OIDOID;
  return bgw_shared_catalog_text("a role", query, 1, &type, &value);
}

}  // namespace

extern "C" {

Oid MyDatabaseId = InvalidOid;
Oid MyDatabaseTableSpace = InvalidOid;

Oid GetUserId(void) {
  return current_user_id;
}
Oid GetOuterUserId(void) {
  return outer_user_id;
}
Oid GetSessionUserId(void) {
  return session_user_id;
}
Oid GetAuthenticatedUserId(void) {
  return authenticated_user_id;
}
bool GetSessionUserIsSuperuser(void) {
  return session_super;
}
bool GetAuthenticatedUserIsSuperuser(void) {
  return authenticated_super;
}
Oid GetCurrentRoleId(void) {
  return role_is_set ? outer_user_id : InvalidOid;
}

void SetCurrentRoleId(Oid roleid, bool is_superuser) {
  role_is_set = OidIsValid(roleid);
  if (!role_is_set && !OidIsValid(session_user_id)) return;
  outer_user_id = current_user_id = role_is_set ? roleid : session_user_id;
}

void SetAuthenticatedUserId(Oid userid, bool is_superuser) {
  authenticated_user_id = session_user_id = outer_user_id = current_user_id = userid;
  role_is_set = false;
  authenticated_super = session_super = is_superuser;
  security_context = 0;
}

void SetSessionAuthorization(Oid userid, bool is_superuser) {
  session_user_id = userid;
  if (!role_is_set) outer_user_id = current_user_id = userid;
  session_super = is_superuser;
}

void GetUserIdAndSecContext(Oid* userid, int* sec_context) {
  *userid = current_user_id;
  *sec_context = security_context;
}

void SetUserIdAndSecContext(Oid userid, int sec_context) {
  current_user_id = userid;
  security_context = sec_context;
}

void GetUserIdAndContext(Oid* userid, bool* sec_def_context) {
  *userid = current_user_id;
  *sec_def_context = InLocalUserIdChange();
}

void SetUserIdAndContext(Oid userid, bool sec_def_context) {
  current_user_id = userid;
  if (sec_def_context) {
    security_context |= SECURITY_LOCAL_USERID_CHANGE;
  } else {
    security_context &= ~SECURITY_LOCAL_USERID_CHANGE;
  }
}

bool InLocalUserIdChange(void) {
  return (security_context & SECURITY_LOCAL_USERID_CHANGE) != 0;
}
bool InSecurityRestrictedOperation(void) {
  return (security_context & SECURITY_RESTRICTED_OPERATION) != 0;
}
bool InNoForceRLSOperation(void) {
  return (security_context & SECURITY_NOFORCE_RLS) != 0;
}

bool superuser(void) {
  return superuser_arg(current_user_id);
}

bool superuser_arg(Oid roleid) {
  if (roleid == session_user_id) return session_super;
  char* answer = ask_about_role("SELECT rolsuper FROM pg_catalog.pg_roles WHERE oid = $1", roleid);
  return answer != nullptr && answer[0] == 't';
}

bool has_rolreplication(Oid roleid) {
  char* answer =
      ask_about_role("SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE oid = $1", roleid);
  return answer != nullptr && answer[0] == 't';
}

char* GetUserNameFromId(Oid roleid, bool noerr) {
  char* name = ask_about_role("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1", roleid);
  if (name == nullptr && !noerr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("invalid role OID: %u", roleid)));
  return name;
}

}  // extern "C"
