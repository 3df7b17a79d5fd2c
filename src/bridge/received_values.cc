// Receiving values (see received_values.hpp): each through its type's receive function, as in the server.
//
// A type that this process cannot build, in a record, is turned into its text by the upstream, and its column is described as
// text: such a record prints as in the server. C style: everything may raise.
#include <cstring>
#include <iterator>

#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

#include "bridge/oid_aliases.hpp"
#include "bridge/received_values.hpp"
#include "bridge/tuple_builder.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

namespace bgw {
namespace {

// As its receive function would make it, but for what a receive function refuses or changes.
bool is_plain_text(const TypeInfo* type) {
  return read_kind(type) == ReadKind::text && type->constructible;
}

// Of the types of which the text does not tell all: how they are built when their bytes are there.
struct Received {
  Oid oid;
  PGFunction input;
  PGFunction output;
};
constexpr Received received[] = {
    {RECORDOID, record_in, record_out},
    {RECORDARRAYOID, array_in, array_out},
    {ANYARRAYOID, anyarray_in, anyarray_out},
    {PG_NDISTINCTOID, pg_ndistinct_in, pg_ndistinct_out},
    {PG_DEPENDENCIESOID, pg_dependencies_in, pg_dependencies_out},
    {PG_MCV_LISTOID, pg_mcv_list_in, pg_mcv_list_out},
};

// Their receive functions take nothing; what is sent is what is in memory.
bool is_extended_statistics(Oid oid) {
  return oid == PG_NDISTINCTOID || oid == PG_DEPENDENCIESOID || oid == PG_MCV_LISTOID;
}

bool receivable(Oid oid) {
  if (received_type(oid) != nullptr) return true;
  const TypeInfo* type = learn_buildable_type(oid);
  if (type == nullptr || !type->constructible || !OidIsValid(type->typreceive)) return false;
  // In other encodings the bytes say which, the text does not.
  if (oid == XMLOID && GetDatabaseEncoding() != PG_UTF8) return false;
  switch (type->typtype) {
    case TYPTYPE_PSEUDO:
      return oid == VOIDOID || oid == CSTRINGOID || oid == UNKNOWNOID;
    case TYPTYPE_DOMAIN: {
      int32 typmod = -1;
      return receivable(learn_base_type(oid, &typmod));
    }
    case TYPTYPE_COMPOSITE: {
      TupleDesc desc = learn_row_type(oid);
      for (int i = 0; i < desc->natts; i++)
        if (!TupleDescAttr(desc, i)->attisdropped && !receivable(TupleDescAttr(desc, i)->atttypid)) return false;
      return true;
    }
    case TYPTYPE_RANGE:
    case TYPTYPE_MULTIRANGE:
      return find_type(oid) != nullptr;  // what is received is compared, for which others may have no function here
    default:
      return !OidIsValid(type->typelem) || receivable(type->typelem);
  }
}

char* text_by_upstream(Oid oid, const char* bytes, int len) {
  BgwRun run = {};
  const Oid type = oid;
  run.text = "SELECT $1";
  run.nargs = 1;
  run.argtypes = &type;
  run.values = &bytes;
  run.binary_lengths = &len;
  run.preparable = true;
  run.read_only = true;
  const RowSet* rows = bgw_session_run(&run, nullptr);
  return pstrdup(rows->value(0, 0));
}

// To be read where they are: no receive function writes there.
StringInfoData message_of(const char* bytes, int len) {
  StringInfoData message = {};
  message.data = const_cast<char*>(bytes);
  message.len = message.maxlen = len;
  return message;
}

// An array that says itself of what type its elements are. Of a type that this process cannot build it becomes an array of text,
// which prints alike.
Datum receive_any_array(const char* bytes, int len) {
  StringInfoData message = message_of(bytes, len);
  (void)pq_getmsgint(&message, 4);  // dimensions
  (void)pq_getmsgint(&message, 4);  // flags
  const Oid element = pq_getmsgint(&message, 4);
  if (!receivable(element)) {
    const Oid array = get_array_type(element);
    if (!OidIsValid(array))
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                      errmsg("could not find array type for data type %s", format_type_be(element))));
    char* text = text_by_upstream(array, bytes, len);
    return DirectFunctionCall3(array_in, CStringGetDatum(text), ObjectIdGetDatum(TEXTOID), Int32GetDatum(-1));
  }
  message.cursor = 0;
  return DirectFunctionCall3(array_recv, PointerGetDatum(&message), ObjectIdGetDatum(element), Int32GetDatum(-1));
}

}  // namespace

const TypeInfo* received_type(Oid oid) {
  static TypeInfo built[std::size(received)];
  for (std::size_t i = 0; i < std::size(received); i++) {
    if (received[i].oid != oid) continue;
    if (!built[i].constructible) {
      built[i] = *find_type(oid);
      built[i].input = received[i].input;
      built[i].output = received[i].output;
      built[i].constructible = true;
    }
    return &built[i];
  }
  return nullptr;
}

bool has_received_types(const RowSet* rows) {
  for (int c = 0; c < rows->columns(); c++)
    if (received_type(rows->type(c)) != nullptr) return true;
  return false;
}

bool can_be_received(const RowSet* described) {
  for (int c = 0; c < described->columns(); c++)
    if (!receivable(described->type(c))) return false;
  return true;
}

bool to_be_received(const RowSet* described) {
  for (int c = 0; c < described->columns(); c++)
    if (received_type(described->type(c)) != nullptr || may_have_ambiguous_names(described->type(c)))
      return can_be_received(described);
  return false;
}

bool is_mostly_bytes(const RowSet* rows) {
  constexpr int looked_at = 32;      // rows
  constexpr int64 worth_it = 32768;  // characters
  int64 bytes = 0, others = 0;
  for (int c = 0; c < rows->columns(); c++) {
    if (rows->type(c) != BYTEAOID) continue;
    for (int r = 0; r < rows->rows() && r < looked_at; r++) bytes += rows->length(r, c);
  }
  if (bytes < worth_it) return false;
  for (int c = 0; c < rows->columns(); c++) {
    if (rows->type(c) == BYTEAOID) continue;
    for (int r = 0; r < rows->rows() && r < looked_at; r++) others += rows->length(r, c);
  }
  return bytes > others;
}

TupleDesc record_descriptor(int count, const Oid* types) {
  // Most rows are of the type of the row before.
  static TupleDesc last;
  static uint64 last_generation;
  bool same = last != nullptr && last_generation == types_generation() && last->natts == count;
  for (int i = 0; same && i < count; i++) same = TupleDescAttr(last, i)->atttypid == types[i];
  if (same) return last;
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * (static_cast<Size>(count) + 1)));
  for (int i = 0; i < count; i++) names[i] = psprintf("f%d", i + 1);
  TupleDesc desc = build_result_tupdesc(count, names, types, nullptr);
  for (int i = 0; i < count; i++) {
    Form_pg_attribute att = TupleDescAttr(desc, i);
    describe_received(att);
    if (!carries_text(att) && !receivable(att->atttypid)) {
      att->attstattarget = 0;
      att->attlen = -1;
      att->attbyval = false;
      att->attalign = TYPALIGN_INT;
      att->attstorage = TYPSTORAGE_EXTENDED;
    }
  }
  desc->tdtypeid = RECORDOID;
  desc->tdtypmod = -1;
  assign_record_type_typmod(desc);
  last = lookup_rowtype_tupdesc(RECORDOID, desc->tdtypmod);
  DecrTupleDescRefCount(last);
  last_generation = types_generation();
  return last;
}

Datum receive_value(const FormData_pg_attribute* attribute, const char* bytes, int len, const char* what, int number) {
  const Oid oid = attribute->atttypid;
  if (bytes != nullptr && carries_text(attribute)) {
    const char* text = text_by_upstream(oid, bytes, len);
    return PointerGetDatum(cstring_to_text(text));
  }
  if (bytes != nullptr && oid == ANYARRAYOID) return receive_any_array(bytes, len);
  if (bytes != nullptr && (oid == BYTEAOID || is_extended_statistics(oid))) return PointerGetDatum(cstring_to_text_with_len(bytes, len));
  const TypeInfo* type = type_of_column(attribute);
  if (bytes != nullptr && trusted_text && is_plain_text(type))
    return PointerGetDatum(cstring_to_text_with_len(bytes, len));
  if (!OidIsValid(type->typreceive))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("no binary input function available for type %s", format_type_be(oid))));
  const Oid ioparam = OidIsValid(type->typelem) ? type->typelem : type->oid;
  if (bytes == nullptr) return OidReceiveFunctionCall(type->typreceive, nullptr, ioparam, attribute->atttypmod);
  StringInfoData message = message_of(bytes, len);
  const Datum value = OidReceiveFunctionCall(type->typreceive, &message, ioparam, attribute->atttypmod);
  if (message.cursor != message.len)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("improper binary format in %s %d", what, number)));
  note_received_oid(oid, value);
  return value;
}

void describe_received(Form_pg_attribute attribute) {
  const TypeInfo* type = learn_buildable_type(attribute->atttypid);
  if (type == nullptr || !type->constructible) return;
  attribute->attstattarget = -1;
  attribute->attlen = type->typlen;
  attribute->attbyval = type->typbyval;
  attribute->attalign = type->typalign;
  attribute->attstorage = type->typstorage;
}

}  // namespace bgw
