// What the parts of index_rebuilder share: what is known of an index, what is to be done about it, and the
// kinds of work.
#pragma once

#include <algorithm>

#include <bgworker/bgworker.hpp>

namespace index_rebuilder {

// Every statement of the worker begins with this.
#define OWN "/* index_rebuilder */ "

enum class action { none, reindex, drop };
const char* name_of(action a);

// An index that something is wrong with, as one look at the catalogs found it, and what follows from the rules.
struct finding {
  std::int64_t index = 0, table = 0;  // OIDs
  std::string schema, name, table_name;
  std::int64_t size = 0;

  // What the catalogs say.
  bool valid = false, live = false, partitioned = false, temporary = false, exclusion = false,
       constraint = false, catalog = false, owned = false, usage = false;
  std::string busy;                  // who builds it or holds a lock that a build holds; empty: nobody
  std::optional<std::string> stem;   // the name without _ccnew or _ccold and digits, if it ends so
  std::optional<std::int64_t> base;  // the index of the same table that has this name
  bool base_valid = false, base_alike = false;  // alike: defined the same way

  double wasted = 0;  // percent of it, when it was measured last

  // What is remembered of it.
  double age = 0;  // seconds since it was first seen
  int failures = 0;
  double retry_in = 0;  // seconds until it may be tried again

  // What follows.
  std::string kind;  // invalid, dead, leftover
  action todo = action::none;
  std::string reason;    // why this, in words
  std::string waiting;   // why not now; empty: now
  bool changed = false;  // new, or something else is to be done than at the last look

  bool due() const { return todo != action::none && waiting.empty(); }
  std::string qualified() const { return bgworker::quoted_name(schema) + "." + bgworker::quoted_name(name); }
  std::string statement() const;
};

// Creates the schema, or brings it to the version that this worker knows. Throws when it is newer.
void prepare_schema();

// From which waste on, in percent, an index is a finding (0: never), when it is at least so large and was not
// rebuilt for that reason for a while.
struct bloat_rules {
  int threshold;
  bgworker::kilobytes min_size;
  std::chrono::seconds rest;
};
// Measures the index whose turn it is, in one transaction, with pgstattuple. False when none is, or it is not
// installed.
bool measure_bloat(const bloat_rules& rules, std::chrono::seconds interval, std::chrono::milliseconds limit);

struct survey_rules {
  std::chrono::seconds min_age;
  bloat_rules bloat;
};
// Looks for indexes that something is wrong with, decides about each, and stores that in the table "finding".
// They come in the order in which they were first seen.
std::vector<finding> survey(bgworker::transaction& tx, const survey_rules& rules);

// The window "HH:MM-HH:MM": why a text is none, and whether it is inside of it now, in the time zone of the
// session.
const char* refuse_window(const std::string_view& text);
bool in_window(std::string_view text);

struct space_rules {
  bgworker::kilobytes reserve, blind_limit;
};
// Why there is no room to rebuild an index; empty when there is. `how` is what was found out about free space.
std::string lack_of_space(bgworker::transaction& tx, const finding& f, const space_rules& rules,
                          std::string& how);

struct repair_rules {
  survey_rules look;
  std::string connection, window;
  std::chrono::milliseconds lock_timeout, statement_timeout, pause;
  std::chrono::seconds backoff, backoff_max;
  space_rules space;
};
// Repairs what is due, one index after the other, until nothing is, the window ends, or one fails. Error 57014
// when the worker is to stop meanwhile. No transaction may be open.
void repair(bgworker::worker& self, const repair_rules& rules);

}  // namespace index_rebuilder
