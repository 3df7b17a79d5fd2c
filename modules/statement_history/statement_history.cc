// statement_history: what the statements of a database cost over time, from snapshots of pg_stat_statements.
//
// One worker: takes a snapshot at every interval (snapshot.cc), and in between, with a pause after each
// transaction, rolls up, makes partitions and drops old ones (tiers.cc). An error is logged and the round is
// tried again at the next interval: what a failed round would have stored is in the counters still, and comes
// with the next one.
#include "statement_history.hpp"

using namespace std::chrono_literals;
using bgworker::parameter;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

parameter<std::string_view> database{
    {.name = "statement_history.database",
     .description = "Database that has pg_stat_statements and is to hold the history.",
     .standard = "postgres",
     .when = bgworker::changes::at_start}};
parameter<std::string_view> role{
    {.name = "statement_history.role",
     .description = "Role that the worker connects as.",
     .standard = "",
     .when = bgworker::changes::at_start,
     .details = "Empty: the bootstrap superuser, or in a host the role of its upstream."}};
parameter<seconds> interval{{.name = "statement_history.interval",
                             .description = "Time between two snapshots.",
                             .standard = 1min,
                             .min = 1s,
                             .max = 24h}};
parameter<minutes> keep_raw{{.name = "statement_history.keep_raw",
                             .description = "How long snapshots are kept.",
                             .standard = 48h,
                             .min = 1h,
                             .max = 24h * 366}};
parameter<minutes> keep_hourly{{.name = "statement_history.keep_hourly",
                                .description = "How long hourly sums are kept.",
                                .standard = 24h * 60,
                                .min = 24h,
                                .max = 24h * 3660}};
parameter<minutes> keep_daily{{.name = "statement_history.keep_daily",
                               .description = "How long daily sums are kept.",
                               .standard = 24h * 1095,
                               .min = 24h * 31,
                               .max = 24h * 36600}};
parameter<minutes> keep_text{{.name = "statement_history.keep_text",
                              .description = "How long the text of a statement is kept after it was last seen.",
                              .standard = 24h * 90,
                              .min = 24h,
                              .max = 24h * 36600}};
parameter<minutes> rollup_delay{{.name = "statement_history.rollup_delay",
                                 .description = "How long after its end an hour or a day is summed up.",
                                 .standard = 5min,
                                 .min = 0min,
                                 .max = 12h,
                                 .details =
                                     "Give the workers of several databases different values, and they do "
                                     "not do it all at once."}};
parameter<int> text_length{
    {.name = "statement_history.text_length",
     .description = "Longest statement text that is stored, in characters; 0 stores none.",
     .standard = 10000,
     .min = 0,
     .max = 1000000}};
parameter<milliseconds> pause{{.name = "statement_history.pause",
                               .description = "Shortest time between two transactions of the worker.",
                               .standard = 200ms,
                               .min = 0ms,
                               .max = 1min}};

void run(bgworker::worker& self) {
  self.connect(database, role);
  statement_history::prepare_schema();
  if (!self.sleep(pause)) return;
  do {
    if (!self.attempt("statement_history took a snapshot",
                      [] { return statement_history::take_snapshot(text_length); }))
      continue;
    const auto tidy = [] {
      return statement_history::tidy_up({keep_raw, keep_hourly, keep_daily, keep_text, rollup_delay});
    };
    // As much as fits before half of the interval is over; the rest comes in the next one.
    const auto enough = std::chrono::steady_clock::now() + interval.get() / 2;
    while (self.sleep(pause) && self.attempt("statement_history tidied up", tidy) &&
           std::chrono::steady_clock::now() < enough) {
    }
  } while (self.sleep(interval));
}

}  // namespace

BGWORKER_MODULE(module) {
  module.add<run>(bgworker::verified({.name = "statement_history", .restart = 10s}));
}
