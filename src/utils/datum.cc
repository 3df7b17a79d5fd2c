// Copying and comparing values by their bytes (utils/datum.h).
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/detoast.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
}

namespace {

[[noreturn]] void bad_length(int len) {
  elog(ERROR, "invalid typLen: %d", len);
  pg_unreachable();
}

void check_pointer(const char* pointer) {
  if (pointer == nullptr) ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("invalid Datum pointer")));
}

}  // namespace

extern "C" {

Size datumGetSize(Datum value, bool typByVal, int typLen) {
  if (typByVal || typLen > 0) return static_cast<Size>(typLen);
  char* pointer = DatumGetPointer(value);
  check_pointer(pointer);
  if (typLen == -1) return VARSIZE_ANY(pointer);
  if (typLen == -2) return strlen(pointer) + 1;
  bad_length(typLen);
}

Datum datumCopy(Datum value, bool typByVal, int typLen) {
  if (typByVal) return value;
  char* from = DatumGetPointer(value);
  if (typLen == -1 && VARATT_IS_EXTERNAL_EXPANDED(from)) {
    ExpandedObjectHeader* expanded = DatumGetEOHP(value);
    const Size size = EOH_get_flat_size(expanded);
    char* flat = static_cast<char*>(palloc(size));
    EOH_flatten_into(expanded, flat, size);
    return PointerGetDatum(flat);
  }
  const Size size = datumGetSize(value, typByVal, typLen);
  char* copy = static_cast<char*>(palloc(size));
  memcpy(copy, from, size);
  return PointerGetDatum(copy);
}

Datum datumTransfer(Datum value, bool typByVal, int typLen) {
  if (!typByVal && typLen == -1 && VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(value)))
    return TransferExpandedObject(value, CurrentMemoryContext);
  return datumCopy(value, typByVal, typLen);
}

bool datumIsEqual(Datum value1, Datum value2, bool typByVal, int typLen) {
  if (typByVal) return value1 == value2;
  const Size size = datumGetSize(value1, typByVal, typLen);
  if (size != datumGetSize(value2, typByVal, typLen)) return false;
  return memcmp(DatumGetPointer(value1), DatumGetPointer(value2), size) == 0;
}

bool datum_image_eq(Datum value1, Datum value2, bool typByVal, int typLen) {
  if (typByVal || typLen != -1) return datumIsEqual(value1, value2, typByVal, typLen);
  // The same content may be packed differently.
  if (toast_raw_datum_size(value1) != toast_raw_datum_size(value2)) return false;
  struct varlena* a = PG_DETOAST_DATUM_PACKED(value1);
  struct varlena* b = PG_DETOAST_DATUM_PACKED(value2);
  const bool equal = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
  if (reinterpret_cast<char*>(a) != DatumGetPointer(value1)) pfree(a);
  if (reinterpret_cast<char*>(b) != DatumGetPointer(value2)) pfree(b);
  return equal;
}

uint32 datum_image_hash(Datum value, bool typByVal, int typLen) {
  if (typByVal) return hash_bytes(reinterpret_cast<unsigned char*>(&value), sizeof(Datum));
  if (typLen != -1)
    return hash_bytes(reinterpret_cast<unsigned char*>(DatumGetPointer(value)),
                      static_cast<int>(datumGetSize(value, typByVal, typLen)));
  struct varlena* content = PG_DETOAST_DATUM_PACKED(value);
  const uint32 hash = hash_bytes(reinterpret_cast<unsigned char*>(VARDATA_ANY(content)),
                                 static_cast<int>(VARSIZE_ANY_EXHDR(content)));
  if (reinterpret_cast<char*>(content) != DatumGetPointer(value)) pfree(content);
  return hash;
}

// A serialized value begins with an int: -2 for NULL, -1 for a pass-by-value Datum that follows, else the
// number of bytes that follow.

Size datumEstimateSpace(Datum value, bool isnull, bool typByVal, int typLen) {
  if (isnull) return sizeof(int);
  if (typByVal) return sizeof(int) + sizeof(Datum);
  if (typLen == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
    return sizeof(int) + EOH_get_flat_size(DatumGetEOHP(value));
  return sizeof(int) + datumGetSize(value, typByVal, typLen);
}

void datumSerialize(Datum value, bool isnull, bool typByVal, int typLen, char** start_address) {
  char* at = *start_address;
  const bool expanded =
      !isnull && !typByVal && typLen == -1 && VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value));
  int header = -2;
  if (!isnull)
    header = typByVal ? -1
                      : static_cast<int>(expanded ? EOH_get_flat_size(DatumGetEOHP(value))
                                                  : datumGetSize(value, typByVal, typLen));
  memcpy(at, &header, sizeof(int));
  at += sizeof(int);
  if (header == -1) {
    memcpy(at, &value, sizeof(Datum));
    at += sizeof(Datum);
  } else if (header > 0) {
    if (expanded) {
      // The place is not aligned, which flattening needs.
      char* flat = static_cast<char*>(palloc(static_cast<Size>(header)));
      EOH_flatten_into(DatumGetEOHP(value), flat, static_cast<Size>(header));
      memcpy(at, flat, static_cast<Size>(header));
      pfree(flat);
    } else {
      memcpy(at, DatumGetPointer(value), static_cast<Size>(header));
    }
    at += header;
  }
  *start_address = at;
}

Datum datumRestore(char** start_address, bool* isnull) {
  int header;
  memcpy(&header, *start_address, sizeof(int));
  *start_address += sizeof(int);
  *isnull = header == -2;
  if (header == -2) return 0;
  if (header == -1) {
    Datum value;
    memcpy(&value, *start_address, sizeof(Datum));
    *start_address += sizeof(Datum);
    return value;
  }
  char* copy = static_cast<char*>(palloc(static_cast<Size>(header)));
  memcpy(copy, *start_address, static_cast<Size>(header));
  *start_address += header;
  return PointerGetDatum(copy);
}

}  // extern "C"
