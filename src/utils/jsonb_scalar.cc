// jsonb compared by content (utils/jsonb.h): whether one value contains another, hash values, names of kinds,
// and the scalar that a whole value may be. C style.
extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
}

namespace {

bool contains(JsonbContainer* whole, JsonbContainer* part);

bool value_contains(const JsonbValue* whole, const JsonbValue* part) {
  return whole->type == jbvBinary && part->type == jbvBinary &&
         contains(whole->val.binary.data, part->val.binary.data);
}

bool same_scalar(JsonbValue* a, JsonbValue* b) {
  if (a->type != b->type) return false;
  switch (a->type) {
    case jbvNull:
      return true;
    case jbvBool:
      return a->val.boolean == b->val.boolean;
    case jbvString:
      return a->val.string.len == b->val.string.len &&
             memcmp(a->val.string.val, b->val.string.val, static_cast<size_t>(a->val.string.len)) == 0;
    case jbvNumeric:
      return DatumGetBool(
          DirectFunctionCall2(numeric_eq, NumericGetDatum(a->val.numeric), NumericGetDatum(b->val.numeric)));
    default:
      elog(ERROR, "invalid jsonb scalar type");
  }
  pg_unreachable();
}

// Each key of the part's, with a value that contains the part's.
bool object_contains(JsonbContainer* whole, JsonbContainer* part) {
  if (JsonContainerSize(whole) < JsonContainerSize(part)) return false;
  JsonbIterator* it = JsonbIteratorInit(part);
  JsonbValue key, value;
  (void)JsonbIteratorNext(&it, &key, false);
  while (JsonbIteratorNext(&it, &key, true) == WJB_KEY) {
    (void)JsonbIteratorNext(&it, &value, true);
    JsonbValue* there = findJsonbValueFromContainer(whole, JB_FOBJECT, &key);
    if (there == nullptr) return false;
    if (!(IsAJsonbScalar(&value) ? same_scalar(there, &value) : value_contains(there, &value))) return false;
  }
  return true;
}

// Each element of the part's somewhere, in any order, however often.
bool array_contains(JsonbContainer* whole, JsonbContainer* part) {
  if (JsonContainerIsScalar(whole) && !JsonContainerIsScalar(part)) return false;
  const uint32 size = JsonContainerSize(whole);
  JsonbIterator* it = JsonbIteratorInit(part);
  JsonbValue value;
  (void)JsonbIteratorNext(&it, &value, false);
  while (JsonbIteratorNext(&it, &value, true) == WJB_ELEM) {
    bool found = false;
    if (IsAJsonbScalar(&value))
      found = findJsonbValueFromContainer(whole, JB_FARRAY, &value) != nullptr;
    else
      for (uint32 i = 0; i < size && !found; i++)
        found = value_contains(getIthJsonbValueFromContainer(whole, i), &value);
    if (!found) return false;
  }
  return true;
}

bool contains(JsonbContainer* whole, JsonbContainer* part) {
  check_stack_depth();
  if (JsonContainerIsObject(whole) != JsonContainerIsObject(part)) return false;
  return JsonContainerIsObject(whole) ? object_contains(whole, part) : array_contains(whole, part);
}

}  // namespace

extern "C" {

// Of two iterators that stand at the beginning.
bool JsonbDeepContains(JsonbIterator** val, JsonbIterator** mContained) {
  return contains((*val)->container, (*mContained)->container);
}

Datum jsonb_contains(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(contains(&PG_GETARG_JSONB_P(0)->root, &PG_GETARG_JSONB_P(1)->root));
}

Datum jsonb_contained(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(contains(&PG_GETARG_JSONB_P(1)->root, &PG_GETARG_JSONB_P(0)->root));
}

// False for arrays and objects, of which `res` then says only which it is.
bool JsonbExtractScalar(JsonbContainer* jbc, JsonbValue* res) {
  if (!JsonContainerIsArray(jbc) || !JsonContainerIsScalar(jbc)) {
    res->type = JsonContainerIsArray(jbc) ? jbvArray : jbvObject;
    return false;
  }
  *res = *getIthJsonbValueFromContainer(jbc, 0);
  return true;
}

const char* JsonbTypeName(JsonbValue* val) {
  switch (val->type) {
    case jbvBinary:
      return JsonContainerIsScalar(val->val.binary.data)  ? "unknown"
             : JsonContainerIsArray(val->val.binary.data) ? "array"
                                                          : "object";
    case jbvObject:
      return "object";
    case jbvArray:
      return "array";
    case jbvNumeric:
      return "number";
    case jbvString:
      return "string";
    case jbvBool:
      return "boolean";
    case jbvNull:
      return "null";
    case jbvDatetime:
      switch (val->val.datetime.typid) {
        case DATEOID:
          return "date";
        case TIMEOID:
          return "time without time zone";
        case TIMETZOID:
          return "time with time zone";
        case TIMESTAMPOID:
          return "timestamp without time zone";
        case TIMESTAMPTZOID:
          return "timestamp with time zone";
        default:
          elog(ERROR, "unrecognized jsonb value datetime type: %d", static_cast<int>(val->val.datetime.typid));
      }
      break;
    default:
      break;
  }
  elog(ERROR, "unrecognized jsonb value type: %d", static_cast<int>(val->type));
  return nullptr;
}

// Mixed into `*hash`, so that the order of values counts.
void JsonbHashScalarValue(const JsonbValue* scalarVal, uint32* hash) {
  uint32 own = 0;
  switch (scalarVal->type) {
    case jbvNull:
      own = 1;
      break;
    case jbvString:
      own = DatumGetUInt32(hash_any(reinterpret_cast<const unsigned char*>(scalarVal->val.string.val),
                                    scalarVal->val.string.len));
      break;
    case jbvNumeric:
      own = DatumGetUInt32(DirectFunctionCall1(hash_numeric, NumericGetDatum(scalarVal->val.numeric)));
      break;
    case jbvBool:
      own = scalarVal->val.boolean ? 2 : 4;
      break;
    default:
      elog(ERROR, "invalid jsonb scalar type");
  }
  *hash = pg_rotate_left32(*hash, 1) ^ own;
}

Datum jsonb_hash(PG_FUNCTION_ARGS) {
  Jsonb* jsonb = PG_GETARG_JSONB_P(0);
  uint32 hash = 0;
  if (JB_ROOT_COUNT(jsonb) == 0) PG_RETURN_INT32(0);
  JsonbIterator* it = JsonbIteratorInit(&jsonb->root);
  JsonbValue value;
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE;) {
    if (token == WJB_BEGIN_ARRAY)
      hash ^= JB_FARRAY;
    else if (token == WJB_BEGIN_OBJECT)
      hash ^= JB_FOBJECT;
    else if (token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM)
      JsonbHashScalarValue(&value, &hash);
  }
  PG_RETURN_INT32(static_cast<int32>(hash));
}

}  // extern "C"
