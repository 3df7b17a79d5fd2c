// Small text helpers of utils/builtins.h: quoting, names, C strings and texts, booleans.
extern "C" {
#include "postgres.h"
#include "common/keywords.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

namespace {

// Can be written without quotes: lower case, and no word that the grammar would take for something else.
bool is_plain_identifier(const char* ident) {
  if (!((*ident >= 'a' && *ident <= 'z') || *ident == '_')) return false;
  for (const char* at = ident; *at; ++at)
    if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_')) return false;
  int keyword = ScanKeywordLookup(ident, &ScanKeywords);
  return keyword < 0 || ScanKeywordCategories[keyword] == UNRESERVED_KEYWORD;
}

// Copies with each `quote` doubled, and each backslash if wanted.
char* copy_doubled(char* to, const char* from, char quote, bool backslashes) {
  for (; *from; ++from) {
    if (*from == quote || (backslashes && *from == '\\')) *to++ = *from;
    *to++ = *from;
  }
  return to;
}

// The text's bytes without any compression or indirection.
text* plain(const text* t) {
  if (VARATT_IS_COMPRESSED(t) || VARATT_IS_EXTERNAL(t))
    return reinterpret_cast<text*>(
        pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(const_cast<text*>(t))));
  return const_cast<text*>(t);
}

// Whether `value` is the beginning of `word`, at least `least` characters of it.
bool abbreviates(const char* value, size_t length, const char* word, size_t least) {
  return length >= least && length <= strlen(word) && pg_strncasecmp(value, word, length) == 0;
}

}  // namespace

extern "C" {

bool quote_all_identifiers = false;

const char* quote_identifier(const char* ident) {
  if (!quote_all_identifiers && is_plain_identifier(ident)) return ident;
  char* quoted = static_cast<char*>(palloc(2 * strlen(ident) + 3));
  char* end = quoted;
  *end++ = '"';
  end = copy_doubled(end, ident, '"', false);
  *end++ = '"';
  *end = '\0';
  return quoted;
}

char* quote_qualified_identifier(const char* qualifier, const char* ident) {
  StringInfoData name;
  initStringInfo(&name);
  if (qualifier) appendStringInfo(&name, "%s.", quote_identifier(qualifier));
  appendStringInfoString(&name, quote_identifier(ident));
  return name.data;
}

// Right whatever standard_conforming_strings is: a text with backslashes says that it escapes them.
char* quote_literal_cstr(const char* rawstr) {
  char* quoted = static_cast<char*>(palloc(2 * strlen(rawstr) + 4));
  char* end = quoted;
  if (strchr(rawstr, '\\')) *end++ = 'E';
  *end++ = '\'';
  end = copy_doubled(end, rawstr, '\'', true);
  *end++ = '\'';
  *end = '\0';
  return quoted;
}

// Names are padded with zeros, as they are hashed and compared whole.
void namestrcpy(Name name, const char* str) {
  strncpy(NameStr(*name), str, NAMEDATALEN);
  NameStr(*name)[NAMEDATALEN - 1] = '\0';
}

int namestrcmp(Name name, const char* str) {
  if (!name || !str) return (name != nullptr) - (str != nullptr);
  return strncmp(NameStr(*name), str, NAMEDATALEN);
}

text* cstring_to_text(const char* s) {
  return cstring_to_text_with_len(s, static_cast<int>(strlen(s)));
}

text* cstring_to_text_with_len(const char* s, int len) {
  text* result = static_cast<text*>(palloc(static_cast<Size>(len) + VARHDRSZ));
  SET_VARSIZE(result, len + VARHDRSZ);
  memcpy(VARDATA(result), s, static_cast<Size>(len));
  return result;
}

char* text_to_cstring(const text* t) {
  text* value = plain(t);
  Size length = static_cast<Size>(VARSIZE_ANY_EXHDR(value));
  char* result = static_cast<char*>(palloc(length + 1));
  memcpy(result, VARDATA_ANY(value), length);
  result[length] = '\0';
  if (value != t) pfree(value);
  return result;
}

// Cuts off what does not fit, never inside a character.
void text_to_cstring_buffer(const text* src, char* dst, size_t dst_len) {
  if (dst_len == 0) return;
  text* value = plain(src);
  int length = static_cast<int>(VARSIZE_ANY_EXHDR(value));
  if (static_cast<size_t>(length) >= dst_len)
    length = pg_mbcliplen(VARDATA_ANY(value), length, static_cast<int>(dst_len) - 1);
  memcpy(dst, VARDATA_ANY(value), static_cast<Size>(length));
  dst[length] = '\0';
  if (value != src) pfree(value);
}

bool parse_bool(const char* value, bool* result) {
  return parse_bool_with_len(value, strlen(value), result);
}

// Accepts unique beginnings of true, false, yes, no, on and off, and 1 and 0.
bool parse_bool_with_len(const char* value, size_t len, bool* result) {
  bool ignored;
  if (!result) result = &ignored;
  *result = false;
  if (abbreviates(value, len, "true", 1) || abbreviates(value, len, "yes", 1) ||
      abbreviates(value, len, "on", 2) || abbreviates(value, len, "1", 1)) {
    *result = true;
    return true;
  }
  return abbreviates(value, len, "false", 1) || abbreviates(value, len, "no", 1) ||
         abbreviates(value, len, "off", 2) || abbreviates(value, len, "0", 1);
}

}  // extern "C"
