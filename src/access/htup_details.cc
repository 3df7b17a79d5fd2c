// Heap tuples in memory: forming, taking apart, copying.
//
// The layout is what the server's headers say, because modules read tuples with inline functions of those
// headers. Tuples here never come from a table: they have no transaction information, their varlenas are never
// stored out of line, and their row types are never versioned (a descriptor here has no version).
//
// Invariants: alignment padding is zero, since readers tell it from a short varlena header by that; attcacheoff
// is set only for attributes that every tuple without NULLs before them has at the same place.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tupdesc_details.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
}

extern "C" {
int composite_type_mismatch = COMPOSITE_TYPE_MISMATCH_ERROR;
}

namespace {

inline bool packs_short(const FormData_pg_attribute* att, const char* value) {
  return att->attlen == -1 && att->attstorage != TYPSTORAGE_PLAIN && VARATT_CAN_MAKE_SHORT(value);
}

char* align_to(char* at, char attalign) {
  return reinterpret_cast<char*>(att_align_nominal(reinterpret_cast<uintptr_t>(at), attalign));
}

// Writes one value; the memory is zeroed beforehand. Returns where the next one may begin.
char* put_value(const FormData_pg_attribute* att, Datum value, char* at, uint16* infomask) {
  if (att->attbyval) {
    at = align_to(at, att->attalign);
    store_att_byval(at, value, att->attlen);
    return at + att->attlen;
  }
  char* content = DatumGetPointer(value);
  if (att->attlen > 0) {
    at = align_to(at, att->attalign);
    memcpy(at, content, static_cast<size_t>(att->attlen));
    return at + att->attlen;
  }
  *infomask |= HEAP_HASVARWIDTH;
  if (att->attlen == -2) {
    const size_t len = strlen(content) + 1;
    memcpy(at, content, len);
    return at + len;
  }
  if (VARATT_IS_EXTERNAL(content)) {
    if (VARATT_IS_EXTERNAL_EXPANDED(content)) {
      ExpandedObjectHeader* expanded = DatumGetEOHP(value);
      const Size len = EOH_get_flat_size(expanded);
      at = align_to(at, att->attalign);
      EOH_flatten_into(expanded, at, len);
      return at + len;
    }
    *infomask |= HEAP_HASEXTERNAL;
    const size_t len = VARSIZE_EXTERNAL(content);
    memcpy(at, content, len);
    return at + len;
  }
  if (VARATT_IS_SHORT(content)) {
    const size_t len = VARSIZE_SHORT(content);
    memcpy(at, content, len);
    return at + len;
  }
  if (packs_short(att, content)) {
    const size_t len = VARATT_CONVERTED_SHORT_SIZE(content);
    SET_VARSIZE_SHORT(at, len);
    memcpy(at + VARHDRSZ_SHORT, VARDATA(content), len - VARHDRSZ_SHORT);
    return at + len;
  }
  at = align_to(at, att->attalign);
  const size_t len = VARSIZE(content);
  memcpy(at, content, len);
  return at + len;
}

bool any_null(int natts, const bool* isnull) {
  for (int i = 0; i < natts; i++)
    if (isnull[i]) return true;
  return false;
}

void check_column_count(int natts) {
  if (natts > MaxTupleAttributeNumber)
    ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                    errmsg("number of columns (%d) exceeds limit (%d)", natts, MaxTupleAttributeNumber)));
}

HeapTuple copy_into_new(HeapTuple tuple, Size len) {
  HeapTuple copy = static_cast<HeapTuple>(palloc(HEAPTUPLESIZE + len));
  copy->t_len = static_cast<uint32>(len);
  copy->t_self = tuple->t_self;
  copy->t_tableOid = tuple->t_tableOid;
  copy->t_data = reinterpret_cast<HeapTupleHeader>(reinterpret_cast<char*>(copy) + HEAPTUPLESIZE);
  return copy;
}

}  // namespace

extern "C" {

Size heap_compute_data_size(TupleDesc tupleDesc, Datum* values, bool* isnull) {
  return heap_compute_data_size_ext(tupleDesc, values, isnull, false);
}

Size heap_compute_data_size_ext(TupleDesc tupleDesc, const Datum* values, const bool* isnull, bool allow_huge) {
  Size size = 0;
  for (int i = 0; i < tupleDesc->natts; i++) {
    if (isnull[i]) continue;
    const FormData_pg_attribute* att = TupleDescAttr(tupleDesc, i);
    char* value = att->attbyval ? nullptr : DatumGetPointer(values[i]);
    if (!att->attbyval && packs_short(att, value)) {
      size += VARATT_CONVERTED_SHORT_SIZE(value);
    } else if (att->attlen == -1 && VARATT_IS_EXTERNAL_EXPANDED(value)) {
      size = att_align_nominal(size, att->attalign);
      size += EOH_get_flat_size(DatumGetEOHP(values[i]));
    } else {
      bool overflow = false;
      size = att_align_datum(size, att->attalign, att->attlen, values[i]);
      size = att_addlength_datum_overflow(size, att->attlen, values[i], &overflow);
      if (overflow) ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("tuple is too big")));
    }
  }
  if (!allow_huge && !AllocSizeIsValid(size))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("tuple is too big")));
  return size;
}

void heap_fill_tuple(TupleDesc tupleDesc, Datum* values, bool* isnull, char* data, Size data_size,
                     uint16* infomask, bits8* bit) {
  *infomask &= ~(HEAP_HASNULL | HEAP_HASVARWIDTH | HEAP_HASEXTERNAL);
  char* at = data;
  if (bit != nullptr) memset(bit, 0, BITMAPLEN(tupleDesc->natts));
  for (int i = 0; i < tupleDesc->natts; i++) {
    if (isnull != nullptr && isnull[i]) {
      *infomask |= HEAP_HASNULL;
      continue;
    }
    if (bit != nullptr) bit[i >> 3] |= static_cast<bits8>(1 << (i & 7));
    at = put_value(TupleDescAttr(tupleDesc, i), values[i], at, infomask);
  }
  Assert(static_cast<Size>(at - data) == data_size);
}

void heap_tuple_set_datum(HeapTupleHeader tup, TupleDesc tupleDesc, uint32 len) {
  HeapTupleHeaderSetDatumLength(tup, len);
  ItemPointerSetInvalid(&tup->t_ctid);
  HeapTupleHeaderSetDatum(tup);
  heap_datum_update_type(tup, tupleDesc);
}

void heap_datum_update_type(HeapTupleHeader tup, TupleDesc tupleDesc) {
  HeapTupleHeaderSetTypeId(tup, tupleDesc->tdtypeid);
  HeapTupleHeaderSetTypMod(tup, tupleDesc->tdtypmod);
}

// A versioned tuple can only have come from a server, where it was made for a row type that this process knows
// nothing of: reading it with a descriptor of one's own is right only if its attributes fit.
void heap_datum_check(HeapTupleHeader tup, TupleDesc tupleDesc) {
  if (composite_type_mismatch == COMPOSITE_TYPE_MISMATCH_DISABLED || !HeapTupleHeaderReallyIsDatum(tup)) return;
  const int natts = static_cast<int>(HeapTupleHeaderGetNatts(tup));
  const int level = composite_type_mismatch == COMPOSITE_TYPE_MISMATCH_WARN ? WARNING : ERROR;
  if (tupleDesc->natts < natts)
    ereport(level, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("row type of datum tuple was altered after the datum's creation"),
                    errdetail_internal("tuple descriptor has fewer (%d) attributes than tuple (%d)",
                                       tupleDesc->natts, natts)));
}

bool heap_attisnull(HeapTuple tup, int attnum, TupleDesc tupleDesc) {
  if (attnum > static_cast<int>(HeapTupleHeaderGetNatts(tup->t_data)))
    return tupleDesc == nullptr || !TupleDescAttr(tupleDesc, attnum - 1)->atthasmissing;
  if (attnum > 0) return !HeapTupleNoNulls(tup) && att_isnull(attnum - 1, tup->t_data->t_bits);
  if (attnum == 0 || attnum <= FirstLowInvalidHeapAttributeNumber) elog(ERROR, "invalid attnum: %d", attnum);
  return false;
}

Datum nocachegetattr(HeapTuple tup, int attnum, TupleDesc att) {
  HeapTupleHeader header = tup->t_data;
  char* data = reinterpret_cast<char*>(header) + header->t_hoff;
  const bits8* bits = HeapTupleNoNulls(tup) ? nullptr : header->t_bits;
  Size offset = 0;
  bool movable = false;  // a NULL or a variable-width value came before: places differ from tuple to tuple
  for (int i = 0;; i++) {
    Form_pg_attribute column = TupleDescAttr(att, i);
    if (bits != nullptr && att_isnull(i, bits)) {
      movable = true;
      continue;  // never the column asked for: callers look at the bitmap first
    }
    if (!movable && column->attcacheoff >= 0) {
      offset = static_cast<Size>(column->attcacheoff);
    } else {
      const Size aligned = att_align_nominal(offset, column->attalign);
      const bool depends = column->attlen == -1 && aligned != offset;  // a short header would not be aligned
      offset = depends ? att_align_pointer(offset, column->attalign, -1, data + offset) : aligned;
      if (!movable && !depends) column->attcacheoff = static_cast<int32>(offset);
      if (depends) movable = true;
    }
    if (i == attnum - 1) return fetchatt(column, data + offset);
    offset = att_addlength_pointer(offset, column->attlen, data + offset);
    if (column->attlen < 0) movable = true;
  }
}

Datum heap_getsysattr(HeapTuple tup, int attnum, TupleDesc tupleDesc, bool* isnull) {
  *isnull = false;
  switch (attnum) {
    case SelfItemPointerAttributeNumber:
      return PointerGetDatum(&tup->t_self);
    case TableOidAttributeNumber:
      return ObjectIdGetDatum(tup->t_tableOid);
    case MinTransactionIdAttributeNumber:
    case MaxTransactionIdAttributeNumber:
      return TransactionIdGetDatum(InvalidTransactionId);
    case MinCommandIdAttributeNumber:
    case MaxCommandIdAttributeNumber:
      return CommandIdGetDatum(FirstCommandId);
    default:
      elog(ERROR, "invalid attnum: %d", attnum);
  }
  pg_unreachable();
}

Datum getmissingattr(TupleDesc tupleDesc, int attnum, bool* isnull) {
  Form_pg_attribute att = TupleDescAttr(tupleDesc, attnum - 1);
  if (att->atthasmissing && tupleDesc->constr != nullptr && tupleDesc->constr->missing != nullptr) {
    const AttrMissing* missing = tupleDesc->constr->missing + (attnum - 1);
    if (missing->am_present) {
      *isnull = false;
      return missing->am_value;
    }
  }
  *isnull = true;
  return PointerGetDatum(nullptr);
}

HeapTuple heap_form_tuple(TupleDesc tupleDescriptor, Datum* values, bool* isnull) {
  const int natts = tupleDescriptor->natts;
  check_column_count(natts);
  const bool has_null = any_null(natts, isnull);
  const Size hoff = MAXALIGN(SizeofHeapTupleHeader + (has_null ? BITMAPLEN(natts) : 0));
  const Size data_len = heap_compute_data_size(tupleDescriptor, values, isnull);
  const Size len = hoff + data_len;

  HeapTuple tuple = static_cast<HeapTuple>(palloc0(HEAPTUPLESIZE + len));
  HeapTupleHeader header = reinterpret_cast<HeapTupleHeader>(reinterpret_cast<char*>(tuple) + HEAPTUPLESIZE);
  tuple->t_data = header;
  tuple->t_len = static_cast<uint32>(len);
  ItemPointerSetInvalid(&tuple->t_self);
  tuple->t_tableOid = InvalidOid;
  HeapTupleHeaderSetNatts(header, natts);
  header->t_hoff = static_cast<uint8>(hoff);
  heap_fill_tuple(tupleDescriptor, values, isnull, reinterpret_cast<char*>(header) + hoff, data_len,
                  &header->t_infomask, has_null ? header->t_bits : nullptr);
  heap_tuple_set_datum(header, tupleDescriptor, static_cast<uint32>(len));
  return tuple;
}

void heap_deform_tuple(HeapTuple tuple, TupleDesc tupleDesc, Datum* values, bool* isnull) {
  HeapTupleHeader header = tuple->t_data;
  if (HeapTupleHeaderIsVersionedDatum(header)) heap_datum_check(header, tupleDesc);
  const int in_tuple = static_cast<int>(HeapTupleHeaderGetNatts(header));
  const int natts = Min(in_tuple, tupleDesc->natts);
  const bits8* bits = HeapTupleNoNulls(tuple) ? nullptr : header->t_bits;
  char* data = reinterpret_cast<char*>(header) + header->t_hoff;
  Size offset = 0;
  bool movable = false;
  for (int i = 0; i < natts; i++) {
    Form_pg_attribute att = TupleDescAttr(tupleDesc, i);
    if (bits != nullptr && att_isnull(i, bits)) {
      values[i] = 0;
      isnull[i] = true;
      movable = true;
      continue;
    }
    isnull[i] = false;
    if (!movable && att->attcacheoff >= 0) {
      offset = static_cast<Size>(att->attcacheoff);
    } else if (att->attlen == -1) {
      const Size aligned = att_align_nominal(offset, att->attalign);
      if (!movable && aligned == offset) {
        att->attcacheoff = static_cast<int32>(offset);
      } else {
        offset = att_align_pointer(offset, att->attalign, -1, data + offset);
        movable = true;
      }
    } else {
      offset = att_align_nominal(offset, att->attalign);
      if (!movable) att->attcacheoff = static_cast<int32>(offset);
    }
    values[i] = fetchatt(att, data + offset);
    offset = att_addlength_pointer(offset, att->attlen, data + offset);
    if (att->attlen < 0) movable = true;
  }
  for (int i = natts; i < tupleDesc->natts; i++) values[i] = getmissingattr(tupleDesc, i + 1, &isnull[i]);
}

HeapTuple heap_copytuple(HeapTuple tuple) {
  if (!HeapTupleIsValid(tuple) || tuple->t_data == nullptr) return nullptr;
  HeapTuple copy = copy_into_new(tuple, tuple->t_len);
  memcpy(copy->t_data, tuple->t_data, tuple->t_len);
  return copy;
}

void heap_copytuple_with_tuple(HeapTuple src, HeapTuple dest) {
  if (!HeapTupleIsValid(src) || src->t_data == nullptr) {
    dest->t_data = nullptr;
    return;
  }
  dest->t_len = src->t_len;
  dest->t_self = src->t_self;
  dest->t_tableOid = src->t_tableOid;
  dest->t_data = static_cast<HeapTupleHeader>(palloc(src->t_len));
  memcpy(dest->t_data, src->t_data, src->t_len);
}

Datum heap_copy_tuple_as_datum(HeapTuple tuple, TupleDesc tupleDesc) {
  if (HeapTupleHasExternal(tuple))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values stored out of line are not available outside the server")));
  HeapTupleHeader copy = static_cast<HeapTupleHeader>(palloc(tuple->t_len));
  memcpy(copy, tuple->t_data, tuple->t_len);
  heap_tuple_set_datum(copy, tupleDesc, tuple->t_len);
  return PointerGetDatum(copy);
}

void heap_freetuple(HeapTuple htup) {
  pfree(htup);
}

HeapTuple heap_modify_tuple(HeapTuple tuple, TupleDesc tupleDesc, Datum* replValues, bool* replIsnull,
                            bool* doReplace) {
  const Size natts = static_cast<Size>(tupleDesc->natts);
  Datum* values = static_cast<Datum*>(palloc(natts * sizeof(Datum) + 1));
  bool* isnull = static_cast<bool*>(palloc(natts * sizeof(bool) + 1));
  heap_deform_tuple(tuple, tupleDesc, values, isnull);
  for (Size i = 0; i < natts; i++) {
    if (!doReplace[i]) continue;
    values[i] = replValues[i];
    isnull[i] = replIsnull[i];
  }
  HeapTuple modified = heap_form_tuple(tupleDesc, values, isnull);
  pfree(values);
  pfree(isnull);
  modified->t_self = tuple->t_self;
  modified->t_tableOid = tuple->t_tableOid;
  if (!HeapTupleHeaderIsVersionedDatum(tuple->t_data)) modified->t_data->t_ctid = tuple->t_data->t_ctid;
  return modified;
}

HeapTuple heap_modify_tuple_by_cols(HeapTuple tuple, TupleDesc tupleDesc, int nCols, int* replCols,
                                    Datum* replValues, bool* replIsnull) {
  const Size natts = static_cast<Size>(tupleDesc->natts);
  Datum* values = static_cast<Datum*>(palloc0(natts * sizeof(Datum) + 1));
  bool* isnull = static_cast<bool*>(palloc0(natts * sizeof(bool) + 1));
  bool* replace = static_cast<bool*>(palloc0(natts * sizeof(bool) + 1));
  for (int i = 0; i < nCols; i++) {
    const int column = replCols[i];
    if (column <= 0 || column > tupleDesc->natts) elog(ERROR, "invalid column number %d", column);
    values[column - 1] = replValues[i];
    isnull[column - 1] = replIsnull[i];
    replace[column - 1] = true;
  }
  HeapTuple modified = heap_modify_tuple(tuple, tupleDesc, values, isnull, replace);
  pfree(values);
  pfree(isnull);
  pfree(replace);
  return modified;
}

MinimalTuple heap_form_minimal_tuple(TupleDesc tupleDescriptor, Datum* values, bool* isnull) {
  const int natts = tupleDescriptor->natts;
  check_column_count(natts);
  const bool has_null = any_null(natts, isnull);
  const Size hoff = MAXALIGN(SizeofMinimalTupleHeader + (has_null ? BITMAPLEN(natts) : 0));
  const Size data_len = heap_compute_data_size(tupleDescriptor, values, isnull);
  MinimalTuple tuple = static_cast<MinimalTuple>(palloc0(hoff + data_len));
  tuple->t_len = static_cast<uint32>(hoff + data_len);
  HeapTupleHeaderSetNatts(tuple, natts);
  tuple->t_hoff = static_cast<uint8>(hoff + MINIMAL_TUPLE_OFFSET);
  heap_fill_tuple(tupleDescriptor, values, isnull, reinterpret_cast<char*>(tuple) + hoff, data_len,
                  &tuple->t_infomask, has_null ? tuple->t_bits : nullptr);
  return tuple;
}

void heap_free_minimal_tuple(MinimalTuple mtup) {
  pfree(mtup);
}

MinimalTuple heap_copy_minimal_tuple(MinimalTuple mtup) {
  MinimalTuple copy = static_cast<MinimalTuple>(palloc(mtup->t_len));
  memcpy(copy, mtup, mtup->t_len);
  return copy;
}

HeapTuple heap_tuple_from_minimal_tuple(MinimalTuple mtup) {
  const Size len = mtup->t_len + MINIMAL_TUPLE_OFFSET;
  HeapTuple tuple = static_cast<HeapTuple>(palloc(HEAPTUPLESIZE + len));
  tuple->t_len = static_cast<uint32>(len);
  ItemPointerSetInvalid(&tuple->t_self);
  tuple->t_tableOid = InvalidOid;
  tuple->t_data = reinterpret_cast<HeapTupleHeader>(reinterpret_cast<char*>(tuple) + HEAPTUPLESIZE);
  memcpy(reinterpret_cast<char*>(tuple->t_data) + MINIMAL_TUPLE_OFFSET, mtup, mtup->t_len);
  memset(static_cast<void*>(tuple->t_data), 0, offsetof(HeapTupleHeaderData, t_infomask2));
  return tuple;
}

MinimalTuple minimal_tuple_from_heap_tuple(HeapTuple htup) {
  const uint32 len = static_cast<uint32>(htup->t_len - MINIMAL_TUPLE_OFFSET);
  MinimalTuple tuple = static_cast<MinimalTuple>(palloc(len));
  memcpy(static_cast<void*>(tuple), reinterpret_cast<char*>(htup->t_data) + MINIMAL_TUPLE_OFFSET, len);
  tuple->t_len = len;
  memset(tuple->mt_padding, 0, sizeof(tuple->mt_padding));
  // The fields that the mark speaks of are not part of a minimal tuple.
  if (HeapTupleHeaderIsDatum(htup->t_data)) tuple->t_infomask &= static_cast<uint16>(~HEAP_IS_DATUM);
  return tuple;
}

size_t varsize_any(void* p) {
  return VARSIZE_ANY(p);
}

HeapTuple heap_expand_tuple(HeapTuple sourceTuple, TupleDesc tupleDesc) {
  const Size natts = static_cast<Size>(tupleDesc->natts);
  bool* replace = static_cast<bool*>(palloc0(natts * sizeof(bool) + 1));
  HeapTuple tuple = heap_modify_tuple(sourceTuple, tupleDesc, nullptr, nullptr, replace);
  pfree(replace);
  return tuple;
}

MinimalTuple minimal_expand_tuple(HeapTuple sourceTuple, TupleDesc tupleDesc) {
  HeapTuple expanded = heap_expand_tuple(sourceTuple, tupleDesc);
  MinimalTuple tuple = minimal_tuple_from_heap_tuple(expanded);
  heap_freetuple(expanded);
  return tuple;
}

// A composite value that was made before such values carried a mark gets it on a copy: nothing may write to a
// Datum that was passed in.
HeapTupleHeader DatumGetHeapTupleHeaderExt(Datum t, bool* was_datum) {
  HeapTupleHeader header = reinterpret_cast<HeapTupleHeader>(PG_DETOAST_DATUM(t));
  *was_datum = HeapTupleHeaderIsDatum(header);
  if (*was_datum) return header;
  if (reinterpret_cast<char*>(header) == DatumGetPointer(t))
    header = reinterpret_cast<HeapTupleHeader>(PG_DETOAST_DATUM_COPY(t));
  HeapTupleHeaderSetDatum(header);
  return header;
}

HeapTupleHeader DatumGetHeapTupleHeader(Datum t) {
  bool was_datum;
  return DatumGetHeapTupleHeaderExt(t, &was_datum);
}

HeapTupleHeader DatumGetHeapTupleHeaderCopy(Datum t) {
  HeapTupleHeader header = reinterpret_cast<HeapTupleHeader>(PG_DETOAST_DATUM_COPY(t));
  HeapTupleHeaderSetDatum(header);
  return header;
}

}  // extern "C"
