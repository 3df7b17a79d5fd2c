// Time zones as this host holds them: what stands behind the server's opaque pg_tz, and how the session
// changes its zone. Only src/utils looks inside; everybody else uses pgtime.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bgw {

// One kind of local time: how far east of Greenwich in seconds, and its abbreviation.
struct LocalTimeType {
  int32_t gmtoff = 0;
  bool isdst = false;
  int abbreviation = 0;  // offset into Zone::abbreviations
};

// The day and second of a year at which a POSIX rule changes the clocks.
struct RuleDate {
  enum class Kind { julian_without_leap_day, zero_based_day, month_week_day };
  Kind kind = Kind::month_week_day;
  int month = 1, week = 1, day = 0;  // day alone for the first two kinds
  int32_t time = 2 * 3600;           // local time, -167:59:59 to 167:59:59
};

// A POSIX TZ value: standard time, and daylight-saving time between two dates of each year.
struct ZoneRule {
  bool has_dst = false;
  int standard = 0, daylight = 0;  // indexes into Zone::types
  RuleDate start, end;             // of daylight-saving time
};

// Reads "EST5EDT,M3.2.0,M11.1.0" and its like. The types and abbreviations that it names are appended to the
// two containers. False when `text` is not such a value. A daylight-saving name without dates gets the
// dates of the United States, as the server does without a posixrules file.
bool parse_zone_rule(const char* text, ZoneRule* rule, std::vector<LocalTimeType>* types,
                     std::string* abbreviations);

}  // namespace bgw

// Immutable once made, and never freed: module code keeps pointers to zones and to their abbreviations.
struct pg_tz {
  std::string name;
  std::vector<bgw::LocalTimeType> types;  // never empty; the first is that of times before all transitions
  std::string abbreviations;              // NUL-terminated each
  std::vector<int64_t> transition_times;  // seconds since 1970, ascending
  std::vector<uint8_t> transition_types;
  bool has_rule = false;  // `rule` governs times after the last transition
  bgw::ZoneRule rule;
  bool has_leap_seconds = false;

  // The type that is in force at `time`.
  const bgw::LocalTimeType& type_at(int64_t time) const;
  // The first change of type after `time`; false when there is none.
  bool next_transition(int64_t time, int64_t* when, const bgw::LocalTimeType** after) const;
  const char* abbreviation(const bgw::LocalTimeType& type) const {
    return abbreviations.c_str() + type.abbreviation;
  }
};

namespace bgw {

// Reads the TZif file of the zone whose name, in any case, is `name`, from the system's zone folder;
// `canonical` receives the name as the file system spells it. False when there is no such zone.
bool load_zone_file(const char* name, pg_tz* zone, std::string* canonical);

// The session's zone; GMT until somebody has set it.
pg_tz* session_zone() noexcept;

// The name of the system's zone: that of the environment variable TZ if it names one, else that of /etc/localtime.
// Empty when neither tells.
std::string system_zone_name();

}  // namespace bgw

// Sets session_timezone from a value of the setting TimeZone: a zone's name, a POSIX specification, a number
// of hours east of Greenwich. False, and no change, when the server too would refuse the value.
bool bgw_set_session_timezone(const char* name);
