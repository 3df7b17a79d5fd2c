// idle_terminator: ends sessions that are idle, or idle in a transaction, for longer than a rule allows.
//
// One worker: at every interval it says what it may not do (rights.cc), decides about all sessions (choice.cc),
// ends those that are to be ended one by one (ending.cc), and removes old rows of the audit. An error is
// logged, and the next round looks at everything anew. Nothing is kept in memory between rounds but what was
// said in the log: a worker that is started again goes on where the tables say.
#include "idle_terminator.hpp"

#include <bgworker/names.hpp>

#include "patterns.hpp"

using namespace std::chrono_literals;
using bgworker::parameter;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const char* refuse_names(const std::string_view& text) {
  return bgworker::read_names(text)
             ? nullptr
             : "It must be a list of names, separated by commas, in double quotes where a name has a comma.";
}
const char* refuse_patterns(const std::string_view& text) {
  const auto patterns = bgworker::read_names(text);
  if (!patterns) return refuse_names(text);
  for (const std::string& pattern : *patterns)
    if (idle_terminator::ends_with_escape(pattern))
      return "A LIKE pattern must not end with an escape character.";
  return nullptr;
}

parameter<std::string_view> database{{.name = "idle_terminator.database",
                                      .description = "Database that has the rules and the audit.",
                                      .standard = "postgres",
                                      .when = bgworker::changes::at_start}};
parameter<std::string_view> role{
    {.name = "idle_terminator.role",
     .description = "Role that the worker connects as.",
     .standard = "",
     .when = bgworker::changes::at_start,
     .details = "Empty: the bootstrap superuser, or in a host the role of its upstream."}};
parameter<seconds> interval{{.name = "idle_terminator.interval",
                             .description = "Time between two looks at the sessions.",
                             .standard = 10s,
                             .min = 1s,
                             .max = 1h}};
parameter<bool> dry_run{{.name = "idle_terminator.dry_run",
                         .description = "Only notes in the log and in the audit what would be ended.",
                         .standard = true}};
parameter<int> rate{{.name = "idle_terminator.rate",
                     .description = "Most sessions that are ended in a minute.",
                     .standard = 10,
                     .min = 1,
                     .max = 100000}};
parameter<int> pool_floor{
    {.name = "idle_terminator.floor",
     .description = "Sessions that each pool keeps, where the rule has no floor of its own.",
     .standard = 0,
     .min = 0,
     .max = 100000,
     .details = "A pool is all sessions with the same role, database and application name."}};
parameter<seconds> warning{
    {.name = "idle_terminator.warning",
     .description = "Time between the warning and the end, where the rule has none of its own.",
     .standard = 0s,
     .min = 0s,
     .max = 24h,
     .details = "0: no warning."}};
parameter<std::string_view> channel{{.name = "idle_terminator.channel",
                                     .description = "Channel on which sessions are warned of their end.",
                                     .standard = "idle_terminator",
                                     .refuse = [](const std::string_view& v) -> const char* {
                                       return v.empty() || v.size() >= NAMEDATALEN
                                                  ? "A channel's name has 1 to 63 bytes."
                                                  : nullptr;
                                     }}};
parameter<std::string_view> protected_roles{{.name = "idle_terminator.protected_roles",
                                             .description = "Roles whose sessions are never ended.",
                                             .standard = "",
                                             .refuse = refuse_names}};
parameter<std::string_view> protected_databases{{.name = "idle_terminator.protected_databases",
                                                 .description = "Databases whose sessions are never ended.",
                                                 .standard = "",
                                                 .refuse = refuse_names}};
parameter<std::string_view> protected_applications{
    {.name = "idle_terminator.protected_applications",
     .description = "Application names, as LIKE patterns, whose sessions are never ended.",
     .standard = "bgworkerd%, statement_history, stats_exporter%, index_rebuilder%, idle_terminator",
     .details = "The workers of a host have their own name as application name.",
     .refuse = refuse_patterns}};
parameter<minutes> keep_audit{{.name = "idle_terminator.keep_audit",
                               .description = "How long rows of the audit are kept.",
                               .standard = 24h * 30,
                               .min = 1h,
                               .max = 24h * 3660}};

idle_terminator::settings now() {
  // The lists have been through their check.
  const auto names = [](std::string_view text) { return bgworker::read_names(text).value(); };
  return {dry_run,
          rate,
          pool_floor,
          warning,
          std::string(channel.get()),
          names(protected_roles),
          names(protected_databases),
          names(protected_applications)};
}

void run(bgworker::worker& self) {
  self.connect(database, role);
  idle_terminator::prepare_schema();
  std::optional<bool> told;
  do {
    const auto s = now();
    if (told != s.dry_run) {
      bgworker::log("idle_terminator: {}", s.dry_run ? "dry run, no session is ended" : "sessions are ended");
      told = s.dry_run;
    }
    self.attempt("idle_terminator looked at its rights", [&] { idle_terminator::check_rights(s); });
    std::vector<idle_terminator::intention> chosen;
    self.attempt("idle_terminator looked at the sessions", [&] { chosen = idle_terminator::choose(s); });
    for (const auto& i : chosen)
      self.attempt("idle_terminator ended a session", [&] { idle_terminator::end(i); });
    self.attempt("idle_terminator tidied up", [&] {
      while (idle_terminator::tidy_up(keep_audit) && !self.stopping()) {
      }
    });
  } while (self.sleep(interval));
}

}  // namespace

BGWORKER_MODULE(module) {
  module.add<run>(bgworker::verified({.name = "idle_terminator", .restart = 10s}));
}
