// What the SQL scanner does to identifiers: folding to lower case and cutting to the length of a name.
#include <cctype>

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
}

extern "C" {

char* downcase_truncate_identifier(const char* ident, int len, bool warn) {
  return downcase_identifier(ident, len, warn, true);
}

char* downcase_identifier(const char* ident, int len, bool warn, bool truncate) {
  char* result = static_cast<char*>(palloc(static_cast<Size>(len) + 1));
  // Beyond ASCII only bytes that are characters can be folded.
  bool single_byte = pg_database_encoding_max_length() == 1;
  for (int i = 0; i < len; ++i) {
    unsigned char byte = static_cast<unsigned char>(ident[i]);
    if (byte >= 'A' && byte <= 'Z')
      byte = static_cast<unsigned char>(byte + ('a' - 'A'));
    else if (single_byte && IS_HIGHBIT_SET(byte) && isupper(byte))
      byte = static_cast<unsigned char>(tolower(byte));
    result[i] = static_cast<char>(byte);
  }
  result[len] = '\0';
  if (truncate && len >= NAMEDATALEN) truncate_identifier(result, len, warn);
  return result;
}

void truncate_identifier(char* ident, int len, bool warn) {
  if (len < NAMEDATALEN) return;
  len = pg_mbcliplen(ident, len, NAMEDATALEN - 1);
  if (warn)
    ereport(NOTICE, (errcode(ERRCODE_NAME_TOO_LONG),
                     errmsg("identifier \"%s\" will be truncated to \"%.*s\"", ident, len, ident)));
  ident[len] = '\0';
}

bool scanner_isspace(char ch) {
  return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

}  // extern "C"
