// bytea (utils/bytea.h) and the hexadecimal coding of bytes (utils/builtins.h).
#include <cstring>

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/fmgrprotos.h"
}

extern "C" {
int bytea_output = BYTEA_OUTPUT_HEX;
}

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

inline int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int hex_digit(const char* at, const char* end) {
  const int value = hex_value(*at);
  if (value < 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid hexadecimal digit: \"%.*s\"", pg_mblen_range(at, end), at)));
  return value;
}

inline bool octal(char c, char most) {
  return c >= '0' && c <= most;
}

inline bool octal_escape(const char* at) {
  return at[0] == '\\' && octal(at[1], '3') && octal(at[2], '7') && octal(at[3], '7');
}

// The bytes that escape-format text stands for; out may be nullptr to only count them.
Size read_escaped(const char* text, char* out) {
  Size count = 0;
  while (*text != '\0') {
    char byte = *text;
    if (byte != '\\') {
      text++;
    } else if (octal_escape(text)) {
      byte = static_cast<char>(((text[1] - '0') << 6) + ((text[2] - '0') << 3) + (text[3] - '0'));
      text += 4;
    } else if (text[1] == '\\') {
      text += 2;
    } else {
      ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                      errmsg("invalid input syntax for type %s", "bytea")));
    }
    if (out != nullptr) out[count] = byte;
    count++;
  }
  return count;
}

char* write_escaped(const bytea* value) {
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(VARDATA_ANY(value));
  const Size len = VARSIZE_ANY_EXHDR(value);
  char* text = static_cast<char*>(palloc(len * 4 + 1));
  char* at = text;
  for (Size i = 0; i < len; i++) {
    if (bytes[i] == '\\') {
      *at++ = '\\';
      *at++ = '\\';
    } else if (bytes[i] < 0x20 || bytes[i] > 0x7e) {
      *at++ = '\\';
      *at++ = static_cast<char>('0' + (bytes[i] >> 6));
      *at++ = static_cast<char>('0' + ((bytes[i] >> 3) & 7));
      *at++ = static_cast<char>('0' + (bytes[i] & 7));
    } else {
      *at++ = static_cast<char>(bytes[i]);
    }
  }
  *at = '\0';
  return text;
}

int compare(FunctionCallInfo fcinfo) {
  bytea *a = PG_GETARG_BYTEA_PP(0), *b = PG_GETARG_BYTEA_PP(1);
  const Size alen = VARSIZE_ANY_EXHDR(a), blen = VARSIZE_ANY_EXHDR(b);
  const int order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(alen, blen));
  return order != 0 ? order : alen == blen ? 0 : alen < blen ? -1 : 1;
}

}  // namespace

extern "C" {

uint64 hex_encode(const char* src, size_t len, char* dst) {
  for (size_t i = 0; i < len; i++) {
    const unsigned char byte = static_cast<unsigned char>(src[i]);
    *dst++ = hex_digits[byte >> 4];
    *dst++ = hex_digits[byte & 15];
  }
  return static_cast<uint64>(len) * 2;
}

uint64 hex_decode(const char* src, size_t len, char* dst) {
  const char* end = src + len;
  char* at = dst;
  while (src < end) {
    if (*src == ' ' || *src == '\n' || *src == '\t' || *src == '\r') {
      src++;
      continue;
    }
    const int high = hex_digit(src++, end);
    if (src >= end)
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("invalid hexadecimal data: odd number of digits")));
    *at++ = static_cast<char>((high << 4) | hex_digit(src++, end));
  }
  return static_cast<uint64>(at - dst);
}

Datum byteain(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  if (text[0] == '\\' && text[1] == 'x') {
    const size_t len = strlen(text + 2);
    bytea* value = static_cast<bytea*>(palloc(len / 2 + VARHDRSZ + 1));
    SET_VARSIZE(value, hex_decode(text + 2, len, VARDATA(value)) + VARHDRSZ);
    PG_RETURN_BYTEA_P(value);
  }
  const Size len = read_escaped(text, nullptr);
  bytea* value = static_cast<bytea*>(palloc(len + VARHDRSZ));
  SET_VARSIZE(value, len + VARHDRSZ);
  read_escaped(text, VARDATA(value));
  PG_RETURN_BYTEA_P(value);
}

Datum byteaout(PG_FUNCTION_ARGS) {
  bytea* value = PG_GETARG_BYTEA_PP(0);
  if (bytea_output == BYTEA_OUTPUT_ESCAPE) PG_RETURN_CSTRING(write_escaped(value));
  const Size len = VARSIZE_ANY_EXHDR(value);
  char* text = static_cast<char*>(palloc(len * 2 + 3));
  text[0] = '\\';
  text[1] = 'x';
  const uint64 written = hex_encode(VARDATA_ANY(value), len, text + 2);
  text[written + 2] = '\0';
  PG_RETURN_CSTRING(text);
}

Datum byteaeq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) == 0);
}
Datum byteane(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) != 0);
}
Datum byteacmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}

Datum byteaoctetlen(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(static_cast<int32>(VARSIZE_ANY_EXHDR(PG_GETARG_BYTEA_PP(0))));
}

}  // extern "C"
