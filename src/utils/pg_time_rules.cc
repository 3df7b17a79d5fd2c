// POSIX time zone rules ("CET-1CEST,M3.5.0,M10.5.0/3"): how they are read, and which local time they give
// at an instant. A TZif file ends with such a rule for all times after its last transition; a zone can
// also consist of a rule alone. Pure computation: no state, no errors raised.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "utils/timezone_internal.hpp"

namespace bgw {
namespace {

constexpr int64_t kSecondsPerDay = 86400;

bool leap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Days from 1970-01-01 to the first of January of `year`.
int64_t days_before_year(int64_t year) {
  int64_t y = year - 1;
  return 365 * (year - 1970) + (floor_div(y, 4) - 492) - (floor_div(y, 100) - 19) + (floor_div(y, 400) - 4);
}

int days_in_month(int64_t year, int month) {
  static constexpr std::array<int, 13> kDays{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && leap(year) ? 29 : kDays[month];
}

// The rule's instant in `year`, in seconds since 1970, if clocks are `gmtoff` east of Greenwich before it.
int64_t instant(const RuleDate& date, int64_t year, int32_t gmtoff) {
  int64_t day = days_before_year(year);
  switch (date.kind) {
    case RuleDate::Kind::julian_without_leap_day:
      day += date.day - 1 + (leap(year) && date.day >= 60 ? 1 : 0);
      break;
    case RuleDate::Kind::zero_based_day:
      day += date.day;
      break;
    case RuleDate::Kind::month_week_day: {
      for (int m = 1; m < date.month; m++) day += days_in_month(year, m);
      int64_t weekday = ((day + 4) % 7 + 7) % 7;  // 1970-01-01 was a Thursday
      int64_t in_month = (date.day - weekday + 7) % 7 + 7 * (date.week - 1);
      while (in_month >= days_in_month(year, date.month)) in_month -= 7;
      day += in_month;
      break;
    }
  }
  return day * kSecondsPerDay + date.time - gmtoff;
}

struct Change {
  int64_t when;
  int type;
};

// The changes of the years around `time`, ascending. Where daylight-saving time ends in the very moment in
// which it begins again, the end comes first.
std::array<Change, 6> changes_around(const pg_tz& zone, int64_t time) {
  int64_t year = 1970 + floor_div(time, 31556952);
  std::array<Change, 6> changes;
  int n = 0;
  for (int64_t y = year - 1; y <= year + 1; y++) {
    changes[n++] = {instant(zone.rule.end, y, zone.types[zone.rule.daylight].gmtoff), zone.rule.standard};
    changes[n++] = {instant(zone.rule.start, y, zone.types[zone.rule.standard].gmtoff), zone.rule.daylight};
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const Change& a, const Change& b) { return a.when < b.when; });
  return changes;
}

class RuleReader {
 public:
  explicit RuleReader(const char* text) : p_(text) {}

  bool at_end() const { return *p_ == '\0'; }
  bool skip(char c) {
    if (*p_ != c) return false;
    p_++;
    return true;
  }

  // May be empty.
  bool name(std::string* out) {
    if (skip('<')) {
      while (*p_ != '\0' && *p_ != '>') out->push_back(*p_++);
      return skip('>');
    }
    while (*p_ != '\0' && !isdigit(static_cast<unsigned char>(*p_)) && !strchr(",-+", *p_))
      out->push_back(*p_++);
    return true;
  }

  bool number(int low, int high, int* out) {
    if (!isdigit(static_cast<unsigned char>(*p_))) return false;
    int value = 0;
    while (isdigit(static_cast<unsigned char>(*p_))) {
      value = value * 10 + (*p_++ - '0');
      if (value > high) return false;
    }
    *out = value;
    return value >= low;
  }

  // [+-]hh[:mm[:ss]] in seconds.
  bool offset(int32_t* out) {
    bool negative = false;
    if (skip('-'))
      negative = true;
    else
      skip('+');
    int hours, minutes = 0, seconds = 0;
    if (!number(0, 24 * 7 - 1, &hours)) return false;
    if (skip(':')) {
      if (!number(0, 59, &minutes)) return false;
      if (skip(':') && !number(0, 60, &seconds)) return false;
    }
    *out = hours * 3600 + minutes * 60 + seconds;
    if (negative) *out = -*out;
    return true;
  }

  bool date(RuleDate* out) {
    if (skip('J')) {
      out->kind = RuleDate::Kind::julian_without_leap_day;
      if (!number(1, 365, &out->day)) return false;
    } else if (skip('M')) {
      out->kind = RuleDate::Kind::month_week_day;
      if (!number(1, 12, &out->month) || !skip('.') || !number(1, 5, &out->week) || !skip('.') ||
          !number(0, 6, &out->day))
        return false;
    } else {
      out->kind = RuleDate::Kind::zero_based_day;
      if (!number(0, 365, &out->day)) return false;
    }
    return !skip('/') || offset(&out->time);
  }

 private:
  const char* p_;

 public:
  bool at_offset() const { return isdigit(static_cast<unsigned char>(*p_)) || *p_ == '-' || *p_ == '+'; }
  bool at_dates() const { return *p_ == ',' || *p_ == ';'; }
  void skip_one() { p_++; }
};

int add_type(std::vector<LocalTimeType>* types, std::string* abbreviations, const std::string& name,
             int32_t gmtoff, bool isdst) {
  types->push_back({gmtoff, isdst, static_cast<int>(abbreviations->size())});
  abbreviations->append(name);
  abbreviations->push_back('\0');
  return static_cast<int>(types->size()) - 1;
}

}  // namespace

bool parse_zone_rule(const char* text, ZoneRule* rule, std::vector<LocalTimeType>* types,
                     std::string* abbreviations) {
  RuleReader in(text);
  std::string standard_name, daylight_name;
  int32_t west = 0;  // POSIX counts westward
  if (!in.name(&standard_name) || !in.offset(&west)) return false;
  *rule = ZoneRule{};
  int32_t daylight_west = west - 3600;
  if (!in.at_end()) {
    rule->has_dst = true;
    if (!in.name(&daylight_name) || daylight_name.empty()) return false;
    if (in.at_offset() && !in.offset(&daylight_west)) return false;
    if (in.at_end()) {
      rule->start.month = 3;
      rule->start.week = 2;
      rule->end.month = 11;
      rule->end.week = 1;
    } else {
      if (!in.at_dates()) return false;
      in.skip_one();
      if (!in.date(&rule->start) || !in.skip(',') || !in.date(&rule->end) || !in.at_end()) return false;
    }
  }
  rule->standard = add_type(types, abbreviations, standard_name, -west, false);
  if (rule->has_dst) rule->daylight = add_type(types, abbreviations, daylight_name, -daylight_west, true);
  return true;
}

}  // namespace bgw

const bgw::LocalTimeType& pg_tz::type_at(int64_t time) const {
  auto after = std::upper_bound(transition_times.begin(), transition_times.end(), time);
  bool past_table = after == transition_times.end();
  if (past_table && has_rule && rule.has_dst) {
    int type = rule.standard;
    for (const auto& change : bgw::changes_around(*this, time))
      if (change.when <= time) type = change.type;
    return types[type];
  }
  if (transition_times.empty()) return types[has_rule ? rule.standard : 0];
  if (after == transition_times.begin()) return types[0];
  return types[transition_types[after - transition_times.begin() - 1]];
}

bool pg_tz::next_transition(int64_t time, int64_t* when, const bgw::LocalTimeType** after_type) const {
  auto after = std::upper_bound(transition_times.begin(), transition_times.end(), time);
  if (after != transition_times.end()) {
    *when = *after;
    *after_type = &types[transition_types[after - transition_times.begin()]];
    return true;
  }
  if (!has_rule || !rule.has_dst) return false;
  for (const auto& change : bgw::changes_around(*this, time)) {
    if (change.when <= time) continue;
    *when = change.when;
    *after_type = &types[change.type];
    return true;
  }
  return false;
}
