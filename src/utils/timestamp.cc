// timestamp and timestamptz: text in and out, precision, the passage between an instant and broken-down
// fields, the clock, and what modules ask about differences of instants. An instant is a count of
// microseconds since 2000-01-01 00:00 (UTC for timestamptz); the two extremes are the infinities.
// C style throughout (no destructors), because almost everything here may raise an error.
#include <climits>
#include <cmath>
#include <cstring>
#include <ctime>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

constexpr int64 kEpochDifference =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;  // seconds, 1970 to 2000

[[noreturn]] void out_of_range() {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  pg_unreachable();
}

Timestamp read_timestamp(const char* text, int32 typmod, bool with_zone) {
  char buffer[MAXDATELEN + MAXDATEFIELDS];
  char* field[MAXDATEFIELDS];
  int type[MAXDATEFIELDS];
  int count, dtype, tz;
  pg_tm tm = {};
  fsec_t fsec;
  const char* type_name = with_zone ? "timestamp with time zone" : "timestamp";
  int error = ParseDateTime(text, buffer, sizeof buffer, field, type, MAXDATEFIELDS, &count);
  if (error == 0) error = DecodeDateTime(field, type, count, &dtype, &tm, &fsec, &tz);
  if (error != 0) DateTimeParseError(error, text, type_name);
  Timestamp result;
  switch (dtype) {
    case DTK_DATE:
      if (tm2timestamp(&tm, fsec, with_zone ? &tz : nullptr, &result) != 0)
        ereport(ERROR,
                (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range: \"%s\"", text)));
      break;
    case DTK_EPOCH:
      result = SetEpochTimestamp();
      break;
    case DTK_LATE:
      TIMESTAMP_NOEND(result);
      break;
    case DTK_EARLY:
      TIMESTAMP_NOBEGIN(result);
      break;
    default:
      elog(ERROR, "unexpected dtype %d while parsing %s \"%s\"", dtype, with_zone ? "timestamptz" : "timestamp",
           text);
  }
  AdjustTimestampForTypmod(&result, typmod);
  return result;
}

char* write_timestamp(Timestamp value, bool with_zone) {
  char text[MAXDATELEN + 1];
  pg_tm tm;
  fsec_t fsec;
  int tz = 0;
  const char* zone_name = nullptr;
  if (TIMESTAMP_NOT_FINITE(value)) {
    EncodeSpecialTimestamp(value, text);
  } else {
    if (timestamp2tm(value, with_zone ? &tz : nullptr, &tm, &fsec, with_zone ? &zone_name : nullptr, nullptr) !=
        0)
      out_of_range();
    EncodeDateTime(&tm, fsec, with_zone, tz, zone_name, DateStyle, text);
  }
  return pstrdup(text);
}

char* typmod_text(int32 typmod, const char* suffix) {
  return typmod >= 0 ? psprintf("(%d)%s", typmod, suffix) : pstrdup(suffix);
}

int64 time_of_day(int hour, int minute, int second, fsec_t fsec) {
  return ((static_cast<int64>(hour) * MINS_PER_HOUR + minute) * SECS_PER_MINUTE + second) * USECS_PER_SEC +
         fsec;
}

}  // namespace

extern "C" {

TimestampTz PgStartTime = 0;
TimestampTz PgReloadTime = 0;

Datum timestamp_in(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(read_timestamp(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), false));
}
Datum timestamptz_in(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(read_timestamp(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2), true));
}
Datum timestamp_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(write_timestamp(PG_GETARG_TIMESTAMP(0), false));
}
Datum timestamptz_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(write_timestamp(PG_GETARG_TIMESTAMPTZ(0), true));
}

Datum timestamptypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(typmod_text(PG_GETARG_INT32(0), " without time zone"));
}
Datum timestamptztypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(typmod_text(PG_GETARG_INT32(0), " with time zone"));
}

int32 anytimestamp_typmod_check(bool istz, int32 typmod) {
  if (typmod < 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("TIMESTAMP(%d)%s precision must not be negative", typmod, istz ? " WITH TIME ZONE" : "")));
  if (typmod > MAX_TIMESTAMP_PRECISION) {
    ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("TIMESTAMP(%d)%s precision reduced to maximum allowed, %d", typmod,
                             istz ? " WITH TIME ZONE" : "", MAX_TIMESTAMP_PRECISION)));
    typmod = MAX_TIMESTAMP_PRECISION;
  }
  return typmod;
}

bool AdjustTimestampForTypmodError(Timestamp* time, int32 typmod, bool* error) {
  if (TIMESTAMP_NOT_FINITE(*time) || typmod == -1 || typmod == MAX_TIMESTAMP_PRECISION) return true;
  if (typmod < 0 || typmod > MAX_TIMESTAMP_PRECISION) {
    if (error) {
      *error = true;
      return false;
    }
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("timestamp(%d) precision must be between %d and %d", typmod, 0, MAX_TIMESTAMP_PRECISION)));
  }
  int64 scale = 1;
  for (int i = typmod; i < MAX_TIMESTAMP_PRECISION; i++) scale *= 10;
  // Halves go away from the year 2000.
  if (*time >= 0)
    *time = (*time + scale / 2) / scale * scale;
  else
    *time = -((-*time + scale / 2) / scale * scale);
  return true;
}

void AdjustTimestampForTypmod(Timestamp* time, int32 typmod) {
  AdjustTimestampForTypmodError(time, typmod, nullptr);
}

Datum timestamp_scale(PG_FUNCTION_ARGS) {
  Timestamp value = PG_GETARG_TIMESTAMP(0);
  AdjustTimestampForTypmod(&value, PG_GETARG_INT32(1));
  PG_RETURN_TIMESTAMP(value);
}
Datum timestamptz_scale(PG_FUNCTION_ARGS) {
  return timestamp_scale(fcinfo);
}

// *tzp is in seconds west of Greenwich. Zero, or -1 when the fields are outside the type's range.
int tm2timestamp(struct pg_tm* tm, fsec_t fsec, int* tzp, Timestamp* dt) {
  *dt = 0;
  if (!IS_VALID_JULIAN(tm->tm_year, tm->tm_mon, tm->tm_mday)) return -1;
  int64 day = static_cast<int64>(date2j(tm->tm_year, tm->tm_mon, tm->tm_mday)) - POSTGRES_EPOCH_JDATE;
  int64 result;
  if (__builtin_mul_overflow(day, USECS_PER_DAY, &result) ||
      __builtin_add_overflow(result, time_of_day(tm->tm_hour, tm->tm_min, tm->tm_sec, fsec), &result))
    return -1;
  if (tzp != nullptr && __builtin_add_overflow(result, *tzp * USECS_PER_SEC, &result)) return -1;
  if (!IS_VALID_TIMESTAMP(result)) return -1;
  *dt = result;
  return 0;
}

// With tzp: local time in `attimezone`, or the session's zone when that is null.
int timestamp2tm(Timestamp dt, int* tzp, struct pg_tm* tm, fsec_t* fsec, const char** tzn, pg_tz* attimezone) {
  if (attimezone == nullptr) attimezone = bgw::session_zone();
  int64 day = dt / USECS_PER_DAY;
  int64 time = dt % USECS_PER_DAY;
  if (time < 0) {
    time += USECS_PER_DAY;
    day--;
  }
  day += POSTGRES_EPOCH_JDATE;
  if (day < 0 || day > INT_MAX) return -1;
  j2date(static_cast<int>(day), &tm->tm_year, &tm->tm_mon, &tm->tm_mday);
  dt2time(time, &tm->tm_hour, &tm->tm_min, &tm->tm_sec, fsec);
  if (tzp == nullptr) {
    tm->tm_isdst = -1;
    tm->tm_gmtoff = 0;
    tm->tm_zone = nullptr;
    if (tzn != nullptr) *tzn = nullptr;
    return 0;
  }
  pg_time_t when = (dt - *fsec) / USECS_PER_SEC + kEpochDifference;
  const pg_tm* local = pg_localtime(&when, attimezone);
  if (local == nullptr) return -1;
  tm->tm_year = local->tm_year + 1900;
  tm->tm_mon = local->tm_mon + 1;
  tm->tm_mday = local->tm_mday;
  tm->tm_hour = local->tm_hour;
  tm->tm_min = local->tm_min;
  tm->tm_sec = local->tm_sec;
  tm->tm_isdst = local->tm_isdst;
  tm->tm_gmtoff = local->tm_gmtoff;
  tm->tm_zone = local->tm_zone;
  *tzp = static_cast<int>(-local->tm_gmtoff);
  if (tzn != nullptr) *tzn = local->tm_zone;
  return 0;
}

void dt2time(Timestamp dt, int* hour, int* min, int* sec, fsec_t* fsec) {
  *hour = static_cast<int>(dt / USECS_PER_HOUR);
  *min = static_cast<int>(dt / USECS_PER_MINUTE - *hour * static_cast<int64>(MINS_PER_HOUR));
  int64 seconds = dt / USECS_PER_SEC;
  *sec = static_cast<int>(seconds - dt / USECS_PER_MINUTE * SECS_PER_MINUTE);
  *fsec = static_cast<fsec_t>(dt - seconds * USECS_PER_SEC);
}

void GetEpochTime(struct pg_tm* tm) {
  pg_time_t epoch = 0;
  const pg_tm* found = pg_gmtime(&epoch);
  tm->tm_year = found->tm_year + 1900;
  tm->tm_mon = found->tm_mon + 1;
  tm->tm_mday = found->tm_mday;
  tm->tm_hour = found->tm_hour;
  tm->tm_min = found->tm_min;
  tm->tm_sec = found->tm_sec;
}

Timestamp SetEpochTimestamp(void) {
  return -kEpochDifference * USECS_PER_SEC;
}

TimestampTz GetCurrentTimestamp(void) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (now.tv_sec - kEpochDifference) * USECS_PER_SEC + now.tv_nsec / 1000;
}

TimestampTz GetSQLCurrentTimestamp(int32 typmod) {
  TimestampTz now = GetCurrentTransactionStartTimestamp();
  if (typmod >= 0) AdjustTimestampForTypmod(&now, typmod);
  return now;
}

Timestamp GetSQLLocalTimestamp(int32 typmod) {
  TimestampTz now = GetCurrentTransactionStartTimestamp();
  Timestamp local = DatumGetTimestamp(DirectFunctionCall1(timestamptz_timestamp, TimestampTzGetDatum(now)));
  if (typmod >= 0) AdjustTimestampForTypmod(&local, typmod);
  return local;
}

Datum now(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(GetCurrentTransactionStartTimestamp());
}
Datum statement_timestamp(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(GetCurrentStatementStartTimestamp());
}
Datum clock_timestamp(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(GetCurrentTimestamp());
}

// Both results are zero when stop_time is not later.
void TimestampDifference(TimestampTz start_time, TimestampTz stop_time, long* secs, int* microsecs) {
  TimestampTz difference = 0;
  if (stop_time > start_time && __builtin_sub_overflow(stop_time, start_time, &difference))
    difference = PG_INT64_MAX;
  *secs = static_cast<long>(difference / USECS_PER_SEC);
  *microsecs = static_cast<int>(difference % USECS_PER_SEC);
}

// Rounded up, never negative, and never more than fits into an int: it is meant for a wait's timeout.
long TimestampDifferenceMilliseconds(TimestampTz start_time, TimestampTz stop_time) {
  int64 difference;
  if (start_time >= stop_time) return 0;
  if (__builtin_sub_overflow(stop_time, start_time, &difference) ||
      difference > INT_MAX * INT64CONST(1000) - 1000)
    return INT_MAX;
  return static_cast<long>((difference + 999) / 1000);
}

bool TimestampDifferenceExceeds(TimestampTz start_time, TimestampTz stop_time, int msec) {
  int64 difference;
  if (__builtin_sub_overflow(stop_time, start_time, &difference)) return stop_time > start_time;
  return difference >= msec * INT64CONST(1000);
}

TimestampTz time_t_to_timestamptz(pg_time_t tm) {
  return (tm - kEpochDifference) * USECS_PER_SEC;
}
pg_time_t timestamptz_to_time_t(TimestampTz t) {
  return t / USECS_PER_SEC + kEpochDifference;
}

// In a static buffer, always in the ISO style: meant for messages.
const char* timestamptz_to_str(TimestampTz t) {
  static char text[MAXDATELEN + 1];
  int tz;
  pg_tm tm;
  fsec_t fsec;
  const char* zone_name;
  if (TIMESTAMP_NOT_FINITE(t))
    EncodeSpecialTimestamp(t, text);
  else if (timestamp2tm(t, &tz, &tm, &fsec, &zone_name, nullptr) == 0)
    EncodeDateTime(&tm, fsec, true, tz, zone_name, USE_ISO_DATES, text);
  else
    strlcpy(text, "(timestamp out of range)", sizeof text);
  return text;
}

int timestamp_cmp_internal(Timestamp dt1, Timestamp dt2) {
  return dt1 < dt2 ? -1 : dt1 > dt2 ? 1 : 0;
}

// The instant of a local time in the session's zone. With `overflow`, a result outside the range becomes an
// infinity and *overflow its sign; without it, an error.
TimestampTz timestamp2timestamptz_opt_overflow(Timestamp timestamp, int* overflow) {
  if (overflow) *overflow = 0;
  if (TIMESTAMP_NOT_FINITE(timestamp)) return timestamp;
  pg_tm tm;
  fsec_t fsec;
  TimestampTz result = 0;
  if (timestamp2tm(timestamp, nullptr, &tm, &fsec, nullptr, nullptr) == 0) {
    int tz = DetermineTimeZoneOffset(&tm, bgw::session_zone());
    if (!__builtin_add_overflow(timestamp, tz * USECS_PER_SEC, &result) && IS_VALID_TIMESTAMP(result))
      return result;
    if (overflow) {
      *overflow = timestamp < 0 ? -1 : 1;
      return timestamp < 0 ? DT_NOBEGIN : DT_NOEND;
    }
  }
  out_of_range();
}

int32 timestamp_cmp_timestamptz_internal(Timestamp timestampVal, TimestampTz dt2) {
  int overflow;
  TimestampTz dt1 = timestamp2timestamptz_opt_overflow(timestampVal, &overflow);
  if (overflow > 0) return TIMESTAMP_IS_NOEND(dt2) ? -1 : 1;
  if (overflow < 0) return TIMESTAMP_IS_NOBEGIN(dt2) ? 1 : -1;
  return timestamp_cmp_internal(dt1, dt2);
}

Datum timestamp_timestamptz(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(timestamp2timestamptz_opt_overflow(PG_GETARG_TIMESTAMP(0), nullptr));
}

Datum timestamptz_timestamp(PG_FUNCTION_ARGS) {
  TimestampTz value = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(value)) PG_RETURN_TIMESTAMP(value);
  pg_tm tm;
  fsec_t fsec;
  int tz;
  Timestamp result;
  if (timestamp2tm(value, &tz, &tm, &fsec, nullptr, nullptr) != 0 ||
      tm2timestamp(&tm, fsec, nullptr, &result) != 0)
    out_of_range();
  PG_RETURN_TIMESTAMP(result);
}

Datum timestamp_finite(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(!TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMP(0)));
}

#define COMPARISONS(prefix, suffix, GetA, GetB, order) \
  Datum prefix##_eq##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) == 0);      \
  }                                                    \
  Datum prefix##_ne##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) != 0);      \
  }                                                    \
  Datum prefix##_lt##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) < 0);       \
  }                                                    \
  Datum prefix##_le##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) <= 0);      \
  }                                                    \
  Datum prefix##_gt##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) > 0);       \
  }                                                    \
  Datum prefix##_ge##suffix(PG_FUNCTION_ARGS) {        \
    PG_RETURN_BOOL(order(GetA(0), GetB(1)) >= 0);      \
  }                                                    \
  Datum prefix##_cmp##suffix(PG_FUNCTION_ARGS) {       \
    PG_RETURN_INT32(order(GetA(0), GetB(1)));          \
  }

static int32 instant_against_local(TimestampTz a, Timestamp b) {
  return -timestamp_cmp_timestamptz_internal(b, a);
}

COMPARISONS(timestamp, , PG_GETARG_TIMESTAMP, PG_GETARG_TIMESTAMP, timestamp_cmp_internal)
COMPARISONS(timestamp, _timestamptz, PG_GETARG_TIMESTAMP, PG_GETARG_TIMESTAMPTZ,
            timestamp_cmp_timestamptz_internal)
COMPARISONS(timestamptz, _timestamp, PG_GETARG_TIMESTAMPTZ, PG_GETARG_TIMESTAMP, instant_against_local)

Datum timestamp_smaller(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(Min(PG_GETARG_TIMESTAMP(0), PG_GETARG_TIMESTAMP(1)));
}
Datum timestamp_larger(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(Max(PG_GETARG_TIMESTAMP(0), PG_GETARG_TIMESTAMP(1)));
}
Datum timestamp_hash(PG_FUNCTION_ARGS) {
  return hashint8(fcinfo);
}
Datum timestamp_hash_extended(PG_FUNCTION_ARGS) {
  return hashint8extended(fcinfo);
}
}
