// Date, time, timestamp and interval output, in all the styles of DateStyle and IntervalStyle. Callers give a
// buffer of MAXDATELEN + 1 characters. Nothing here raises an error but for special values that are none.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
}

namespace {

constexpr int kLongestZoneName = 10;

char* put_text(char* out, const char* text) {
  size_t n = strlen(text);
  memcpy(out, text, n);
  return out + n;
}

char* put_padded(char* out, int64 value, int width) {
  return out + sprintf(out, "%0*" PRId64, width, static_cast<int64_t>(value));
}

// Seconds and the microseconds that are not zero, without trailing zeroes; the sign is the caller's.
char* put_seconds(char* out, int seconds, fsec_t fsec, bool two_digits) {
  out = put_padded(out, abs(seconds), two_digits ? 2 : 1);
  if (fsec == 0) return out;
  *out++ = '.';
  out = put_padded(out, abs(fsec), 6);
  while (out[-1] == '0') out--;
  return out;
}

char* put_clock(char* out, const pg_tm* tm, fsec_t fsec) {
  out = put_padded(out, tm->tm_hour, 2);
  *out++ = ':';
  out = put_padded(out, tm->tm_min, 2);
  *out++ = ':';
  return put_seconds(out, tm->tm_sec, fsec, true);
}

char* put_year(char* out, const pg_tm* tm) {
  return put_padded(out,
                    tm->tm_year > 0 ? static_cast<int64>(tm->tm_year) : 1 - static_cast<int64>(tm->tm_year), 4);
}

// Two of the three in the order that DateOrder wants, with `separator` between them.
char* put_day_and_month(char* out, const pg_tm* tm, char separator) {
  bool day_first = DateOrder == DATEORDER_DMY;
  out = put_padded(out, day_first ? tm->tm_mday : tm->tm_mon, 2);
  *out++ = separator;
  return put_padded(out, day_first ? tm->tm_mon : tm->tm_mday, 2);
}

char* put_iso_date(char* out, const pg_tm* tm) {
  out = put_year(out, tm);
  *out++ = '-';
  out = put_padded(out, tm->tm_mon, 2);
  *out++ = '-';
  return put_padded(out, tm->tm_mday, 2);
}

char* put_german_date(char* out, const pg_tm* tm) {
  out = put_padded(out, tm->tm_mday, 2);
  *out++ = '.';
  out = put_padded(out, tm->tm_mon, 2);
  *out++ = '.';
  return put_year(out, tm);
}

char* put_offset(char* out, int tz, int style) {
  int seconds = abs(tz);
  *out++ = tz <= 0 ? '+' : '-';
  out = put_padded(out, seconds / SECS_PER_HOUR, 2);
  int minutes = seconds / SECS_PER_MINUTE % MINS_PER_HOUR;
  seconds %= SECS_PER_MINUTE;
  if (minutes == 0 && seconds == 0 && style != USE_XSD_DATES) return out;
  *out++ = ':';
  out = put_padded(out, minutes, 2);
  if (seconds == 0) return out;
  *out++ = ':';
  return put_padded(out, seconds, 2);
}

// " CET" where the zone has a name, else the offset.
char* put_zone_name(char* out, int tz, const char* name, int style) {
  if (name != nullptr) return out + sprintf(out, " %.*s", kLongestZoneName, name);
  return put_offset(out, tz, style);
}

void end_with_era(char* out, const pg_tm* tm) {
  if (tm->tm_year <= 0) out = put_text(out, " BC");
  *out = '\0';
}

int64 magnitude(int64 value) {
  return value < 0 ? -value : value;
}

// "1 year 2 mons -3 days 04:05:06": a part behind a negative one shows its sign even when positive.
void put_postgres_interval(char* out, const pg_itm* itm) {
  bool first = true, after_negative = false;
  auto part = [&](int64 value, const char* unit) {
    if (value == 0) return;
    out += sprintf(out, "%s%s%" PRId64 " %s%s", first ? "" : " ", after_negative && value > 0 ? "+" : "",
                   static_cast<int64_t>(value), unit, value != 1 ? "s" : "");
    after_negative = value < 0;
    first = false;
  };
  part(itm->tm_year, "year");
  part(itm->tm_mon, "mon");
  part(itm->tm_mday, "day");
  if (first || itm->tm_hour != 0 || itm->tm_min != 0 || itm->tm_sec != 0 || itm->tm_usec != 0) {
    bool negative = itm->tm_hour < 0 || itm->tm_min < 0 || itm->tm_sec < 0 || itm->tm_usec < 0;
    out += sprintf(out, "%s%s%02" PRId64 ":%02d:", first ? "" : " ",
                   negative         ? "-"
                   : after_negative ? "+"
                                    : "",
                   static_cast<int64_t>(magnitude(itm->tm_hour)), abs(itm->tm_min));
    out = put_seconds(out, itm->tm_sec, itm->tm_usec, true);
  }
  *out = '\0';
}

// "@ 1 year 2 mons -3 days ago": the first part's sign becomes the "ago" of the whole.
void put_verbose_interval(char* out, const pg_itm* itm) {
  bool first = true, ago = false;
  *out++ = '@';
  auto part = [&](int64 value, const char* unit) {
    if (value == 0) return;
    if (first) {
      ago = value < 0;
      value = magnitude(value);
    } else if (ago) {
      value = -value;
    }
    out += sprintf(out, " %" PRId64 " %s%s", static_cast<int64_t>(value), unit, value == 1 ? "" : "s");
    first = false;
  };
  part(itm->tm_year, "year");
  part(itm->tm_mon, "mon");
  part(itm->tm_mday, "day");
  part(itm->tm_hour, "hour");
  part(itm->tm_min, "min");
  if (itm->tm_sec != 0 || itm->tm_usec != 0) {
    *out++ = ' ';
    bool negative = itm->tm_sec < 0 || itm->tm_usec < 0;
    if (first)
      ago = negative;
    else if (negative != ago)
      *out++ = '-';
    out = put_seconds(out, itm->tm_sec, itm->tm_usec, false);
    out = put_text(out, abs(itm->tm_sec) != 1 || itm->tm_usec != 0 ? " secs" : " sec");
    first = false;
  }
  if (first) out = put_text(out, " 0");
  if (ago) out = put_text(out, " ago");
  *out = '\0';
}

// "P1Y2M-3DT4H5M6.7S".
void put_iso_interval(char* out, const pg_itm* itm) {
  char* start = out;
  auto part = [&](int64 value, char unit) {
    if (value != 0) out += sprintf(out, "%" PRId64 "%c", static_cast<int64_t>(value), unit);
  };
  *out++ = 'P';
  part(itm->tm_year, 'Y');
  part(itm->tm_mon, 'M');
  part(itm->tm_mday, 'D');
  if (itm->tm_hour != 0 || itm->tm_min != 0 || itm->tm_sec != 0 || itm->tm_usec != 0) {
    *out++ = 'T';
    part(itm->tm_hour, 'H');
    part(itm->tm_min, 'M');
    if (itm->tm_sec != 0 || itm->tm_usec != 0) {
      if (itm->tm_sec < 0 || itm->tm_usec < 0) *out++ = '-';
      out = put_seconds(out, itm->tm_sec, itm->tm_usec, false);
      *out++ = 'S';
    }
  }
  if (out == start + 1) out = put_text(out, "T0S");
  *out = '\0';
}

// The standard's year-month or day-time literal with one sign; where the interval is neither, all three
// groups with a sign each.
void put_standard_interval(char* out, pg_itm itm) {
  int64 parts[] = {itm.tm_year, itm.tm_mon, itm.tm_mday, itm.tm_hour, itm.tm_min, itm.tm_sec, itm.tm_usec};
  bool negative = false, positive = false;
  for (int64 part : parts) {
    negative = negative || part < 0;
    positive = positive || part > 0;
  }
  bool has_months = itm.tm_year != 0 || itm.tm_mon != 0;
  bool has_days = itm.tm_mday != 0;
  bool has_time = itm.tm_hour != 0 || itm.tm_min != 0 || itm.tm_sec != 0 || itm.tm_usec != 0;
  bool standard = !(negative && positive) && !(has_months && (has_days || has_time));
  long long hour = magnitude(itm.tm_hour);
  long long mday = magnitude(itm.tm_mday);
  long long year = magnitude(itm.tm_year);
  int month = abs(itm.tm_mon), minute = abs(itm.tm_min);
  if (!negative && !positive) {
    strcpy(out, "0");
    return;
  }
  if (standard && negative) *out++ = '-';
  if (standard && has_months) {
    sprintf(out, "%lld-%d", year, month);
    return;
  }
  if (!standard) {
    char month_sign = itm.tm_year < 0 || itm.tm_mon < 0 ? '-' : '+';
    char day_sign = itm.tm_mday < 0 ? '-' : '+';
    bool time_negative = itm.tm_hour < 0 || itm.tm_min < 0 || itm.tm_sec < 0 || itm.tm_usec < 0;
    out += sprintf(out, "%c%lld-%d %c%lld %c%lld:%02d:", month_sign, year, month, day_sign, mday,
                   time_negative ? '-' : '+', hour, minute);
  } else if (has_days) {
    out += sprintf(out, "%lld %lld:%02d:", mday, hour, minute);
  } else {
    out += sprintf(out, "%lld:%02d:", hour, minute);
  }
  out = put_seconds(out, itm.tm_sec, itm.tm_usec, true);
  *out = '\0';
}

}  // namespace

extern "C" {

void EncodeDateOnly(struct pg_tm* tm, int style, char* str) {
  char* out = str;
  switch (style) {
    case USE_ISO_DATES:
    case USE_XSD_DATES:
      out = put_iso_date(out, tm);
      break;
    case USE_GERMAN_DATES:
      out = put_german_date(out, tm);
      break;
    default: {
      char separator = style == USE_SQL_DATES ? '/' : '-';
      out = put_day_and_month(out, tm, separator);
      *out++ = separator;
      out = put_year(out, tm);
    }
  }
  end_with_era(out, tm);
}

void EncodeTimeOnly(struct pg_tm* tm, fsec_t fsec, bool print_tz, int tz, int style, char* str) {
  char* out = put_clock(str, tm, fsec);
  if (print_tz) out = put_offset(out, tz, style);
  *out = '\0';
}

void EncodeDateTime(struct pg_tm* tm, fsec_t fsec, bool print_tz, int tz, const char* tzn, int style,
                    char* str) {
  char* out = str;
  if (tm->tm_isdst < 0) print_tz = false;
  switch (style) {
    case USE_ISO_DATES:
    case USE_XSD_DATES:
      out = put_iso_date(out, tm);
      *out++ = style == USE_ISO_DATES ? ' ' : 'T';
      out = put_clock(out, tm, fsec);
      if (print_tz) out = put_offset(out, tz, style);
      break;
    case USE_SQL_DATES:
      out = put_day_and_month(out, tm, '/');
      *out++ = '/';
      out = put_year(out, tm);
      *out++ = ' ';
      out = put_clock(out, tm, fsec);
      if (print_tz) out = put_zone_name(out, tz, tzn, style);
      break;
    case USE_GERMAN_DATES:
      out = put_german_date(out, tm);
      *out++ = ' ';
      out = put_clock(out, tm, fsec);
      if (print_tz) out = put_zone_name(out, tz, tzn, style);
      break;
    default: {
      tm->tm_wday = j2day(date2j(tm->tm_year, tm->tm_mon, tm->tm_mday));
      const char* month = months[tm->tm_mon - 1];
      out += sprintf(out, "%.3s ", days[tm->tm_wday]);
      out += DateOrder == DATEORDER_DMY ? sprintf(out, "%02d %s ", tm->tm_mday, month)
                                        : sprintf(out, "%s %02d ", month, tm->tm_mday);
      out = put_clock(out, tm, fsec);
      *out++ = ' ';
      out = put_year(out, tm);
      if (print_tz) {
        // A blank keeps the offset from being read as a part of the year.
        if (tzn == nullptr) *out++ = ' ';
        out = put_zone_name(out, tz, tzn, style);
      }
    }
  }
  end_with_era(out, tm);
}

void EncodeInterval(struct pg_itm* itm, int style, char* str) {
  switch (style) {
    case INTSTYLE_SQL_STANDARD:
      put_standard_interval(str, *itm);
      break;
    case INTSTYLE_ISO_8601:
      put_iso_interval(str, itm);
      break;
    case INTSTYLE_POSTGRES:
      put_postgres_interval(str, itm);
      break;
    default:
      put_verbose_interval(str, itm);
  }
}

void EncodeSpecialDate(DateADT dt, char* str) {
  if (!DATE_NOT_FINITE(dt)) elog(ERROR, "invalid argument for EncodeSpecialDate");
  strcpy(str, DATE_IS_NOBEGIN(dt) ? EARLY : LATE);
}

void EncodeSpecialTimestamp(Timestamp dt, char* str) {
  if (!TIMESTAMP_NOT_FINITE(dt)) elog(ERROR, "invalid argument for EncodeSpecialTimestamp");
  strcpy(str, TIMESTAMP_IS_NOBEGIN(dt) ? EARLY : LATE);
}
}
