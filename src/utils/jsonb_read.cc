// Looking into stored jsonb (utils/jsonb.h): offsets, iteration, look-up, comparison.
//
// Nothing is copied: values point into the container.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/varlena.h"
}

namespace {

// The data behind the entries.
char* data_of(JsonbContainer* container) {
  const uint32 n = JsonContainerSize(container);
  return reinterpret_cast<char*>(&container->children[JsonContainerIsObject(container) ? 2 * n : n]);
}

void fill_value(JsonbContainer* container, int index, char* base, uint32 offset, JsonbValue* result) {
  const JEntry entry = container->children[index];
  if (JBE_ISNULL(entry)) {
    result->type = jbvNull;
  } else if (JBE_ISSTRING(entry)) {
    result->type = jbvString;
    result->val.string.val = base + offset;
    result->val.string.len = static_cast<int>(getJsonbLength(container, index));
  } else if (JBE_ISNUMERIC(entry)) {
    result->type = jbvNumeric;
    result->val.numeric = reinterpret_cast<Numeric>(base + INTALIGN(offset));
  } else if (JBE_ISBOOL_TRUE(entry)) {
    result->type = jbvBool;
    result->val.boolean = true;
  } else if (JBE_ISBOOL_FALSE(entry)) {
    result->type = jbvBool;
    result->val.boolean = false;
  } else {
    const uint32 padding = static_cast<uint32>(INTALIGN(offset)) - offset;
    result->type = jbvBinary;
    result->val.binary.data = reinterpret_cast<JsonbContainer*>(base + INTALIGN(offset));
    result->val.binary.len = static_cast<int>(getJsonbLength(container, index) - padding);
  }
}

JsonbIterator* open_iterator(JsonbContainer* container, JsonbIterator* parent) {
  JsonbIterator* it = static_cast<JsonbIterator*>(palloc0(sizeof(JsonbIterator)));
  it->container = container;
  it->parent = parent;
  it->nElems = JsonContainerSize(container);
  it->children = container->children;
  it->dataProper = data_of(container);
  it->isScalar = JsonContainerIsArray(container) && JsonContainerIsScalar(container);
  it->state = JsonContainerIsArray(container) ? JBI_ARRAY_START : JBI_OBJECT_START;
  return it;
}

JsonbIterator* leave(JsonbIterator* it) {
  JsonbIterator* parent = it->parent;
  pfree(it);
  return parent;
}

bool equal_scalars(const JsonbValue* a, const JsonbValue* b) {
  if (a->type != b->type) return false;
  switch (a->type) {
    case jbvNull:
      return true;
    case jbvString:
      return a->val.string.len == b->val.string.len &&
             memcmp(a->val.string.val, b->val.string.val, static_cast<size_t>(a->val.string.len)) == 0;
    case jbvNumeric:
      return DatumGetBool(
          DirectFunctionCall2(numeric_eq, PointerGetDatum(a->val.numeric), PointerGetDatum(b->val.numeric)));
    case jbvBool:
      return a->val.boolean == b->val.boolean;
    default:
      elog(ERROR, "invalid jsonb scalar type");
  }
  pg_unreachable();
}

int compare_scalars(const JsonbValue* a, const JsonbValue* b) {
  switch (a->type) {
    case jbvNull:
      return 0;
    case jbvString:
      return varstr_cmp(a->val.string.val, a->val.string.len, b->val.string.val, b->val.string.len,
                        DEFAULT_COLLATION_OID);
    case jbvNumeric:
      return DatumGetInt32(
          DirectFunctionCall2(numeric_cmp, PointerGetDatum(a->val.numeric), PointerGetDatum(b->val.numeric)));
    case jbvBool:
      return a->val.boolean == b->val.boolean ? 0 : a->val.boolean ? 1 : -1;
    default:
      elog(ERROR, "invalid jsonb scalar type");
  }
  pg_unreachable();
}

}  // namespace

extern "C" {

uint32 getJsonbOffset(const JsonbContainer* jc, int index) {
  // Back to the last entry that holds an offset rather than a length.
  uint32 offset = 0;
  for (int i = index - 1; i >= 0; i--) {
    offset += JBE_OFFLENFLD(jc->children[i]);
    if (JBE_HAS_OFF(jc->children[i])) break;
  }
  return offset;
}

uint32 getJsonbLength(const JsonbContainer* jc, int index) {
  const JEntry entry = jc->children[index];
  return JBE_HAS_OFF(entry) ? JBE_OFFLENFLD(entry) - getJsonbOffset(jc, index) : JBE_OFFLENFLD(entry);
}

JsonbValue* getKeyJsonValueFromContainer(JsonbContainer* container, const char* keyVal, int keyLen,
                                         JsonbValue* res) {
  Assert(JsonContainerIsObject(container));
  const int n = static_cast<int>(JsonContainerSize(container));
  char* base = data_of(container);
  int low = 0, high = n;
  while (low < high) {
    const int middle = low + (high - low) / 2;
    const int len = static_cast<int>(getJsonbLength(container, middle));
    const char* key = base + getJsonbOffset(container, middle);
    const int order = len != keyLen ? (len > keyLen ? 1 : -1) : memcmp(key, keyVal, static_cast<size_t>(len));
    if (order == 0) {
      if (res == nullptr) res = static_cast<JsonbValue*>(palloc(sizeof(JsonbValue)));
      fill_value(container, middle + n, base, getJsonbOffset(container, middle + n), res);
      return res;
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return nullptr;
}

JsonbValue* findJsonbValueFromContainer(JsonbContainer* sheader, uint32 flags, JsonbValue* key) {
  const int n = static_cast<int>(JsonContainerSize(sheader));
  if (n <= 0) return nullptr;
  if ((flags & JB_FARRAY) != 0 && JsonContainerIsArray(sheader)) {
    JsonbValue* result = static_cast<JsonbValue*>(palloc(sizeof(JsonbValue)));
    char* base = data_of(sheader);
    uint32 offset = 0;
    for (int i = 0; i < n; i++) {
      fill_value(sheader, i, base, offset, result);
      if (key->type == result->type && equal_scalars(key, result)) return result;
      JBE_ADVANCE_OFFSET(offset, sheader->children[i]);
    }
    pfree(result);
  } else if ((flags & JB_FOBJECT) != 0 && JsonContainerIsObject(sheader)) {
    Assert(key->type == jbvString);
    return getKeyJsonValueFromContainer(sheader, key->val.string.val, key->val.string.len, nullptr);
  }
  return nullptr;
}

JsonbValue* getIthJsonbValueFromContainer(JsonbContainer* sheader, uint32 i) {
  if (!JsonContainerIsArray(sheader)) elog(ERROR, "not a jsonb array");
  if (i >= JsonContainerSize(sheader)) return nullptr;
  JsonbValue* result = static_cast<JsonbValue*>(palloc(sizeof(JsonbValue)));
  fill_value(sheader, static_cast<int>(i), data_of(sheader), getJsonbOffset(sheader, static_cast<int>(i)),
             result);
  return result;
}

JsonbIterator* JsonbIteratorInit(JsonbContainer* container) {
  return open_iterator(container, nullptr);
}

JsonbIteratorToken JsonbIteratorNext(JsonbIterator** it, JsonbValue* val, bool skipNested) {
  for (;;) {
    JsonbIterator* at = *it;
    if (at == nullptr) return WJB_DONE;
    switch (at->state) {
      case JBI_ARRAY_START:
        val->type = jbvArray;
        val->val.array.nElems = static_cast<int>(at->nElems);
        val->val.array.rawScalar = at->isScalar;
        at->curIndex = 0;
        at->curDataOffset = 0;
        at->state = JBI_ARRAY_ELEM;
        return WJB_BEGIN_ARRAY;
      case JBI_ARRAY_ELEM:
        if (at->curIndex >= static_cast<int>(at->nElems)) {
          *it = leave(at);
          return WJB_END_ARRAY;
        }
        fill_value(at->container, at->curIndex, at->dataProper, at->curDataOffset, val);
        JBE_ADVANCE_OFFSET(at->curDataOffset, at->children[at->curIndex]);
        at->curIndex++;
        if (IsAJsonbScalar(val) || skipNested) return WJB_ELEM;
        *it = open_iterator(val->val.binary.data, at);
        continue;
      case JBI_OBJECT_START:
        val->type = jbvObject;
        val->val.object.nPairs = static_cast<int>(at->nElems);
        at->curIndex = 0;
        at->curDataOffset = 0;
        at->curValueOffset = getJsonbOffset(at->container, static_cast<int>(at->nElems));
        at->state = JBI_OBJECT_KEY;
        return WJB_BEGIN_OBJECT;
      case JBI_OBJECT_KEY:
        if (at->curIndex >= static_cast<int>(at->nElems)) {
          *it = leave(at);
          return WJB_END_OBJECT;
        }
        fill_value(at->container, at->curIndex, at->dataProper, at->curDataOffset, val);
        if (val->type != jbvString) elog(ERROR, "unexpected jsonb type as object key");
        at->state = JBI_OBJECT_VALUE;
        return WJB_KEY;
      case JBI_OBJECT_VALUE: {
        const int index = at->curIndex + static_cast<int>(at->nElems);
        fill_value(at->container, index, at->dataProper, at->curValueOffset, val);
        JBE_ADVANCE_OFFSET(at->curDataOffset, at->children[at->curIndex]);
        JBE_ADVANCE_OFFSET(at->curValueOffset, at->children[index]);
        at->curIndex++;
        at->state = JBI_OBJECT_KEY;
        if (IsAJsonbScalar(val) || skipNested) return WJB_VALUE;
        *it = open_iterator(val->val.binary.data, at);
        continue;
      }
    }
  }
}

// The server's order: by kind of the first difference, containers by their size before their content.
int compareJsonbContainers(JsonbContainer* a, JsonbContainer* b) {
  JsonbIterator *left = JsonbIteratorInit(a), *right = JsonbIteratorInit(b);
  int order = 0;
  while (order == 0) {
    JsonbValue x = {}, y = {};
    const JsonbIteratorToken s = JsonbIteratorNext(&left, &x, false), t = JsonbIteratorNext(&right, &y, false);
    if (s == t) {
      if (s == WJB_DONE) break;
      if (s == WJB_END_ARRAY || s == WJB_END_OBJECT) continue;
      if (x.type == y.type) {
        if (x.type == jbvArray) {
          // The number of elements goes before all: an empty array sorts below a scalar, as documented.
          if (x.val.array.nElems != y.val.array.nElems)
            order = x.val.array.nElems > y.val.array.nElems ? 1 : -1;
          else if (x.val.array.rawScalar != y.val.array.rawScalar)
            order = x.val.array.rawScalar ? -1 : 1;
        } else if (x.type == jbvObject) {
          if (x.val.object.nPairs != y.val.object.nPairs)
            order = x.val.object.nPairs > y.val.object.nPairs ? 1 : -1;
        } else {
          order = compare_scalars(&x, &y);
        }
      } else {
        order = x.type > y.type ? 1 : -1;
      }
    } else {
      order = x.type > y.type ? 1 : -1;
    }
  }
  while (left != nullptr) left = leave(left);
  while (right != nullptr) right = leave(right);
  return order;
}

Datum jsonb_eq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compareJsonbContainers(&PG_GETARG_JSONB_P(0)->root, &PG_GETARG_JSONB_P(1)->root) == 0);
}

Datum jsonb_cmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compareJsonbContainers(&PG_GETARG_JSONB_P(0)->root, &PG_GETARG_JSONB_P(1)->root));
}

}  // extern "C"
