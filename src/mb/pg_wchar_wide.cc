// Text as wide characters, one number for each, in this process's encoding (mb/pg_wchar.h); quoting for
// messages that cuts between characters (mb/stringinfo_mb.h). How each encoding does it is libpgcommon's. C
// style.
extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "mb/stringinfo_mb.h"
#include "utils/ascii.h"
}

#include "bridge/worker_session.hpp"

extern "C" {

// All of these write a zero behind what they convert, and return the number of characters or bytes before it.
int pg_encoding_mb2wchar_with_len(int encoding, const char* from, pg_wchar* to, int len) {
  return pg_wchar_table[encoding].mb2wchar_with_len(reinterpret_cast<const unsigned char*>(from), to, len);
}
int pg_mb2wchar_with_len(const char* from, pg_wchar* to, int len) {
  return pg_encoding_mb2wchar_with_len(GetDatabaseEncoding(), from, to, len);
}
int pg_mb2wchar(const char* from, pg_wchar* to) {
  return pg_mb2wchar_with_len(from, to, static_cast<int>(strlen(from)));
}
int pg_encoding_wchar2mb_with_len(int encoding, const pg_wchar* from, char* to, int len) {
  return pg_wchar_table[encoding].wchar2mb_with_len(from, reinterpret_cast<unsigned char*>(to), len);
}
int pg_wchar2mb_with_len(const pg_wchar* from, char* to, int len) {
  return pg_encoding_wchar2mb_with_len(GetDatabaseEncoding(), from, to, len);
}
int pg_wchar2mb(const pg_wchar* from, char* to) {
  return pg_wchar2mb_with_len(from, to, static_cast<int>(pg_wchar_strlen(from)));
}

size_t pg_wchar_strlen(const pg_wchar* wstr) {
  size_t n = 0;
  while (wstr[n] != 0) n++;
  return n;
}

int pg_wchar_strncmp(const pg_wchar* s1, const pg_wchar* s2, size_t n) {
  for (; n > 0; n--, s1++, s2++) {
    if (*s1 != *s2) return *s1 < *s2 ? -1 : 1;
    if (*s1 == 0) break;
  }
  return 0;
}

int pg_char_and_wchar_strncmp(const char* s1, const pg_wchar* s2, size_t n) {
  for (; n > 0; n--, s1++, s2++) {
    pg_wchar c = static_cast<unsigned char>(*s1);
    if (c != *s2) return c < *s2 ? -1 : 1;
    if (c == 0) break;
  }
  return 0;
}

int pg_char_and_wchar_strcmp(const char* s1, const pg_wchar* s2) {
  return pg_char_and_wchar_strncmp(s1, s2, SIZE_MAX);
}

// `s` has room for MAX_UNICODE_EQUIVALENT_STRING bytes and a zero.
void pg_unicode_to_server(pg_wchar c, unsigned char* s) {
  if (!is_valid_unicode_codepoint(c))
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid Unicode code point")));
  int encoding = GetDatabaseEncoding(), length = 1;
  if (c <= 0x7f) {
    s[0] = static_cast<unsigned char>(c);
  } else if (encoding == PG_UTF8) {
    unicode_to_utf8(c, s);
    length = pg_utf_mblen(s);
  } else if (encoding != PG_SQL_ASCII && bgw_have_session() && IsTransactionState()) {
    unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1] = {};
    unicode_to_utf8(c, utf8);
    const char* converted = reinterpret_cast<const char*>(
        pg_do_encoding_conversion(utf8, pg_utf_mblen(utf8), PG_UTF8, encoding));
    length = static_cast<int>(strlen(converted));
    memcpy(s, converted, Min(length, MAX_UNICODE_EQUIVALENT_STRING));
    length = Min(length, MAX_UNICODE_EQUIVALENT_STRING);
  } else {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("conversion between %s and %s is not supported", pg_enc2name_tbl[PG_UTF8].name,
                           GetDatabaseEncodingName())));
  }
  s[length] = '\0';
}

void report_untranslatable_char(int src_encoding, int dest_encoding, const char* mbstr, int len) {
  char shown[8 * 5 + 1];
  int count = Min(Min(pg_encoding_mblen(src_encoding, mbstr), len), 8);
  char* to = shown;
  *to = '\0';
  for (int i = 0; i < count; i++)
    to += sprintf(to, i > 0 ? " 0x%02x" : "0x%02x", static_cast<unsigned char>(mbstr[i]));
  ereport(ERROR,
          (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
           errmsg("character with byte sequence %s in encoding \"%s\" has no equivalent in encoding \"%s\"",
                  shown, pg_enc2name_tbl[src_encoding].name, pg_enc2name_tbl[dest_encoding].name)));
  pg_unreachable();
}

// In quotes, doubled inside; of a text of more than `maxlen` bytes so many whole characters, and an ellipsis.
// All of it if that is negative.
void appendStringInfoStringQuoted(StringInfo str, const char* s, int maxlen) {
  int length = static_cast<int>(strlen(s));
  bool cut = maxlen >= 0 && length > maxlen;
  if (cut) length = pg_mbcliplen(s, length, maxlen);
  appendStringInfoChar(str, '\'');
  for (int i = 0; i < length; i++) {
    if (s[i] == '\'') appendStringInfoChar(str, '\'');
    appendStringInfoChar(str, s[i]);
  }
  appendStringInfoString(str, cut ? "...'" : "'");
}

// With a question mark for every byte that is no printable ASCII, line ends and tabs apart.
void ascii_safe_strlcpy(char* dest, const char* src, size_t destsiz) {
  if (destsiz == 0) return;
  for (; destsiz > 1 && *src != '\0'; destsiz--, src++) {
    bool plain = (*src >= ' ' && *src <= '~') || *src == '\n' || *src == '\r' || *src == '\t';
    *dest++ = plain ? *src : '?';
  }
  *dest = '\0';
}

}  // extern "C"
