// From one encoding to another, as mb/pg_wchar.h declares it.
//
// What comes over the session is in the encoding that modules see, so the usual case converts nothing and only checks.
// Where something has to be converted, the upstream does it, in the worker's transaction: it has the tables, those of its
// major and its users' own conversions.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

#include "bridge/worker_session.hpp"
#include "core/session.hpp"

namespace {

char* hex_of(const unsigned char* bytes, int length) {
  char* text = static_cast<char*>(palloc_extended(static_cast<Size>(length) * 2 + 3, MCXT_ALLOC_HUGE));
  memcpy(text, "\\x", 2);
  text[2 + hex_encode(reinterpret_cast<const char*>(bytes), static_cast<Size>(length), text + 2)] = '\0';
  return text;
}

// The upstream's convert(); the result is palloc'd in the current context and has a zero after it.
unsigned char* convert(const unsigned char* bytes, int length, int from, int to) {
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch =
      AllocSetContextCreateInternal(outside, "encoding conversion", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  const Oid types[] = {BYTEAOID, NAMEOID, NAMEOID};
  const char* const values[] = {hex_of(bytes, length), pg_encoding_to_char(from), pg_encoding_to_char(to)};
  // The names come from the row, so that nothing is converted before it is known that there is a way.
  const bgw::RowSet* rows = bgw_session_lookup(
      "SELECT pg_catalog.convert($1, pg_catalog.pg_encoding_to_char(conforencoding), "
      "pg_catalog.pg_encoding_to_char(contoencoding)) FROM pg_catalog.pg_conversion "
      "WHERE condefault AND conforencoding = pg_catalog.pg_char_to_encoding($2) "
      "AND contoencoding = pg_catalog.pg_char_to_encoding($3) "
      "AND pg_catalog.pg_conversion_is_visible(oid) LIMIT 1",
      3, types, values);
  unsigned char* result = nullptr;
  if (rows != nullptr && rows->rows() == 1 && !rows->is_null(0, 0)) {
    const char* hex = rows->value(0, 0) + 2;
    const Size digits = strlen(hex);
    result = static_cast<unsigned char*>(MemoryContextAllocHuge(outside, digits / 2 + 1));
    result[hex_decode(hex, digits, reinterpret_cast<char*>(result))] = '\0';
  }
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
  if (result == nullptr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("default conversion function for encoding \"%s\" to \"%s\" does not exist",
                           pg_encoding_to_char(from), pg_encoding_to_char(to))));
  return result;
}

char* convert_text(const char* text, int length, int from, int to) {
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(text));
  return reinterpret_cast<char*>(pg_do_encoding_conversion(bytes, length, from, to));
}

// Text of an unknown encoding, or of one that only clients have, for a database that has none.
void check_bytes(const char* text, int length, int encoding) {
  if (PG_VALID_BE_ENCODING(encoding)) {
    pg_verify_mbstr(encoding, text, length, false);
    return;
  }
  for (int i = 0; i < length; i++)
    if (text[i] == '\0' || IS_HIGHBIT_SET(text[i]))
      ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
                      errmsg("invalid byte value for encoding \"%s\": 0x%02x", pg_encoding_to_char(PG_SQL_ASCII),
                             static_cast<unsigned char>(text[i]))));
}

}  // namespace

extern "C" {

unsigned char* pg_do_encoding_conversion(unsigned char* src, int len, int src_encoding, int dest_encoding) {
  if (len <= 0 || src_encoding == dest_encoding || dest_encoding == PG_SQL_ASCII) return src;
  if (src_encoding == PG_SQL_ASCII) {
    pg_verify_mbstr(dest_encoding, reinterpret_cast<char*>(src), len, false);
    return src;
  }
  if (!bgw_have_session())
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("conversion from \"%s\" to \"%s\" needs a database session, which this process does not have",
                    pg_encoding_to_char(src_encoding), pg_encoding_to_char(dest_encoding))));
  if (!IsTransactionState()) elog(ERROR, "cannot perform encoding conversion outside a transaction");
  return convert(src, len, src_encoding, dest_encoding);
}

char* pg_any_to_server(const char* s, int len, int encoding) {
  char* text = const_cast<char*>(s);
  if (len <= 0) return text;
  const int ours = GetDatabaseEncoding();
  if (encoding == ours || encoding == PG_SQL_ASCII) {
    pg_verify_mbstr(ours, s, len, false);
    return text;
  }
  if (ours == PG_SQL_ASCII) {
    check_bytes(s, len, encoding);
    return text;
  }
  return convert_text(s, len, encoding, ours);
}

char* pg_server_to_any(const char* s, int len, int encoding) {
  char* text = const_cast<char*>(s);
  if (len <= 0) return text;
  const int ours = GetDatabaseEncoding();
  if (encoding == ours || encoding == PG_SQL_ASCII) return text;
  if (ours == PG_SQL_ASCII) {
    pg_verify_mbstr(encoding, s, len, false);
    return text;
  }
  return convert_text(s, len, ours, encoding);
}

char* pg_client_to_server(const char* s, int len) {
  return pg_any_to_server(s, len, pg_get_client_encoding());
}

char* pg_server_to_client(const char* s, int len) {
  return pg_server_to_any(s, len, pg_get_client_encoding());
}

}  // extern "C"
