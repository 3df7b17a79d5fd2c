// Slices of arrays (utils/array.h): reading one, and assigning to one, by which a one-dimensional array may grow at either end. C
// style: errors may leave from anywhere.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "utils/array.h"
}

#include "utils/array_internal.hpp"

namespace {

[[noreturn]] void refuse(const char* message) {
  ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("%s", message)));
  pg_unreachable();
}

// An array taken apart.
struct Parts {
  Oid type;
  int ndim;
  int dims[MAXDIM];
  int lbs[MAXDIM];
  Datum* elements;
  bool* nulls;
  int items;
  bool has_bitmap;
};

Parts take_apart(ArrayType* array, int elmlen, bool elmbyval, char elmalign) {
  Parts parts = {};
  parts.type = ARR_ELEMTYPE(array);
  parts.ndim = ARR_NDIM(array);
  parts.has_bitmap = ARR_HASNULL(array);
  memcpy(parts.dims, ARR_DIMS(array), static_cast<Size>(parts.ndim) * sizeof(int));
  memcpy(parts.lbs, ARR_LBOUND(array), static_cast<Size>(parts.ndim) * sizeof(int));
  deconstruct_array(array, parts.type, elmlen, elmbyval, elmalign, &parts.elements, &parts.nulls, &parts.items);
  return parts;
}

// Calls visit(offset, n) with the offset of the n-th element of the slice that begins at `lower` and is `span` wide.
template <class Visit>
void for_each_in_slice(int ndim, const int* dims, const int* lbs, const int* lower, const int* span, Visit visit) {
  const int items = ArrayGetNItems(ndim, span);
  int place[MAXDIM] = {}, index[MAXDIM];
  for (int n = 0; n < items; n++) {
    for (int i = 0; i < ndim; i++) index[i] = lower[i] + place[i];
    visit(ArrayGetOffset(ndim, dims, lbs, index), n);
    mda_next_tuple(ndim, place, span);
  }
}

// What is assigned to a slice of an empty array is the array.
Datum fill_empty(const Parts& source, int count, const int* upper, const int* lower, const bool* upper_provided,
                 const bool* lower_provided, Oid type, int elmlen, bool elmbyval, char elmalign) {
  int dims[MAXDIM];
  for (int i = 0; i < count; i++) {
    if (!upper_provided[i] || !lower_provided[i])
      ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("array slice subscript must provide both boundaries"),
                      errdetail("When assigning to a slice of an empty array value, slice boundaries must be fully specified.")));
    if (__builtin_sub_overflow(upper[i], lower[i], &dims[i]) || __builtin_add_overflow(dims[i], 1, &dims[i]))
      bgw::array_too_big(bgw::most_array_elements);
  }
  if (source.items < ArrayGetNItems(count, dims)) refuse("source array too small");
  return PointerGetDatum(construct_md_array(source.elements, source.nulls, count, dims, const_cast<int*>(lower), type, elmlen, elmbyval,
                                            elmalign));
}

}  // namespace

extern "C" {

Datum array_get_slice(Datum arraydatum, int nSubscripts, int* upperIndx, int* lowerIndx, bool* upperProvided,
                      bool* lowerProvided, int arraytyplen, int elmlen, bool elmbyval, char elmalign) {
  if (arraytyplen > 0)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("slices of fixed-length arrays not implemented")));
  ArrayType* array = DatumGetArrayTypeP(arraydatum);
  const int ndim = ARR_NDIM(array);
  const Oid type = ARR_ELEMTYPE(array);
  if (ndim < nSubscripts || ndim <= 0 || ndim > MAXDIM) return PointerGetDatum(construct_empty_array(type));
  const Parts from = take_apart(array, elmlen, elmbyval, elmalign);
  for (int i = 0; i < ndim; i++) {
    const int first = from.lbs[i], last = from.dims[i] + from.lbs[i] - 1;
    if (i >= nSubscripts || !lowerProvided[i] || lowerIndx[i] < first) lowerIndx[i] = first;
    if (i >= nSubscripts || !upperProvided[i] || upperIndx[i] > last) upperIndx[i] = last;
    if (lowerIndx[i] > upperIndx[i]) return PointerGetDatum(construct_empty_array(type));
  }
  int span[MAXDIM], ones[MAXDIM];
  mda_get_range(ndim, span, lowerIndx, upperIndx);
  for (int& one : ones) one = 1;
  const Size items = static_cast<Size>(ArrayGetNItems(ndim, span));
  Datum* elements = static_cast<Datum*>(palloc(items * sizeof(Datum)));
  bool* nulls = static_cast<bool*>(palloc(items * sizeof(bool)));
  for_each_in_slice(ndim, from.dims, from.lbs, lowerIndx, span, [&](int offset, int n) {
    elements[n] = from.elements[offset];
    nulls[n] = from.nulls[offset];
  });
  ArrayType* slice = bgw::build_array(elements, nulls, from.has_bitmap, ndim, span, ones, type, elmlen, elmbyval, elmalign);
  pfree(elements);
  pfree(nulls);
  pfree(from.elements);
  pfree(from.nulls);
  return PointerGetDatum(slice);
}

Datum array_set_slice(Datum arraydatum, int nSubscripts, int* upperIndx, int* lowerIndx, bool* upperProvided,
                      bool* lowerProvided, Datum srcArrayDatum, bool isNull, int arraytyplen, int elmlen, bool elmbyval,
                      char elmalign) {
  if (isNull) return arraydatum;
  if (arraytyplen > 0)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("updates on slices of fixed-length arrays not implemented")));
  ArrayType* array = DatumGetArrayTypeP(arraydatum);
  const Parts source = take_apart(DatumGetArrayTypeP(srcArrayDatum), elmlen, elmbyval, elmalign);
  const int ndim = ARR_NDIM(array);
  if (ndim == 0)
    return fill_empty(source, nSubscripts, upperIndx, lowerIndx, upperProvided, lowerProvided, ARR_ELEMTYPE(array), elmlen,
                      elmbyval, elmalign);
  if (ndim < nSubscripts || ndim > MAXDIM) refuse("wrong number of array subscripts");

  const Parts old = take_apart(array, elmlen, elmbyval, elmalign);
  int dims[MAXDIM], lbs[MAXDIM], span[MAXDIM];
  memcpy(dims, old.dims, sizeof(dims));
  memcpy(lbs, old.lbs, sizeof(lbs));
  bool with_bitmap = old.has_bitmap || source.has_bitmap;
  for (int i = 0; i < ndim; i++) {
    const int first = old.lbs[i], last = old.dims[i] + old.lbs[i] - 1;
    if (i >= nSubscripts || !lowerProvided[i]) lowerIndx[i] = first;
    if (i >= nSubscripts || !upperProvided[i]) upperIndx[i] = last;
    if (lowerIndx[i] > upperIndx[i]) refuse("upper bound cannot be less than lower bound");
    if (ndim > 1 && (lowerIndx[i] < first || upperIndx[i] > last)) refuse("array subscript out of range");
  }
  if (ndim == 1) {
    const int64 first = Min(old.lbs[0], lowerIndx[0]);
    const int64 old_end = static_cast<int64>(old.lbs[0]) + old.dims[0];
    const int64 end = Max(old_end, static_cast<int64>(upperIndx[0]) + 1);
    if (end - first > bgw::most_array_elements)
      bgw::array_too_big(bgw::most_array_elements);
    // As in the server, more than one new element at an end brings a bitmap, as if there were a gap.
    with_bitmap = with_bitmap || old.lbs[0] - first > 1 || end - old_end > 1;
    lbs[0] = static_cast<int>(first);
    dims[0] = static_cast<int>(end - first);
  }
  const Size items = static_cast<Size>(ArrayGetNItems(ndim, dims));
  ArrayCheckBounds(ndim, dims, lbs);
  for (int i = 0; i < ndim; i++)
    if (__builtin_sub_overflow(upperIndx[i], lowerIndx[i], &span[i]) || __builtin_add_overflow(span[i], 1, &span[i]))
      bgw::array_too_big(bgw::most_array_elements);
  if (ArrayGetNItems(ndim, span) > source.items) refuse("source array too small");

  Datum* elements = static_cast<Datum*>(palloc0(items * sizeof(Datum)));
  bool* nulls = static_cast<bool*>(palloc(items * sizeof(bool)));
  memset(nulls, true, items);
  const Size shift = ndim == 1 ? static_cast<Size>(static_cast<int64>(old.lbs[0]) - lbs[0]) : 0;
  memcpy(elements + shift, old.elements, static_cast<Size>(old.items) * sizeof(Datum));
  memcpy(nulls + shift, old.nulls, static_cast<Size>(old.items) * sizeof(bool));
  for_each_in_slice(ndim, dims, lbs, lowerIndx, span, [&](int offset, int n) {
    elements[offset] = source.elements[n];
    nulls[offset] = source.nulls[n];
  });
  ArrayType* changed = bgw::build_array(elements, nulls, with_bitmap, ndim, dims, lbs, old.type, elmlen, elmbyval, elmalign);
  pfree(elements);
  pfree(nulls);
  pfree(old.elements);
  pfree(old.nulls);
  pfree(source.elements);
  pfree(source.nulls);
  return PointerGetDatum(changed);
}

}  // extern "C"
