// What the parts of idle_terminator share: what a round works by, and the kinds of work.
#pragma once

#include <bgworker/bgworker.hpp>

namespace idle_terminator {

// Every statement of the worker begins with this, by which others recognise it.
#define OWN "/* idle_terminator */ "

using time = std::chrono::system_clock::time_point;

// The parameters as they are in one round.
struct settings {
  bool dry_run;
  int rate;                      // sessions that may be ended in a minute
  int floor;                     // of a pool, where the rule has none of its own
  std::chrono::seconds warning;  // time between warning and end, where the rule has none of its own
  std::string channel;           // of warnings
  std::vector<std::string> roles, databases, applications;  // protected; applications are LIKE patterns
};

// A session, by what makes it the same session in the same state.
struct session {
  int pid;
  time backend_start;
  std::string state;
  time state_change;
};

// A session that is to be ended, and the row of the audit that says so.
struct intention {
  std::int64_t audit;
  session whom;
  int floor;          // of its pool
  std::string about;  // for the log
};

// Creates the schema, or brings it to the version that this worker knows. Throws when it is newer.
void prepare_schema();

// Begins a transaction of the worker: no name in it can be caught by what users have created.
void enter(bgworker::transaction& tx);

// Writes into the log what the worker cannot see or may not do, and what to grant; each thing when it changes.
void check_rights(const settings& s);

// Looks at all sessions, notes what has become of those that were signalled, warns, and decides whom to end.
// The decisions are in the audit, committed, when it returns; in a dry run they are only noted there.
std::vector<intention> choose(const settings& s);

// Ends one session, if it still is in the state it was chosen for, and notes the outcome in the audit.
void end(const intention& i);

// Removes what is older than `keep` from the audit, a bounded number of rows. Returns whether there may be
// more.
bool tidy_up(std::chrono::minutes keep);

}  // namespace idle_terminator
