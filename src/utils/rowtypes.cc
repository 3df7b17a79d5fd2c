// Row values as text (record_in, record_out): fields in parentheses, nothing at all for NULL, quotes where a
// field needs them; and in binary (record_recv, record_send): the number of fields, and of each its type, its length, -1 for
// NULL, and its bytes.
//
// The columns are those of the row type's descriptor; dropped ones are NULL and have no place in the text. C
// style throughout: a column's own input function may raise.
#include <cctype>
#include <cstring>

#include "bridge/oid_aliases.hpp"
#include "bridge/received_values.hpp"
#include "bridge/tuple_builder.hpp"
#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"
}

namespace {

[[noreturn]] void malformed(const char* literal, const char* why) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("malformed record literal: \"%s\"", literal), errdetail_internal("%s", why)));
  pg_unreachable();
}

bool is_space(char c) {
  return isspace(static_cast<unsigned char>(c)) != 0;
}

// One field, to the comma or parenthesis behind it.
const char* read_field(const char* literal, const char* at, StringInfo field) {
  bool quoted = false;
  resetStringInfo(field);
  while (quoted || (*at != ',' && *at != ')')) {
    char c = *at++;
    if (c == '\0') malformed(literal, "Unexpected end of input.");
    if (c == '\\') {
      c = *at++;
      if (c == '\0') malformed(literal, "Unexpected end of input.");
      appendStringInfoChar(field, c);
    } else if (c != '"') {
      appendStringInfoChar(field, c);
    } else if (quoted && *at == '"') {
      appendStringInfoChar(field, *at++);
    } else {
      quoted = !quoted;
    }
  }
  return at;
}

bool must_quote(const char* text) {
  if (*text == '\0') return true;
  for (; *text != '\0'; text++)
    if (strchr("\"\\(),", *text) != nullptr || is_space(*text)) return true;
  return false;
}

void tuple_of(HeapTupleHeader header, HeapTuple tuple) {
  tuple->t_len = HeapTupleHeaderGetDatumLength(header);
  ItemPointerSetInvalid(&tuple->t_self);
  tuple->t_tableOid = InvalidOid;
  tuple->t_data = header;
}

// The length of a field, of which the bytes are in the message; -1 for NULL.
int receive_length(StringInfo message) {
  const int len = static_cast<int>(pq_getmsgint(message, 4));
  if (len < -1 || len > message->len - message->cursor)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("insufficient data left in message")));
  return len;
}

HeapTupleHeader form_row(TupleDesc desc, Datum* values, bool* nulls) {
  HeapTuple tuple = heap_form_tuple(desc, values, nulls);
  HeapTupleHeader result = static_cast<HeapTupleHeader>(palloc(tuple->t_len));
  memcpy(result, tuple->t_data, tuple->t_len);
  heap_freetuple(tuple);
  return result;
}

// Of a row type with a name, whose columns are known.
HeapTupleHeader receive_row(StringInfo message, TupleDesc desc) {
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<Size>(desc->natts + 1)));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(desc->natts + 1)));
  const int count = static_cast<int>(pq_getmsgint(message, 4));
  int expected = 0;
  for (int i = 0; i < desc->natts; i++) expected += !TupleDescAttr(desc, i)->attisdropped;
  if (count != expected)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("wrong number of columns: %d, expected %d", count, expected)));
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    nulls[i] = true;
    if (att->attisdropped) continue;
    const Oid said = pq_getmsgint(message, sizeof(Oid));
    // The OIDs of other types than the server's own differ from one database to the next.
    if (said != att->atttypid && said < FirstGenbkiObjectId && att->atttypid < FirstGenbkiObjectId)
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("binary data has type %u (%s) instead of expected %u (%s) in record column %d", said,
                             format_type_extended(said, -1, FORMAT_TYPE_ALLOW_INVALID), att->atttypid,
                             format_type_extended(att->atttypid, -1, FORMAT_TYPE_ALLOW_INVALID), i + 1)));
    const int len = receive_length(message);
    nulls[i] = len == -1;
    const char* bytes = nulls[i] ? nullptr : pq_getmsgbytes(message, len);
    values[i] = bgw::receive_value(att, bytes, len, "record column", i + 1);
  }
  return form_row(desc, values, nulls);
}

// Of a row type without a name, which the message tells: only as part of a result.
HeapTupleHeader receive_record(StringInfo message) {
  const int count = static_cast<int>(pq_getmsgint(message, 4));
  if (count < 0 || count > MaxTupleAttributeNumber || count > (message->len - message->cursor) / 8)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("insufficient data left in message")));
  const Size room = static_cast<Size>(count) + 1;
  Oid* types = static_cast<Oid*>(palloc(sizeof(Oid) * room));
  int* lengths = static_cast<int*>(palloc(sizeof(int) * room));
  const char** bytes = static_cast<const char**>(palloc(sizeof(char*) * room));
  for (int i = 0; i < count; i++) {
    types[i] = pq_getmsgint(message, sizeof(Oid));
    lengths[i] = receive_length(message);
    bytes[i] = lengths[i] == -1 ? nullptr : pq_getmsgbytes(message, lengths[i]);
  }
  TupleDesc desc = bgw::record_descriptor(count, types);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * room));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * room));
  for (int i = 0; i < count; i++) {
    nulls[i] = bytes[i] == nullptr;
    if (!nulls[i]) values[i] = bgw::receive_value(TupleDescAttr(desc, i), bytes[i], lengths[i], "record column", i + 1);
  }
  return form_row(desc, values, nulls);
}

}  // namespace

extern "C" {

Datum record_in(PG_FUNCTION_ARGS) {
  const char* literal = PG_GETARG_CSTRING(0);
  const Oid oid = PG_GETARG_OID(1);
  const int32 typmod = PG_GETARG_INT32(2);
  if (oid == RECORDOID && typmod < 0)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("input of anonymous composite types is not implemented")));
  TupleDesc desc = lookup_rowtype_tupdesc(oid, typmod);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<Size>(desc->natts + 1)));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(desc->natts + 1)));
  StringInfoData field;
  initStringInfo(&field);
  const char* at = literal;
  while (is_space(*at)) at++;
  if (*at++ != '(') malformed(literal, "Missing left parenthesis.");
  bool first = true;
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    nulls[i] = true;
    if (att->attisdropped) continue;
    if (!first && *at++ != ',') malformed(literal, "Too few columns.");
    first = false;
    if (*at == ',' || *at == ')') continue;
    at = read_field(literal, at, &field);
    const bgw::TypeInfo* type = bgw::learn_buildable_type(att->atttypid);
    if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", att->atttypid);
    bgw::type_from_text(type, InvalidOid, att->atttypmod, field.data, static_cast<std::size_t>(field.len),
                        &values[i]);
    nulls[i] = false;
  }
  if (*at++ != ')') malformed(literal, "Too many columns.");
  while (is_space(*at)) at++;
  if (*at != '\0') malformed(literal, "Junk after right parenthesis.");
  HeapTupleHeader result = form_row(desc, values, nulls);
  ReleaseTupleDesc(desc);
  PG_RETURN_POINTER(result);
}

Datum record_recv(PG_FUNCTION_ARGS) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const Oid oid = PG_GETARG_OID(1);
  const int32 typmod = PG_GETARG_INT32(2);
  if (oid == RECORDOID && typmod < 0) {
    if (bgw::trusted_text) PG_RETURN_POINTER(receive_record(message));
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("input of anonymous composite types is not implemented")));
  }
  TupleDesc desc = lookup_rowtype_tupdesc(oid, typmod);
  HeapTupleHeader result = receive_row(message, desc);
  ReleaseTupleDesc(desc);
  PG_RETURN_POINTER(result);
}

Datum record_send(PG_FUNCTION_ARGS) {
  HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
  TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
  HeapTupleData tuple;
  tuple_of(header, &tuple);
  Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(desc->natts + 1)));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(desc->natts + 1)));
  heap_deform_tuple(&tuple, desc, values, nulls);
  int count = 0;
  for (int i = 0; i < desc->natts; i++) count += !TupleDescAttr(desc, i)->attisdropped;
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(count));
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    if (att->attisdropped) continue;
    pq_sendint32(&out, att->atttypid);
    if (nulls[i]) {
      pq_sendint32(&out, static_cast<uint32>(-1));
      continue;
    }
    Oid function;
    bool varlena;
    getTypeBinaryOutputInfo(att->atttypid, &function, &varlena);
    const bytea* bytes = OidSendFunctionCall(function, values[i]);
    pq_sendint32(&out, static_cast<uint32>(VARSIZE(bytes) - VARHDRSZ));
    pq_sendbytes(&out, VARDATA(bytes), static_cast<int>(VARSIZE(bytes) - VARHDRSZ));
  }
  ReleaseTupleDesc(desc);
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum record_out(PG_FUNCTION_ARGS) {
  HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
  TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
  HeapTupleData tuple;
  tuple_of(header, &tuple);
  Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(desc->natts + 1)));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(desc->natts + 1)));
  heap_deform_tuple(&tuple, desc, values, nulls);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoChar(&out, '(');
  bool first = true;
  for (int i = 0; i < desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(desc, i);
    if (att->attisdropped) continue;
    if (!first) appendStringInfoChar(&out, ',');
    first = false;
    if (nulls[i]) continue;
    const bgw::TypeInfo* type = bgw::carries_text(att) ? bgw::other_type() : bgw::learn_buildable_type(att->atttypid);
    if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", att->atttypid);
    const char* text = bgw::type_to_text(type, values[i]);
    if (!must_quote(text)) {
      appendStringInfoString(&out, text);
      continue;
    }
    appendStringInfoChar(&out, '"');
    for (; *text != '\0'; text++) {
      if (*text == '"' || *text == '\\') appendStringInfoChar(&out, *text);
      appendStringInfoChar(&out, *text);
    }
    appendStringInfoChar(&out, '"');
  }
  appendStringInfoChar(&out, ')');
  ReleaseTupleDesc(desc);
  PG_RETURN_CSTRING(out.data);
}

Datum GetAttributeByNum(HeapTupleHeader header, AttrNumber attrno, bool* isNull) {
  if (!AttributeNumberIsValid(attrno)) elog(ERROR, "invalid attribute number %d", attrno);
  if (header == nullptr) {
    *isNull = true;
    return 0;
  }
  TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
  HeapTupleData tuple;
  tuple_of(header, &tuple);
  Datum value = heap_getattr(&tuple, attrno, desc, isNull);
  ReleaseTupleDesc(desc);
  return value;
}

Datum GetAttributeByName(HeapTupleHeader header, const char* attname, bool* isNull) {
  if (attname == nullptr) elog(ERROR, "invalid attribute name");
  if (header == nullptr) {
    *isNull = true;
    return 0;
  }
  TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
  AttrNumber number = InvalidAttrNumber;
  for (int i = 0; i < desc->natts && number == InvalidAttrNumber; i++)
    if (strcmp(NameStr(TupleDescAttr(desc, i)->attname), attname) == 0) number = TupleDescAttr(desc, i)->attnum;
  ReleaseTupleDesc(desc);
  if (number == InvalidAttrNumber) elog(ERROR, "attribute \"%s\" does not exist", attname);
  return GetAttributeByNum(header, number, isNull);
}

}  // extern "C"
