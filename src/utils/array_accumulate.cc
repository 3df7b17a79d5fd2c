// Gathering arrays into one of a dimension more, and of what may be either (utils/array.h); arrays of a type
// that need no description from the caller.
//
// The elements' bytes of one array behind those of the next are the bytes of the result, because each element
// is padded for the one that follows; so arrays are gathered without a look at their elements. C style.
extern "C" {
#include "postgres.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
}

namespace {

[[noreturn]] void refuse(int sqlstate, const char* what) {
  ereport(ERROR, (errcode(sqlstate), errmsg("%s", what)));
  pg_unreachable();
}

int bitmap_bytes(int items) {
  return (items + 7) / 8;
}

// `count` bits, 1 where there is a value: as `from` says, or all of them if that is null.
void set_bits(bits8* bitmap, int first, int count, const bits8* from) {
  for (int i = 0; i < count; i++) {
    bits8 bit = static_cast<bits8>(1 << ((first + i) % 8));
    if (from == nullptr || (from[i / 8] >> (i % 8) & 1))
      bitmap[(first + i) / 8] = static_cast<bits8>(bitmap[(first + i) / 8] | bit);
    else
      bitmap[(first + i) / 8] = static_cast<bits8>(bitmap[(first + i) / 8] & ~bit);
  }
}

void start_with(ArrayBuildStateArr* state, ArrayType* array) {
  int ndim = ARR_NDIM(array);
  if (ndim == 0) refuse(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
  if (ndim + 1 > MAXDIM)
    ereport(ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
             errmsg("number of array dimensions (%d) exceeds the maximum allowed (%d)", ndim + 1, MAXDIM)));
  state->ndims = ndim + 1;
  state->dims[0] = 0;
  state->lbs[0] = 1;
  memcpy(&state->dims[1], ARR_DIMS(array), sizeof(int) * static_cast<size_t>(ndim));
  memcpy(&state->lbs[1], ARR_LBOUND(array), sizeof(int) * static_cast<size_t>(ndim));
}

void check_shape(const ArrayBuildStateArr* state, ArrayType* array) {
  size_t bytes = sizeof(int) * static_cast<size_t>(state->ndims - 1);
  if (ARR_NDIM(array) + 1 != state->ndims || memcmp(&state->dims[1], ARR_DIMS(array), bytes) != 0 ||
      memcmp(&state->lbs[1], ARR_LBOUND(array), bytes) != 0)
    refuse(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality");
}

}  // namespace

extern "C" {

ArrayBuildStateArr* initArrayResultArr(Oid array_type, Oid element_type, MemoryContext rcontext,
                                       bool subcontext) {
  if (!OidIsValid(element_type)) {
    element_type = get_element_type(array_type);
    if (!OidIsValid(element_type))
      ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                      errmsg("data type %s is not an array type", format_type_be(array_type))));
  }
  MemoryContext context =
      subcontext ? AllocSetContextCreate(rcontext, "accumArrayResultArr", ALLOCSET_DEFAULT_SIZES) : rcontext;
  ArrayBuildStateArr* state =
      static_cast<ArrayBuildStateArr*>(MemoryContextAllocZero(context, sizeof(ArrayBuildStateArr)));
  state->mcontext = context;
  state->private_cxt = subcontext;
  state->array_type = array_type;
  state->element_type = element_type;
  return state;
}

ArrayBuildStateArr* accumArrayResultArr(ArrayBuildStateArr* astate, Datum dvalue, bool disnull, Oid array_type,
                                        MemoryContext rcontext) {
  if (disnull) refuse(ERRCODE_NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
  ArrayType* array = DatumGetArrayTypeP(dvalue);
  if (astate == nullptr) astate = initArrayResultArr(array_type, InvalidOid, rcontext, true);
  Assert(astate->array_type == array_type);
  MemoryContext caller = MemoryContextSwitchTo(astate->mcontext);
  if (astate->ndims == 0)
    start_with(astate, array);
  else
    check_shape(astate, array);

  int items = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
  int bytes = static_cast<int>(ARR_SIZE(array) - ARR_DATA_OFFSET(array));
  if (astate->nbytes + bytes > astate->abytes) {
    int room = Max(astate->abytes * 2, Max(1024, astate->nbytes + bytes));
    astate->data =
        static_cast<char*>(astate->data == nullptr ? palloc(static_cast<Size>(room))
                                                   : repalloc(astate->data, static_cast<Size>(room)));
    astate->abytes = room;
  }
  // None when all elements are NULL.
  if (bytes > 0) memcpy(astate->data + astate->nbytes, ARR_DATA_PTR(array), static_cast<size_t>(bytes));
  astate->nbytes += bytes;

  if (astate->nullbitmap != nullptr || ARR_HASNULL(array)) {
    int before = astate->nitems;
    if (before + items > astate->aitems) {
      int room = Max(astate->aitems * 2, Max(256, before + items));
      astate->nullbitmap = static_cast<bits8*>(
          astate->nullbitmap == nullptr ? palloc(static_cast<Size>(bitmap_bytes(room)))
                                        : repalloc(astate->nullbitmap, static_cast<Size>(bitmap_bytes(room))));
      // The first that has NULLs: what came before it had none.
      if (astate->aitems == 0) set_bits(astate->nullbitmap, 0, before, nullptr);
      astate->aitems = room;
    }
    set_bits(astate->nullbitmap, before, items, ARR_NULLBITMAP(array));
  }
  astate->nitems += items;
  astate->dims[0]++;
  MemoryContextSwitchTo(caller);
  if (reinterpret_cast<Pointer>(array) != DatumGetPointer(dvalue)) pfree(array);
  return astate;
}

Datum makeArrayResultArr(ArrayBuildStateArr* astate, MemoryContext rcontext, bool release) {
  MemoryContext caller = MemoryContextSwitchTo(rcontext);
  ArrayType* result;
  if (astate->ndims == 0) {
    result = construct_empty_array(astate->element_type);
  } else {
    (void)ArrayGetNItems(astate->ndims, astate->dims);
    ArrayCheckBounds(astate->ndims, astate->dims, astate->lbs);
    bool nulls = astate->nullbitmap != nullptr;
    Size header =
        nulls ? ARR_OVERHEAD_WITHNULLS(astate->ndims, astate->nitems) : ARR_OVERHEAD_NONULLS(astate->ndims);
    Size size = header + static_cast<Size>(astate->nbytes);
    result = static_cast<ArrayType*>(palloc0(size));
    SET_VARSIZE(result, size);
    result->ndim = astate->ndims;
    result->dataoffset = nulls ? static_cast<int32>(header) : 0;
    result->elemtype = astate->element_type;
    memcpy(ARR_DIMS(result), astate->dims, sizeof(int) * static_cast<size_t>(astate->ndims));
    memcpy(ARR_LBOUND(result), astate->lbs, sizeof(int) * static_cast<size_t>(astate->ndims));
    if (nulls) set_bits(ARR_NULLBITMAP(result), 0, astate->nitems, astate->nullbitmap);
    if (astate->nbytes > 0) memcpy(ARR_DATA_PTR(result), astate->data, static_cast<size_t>(astate->nbytes));
  }
  MemoryContextSwitchTo(caller);
  if (release) MemoryContextDelete(astate->mcontext);
  return PointerGetDatum(result);
}

// Of arrays for an array type, of elements for any other.
ArrayBuildStateAny* initArrayResultAny(Oid input_type, MemoryContext rcontext, bool subcontext) {
  ArrayBuildStateArr* arrays = nullptr;
  ArrayBuildState* elements = nullptr;
  Oid element_type = get_element_type(input_type);
  if (OidIsValid(element_type))
    arrays = initArrayResultArr(input_type, InvalidOid, rcontext, subcontext);
  else
    elements = initArrayResult(input_type, rcontext, subcontext);
  ArrayBuildStateAny* state = static_cast<ArrayBuildStateAny*>(
      MemoryContextAlloc(arrays ? arrays->mcontext : elements->mcontext, sizeof(ArrayBuildStateAny)));
  state->scalarstate = elements;
  state->arraystate = arrays;
  return state;
}

ArrayBuildStateAny* accumArrayResultAny(ArrayBuildStateAny* astate, Datum dvalue, bool disnull, Oid input_type,
                                        MemoryContext rcontext) {
  if (astate == nullptr) astate = initArrayResultAny(input_type, rcontext, true);
  if (astate->scalarstate)
    (void)accumArrayResult(astate->scalarstate, dvalue, disnull, input_type, rcontext);
  else
    (void)accumArrayResultArr(astate->arraystate, dvalue, disnull, input_type, rcontext);
  return astate;
}

Datum makeArrayResultAny(ArrayBuildStateAny* astate, MemoryContext rcontext, bool release) {
  if (astate->arraystate) return makeArrayResultArr(astate->arraystate, rcontext, release);
  int dims[1] = {astate->scalarstate->nelems}, lbs[1] = {1};
  return makeMdArrayResult(astate->scalarstate, dims[0] > 0 ? 1 : 0, dims, lbs, rcontext, release);
}

ArrayType* construct_array_builtin(Datum* elems, int nelems, Oid elmtype) {
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(elmtype, &length, &by_value, &align);
  return construct_array(elems, nelems, elmtype, length, by_value, align);
}

void deconstruct_array_builtin(ArrayType* array, Oid elmtype, Datum** elemsp, bool** nullsp, int* nelemsp) {
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(elmtype, &length, &by_value, &align);
  deconstruct_array(array, elmtype, length, by_value, align, elemsp, nullsp, nelemsp);
}

}  // extern "C"
