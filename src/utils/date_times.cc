// time and timetz: text in and out, precision, comparison, and the passage to and from the other types. A
// time is a count of microseconds since midnight, up to and with 24:00; a timetz has an offset besides, in
// seconds west of Greenwich. What they declare is in date.h, as the types are.
// C style throughout (no destructors), because almost everything here may raise an error.
#include <climits>
#include <cmath>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
}

namespace {

void parse_time(const char* text, const char* type_name, pg_tm* tm, fsec_t* fsec, int* tz) {
  char buffer[MAXDATELEN + 1];
  char* field[MAXDATEFIELDS];
  int type[MAXDATEFIELDS];
  int count, dtype;
  int error = ParseDateTime(text, buffer, sizeof buffer, field, type, MAXDATEFIELDS, &count);
  if (error == 0) error = DecodeTimeOnly(field, type, count, &dtype, tm, fsec, tz);
  if (error != 0) DateTimeParseError(error, text, type_name);
}

TimeTzADT* new_timetz(TimeADT time, int32 zone) {
  TimeTzADT* result = static_cast<TimeTzADT*>(palloc(sizeof(TimeTzADT)));
  result->time = time;
  result->zone = zone;
  return result;
}

TimeADT within_day(int64 time) {
  time %= USECS_PER_DAY;
  return time < 0 ? time + USECS_PER_DAY : time;
}

int order(TimeADT a, TimeADT b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// By the instant first; equal instants by the offset.
int order_timetz(const TimeTzADT* a, const TimeTzADT* b) {
  int by_instant = order(a->time + a->zone * USECS_PER_SEC, b->time + b->zone * USECS_PER_SEC);
  if (by_instant != 0) return by_instant;
  return a->zone < b->zone ? -1 : a->zone > b->zone ? 1 : 0;
}

void local_fields(TimestampTz value, pg_tm* tm, fsec_t* fsec, int* tz) {
  if (timestamp2tm(value, tz, tm, fsec, nullptr, nullptr) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
}

char* typmod_text(int32 typmod, const char* suffix) {
  return typmod >= 0 ? psprintf("(%d)%s", typmod, suffix) : pstrdup(suffix);
}

}  // namespace

extern "C" {

bool time_overflows(int hour, int min, int sec, fsec_t fsec) {
  if (hour < 0 || hour > HOURS_PER_DAY || min < 0 || min >= MINS_PER_HOUR || sec < 0 || sec > SECS_PER_MINUTE ||
      fsec < 0 || fsec > USECS_PER_SEC)
    return true;
  pg_tm tm = {};
  tm.tm_hour = hour;
  tm.tm_min = min;
  tm.tm_sec = sec;
  TimeADT time;
  tm2time(&tm, fsec, &time);
  return time > USECS_PER_DAY;
}

bool float_time_overflows(int hour, int min, double sec) {
  if (hour < 0 || hour > HOURS_PER_DAY || min < 0 || min >= MINS_PER_HOUR || std::isnan(sec)) return true;
  sec = std::rint(sec * USECS_PER_SEC);
  if (sec < 0 || sec > SECS_PER_MINUTE * USECS_PER_SEC) return true;
  return (hour * static_cast<int64>(MINS_PER_HOUR) + min) * USECS_PER_MINUTE + static_cast<int64>(sec) >
         USECS_PER_DAY;
}

int tm2time(struct pg_tm* tm, fsec_t fsec, TimeADT* result) {
  *result = ((tm->tm_hour * static_cast<int64>(MINS_PER_HOUR) + tm->tm_min) * SECS_PER_MINUTE + tm->tm_sec) *
                USECS_PER_SEC +
            fsec;
  return 0;
}

int tm2timetz(struct pg_tm* tm, fsec_t fsec, int tz, TimeTzADT* result) {
  tm2time(tm, fsec, &result->time);
  result->zone = tz;
  return 0;
}

int time2tm(TimeADT time, struct pg_tm* tm, fsec_t* fsec) {
  dt2time(time, &tm->tm_hour, &tm->tm_min, &tm->tm_sec, fsec);
  return 0;
}

int timetz2tm(TimeTzADT* time, struct pg_tm* tm, fsec_t* fsec, int* tzp) {
  time2tm(time->time, tm, fsec);
  if (tzp != nullptr) *tzp = time->zone;
  return 0;
}

int32 anytime_typmod_check(bool istz, int32 typmod) {
  if (typmod < 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("TIME(%d)%s precision must not be negative", typmod, istz ? " WITH TIME ZONE" : "")));
  if (typmod > MAX_TIME_PRECISION) {
    ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("TIME(%d)%s precision reduced to maximum allowed, %d", typmod,
                             istz ? " WITH TIME ZONE" : "", MAX_TIME_PRECISION)));
    typmod = MAX_TIME_PRECISION;
  }
  return typmod;
}

void AdjustTimeForTypmod(TimeADT* time, int32 typmod) {
  if (typmod < 0 || typmod > MAX_TIME_PRECISION) return;
  int64 scale = 1;
  for (int i = typmod; i < MAX_TIME_PRECISION; i++) scale *= 10;
  if (*time >= 0)
    *time = (*time + scale / 2) / scale * scale;
  else
    *time = -((-*time + scale / 2) / scale * scale);
}

Datum time_in(PG_FUNCTION_ARGS) {
  pg_tm tm;
  fsec_t fsec;
  int tz;
  TimeADT result;
  parse_time(PG_GETARG_CSTRING(0), "time", &tm, &fsec, &tz);
  tm2time(&tm, fsec, &result);
  AdjustTimeForTypmod(&result, PG_GETARG_INT32(2));
  PG_RETURN_TIMEADT(result);
}

Datum time_out(PG_FUNCTION_ARGS) {
  pg_tm tm;
  fsec_t fsec;
  char text[MAXDATELEN + 1];
  time2tm(PG_GETARG_TIMEADT(0), &tm, &fsec);
  EncodeTimeOnly(&tm, fsec, false, 0, DateStyle, text);
  PG_RETURN_CSTRING(pstrdup(text));
}

Datum timetz_in(PG_FUNCTION_ARGS) {
  pg_tm tm;
  fsec_t fsec;
  int tz;
  parse_time(PG_GETARG_CSTRING(0), "time with time zone", &tm, &fsec, &tz);
  TimeTzADT* result = new_timetz(0, tz);
  tm2time(&tm, fsec, &result->time);
  AdjustTimeForTypmod(&result->time, PG_GETARG_INT32(2));
  PG_RETURN_TIMETZADT_P(result);
}

Datum timetz_out(PG_FUNCTION_ARGS) {
  pg_tm tm;
  fsec_t fsec;
  int tz;
  char text[MAXDATELEN + 1];
  timetz2tm(PG_GETARG_TIMETZADT_P(0), &tm, &fsec, &tz);
  EncodeTimeOnly(&tm, fsec, true, tz, DateStyle, text);
  PG_RETURN_CSTRING(pstrdup(text));
}

Datum timetypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(typmod_text(PG_GETARG_INT32(0), " without time zone"));
}
Datum timetztypmodout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(typmod_text(PG_GETARG_INT32(0), " with time zone"));
}

Datum time_scale(PG_FUNCTION_ARGS) {
  TimeADT time = PG_GETARG_TIMEADT(0);
  AdjustTimeForTypmod(&time, PG_GETARG_INT32(1));
  PG_RETURN_TIMEADT(time);
}

Datum timetz_scale(PG_FUNCTION_ARGS) {
  const TimeTzADT* time = PG_GETARG_TIMETZADT_P(0);
  TimeTzADT* result = new_timetz(time->time, time->zone);
  AdjustTimeForTypmod(&result->time, PG_GETARG_INT32(1));
  PG_RETURN_TIMETZADT_P(result);
}

TimeTzADT* GetSQLCurrentTime(int32 typmod) {
  pg_tm tm;
  fsec_t fsec;
  int tz;
  GetCurrentTimeUsec(&tm, &fsec, &tz);
  TimeTzADT* result = new_timetz(0, tz);
  tm2time(&tm, fsec, &result->time);
  AdjustTimeForTypmod(&result->time, typmod);
  return result;
}

TimeADT GetSQLLocalTime(int32 typmod) {
  pg_tm tm;
  fsec_t fsec;
  int tz;
  TimeADT result;
  GetCurrentTimeUsec(&tm, &fsec, &tz);
  tm2time(&tm, fsec, &result);
  AdjustTimeForTypmod(&result, typmod);
  return result;
}

Datum timestamp_time(PG_FUNCTION_ARGS) {
  Timestamp value = PG_GETARG_TIMESTAMP(0);
  if (TIMESTAMP_NOT_FINITE(value)) PG_RETURN_NULL();
  PG_RETURN_TIMEADT(within_day(value));
}

Datum timestamptz_time(PG_FUNCTION_ARGS) {
  TimestampTz value = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(value)) PG_RETURN_NULL();
  pg_tm tm;
  fsec_t fsec;
  int tz;
  TimeADT result;
  local_fields(value, &tm, &fsec, &tz);
  tm2time(&tm, fsec, &result);
  PG_RETURN_TIMEADT(result);
}

Datum timestamptz_timetz(PG_FUNCTION_ARGS) {
  TimestampTz value = PG_GETARG_TIMESTAMPTZ(0);
  if (TIMESTAMP_NOT_FINITE(value)) PG_RETURN_NULL();
  pg_tm tm;
  fsec_t fsec;
  int tz;
  local_fields(value, &tm, &fsec, &tz);
  TimeTzADT* result = new_timetz(0, tz);
  tm2time(&tm, fsec, &result->time);
  PG_RETURN_TIMETZADT_P(result);
}

Datum datetime_timestamp(PG_FUNCTION_ARGS) {
  Timestamp result = date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), nullptr);
  if (!TIMESTAMP_NOT_FINITE(result)) {
    result += PG_GETARG_TIMEADT(1);
    if (!IS_VALID_TIMESTAMP(result))
      ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  }
  PG_RETURN_TIMESTAMP(result);
}

Datum timetz_time(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMEADT(PG_GETARG_TIMETZADT_P(0)->time);
}

Datum time_interval(PG_FUNCTION_ARGS) {
  Interval* result = static_cast<Interval*>(palloc0(sizeof(Interval)));
  result->time = PG_GETARG_TIMEADT(0);
  PG_RETURN_INTERVAL_P(result);
}
Datum interval_time(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMEADT(within_day(PG_GETARG_INTERVAL_P(0)->time));
}

Datum time_mi_time(PG_FUNCTION_ARGS) {
  Interval* result = static_cast<Interval*>(palloc0(sizeof(Interval)));
  result->time = PG_GETARG_TIMEADT(0) - PG_GETARG_TIMEADT(1);
  PG_RETURN_INTERVAL_P(result);
}
Datum time_pl_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMEADT(within_day(PG_GETARG_TIMEADT(0) + PG_GETARG_INTERVAL_P(1)->time % USECS_PER_DAY));
}
Datum time_mi_interval(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMEADT(within_day(PG_GETARG_TIMEADT(0) - PG_GETARG_INTERVAL_P(1)->time % USECS_PER_DAY));
}
Datum timetz_pl_interval(PG_FUNCTION_ARGS) {
  const TimeTzADT* time = PG_GETARG_TIMETZADT_P(0);
  PG_RETURN_TIMETZADT_P(
      new_timetz(within_day(time->time + PG_GETARG_INTERVAL_P(1)->time % USECS_PER_DAY), time->zone));
}
Datum timetz_mi_interval(PG_FUNCTION_ARGS) {
  const TimeTzADT* time = PG_GETARG_TIMETZADT_P(0);
  PG_RETURN_TIMETZADT_P(
      new_timetz(within_day(time->time - PG_GETARG_INTERVAL_P(1)->time % USECS_PER_DAY), time->zone));
}

#define COMPARISONS(prefix, Get, compare)                                         \
  Datum prefix##_eq(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) == 0);                                 \
  }                                                                               \
  Datum prefix##_ne(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) != 0);                                 \
  }                                                                               \
  Datum prefix##_lt(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) < 0);                                  \
  }                                                                               \
  Datum prefix##_le(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) <= 0);                                 \
  }                                                                               \
  Datum prefix##_gt(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) > 0);                                  \
  }                                                                               \
  Datum prefix##_ge(PG_FUNCTION_ARGS) {                                           \
    PG_RETURN_BOOL(compare(Get(0), Get(1)) >= 0);                                 \
  }                                                                               \
  Datum prefix##_cmp(PG_FUNCTION_ARGS) {                                          \
    PG_RETURN_INT32(compare(Get(0), Get(1)));                                     \
  }                                                                               \
  Datum prefix##_larger(PG_FUNCTION_ARGS) {                                       \
    return compare(Get(0), Get(1)) > 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1); \
  }                                                                               \
  Datum prefix##_smaller(PG_FUNCTION_ARGS) {                                      \
    return compare(Get(0), Get(1)) < 0 ? PG_GETARG_DATUM(0) : PG_GETARG_DATUM(1); \
  }

COMPARISONS(time, PG_GETARG_TIMEADT, order)
COMPARISONS(timetz, PG_GETARG_TIMETZADT_P, order_timetz)

Datum time_hash(PG_FUNCTION_ARGS) {
  return hashint8(fcinfo);
}
Datum timetz_hash(PG_FUNCTION_ARGS) {
  const TimeTzADT* key = PG_GETARG_TIMETZADT_P(0);
  uint32 hash = DatumGetUInt32(DirectFunctionCall1(hashint8, Int64GetDatumFast(key->time)));
  PG_RETURN_UINT32(hash ^ DatumGetUInt32(hash_uint32(key->zone)));
}
}
