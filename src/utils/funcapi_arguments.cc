// What the arrays of a function's row in the catalog say of its arguments (funcapi.h): the names of those that
// are passed in, and the columns that come out. C style.
extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
}

namespace {

// The array's items; an ERROR if it is not of one dimension and that type, has nulls, or not `count` items (-1:
// any number).
ArrayType* checked(Datum array, Oid type, int count, const char* what) {
  ArrayType* items = DatumGetArrayTypeP(array);
  if (ARR_NDIM(items) != 1 || ARR_DIMS(items)[0] < 0 || ARR_HASNULL(items) || ARR_ELEMTYPE(items) != type ||
      (count >= 0 && ARR_DIMS(items)[0] != count)) {
    const char* kind = type == TEXTOID ? "text" : type == CHAROID ? "char" : "Oid";
    if (count >= 0)
      elog(ERROR, "%s is not a 1-D %s array of length %d or it contains nulls", what, kind, count);
    else
      elog(ERROR, "%s is not a 1-D %s array or it contains nulls", what, kind);
  }
  return items;
}

Datum* texts_of(ArrayType* names) {
  Datum* texts;
  int count;
  deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &texts, nullptr, &count);
  return texts;
}

bool is_passed_in(char mode) {
  return mode == PROARGMODE_IN || mode == PROARGMODE_INOUT || mode == PROARGMODE_VARIADIC;
}

}  // namespace

extern "C" {

// How many there are; names that are empty are null. A null array of modes: all are passed in.
int get_func_input_arg_names(Datum proargnames, Datum proargmodes, char*** arg_names) {
  *arg_names = nullptr;
  if (DatumGetPointer(proargnames) == nullptr) return 0;
  ArrayType* names = checked(proargnames, TEXTOID, -1, "proargnames");
  int count = ARR_DIMS(names)[0];
  const char* modes = nullptr;
  if (DatumGetPointer(proargmodes) != nullptr)
    modes = ARR_DATA_PTR(checked(proargmodes, CHAROID, count, "proargmodes"));
  if (count <= 0) return 0;
  Datum* texts = texts_of(names);
  char** found = static_cast<char**>(palloc(static_cast<Size>(count) * sizeof(char*)));
  int found_count = 0;
  for (int i = 0; i < count; i++) {
    if (modes != nullptr && !is_passed_in(modes[i])) continue;
    char* name = TextDatumGetCString(texts[i]);
    found[found_count++] = *name != '\0' ? name : nullptr;
  }
  *arg_names = found;
  return found_count;
}

// nullptr if the result is no row of that kind: a function with one argument that comes out returns that.
TupleDesc build_function_result_tupdesc_d(char prokind, Datum proallargtypes, Datum proargmodes,
                                          Datum proargnames) {
  if (DatumGetPointer(proallargtypes) == nullptr || DatumGetPointer(proargmodes) == nullptr) return nullptr;
  ArrayType* all = checked(proallargtypes, OIDOID, -1, "proallargtypes");
  int count = ARR_DIMS(all)[0];
  const Oid* types = reinterpret_cast<const Oid*>(ARR_DATA_PTR(all));
  const char* modes = ARR_DATA_PTR(checked(proargmodes, CHAROID, count, "proargmodes"));
  Datum* texts = nullptr;
  if (DatumGetPointer(proargnames) != nullptr)
    texts = texts_of(checked(proargnames, TEXTOID, count, "proargnames"));

  auto comes_out = [modes](int i) { return modes[i] != PROARGMODE_IN && modes[i] != PROARGMODE_VARIADIC; };
  int columns = 0;
  for (int i = 0; i < count; i++) columns += comes_out(i);
  if (count == 0 || (columns < 2 && prokind != PROKIND_PROCEDURE)) return nullptr;
  TupleDesc desc = CreateTemplateTupleDesc(columns);
  AttrNumber column = 0;
  for (int i = 0; i < count; i++) {
    if (!comes_out(i)) continue;
    column++;
    char* name = texts != nullptr ? TextDatumGetCString(texts[i]) : nullptr;
    if (name == nullptr || *name == '\0') name = psprintf("column%d", column);
    TupleDescInitEntry(desc, column, name, types[i], -1, 0);
  }
  return desc;
}

}  // extern "C"
