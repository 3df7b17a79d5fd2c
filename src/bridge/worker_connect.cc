// Opening a worker's session: which database, as which role, and putting the session into the state in which
// the host can read what it prints and in which the server's rules for workers hold.
//
// One round trip after the connection itself learns who and where we are; a second one sets the session up.
// A role other than the connection's own is taken by the means the upstream allows: SET SESSION AUTHORIZATION
// for a superuser (with the role's own settings applied first), SET ROLE for a member, a connection of its
// own otherwise. Every failure is FATAL, with the server's words where it has any.
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "bridge/wait.hpp"
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_authid_d.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/critical.hpp"
#include "bridge/server_message.hpp"
#include "bridge/worker_session.hpp"
#include "bridge/worker_session_internal.hpp"
#include "postmaster/upstream.hpp"
#include "utils/guc_internal.hpp"
#include "utils/session_timeouts.hpp"

namespace bgw {

namespace {

Session* opening = nullptr;  // the session that is being made, or the one for shared look-ups
bool without_database = false;

// What the upstream says about a fresh session. No destructor: it lives in frames that may be left by a jump.
struct Identity {
  bool have_role;  // a role was asked for and exists
  Oid database, tablespace, session_role, wanted_role;
  bool session_super, can_login, wanted_super, member, may_connect, wanted_is_session;
  char session_name[NAMEDATALEN * 4];
  char wanted_name[NAMEDATALEN * 4];
  char database_name[NAMEDATALEN * 4];
};

void copy_name(char* to, const char* from) {
  strlcpy(to, from, NAMEDATALEN * 4);
}

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

// The same in palloc'd memory, for frames that may be left by a jump.
char* quote_identifier_for_session(const char* name) {
  char* quoted = static_cast<char*>(palloc(strlen(name) * 2 + 3));
  char* to = quoted;
  *to++ = '"';
  for (; *name; ++name) {
    if (*name == '"') *to++ = '"';
    *to++ = *name;
  }
  *to++ = '"';
  *to = '\0';
  return quoted;
}

Request plain(std::string text) {
  Request request;
  request.text = std::move(text);
  return request;
}

Step open_step(const char* dbname, const char* user) noexcept {
  CriticalScope critical;
  if (!opening) opening = new Session(wait_for_socket, 256, prepare_threshold);
  ConnectRequest request{.conninfo = bgw_upstream_conninfo(), .overrides = {}};
  if (dbname) request.overrides.emplace_back("dbname", dbname);
  if (user) request.overrides.emplace_back("user", user);
  request.overrides.emplace_back("application_name", MyBgworkerEntry ? MyBgworkerEntry->bgw_name : "bgworkerd");
  return opening->connect(request);
}

Step resume_opening() noexcept {
  CriticalScope critical;
  return opening->resume();
}

void finish_opening(Step step) {
  while (step == Step::interrupted) {
    check_deferred_exit();
    CHECK_FOR_INTERRUPTS();
    step = resume_opening();
  }
}

std::optional<BgwMessage> opening_failure() noexcept {
  CriticalScope critical;
  if (!opening->failure()) return std::nullopt;
  return bgw_keep_message(opening->failure()->message);
}

void drop_opening() noexcept {
  CriticalScope critical;
  opening->close();
}

// Raises what the connection attempt or a set-up statement failed with.
void fatal_if_failed(const char* what) {
  std::optional<BgwMessage> failure = opening_failure();
  if (!failure) return;
  if (what != nullptr && failure->context == nullptr) failure->context = pstrdup(what);
  bgw_report_message(FATAL, &*failure, 0);
}

Step ask_identity(const char* role, Oid role_oid) noexcept {
  CriticalScope critical;
  Request request = plain(
      "SELECT d.oid, d.dattablespace, d.datname, s.oid, s.rolname, s.rolsuper, u.oid, u.rolname, "
      "u.rolcanlogin, "
      "u.rolsuper, pg_catalog.pg_has_role(s.oid, u.oid, 'MEMBER'), "
      "pg_catalog.has_database_privilege(u.oid, d.oid, 'CONNECT') "
      "FROM pg_catalog.pg_database d "
      "JOIN pg_catalog.pg_roles s ON s.rolname = session_user "
      "LEFT JOIN pg_catalog.pg_roles u ON CASE WHEN $1::text IS NOT NULL THEN u.rolname = $1::name "
      "ELSE u.oid = $2::oid END "
      "WHERE d.datname = pg_catalog.current_database()");
  request.types = {25, 26};
  request.values = {role ? std::optional<std::string>(role) : std::nullopt,
                    OidIsValid(role_oid) ? std::optional<std::string>(std::to_string(role_oid)) : std::nullopt};
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return opening->execute_outside(std::move(requests));
}

bool read_identity(Identity* id) noexcept {
  CriticalScope critical;
  *id = Identity{};
  RowSet rows = opening->take_rows();
  if (!rows.has_rows() || rows.rows() != 1) return false;
  auto oid = [&](int c) { return static_cast<Oid>(std::strtoul(rows.value(0, c), nullptr, 10)); };
  auto truth = [&](int c) { return !rows.is_null(0, c) && rows.value(0, c)[0] == 't'; };
  id->database = oid(0);
  id->tablespace = oid(1);
  copy_name(id->database_name, rows.value(0, 2));
  id->session_role = oid(3);
  copy_name(id->session_name, rows.value(0, 4));
  id->session_super = truth(5);
  id->have_role = !rows.is_null(0, 6);
  if (id->have_role) {
    id->wanted_role = oid(6);
    copy_name(id->wanted_name, rows.value(0, 7));
    id->can_login = truth(8);
    id->wanted_super = truth(9);
    id->member = truth(10);
    id->may_connect = truth(11);
  }
  return true;
}

// The settings of a role that the upstream would have applied to a connection of its own.
std::string role_settings_text(const Identity* id, bool transaction_only) {
  return std::string(
             "SELECT pg_catalog.set_config(pg_catalog.split_part(c, '=', 1), "
             "pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1), ") +
         (transaction_only ? "true" : "false") +
         ") FROM (SELECT c FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c WHERE "
         "s.setrole = " +
         std::to_string(id->wanted_role) + " AND s.setdatabase IN (0, " + std::to_string(id->database) +
         ") ORDER BY s.setdatabase) settings";
}

Step apply_role_settings(const Identity* id) noexcept {
  CriticalScope critical;
  std::vector<Request> requests;
  requests.push_back(plain(role_settings_text(id, false)));
  return opening->execute_outside(std::move(requests));
}

// How the session becomes the worker's: "SET [LOCAL]" and this.
char* become_text(const Identity* id, bool other_role) {
  if (!other_role) return nullptr;
  return psprintf("%s %s", id->session_super ? "SESSION AUTHORIZATION" : "ROLE",
                  quote_identifier_for_session(id->wanted_name));
}

// Timeouts that a worker is not subject to, and output that the host reads.
Step set_up_session(const char* become) noexcept {
  CriticalScope critical;
  std::vector<Request> requests;
  requests.push_back(plain(session_set_up_text(*opening, false)));
  if (become) requests.push_back(plain(std::string("SET ") + become));
  return opening->execute_outside(std::move(requests));
}

// The same for each transaction anew: behind a pooler in transaction mode what is set for the session would be
// somebody else's next.
void set_up_transactions(const Identity* id, bool role_settings, const char* become) noexcept {
  CriticalScope critical;
  std::vector<std::string> statements;
  if (role_settings) statements.push_back(role_settings_text(id, true));
  statements.push_back(session_set_up_text(*opening, true));
  if (become) statements.push_back(std::string("SET LOCAL ") + become);
  opening->set_preamble(std::move(statements));
}

// The wake-up channels, one statement each; none configured: nothing to do.
bool wake_channels_wanted() {
  return wake_channels != nullptr && wake_channels[0] != '\0';
}

Step listen_step() noexcept {
  CriticalScope critical;
  std::vector<Request> requests;
  std::string_view list = wake_channels;
  while (!list.empty()) {
    std::size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (!name.empty()) requests.push_back(plain("LISTEN " + quote_name(name)));
  }
  if (requests.empty()) return Step::done;
  return opening->execute_outside(std::move(requests));
}

void rollback_at_exit(int code, Datum arg) {
  AbortOutOfAnyTransaction();
  session_at_exit();
}

void connect_to(const char* dbname, const char* user) {
  finish_opening(open_step(dbname, user));
  fatal_if_failed(nullptr);
}

// The database's name by its OID, through a connection to wherever the connection string leads.
char* database_name_of(Oid dboid) {
  connect_to(nullptr, nullptr);
  struct Ask {
    static Step start(Oid oid) noexcept {
      CriticalScope critical;
      std::vector<Request> requests;
      requests.push_back(
          plain("SELECT datname FROM pg_catalog.pg_database WHERE oid = " + std::to_string(oid)));
      return opening->execute_outside(std::move(requests));
    }
    static bool read(char* name) noexcept {
      CriticalScope critical;
      RowSet rows = opening->take_rows();
      if (!rows.has_rows() || rows.rows() == 0) return false;
      copy_name(name, rows.value(0, 0));
      return true;
    }
  };
  finish_opening(Ask::start(dboid));
  fatal_if_failed(nullptr);
  char* name = static_cast<char*>(palloc(NAMEDATALEN * 4));
  bool found = Ask::read(name);
  drop_opening();
  if (!found)
    ereport(FATAL, (errcode(ERRCODE_UNDEFINED_DATABASE), errmsg("database %u does not exist", dboid)));
  return name;
}

void check_role(const Identity* id, const char* username, Oid useroid) {
  if (!id->have_role) {
    if (username != nullptr)
      ereport(FATAL, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                      errmsg("role \"%s\" does not exist", username)));
    ereport(FATAL, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("role with OID %u does not exist", useroid)));
  }
  if (!id->can_login)
    ereport(FATAL, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("role \"%s\" is not permitted to log in", id->wanted_name)));
}

bool opening_failed_with(const char* sqlstate) noexcept {
  CriticalScope critical;
  return opening->failure() && opening->failure()->message.sqlstate == sqlstate;
}

// Server: the role is looked up before the database. When the database is missing, look at the role through
// the connection string's own database first.
void check_role_without_database(const char* username, Oid useroid) {
  std::optional<BgwMessage> failure = opening_failure();
  drop_opening();
  Step step = open_step(nullptr, nullptr);
  finish_opening(step);
  if (!opening_failure()) {
    finish_opening(ask_identity(username, useroid));
    Identity id;
    if (!opening_failure() && read_identity(&id)) check_role(&id, username, useroid);
  }
  drop_opening();
  if (failure) bgw_report_message(FATAL, &*failure, 0);
}

Identity identify(const char* username, Oid useroid) {
  Identity id;
  finish_opening(ask_identity(username, useroid));
  fatal_if_failed(nullptr);
  if (!read_identity(&id))
    ereport(FATAL,
            (errcode(ERRCODE_INTERNAL_ERROR), errmsg("the upstream server does not tell who the session is")));
  return id;
}

void set_globals(const Identity* id, bool as_wanted) {
  MyDatabaseId = id->database;
  MyDatabaseTableSpace = id->tablespace;
  Oid role = as_wanted ? id->wanted_role : id->session_role;
  SetAuthenticatedUserId(role, as_wanted ? id->wanted_super : id->session_super);
}

// Shared look-ups: what a worker without a database may know of the cluster.

void end_shared_lookups(XactEvent event, void*) {
  if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE) return;
  bgw_forget_lookups();
  if (opening) drop_opening();
}

Step shared_step(const char* text, int nargs, const Oid* argtypes, const char* const* values) noexcept {
  CriticalScope critical;
  Request request = plain(text);
  request.types.assign(argtypes, argtypes + nargs);
  for (int i = 0; i < nargs; i++)
    request.values.push_back(values[i] ? std::optional<std::string>(values[i]) : std::nullopt);
  std::vector<Request> requests;
  requests.push_back(std::move(request));
  return opening->execute_outside(std::move(requests));
}

struct SharedRows {
  MemoryContextCallback callback;
  alignas(RowSet) unsigned char rows[sizeof(RowSet)];
};

void free_shared_rows(void* argument) {
  CriticalScope critical;
  static_cast<RowSet*>(argument)->~RowSet();
}

const RowSet* adopt_shared_rows(SharedRows* holder) noexcept {
  CriticalScope critical;
  RowSet* rows = new (holder->rows) RowSet(opening->take_rows());
  holder->callback.func = free_shared_rows;
  holder->callback.arg = rows;
  MemoryContextRegisterResetCallback(CurrentMemoryContext, &holder->callback);
  return rows;
}

bool opening_is_usable() noexcept {
  CriticalScope critical;
  return opening && opening->connected() && !opening->under_way();
}

}  // namespace

}  // namespace bgw

using namespace bgw;

extern "C" {

void bgw_connect_worker(const char* dbname, const char* username, Oid dboid, Oid useroid, uint32 flags) {
  if (worker_session() != nullptr)
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("invalid processing mode in background worker")));
  SetCurrentStatementStartTimestamp();
  register_session_timeouts();
  bool role_given = username != nullptr || OidIsValid(useroid);

  if (dbname == nullptr && !OidIsValid(dboid)) {
    // No database: nothing on the upstream is needed, unless a role has to be found.
    if (role_given) {
      connect_to(nullptr, nullptr);
      Identity id = identify(username, useroid);
      check_role(&id, username, useroid);
      drop_opening();
      set_globals(&id, true);
    } else {
      SetAuthenticatedUserId(BOOTSTRAP_SUPERUSERID, true);
    }
    MyDatabaseId = InvalidOid;
    MyDatabaseTableSpace = InvalidOid;
    without_database = true;
    before_shmem_exit(rollback_at_exit, 0);
    return;
  }

  if (dbname == nullptr) dbname = database_name_of(dboid);
  finish_opening(open_step(dbname, nullptr));
  if (role_given && opening_failed_with("3D000")) check_role_without_database(username, useroid);
  fatal_if_failed(nullptr);

  Identity id = identify(username, useroid);
  bool other_role = false;
  char* become = nullptr;
  if (role_given) {
    check_role(&id, username, useroid);
    // The session's role had to have the privilege; the worker's need not be the session's.
    if (!id.may_connect && !(flags & BGWORKER_BYPASS_ALLOWCONN))
      ereport(FATAL, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                      errmsg("permission denied for database \"%s\"", id.database_name),
                      errdetail("User does not have CONNECT privilege.")));
    other_role = id.wanted_role != id.session_role;
  }
  const bool pooled = prepare_threshold == 0;
  const bool role_settings = other_role && id.session_super;
  if (other_role && (id.session_super || id.member)) {
    if (role_settings && !pooled) {
      finish_opening(apply_role_settings(&id));
      fatal_if_failed("applying the settings of the worker's role");
    }
    become = become_text(&id, other_role);
  } else if (other_role) {
    drop_opening();
    finish_opening(open_step(dbname, id.wanted_name));
    std::optional<BgwMessage> refused = opening_failure();
    if (refused)
      ereport(FATAL,
              (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
               errmsg("cannot run background worker as role \"%s\" on the upstream server", id.wanted_name),
               errdetail("The upstream connection's role \"%s\" is neither a superuser nor a member of it, and "
                         "connecting as it failed: %s",
                         id.session_name, refused->message ? refused->message : ""),
               errhint("Grant \"%s\" to \"%s\", or let the setting \"upstream\" connect as another role.",
                       id.wanted_name, id.session_name)));
  }

  ReportedSettings reported;
  read_reported_settings(*opening, &reported);
  if (pooled) {
    set_up_transactions(&id, role_settings, become);
  } else {
    finish_opening(set_up_session(become));
  }
  fatal_if_failed("setting up the worker's session");
  set_globals(&id, other_role);
  take_encoding(*opening, pooled);
  begin_following_settings(*opening, &reported);

  if (wake_channels_wanted()) {
    finish_opening(listen_step());
    std::optional<BgwMessage> failure = opening_failure();
    // A standby cannot listen. The worker can do without being woken.
    if (failure && opening->connected()) {
      bgw_report_message(WARNING, &*failure, 0);
    } else {
      fatal_if_failed("listening on bgworkerd.wake_channels");
    }
  }
  install_worker_session(opening, become != nullptr && !id.session_super);
  before_shmem_exit(rollback_at_exit, 0);
  if (wake_channels_wanted()) bgw_session_watch_notifications();
  session_report_notices();
}

bool bgw_connected_without_database(void) {
  return without_database;
}

const RowSet* bgw_shared_lookup(const char* text, int nargs, const Oid* argtypes, const char* const* values) {
  static bool registered = false;
  if (!registered) {
    RegisterXactCallback(end_shared_lookups, nullptr);
    registered = true;
  }
  if (!opening_is_usable()) {
    if (opening) drop_opening();
    connect_to(nullptr, nullptr);
    finish_opening(set_up_session(nullptr));
    fatal_if_failed("setting up a session for the shared catalogs");
  }
  SharedRows* holder = static_cast<SharedRows*>(palloc(sizeof(SharedRows)));
  finish_opening(shared_step(text, nargs, argtypes, values));
  if (std::optional<BgwMessage> failure = opening_failure())
    bgw_report_message(opening_is_usable() ? ERROR : FATAL, &*failure, 0);
  return adopt_shared_rows(holder);
}

}  // extern "C"
