// What lies at a path within a jsonb value (utils/jsonb.h), as subscripts and the operators with # find it. C
// style.
#include <cerrno>
#include <climits>

extern "C" {
#include "postgres.h"
#include "common/string.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
}

namespace {

bool is_object(JsonbContainer* container) {
  return container != nullptr && JsonContainerIsObject(container);
}
bool is_array(JsonbContainer* container) {
  return container != nullptr && JsonContainerIsArray(container) && !JsonContainerIsScalar(container);
}

// One step. nullptr: there is nothing, or `container` is null, which stands for a scalar.
JsonbValue* step_into(JsonbContainer* container, Datum subscript) {
  if (is_object(container)) {
    text* key = DatumGetTextPP(subscript);
    return getKeyJsonValueFromContainer(container, VARDATA_ANY(key), static_cast<int>(VARSIZE_ANY_EXHDR(key)),
                                        nullptr);
  }
  if (!is_array(container)) return nullptr;
  char* number = TextDatumGetCString(subscript);
  char* end;
  errno = 0;
  int index = strtoint(number, &end, 10);
  if (end == number || *end != '\0' || errno != 0) return nullptr;
  // From the end.
  int64 count = JsonContainerSize(container);
  int64 at = index >= 0 ? index : count + index;
  return at >= 0 ? getIthJsonbValueFromContainer(container, static_cast<uint32>(at)) : nullptr;
}

text* as_text(const JsonbValue* value) {
  switch (value->type) {
    case jbvNull:
      return nullptr;
    case jbvBool:
      return cstring_to_text(value->val.boolean ? "true" : "false");
    case jbvString:
      return cstring_to_text_with_len(value->val.string.val, value->val.string.len);
    case jbvNumeric:
      return cstring_to_text(
          DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
    case jbvBinary:
      return cstring_to_text(JsonbToCString(nullptr, value->val.binary.data, value->val.binary.len));
    default:
      elog(ERROR, "unrecognized jsonb type: %d", static_cast<int>(value->type));
      return nullptr;
  }
}

}  // namespace

extern "C" {

// `path` has `npath` texts: keys of objects, and numbers for arrays, negative ones from their end. A jsonb, or
// a text, which is NULL for the null of jsonb; NULL if there is nothing.
Datum jsonb_get_element(Jsonb* jb, Datum* path, int npath, bool* isnull, bool want_text) {
  *isnull = false;
  JsonbContainer* container = &jb->root;
  JsonbValue* value = nullptr;
  if (JB_ROOT_IS_SCALAR(jb)) {
    if (npath <= 0) value = getIthJsonbValueFromContainer(container, 0);
    container = nullptr;
  } else if (npath <= 0) {
    if (!want_text) return JsonbPGetDatum(jb);
    return PointerGetDatum(cstring_to_text(JsonbToCString(nullptr, container, VARSIZE(jb))));
  }
  for (int i = 0; i < npath; i++) {
    value = step_into(container, path[i]);
    if (value == nullptr) {
      *isnull = true;
      return 0;
    }
    container = value->type == jbvBinary ? value->val.binary.data : nullptr;
  }
  if (!want_text) return JsonbPGetDatum(JsonbValueToJsonb(value));
  text* result = as_text(value);
  *isnull = result == nullptr;
  return PointerGetDatum(result);
}

}  // extern "C"
