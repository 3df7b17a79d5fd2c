// The property: whatever text arrives for a column, the conversion to a heap tuple either gives a row whose
// value prints and reads again as the same, or raises an error; it never crashes and never leaks into the next
// one. Whatever bytes arrive for one in binary form, they are a value that is sent and received again as the same, or an error.
#include "fuzz/readers.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "bridge/received_values.hpp"
#include "bridge/tuple_builder.hpp"
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
}

namespace {

constexpr Oid types[] = {
    BOOLOID,      INT2OID,        INT4OID,         INT8OID,       OIDOID,
    FLOAT4OID,    FLOAT8OID,      NUMERICOID,      NUMERICOID,    TEXTOID,
    NAMEOID,      CHAROID,        BYTEAOID,        DATEOID,       TIMEOID,
    TIMETZOID,    TIMESTAMPOID,   TIMESTAMPTZOID,  INTERVALOID,   INTERVALOID,
    UUIDOID,      JSONOID,        JSONBOID,        INETOID,       CIDROID,
    XIDOID,       XID8OID,        PG_LSNOID,       INT2VECTOROID, OIDVECTOROID,
    INT4ARRAYOID, TEXTARRAYOID,   NUMERICARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID,
    BOOLARRAYOID, FLOAT8ARRAYOID, BITOID,          VARBITOID,     VARBITARRAYOID,
    MACADDROID,   MACADDR8OID,    TIDOID,          POINTOID,      LSEGOID,
    BOXOID,       PATHOID,        POLYGONOID,      LINEOID,       CIRCLEOID,
    BOXARRAYOID,  PG_SNAPSHOTOID, TSVECTOROID,     TSQUERYOID,
    JSONPATHOID,
};

// Of binary form.
constexpr Oid received_types[] = {
    BOOLOID,        INT2OID,         INT4OID,       INT8OID,        OIDOID,        FLOAT4OID,      FLOAT8OID,    NUMERICOID,
    TEXTOID,        NAMEOID,         CHAROID,       BYTEAOID,       DATEOID,       TIMEOID,        TIMETZOID,    TIMESTAMPOID,
    TIMESTAMPTZOID, INTERVALOID,     UUIDOID,       JSONOID,        JSONBOID,      INETOID,        CIDROID,      XIDOID,
    XID8OID,        PG_LSNOID,       INT2VECTOROID, OIDVECTOROID,   INT4ARRAYOID,  TEXTARRAYOID,   NUMERICARRAYOID, JSONBARRAYOID,
    BITOID,         VARBITOID,       MACADDROID,    MACADDR8OID,    TIDOID,        POINTOID,       LSEGOID,      BOXOID,
    PATHOID,        POLYGONOID,      LINEOID,       CIRCLEOID,      PG_SNAPSHOTOID, TSVECTOROID,   TSQUERYOID,   JSONPATHOID,
    INT4RANGEOID,   NUMRANGEOID,     INT8MULTIRANGEOID, RECORDOID,  RECORDARRAYOID, ANYARRAYOID,   REGCLASSOID,  MONEYOID,
};

struct Attempt {
  Oid type;
  const char* text;
  int length;
  char* printed;
};

void read_and_print(void* argument) {
  Attempt* a = static_cast<Attempt*>(argument);
  const char* names[] = {"before", "value", "after"};
  const Oid columns[] = {INT4OID, a->type, TEXTOID};
  const int32 typmods[] = {-1, -1, -1};
  const char* values[] = {"7", a->text, "end"};
  const int lengths[] = {1, a->length, 3};
  TupleDesc desc = bgw::build_result_tupdesc(3, names, columns, typmods);
  HeapTuple row = bgw::build_tuple(bgw::make_tuple_builder(desc), values, lengths);
  bool isnull;
  const Datum value = heap_getattr(row, 2, desc, &isnull);
  a->printed = bgw::type_to_text(bgw::lookup_type(a->type), value);
  const Datum after = heap_getattr(row, 3, desc, &isnull);
  if (strcmp(bgw::type_to_text(bgw::lookup_type(TEXTOID), after), "end") != 0) abort();
}

struct Receipt {
  Oid type;
  const char* bytes;
  int length;
  char* printed;
  bytea* sent;
};

void receive_and_send(void* argument) {
  Receipt* r = static_cast<Receipt*>(argument);
  const char* names[] = {"before", "value", "after"};
  const Oid columns[] = {INT4OID, r->type, TEXTOID};
  const int32 typmods[] = {-1, -1, -1};
  TupleDesc desc = bgw::build_result_tupdesc(3, names, columns, typmods);
  for (int i = 0; i < 3; i++) bgw::describe_received(TupleDescAttr(desc, i));
  Datum values[] = {Int32GetDatum(7), bgw::receive_value(TupleDescAttr(desc, 1), r->bytes, r->length, "column", 2),
                    CStringGetTextDatum("end")};
  bool nulls[3] = {};
  HeapTuple row = heap_form_tuple(desc, values, nulls);
  bool isnull;
  const Datum value = heap_getattr(row, 2, desc, &isnull);
  const bgw::TypeInfo* type = bgw::type_of_column(TupleDescAttr(desc, 1));
  r->printed = bgw::type_to_text(type, value);
  r->sent = OidSendFunctionCall(type->typsend, value);
  if (strcmp(TextDatumGetCString(heap_getattr(row, 3, desc, &isnull)), "end") != 0) abort();
}

void fuzz_receiver(const std::uint8_t* data, std::size_t size) {
  // With a NUL behind, as libpq gives them.
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Receipt first = {.type = received_types[(data[0] & 0x7f) % lengthof(received_types)],
                   .bytes = bytes.data(),
                   .length = static_cast<int>(bytes.size()),
                   .printed = nullptr,
                   .sent = nullptr};
  if (bgw_test::caught(receive_and_send, &first).raised) return;
  // Sent as a text, of which see fuzz_text().
  if (first.type == JSONPATHOID) return;
  Receipt second = first;
  const std::string sent(VARDATA(first.sent), VARSIZE(first.sent) - VARHDRSZ);
  second.bytes = sent.data();
  second.length = static_cast<int>(sent.size());
  const bgw_test::Caught error = bgw_test::caught(receive_and_send, &second);
  if (error.raised || strcmp(first.printed, second.printed) != 0 || VARSIZE(first.sent) != VARSIZE(second.sent) ||
      memcmp(VARDATA(first.sent), VARDATA(second.sent), sent.size()) != 0) {
    fprintf(stderr, "type %u: %zu bytes, \"%s\", are sent as what %s \"%s\"\n", first.type, bytes.size(), first.printed,
            error.raised ? "is refused:" : "is received as", error.raised ? error.message.c_str() : second.printed);
    std::abort();
  }
}

void fuzz_text(const std::uint8_t* data, std::size_t size) {
  // The session gives texts that end with a NUL and have none inside.
  const std::string text(reinterpret_cast<const char*>(data) + 1,
                         strnlen(reinterpret_cast<const char*>(data) + 1, size - 1));
  Attempt first = {.type = types[data[0] % lengthof(types)],
                   .text = text.c_str(),
                   .length = static_cast<int>(text.size()),
                   .printed = nullptr};
  if (!bgw_test::caught(read_and_print, &first).raised) {
    Attempt second = first;
    second.text = first.printed;
    second.length = static_cast<int>(strlen(first.printed));
    const bgw_test::Caught error = bgw_test::caught(read_and_print, &second);
    // The server, too, takes "00:00Z30" for a zone of 30 hours, and does not read what it prints of it as the
    // same.
    // Words are read by whole characters: text that is not the database's encoding, which a session never
    // gives, may lose a quote in a broken one.
    const bool of_words = first.type == TSVECTOROID || first.type == TSQUERYOID;
    // Nor do all paths read again as what the server prints of them.
    const bool known =
        first.type == TIMETZOID || first.type == JSONPATHOID ||
        (of_words && pg_encoding_verifymbstr(PG_UTF8, text.c_str(), first.length) != first.length);
    if (!known && (error.raised || strcmp(first.printed, second.printed) != 0)) {
      fprintf(stderr, "type %u: \"%s\" prints as \"%s\", which %s \"%s\"\n", first.type, text.c_str(),
              first.printed, error.raised ? "is refused:" : "prints as",
              error.raised ? error.message.c_str() : second.printed);
      std::abort();
    }
  }
}

}  // namespace

void fuzz_reader(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  static MemoryContext scratch =
      AllocSetContextCreateInternal(TopMemoryContext, "fuzz", ALLOCSET_DEFAULT_SIZES);
  MemoryContext outside = MemoryContextSwitchTo(scratch);
  if (data[0] < 0x80)
    fuzz_text(data, size);
  else
    fuzz_receiver(data, size);
  MemoryContextSwitchTo(outside);
  MemoryContextReset(scratch);
}
