// The binary form of simple values, as the protocol and COPY have it: the send and recv functions of numbers, texts, dates
// and identifiers. Those of what is made of other values stand in binary_containers.cc.
//
// A recv function takes what it reads out of the message; its caller sees to what is left. C style: every one may
// raise.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/xid8.h"
}

#include "utils/numeric_var.hpp"

namespace {

inline StringInfo message_of(FunctionCallInfo fcinfo) {
  return reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
}

// The rest of the message as text of the database.
inline char* rest_as_text(StringInfo message, int* len) {
  return pq_getmsgtext(message, message->len - message->cursor, len);
}

Datum bytes_of(const void* bytes, int len) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendbytes(&out, static_cast<const char*>(bytes), len);
  return PointerGetDatum(pq_endtypsend(&out));
}

Datum bytes_of_text(const char* text) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendtext(&out, text, static_cast<int>(strlen(text)));
  return PointerGetDatum(pq_endtypsend(&out));
}

Datum bytes_of_varlena(FunctionCallInfo fcinfo) {
  text* value = PG_GETARG_TEXT_PP(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendtext(&out, VARDATA_ANY(value), static_cast<int>(VARSIZE_ANY_EXHDR(value)));
  return PointerGetDatum(pq_endtypsend(&out));
}

Datum bytes_of_int32(uint32 value) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, value);
  return PointerGetDatum(pq_endtypsend(&out));
}

Datum bytes_of_int64(uint64 value) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint64(&out, value);
  return PointerGetDatum(pq_endtypsend(&out));
}

[[noreturn]] void out_of_range(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("%s out of range", what)));
  pg_unreachable();
}

[[noreturn]] void invalid(const char* message) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg_internal("%s", message)));
  pg_unreachable();
}

// One by one: the server's error says which is missing.
void receive_bytes(StringInfo message, unsigned char* to, int count) {
  for (int i = 0; i < count; i++) to[i] = static_cast<unsigned char>(pq_getmsgbyte(message));
}

TimeADT receive_time(StringInfo message) {
  const TimeADT time = pq_getmsgint64(message);
  if (time < 0 || time > USECS_PER_DAY) out_of_range("time");
  return time;
}

Timestamp receive_timestamp(FunctionCallInfo fcinfo) {
  Timestamp value = pq_getmsgint64(message_of(fcinfo));
  if (!TIMESTAMP_NOT_FINITE(value) && !IS_VALID_TIMESTAMP(value)) out_of_range("timestamp");
  AdjustTimestampForTypmod(&value, PG_GETARG_INT32(2));
  return value;
}

constexpr uint16 sign_negative = 0x4000, sign_nan = 0xC000, sign_plus_infinity = 0xD000, sign_minus_infinity = 0xF000;
constexpr uint16 most_scale = 0x3FFF;
constexpr uint16 scale_of_infinity = 0x20;  // which the server says, and nothing looks at

}  // namespace

extern "C" {

// ---- numbers ----

Datum boolrecv(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(pq_getmsgbyte(message_of(fcinfo)) != 0);
}
Datum boolsend(PG_FUNCTION_ARGS) {
  const char value = PG_GETARG_BOOL(0) ? 1 : 0;
  return bytes_of(&value, 1);
}

Datum charrecv(PG_FUNCTION_ARGS) {
  PG_RETURN_CHAR(static_cast<char>(pq_getmsgbyte(message_of(fcinfo))));
}
Datum charsend(PG_FUNCTION_ARGS) {
  const char value = PG_GETARG_CHAR(0);
  return bytes_of(&value, 1);
}

Datum int2recv(PG_FUNCTION_ARGS) {
  PG_RETURN_INT16(static_cast<int16>(pq_getmsgint(message_of(fcinfo), sizeof(int16))));
}
Datum int2send(PG_FUNCTION_ARGS) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint16(&out, static_cast<uint16>(PG_GETARG_INT16(0)));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum int4recv(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(static_cast<int32>(pq_getmsgint(message_of(fcinfo), sizeof(int32))));
}
Datum int4send(PG_FUNCTION_ARGS) {
  return bytes_of_int32(static_cast<uint32>(PG_GETARG_INT32(0)));
}

Datum int8recv(PG_FUNCTION_ARGS) {
  PG_RETURN_INT64(pq_getmsgint64(message_of(fcinfo)));
}
Datum int8send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(static_cast<uint64>(PG_GETARG_INT64(0)));
}

// Identifiers of 32 bits, and the OIDs that have names: these are the same numbers.
#define UNSIGNED(name)                                                    \
  Datum name##recv(PG_FUNCTION_ARGS) {                                    \
    PG_RETURN_UINT32(pq_getmsgint(message_of(fcinfo), sizeof(uint32)));   \
  }                                                                       \
  Datum name##send(PG_FUNCTION_ARGS) {                                    \
    return bytes_of_int32(PG_GETARG_UINT32(0));                           \
  }
UNSIGNED(oid)
UNSIGNED(xid)
UNSIGNED(cid)
UNSIGNED(regproc)
UNSIGNED(regprocedure)
UNSIGNED(regoper)
UNSIGNED(regoperator)
UNSIGNED(regclass)
UNSIGNED(regtype)
UNSIGNED(regrole)
UNSIGNED(regnamespace)
UNSIGNED(regconfig)
UNSIGNED(regdictionary)
UNSIGNED(regcollation)
#undef UNSIGNED

Datum xid8recv(PG_FUNCTION_ARGS) {
  PG_RETURN_FULLTRANSACTIONID(
      FullTransactionIdFromU64(static_cast<uint64>(pq_getmsgint64(message_of(fcinfo)))));
}
Datum xid8send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(U64FromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(0)));
}

Datum float4recv(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT4(pq_getmsgfloat4(message_of(fcinfo)));
}
Datum float4send(PG_FUNCTION_ARGS) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendfloat4(&out, PG_GETARG_FLOAT4(0));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum float8recv(PG_FUNCTION_ARGS) {
  PG_RETURN_FLOAT8(pq_getmsgfloat8(message_of(fcinfo)));
}
Datum float8send(PG_FUNCTION_ARGS) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendfloat8(&out, PG_GETARG_FLOAT8(0));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// Count of digits to base 10000, weight of the first, sign, decimals shown, the digits.
Datum numeric_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  bgw::NumericVar var;
  var.count = static_cast<uint16>(pq_getmsgint(message, sizeof(uint16)));
  var.weight = static_cast<int16>(pq_getmsgint(message, sizeof(int16)));
  const uint16 sign = static_cast<uint16>(pq_getmsgint(message, sizeof(uint16)));
  if (sign != 0 && sign != sign_negative && sign != sign_nan && sign != sign_plus_infinity &&
      sign != sign_minus_infinity)
    invalid("invalid sign in external \"numeric\" value");
  const uint16 scale = static_cast<uint16>(pq_getmsgint(message, sizeof(uint16)));
  if ((scale & most_scale) != scale) invalid("invalid scale in external \"numeric\" value");
  var.dscale = scale;
  var.negative = sign == sign_negative;
  var.digit = static_cast<int16*>(palloc(sizeof(int16) * static_cast<Size>(var.count + 1)));
  for (int i = 0; i < var.count; i++) {
    const int16 digit = static_cast<int16>(pq_getmsgint(message, sizeof(int16)));
    if (digit < 0 || digit >= bgw::kNumericBase) invalid("invalid digit in external \"numeric\" value");
    var.digit[i] = digit;
  }
  Numeric value;
  if (sign == sign_nan)
    value = bgw::numeric_pack(bgw::numeric_var_special(bgw::NumericKind::nan));
  else if (sign == sign_plus_infinity)
    value = bgw::numeric_pack(bgw::numeric_var_special(bgw::NumericKind::plus_infinity));
  else if (sign == sign_minus_infinity)
    value = bgw::numeric_pack(bgw::numeric_var_special(bgw::NumericKind::minus_infinity));
  else {
    bgw::numeric_var_normalize(&var);
    value = bgw::numeric_pack(bgw::numeric_var_truncate(var, scale));
  }
  if (PG_GETARG_INT32(2) < 0) PG_RETURN_NUMERIC(value);
  return DirectFunctionCall2(numeric, NumericGetDatum(value), Int32GetDatum(PG_GETARG_INT32(2)));
}

Datum numeric_send(PG_FUNCTION_ARGS) {
  const bgw::NumericVar var = bgw::numeric_unpack(PG_GETARG_NUMERIC(0));
  uint16 sign = var.negative ? sign_negative : 0;
  if (var.kind == bgw::NumericKind::nan) sign = sign_nan;
  if (var.kind == bgw::NumericKind::plus_infinity) sign = sign_plus_infinity;
  if (var.kind == bgw::NumericKind::minus_infinity) sign = sign_minus_infinity;
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint16(&out, static_cast<uint16>(var.finite() ? var.count : 0));
  pq_sendint16(&out, static_cast<uint16>(var.finite() ? var.weight : 0));
  pq_sendint16(&out, sign);
  pq_sendint16(&out, static_cast<uint16>(var.finite()                           ? var.dscale
                                          : var.kind == bgw::NumericKind::nan ? 0
                                                                              : scale_of_infinity));
  for (int i = 0; var.finite() && i < var.count; i++) pq_sendint16(&out, static_cast<uint16>(var.digit[i]));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// ---- texts ----

Datum textrecv(PG_FUNCTION_ARGS) {
  int len;
  const char* text = rest_as_text(message_of(fcinfo), &len);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(text, len));
}
Datum textsend(PG_FUNCTION_ARGS) {
  return bytes_of_varlena(fcinfo);
}

Datum varcharrecv(PG_FUNCTION_ARGS) {
  int len;
  char* text = rest_as_text(message_of(fcinfo), &len);
  return DirectFunctionCall3(varcharin, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
                             Int32GetDatum(PG_GETARG_INT32(2)));
}
Datum varcharsend(PG_FUNCTION_ARGS) {
  return bytes_of_varlena(fcinfo);
}

Datum bpcharrecv(PG_FUNCTION_ARGS) {
  int len;
  char* text = rest_as_text(message_of(fcinfo), &len);
  return DirectFunctionCall3(bpcharin, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
                             Int32GetDatum(PG_GETARG_INT32(2)));
}
Datum bpcharsend(PG_FUNCTION_ARGS) {
  return bytes_of_varlena(fcinfo);
}

Datum namerecv(PG_FUNCTION_ARGS) {
  int len;
  const char* text = rest_as_text(message_of(fcinfo), &len);
  if (len >= NAMEDATALEN)
    ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("identifier too long"),
                    errdetail("Identifier must be less than %d characters.", NAMEDATALEN)));
  Name name = static_cast<Name>(palloc0(NAMEDATALEN));
  memcpy(NameStr(*name), text, static_cast<Size>(len));
  PG_RETURN_NAME(name);
}
Datum namesend(PG_FUNCTION_ARGS) {
  return bytes_of_text(NameStr(*PG_GETARG_NAME(0)));
}

Datum unknownrecv(PG_FUNCTION_ARGS) {
  int len;
  PG_RETURN_CSTRING(rest_as_text(message_of(fcinfo), &len));
}
Datum unknownsend(PG_FUNCTION_ARGS) {
  return bytes_of_text(PG_GETARG_CSTRING(0));
}

Datum cstring_recv(PG_FUNCTION_ARGS) {
  int len;
  PG_RETURN_CSTRING(rest_as_text(message_of(fcinfo), &len));
}
Datum cstring_send(PG_FUNCTION_ARGS) {
  return bytes_of_text(PG_GETARG_CSTRING(0));
}

Datum void_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_VOID();
}
Datum void_send(PG_FUNCTION_ARGS) {
  return bytes_of(nullptr, 0);
}

Datum bytearecv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const int len = message->len - message->cursor;
  bytea* value = static_cast<bytea*>(palloc(static_cast<Size>(len) + VARHDRSZ));
  SET_VARSIZE(value, static_cast<Size>(len) + VARHDRSZ);
  pq_copymsgbytes(message, VARDATA(value), len);
  PG_RETURN_BYTEA_P(value);
}
Datum byteasend(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(PG_GETARG_BYTEA_P_COPY(0));
}

Datum json_recv(PG_FUNCTION_ARGS) {
  int len;
  return DirectFunctionCall1(json_in, CStringGetDatum(rest_as_text(message_of(fcinfo), &len)));
}
Datum json_send(PG_FUNCTION_ARGS) {
  return bytes_of_varlena(fcinfo);
}

// A version, which is 1, and the text.
Datum jsonb_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const int version = static_cast<int>(pq_getmsgint(message, 1));
  if (version != 1) elog(ERROR, "unsupported jsonb version number %d", version);
  int len;
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(rest_as_text(message, &len)));
}
Datum jsonb_send(PG_FUNCTION_ARGS) {
  Jsonb* value = PG_GETARG_JSONB_P(0);
  const char* text = JsonbToCString(nullptr, &value->root, static_cast<int>(VARSIZE(value)));
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint8(&out, 1);
  pq_sendtext(&out, text, static_cast<int>(strlen(text)));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// ---- dates ----

Datum date_recv(PG_FUNCTION_ARGS) {
  const DateADT date = static_cast<DateADT>(pq_getmsgint(message_of(fcinfo), sizeof(DateADT)));
  if (!DATE_NOT_FINITE(date) && !IS_VALID_DATE(date)) out_of_range("date");
  PG_RETURN_DATEADT(date);
}
Datum date_send(PG_FUNCTION_ARGS) {
  return bytes_of_int32(static_cast<uint32>(PG_GETARG_DATEADT(0)));
}

Datum time_recv(PG_FUNCTION_ARGS) {
  TimeADT time = receive_time(message_of(fcinfo));
  AdjustTimeForTypmod(&time, PG_GETARG_INT32(2));
  PG_RETURN_TIMEADT(time);
}
Datum time_send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(static_cast<uint64>(PG_GETARG_TIMEADT(0)));
}

Datum timetz_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  TimeTzADT* value = static_cast<TimeTzADT*>(palloc(sizeof(TimeTzADT)));
  value->time = receive_time(message);
  value->zone = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  if (value->zone <= -TZDISP_LIMIT || value->zone >= TZDISP_LIMIT)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE),
                    errmsg("time zone displacement out of range")));
  AdjustTimeForTypmod(&value->time, PG_GETARG_INT32(2));
  PG_RETURN_TIMETZADT_P(value);
}
Datum timetz_send(PG_FUNCTION_ARGS) {
  const TimeTzADT* value = PG_GETARG_TIMETZADT_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint64(&out, static_cast<uint64>(value->time));
  pq_sendint32(&out, static_cast<uint32>(value->zone));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum timestamp_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMP(receive_timestamp(fcinfo));
}
Datum timestamp_send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(static_cast<uint64>(PG_GETARG_TIMESTAMP(0)));
}
Datum timestamptz_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_TIMESTAMPTZ(receive_timestamp(fcinfo));
}
Datum timestamptz_send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(static_cast<uint64>(PG_GETARG_TIMESTAMPTZ(0)));
}

Datum interval_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  Interval* value = static_cast<Interval*>(palloc(sizeof(Interval)));
  value->time = pq_getmsgint64(message);
  value->day = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  value->month = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  if (PG_GETARG_INT32(2) < 0) PG_RETURN_INTERVAL_P(value);
  return DirectFunctionCall2(interval_scale, IntervalPGetDatum(value), Int32GetDatum(PG_GETARG_INT32(2)));
}
Datum interval_send(PG_FUNCTION_ARGS) {
  const Interval* value = PG_GETARG_INTERVAL_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint64(&out, static_cast<uint64>(value->time));
  pq_sendint32(&out, static_cast<uint32>(value->day));
  pq_sendint32(&out, static_cast<uint32>(value->month));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// ---- identifiers and addresses ----

Datum uuid_recv(PG_FUNCTION_ARGS) {
  pg_uuid_t* value = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
  memcpy(value->data, pq_getmsgbytes(message_of(fcinfo), UUID_LEN), UUID_LEN);
  PG_RETURN_UUID_P(value);
}
Datum uuid_send(PG_FUNCTION_ARGS) {
  return bytes_of(PG_GETARG_UUID_P(0)->data, UUID_LEN);
}

Datum pg_lsn_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_LSN(static_cast<XLogRecPtr>(pq_getmsgint64(message_of(fcinfo))));
}
Datum pg_lsn_send(PG_FUNCTION_ARGS) {
  return bytes_of_int64(PG_GETARG_LSN(0));
}

Datum tidrecv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const BlockNumber block = pq_getmsgint(message, sizeof(BlockNumber));
  const OffsetNumber offset = static_cast<OffsetNumber>(pq_getmsgint(message, sizeof(OffsetNumber)));
  ItemPointer value = static_cast<ItemPointer>(palloc(sizeof(ItemPointerData)));
  ItemPointerSet(value, block, offset);
  PG_RETURN_POINTER(value);
}
Datum tidsend(PG_FUNCTION_ARGS) {
  const ItemPointerData* value = reinterpret_cast<ItemPointer>(PG_GETARG_POINTER(0));
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, ItemPointerGetBlockNumberNoCheck(value));
  pq_sendint16(&out, ItemPointerGetOffsetNumberNoCheck(value));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum macaddr_recv(PG_FUNCTION_ARGS) {
  macaddr* value = static_cast<macaddr*>(palloc(sizeof(macaddr)));
  static_assert(sizeof(macaddr) == 6);
  receive_bytes(message_of(fcinfo), reinterpret_cast<unsigned char*>(value), sizeof(macaddr));
  PG_RETURN_MACADDR_P(value);
}
Datum macaddr_send(PG_FUNCTION_ARGS) {
  return bytes_of(PG_GETARG_MACADDR_P(0), sizeof(macaddr));
}

// One of six bytes gets the two that such an address has in its middle.
Datum macaddr8_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  static_assert(sizeof(macaddr8) == 8);
  unsigned char* value = static_cast<unsigned char*>(palloc0(sizeof(macaddr8)));
  receive_bytes(message, value, 3);
  if (message->len == 6) {
    value[3] = 0xFF;
    value[4] = 0xFE;
  } else {
    receive_bytes(message, value + 3, 2);
  }
  receive_bytes(message, value + 5, 3);
  PG_RETURN_MACADDR8_P(reinterpret_cast<macaddr8*>(value));
}
Datum macaddr8_send(PG_FUNCTION_ARGS) {
  return bytes_of(PG_GETARG_MACADDR8_P(0), sizeof(macaddr8));
}

}  // extern "C"
