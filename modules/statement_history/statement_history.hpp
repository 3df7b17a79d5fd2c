// What the parts of statement_history share: the parameters, the list of counters, and the three kinds of work.
#pragma once

#include <bgworker/bgworker.hpp>

namespace statement_history {

// Every statement of the worker begins with this, by which it knows its own entries in pg_stat_statements.
#define OWN "/* statement_history */ "

struct counter {
  const char* name;      // of our column
  const char* type;      // of our column
  const char* source;    // the column in pg_stat_statements
  const char* source_2;  // its name in earlier versions, or nullptr
};
std::span<const counter> counters();
// "prefix.a, prefix.b, …" of all counters, each put through `pattern`, in which $ stands for the name.
std::string each_counter(std::string_view pattern, std::string_view separator = ", ");

// Creates the schema, or brings it to the version that this worker knows. Throws when it is newer.
void prepare_schema();

// Reads pg_stat_statements and stores what has changed, in one transaction. False when there is nothing to read
// yet.
bool take_snapshot(int text_length);

// Makes the partitions that a snapshot of this moment needs, if they are missing.
void make_partitions_for_now(bgworker::transaction& tx);

// One bounded step of the rest: a partition made or dropped, an hour or a day rolled up, old texts removed.
// Returns whether there may be more to do.
struct retention {
  std::chrono::minutes raw, hourly, daily, text, delay;
};
bool tidy_up(const retention& keep);

}  // namespace statement_history
