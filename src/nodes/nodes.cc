// Comparing and copying the nodes that modules build: values, lists and sets. Parse trees do not occur here;
// another node is an error that names its tag.
extern "C" {
#include "postgres.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
}

namespace {

bool equal_text(const char* a, const char* b) {
  return a && b ? strcmp(a, b) == 0 : a == b;
}

bool equal_lists(const List* a, const List* b) {
  if (a->length != b->length) return false;
  for (int i = 0; i < a->length; ++i) {
    const ListCell& x = a->elements[i];
    const ListCell& y = b->elements[i];
    if (a->type == T_List ? !equal(x.ptr_value, y.ptr_value) : x.int_value != y.int_value) return false;
  }
  return true;
}

char* copy_text(const char* text) {
  return text ? pstrdup(text) : nullptr;
}

}  // namespace

extern "C" {

// makeNode() of a compiler without statement expressions remembers the new node here.
Node* newNodeMacroHolder = nullptr;

bool equal(const void* a, const void* b) {
  if (a == b) return true;
  if (!a || !b || nodeTag(a) != nodeTag(b)) return false;
  switch (nodeTag(a)) {
    case T_Integer:
      return static_cast<const Integer*>(a)->ival == static_cast<const Integer*>(b)->ival;
    case T_Float:
      return equal_text(static_cast<const Float*>(a)->fval, static_cast<const Float*>(b)->fval);
    case T_Boolean:
      return static_cast<const Boolean*>(a)->boolval == static_cast<const Boolean*>(b)->boolval;
    case T_String:
      return equal_text(static_cast<const String*>(a)->sval, static_cast<const String*>(b)->sval);
    case T_BitString:
      return equal_text(static_cast<const BitString*>(a)->bsval, static_cast<const BitString*>(b)->bsval);
    case T_List:
    case T_IntList:
    case T_OidList:
      return equal_lists(static_cast<const List*>(a), static_cast<const List*>(b));
    default:
      elog(ERROR, "unrecognized node type: %d", static_cast<int>(nodeTag(a)));
  }
  return false;
}

void* copyObjectImpl(const void* obj) {
  if (!obj) return nullptr;
  switch (nodeTag(obj)) {
    case T_Integer:
      return makeInteger(static_cast<const Integer*>(obj)->ival);
    case T_Float:
      return makeFloat(copy_text(static_cast<const Float*>(obj)->fval));
    case T_Boolean:
      return makeBoolean(static_cast<const Boolean*>(obj)->boolval);
    case T_String:
      return makeString(copy_text(static_cast<const String*>(obj)->sval));
    case T_BitString:
      return makeBitString(copy_text(static_cast<const BitString*>(obj)->bsval));
    case T_List:
      return list_copy_deep(static_cast<const List*>(obj));
    case T_IntList:
    case T_OidList:
      return list_copy(static_cast<const List*>(obj));
    default:
      elog(ERROR, "unrecognized node type: %d", static_cast<int>(nodeTag(obj)));
  }
  return nullptr;
}

}  // extern "C"
