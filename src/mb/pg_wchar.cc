// Characters of more than one byte: counting and cutting strings in this process's encoding, and checking them.
//
// The encoding is that of the worker's session (SetDatabaseEncoding, called where it connects), UTF8 until then. The
// properties of each encoding are libpgcommon's; conversion.cc has the way from one to another.
extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"
}

namespace {

int database_encoding = PG_UTF8;
int client_encoding = PG_UTF8;
int message_encoding = PG_UTF8;

const unsigned char* bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

[[noreturn]] void report_invalid(const char* text, int length) {
  report_invalid_encoding(database_encoding, text, length);
}

bool single_byte() {
  return pg_database_encoding_max_length() == 1;
}

}  // namespace

extern "C" {

void SetDatabaseEncoding(int encoding) {
  if (!PG_VALID_BE_ENCODING(encoding)) elog(ERROR, "invalid database encoding: %d", encoding);
  database_encoding = encoding;
  client_encoding = encoding;
}
int GetDatabaseEncoding() {
  return database_encoding;
}
const char* GetDatabaseEncodingName() {
  return pg_encoding_to_char(database_encoding);
}
void SetMessageEncoding(int encoding) {
  message_encoding = encoding;
}
int GetMessageEncoding() {
  return message_encoding;
}
int pg_get_client_encoding() {
  return client_encoding;
}
const char* pg_get_client_encoding_name() {
  return pg_encoding_to_char(client_encoding);
}
int PrepareClientEncoding(int encoding) {
  return PG_VALID_FE_ENCODING(encoding) ? 0 : -1;
}
int SetClientEncoding(int encoding) {
  if (!PG_VALID_FE_ENCODING(encoding)) return -1;
  client_encoding = encoding;
  return 0;
}
void InitializeClientEncoding() {}

int pg_database_encoding_max_length() {
  return pg_wchar_table[database_encoding].maxmblen;
}

// The length of a character of which at least the first byte can be read.
int pg_mblen_unbounded(const char* mbstr) {
  return pg_wchar_table[database_encoding].mblen(bytes(mbstr));
}
int pg_mblen(const char* mbstr) {
  return pg_mblen_unbounded(mbstr);
}

// The same within a zero-terminated string: a character that is cut off is an error.
int pg_mblen_cstr(const char* mbstr) {
  int length = pg_mblen_unbounded(mbstr);
  for (int i = 1; i < length; ++i)
    if (mbstr[i] == '\0') report_invalid(mbstr, i);
  return length;
}
int pg_mblen_range(const char* mbstr, const char* end) {
  int length = pg_mblen_unbounded(mbstr);
  if (mbstr + length > end) report_invalid(mbstr, static_cast<int>(end - mbstr));
  return length;
}
int pg_mblen_with_len(const char* mbstr, int limit) {
  return pg_mblen_range(mbstr, mbstr + limit);
}

int pg_dsplen(const char* mbstr) {
  return pg_wchar_table[database_encoding].dsplen(bytes(mbstr));
}

// Characters, not bytes.
int pg_mbstrlen(const char* mbstr) {
  if (single_byte()) return static_cast<int>(strlen(mbstr));
  int count = 0;
  for (; *mbstr; ++count) mbstr += pg_mblen_cstr(mbstr);
  return count;
}
int pg_mbstrlen_with_len(const char* mbstr, int len) {
  if (single_byte()) return len;
  int count = 0;
  for (; len > 0 && *mbstr; ++count) {
    int length = pg_mblen_with_len(mbstr, len);
    mbstr += length;
    len -= length;
  }
  return count;
}

// How many bytes of the whole characters at the beginning fit into `limit` bytes.
int pg_mbcliplen(const char* mbstr, int len, int limit) {
  return pg_encoding_mbcliplen(database_encoding, mbstr, len, limit);
}
int pg_encoding_mbcliplen(int encoding, const char* mbstr, int len, int limit) {
  if (pg_encoding_max_length(encoding) == 1)
    return static_cast<int>(strnlen(mbstr, static_cast<size_t>(Min(len, limit))));
  int clipped = 0;
  while (clipped < len && mbstr[clipped]) {
    int length = pg_wchar_table[encoding].mblen(bytes(mbstr + clipped));
    if (clipped + length > limit || clipped + length > len) break;
    clipped += length;
  }
  return clipped;
}
// And how many bytes the first `limit` characters have.
int pg_mbcharcliplen(const char* mbstr, int len, int limit) {
  if (single_byte()) return static_cast<int>(strnlen(mbstr, static_cast<size_t>(Min(len, limit))));
  int clipped = 0;
  for (int count = 0; count < limit && clipped < len && mbstr[clipped]; ++count)
    clipped += pg_mblen_with_len(mbstr + clipped, len - clipped);
  return clipped;
}

bool pg_verifymbstr(const char* mbstr, int len, bool noError) {
  return pg_verify_mbstr(database_encoding, mbstr, len, noError);
}
bool pg_verify_mbstr(int encoding, const char* mbstr, int len, bool noError) {
  int good = pg_encoding_verifymbstr(encoding, mbstr, len);
  if (good == len) return true;
  if (noError) return false;
  report_invalid_encoding(encoding, mbstr + good, len - good);
}
// The number of characters; -1 if they are not all valid.
int pg_verify_mbstr_len(int encoding, const char* mbstr, int len, bool noError) {
  int count = 0;
  for (; len > 0; ++count) {
    int length = *mbstr ? pg_encoding_verifymbchar(encoding, mbstr, len) : -1;
    if (length < 0) {
      if (noError) return -1;
      report_invalid_encoding(encoding, mbstr, len);
    }
    mbstr += length;
    len -= length;
  }
  return count;
}

void report_invalid_encoding(int encoding, const char* mbstr, int len) {
  char shown[8 * 5 + 1];
  int count = Min(Min(pg_encoding_mblen_or_incomplete(encoding, mbstr, static_cast<size_t>(len)), len), 8);
  char* to = shown;
  *to = '\0';
  for (int i = 0; i < count; ++i) to += sprintf(to, i ? " 0x%02x" : "0x%02x", bytes(mbstr)[i]);
  ereport(ERROR,
          (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
           errmsg("invalid byte sequence for encoding \"%s\": %s", pg_encoding_to_char(encoding), shown)));
  pg_unreachable();
}

}  // extern "C"
