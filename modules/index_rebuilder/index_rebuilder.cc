// index_rebuilder: finds invalid indexes, says what is to be done about them, and does it when it is told to.
//
// One worker for each database. At every interval it looks (survey.cc), logs what it sees for the first time,
// and keeps the table "finding" up to date.
#include "index_rebuilder.hpp"

using namespace std::chrono_literals;
using bgworker::parameter;
using std::chrono::milliseconds;
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

std::vector<index_rebuilder::finding> look() {
  bgworker::transaction tx;
  auto all = index_rebuilder::survey(tx, min_age);
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
  tx.commit();
  return all;
}

void run(bgworker::worker& self) {
  const std::string database = names_of_databases().at(static_cast<std::size_t>(self.argument()));
  self.connect(database, role);
  index_rebuilder::prepare_schema();
  do {
    try {
      look();
    } catch (bgworker::error& e) {
      if (self.stopping()) throw;
      bgworker::log_error(e.add_context("index_rebuilder ended a round"));
    }
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
