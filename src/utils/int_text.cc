// Integers to and from text: the server's strict readers (pg_strtoint16 and its wider sisters) and its
// unpadded and zero-padded writers. A reader takes leading and trailing white space and one sign, and
// reports a number that does not fit before it looks at what follows the digits, as the server does.
// C style throughout (no destructors), because the readers raise errors.
#include <cctype>
#include <cstdint>
#include <cstring>
#include <limits>

extern "C" {
#include "postgres.h"
#include "utils/builtins.h"
}

namespace {

// Reads digits downwards from zero, so that the most negative value needs no case of its own.
template <typename Int>
Int read_integer(const char* text, const char* type_name) {
  const char* p = text;
  while (isspace(static_cast<unsigned char>(*p))) p++;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  bool any_digit = false;
  bool overflow = false;
  Int value = 0;
  while (*p >= '0' && *p <= '9') {
    any_digit = true;
    overflow = overflow || __builtin_mul_overflow(value, static_cast<Int>(10), &value) ||
               __builtin_sub_overflow(value, static_cast<Int>(*p - '0'), &value);
    p++;
  }
  if (any_digit && !overflow) {
    while (isspace(static_cast<unsigned char>(*p))) p++;
    if (*p == '\0') {
      if (negative) return value;
      if (value != std::numeric_limits<Int>::min()) return static_cast<Int>(-value);
      overflow = true;
    }
  }
  if (overflow)
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("value \"%s\" is out of range for type %s", text, type_name)));
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", type_name, text)));
  pg_unreachable();
}

int write_unsigned(uint64_t value, char* out) {
  char reversed[20];
  int n = 0;
  do {
    reversed[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (int i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
  return n;
}

int write_signed(int64_t value, char* out) {
  int n = 0;
  uint64_t magnitude = static_cast<uint64_t>(value);
  if (value < 0) {
    out[n++] = '-';
    magnitude = 0 - magnitude;
  }
  n += write_unsigned(magnitude, out + n);
  out[n] = '\0';
  return n;
}

}  // namespace

extern "C" {

int16 pg_strtoint16(const char* s) {
  return read_integer<int16>(s, "smallint");
}
int32 pg_strtoint32(const char* s) {
  return read_integer<int32>(s, "integer");
}
int64 pg_strtoint64(const char* s) {
  return read_integer<int64>(s, "bigint");
}

int pg_itoa(int16 i, char* a) {
  return write_signed(i, a);
}
int pg_ltoa(int32 l, char* a) {
  return write_signed(l, a);
}
int pg_lltoa(int64 ll, char* a) {
  return write_signed(ll, a);
}

// These two end nothing with a NUL: their callers go on writing.
int pg_ultoa_n(uint32 l, char* a) {
  return write_unsigned(l, a);
}
int pg_ulltoa_n(uint64 l, char* a) {
  return write_unsigned(l, a);
}

char* pg_ultostr(char* str, uint32 value) {
  return str + write_unsigned(value, str);
}

char* pg_ultostr_zeropad(char* str, uint32 value, int32 minwidth) {
  char digits[20];
  int n = write_unsigned(value, digits);
  while (minwidth-- > n) *str++ = '0';
  memcpy(str, digits, n);
  return str + n;
}
}
