// The calendar and the offsets of time zones: Julian day numbers, the tables that datetime.h publishes, the
// current time as broken-down fields, which offset holds at a local time, and the errors of date and time
// input. The calendar is the proleptic Gregorian one; year 0 is 1 BC.
// C style throughout (no destructors), because much of this may raise an error.
#include <climits>
#include <cstdint>
#include <cstring>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datetime.h"
}

namespace {

int64 floor_div(int64 a, int64 b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

// Day 0 of the era arithmetic below is 0000-03-01, which is this Julian day.
constexpr int64 kEraEpoch = 1721120;
constexpr int64 kDaysPerEra = 146097;

// The offset, seconds west, that holds in `zone` at the local time `tm`; *when is that instant. Where the
// clocks skip the local time, the offset before the change counts; where they repeat it, the one after.
int zone_offset_at(pg_tm* tm, pg_tz* zone, pg_time_t* when) {
  if (!IS_VALID_JULIAN(tm->tm_year, tm->tm_mon, tm->tm_mday)) {
    tm->tm_isdst = 0;
    *when = 0;
    return 0;
  }
  int64 day = static_cast<int64>(date2j(tm->tm_year, tm->tm_mon, tm->tm_mday)) - UNIX_EPOCH_JDATE;
  pg_time_t local =
      day * SECS_PER_DAY + tm->tm_sec + (tm->tm_min + tm->tm_hour * MINS_PER_HOUR) * SECS_PER_MINUTE;
  // No offset is as long as a day, so the first change after this moment is the only one that matters.
  pg_time_t start = local - SECS_PER_DAY;
  long before_gmtoff, after_gmtoff;
  int before_isdst, after_isdst;
  pg_time_t boundary;
  bool use_before = true;
  if (pg_next_dst_boundary(&start, &before_gmtoff, &before_isdst, &boundary, &after_gmtoff, &after_isdst,
                           zone) > 0) {
    pg_time_t if_before = local - before_gmtoff;
    pg_time_t if_after = local - after_gmtoff;
    if (if_before < boundary && if_after < boundary)
      use_before = true;
    else if (if_before > boundary && if_after >= boundary)
      use_before = false;
    else
      use_before = if_before > if_after;
  }
  long gmtoff = use_before ? before_gmtoff : after_gmtoff;
  tm->tm_isdst = use_before ? before_isdst : after_isdst;
  *when = local - gmtoff;
  return static_cast<int>(-gmtoff);
}

bool abbreviation_offset(pg_time_t when, const char* abbr, pg_tz* zone, int* offset, int* isdst) {
  char upper[TZ_STRLEN_MAX + 1];
  strlcpy(upper, abbr, sizeof upper);
  for (char* p = upper; *p; p++) *p = static_cast<char>(pg_toupper(static_cast<unsigned char>(*p)));
  long gmtoff;
  if (!pg_interpret_timezone_abbrev(upper, &when, &gmtoff, isdst, zone)) return false;
  *offset = static_cast<int>(-gmtoff);
  return true;
}

}  // namespace

extern "C" {

int DateStyle = USE_ISO_DATES;
int DateOrder = DATEORDER_MDY;
int IntervalStyle = INTSTYLE_POSTGRES;

const int day_tab[2][13] = {{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0},
                            {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0}};

const char* const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",  "Jul",
                              "Aug", "Sep", "Oct", "Nov", "Dec", nullptr};

const char* const days[] = {"Sunday",   "Monday", "Tuesday",  "Wednesday",
                            "Thursday", "Friday", "Saturday", nullptr};

int date2j(int year, int month, int day) {
  int64 y = month <= 2 ? static_cast<int64>(year) - 1 : year;
  int64 era = floor_div(y, 400);
  int64 year_of_era = y - era * 400;
  int64 month_from_march = month > 2 ? month - 3 : month + 9;
  int64 day_of_year = (153 * month_from_march + 2) / 5;
  return static_cast<int>(kEraEpoch + era * kDaysPerEra + 365 * year_of_era + year_of_era / 4 -
                          year_of_era / 100 + day_of_year + day - 1);
}

void j2date(int jd, int* year, int* month, int* day) {
  // Days after the last that an int can count are still counted, as if it were unsigned.
  int64 days_since = static_cast<int64>(static_cast<unsigned int>(jd)) - kEraEpoch;
  int64 era = floor_div(days_since, kDaysPerEra);
  int64 d = days_since - era * kDaysPerEra;
  int64 year_of_era = (d - d / 1460 + d / 36524 - d / 146096) / 365;
  int64 day_of_year = d - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64 m = (5 * day_of_year + 2) / 153;
  *day = static_cast<int>(day_of_year - (153 * m + 2) / 5 + 1);
  *month = static_cast<int>(m < 10 ? m + 3 : m - 9);
  *year = static_cast<int>(era * 400 + year_of_era + (*month <= 2 ? 1 : 0));
}

int j2day(int date) {
  int64 d = (static_cast<int64>(date) + 1) % 7;
  return static_cast<int>(d < 0 ? d + 7 : d);
}

void GetCurrentDateTime(struct pg_tm* tm) {
  fsec_t fsec;
  GetCurrentTimeUsec(tm, &fsec, nullptr);
}

void GetCurrentTimeUsec(struct pg_tm* tm, fsec_t* fsec, int* tzp) {
  int tz;
  if (timestamp2tm(GetCurrentTransactionStartTimestamp(), &tz, tm, fsec, nullptr, bgw::session_zone()) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  if (tzp != nullptr) *tzp = tz;
}

int DetermineTimeZoneOffset(struct pg_tm* tm, pg_tz* tzp) {
  pg_time_t when;
  return zone_offset_at(tm, tzp, &when);
}

int DetermineTimeZoneAbbrevOffset(struct pg_tm* tm, const char* abbr, pg_tz* tzp) {
  pg_time_t when;
  int zone_offset = zone_offset_at(tm, tzp, &when);
  int offset, isdst;
  if (!abbreviation_offset(when, abbr, tzp, &offset, &isdst)) return zone_offset;
  tm->tm_isdst = isdst;
  return offset;
}

int DetermineTimeZoneAbbrevOffsetTS(TimestampTz ts, const char* abbr, pg_tz* tzp, int* isdst) {
  int offset;
  if (abbreviation_offset(timestamptz_to_time_t(ts), abbr, tzp, &offset, isdst)) return offset;
  struct pg_tm tm;
  fsec_t fsec;
  int zone_offset;
  if (timestamp2tm(ts, &zone_offset, &tm, &fsec, nullptr, tzp) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  *isdst = tm.tm_isdst;
  return zone_offset;
}

void DateTimeParseError(int dterr, const char* str, const char* datatype) {
  switch (dterr) {
    case DTERR_FIELD_OVERFLOW:
      ereport(ERROR, (errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
                      errmsg("date/time field value out of range: \"%s\"", str)));
      break;
    case DTERR_MD_FIELD_OVERFLOW:
      ereport(ERROR, (errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
                      errmsg("date/time field value out of range: \"%s\"", str),
                      errhint("Perhaps you need a different \"datestyle\" setting.")));
      break;
    case DTERR_INTERVAL_OVERFLOW:
      ereport(ERROR, (errcode(ERRCODE_INTERVAL_FIELD_OVERFLOW),
                      errmsg("interval field value out of range: \"%s\"", str)));
      break;
    case DTERR_TZDISP_OVERFLOW:
      ereport(ERROR, (errcode(ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE),
                      errmsg("time zone displacement out of range: \"%s\"", str)));
      break;
    default:
      ereport(ERROR, (errcode(ERRCODE_INVALID_DATETIME_FORMAT),
                      errmsg("invalid input syntax for type %s: \"%s\"", datatype, str)));
  }
  pg_unreachable();
}
}
