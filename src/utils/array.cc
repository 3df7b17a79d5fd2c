// Arrays as values (utils/array.h): making, taking apart, element access, iteration, accumulation.
//
// The layout is the server's flat one: header, dimensions, lower bounds, optional bitmap of NULLs, then the
// elements one behind the other, varlenas with their full header, each aligned for its type. Expanded arrays
// are flattened on sight. C style: errors may leave from anywhere.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/tupmacs.h"
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

#include "utils/array_internal.hpp"

using bgw::array_too_big;
using bgw::most_array_elements;

extern "C" {
bool Array_nulls = true;
}

// A walk over an array's elements, or over its sub-arrays of `slice_ndim` dimensions.
struct ArrayIteratorData {
  ArrayType* array;
  bits8* bitmap;
  int items;
  int16 typlen;
  bool typbyval;
  char typalign;
  int slice_ndim;
  int slice_items;  // elements per slice
  int* slice_dims;
  int* slice_lbounds;
  Datum* slice_values;
  bool* slice_nulls;
  char* at;
  int next;
};

namespace {

inline bool is_null_at(const bits8* bitmap, int i) {
  return bitmap != nullptr && att_isnull(i, bitmap);
}

inline Datum fetch_element(char* at, bool byval, int len) {
  return fetch_att(at, byval, len);
}

inline char* align_pointer(char* at, char alignment) {
  return reinterpret_cast<char*>(att_align_nominal(reinterpret_cast<uintptr_t>(at), alignment));
}

// Behind the element at `at`, aligned for the next one.
inline char* next_element(char* at, int len, char alignment) {
  at = att_addlength_pointer(at, len, at);
  return align_pointer(at, alignment);
}

char* skip_elements(char* at, int count, const bits8* bitmap, int first, int len, char alignment) {
  for (int i = first; i < first + count; i++)
    if (!is_null_at(bitmap, i)) at = next_element(at, len, alignment);
  return at;
}

void check_dimensions(int ndims) {
  if (ndims < 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid number of dimensions: %d", ndims)));
  if (ndims > MAXDIM)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("number of array dimensions (%d) exceeds the maximum allowed (%d)", ndims, MAXDIM)));
}

// The offset of the element with these subscripts, or -1 if there is none.
int offset_of(ArrayType* array, int nSubscripts, const int* indx) {
  const int ndim = ARR_NDIM(array);
  if (ndim != nSubscripts || ndim <= 0 || ndim > MAXDIM) return -1;
  const int *dims = ARR_DIMS(array), *lbounds = ARR_LBOUND(array);
  for (int i = 0; i < ndim; i++)
    if (indx[i] < lbounds[i] || indx[i] >= dims[i] + lbounds[i]) return -1;
  return ArrayGetOffset(nSubscripts, dims, lbounds, indx);
}

}  // namespace

namespace bgw {

void array_too_big(int most) {
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                  errmsg("array size exceeds the maximum allowed (%d)", most)));
  pg_unreachable();
}

ArrayType* build_array(Datum* elems, const bool* nulls, bool with_bitmap, int ndims, const int* dims, const int* lbs, Oid elmtype,
                       int elmlen, bool elmbyval, char elmalign) {
  check_dimensions(ndims);
  const int items = ArrayGetNItems(ndims, dims);
  ArrayCheckBounds(ndims, dims, lbs);
  if (items <= 0) return construct_empty_array(elmtype);

  Size size = 0;
  for (int i = 0; i < items; i++) {
    if (nulls != nullptr && nulls[i]) {
      with_bitmap = true;
      continue;
    }
    if (elmlen == -1) elems[i] = PointerGetDatum(PG_DETOAST_DATUM(elems[i]));
    size = att_addlength_datum(size, elmlen, elems[i]);
    size = att_align_nominal(size, elmalign);
    if (!AllocSizeIsValid(size)) array_too_big(MaxAllocSize);
  }
  const Size overhead = with_bitmap ? ARR_OVERHEAD_WITHNULLS(ndims, items) : ARR_OVERHEAD_NONULLS(ndims);
  size += overhead;
  if (!AllocSizeIsValid(size)) array_too_big(MaxAllocSize);

  ArrayType* array = static_cast<ArrayType*>(palloc0(size));
  SET_VARSIZE(array, size);
  array->ndim = ndims;
  array->dataoffset = with_bitmap ? static_cast<int32>(overhead) : 0;
  array->elemtype = elmtype;
  memcpy(ARR_DIMS(array), dims, static_cast<Size>(ndims) * sizeof(int));
  memcpy(ARR_LBOUND(array), lbs, static_cast<Size>(ndims) * sizeof(int));
  CopyArrayEls(array, elems, const_cast<bool*>(nulls), items, elmlen, elmbyval, elmalign, false);
  return array;
}

}  // namespace bgw

extern "C" {

int ArrayGetOffset(int n, const int* dim, const int* lb, const int* indx) {
  int offset = 0, scale = 1;
  for (int i = n - 1; i >= 0; i--) {
    offset += (indx[i] - lb[i]) * scale;
    scale *= dim[i];
  }
  return offset;
}

int ArrayGetOffset0(int n, const int* tup, const int* scale) {
  int offset = 0;
  for (int i = 0; i < n; i++) offset += tup[i] * scale[i];
  return offset;
}

int ArrayGetNItems(int ndim, const int* dims) {
  if (ndim <= 0) return 0;
  int64 items = 1;
  for (int i = 0; i < ndim; i++) {
    if (dims[i] < 0) array_too_big(most_array_elements);
    items *= dims[i];
    if (items > most_array_elements) array_too_big(most_array_elements);
  }
  return static_cast<int>(items);
}

void ArrayCheckBounds(int ndim, const int* dims, const int* lb) {
  for (int i = 0; i < ndim; i++) {
    int sum;
    if (__builtin_add_overflow(dims[i], lb[i], &sum))
      ereport(ERROR,
              (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("array lower bound is too large: %d", lb[i])));
  }
}

void mda_get_range(int n, int* span, const int* st, const int* endp) {
  for (int i = 0; i < n; i++) span[i] = endp[i] - st[i] + 1;
}

void mda_get_prod(int n, const int* range, int* prod) {
  prod[n - 1] = 1;
  for (int i = n - 2; i >= 0; i--) prod[i] = prod[i + 1] * range[i + 1];
}

void mda_get_offset_values(int n, int* dist, const int* prod, const int* span) {
  dist[n - 1] = 0;
  for (int j = n - 2; j >= 0; j--) {
    dist[j] = prod[j] - 1;
    for (int i = j + 1; i < n; i++) dist[j] -= (span[i] - 1) * prod[i];
  }
}

int mda_next_tuple(int n, int* curr, const int* span) {
  if (n <= 0) return -1;
  for (int i = n - 1; i >= 0; i--) {
    if (++curr[i] < span[i]) return i;
    curr[i] = 0;
  }
  return -1;
}

int32* ArrayGetIntegerTypmods(ArrayType* arr, int* n) {
  if (ARR_ELEMTYPE(arr) != CSTRINGOID)
    ereport(ERROR, (errcode(ERRCODE_ARRAY_ELEMENT_ERROR), errmsg("typmod array must be type cstring[]")));
  if (ARR_NDIM(arr) != 1)
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("typmod array must be one-dimensional")));
  if (array_contains_nulls(arr))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("typmod array must not contain nulls")));
  Datum* elements;
  deconstruct_array(arr, CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements, nullptr, n);
  int32* typmods = static_cast<int32*>(palloc(static_cast<Size>(*n) * sizeof(int32) + 1));
  for (int i = 0; i < *n; i++) typmods[i] = pg_strtoint32(DatumGetCString(elements[i]));
  pfree(elements);
  return typmods;
}

void CopyArrayEls(ArrayType* array, Datum* values, bool* nulls, int nitems, int typlen, bool typbyval,
                  char typalign, bool freedata) {
  char* at = ARR_DATA_PTR(array);
  bits8* bitmap = ARR_NULLBITMAP(array);
  if (typbyval) freedata = false;
  for (int i = 0; i < nitems; i++) {
    if (nulls != nullptr && nulls[i]) {
      if (bitmap == nullptr) elog(ERROR, "null array element where not supported");
      continue;  // its bit is clear, as all are at first
    }
    if (bitmap != nullptr) bitmap[i >> 3] |= static_cast<bits8>(1 << (i & 7));
    if (typbyval) {
      store_att_byval(at, values[i], typlen);
      at = align_pointer(at + typlen, typalign);
    } else {
      char* from = DatumGetPointer(values[i]);
      const Size size = static_cast<Size>(att_addlength_pointer(static_cast<Size>(0), typlen, from));
      memcpy(at, from, size);
      at = align_pointer(at + size, typalign);
      if (freedata) pfree(from);
    }
  }
}

void array_bitmap_copy(bits8* destbitmap, int destoffset, const bits8* srcbitmap, int srcoffset, int nitems) {
  for (int i = 0; i < nitems; i++) {
    const int to = destoffset + i;
    const bool present = srcbitmap == nullptr || !att_isnull(srcoffset + i, srcbitmap);
    if (present)
      destbitmap[to >> 3] |= static_cast<bits8>(1 << (to & 7));
    else
      destbitmap[to >> 3] &= static_cast<bits8>(~(1 << (to & 7)));
  }
}

ArrayType* construct_empty_array(Oid elmtype) {
  ArrayType* array = static_cast<ArrayType*>(palloc0(sizeof(ArrayType)));
  SET_VARSIZE(array, sizeof(ArrayType));
  array->elemtype = elmtype;
  return array;
}

ArrayType* construct_array(Datum* elems, int nelems, Oid elmtype, int elmlen, bool elmbyval, char elmalign) {
  int dims[1] = {nelems}, lbs[1] = {1};
  return construct_md_array(elems, nullptr, 1, dims, lbs, elmtype, elmlen, elmbyval, elmalign);
}

ArrayType* construct_md_array(Datum* elems, bool* nulls, int ndims, int* dims, int* lbs, Oid elmtype,
                              int elmlen, bool elmbyval, char elmalign) {
  return bgw::build_array(elems, nulls, false, ndims, dims, lbs, elmtype, elmlen, elmbyval, elmalign);
}

void deconstruct_array(ArrayType* array, Oid elmtype, int elmlen, bool elmbyval, char elmalign, Datum** elemsp,
                       bool** nullsp, int* nelemsp) {
  Assert(ARR_ELEMTYPE(array) == elmtype);
  const int items = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  const bits8* bitmap = ARR_NULLBITMAP(array);
  Datum* elements = static_cast<Datum*>(palloc(static_cast<Size>(items) * sizeof(Datum) + 1));
  bool* nulls = nullptr;
  if (nullsp != nullptr) nulls = static_cast<bool*>(palloc0(static_cast<Size>(items) * sizeof(bool) + 1));
  char* at = ARR_DATA_PTR(array);
  for (int i = 0; i < items; i++) {
    if (is_null_at(bitmap, i)) {
      if (nulls == nullptr)
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("null array element not allowed in this context")));
      elements[i] = 0;
      nulls[i] = true;
      continue;
    }
    elements[i] = fetch_element(at, elmbyval, elmlen);
    at = next_element(at, elmlen, elmalign);
  }
  *elemsp = elements;
  if (nullsp != nullptr) *nullsp = nulls;
  *nelemsp = items;
}

bool array_contains_nulls(ArrayType* array) {
  const bits8* bitmap = ARR_NULLBITMAP(array);
  if (bitmap == nullptr) return false;
  const int items = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  for (int i = 0; i < items; i++)
    if (att_isnull(i, bitmap)) return true;
  return false;
}

// Fixed-length "arrays" (name, point) are C arrays without a header: arraytyplen > 0.
Datum array_get_element(Datum arraydatum, int nSubscripts, int* indx, int arraytyplen, int elmlen,
                        bool elmbyval, char elmalign, bool* isNull) {
  *isNull = true;
  if (arraytyplen > 0) {
    if (nSubscripts != 1 || indx[0] < 0 || indx[0] * elmlen >= arraytyplen) return 0;
    *isNull = false;
    return fetch_element(DatumGetPointer(arraydatum) + indx[0] * elmlen, elmbyval, elmlen);
  }
  ArrayType* array = DatumGetArrayTypeP(arraydatum);
  const int offset = offset_of(array, nSubscripts, indx);
  const bits8* bitmap = ARR_NULLBITMAP(array);
  if (offset < 0 || is_null_at(bitmap, offset)) return 0;
  *isNull = false;
  char* at = skip_elements(ARR_DATA_PTR(array), offset, bitmap, 0, elmlen, elmalign);
  return fetch_element(at, elmbyval, elmlen);
}

Datum array_ref(ArrayType* array, int nSubscripts, int* indx, int arraytyplen, int elmlen, bool elmbyval,
                char elmalign, bool* isNull) {
  return array_get_element(PointerGetDatum(array), nSubscripts, indx, arraytyplen, elmlen, elmbyval, elmalign,
                           isNull);
}

// Inside the array any number of dimensions; one-dimensional arrays also grow at either end.
Datum array_set_element(Datum arraydatum, int nSubscripts, int* indx, Datum dataValue, bool isNull,
                        int arraytyplen, int elmlen, bool elmbyval, char elmalign) {
  if (arraytyplen > 0)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("updates on slices of fixed-length arrays not implemented")));
  if (nSubscripts <= 0 || nSubscripts > MAXDIM)
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("wrong number of array subscripts")));
  ArrayType* array = DatumGetArrayTypeP(arraydatum);
  const Oid type = ARR_ELEMTYPE(array);
  if (elmlen == -1 && !isNull) dataValue = PointerGetDatum(PG_DETOAST_DATUM(dataValue));
  if (ARR_NDIM(array) == 0) {
    int dims[MAXDIM], lbs[MAXDIM];
    for (int i = 0; i < nSubscripts; i++) {
      dims[i] = 1;
      lbs[i] = indx[i];
    }
    return PointerGetDatum(
        construct_md_array(&dataValue, &isNull, nSubscripts, dims, lbs, type, elmlen, elmbyval, elmalign));
  }
  const int ndim = ARR_NDIM(array);
  if (ndim != nSubscripts)
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("wrong number of array subscripts")));
  int dims[MAXDIM], lbs[MAXDIM];
  memcpy(dims, ARR_DIMS(array), static_cast<Size>(ndim) * sizeof(int));
  memcpy(lbs, ARR_LBOUND(array), static_cast<Size>(ndim) * sizeof(int));
  Datum* elements;
  bool* nulls;
  int items;
  deconstruct_array(array, type, elmlen, elmbyval, elmalign, &elements, &nulls, &items);
  int offset = offset_of(array, nSubscripts, indx);
  if (offset < 0) {
    if (ndim != 1)
      ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("array subscript out of range")));
    const int64 first = Min(lbs[0], indx[0]);
    const int64 last = Max(static_cast<int64>(lbs[0]) + dims[0] - 1, static_cast<int64>(indx[0]));
    const int64 count = last - first + 1;
    if (count > most_array_elements) array_too_big(most_array_elements);
    Datum* grown = static_cast<Datum*>(palloc0(static_cast<Size>(count) * sizeof(Datum)));
    bool* grown_nulls = static_cast<bool*>(palloc(static_cast<Size>(count)));
    memset(grown_nulls, true, static_cast<Size>(count));
    const int64 shift = lbs[0] - first;
    memcpy(grown + shift, elements, static_cast<Size>(items) * sizeof(Datum));
    memcpy(grown_nulls + shift, nulls, static_cast<Size>(items));
    offset = static_cast<int>(indx[0] - first);
    elements = grown;
    nulls = grown_nulls;
    lbs[0] = static_cast<int>(first);
    dims[0] = static_cast<int>(count);
  }
  elements[offset] = dataValue;
  nulls[offset] = isNull;
  return PointerGetDatum(bgw::build_array(elements, nulls, ARR_HASNULL(array), ndim, dims, lbs, type, elmlen, elmbyval, elmalign));
}

ArrayType* array_set(ArrayType* array, int nSubscripts, int* indx, Datum dataValue, bool isNull,
                     int arraytyplen, int elmlen, bool elmbyval, char elmalign) {
  return DatumGetArrayTypeP(array_set_element(PointerGetDatum(array), nSubscripts, indx, dataValue, isNull,
                                              arraytyplen, elmlen, elmbyval, elmalign));
}

ArrayIterator array_create_iterator(ArrayType* arr, int slice_ndim, ArrayMetaState* mstate) {
  Assert(arr != nullptr);
  if (slice_ndim < 0 || slice_ndim > ARR_NDIM(arr)) elog(ERROR, "invalid arguments to array_create_iterator");
  ArrayIterator it = static_cast<ArrayIterator>(palloc0(sizeof(ArrayIteratorData)));
  it->array = arr;
  it->bitmap = ARR_NULLBITMAP(arr);
  it->items = ArrayGetNItems(ARR_NDIM(arr), ARR_DIMS(arr));
  if (mstate != nullptr) {
    it->typlen = mstate->typlen;
    it->typbyval = mstate->typbyval;
    it->typalign = mstate->typalign;
  } else {
    get_typlenbyvalalign(ARR_ELEMTYPE(arr), &it->typlen, &it->typbyval, &it->typalign);
  }
  it->slice_ndim = slice_ndim;
  if (slice_ndim > 0) {
    it->slice_dims = ARR_DIMS(arr) + ARR_NDIM(arr) - slice_ndim;
    it->slice_lbounds = ARR_LBOUND(arr) + ARR_NDIM(arr) - slice_ndim;
    it->slice_items = ArrayGetNItems(slice_ndim, it->slice_dims);
    it->slice_values = static_cast<Datum*>(palloc(static_cast<Size>(it->slice_items) * sizeof(Datum) + 1));
    it->slice_nulls = static_cast<bool*>(palloc(static_cast<Size>(it->slice_items) * sizeof(bool) + 1));
  }
  it->at = ARR_DATA_PTR(arr);
  return it;
}

static Datum take_element(ArrayIterator it, bool* isnull) {
  *isnull = is_null_at(it->bitmap, it->next++);
  if (*isnull) return 0;
  const Datum value = fetch_element(it->at, it->typbyval, it->typlen);
  it->at = next_element(it->at, it->typlen, it->typalign);
  return value;
}

bool array_iterate(ArrayIterator iterator, Datum* value, bool* isnull) {
  if (iterator->next >= iterator->items) return false;
  if (iterator->slice_ndim == 0) {
    *value = take_element(iterator, isnull);
    return true;
  }
  for (int i = 0; i < iterator->slice_items; i++)
    iterator->slice_values[i] = take_element(iterator, &iterator->slice_nulls[i]);
  *isnull = false;
  *value = PointerGetDatum(construct_md_array(iterator->slice_values, iterator->slice_nulls,
                                              iterator->slice_ndim, iterator->slice_dims,
                                              iterator->slice_lbounds, ARR_ELEMTYPE(iterator->array),
                                              iterator->typlen, iterator->typbyval, iterator->typalign));
  return true;
}

void array_free_iterator(ArrayIterator iterator) {
  if (iterator->slice_ndim > 0) {
    pfree(iterator->slice_values);
    pfree(iterator->slice_nulls);
  }
  pfree(iterator);
}

ArrayBuildState* initArrayResult(Oid element_type, MemoryContext rcontext, bool subcontext) {
  MemoryContext context =
      subcontext ? AllocSetContextCreate(rcontext, "accumArrayResult", ALLOCSET_DEFAULT_SIZES) : rcontext;
  ArrayBuildState* state = static_cast<ArrayBuildState*>(MemoryContextAlloc(context, sizeof(ArrayBuildState)));
  state->mcontext = context;
  state->private_cxt = subcontext;
  state->alen = subcontext ? 64 : 8;
  state->dvalues =
      static_cast<Datum*>(MemoryContextAlloc(context, static_cast<Size>(state->alen) * sizeof(Datum)));
  state->dnulls =
      static_cast<bool*>(MemoryContextAlloc(context, static_cast<Size>(state->alen) * sizeof(bool)));
  state->nelems = 0;
  state->element_type = element_type;
  get_typlenbyvalalign(element_type, &state->typlen, &state->typbyval, &state->typalign);
  return state;
}

ArrayBuildState* accumArrayResult(ArrayBuildState* astate, Datum dvalue, bool disnull, Oid element_type,
                                  MemoryContext rcontext) {
  if (astate == nullptr) astate = initArrayResult(element_type, rcontext, true);
  Assert(astate->element_type == element_type);
  MemoryContext caller = MemoryContextSwitchTo(astate->mcontext);
  if (astate->nelems >= astate->alen) {
    astate->alen *= 2;
    astate->dvalues =
        static_cast<Datum*>(repalloc(astate->dvalues, static_cast<Size>(astate->alen) * sizeof(Datum)));
    astate->dnulls =
        static_cast<bool*>(repalloc(astate->dnulls, static_cast<Size>(astate->alen) * sizeof(bool)));
  }
  if (!disnull && !astate->typbyval)
    dvalue = astate->typlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(dvalue))
                                  : datumCopy(dvalue, astate->typbyval, astate->typlen);
  astate->dvalues[astate->nelems] = disnull ? 0 : dvalue;
  astate->dnulls[astate->nelems] = disnull;
  astate->nelems++;
  MemoryContextSwitchTo(caller);
  return astate;
}

Datum makeMdArrayResult(ArrayBuildState* astate, int ndims, int* dims, int* lbs, MemoryContext rcontext,
                        bool release) {
  MemoryContext caller = MemoryContextSwitchTo(rcontext);
  ArrayType* array = construct_md_array(astate->dvalues, astate->dnulls, ndims, dims, lbs, astate->element_type,
                                        astate->typlen, astate->typbyval, astate->typalign);
  MemoryContextSwitchTo(caller);
  if (release) MemoryContextDelete(astate->mcontext);
  return PointerGetDatum(array);
}

Datum makeArrayResult(ArrayBuildState* astate, MemoryContext rcontext) {
  int dims[1] = {astate->nelems}, lbs[1] = {1};
  return makeMdArrayResult(astate, astate->nelems > 0 ? 1 : 0, dims, lbs, rcontext, astate->private_cxt);
}

}  // extern "C"
