// Long values in their stored forms (access/detoast.h): short headers, in-line compression, expanded objects.
//
// Values here were read from text or made by module code, so a pointer into a server's TOAST table can only be
// one that somebody copied by hand: that is an error, not a look-up.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/detoast.h"
#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "common/pg_lzcompress.h"
#include "utils/expandeddatum.h"
}

namespace {

[[noreturn]] void out_of_line() {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("values stored out of line are not available outside the server")));
  pg_unreachable();
}

struct varlena* copy_of(const struct varlena* value) {
  const Size len = VARSIZE_ANY(value);
  struct varlena* copy = static_cast<struct varlena*>(palloc(len));
  memcpy(copy, value, len);
  return copy;
}

// The value that an indirect pointer leads to, or one flattened from an expanded object: never external again,
// and palloc'd when `copied`.
struct varlena* resolve_external(struct varlena* value, bool* copied) {
  *copied = false;
  while (VARATT_IS_EXTERNAL_INDIRECT(value)) {
    struct varatt_indirect pointer;
    VARATT_EXTERNAL_GET_POINTER(pointer, value);
    value = pointer.pointer;
  }
  if (VARATT_IS_EXTERNAL_ONDISK(value)) out_of_line();
  if (VARATT_IS_EXTERNAL_EXPANDED(value)) {
    ExpandedObjectHeader* expanded = DatumGetEOHP(PointerGetDatum(value));
    const Size len = EOH_get_flat_size(expanded);
    value = static_cast<struct varlena*>(palloc(len));
    EOH_flatten_into(expanded, value, len);
    *copied = true;
  }
  return value;
}

struct varlena* decompress(const struct varlena* value) {
  const uint32 method = VARDATA_COMPRESSED_GET_COMPRESS_METHOD(value);
  if (method != TOAST_PGLZ_COMPRESSION_ID)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("compression method lz4 is not available outside the server")));
  const int32 size = static_cast<int32>(VARDATA_COMPRESSED_GET_EXTSIZE(value));
  struct varlena* result = static_cast<struct varlena*>(palloc(static_cast<Size>(size) + VARHDRSZ));
  const int32 got =
      pglz_decompress(reinterpret_cast<const char*>(value) + VARHDRSZ_COMPRESSED,
                      static_cast<int32>(VARSIZE(value) - VARHDRSZ_COMPRESSED), VARDATA(result), size, true);
  if (got < 0)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg_internal("compressed pglz data is corrupt")));
  SET_VARSIZE(result, got + VARHDRSZ);
  return result;
}

}  // namespace

extern "C" {

struct varlena* detoast_external_attr(struct varlena* attr) {
  if (!VARATT_IS_EXTERNAL(attr)) return attr;
  bool copied;
  struct varlena* value = resolve_external(attr, &copied);
  return copied ? value : copy_of(value);
}

struct varlena* detoast_attr(struct varlena* attr) {
  bool copied = false;
  struct varlena* value = VARATT_IS_EXTERNAL(attr) ? resolve_external(attr, &copied) : attr;
  if (VARATT_IS_COMPRESSED(value)) return decompress(value);
  if (VARATT_IS_SHORT(value)) {
    const Size len = VARSIZE_SHORT(value) - VARHDRSZ_SHORT;
    struct varlena* result = static_cast<struct varlena*>(palloc(len + VARHDRSZ));
    SET_VARSIZE(result, len + VARHDRSZ);
    memcpy(VARDATA(result), VARDATA_SHORT(value), len);
    return result;
  }
  // Behind a pointer: the caller may scribble on what it gets.
  return value != attr && !copied ? copy_of(value) : value;
}

struct varlena* detoast_attr_slice(struct varlena* attr, int32 sliceoffset, int32 slicelength) {
  if (sliceoffset < 0) elog(ERROR, "invalid sliceoffset: %d", sliceoffset);
  struct varlena* plain = detoast_attr(attr);
  const int32 size = static_cast<int32>(VARSIZE_ANY_EXHDR(plain));
  const int32 first = Min(sliceoffset, size);
  const int32 count = slicelength < 0 || slicelength > size - first ? size - first : slicelength;
  struct varlena* result = static_cast<struct varlena*>(palloc(static_cast<Size>(count) + VARHDRSZ));
  SET_VARSIZE(result, count + VARHDRSZ);
  memcpy(VARDATA(result), VARDATA_ANY(plain) + first, static_cast<size_t>(count));
  if (plain != attr) pfree(plain);
  return result;
}

Size toast_raw_datum_size(Datum value) {
  struct varlena* attr = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  while (VARATT_IS_EXTERNAL_INDIRECT(attr)) {
    struct varatt_indirect pointer;
    VARATT_EXTERNAL_GET_POINTER(pointer, attr);
    attr = pointer.pointer;
  }
  if (VARATT_IS_EXTERNAL_ONDISK(attr)) {
    struct varatt_external pointer;
    VARATT_EXTERNAL_GET_POINTER(pointer, attr);
    return static_cast<Size>(pointer.va_rawsize);
  }
  if (VARATT_IS_EXTERNAL_EXPANDED(attr)) return EOH_get_flat_size(DatumGetEOHP(PointerGetDatum(attr)));
  if (VARATT_IS_COMPRESSED(attr)) return VARDATA_COMPRESSED_GET_EXTSIZE(attr) + VARHDRSZ;
  if (VARATT_IS_SHORT(attr)) return VARSIZE_SHORT(attr) - VARHDRSZ_SHORT + VARHDRSZ;
  return VARSIZE(attr);
}

Size toast_datum_size(Datum value) {
  struct varlena* attr = reinterpret_cast<struct varlena*>(DatumGetPointer(value));
  while (VARATT_IS_EXTERNAL_INDIRECT(attr)) {
    struct varatt_indirect pointer;
    VARATT_EXTERNAL_GET_POINTER(pointer, attr);
    attr = pointer.pointer;
  }
  if (VARATT_IS_EXTERNAL_ONDISK(attr)) {
    struct varatt_external pointer;
    VARATT_EXTERNAL_GET_POINTER(pointer, attr);
    return VARATT_EXTERNAL_GET_EXTSIZE(pointer);
  }
  if (VARATT_IS_EXTERNAL_EXPANDED(attr)) return EOH_get_flat_size(DatumGetEOHP(PointerGetDatum(attr)));
  return VARSIZE_ANY(attr);
}

}  // extern "C"
