// Settings in arrays of "name=value" (utils/guc.h), as roles, databases and functions keep them. C style:
// errors may leave from anywhere.
#include <cstring>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc_tables.h"
}

namespace {

struct Items {
  Datum* texts;
  bool* nulls;
  int count;
};

Items items_of(ArrayType* array) {
  Items items;
  deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items.texts, &items.nulls, &items.count);
  return items;
}

// Whether the item is a value of the setting called `name`.
bool is_of(const char* item, const char* name) {
  size_t length = strlen(name);
  return strncmp(item, name, length) == 0 && item[length] == '=';
}

// Whether the current user may set it, to that value if there is one. False only with `skip`; an ERROR
// otherwise.
bool may_set(const char* name, const char* value, bool skip) {
  config_generic* record = guc_find(name, true, skip, ERROR);
  if (record == nullptr) return false;
  if ((record->flags & GUC_CUSTOM_PLACEHOLDER) != 0) {
    if (superuser()) return true;
    if (skip) return false;
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied to set parameter \"%s\"", name)));
  }
  bool may = record->context == PGC_USERSET || (record->context == PGC_SUSET && superuser());
  if (!may && skip) return false;
  (void)set_config_option(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_TEST, GUC_ACTION_SET, false,
                          0, false);
  return true;
}

// The name as the setting's own record spells it.
const char* spelled(const char* name) {
  const config_generic* record = guc_find(name, false, true, WARNING);
  return record != nullptr ? record->name : name;
}

}  // namespace

extern "C" {

// Sets what it holds. An item without '=' is a WARNING.
void ProcessGUCArray(ArrayType* array, GucContext context, GucSource source, GucAction action) {
  Items items = items_of(array);
  for (int i = 0; i < items.count; i++) {
    if (items.nulls[i]) continue;
    char* item = TextDatumGetCString(items.texts[i]);
    char *name, *value;
    ParseLongOption(item, &name, &value);
    if (value == nullptr) {
      ereport(WARNING,
              (errcode(ERRCODE_SYNTAX_ERROR), errmsg("could not parse setting for parameter \"%s\"", name)));
      continue;
    }
    (void)set_config_option(name, value, context, source, action, true, 0, false);
  }
}

// `array` may be null. A value of the same name is replaced where it stands.
ArrayType* GUCArrayAdd(ArrayType* array, const char* name, const char* value) {
  (void)may_set(name, value, false);
  name = spelled(name);
  Datum item = CStringGetTextDatum(psprintf("%s=%s", name, value));
  if (array == nullptr) return construct_array(&item, 1, TEXTOID, -1, false, TYPALIGN_INT);
  Items items = items_of(array);
  int at = ARR_DIMS(array)[0] + 1;
  for (int i = 0; i < items.count; i++) {
    if (items.nulls[i] || !is_of(TextDatumGetCString(items.texts[i]), name)) continue;
    at = i + 1;
    break;
  }
  return array_set(array, 1, &at, item, false, -1, -1, false, TYPALIGN_INT);
}

// nullptr if nothing is left. Nulls are left out too.
ArrayType* GUCArrayDelete(ArrayType* array, const char* name) {
  (void)may_set(name, nullptr, false);
  name = spelled(name);
  if (array == nullptr) return nullptr;
  Items items = items_of(array);
  int kept = 0;
  for (int i = 0; i < items.count; i++)
    if (!items.nulls[i] && !is_of(TextDatumGetCString(items.texts[i]), name))
      items.texts[kept++] = items.texts[i];
  return kept > 0 ? construct_array(items.texts, kept, TEXTOID, -1, false, TYPALIGN_INT) : nullptr;
}

// Without what the current user may set; nullptr if nothing is left.
ArrayType* GUCArrayReset(ArrayType* array) {
  if (array == nullptr || superuser()) return nullptr;
  Items items = items_of(array);
  int kept = 0;
  for (int i = 0; i < items.count; i++) {
    if (items.nulls[i]) continue;
    char* name = TextDatumGetCString(items.texts[i]);
    char* equals = strchr(name, '=');
    if (equals != nullptr) *equals = '\0';
    if (!may_set(name, nullptr, true)) items.texts[kept++] = items.texts[i];
  }
  return kept > 0 ? construct_array(items.texts, kept, TEXTOID, -1, false, TYPALIGN_INT) : nullptr;
}

}  // extern "C"
