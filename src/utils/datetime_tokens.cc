// The first half of date, time and interval input: cutting the text into fields by what each looks like
// (ParseDateTime), and the small number readers that the second half uses. Letters come out in lower case.
// Raises nothing: every failure is a DTERR_ code.
#include <cctype>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "utils/datetime_fields.hpp"

namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}
bool letter(char c) {
  return isalpha(static_cast<unsigned char>(c)) != 0;
}
bool blank(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}

// Copies the input's characters into the work buffer, one field after the other.
class FieldWriter {
 public:
  FieldWriter(const char* text, char* buffer, size_t size) : p_(text), out_(buffer), end_(buffer + size) {}

  char peek() const { return *p_; }
  char after() const { return p_[1]; }
  void skip() { p_++; }
  void skip_blanks() {
    while (blank(*p_)) p_++;
  }

  char* begin() { return start_ = out_; }
  void take() {
    put(static_cast<char>(pg_tolower(static_cast<unsigned char>(*p_))));
    p_++;
  }
  template <typename Predicate>
  void take_while(Predicate predicate) {
    while (*p_ != '\0' && predicate(*p_)) take();
  }
  void terminate() { put('\0'); }
  // The field so far, as a C string; more may still be appended.
  char* so_far() {
    if (out_ >= end_) {  // no room for the end of the string: the text is refused as too long
      overflowed_ = true;
      out_ = end_ - 1;
      if (start_ > out_) start_ = out_;
    }
    *out_ = '\0';
    return start_;
  }
  bool overflowed() const { return overflowed_; }

 private:
  void put(char c) {
    if (out_ < end_)
      *out_++ = c;
    else
      overflowed_ = true;
  }

  const char* p_;
  char* out_;
  char* end_;
  char* start_ = nullptr;
  bool overflowed_ = false;
};

// After leading digits: a time, a date with one kind of separator, or a plain number.
int take_numeric(FieldWriter* w) {
  w->take_while(digit);
  char separator = w->peek();
  if (separator == ':') {
    w->take_while([](char c) { return digit(c) || c == ':' || c == '.'; });
    return DTK_TIME;
  }
  if (separator != '-' && separator != '/' && separator != '.') return DTK_NUMBER;
  w->take();
  if (!digit(w->peek())) {
    w->take_while([=](char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || c == separator; });
    return DTK_DATE;
  }
  int type = separator == '.' ? DTK_NUMBER : DTK_DATE;
  w->take_while(digit);
  if (w->peek() == separator) {
    type = DTK_DATE;
    w->take_while([=](char c) { return digit(c) || c == separator; });
  }
  return type;
}

// A word; or, with punctuation or digits in it, a date that begins with a month, or a zone's name.
int take_word(FieldWriter* w) {
  w->take_while(letter);
  char next = w->peek();
  bool compound = next == '-' || next == '/' || next == '.';
  if (next == '+' || digit(next)) {
    // "j2451187" and "y2001" are two fields; "est5edt" is one.
    int value;
    compound = DecodeSpecial(0, w->so_far(), &value) == UNKNOWN_FIELD;
  }
  if (!compound) return DTK_STRING;
  w->take_while(
      [](char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || strchr("+-/_.:", c) != nullptr; });
  return DTK_DATE;
}

}  // namespace

namespace bgw {

bool leading_int(const char* text, char** end, int* value) {
  errno = 0;
  long wide = strtol(text, end, 10);
  *value = static_cast<int>(wide);
  return errno != ERANGE && wide >= INT_MIN && wide <= INT_MAX;
}

bool read_fraction(const char* point, double* fraction) {
  *fraction = 0;
  if (point[1] == '\0') return true;
  if (point[1 + strspn(point + 1, "0123456789")] != '\0') return false;
  char* end;
  errno = 0;
  *fraction = strtod(point, &end);
  return *end == '\0' && errno == 0;
}

int read_clock(const char* text, int range, int64* hours, int* minutes, int* seconds, fsec_t* fsec) {
  char* p;
  errno = 0;
  *hours = strtoll(text, &p, 10);
  if (errno == ERANGE) return DTERR_FIELD_OVERFLOW;
  if (*p != ':') return DTERR_BAD_FORMAT;
  if (!leading_int(p + 1, &p, minutes)) return DTERR_FIELD_OVERFLOW;
  *seconds = 0;
  *fsec = 0;
  bool minutes_first = *p == '.' || (*p == '\0' && range == (INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND)));
  if (minutes_first) {
    if (*hours < INT_MIN || *hours > INT_MAX) return DTERR_FIELD_OVERFLOW;
    *seconds = *minutes;
    *minutes = static_cast<int>(*hours);
    *hours = 0;
  } else if (*p == ':') {
    if (!leading_int(p + 1, &p, seconds)) return DTERR_FIELD_OVERFLOW;
  }
  if (*p == '.') {
    double fraction;
    if (!read_fraction(p, &fraction)) return DTERR_BAD_FORMAT;
    *fsec = static_cast<fsec_t>(std::rint(fraction * 1000000));
  } else if (*p != '\0') {
    return DTERR_BAD_FORMAT;
  }
  if (*hours < 0 || *minutes < 0 || *minutes > MINS_PER_HOUR - 1 || *seconds < 0 ||
      *seconds > SECS_PER_MINUTE || *fsec < 0 || *fsec > USECS_PER_SEC)
    return DTERR_FIELD_OVERFLOW;
  return 0;
}

}  // namespace bgw

extern "C" int ParseDateTime(const char* timestr, char* workbuf, size_t buflen, char** field, int* ftype,
                             int maxfields, int* numfields) {
  FieldWriter w(timestr, workbuf, buflen);
  int n = 0;
  while (w.peek() != '\0') {
    char c = w.peek();
    if (blank(c)) {
      w.skip();
      continue;
    }
    bool sign = c == '+' || c == '-';
    if (!digit(c) && !letter(c) && !sign && c != '.') {
      if (!ispunct(static_cast<unsigned char>(c))) return DTERR_BAD_FORMAT;
      w.skip();
      continue;
    }
    if (n >= maxfields) return DTERR_BAD_FORMAT;
    field[n] = w.begin();
    if (digit(c)) {
      ftype[n] = take_numeric(&w);
    } else if (c == '.') {
      w.take();
      w.take_while(digit);
      ftype[n] = DTK_NUMBER;
    } else if (letter(c)) {
      ftype[n] = take_word(&w);
    } else {
      w.take();
      w.skip_blanks();
      if (digit(w.peek())) {
        w.take_while([](char x) { return digit(x) || x == ':' || x == '.' || x == '-'; });
        ftype[n] = DTK_TZ;
      } else if (letter(w.peek())) {
        w.take_while(letter);
        ftype[n] = DTK_SPECIAL;
      } else {
        return DTERR_BAD_FORMAT;
      }
    }
    w.terminate();
    if (w.overflowed()) return DTERR_BAD_FORMAT;
    n++;
  }
  *numfields = n;
  return 0;
}
