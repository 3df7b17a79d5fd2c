// The parts of expanded objects that do not depend on what is expanded (utils/expandeddatum.h): headers,
// pointers, moving and deleting. Objects are made by module code; the host makes none itself.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
}

extern "C" {

ExpandedObjectHeader* DatumGetEOHP(Datum d) {
  const varattrib_1b_e* datum = reinterpret_cast<const varattrib_1b_e*>(DatumGetPointer(d));
  // The pointer behind the two header bytes is not aligned.
  varatt_expanded pointer;
  Assert(VARATT_IS_EXTERNAL_EXPANDED(datum));
  memcpy(&pointer, VARDATA_EXTERNAL(datum), sizeof(pointer));
  return pointer.eohptr;
}

void EOH_init_header(ExpandedObjectHeader* eohptr, const ExpandedObjectMethods* methods,
                     MemoryContext obj_context) {
  varatt_expanded pointer;
  pointer.eohptr = eohptr;
  eohptr->vl_len_ = EOH_HEADER_MAGIC;
  eohptr->eoh_methods = methods;
  eohptr->eoh_context = obj_context;
  SET_VARTAG_EXTERNAL(eohptr->eoh_rw_ptr, VARTAG_EXPANDED_RW);
  memcpy(VARDATA_EXTERNAL(eohptr->eoh_rw_ptr), &pointer, sizeof(pointer));
  SET_VARTAG_EXTERNAL(eohptr->eoh_ro_ptr, VARTAG_EXPANDED_RO);
  memcpy(VARDATA_EXTERNAL(eohptr->eoh_ro_ptr), &pointer, sizeof(pointer));
}

Size EOH_get_flat_size(ExpandedObjectHeader* eohptr) {
  return eohptr->eoh_methods->get_flat_size(eohptr);
}

void EOH_flatten_into(ExpandedObjectHeader* eohptr, void* result, Size allocated_size) {
  eohptr->eoh_methods->flatten_into(eohptr, result, allocated_size);
}

Datum MakeExpandedObjectReadOnlyInternal(Datum d) {
  if (!VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(d))) return d;
  return EOHPGetRODatum(DatumGetEOHP(d));
}

Datum TransferExpandedObject(Datum d, MemoryContext new_parent) {
  ExpandedObjectHeader* object = DatumGetEOHP(d);
  Assert(VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(d)));
  MemoryContextSetParent(object->eoh_context, new_parent);
  return EOHPGetRWDatum(object);
}

void DeleteExpandedObject(Datum d) {
  ExpandedObjectHeader* object = DatumGetEOHP(d);
  Assert(VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(d)));
  MemoryContextDelete(object->eoh_context);
}

}  // extern "C"
