// Instants and intervals: sums, differences, age. Months and days of an interval move the calendar date, in
// the session's zone for timestamptz, and the day of the month is cut to the month's length; only the rest
// is a length of time. C style throughout (no destructors), because everything here may raise an error.
#include <climits>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

[[noreturn]] void timestamp_out_of_range() {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  pg_unreachable();
}

Timestamp from_fields(pg_tm* tm, fsec_t fsec, bool with_zone) {
  int tz = 0;
  Timestamp result;
  if (with_zone) tz = DetermineTimeZoneOffset(tm, bgw::session_zone());
  if (tm2timestamp(tm, fsec, with_zone ? &tz : nullptr, &result) != 0) timestamp_out_of_range();
  return result;
}

void to_fields(Timestamp value, pg_tm* tm, fsec_t* fsec, bool with_zone) {
  int tz;
  if (timestamp2tm(value, with_zone ? &tz : nullptr, tm, fsec, nullptr, nullptr) != 0) timestamp_out_of_range();
}

Timestamp add(Timestamp value, const Interval* span, bool with_zone) {
  if (TIMESTAMP_NOT_FINITE(value)) return value;
  pg_tm tm;
  fsec_t fsec;
  if (span->month != 0) {
    to_fields(value, &tm, &fsec, with_zone);
    int month;
    if (__builtin_add_overflow(tm.tm_mon, span->month, &month)) timestamp_out_of_range();
    // Months from January of the same year, floored to whole years.
    int from_january = month - 1;
    int years = from_january / MONTHS_PER_YEAR - (from_january % MONTHS_PER_YEAR < 0 ? 1 : 0);
    tm.tm_year += years;
    tm.tm_mon = from_january - years * MONTHS_PER_YEAR + 1;
    int last = day_tab[isleap(tm.tm_year)][tm.tm_mon - 1];
    if (tm.tm_mday > last) tm.tm_mday = last;
    value = from_fields(&tm, fsec, with_zone);
  }
  if (span->day != 0) {
    to_fields(value, &tm, &fsec, with_zone);
    int julian;
    if (__builtin_add_overflow(date2j(tm.tm_year, tm.tm_mon, tm.tm_mday), span->day, &julian) || julian < 0)
      timestamp_out_of_range();
    j2date(julian, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
    value = from_fields(&tm, fsec, with_zone);
  }
  if (__builtin_add_overflow(value, span->time, &value) || !IS_VALID_TIMESTAMP(value)) timestamp_out_of_range();
  return value;
}

Timestamp subtract(Timestamp value, const Interval* span, bool with_zone) {
  // The most negative parts stay what they are, as in the server.
  Interval negated;
  negated.month = static_cast<int32>(0 - static_cast<uint32>(span->month));
  negated.day = static_cast<int32>(0 - static_cast<uint32>(span->day));
  negated.time = static_cast<int64>(0 - static_cast<uint64>(span->time));
  return add(value, &negated, with_zone);
}

// The difference in years, months, days and time, each of the same sign.
Interval* age(Timestamp a, Timestamp b, bool with_zone) {
  Interval* result = static_cast<Interval*>(palloc(sizeof(Interval)));
  pg_tm from, to;
  fsec_t from_fsec, to_fsec;
  int from_tz = 0, to_tz = 0;
  if (timestamp2tm(a, with_zone ? &to_tz : nullptr, &to, &to_fsec, nullptr, nullptr) != 0 ||
      timestamp2tm(b, with_zone ? &from_tz : nullptr, &from, &from_fsec, nullptr, nullptr) != 0)
    timestamp_out_of_range();
  bool backwards = a < b;
  if (backwards) {
    pg_tm tm = from;
    from = to;
    to = tm;
    fsec_t fsec = from_fsec;
    from_fsec = to_fsec;
    to_fsec = fsec;
  }
  pg_itm itm;
  itm.tm_usec = to_fsec - from_fsec;
  itm.tm_sec = to.tm_sec - from.tm_sec;
  itm.tm_min = to.tm_min - from.tm_min;
  itm.tm_hour = to.tm_hour - from.tm_hour;
  itm.tm_mday = to.tm_mday - from.tm_mday;
  itm.tm_mon = to.tm_mon - from.tm_mon;
  itm.tm_year = to.tm_year - from.tm_year;
  while (itm.tm_usec < 0) {
    itm.tm_usec += USECS_PER_SEC;
    itm.tm_sec--;
  }
  while (itm.tm_sec < 0) {
    itm.tm_sec += SECS_PER_MINUTE;
    itm.tm_min--;
  }
  while (itm.tm_min < 0) {
    itm.tm_min += MINS_PER_HOUR;
    itm.tm_hour--;
  }
  while (itm.tm_hour < 0) {
    itm.tm_hour += HOURS_PER_DAY;
    itm.tm_mday--;
  }
  // A borrowed month is as long as the earlier date's.
  while (itm.tm_mday < 0) {
    itm.tm_mday += day_tab[isleap(from.tm_year)][from.tm_mon - 1];
    itm.tm_mon--;
  }
  while (itm.tm_mon < 0) {
    itm.tm_mon += MONTHS_PER_YEAR;
    itm.tm_year--;
  }
  if (itm2interval(&itm, result) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("interval out of range")));
  if (backwards) {
    result->month = -result->month;
    result->day = -result->day;
    result->time = -result->time;
  }
  return result;
}

}  // namespace

extern "C" {

Datum timestamp_mi(PG_FUNCTION_ARGS) {
  Timestamp a = PG_GETARG_TIMESTAMP(0);
  Timestamp b = PG_GETARG_TIMESTAMP(1);
  Interval* result = static_cast<Interval*>(palloc0(sizeof(Interval)));
  if (TIMESTAMP_NOT_FINITE(a) || TIMESTAMP_NOT_FINITE(b))
    ereport(ERROR,
            (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("cannot subtract infinite timestamps")));
  // A difference beyond 64 bits wraps around in this major of the server, without an error.
  result->time = static_cast<int64>(static_cast<uint64>(a) - static_cast<uint64>(b));
  return DirectFunctionCall1(interval_justify_hours, IntervalPGetDatum(result));
}

Datum timestamp_pl_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(add(PG_GETARG_TIMESTAMP(0), PG_GETARG_INTERVAL_P(1), false));
}
Datum timestamp_mi_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(subtract(PG_GETARG_TIMESTAMP(0), PG_GETARG_INTERVAL_P(1), false));
}
Datum timestamptz_pl_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(add(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_INTERVAL_P(1), true));
}
Datum timestamptz_mi_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(subtract(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_INTERVAL_P(1), true));
}

Datum timestamp_age(PG_FUNCTION_ARGS) {
  PG_RETURN_INTERVAL_P(age(PG_GETARG_TIMESTAMP(0), PG_GETARG_TIMESTAMP(1), false));
}
Datum timestamptz_age(PG_FUNCTION_ARGS) {
  PG_RETURN_INTERVAL_P(age(PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_TIMESTAMPTZ(1), true));
}
}
