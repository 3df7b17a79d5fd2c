// pg_strftime: strftime as the server has it, in the C locale, on the server's own pg_tm. Raises nothing.
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "pgtime.h"
}

namespace {

const char* const kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
const char* const kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                               "July",    "August",   "September", "October", "November", "December"};

// Appends to a buffer of fixed size and remembers whether everything fitted.
struct Writer {
  char* out;
  size_t room;
  bool full = false;

  void text(const char* s, size_t n) {
    if (n >= room) {
      full = true;
      return;
    }
    memcpy(out, s, n);
    out += n;
    room -= n;
  }
  void text(const char* s) { text(s, strlen(s)); }
  void number(long value, const char* format) {
    char digits[32];
    snprintf(digits, sizeof digits, format, value);
    text(digits);
  }
  // Of a year before the first century the sign is all there is.
  void century(long year) {
    if (year < 0 && year > -100)
      text("-0");
    else
      number(year / 100, "%02ld");
  }
};

// Week of the year whose weeks begin on Monday and whose first week holds the 4th of January.
void iso_week(const pg_tm* t, long* year, int* week) {
  *year = t->tm_year + 1900L;
  int monday_based = (t->tm_wday + 6) % 7;
  *week = (t->tm_yday - monday_based + 10) / 7;
  auto weeks_in = [](long y) {
    auto p = [](long n) { return ((n + n / 4 - n / 100 + n / 400) % 7 + 7) % 7; };
    return p(y) == 4 || p(y - 1) == 3 ? 53 : 52;
  };
  if (*week < 1)
    *week = weeks_in(--*year);
  else if (*week > weeks_in(*year)) {
    *week = 1;
    ++*year;
  }
}

void format_into(Writer* w, const char* format, const pg_tm* t) {
  int hour12 = t->tm_hour % 12 == 0 ? 12 : t->tm_hour % 12;
  long year = t->tm_year + 1900L;
  bool known_day = t->tm_wday >= 0 && t->tm_wday < 7;
  bool known_month = t->tm_mon >= 0 && t->tm_mon < 12;
  for (; *format && !w->full; format++) {
    if (*format != '%') {
      w->text(format, 1);
      continue;
    }
    do format++;
    while (*format == 'E' || *format == 'O');
    long iso_year;
    int week;
    switch (*format) {
      case 'A':
        w->text(known_day ? kDays[t->tm_wday] : "?");
        break;
      case 'a':
        w->text(known_day ? kDays[t->tm_wday] : "?", known_day ? 3 : 1);
        break;
      case 'B':
        w->text(known_month ? kMonths[t->tm_mon] : "?");
        break;
      case 'b':
      case 'h':
        w->text(known_month ? kMonths[t->tm_mon] : "?", known_month ? 3 : 1);
        break;
      case 'C':
        w->century(year);
        break;
      case 'c':
        format_into(w, "%a %b %e %T %Y", t);
        break;
      case 'D':
        format_into(w, "%m/%d/%y", t);
        break;
      case 'd':
        w->number(t->tm_mday, "%02ld");
        break;
      case 'e':
        w->number(t->tm_mday, "%2ld");
        break;
      case 'F':
        format_into(w, "%Y-%m-%d", t);
        break;
      case 'H':
        w->number(t->tm_hour, "%02ld");
        break;
      case 'I':
        w->number(hour12, "%02ld");
        break;
      case 'j':
        w->number(t->tm_yday + 1, "%03ld");
        break;
      case 'k':
        w->number(t->tm_hour, "%2ld");
        break;
      case 'l':
        w->number(hour12, "%2ld");
        break;
      case 'M':
        w->number(t->tm_min, "%02ld");
        break;
      case 'm':
        w->number(t->tm_mon + 1, "%02ld");
        break;
      case 'n':
        w->text("\n");
        break;
      case 'p':
        w->text(t->tm_hour >= 12 ? "PM" : "AM");
        break;
      case 'R':
        format_into(w, "%H:%M", t);
        break;
      case 'r':
        format_into(w, "%I:%M:%S %p", t);
        break;
      case 'S':
        w->number(t->tm_sec, "%02ld");
        break;
      case 'T':
        format_into(w, "%H:%M:%S", t);
        break;
      case 't':
        w->text("\t");
        break;
      case 'U':
        w->number((t->tm_yday + 7 - t->tm_wday) / 7, "%02ld");
        break;
      case 'u':
        w->number(t->tm_wday == 0 ? 7 : t->tm_wday, "%ld");
        break;
      case 'V':
        iso_week(t, &iso_year, &week);
        w->number(week, "%02ld");
        break;
      case 'G':
        iso_week(t, &iso_year, &week);
        w->number(iso_year, "%04ld");
        break;
      case 'g':
        iso_week(t, &iso_year, &week);
        w->number(labs(iso_year % 100), "%02ld");
        break;
      case 'v':
        format_into(w, "%e-%b-%Y", t);
        break;
      case 'W':
        w->number((t->tm_yday + 7 - (t->tm_wday + 6) % 7) / 7, "%02ld");
        break;
      case 'w':
        w->number(t->tm_wday, "%ld");
        break;
      case 'X':
        format_into(w, "%H:%M:%S", t);
        break;
      case 'x':
        format_into(w, "%m/%d/%y", t);
        break;
      case 'Y':
        w->number(year, "%04ld");
        break;
      case 'y':
        w->number(labs(year % 100), "%02ld");
        break;
      case 'Z':
        if (t->tm_zone != nullptr) w->text(t->tm_zone);
        break;
      case 'z':
        if (t->tm_isdst >= 0) {
          long minutes = labs(t->tm_gmtoff) / 60;
          // A zone called "-00" says that its time is not known.
          const bool unknown = t->tm_gmtoff == 0 && t->tm_zone != nullptr && t->tm_zone[0] == '-';
          w->text(t->tm_gmtoff < 0 || unknown ? "-" : "+");
          w->number(minutes / 60 * 100 + minutes % 60, "%04ld");
        }
        break;
      case '+':
        format_into(w, "%a %b %e %H:%M:%S %Z %Y", t);
        break;
      case '\0':  // nothing follows: what stands there is text
        w->text(--format, 1);
        break;
      default:
        w->text(format, 1);
        break;
    }
  }
}

}  // namespace

extern "C" size_t pg_strftime(char* s, size_t max, const char* format, const struct pg_tm* tm) {
  Writer w{s, max};
  format_into(&w, format, tm);
  if (w.full || max == 0) return 0;
  *w.out = '\0';
  return w.out - s;
}
