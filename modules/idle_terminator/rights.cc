// What the worker cannot see or may not do, told in the log with the statement that changes it.
//
// A server shows the state of a session to its own role, to members of that role, and to members of
// pg_read_all_stats; to others it shows that the session exists, and nothing by which it could be judged,
// unless an administrator has made the function for it that seen() of schema.cc looks for. Ending it takes
// membership of its role or of pg_signal_backend. Each complaint is made when it is new or has changed, not in
// every round.
#include "idle_terminator.hpp"

namespace idle_terminator {

namespace {

// Logs a complaint unless it is the one that was made last; an empty one is a reason to make the next again.
class complaint {
 public:
  void make(const std::string& message, const std::string& detail, const std::string& hint) {
    if (message == last_) return;
    last_ = message;
    if (!message.empty()) bgworker::log_message(bgworker::level::warning, message, detail, hint);
  }
  void withdraw() { last_.clear(); }

 private:
  std::string last_;
};

std::string listed(const std::vector<std::string>& names) {
  std::string made;
  for (const std::string& name : names) {
    if (!made.empty()) made += ", ";
    made += bgworker::quoted_name(name);
  }
  return made;
}

// The roles of sessions that some rule is meant for.
std::vector<std::string> roles_where(bgworker::transaction& tx, const settings& s, std::string_view condition) {
  return tx.value<std::vector<std::string>>(
      OWN "SELECT coalesce(array_agg(DISTINCT a.usename::text ORDER BY a.usename::text), '{}') FROM "
          "idle_terminator.seen() a"
          " JOIN pg_roles r ON r.oid = a.usesysid WHERE NOT r.rolsuper AND a.usename <> current_user"
          " AND a.usename::text <> ALL ($1) AND a.datname::text <> ALL ($2) AND a.application_name NOT LIKE "
          "ALL ($3)"
          " AND EXISTS (SELECT FROM idle_terminator.rule u WHERE u.enabled AND u.idle_limit IS NOT NULL"
          " AND (u.role IS NULL OR u.role = a.usename) AND (u.database IS NULL OR u.database = a.datname)"
          " AND (u.application IS NULL OR a.application_name LIKE u.application)) AND " +
          std::string(condition),
      s.roles, s.databases, s.applications);
}

}  // namespace

void check_rights(const settings& s) {
  static complaint no_rule, unknown_names, hidden, beyond;
  bgworker::transaction tx;
  enter(tx);
  const auto self = tx.value<std::string>(OWN "SELECT quote_ident(current_user)");

  if (tx.value<bool>(
          OWN "SELECT EXISTS (SELECT FROM idle_terminator.rule WHERE enabled AND idle_limit IS NOT NULL)"))
    no_rule.withdraw();
  else
    no_rule.make("idle_terminator: there is no rule by which a session would be ended", {},
                 "Insert one, such as INSERT INTO idle_terminator.rule (state, idle_limit) VALUES ('idle in "
                 "transaction', "
                 "'1 hour').");

  const auto unknown = tx.value<std::vector<std::string>>(
      OWN
      "SELECT coalesce(array_agg(n), '{}') FROM (SELECT 'role ' || quote_ident(p) FROM unnest($1::text[]) p"
      " WHERE p NOT IN (SELECT rolname FROM pg_catalog.pg_roles) UNION ALL"
      " SELECT 'database ' || quote_ident(p) FROM unnest($2::text[]) p"
      " WHERE p NOT IN (SELECT datname FROM pg_catalog.pg_database)) x (n)",
      s.roles, s.databases);
  if (unknown.empty()) {
    unknown_names.withdraw();
  } else {
    std::string names;
    for (const std::string& name : unknown) names += (names.empty() ? "" : ", ") + name;
    unknown_names.make(
        "idle_terminator: to be protected, but not there: " + names, {},
        "Correct idle_terminator.protected_roles or idle_terminator.protected_databases; case matters.");
  }

  const auto unseen = roles_where(tx, s, "a.backend_start IS NULL");
  if (unseen.empty())
    hidden.withdraw();
  else
    hidden.make(
        "idle_terminator: the state of sessions of these roles is hidden: " + listed(unseen),
        bgworker::format("The worker runs as role {}, and leaves alone what it cannot see.", self),
        bgworker::format(
            "Create the function idle_terminator.activity() for it as the README of the module tells, or"
            " run GRANT pg_read_all_stats TO {}; or make it a member of these roles.",
            self));

  const auto untouchable = roles_where(tx, s,
                                       "a.backend_start IS NOT NULL AND a.backend_type = 'client backend'"
                                       " AND NOT pg_has_role('pg_signal_backend', 'USAGE')"
                                       " AND NOT pg_has_role(a.usesysid, 'USAGE')");
  if (untouchable.empty())
    beyond.withdraw();
  else
    beyond.make("idle_terminator: sessions of these roles may not be ended: " + listed(untouchable),
                bgworker::format("The worker runs as role {}.", self),
                bgworker::format("Run GRANT pg_signal_backend TO {}.", self));
  tx.commit();
}

}  // namespace idle_terminator
