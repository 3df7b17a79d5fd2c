// index_rebuilder: finds invalid indexes, says what is to be done about them, and does it when it is told to.
//
// One worker for each database. At every interval it measures waste, if told to (bloat.cc), looks (survey.cc),
// logs what it sees for the first time, and keeps the table "finding" up to date.
#include "index_rebuilder.hpp"

using namespace std::chrono_literals;
using bgworker::parameter;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

parameter<std::string_view> databases{{.name = "index_rebuilder.databases",
                                       .description = "Databases to look after, separated by commas.",
                                       .standard = "postgres",
                                       .when = bgworker::changes::at_start,
                                       .details = "There is one worker for each."}};
parameter<std::string_view> role{
    {.name = "index_rebuilder.role",
     .description = "Role that the workers connect as.",
     .standard = "",
     .when = bgworker::changes::at_start,
     .details = "Empty: the bootstrap superuser, or in a host the role of its upstream."}};
parameter<seconds> interval{{.name = "index_rebuilder.interval",
                             .description = "Time between two looks at the indexes.",
                             .standard = 10min,
                             .min = 1s,
                             .max = 24h}};
parameter<seconds> min_age{
    {.name = "index_rebuilder.min_age",
     .description = "How long an index must have been seen before anything is done about it.",
     .standard = 1h,
     .min = 0s,
     .max = 24h * 366}};

enum class mode { report, repair };
constexpr bgworker::choice<mode> modes[] = {{"report", mode::report}, {"repair", mode::repair}};
parameter<mode> what_to_do{{.name = "index_rebuilder.mode",
                            .description = "Whether indexes are only reported or also repaired.",
                            .standard = mode::report,
                            .choices = modes}};
parameter<std::string_view> connection{
    {.name = "index_rebuilder.connection",
     .description = "libpq connection string of the session that repairs.",
     .standard = "",
     .details = "Empty: the upstream of the host, or in a server its first socket, as the role of the worker.",
     .flags = GUC_SUPERUSER_ONLY}};
parameter<std::string_view> window{{.name = "index_rebuilder.window",
                                    .description = "Time of day in which repairs may begin, HH:MM-HH:MM.",
                                    .standard = "",
                                    .details = "In the time zone of the session. Empty: always.",
                                    .refuse = index_rebuilder::refuse_window}};
parameter<milliseconds> lock_timeout{
    {.name = "index_rebuilder.lock_timeout",
     .description = "How long a repair waits for a lock, and for each older transaction; 0: for ever.",
     .standard = 1min,
     .min = 0ms,
     .max = 24h}};
parameter<milliseconds> statement_timeout{
    {.name = "index_rebuilder.statement_timeout",
     .description = "How long the repair of one index may take; 0: any time.",
     .standard = 4h,
     .min = 0ms,
     .max = 24h * 7}};
parameter<milliseconds> pause{{.name = "index_rebuilder.pause",
                               .description = "Time between two repairs.",
                               .standard = 1s,
                               .min = 0ms,
                               .max = 1h}};
parameter<seconds> backoff{
    {.name = "index_rebuilder.backoff",
     .description = "How long an index is left alone after its first failure; doubled by each.",
     .standard = 1h,
     .min = 1s,
     .max = 24h * 366}};
parameter<seconds> backoff_max{{.name = "index_rebuilder.backoff_max",
                                .description = "Longest time that an index is left alone after a failure.",
                                .standard = 24h * 7,
                                .min = 1s,
                                .max = 24h * 366}};
parameter<bgworker::kilobytes> disk_reserve{
    {.name = "index_rebuilder.disk_reserve",
     .description = "Free space that a rebuild must leave where the index is.",
     .standard = {1024 * 1024},
     .min = {0},
     .max = {INT_MAX}}};
parameter<bgworker::kilobytes> blind_limit{
    {.name = "index_rebuilder.blind_limit",
     .description = "Largest expected size of an index that is rebuilt when free space cannot be seen.",
     .standard = {1024 * 1024},
     .min = {0},
     .max = {INT_MAX}}};
parameter<int> bloat_threshold{
    {.name = "index_rebuilder.bloat_threshold",
     .description = "From which waste on a B-tree index is rebuilt, in percent of its size; 0: never.",
     .standard = 0,
     .min = 0,
     .max = 99,
     .details = "Needs the extension pgstattuple."}};
parameter<bgworker::kilobytes> bloat_min_size{{.name = "index_rebuilder.bloat_min_size",
                                               .description = "Smaller indexes are not looked at for waste.",
                                               .standard = {100 * 1024},
                                               .min = {0},
                                               .max = {INT_MAX}}};
parameter<seconds> bloat_interval{
    {.name = "index_rebuilder.bloat_interval",
     .description = "Time between two measurements of an index, which read all of it.",
     .standard = 24h,
     .min = 1s,
     .max = 24h * 366}};
parameter<seconds> bloat_rest{{.name = "index_rebuilder.bloat_rest",
                               .description = "How long an index is not rebuilt for waste again.",
                               .standard = 24h * 7,
                               .min = 0s,
                               .max = 24h * 366}};
parameter<minutes> keep_history{{.name = "index_rebuilder.keep_history",
                                 .description = "How long the history of repairs is kept.",
                                 .standard = 24h * 366,
                                 .min = 1h,
                                 .max = 24h * 36600}};

std::vector<std::string> names_of_databases() {
  std::vector<std::string> names;
  std::string_view rest = databases;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!one.empty() && std::find(names.begin(), names.end(), one) == names.end()) names.emplace_back(one);
  }
  return names;
}

index_rebuilder::survey_rules rules() {
  return {min_age, {bloat_threshold, bloat_min_size, bloat_rest}};
}

void look() {
  bgworker::transaction tx;
  auto all = index_rebuilder::survey(tx, rules());
  // Before the end of the transaction, so that a line that could not be written comes again.
  for (const index_rebuilder::finding& f : all) {
    if (!f.changed) continue;
    const std::string statement = f.statement();
    bgworker::log_message(
        bgworker::level::warning,
        bgworker::format("index_rebuilder: index {} on table \"{}\" is {}", f.qualified(), f.table_name,
                         f.kind == "leftover" ? "an invalid leftover" : f.kind.c_str()),
        f.reason, statement.empty() ? "Nothing will be done about it." : "To be repaired by: " + statement);
  }
  tx.execute(OWN "DELETE FROM index_rebuilder.history WHERE started < now() - $1", keep_history.get());
  tx.commit();
}

// Measures indexes until none is due or half of the interval is over.
void measure(bgworker::worker& self) {
  if (bloat_threshold == 0 || !index_rebuilder::in_window(window.get())) return;
  const auto enough = std::chrono::steady_clock::now() + interval.get() / 2;
  while (index_rebuilder::measure_bloat(rules().bloat, bloat_interval, statement_timeout) &&
         self.sleep(pause) && std::chrono::steady_clock::now() < enough) {
  }
}

void run(bgworker::worker& self) {
  const std::string database = names_of_databases().at(static_cast<std::size_t>(self.argument()));
  self.connect(database, role);
  index_rebuilder::prepare_schema();
  do {
    self.attempt("index_rebuilder measured waste", [&] { measure(self); });
    self.attempt("index_rebuilder looked at the indexes", look);
    if (what_to_do.get() == mode::report) continue;
    self.attempt("index_rebuilder repaired indexes", [&] {
      index_rebuilder::repair(self, {rules(),
                                     std::string(connection.get()),
                                     std::string(window.get()),
                                     lock_timeout,
                                     statement_timeout,
                                     pause,
                                     backoff,
                                     backoff_max,
                                     {disk_reserve, blind_limit}});
    });
  } while (self.sleep(interval));
}

}  // namespace

BGWORKER_MODULE(module) {
  const std::vector<std::string> names = names_of_databases();
  for (std::size_t i = 0; i < names.size(); ++i)
    module.add<run>({.name = bgworker::format("index_rebuilder {}", names[i]),
                     .type = "index_rebuilder",
                     .restart = 10s,
                     .argument = static_cast<std::int64_t>(i)});
}
