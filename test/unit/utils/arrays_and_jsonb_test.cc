// The properties: arrays made, changed, walked and taken apart keep their elements, NULLs and bounds; jsonb
// built from pushed values reads back through iterators and look-ups, sorts its keys and keeps the last of
// equal ones.
#include <gtest/gtest.h>

#include <string>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
}

namespace {

ArrayType* array_of(Oid element, const char* text) {
  return DatumGetArrayTypeP(OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(pstrdup(text)),
                                             ObjectIdGetDatum(element), Int32GetDatum(-1)));
}

std::string text_of(ArrayType* array) {
  return DatumGetCString(OidFunctionCall1(F_ARRAY_OUT, PointerGetDatum(array)));
}

TEST(Array, ConstructAndDeconstruct) {
  Datum values[] = {CStringGetTextDatum("a"), 0, CStringGetTextDatum("long text with spaces")};
  bool nulls[] = {false, true, false};
  int dims[] = {3}, lbs[] = {1};
  ArrayType* array = construct_md_array(values, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT);
  EXPECT_EQ(text_of(array), "{a,NULL,\"long text with spaces\"}");
  EXPECT_TRUE(array_contains_nulls(array));
  Datum* out;
  bool* out_nulls;
  int n;
  deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &out, &out_nulls, &n);
  ASSERT_EQ(n, 3);
  EXPECT_TRUE(out_nulls[1]);
  EXPECT_STREQ(TextDatumGetCString(out[2]), "long text with spaces");
  const auto without_nulls = [](void* it) {
    Datum* values;
    int count;
    deconstruct_array(static_cast<ArrayType*>(it), TEXTOID, -1, false, TYPALIGN_INT, &values, nullptr, &count);
  };
  EXPECT_EQ(bgw_test::caught(without_nulls, array).sqlstate, "22004");
  EXPECT_EQ(ARR_NDIM(construct_array(nullptr, 0, INT4OID, 4, true, TYPALIGN_INT)), 0);
}

TEST(Array, ElementsAndIterators) {
  ArrayType* array = array_of(INT4OID, "[2:3][0:2]={{1,2,NULL},{4,5,6}}");
  int at[] = {3, 1}, outside[] = {3, 3};
  bool isnull;
  EXPECT_EQ(DatumGetInt32(array_get_element(PointerGetDatum(array), 2, at, -1, 4, true, TYPALIGN_INT, &isnull)),
            5);
  EXPECT_FALSE(isnull);
  array_get_element(PointerGetDatum(array), 2, outside, -1, 4, true, TYPALIGN_INT, &isnull);
  EXPECT_TRUE(isnull);

  ArrayIterator it = array_create_iterator(array, 0, nullptr);
  Datum value;
  std::string seen;
  while (array_iterate(it, &value, &isnull)) seen += isnull ? "-" : std::to_string(DatumGetInt32(value));
  array_free_iterator(it);
  EXPECT_EQ(seen, "12-456");
  it = array_create_iterator(array, 1, nullptr);
  seen.clear();
  while (array_iterate(it, &value, &isnull)) seen += text_of(DatumGetArrayTypeP(value));
  array_free_iterator(it);
  EXPECT_EQ(seen, "[0:2]={1,2,NULL}[0:2]={4,5,6}");

  ArrayType* flat = array_of(INT4OID, "{1,2}");
  int index[] = {4};
  flat = array_set(flat, 1, index, Int32GetDatum(9), false, -1, 4, true, TYPALIGN_INT);
  EXPECT_EQ(text_of(flat), "{1,2,NULL,9}");
  index[0] = -1;
  flat = array_set(flat, 1, index, 0, true, -1, 4, true, TYPALIGN_INT);
  EXPECT_EQ(text_of(flat), "[-1:4]={NULL,NULL,1,2,NULL,9}");
  index[0] = 1;
  flat = array_set(flat, 1, index, Int32GetDatum(7), false, -1, 4, true, TYPALIGN_INT);
  EXPECT_EQ(text_of(flat), "[-1:4]={NULL,NULL,7,2,NULL,9}");
}

TEST(Array, Accumulates) {
  ArrayBuildState* state = nullptr;
  for (int i = 0; i < 1000; i++)
    state = accumArrayResult(state, CStringGetTextDatum(std::to_string(i).c_str()), i % 7 == 0, TEXTOID,
                             CurrentMemoryContext);
  ArrayType* array = DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext));
  EXPECT_EQ(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)), 1000);
  EXPECT_EQ(text_of(array).substr(0, 12), "{NULL,1,2,3,");
}

Jsonb* jsonb_of(const char* text) {
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

JsonbValue string_value(const char* text) {
  JsonbValue value = {};
  value.type = jbvString;
  value.val.string.val = pstrdup(text);
  value.val.string.len = static_cast<int>(strlen(text));
  return value;
}

TEST(Jsonb, PushedValues) {
  JsonbParseState* state = nullptr;
  JsonbValue flag = {}, nothing = {}, nested = {};
  flag.type = jbvBool;
  flag.val.boolean = true;
  nothing.type = jbvNull;
  JsonbToJsonbValue(jsonb_of("[1, {\"x\": []}]"), &nested);
  const auto push = [&](JsonbIteratorToken token, JsonbValue* value) {
    return pushJsonbValue(&state, token, value);
  };
  push(WJB_BEGIN_OBJECT, nullptr);
  const char* keys[] = {"long", "b", "a", "b"};
  JsonbValue* values[] = {&flag, &nothing, &nested, &flag};
  for (int i = 0; i < 4; i++) {
    JsonbValue key = string_value(keys[i]);
    push(WJB_KEY, &key);
    push(WJB_VALUE, values[i]);
  }
  Jsonb* built = JsonbValueToJsonb(push(WJB_END_OBJECT, nullptr));
  EXPECT_STREQ(JsonbToCString(nullptr, &built->root, 0),
               "{\"a\": [1, {\"x\": []}], \"b\": true, \"long\": true}");
  Jsonb* read = jsonb_of(JsonbToCString(nullptr, &built->root, 0));
  ASSERT_EQ(VARSIZE(read), VARSIZE(built));
  EXPECT_EQ(memcmp(read, built, VARSIZE(read)), 0);
}

TEST(Jsonb, LooksUpAndIterates) {
  std::string text = "{";
  for (int i = 0; i < 200; i++)
    text += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i * 3);
  Jsonb* object = jsonb_of((text + "}").c_str());
  for (int i = 0; i < 200; i++) {
    const std::string key = "k" + std::to_string(i);
    JsonbValue found;
    ASSERT_NE(getKeyJsonValueFromContainer(&object->root, key.c_str(), static_cast<int>(key.size()), &found),
              nullptr);
    ASSERT_EQ(found.type, jbvNumeric);
    ASSERT_EQ(DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(found.val.numeric))), i * 3);
  }
  EXPECT_EQ(getKeyJsonValueFromContainer(&object->root, "k200", 4, nullptr), nullptr);

  Jsonb* array = jsonb_of("[\"x\", 7, null, [true]]");
  JsonbValue key = string_value("x");
  EXPECT_NE(findJsonbValueFromContainer(&array->root, JB_FARRAY, &key), nullptr);
  key = string_value("y");
  EXPECT_EQ(findJsonbValueFromContainer(&array->root, JB_FARRAY, &key), nullptr);
  EXPECT_EQ(getIthJsonbValueFromContainer(&array->root, 3)->type, jbvBinary);
  EXPECT_EQ(getIthJsonbValueFromContainer(&array->root, 4), nullptr);

  JsonbIterator* it = JsonbIteratorInit(&array->root);
  JsonbValue value;
  std::string tokens;
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE;)
    tokens += std::to_string(static_cast<int>(token));
  EXPECT_EQ(tokens, "43334355");
  EXPECT_EQ(compareJsonbContainers(&jsonb_of("{\"a\":1}")->root, &jsonb_of("{ \"a\" : 1.0 }")->root), 0);
  EXPECT_LT(compareJsonbContainers(&jsonb_of("[1]")->root, &jsonb_of("[1,0]")->root), 0);
  EXPECT_GT(compareJsonbContainers(&jsonb_of("{}")->root, &jsonb_of("[1]")->root), 0);
}

}  // namespace
