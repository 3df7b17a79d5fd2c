// Building jsonb (utils/jsonb.h): from pushed values to the tree in memory, and from the tree to the stored
// form.
//
// The stored form is the server's, byte for byte. A container is a header word (count and flags), an entry word
// per child (for objects all keys, then all values), and the children's data. An entry holds the child's
// length, every JB_OFFSET_STRIDE-th one the offset of the child's end instead. Numbers and containers begin at
// multiples of four, and the padding before them counts as theirs. Keys are sorted by length, then bytes; of
// equal keys the last stays.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
}

namespace {

constexpr int first_room = 4;

JsonbParseState* open_state(JsonbParseState** stack) {
  JsonbParseState* state = static_cast<JsonbParseState*>(palloc(sizeof(JsonbParseState)));
  state->next = *stack;
  state->size = first_room;
  *stack = state;
  return state;
}

void check_count(Size count, Size most, const char* message) {
  if (count > most) ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal(message, most)));
}

void append_key(JsonbParseState* state, const JsonbValue* key) {
  JsonbValue* object = &state->contVal;
  Assert(object->type == jbvObject && key->type == jbvString);
  check_count(static_cast<Size>(object->val.object.nPairs), JB_CMASK - 1,
              "number of jsonb object pairs exceeds the maximum allowed (%zu)");
  if (static_cast<Size>(object->val.object.nPairs) >= state->size) {
    state->size *= 2;
    object->val.object.pairs =
        static_cast<JsonbPair*>(repalloc(object->val.object.pairs, sizeof(JsonbPair) * state->size));
  }
  JsonbPair* pair = &object->val.object.pairs[object->val.object.nPairs];
  pair->key = *key;
  pair->order = static_cast<uint32>(object->val.object.nPairs);
}

void append_value(JsonbParseState* state, const JsonbValue* value) {
  JsonbValue* object = &state->contVal;
  Assert(object->type == jbvObject);
  object->val.object.pairs[object->val.object.nPairs++].value = *value;
}

void append_element(JsonbParseState* state, const JsonbValue* value) {
  JsonbValue* array = &state->contVal;
  Assert(array->type == jbvArray);
  check_count(static_cast<Size>(array->val.array.nElems), JB_CMASK - 1,
              "number of jsonb array elements exceeds the maximum allowed (%zu)");
  if (static_cast<Size>(array->val.array.nElems) >= state->size) {
    state->size *= 2;
    array->val.array.elems =
        static_cast<JsonbValue*>(repalloc(array->val.array.elems, sizeof(JsonbValue) * state->size));
  }
  array->val.array.elems[array->val.array.nElems++] = *value;
}

int compare_keys(const JsonbValue* a, const JsonbValue* b) {
  if (a->val.string.len != b->val.string.len) return a->val.string.len > b->val.string.len ? 1 : -1;
  return memcmp(a->val.string.val, b->val.string.val, static_cast<size_t>(a->val.string.len));
}

// Equal keys: the one pushed last comes first.
int compare_pairs(const void* x, const void* y) {
  const JsonbPair *a = static_cast<const JsonbPair*>(x), *b = static_cast<const JsonbPair*>(y);
  const int order = compare_keys(&a->key, &b->key);
  return order != 0 ? order : a->order > b->order ? -1 : 1;
}

void sort_and_unify(JsonbValue* object) {
  const int n = object->val.object.nPairs;
  if (n < 2) return;
  JsonbPair* pairs = object->val.object.pairs;
  pg_qsort(pairs, static_cast<size_t>(n), sizeof(JsonbPair), compare_pairs);
  int kept = 0;
  for (int i = 1; i < n; i++)
    if (compare_keys(&pairs[kept].key, &pairs[i].key) != 0) pairs[++kept] = pairs[i];
  object->val.object.nPairs = kept + 1;
}

// A finished container becomes a child of the one around it.
void close_state(JsonbParseState** stack, const JsonbValue* finished) {
  *stack = (*stack)->next;
  if (*stack == nullptr) return;
  switch ((*stack)->contVal.type) {
    case jbvArray:
      append_element(*stack, finished);
      break;
    case jbvObject:
      append_value(*stack, finished);
      break;
    default:
      elog(ERROR, "invalid jsonb container type");
  }
}

JsonbValue* push_one(JsonbParseState** stack, JsonbIteratorToken token, JsonbValue* value) {
  switch (token) {
    case WJB_BEGIN_ARRAY: {
      JsonbParseState* state = open_state(stack);
      JsonbValue* array = &state->contVal;
      array->type = jbvArray;
      array->val.array.nElems = 0;
      array->val.array.rawScalar = value != nullptr && value->val.array.rawScalar;
      if (value != nullptr && value->val.array.nElems > 0)
        state->size = static_cast<Size>(value->val.array.nElems);
      array->val.array.elems = static_cast<JsonbValue*>(palloc(sizeof(JsonbValue) * state->size));
      return array;
    }
    case WJB_BEGIN_OBJECT: {
      JsonbParseState* state = open_state(stack);
      JsonbValue* object = &state->contVal;
      object->type = jbvObject;
      object->val.object.nPairs = 0;
      object->val.object.pairs = static_cast<JsonbPair*>(palloc(sizeof(JsonbPair) * state->size));
      return object;
    }
    case WJB_KEY:
      append_key(*stack, value);
      return nullptr;
    case WJB_VALUE:
      append_value(*stack, value);
      return nullptr;
    case WJB_ELEM:
      append_element(*stack, value);
      return nullptr;
    case WJB_END_OBJECT:
    case WJB_END_ARRAY: {
      JsonbValue* finished = &(*stack)->contVal;
      if (token == WJB_END_OBJECT) sort_and_unify(finished);
      close_state(stack, finished);
      return finished;
    }
    default:
      elog(ERROR, "unrecognized jsonb sequential processing token");
  }
  pg_unreachable();
}

// --- the stored form ---

// Room for `len` more bytes at the end; their offset.
int reserve(StringInfo out, int len) {
  enlargeStringInfo(out, len);
  const int offset = out->len;
  out->len += len;
  out->data[out->len] = '\0';
  return offset;
}

void append(StringInfo out, const char* bytes, int len) {
  const int at = reserve(out, len);  // first: it may move the buffer
  memcpy(out->data + at, bytes, static_cast<size_t>(len));
}

int pad(StringInfo out) {
  const int missing = static_cast<int>(INTALIGN(out->len)) - out->len;
  const int at = reserve(out, missing);
  memset(out->data + at, 0, static_cast<size_t>(missing));
  return missing;
}

void put_word(StringInfo out, int offset, uint32 word) {
  memcpy(out->data + offset, &word, sizeof(word));
}

JEntry write_value(StringInfo out, const JsonbValue* value, int level);

// Adds a child's entry; every so often the offset of its end goes there instead of its length.
void put_entry(StringInfo out, int entries, int index, JEntry entry, uint32* total, const char* message) {
  *total += JBE_OFFLENFLD(entry);
  if (*total > JENTRY_OFFLENMASK)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal(message, JENTRY_OFFLENMASK)));
  if (index % JB_OFFSET_STRIDE == 0) entry = (entry & JENTRY_TYPEMASK) | *total | JENTRY_HAS_OFF;
  put_word(out, entries + index * static_cast<int>(sizeof(JEntry)), entry);
}

JEntry finish_container(StringInfo out, int base, const char* message) {
  const uint32 size = static_cast<uint32>(out->len - base);
  if (size > JENTRY_OFFLENMASK)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal(message, JENTRY_OFFLENMASK)));
  return JENTRY_ISCONTAINER | size;
}

JEntry write_array(StringInfo out, const JsonbValue* value, int level) {
  static const char message[] = "total size of jsonb array elements exceeds the maximum of %u bytes";
  const int base = out->len, n = value->val.array.nElems;
  pad(out);
  uint32 header = static_cast<uint32>(n) | JB_FARRAY;
  if (value->val.array.rawScalar) header |= JB_FSCALAR;
  append(out, reinterpret_cast<char*>(&header), sizeof(header));
  const int entries = reserve(out, n * static_cast<int>(sizeof(JEntry)));
  uint32 total = 0;
  for (int i = 0; i < n; i++)
    put_entry(out, entries, i, write_value(out, &value->val.array.elems[i], level + 1), &total, message);
  return finish_container(out, base, message);
}

JEntry write_object(StringInfo out, const JsonbValue* value, int level) {
  static const char message[] = "total size of jsonb object elements exceeds the maximum of %u bytes";
  const int base = out->len, n = value->val.object.nPairs;
  pad(out);
  const uint32 header = static_cast<uint32>(n) | JB_FOBJECT;
  append(out, reinterpret_cast<const char*>(&header), sizeof(header));
  const int entries = reserve(out, 2 * n * static_cast<int>(sizeof(JEntry)));
  uint32 total = 0;
  for (int i = 0; i < n; i++)
    put_entry(out, entries, i, write_value(out, &value->val.object.pairs[i].key, level + 1), &total, message);
  for (int i = 0; i < n; i++)
    put_entry(out, entries, n + i, write_value(out, &value->val.object.pairs[i].value, level + 1), &total,
              message);
  return finish_container(out, base, message);
}

JEntry write_value(StringInfo out, const JsonbValue* value, int level) {
  check_stack_depth();
  switch (value->type) {
    case jbvNull:
      return JENTRY_ISNULL;
    case jbvString:
      append(out, value->val.string.val, value->val.string.len);
      return static_cast<JEntry>(value->val.string.len);
    case jbvNumeric: {
      const int size = static_cast<int>(VARSIZE_ANY(value->val.numeric));
      const int padding = pad(out);
      append(out, reinterpret_cast<const char*>(value->val.numeric), size);
      return JENTRY_ISNUMERIC | static_cast<JEntry>(padding + size);
    }
    case jbvBool:
      return value->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
    case jbvArray:
      return write_array(out, value, level);
    case jbvObject:
      return write_object(out, value, level);
    case jbvDatetime: {
      char buffer[MAXDATELEN + 1];
      JsonEncodeDateTime(buffer, value->val.datetime.value, value->val.datetime.typid, &value->val.datetime.tz);
      const int len = static_cast<int>(strlen(buffer));
      append(out, buffer, len);
      return static_cast<JEntry>(len);
    }
    case jbvBinary:
      break;
  }
  elog(ERROR, "invalid jsonb scalar type");
  pg_unreachable();
}

}  // namespace

extern "C" {

JsonbValue* pushJsonbValue(JsonbParseState** pstate, JsonbIteratorToken seq, JsonbValue* jbval) {
  // Trees given as one value are pushed piece by piece, so that every container is sorted and owned alike.
  const bool as_child = jbval != nullptr && (seq == WJB_ELEM || seq == WJB_VALUE);
  if (as_child && jbval->type == jbvObject) {
    push_one(pstate, WJB_BEGIN_OBJECT, nullptr);
    for (int i = 0; i < jbval->val.object.nPairs; i++) {
      pushJsonbValue(pstate, WJB_KEY, &jbval->val.object.pairs[i].key);
      pushJsonbValue(pstate, WJB_VALUE, &jbval->val.object.pairs[i].value);
    }
    return push_one(pstate, WJB_END_OBJECT, nullptr);
  }
  if (as_child && jbval->type == jbvArray) {
    push_one(pstate, WJB_BEGIN_ARRAY, nullptr);
    for (int i = 0; i < jbval->val.array.nElems; i++)
      pushJsonbValue(pstate, WJB_ELEM, &jbval->val.array.elems[i]);
    return push_one(pstate, WJB_END_ARRAY, nullptr);
  }
  if (!as_child || jbval->type != jbvBinary) return push_one(pstate, seq, jbval);

  JsonbIterator* it = JsonbIteratorInit(jbval->val.binary.data);
  JsonbValue value;
  JsonbValue* result = nullptr;
  JsonbIteratorToken token;
  if (JsonContainerIsScalar(jbval->val.binary.data)) {
    token = JsonbIteratorNext(&it, &value, true);  // the array around it
    token = JsonbIteratorNext(&it, &value, true);
    return push_one(pstate, seq, &value);
  }
  while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE) {
    const bool has_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;
    result = push_one(pstate, token, has_value ? &value : nullptr);
  }
  return result;
}

Jsonb* JsonbValueToJsonb(JsonbValue* val) {
  if (val->type == jbvBinary) {
    Jsonb* stored = static_cast<Jsonb*>(palloc(static_cast<Size>(VARHDRSZ + val->val.binary.len)));
    SET_VARSIZE(stored, VARHDRSZ + val->val.binary.len);
    memcpy(VARDATA(stored), val->val.binary.data, static_cast<size_t>(val->val.binary.len));
    return stored;
  }
  JsonbValue wrapper;
  if (IsAJsonbScalar(val)) {
    wrapper.type = jbvArray;
    wrapper.val.array.rawScalar = true;
    wrapper.val.array.nElems = 1;
    wrapper.val.array.elems = val;
    val = &wrapper;
  }
  StringInfoData out;
  initStringInfo(&out);
  reserve(&out, VARHDRSZ);
  write_value(&out, val, 0);
  Jsonb* stored = reinterpret_cast<Jsonb*>(out.data);
  SET_VARSIZE(stored, out.len);
  return stored;
}

void JsonbToJsonbValue(Jsonb* jsonb, JsonbValue* val) {
  val->type = jbvBinary;
  val->val.binary.data = &jsonb->root;
  val->val.binary.len = static_cast<int>(VARSIZE(jsonb)) - VARHDRSZ;
}

}  // extern "C"
