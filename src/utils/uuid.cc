// uuid (utils/uuid.h) and pg_lsn (utils/pg_lsn.h): fixed-size values written in hexadecimal.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/pg_lsn.h"
#include "utils/uuid.h"
}

namespace {

inline int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 32 digits, a hyphen allowed after every four of them, braces around all of it allowed.
bool read_uuid(const char* text, pg_uuid_t* uuid) {
  const bool braces = *text == '{';
  text += braces;
  for (int i = 0; i < UUID_LEN; i++) {
    const int high = hex_value(text[0]);
    const int low = high < 0 ? -1 : hex_value(text[1]);
    if (low < 0) return false;
    uuid->data[i] = static_cast<unsigned char>((high << 4) | low);
    text += 2;
    if (*text == '-' && (i % 2) == 1 && i < UUID_LEN - 1) text++;
  }
  if (braces && *text++ != '}') return false;
  return *text == '\0';
}

// Up to eight digits; the number of them.
int read_hex32(const char* text, uint32* value) {
  int count = 0;
  for (*value = 0; count <= 8 && hex_value(text[count]) >= 0; count++)
    *value = (*value << 4) | static_cast<uint32>(hex_value(text[count]));
  return count <= 8 ? count : 0;
}

int compare(FunctionCallInfo fcinfo) {
  return memcmp(PG_GETARG_UUID_P(0)->data, PG_GETARG_UUID_P(1)->data, UUID_LEN);
}

}  // namespace

extern "C" {

Datum uuid_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  pg_uuid_t* uuid = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
  if (!read_uuid(text, uuid))
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "uuid", text)));
  PG_RETURN_UUID_P(uuid);
}

Datum uuid_out(PG_FUNCTION_ARGS) {
  static const char digits[] = "0123456789abcdef";
  const pg_uuid_t* uuid = PG_GETARG_UUID_P(0);
  char* text = static_cast<char*>(palloc(2 * UUID_LEN + 5));
  char* at = text;
  for (int i = 0; i < UUID_LEN; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *at++ = '-';
    *at++ = digits[uuid->data[i] >> 4];
    *at++ = digits[uuid->data[i] & 15];
  }
  *at = '\0';
  PG_RETURN_CSTRING(text);
}

Datum uuid_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) == 0);
}
Datum uuid_ne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) != 0);
}
Datum uuid_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum uuid_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}
Datum uuid_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}

Datum uuid_hash(PG_FUNCTION_ARGS) {
  return hash_any(PG_GETARG_UUID_P(0)->data, UUID_LEN);
}

XLogRecPtr pg_lsn_in_internal(const char* str, bool* have_error) {
  uint32 high, low;
  const int first = read_hex32(str, &high);
  const int second = first > 0 && str[first] == '/' ? read_hex32(str + first + 1, &low) : 0;
  if (second == 0 || str[first + 1 + second] != '\0') {
    *have_error = true;
    return InvalidXLogRecPtr;
  }
  return (static_cast<XLogRecPtr>(high) << 32) | low;
}

Datum pg_lsn_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  bool failed = false;
  const XLogRecPtr lsn = pg_lsn_in_internal(text, &failed);
  if (failed)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "pg_lsn", text)));
  PG_RETURN_LSN(lsn);
}

Datum pg_lsn_out(PG_FUNCTION_ARGS) {
  const XLogRecPtr lsn = PG_GETARG_LSN(0);
  PG_RETURN_CSTRING(psprintf("%X/%X", static_cast<uint32>(lsn >> 32), static_cast<uint32>(lsn)));
}

Datum pg_lsn_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(PG_GETARG_LSN(0) == PG_GETARG_LSN(1));
}
Datum pg_lsn_lt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(PG_GETARG_LSN(0) < PG_GETARG_LSN(1));
}
Datum pg_lsn_gt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(PG_GETARG_LSN(0) > PG_GETARG_LSN(1));
}

}  // extern "C"
