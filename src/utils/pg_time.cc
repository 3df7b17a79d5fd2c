// What pgtime.h declares: zones by name, and the conversion of instants to broken-down local time. Loaded
// zones are kept for the life of the process and inherited by its children. Nothing depends on the C
// library's notion of a zone. Any process may call this, but no signal handler: a lookup may allocate.
#include <array>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "bridge/critical.hpp"
#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "datatype/timestamp.h"
#include "pgtime.h"
}

namespace {

using bgw::LocalTimeType;

std::map<std::string, std::unique_ptr<pg_tz>>& zone_cache() {
  static auto* cache = new std::map<std::string, std::unique_ptr<pg_tz>>;
  return *cache;
}

bool load_zone(const std::string& upper_name, pg_tz* zone) {
  // These two must exist even where no zone files are installed.
  if (upper_name == "GMT") return bgw::parse_zone_rule("GMT0", &zone->rule, &zone->types, &zone->abbreviations);
  if (bgw::load_zone_file(upper_name.c_str(), zone, &zone->name)) return true;
  std::string spec = upper_name == "UTC" ? "UTC0" : upper_name;
  *zone = pg_tz{};
  if (!bgw::parse_zone_rule(spec.c_str(), &zone->rule, &zone->types, &zone->abbreviations)) return false;
  zone->has_rule = true;
  return true;
}

pg_tz* find_zone(const char* name) {
  bgw::CriticalScope critical;
  if (strlen(name) > TZ_STRLEN_MAX) return nullptr;
  std::string upper;
  for (const char* p = name; *p; p++) upper.push_back(pg_toupper(static_cast<unsigned char>(*p)));
  auto& cache = zone_cache();
  auto known = cache.find(upper);
  if (known != cache.end()) return known->second.get();
  auto zone = std::make_unique<pg_tz>();
  if (!load_zone(upper, zone.get())) return nullptr;
  if (zone->name.empty()) zone->name = upper;
  return cache.emplace(upper, std::move(zone)).first->second.get();
}

int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Civil date of a day counted from 1970-01-01, by eras of 400 years that begin in March.
bool civil_from_days(int64_t days, pg_tm* tm) {
  days += 719468;
  int64_t era = floor_div(days, 146097);
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_from_march = (5 * day_of_year + 2) / 153;
  tm->tm_mday = static_cast<int>(day_of_year - (153 * month_from_march + 2) / 5 + 1);
  int month = static_cast<int>(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
  int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  // The year itself has to fit, too, as it has to in the server.
  if (year - 1900 < INT_MIN || year > INT_MAX) return false;
  tm->tm_year = static_cast<int>(year - 1900);
  tm->tm_mon = month - 1;
  static constexpr std::array<int, 12> kBefore{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  tm->tm_yday = kBefore[tm->tm_mon] + tm->tm_mday - 1 + (leap && month > 2 ? 1 : 0);
  return true;
}

bool broken_down(int64_t time, int32_t gmtoff, pg_tm* tm) {
  int64_t local;
  if (__builtin_add_overflow(time, static_cast<int64_t>(gmtoff), &local)) return false;
  int64_t days = floor_div(local, SECS_PER_DAY);
  int second = static_cast<int>(local - days * SECS_PER_DAY);
  if (!civil_from_days(days, tm)) return false;
  tm->tm_hour = second / SECS_PER_HOUR;
  tm->tm_min = second / SECS_PER_MINUTE % MINS_PER_HOUR;
  tm->tm_sec = second % SECS_PER_MINUTE;
  tm->tm_wday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  tm->tm_gmtoff = gmtoff;
  return true;
}

// The server hands out one static result for both functions; callers copy it at once.
pg_tm result_tm;

}  // namespace

namespace bgw {

pg_tz* session_zone() noexcept {
  if (session_timezone == nullptr) session_timezone = find_zone("GMT");
  return session_timezone;
}

}  // namespace bgw

bool bgw_set_session_timezone(const char* name) {
  char* end;
  errno = 0;
  double hours = strtod(name, &end);
  pg_tz* zone;
  if (end != name && *end == '\0' && errno == 0)
    zone = pg_tzset_offset(-static_cast<long>(hours * SECS_PER_HOUR));
  else
    zone = pg_tzset(name);
  if (zone == nullptr || !pg_tz_acceptable(zone)) return false;
  session_timezone = zone;
  return true;
}

extern "C" {

pg_tz* session_timezone = nullptr;
pg_tz* log_timezone = nullptr;

void pg_timezone_initialize(void) {
  session_timezone = pg_tzset("GMT");
  log_timezone = session_timezone;
}

pg_tz* pg_tzset(const char* tzname) {
  pg_tz* zone = find_zone(tzname);
  bgw::check_deferred_exit();
  return zone;
}

// Seconds west of Greenwich. The name shows the offset in the ISO sense and in the POSIX sense.
pg_tz* pg_tzset_offset(long gmtoffset) {
  long rest = labs(gmtoffset);
  char offset[32], name[128];
  int n = snprintf(offset, sizeof offset, "%02ld", rest / SECS_PER_HOUR);
  rest %= SECS_PER_HOUR;
  if (rest != 0) {
    n += snprintf(offset + n, sizeof offset - n, ":%02ld", rest / SECS_PER_MINUTE);
    rest %= SECS_PER_MINUTE;
    if (rest != 0) snprintf(offset + n, sizeof offset - n, ":%02ld", rest);
  }
  bool west = gmtoffset > 0;
  snprintf(name, sizeof name, "<%c%s>%c%s", west ? '-' : '+', offset, west ? '+' : '-', offset);
  return pg_tzset(name);
}

const char* pg_get_timezone_name(pg_tz* tz) {
  return tz ? tz->name.c_str() : nullptr;
}

// Whether the minutes of the zone's clock are everybody's: it neither counts leap seconds nor is off by some.
bool pg_tz_acceptable(pg_tz* tz) {
  constexpr int64_t epoch = static_cast<int64_t>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
  return !tz->has_leap_seconds && tz->type_at(epoch).gmtoff % SECS_PER_MINUTE == 0;
}

bool pg_get_timezone_offset(const pg_tz* tz, long int* gmtoff) {
  for (const LocalTimeType& type : tz->types)
    if (type.gmtoff != tz->types[0].gmtoff) return false;
  *gmtoff = tz->types[0].gmtoff;
  return true;
}

struct pg_tm* pg_localtime(const pg_time_t* timep, const pg_tz* tz) {
  const LocalTimeType& type = tz->type_at(*timep);
  if (!broken_down(*timep, type.gmtoff, &result_tm)) return nullptr;
  result_tm.tm_isdst = type.isdst;
  result_tm.tm_zone = tz->abbreviation(type);
  return &result_tm;
}

struct pg_tm* pg_gmtime(const pg_time_t* timep) {
  if (!broken_down(*timep, 0, &result_tm)) return nullptr;
  result_tm.tm_isdst = 0;
  result_tm.tm_zone = "GMT";
  return &result_tm;
}

// 1: there is a change after *timep; 0: none, and only the "before" results are set.
int pg_next_dst_boundary(const pg_time_t* timep, long int* before_gmtoff, int* before_isdst,
                         pg_time_t* boundary, long int* after_gmtoff, int* after_isdst, const pg_tz* tz) {
  const LocalTimeType& before = tz->type_at(*timep);
  *before_gmtoff = before.gmtoff;
  *before_isdst = before.isdst;
  int64_t when;
  const LocalTimeType* after;
  if (!tz->next_transition(*timep, &when, &after)) return 0;
  *boundary = when;
  *after_gmtoff = after->gmtoff;
  *after_isdst = after->isdst;
  return 1;
}

// What `abbrev` (upper case) means in the zone: by its latest use at or before *timep, else its first after.
bool pg_interpret_timezone_abbrev(const char* abbrev, const pg_time_t* timep, long int* gmtoff, int* isdst,
                                  const pg_tz* tz) {
  auto matches = [&](const LocalTimeType& type) { return strcmp(tz->abbreviation(type), abbrev) == 0; };
  auto found = [&](const LocalTimeType& type) {
    *gmtoff = type.gmtoff;
    *isdst = type.isdst;
    return true;
  };
  // What holds before the first transition (local mean time, mostly) is never meant, as in the server.
  size_t n = tz->transition_times.size();
  bool ruled = tz->has_rule && tz->rule.has_dst;
  bool past_table = n == 0 || *timep >= tz->transition_times[n - 1];
  if (past_table && ruled) {
    const LocalTimeType& now = tz->type_at(*timep);
    if (matches(now)) return found(now);
    for (int type : {tz->rule.standard, tz->rule.daylight})
      if (matches(tz->types[type])) return found(tz->types[type]);
  }
  size_t next = 0;
  while (next < n && tz->transition_times[next] <= *timep) next++;
  for (size_t i = next; i-- > 0;)
    if (matches(tz->types[tz->transition_types[i]])) return found(tz->types[tz->transition_types[i]]);
  for (size_t i = next; i < n; i++)
    if (matches(tz->types[tz->transition_types[i]])) return found(tz->types[tz->transition_types[i]]);
  if (ruled) {
    for (int type : {tz->rule.standard, tz->rule.daylight})
      if (matches(tz->types[type])) return found(tz->types[type]);
  }
  return false;
}

// The names of all zones are not offered: nothing outside the server's own views asks for them.
pg_tzenum* pg_tzenumerate_start(void) {
  return nullptr;
}
pg_tz* pg_tzenumerate_next(pg_tzenum*) {
  return nullptr;
}
void pg_tzenumerate_end(pg_tzenum*) {}
}
