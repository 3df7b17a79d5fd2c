// Arrays in memory of their own, taken apart into elements (utils/array.h), which a module may change without
// copying the whole.
//
// An expanded array has its flat form, its elements, or both. Functions of the host take either form and
// flatten what they need flat; who changes elements drops the flat form (fvalue, flat_size). C style.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/tupmacs.h"
#include "utils/array.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace {

ExpandedArrayHeader* header_of(ExpandedObjectHeader* object) {
  Assert(reinterpret_cast<ExpandedArrayHeader*>(object)->ea_magic == EA_MAGIC);
  return reinterpret_cast<ExpandedArrayHeader*>(object);
}

Size flat_size(ExpandedObjectHeader* object) {
  ExpandedArrayHeader* array = header_of(object);
  if (array->fvalue != nullptr) return ARR_SIZE(array->fvalue);
  if (array->flat_size != 0) return array->flat_size;
  Size bytes = 0;
  for (int i = 0; i < array->nelems; i++) {
    if (array->dnulls != nullptr && array->dnulls[i]) continue;
    bytes = att_addlength_datum(bytes, array->typlen, array->dvalues[i]);
    bytes = att_align_nominal(bytes, array->typalign);
    if (!AllocSizeIsValid(bytes))
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                      errmsg("array size exceeds the maximum allowed (%d)", static_cast<int>(MaxAllocSize))));
  }
  array->flat_size = bytes + (array->dnulls != nullptr ? ARR_OVERHEAD_WITHNULLS(array->ndims, array->nelems)
                                                       : ARR_OVERHEAD_NONULLS(array->ndims));
  return array->flat_size;
}

void flatten_into(ExpandedObjectHeader* object, void* result, Size allocated_size) {
  ExpandedArrayHeader* array = header_of(object);
  if (array->fvalue != nullptr) {
    Assert(allocated_size == ARR_SIZE(array->fvalue));
    memcpy(result, array->fvalue, allocated_size);
    return;
  }
  memset(result, 0, allocated_size);
  ArrayType* flat = static_cast<ArrayType*>(result);
  SET_VARSIZE(flat, allocated_size);
  flat->ndim = array->ndims;
  flat->dataoffset =
      array->dnulls != nullptr ? static_cast<int32>(ARR_OVERHEAD_WITHNULLS(array->ndims, array->nelems)) : 0;
  flat->elemtype = array->element_type;
  memcpy(ARR_DIMS(flat), array->dims, static_cast<size_t>(array->ndims) * sizeof(int));
  memcpy(ARR_LBOUND(flat), array->lbound, static_cast<size_t>(array->ndims) * sizeof(int));
  CopyArrayEls(flat, array->dvalues, array->dnulls, array->nelems, array->typlen, array->typbyval,
               array->typalign, false);
}

const ExpandedObjectMethods methods = {flat_size, flatten_into};

// Of the element's type: what `known` says of it, or else the catalog, noted there.
void describe_elements(ExpandedArrayHeader* array, ArrayMetaState* known) {
  if (known == nullptr || known->element_type != array->element_type) {
    get_typlenbyvalalign(array->element_type, &array->typlen, &array->typbyval, &array->typalign);
    if (known != nullptr) {
      known->element_type = array->element_type;
      known->typlen = array->typlen;
      known->typbyval = array->typbyval;
      known->typalign = array->typalign;
    }
    return;
  }
  array->typlen = known->typlen;
  array->typbyval = known->typbyval;
  array->typalign = known->typalign;
}

}  // namespace

extern "C" {

// A copy, below `parentcontext`; the datum may be read and written. `metacache` may be null.
Datum expand_array(Datum arraydatum, MemoryContext parentcontext, ArrayMetaState* metacache) {
  MemoryContext own =
      AllocSetContextCreateInternal(parentcontext, "expanded array", ALLOCSET_START_SMALL_SIZES);
  ExpandedArrayHeader* array =
      static_cast<ExpandedArrayHeader*>(MemoryContextAllocZero(own, sizeof(ExpandedArrayHeader)));
  EOH_init_header(&array->hdr, &methods, own);
  array->ea_magic = EA_MAGIC;
  MemoryContext caller = MemoryContextSwitchTo(own);
  ArrayType* flat = DatumGetArrayTypePCopy(arraydatum);
  MemoryContextSwitchTo(caller);
  array->ndims = ARR_NDIM(flat);
  array->dims = ARR_DIMS(flat);
  array->lbound = ARR_LBOUND(flat);
  array->element_type = ARR_ELEMTYPE(flat);
  describe_elements(array, metacache);
  array->fvalue = flat;
  array->fstartptr = ARR_DATA_PTR(flat);
  array->fendptr = reinterpret_cast<char*>(flat) + ARR_SIZE(flat);
  return EOHPGetRWDatum(&array->hdr);
}

ExpandedArrayHeader* construct_empty_expanded_array(Oid element_type, MemoryContext parentcontext,
                                                    ArrayMetaState* metacache) {
  ArrayType* empty = construct_empty_array(element_type);
  Datum expanded = expand_array(PointerGetDatum(empty), parentcontext, metacache);
  pfree(empty);
  return header_of(DatumGetEOHP(expanded));
}

// The array itself if it may be written, else a copy in the current context. Fills `metacache` in either way.
ExpandedArrayHeader* DatumGetExpandedArrayX(Datum d, ArrayMetaState* metacache) {
  if (!VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(d)))
    return header_of(DatumGetEOHP(expand_array(d, CurrentMemoryContext, metacache)));
  ExpandedArrayHeader* array = header_of(DatumGetEOHP(d));
  if (metacache != nullptr) {
    metacache->element_type = array->element_type;
    metacache->typlen = array->typlen;
    metacache->typbyval = array->typbyval;
    metacache->typalign = array->typalign;
  }
  return array;
}

ExpandedArrayHeader* DatumGetExpandedArray(Datum d) {
  return DatumGetExpandedArrayX(d, nullptr);
}

// For reading: an expanded array as it is, any other flat.
AnyArrayType* DatumGetAnyArrayP(Datum d) {
  if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(d)))
    return reinterpret_cast<AnyArrayType*>(header_of(DatumGetEOHP(d)));
  return reinterpret_cast<AnyArrayType*>(PG_DETOAST_DATUM(d));
}

// Sees to it that the elements are there (dvalues, and dnulls if there are nulls).
void deconstruct_expanded_array(ExpandedArrayHeader* eah) {
  if (eah->dvalues != nullptr) return;
  MemoryContext caller = MemoryContextSwitchTo(eah->hdr.eoh_context);
  Datum* values;
  bool* nulls = nullptr;
  int count;
  deconstruct_array(eah->fvalue, eah->element_type, eah->typlen, eah->typbyval, eah->typalign, &values,
                    ARR_HASNULL(eah->fvalue) ? &nulls : nullptr, &count);
  // Last: an error on the way leaves the array as it was.
  eah->dvalues = values;
  eah->dnulls = nulls;
  eah->dvalueslen = eah->nelems = count;
  MemoryContextSwitchTo(caller);
}

}  // extern "C"
