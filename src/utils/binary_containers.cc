// The binary form of values that are made of others: arrays, ranges and multiranges, enums; and of bit strings and geometry.
//
// A member stands in the message as its length, -1 for NULL, and what the send function of its type gives. It is received
// from a message of its own, so that it cannot reach beyond its end.
#include <climits>
#include <cstring>
#include <initializer_list>

extern "C" {
#include "postgres.h"
#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/geo_decls.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"
#include "utils/varbit.h"
}


#include "bridge/type_io.hpp"

namespace {

inline StringInfo message_of(FunctionCallInfo fcinfo) {
  return reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
}

[[noreturn]] void invalid(const char* message) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg_internal("%s", message)));
  pg_unreachable();
}

struct Member {
  Oid type;
  int16 typlen;
  bool typbyval;
  char typalign;
  Oid typioparam;
  FmgrInfo function;
};

void find_member(Member* member, Oid type, IOFuncSelector which) {
  char typdelim;
  Oid function;
  member->type = type;
  get_type_io_data(type, which, &member->typlen, &member->typbyval, &member->typalign, &typdelim,
                   &member->typioparam, &function);
  if (!OidIsValid(function))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    which == IOFunc_send
                        ? errmsg("no binary output function available for type %s", format_type_be(type))
                        : errmsg("no binary input function available for type %s", format_type_be(type))));
  fmgr_info(function, &member->function);
}

// One value of `len` bytes. `element`: which of an array it is, of which nothing may be left; else 0.
Datum receive_part(StringInfo message, int len, FmgrInfo* function, Oid typioparam, int32 typmod, int element) {
  StringInfoData part;
  initStringInfo(&part);
  appendBinaryStringInfo(&part, pq_getmsgbytes(message, len), len);
  const Datum value = ReceiveFunctionCall(function, &part, typioparam, typmod);
  if (element > 0 && part.cursor != part.len)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("improper binary format in array element %d", element)));
  pfree(part.data);
  return value;
}

void send_part(StringInfo out, FmgrInfo* function, Datum value) {
  const bytea* bytes = SendFunctionCall(function, value);
  const int len = static_cast<int>(VARSIZE(bytes) - VARHDRSZ);
  pq_sendint32(out, static_cast<uint32>(len));
  pq_sendbytes(out, VARDATA(bytes), len);
}

// The dimensions, whether there are NULLs, the element type, each dimension's length and lower bound, the elements.
ArrayType* receive_array(StringInfo message, Oid element_type, int32 typmod) {
  const int ndim = static_cast<int>(pq_getmsgint(message, 4));
  if (ndim < 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("invalid number of dimensions: %d", ndim)));
  if (ndim > MAXDIM)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim, MAXDIM)));
  const int flags = static_cast<int>(pq_getmsgint(message, 4));
  if (flags != 0 && flags != 1) invalid("invalid array flags");
  const Oid said_type = pq_getmsgint(message, sizeof(Oid));
  // The OIDs of other types than the server's own differ from one database to the next.
  if (said_type != element_type && said_type < FirstGenbkiObjectId && element_type < FirstGenbkiObjectId)
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("binary data has array element type %u (%s) instead of expected %u (%s)", said_type,
                           format_type_extended(said_type, -1, FORMAT_TYPE_ALLOW_INVALID), element_type,
                           format_type_extended(element_type, -1, FORMAT_TYPE_ALLOW_INVALID))));
  int dims[MAXDIM], lbounds[MAXDIM];
  for (int i = 0; i < ndim; i++) {
    dims[i] = static_cast<int>(pq_getmsgint(message, 4));
    lbounds[i] = static_cast<int>(pq_getmsgint(message, 4));
  }
  const int items = ArrayGetNItems(ndim, dims);
  ArrayCheckBounds(ndim, dims, lbounds);
  if (items == 0) return construct_empty_array(element_type);
  Member member;
  find_member(&member, element_type, IOFunc_receive);
  Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * static_cast<Size>(items)));
  bool* nulls = static_cast<bool*>(palloc(sizeof(bool) * static_cast<Size>(items)));
  for (int i = 0; i < items; i++) {
    const int len = static_cast<int>(pq_getmsgint(message, 4));
    if (len < -1 || len > message->len - message->cursor)
      ereport(ERROR,
              (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("insufficient data left in message")));
    nulls[i] = len == -1;
    values[i] = nulls[i] ? ReceiveFunctionCall(&member.function, nullptr, member.typioparam, typmod)
                         : receive_part(message, len, &member.function, member.typioparam, typmod, i + 1);
  }
  return construct_md_array(values, nulls, ndim, dims, lbounds, element_type, member.typlen, member.typbyval,
                            member.typalign);
}

bytea* send_array(ArrayType* array) {
  Member member;
  find_member(&member, ARR_ELEMTYPE(array), IOFunc_send);
  Datum* values;
  bool* nulls;
  int items;
  deconstruct_array(array, member.type, member.typlen, member.typbyval, member.typalign, &values, &nulls, &items);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(ARR_NDIM(array)));
  pq_sendint32(&out, ARR_HASNULL(array) ? 1 : 0);
  pq_sendint32(&out, member.type);
  for (int i = 0; i < ARR_NDIM(array); i++) {
    pq_sendint32(&out, static_cast<uint32>(ARR_DIMS(array)[i]));
    pq_sendint32(&out, static_cast<uint32>(ARR_LBOUND(array)[i]));
  }
  for (int i = 0; i < items; i++) {
    if (nulls[i])
      pq_sendint32(&out, static_cast<uint32>(-1));
    else
      send_part(&out, &member.function, values[i]);
  }
  return pq_endtypsend(&out);
}

// The element type's own functions, which a vector's message is made with.
ArrayType* receive_vector(FunctionCallInfo fcinfo, Oid element_type, const char* message) {
  ArrayType* array = receive_array(message_of(fcinfo), element_type, -1);
  // The server does not receive the empty vectors that it sends; here they come in results.
  if (bgw::trusted_text && ARR_NDIM(array) == 0)
    return DatumGetArrayTypeP(DirectFunctionCall1(element_type == INT2OID ? int2vectorin : oidvectorin, CStringGetDatum("")));
  if (ARR_NDIM(array) != 1 || ARR_HASNULL(array) || ARR_LBOUND(array)[0] != 0) invalid(message);
  return array;
}

RangeBound receive_bound(StringInfo message, Member* member, char flags, bool lower, int32 typmod) {
  RangeBound bound = {};
  const bool there = lower ? RANGE_HAS_LBOUND(flags) : RANGE_HAS_UBOUND(flags);
  bound.lower = lower;
  bound.infinite = (flags & (lower ? RANGE_LB_INF : RANGE_UB_INF)) != 0;
  bound.inclusive = (flags & (lower ? RANGE_LB_INC : RANGE_UB_INC)) != 0;
  if (!there) return bound;
  const int len = static_cast<int>(pq_getmsgint(message, 4));
  bound.val = receive_part(message, len, &member->function, member->typioparam, typmod, 0);
  return bound;
}

void send_coordinates(StringInfo out, std::initializer_list<float8> numbers) {
  for (const float8 number : numbers) pq_sendfloat8(out, number);
}

bytea* send_bits(const VarBit* bits) {
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(VARBITLEN(bits)));
  pq_sendbytes(&out, reinterpret_cast<const char*>(const_cast<VarBit*>(bits)->bit_dat), static_cast<int>(VARBITBYTES(bits)));
  return pq_endtypsend(&out);
}

VarBit* receive_bits(StringInfo message, int32 typmod, bool fixed) {
  const int bitlen = static_cast<int>(pq_getmsgint(message, sizeof(int)));
  if (bitlen < 0 || bitlen > VARBITMAXLEN) invalid("invalid length in external bit string");
  if (fixed && typmod > 0 && bitlen != typmod)
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_LENGTH_MISMATCH),
                    errmsg("bit string length %d does not match type bit(%d)", bitlen, typmod)));
  if (!fixed && typmod > 0 && bitlen > typmod)
    ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
                    errmsg("bit string too long for type bit varying(%d)", typmod)));
  if ((bitlen + BITS_PER_BYTE - 1) / BITS_PER_BYTE > message->len - message->cursor)
    ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("insufficient data left in message")));
  const Size size = static_cast<Size>(VARBITTOTALLEN(bitlen));
  VarBit* bits = static_cast<VarBit*>(palloc0(size));
  SET_VARSIZE(bits, size);
  VARBITLEN(bits) = bitlen;
  pq_copymsgbytes(message, reinterpret_cast<char*>(VARBITS(bits)), static_cast<int>(VARBITBYTES(bits)));
  // What lies beyond the last bit is zero.
  const int beyond = static_cast<int>(VARBITPAD(bits));
  if (beyond > 0) VARBITS(bits)[VARBITBYTES(bits) - 1] &= static_cast<bits8>(BITMASK << beyond);
  return bits;
}

Point receive_point(StringInfo message) {
  Point point;
  point.x = pq_getmsgfloat8(message);
  point.y = pq_getmsgfloat8(message);
  return point;
}

// Of points, of which there must be enough in the message.
int32 receive_count(StringInfo message, Size header, const char* complaint) {
  const int32 count = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  if (count <= 0 || static_cast<Size>(count) >= (INT_MAX - header) / sizeof(Point)) invalid(complaint);
  if (static_cast<Size>(message->len - message->cursor) / sizeof(Point) < static_cast<Size>(count))
    ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("insufficient data left in message")));
  return count;
}

}  // namespace

extern "C" {

Datum array_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_ARRAYTYPE_P(receive_array(message_of(fcinfo), PG_GETARG_OID(1), PG_GETARG_INT32(2)));
}
Datum array_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_array(PG_GETARG_ARRAYTYPE_P(0)));
}
Datum anyarray_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_array(PG_GETARG_ARRAYTYPE_P(0)));
}
Datum anycompatiblearray_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_array(PG_GETARG_ARRAYTYPE_P(0)));
}

Datum int2vectorrecv(PG_FUNCTION_ARGS) {
  PG_RETURN_POINTER(receive_vector(fcinfo, INT2OID, "invalid int2vector data"));
}
Datum int2vectorsend(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_array(PG_GETARG_ARRAYTYPE_P(0)));
}
Datum oidvectorrecv(PG_FUNCTION_ARGS) {
  PG_RETURN_POINTER(receive_vector(fcinfo, OIDOID, "invalid oidvector data"));
}
Datum oidvectorsend(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_array(PG_GETARG_ARRAYTYPE_P(0)));
}

// The flags of the range, and each bound that it has.
Datum range_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  TypeCacheEntry* typcache = lookup_type_cache(PG_GETARG_OID(1), TYPECACHE_RANGE_INFO);
  if (typcache->rngelemtype == nullptr) elog(ERROR, "type %u is not a range type", PG_GETARG_OID(1));
  // What else may be in them is not for a sender to say.
  const char flags = static_cast<char>(pq_getmsgbyte(message) &
                                       (RANGE_EMPTY | RANGE_LB_INC | RANGE_LB_INF | RANGE_UB_INC | RANGE_UB_INF));
  Member member;
  find_member(&member, typcache->rngelemtype->type_id, IOFunc_receive);
  RangeBound lower = receive_bound(message, &member, flags, true, PG_GETARG_INT32(2));
  RangeBound upper = receive_bound(message, &member, flags, false, PG_GETARG_INT32(2));
  pq_getmsgend(message);
  PG_RETURN_RANGE_P(make_range(typcache, &lower, &upper, (flags & RANGE_EMPTY) != 0));
}

Datum range_send(PG_FUNCTION_ARGS) {
  RangeType* range = PG_GETARG_RANGE_P(0);
  TypeCacheEntry* typcache = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
  Member member;
  find_member(&member, typcache->rngelemtype->type_id, IOFunc_send);
  const char flags = range_get_flags(range);
  RangeBound lower, upper;
  bool empty;
  range_deserialize(typcache, range, &lower, &upper, &empty);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendbyte(&out, static_cast<uint8>(flags));
  if (RANGE_HAS_LBOUND(flags)) send_part(&out, &member.function, lower.val);
  if (RANGE_HAS_UBOUND(flags)) send_part(&out, &member.function, upper.val);
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// How many ranges, and each as range_send gives it.
Datum multirange_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  TypeCacheEntry* typcache = lookup_type_cache(PG_GETARG_OID(1), TYPECACHE_MULTIRANGE_INFO);
  if (typcache->rngtype == nullptr) elog(ERROR, "type %u is not a multirange type", PG_GETARG_OID(1));
  Member member;
  find_member(&member, typcache->rngtype->type_id, IOFunc_receive);
  const uint32 count = pq_getmsgint(message, 4);
  // A range takes five bytes at least. If the count is too high, the ranges that are there come first: what is wrong with
  // one of them is told before.
  const uint32 room = Min(count, static_cast<uint32>(message->len - message->cursor) / 5);
  RangeType** ranges = static_cast<RangeType**>(palloc(sizeof(RangeType*) * (room + 1)));
  for (uint32 i = 0; i < count; i++) {
    if (i == room)
      ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("insufficient data left in message")));
    const int len = static_cast<int>(pq_getmsgint(message, 4));
    ranges[i] = DatumGetRangeTypeP(
        receive_part(message, len, &member.function, member.typioparam, PG_GETARG_INT32(2), 0));
  }
  pq_getmsgend(message);
  PG_RETURN_MULTIRANGE_P(
      make_multirange(typcache->type_id, typcache->rngtype, static_cast<int32>(count), ranges));
}

Datum multirange_send(PG_FUNCTION_ARGS) {
  MultirangeType* multirange = PG_GETARG_MULTIRANGE_P(0);
  TypeCacheEntry* typcache = lookup_type_cache(MultirangeTypeGetOid(multirange), TYPECACHE_MULTIRANGE_INFO);
  Member member;
  find_member(&member, typcache->rngtype->type_id, IOFunc_send);
  int32 count;
  RangeType** ranges;
  multirange_deserialize(typcache->rngtype, multirange, &count, &ranges);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(count));
  for (int i = 0; i < count; i++) send_part(&out, &member.function, RangeTypePGetDatum(ranges[i]));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// The label.
Datum enum_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  int len;
  const char* label = pq_getmsgtext(message, message->len - message->cursor, &len);
  return DirectFunctionCall2(enum_in, CStringGetDatum(label), ObjectIdGetDatum(PG_GETARG_OID(1)));
}
Datum enum_send(PG_FUNCTION_ARGS) {
  const char* label = DatumGetCString(DirectFunctionCall1(enum_out, PG_GETARG_DATUM(0)));
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendtext(&out, label, static_cast<int>(strlen(label)));
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// ---- bit strings: the number of bits, and the bytes ----

Datum bit_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(receive_bits(message_of(fcinfo), PG_GETARG_INT32(2), true));
}
Datum bit_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_bits(PG_GETARG_VARBIT_P(0)));
}
Datum varbit_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_VARBIT_P(receive_bits(message_of(fcinfo), PG_GETARG_INT32(2), false));
}
Datum varbit_send(PG_FUNCTION_ARGS) {
  PG_RETURN_BYTEA_P(send_bits(PG_GETARG_VARBIT_P(0)));
}

// ---- geometry: the coordinates ----

Datum point_recv(PG_FUNCTION_ARGS) {
  Point* point = static_cast<Point*>(palloc(sizeof(Point)));
  *point = receive_point(message_of(fcinfo));
  PG_RETURN_POINT_P(point);
}
Datum point_send(PG_FUNCTION_ARGS) {
  const Point* point = PG_GETARG_POINT_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  send_coordinates(&out, {point->x, point->y});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum lseg_recv(PG_FUNCTION_ARGS) {
  LSEG* segment = static_cast<LSEG*>(palloc(sizeof(LSEG)));
  segment->p[0] = receive_point(message_of(fcinfo));
  segment->p[1] = receive_point(message_of(fcinfo));
  PG_RETURN_LSEG_P(segment);
}
Datum lseg_send(PG_FUNCTION_ARGS) {
  const LSEG* segment = PG_GETARG_LSEG_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  send_coordinates(&out, {segment->p[0].x, segment->p[0].y, segment->p[1].x, segment->p[1].y});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// The corners, in any order.
Datum box_recv(PG_FUNCTION_ARGS) {
  const Point a = receive_point(message_of(fcinfo)), b = receive_point(message_of(fcinfo));
  BOX* box = static_cast<BOX*>(palloc(sizeof(BOX)));
  const bool x = float8_lt(a.x, b.x), y = float8_lt(a.y, b.y);
  box->high = {x ? b.x : a.x, y ? b.y : a.y};
  box->low = {x ? a.x : b.x, y ? a.y : b.y};
  PG_RETURN_BOX_P(box);
}
Datum box_send(PG_FUNCTION_ARGS) {
  const BOX* box = PG_GETARG_BOX_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  send_coordinates(&out, {box->high.x, box->high.y, box->low.x, box->low.y});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum circle_recv(PG_FUNCTION_ARGS) {
  CIRCLE* circle = static_cast<CIRCLE*>(palloc(sizeof(CIRCLE)));
  circle->center = receive_point(message_of(fcinfo));
  circle->radius = pq_getmsgfloat8(message_of(fcinfo));
  if (circle->radius < 0.0) invalid("invalid radius in external \"circle\" value");
  PG_RETURN_CIRCLE_P(circle);
}
Datum circle_send(PG_FUNCTION_ARGS) {
  const CIRCLE* circle = PG_GETARG_CIRCLE_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  send_coordinates(&out, {circle->center.x, circle->center.y, circle->radius});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum line_recv(PG_FUNCTION_ARGS) {
  LINE* line = static_cast<LINE*>(palloc(sizeof(LINE)));
  line->A = pq_getmsgfloat8(message_of(fcinfo));
  line->B = pq_getmsgfloat8(message_of(fcinfo));
  line->C = pq_getmsgfloat8(message_of(fcinfo));
  if (FPzero(line->A) && FPzero(line->B)) invalid("invalid line specification: A and B cannot both be zero");
  PG_RETURN_LINE_P(line);
}
Datum line_send(PG_FUNCTION_ARGS) {
  const LINE* line = PG_GETARG_LINE_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  send_coordinates(&out, {line->A, line->B, line->C});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum path_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const bool closed = pq_getmsgbyte(message) != 0;
  const int32 count = receive_count(message, offsetof(PATH, p), "invalid number of points in external \"path\" value");
  const Size size = offsetof(PATH, p) + sizeof(Point) * static_cast<Size>(count);
  PATH* path = static_cast<PATH*>(palloc0(size));
  SET_VARSIZE(path, size);
  path->npts = count;
  path->closed = closed;
  for (int32 i = 0; i < count; i++) path->p[i] = receive_point(message);
  PG_RETURN_PATH_P(path);
}
Datum path_send(PG_FUNCTION_ARGS) {
  const PATH* path = PG_GETARG_PATH_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendbyte(&out, path->closed ? 1 : 0);
  pq_sendint32(&out, static_cast<uint32>(path->npts));
  for (int i = 0; i < path->npts; i++) send_coordinates(&out, {path->p[i].x, path->p[i].y});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum poly_recv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const int32 count =
      receive_count(message, offsetof(POLYGON, p), "invalid number of points in external \"polygon\" value");
  const Size size = offsetof(POLYGON, p) + sizeof(Point) * static_cast<Size>(count);
  POLYGON* polygon = static_cast<POLYGON*>(palloc0(size));
  SET_VARSIZE(polygon, size);
  polygon->npts = count;
  BOX* around = &polygon->boundbox;
  for (int32 i = 0; i < count; i++) {
    const Point point = polygon->p[i] = receive_point(message);
    if (i == 0) around->high = around->low = point;
    if (float8_gt(point.x, around->high.x)) around->high.x = point.x;
    if (float8_lt(point.x, around->low.x)) around->low.x = point.x;
    if (float8_gt(point.y, around->high.y)) around->high.y = point.y;
    if (float8_lt(point.y, around->low.y)) around->low.y = point.y;
  }
  PG_RETURN_POLYGON_P(polygon);
}
Datum poly_send(PG_FUNCTION_ARGS) {
  const POLYGON* polygon = PG_GETARG_POLYGON_P(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(polygon->npts));
  for (int i = 0; i < polygon->npts; i++) send_coordinates(&out, {polygon->p[i].x, polygon->p[i].y});
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

}  // extern "C"
