// name and "char" (utils/fmgrprotos.h): identifiers of fixed length, and single bytes.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

namespace {

Name make_name(const char* content, int len) {
  if (len >= NAMEDATALEN) len = pg_mbcliplen(content, len, NAMEDATALEN - 1);
  Name name = static_cast<Name>(palloc0(NAMEDATALEN));
  memcpy(NameStr(*name), content, static_cast<size_t>(len));
  return name;
}

int compare(FunctionCallInfo fcinfo) {
  return strncmp(NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1)), NAMEDATALEN);
}

inline bool octal(char c) {
  return c >= '0' && c <= '7';
}

// A byte as text: itself, or a backslash and three octal digits above ASCII. Zero is the empty text.
int write_char(char value, char* out) {
  const unsigned byte = static_cast<unsigned char>(value);
  if (!IS_HIGHBIT_SET(byte)) {
    out[0] = value;
    out[1] = '\0';
    return value == '\0' ? 0 : 1;
  }
  out[0] = '\\';
  out[1] = static_cast<char>('0' + (byte >> 6));
  out[2] = static_cast<char>('0' + ((byte >> 3) & 7));
  out[3] = static_cast<char>('0' + (byte & 7));
  out[4] = '\0';
  return 4;
}

char read_char(const char* text, size_t len) {
  if (len == 4 && text[0] == '\\' && octal(text[1]) && octal(text[2]) && octal(text[3]))
    return static_cast<char>(((text[1] - '0') << 6) + ((text[2] - '0') << 3) + (text[3] - '0'));
  return len > 0 ? text[0] : '\0';
}

}  // namespace

extern "C" {

Datum namein(PG_FUNCTION_ARGS) {
  const char* content = PG_GETARG_CSTRING(0);
  PG_RETURN_NAME(make_name(content, static_cast<int>(strlen(content))));
}

Datum nameout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(NameStr(*PG_GETARG_NAME(0))));
}

Datum text_name(PG_FUNCTION_ARGS) {
  text* value = PG_GETARG_TEXT_PP(0);
  PG_RETURN_NAME(make_name(VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value))));
}

Datum name_text(PG_FUNCTION_ARGS) {
  PG_RETURN_TEXT_P(cstring_to_text(NameStr(*PG_GETARG_NAME(0))));
}

Datum nameeq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) == 0);
}
Datum namene(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) != 0);
}
Datum namelt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum namele(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) <= 0);
}
Datum namegt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}
Datum namege(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) >= 0);
}
Datum btnamecmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}

Datum charin(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  PG_RETURN_CHAR(read_char(text, strlen(text)));
}

Datum charout(PG_FUNCTION_ARGS) {
  char* text = static_cast<char*>(palloc(5));
  write_char(PG_GETARG_CHAR(0), text);
  PG_RETURN_CSTRING(text);
}

Datum chareq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(PG_GETARG_CHAR(0) == PG_GETARG_CHAR(1));
}
Datum charne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(PG_GETARG_CHAR(0) != PG_GETARG_CHAR(1));
}

Datum text_char(PG_FUNCTION_ARGS) {
  text* value = PG_GETARG_TEXT_PP(0);
  PG_RETURN_CHAR(read_char(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

Datum char_text(PG_FUNCTION_ARGS) {
  char text[5];
  const int len = write_char(PG_GETARG_CHAR(0), text);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(text, len));
}

}  // extern "C"
