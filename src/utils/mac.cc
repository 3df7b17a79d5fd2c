// macaddr and macaddr8 (utils/inet.h): hardware addresses of 6 and 8 bytes, read in the spellings that are in
// use and printed with colons.
//
// Both structures are their bytes in order, so that most of the code sees an array.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
}

namespace {

static_assert(sizeof(macaddr) == 6 && sizeof(macaddr8) == 8);

using Bytes = unsigned char*;
using ConstBytes = const unsigned char*;

inline ConstBytes bytes_of(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<ConstBytes>(PG_GETARG_POINTER(argument));
}

inline Bytes new_bytes(int n) {
  return static_cast<Bytes>(palloc0(static_cast<Size>(n)));
}

[[noreturn]] void syntax_error(const char* type, const char* text) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", type, text)));
  pg_unreachable();
}

[[noreturn]] void octet_error(const char* type, const char* text) {
  ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                  errmsg("invalid octet value in \"%s\" value: \"%s\"", type, text)));
  pg_unreachable();
}

inline bool space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

inline int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A hexadecimal number as scanf() takes it: spaces, a sign, "0x", at most `width` characters after the spaces
// (0: as many as there are). False: there is none.
bool read_hex(const char** at, int width, int* value) {
  const char* text = *at;
  while (space(*text)) text++;
  int left = width == 0 ? PG_INT32_MAX : width;
  bool negative = false;
  if (left > 0 && (*text == '-' || *text == '+')) {
    negative = *text++ == '-';
    left--;
  }
  uint64 number = 0;
  int digits = 0;
  if (left > 0 && *text == '0') {
    text++, left--, digits++;
    if (left > 0 && (*text == 'x' || *text == 'X')) {
      text++, left--;
      digits = 0;  // "0x" alone is no number
    }
  }
  for (; left > 0 && hex_value(*text) >= 0; text++, left--, digits++) {
    if (number >> 60 != 0) return false;  // far beyond an octet, whichever way it is cut
    number = number << 4 | static_cast<uint64>(hex_value(*text));
  }
  if (digits == 0) return false;
  *value = static_cast<int>(static_cast<uint32>(negative ? 0 - number : number));
  *at = text;
  return true;
}

// Six numbers with what stands between them; nothing but spaces behind. `width` as for read_hex().
bool read_six(const char* text, int width, const char* const separators[5], int numbers[6]) {
  for (int i = 0; i < 6; i++) {
    if (!read_hex(&text, width, &numbers[i])) return false;
    if (i < 5) {
      const std::size_t len = strlen(separators[i]);
      if (strncmp(text, separators[i], len) != 0) return false;
      text += len;
    }
  }
  while (space(*text)) text++;
  return *text == '\0';
}

bool read_macaddr(const char* text, int numbers[6]) {
  static const struct {
    int width;
    const char* separators[5];
  } forms[] = {
      {0, {":", ":", ":", ":", ":"}}, {0, {"-", "-", "-", "-", "-"}}, {2, {"", "", ":", "", ""}},
      {2, {"", "", "-", "", ""}},     {2, {"", ".", "", ".", ""}},    {2, {"", "-", "", "-", ""}},
      {2, {"", "", "", "", ""}},
  };
  for (const auto& form : forms)
    if (read_six(text, form.width, form.separators, numbers)) return true;
  return false;
}

// Six or eight pairs of digits, with the same separator or none after each; six become eight.
bool read_macaddr8(const char* text, Bytes bytes) {
  char separator = '\0';
  int count = 0;
  while (space(*text)) text++;
  while (*text != '\0' && text[1] != '\0') {
    const int high = hex_value(text[0]), low = hex_value(text[1]);
    if (high < 0 || low < 0 || count == 8) return false;
    bytes[count++] = static_cast<unsigned char>(high << 4 | low);
    text += 2;
    if (*text == ':' || *text == '-' || *text == '.') {
      if (separator == '\0')
        separator = *text;
      else if (separator != *text)
        return false;
      text++;
    }
    if (count == 6 || count == 8) {
      const char* rest = text;
      while (space(*rest)) rest++;
      if (*rest == '\0' && rest > text) {
        text = rest;
        break;
      }
    }
  }
  if (*text != '\0') return false;
  if (count == 6) {
    memmove(bytes + 5, bytes + 3, 3);
    bytes[3] = 0xff;
    bytes[4] = 0xfe;
  }
  return count == 6 || count == 8;
}

char* print_bytes(ConstBytes bytes, int n) {
  static const char digits[] = "0123456789abcdef";
  char* text = static_cast<char*>(palloc(static_cast<Size>(n) * 3));
  for (int i = 0; i < n; i++) {
    text[3 * i] = digits[bytes[i] >> 4];
    text[3 * i + 1] = digits[bytes[i] & 15];
    text[3 * i + 2] = i + 1 < n ? ':' : '\0';
  }
  return text;
}

inline int compare(FunctionCallInfo fcinfo, int n) {
  const int order = memcmp(bytes_of(fcinfo, 0), bytes_of(fcinfo, 1), static_cast<std::size_t>(n));
  return (order > 0) - (order < 0);
}

template <typename Combine>
Datum combined(FunctionCallInfo fcinfo, int n, Combine combine) {
  ConstBytes a = bytes_of(fcinfo, 0);
  ConstBytes b = PG_NARGS() > 1 ? bytes_of(fcinfo, 1) : a;
  Bytes result = new_bytes(n);
  for (int i = 0; i < n; i++) result[i] = static_cast<unsigned char>(combine(a[i], b[i]));
  PG_RETURN_POINTER(result);
}

// The manufacturer's part alone.
Datum truncated(FunctionCallInfo fcinfo, int n) {
  Bytes result = new_bytes(n);
  memcpy(result, bytes_of(fcinfo, 0), 3);
  PG_RETURN_POINTER(result);
}

}  // namespace

extern "C" {

Datum macaddr_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  int numbers[6];
  if (!read_macaddr(text, numbers)) syntax_error("macaddr", text);
  Bytes result = new_bytes(6);
  for (int i = 0; i < 6; i++) {
    if (numbers[i] < 0 || numbers[i] > 255) octet_error("macaddr", text);
    result[i] = static_cast<unsigned char>(numbers[i]);
  }
  PG_RETURN_POINTER(result);
}

Datum macaddr8_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  unsigned char bytes[8];
  if (!read_macaddr8(text, bytes)) syntax_error("macaddr8", text);
  Bytes result = new_bytes(8);
  memcpy(result, bytes, 8);
  PG_RETURN_POINTER(result);
}

Datum macaddr_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_bytes(bytes_of(fcinfo, 0), 6));
}
Datum macaddr8_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(print_bytes(bytes_of(fcinfo, 0), 8));
}

#define ONE_TYPE(prefix, size)                                                                    \
  Datum prefix##_cmp(PG_FUNCTION_ARGS) {                                                          \
    PG_RETURN_INT32(compare(fcinfo, size));                                                       \
  }                                                                                               \
  Datum prefix##_eq(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) == 0);                                                   \
  }                                                                                               \
  Datum prefix##_ne(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) != 0);                                                   \
  }                                                                                               \
  Datum prefix##_lt(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) < 0);                                                    \
  }                                                                                               \
  Datum prefix##_le(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) <= 0);                                                   \
  }                                                                                               \
  Datum prefix##_gt(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) > 0);                                                    \
  }                                                                                               \
  Datum prefix##_ge(PG_FUNCTION_ARGS) {                                                           \
    PG_RETURN_BOOL(compare(fcinfo, size) >= 0);                                                   \
  }                                                                                               \
  Datum prefix##_and(PG_FUNCTION_ARGS) {                                                          \
    return combined(fcinfo, size, [](int a, int b) { return a & b; });                            \
  }                                                                                               \
  Datum prefix##_or(PG_FUNCTION_ARGS) {                                                           \
    return combined(fcinfo, size, [](int a, int b) { return a | b; });                            \
  }                                                                                               \
  Datum prefix##_not(PG_FUNCTION_ARGS) {                                                          \
    return combined(fcinfo, size, [](int a, int) { return ~a; });                                 \
  }                                                                                               \
  Datum prefix##_trunc(PG_FUNCTION_ARGS) {                                                        \
    return truncated(fcinfo, size);                                                               \
  }                                                                                               \
  Datum hash##prefix(PG_FUNCTION_ARGS) {                                                          \
    return hash_any(bytes_of(fcinfo, 0), size);                                                   \
  }                                                                                               \
  Datum hash##prefix##extended(PG_FUNCTION_ARGS) {                                                \
    return hash_any_extended(bytes_of(fcinfo, 0), size, static_cast<uint64>(PG_GETARG_INT64(1))); \
  }

ONE_TYPE(macaddr, 6)
ONE_TYPE(macaddr8, 8)

// The bytes ff fe in the middle mark an address of six bytes.
Datum macaddrtomacaddr8(PG_FUNCTION_ARGS) {
  ConstBytes six = bytes_of(fcinfo, 0);
  Bytes result = new_bytes(8);
  memcpy(result, six, 3);
  result[3] = 0xff;
  result[4] = 0xfe;
  memcpy(result + 5, six + 3, 3);
  PG_RETURN_POINTER(result);
}
Datum macaddr8tomacaddr(PG_FUNCTION_ARGS) {
  ConstBytes eight = bytes_of(fcinfo, 0);
  if (eight[3] != 0xff || eight[4] != 0xfe)
    ereport(
        ERROR,
        (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
         errmsg("macaddr8 data out of range to convert to macaddr"),
         errhint("Only addresses that have FF and FE as values in the 4th and 5th bytes from the left, for "
                 "example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to be converted from macaddr8 to macaddr.")));
  Bytes result = new_bytes(6);
  memcpy(result, eight, 3);
  memcpy(result + 3, eight + 5, 3);
  PG_RETURN_POINTER(result);
}
Datum macaddr8_set7bit(PG_FUNCTION_ARGS) {
  Bytes result = new_bytes(8);
  memcpy(result, bytes_of(fcinfo, 0), 8);
  result[0] |= 0x02;
  PG_RETURN_POINTER(result);
}

}  // extern "C"
