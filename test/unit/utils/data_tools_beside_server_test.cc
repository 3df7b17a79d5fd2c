// The property: what a module builds or takes apart with the C interface (jsonb iterators, arrays, tuples,
// lists of names, quoting, names of types) is what the server makes of the same values in SQL, errors included.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/beside_server.hpp"
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
}

namespace {

using namespace bgw_test;

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  const char* one_of(const std::vector<const char*>& all) {
    return all[static_cast<size_t>(below(static_cast<int>(all.size())))];
  }
  std::string pieces(const std::vector<const char*>& all, int most) {
    std::string text;
    for (int i = below(most + 1); i > 0; i--) text += one_of(all);
    return text;
  }

 private:
  std::mt19937 random_;
};

// Runs a function that gives a palloc'd text, or nullptr for NULL. It holds no C++ object when it raises.
template <typename Argument>
Answer answer_of(char* (*function)(Argument*), Argument* argument) {
  struct Frame {
    char* (*function)(Argument*);
    Argument* argument;
    char* text;
  } frame{function, argument, nullptr};
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "case", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(context);
  Caught error = caught(
      [](void* it) {
        Frame* frame = static_cast<Frame*>(it);
        frame->text = frame->function(frame->argument);
      },
      &frame);
  Answer answer = error.raised            ? "error: " + error.sqlstate + ": " + error.message
                  : frame.text == nullptr ? "null"
                                          : std::string("ok: ") + frame.text;
  MemoryContextSwitchTo(before);
  MemoryContextDelete(context);
  return answer;
}

// --- jsonb ----------------------------------------------------------------------------------------------

std::string document(Random& random, int depth) {
  static const std::vector<const char*> keys{"a", "b", "", "long key", "\\u00e9", "k\\\"", "aa"};
  switch (random.below(depth > 0 ? 8 : 5)) {
    case 0:
      return "null";
    case 1:
      return random.below(2) ? "true" : "false";
    case 2:
      return random.one_of({"0", "-1", "1e3", "12.50", "123456789012345678901234567890", "0.000001"});
    case 3:
      return "\"" + random.pieces(keys, 3) + "\"";
    case 4:
      return std::string("\"") + random.one_of(keys) + "\"";
    case 5:
    case 6: {
      std::string text = "[";
      for (int i = random.below(5); i > 0; i--) text += document(random, depth - 1) + (i > 1 ? ", " : "");
      return text + "]";
    }
    default: {
      std::string text = "{";
      for (int i = random.below(6); i > 0; i--)
        text +=
            std::string("\"") + random.one_of(keys) + "\": " + document(random, depth - 1) + (i > 1 ? "," : "");
      return text + "}";
    }
  }
}

struct JsonbCase {
  std::string text, key;
  int index = 0;
};

Jsonb* jsonb_of(JsonbCase* c) {
  return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(c->text.c_str())));
}

char* text_of(Jsonb* jsonb) {
  return JsonbToCString(nullptr, &jsonb->root, VARSIZE(jsonb));
}

char* text_of(JsonbValue* value) {
  return value == nullptr ? nullptr : text_of(JsonbValueToJsonb(value));
}

// Token by token from an iterator into a builder.
char* copy_by_tokens(JsonbCase* c) {
  JsonbParseState* state = nullptr;
  JsonbValue value, *result = nullptr;
  JsonbIterator* iterator = JsonbIteratorInit(&jsonb_of(c)->root);
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE;)
    result = pushJsonbValue(&state, token,
                            token < WJB_BEGIN_ARRAY                                 ? &value
                            : token == WJB_BEGIN_ARRAY && value.val.array.rawScalar ? &value
                                                                                    : nullptr);
  return text_of(JsonbValueToJsonb(result));
}

// As jsonb_strip_nulls() does, with the containers' values copied by the iterator.
char* without_nulls(JsonbCase* c) {
  JsonbParseState* state = nullptr;
  JsonbValue key, value, *result = nullptr;
  bool have_key = false;
  JsonbIterator* iterator = JsonbIteratorInit(&jsonb_of(c)->root);
  for (JsonbIteratorToken token; (token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE;) {
    if (token == WJB_KEY) {
      key = value;
      have_key = true;
      continue;
    }
    if (have_key) {
      have_key = false;
      if (token == WJB_VALUE && value.type == jbvNull) continue;
      (void)pushJsonbValue(&state, WJB_KEY, &key);
    }
    bool scalar = token == WJB_BEGIN_ARRAY && value.val.array.rawScalar;
    result =
        pushJsonbValue(&state, token, token == WJB_VALUE || token == WJB_ELEM || scalar ? &value : nullptr);
  }
  return text_of(JsonbValueToJsonb(result));
}

// The outermost level alone, its containers skipped over and taken as they are.
char* count_of_outermost(JsonbCase* c) {
  JsonbValue value;
  int count = 0;
  JsonbIterator* iterator = JsonbIteratorInit(&jsonb_of(c)->root);
  JsonbIteratorToken token = JsonbIteratorNext(&iterator, &value, false);
  while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
    if (token == WJB_ELEM || token == WJB_VALUE) count++;
  return psprintf("%d", count);
}

JsonbValue key_of(JsonbCase* c) {
  JsonbValue key;
  key.type = jbvString;
  key.val.string.val = const_cast<char*>(c->key.c_str());
  key.val.string.len = static_cast<int>(c->key.size());
  return key;
}

char* value_at_key(JsonbCase* c) {
  JsonbValue key = key_of(c);
  Jsonb* jsonb = jsonb_of(c);
  if (!JB_ROOT_IS_OBJECT(jsonb)) return nullptr;
  return text_of(findJsonbValueFromContainer(&jsonb->root, JB_FOBJECT, &key));
}

char* has_text(JsonbCase* c) {
  JsonbValue key = key_of(c);
  return pstrdup(findJsonbValueFromContainer(&jsonb_of(c)->root, JB_FOBJECT | JB_FARRAY, &key) ? "true"
                                                                                               : "false");
}

char* value_at_index(JsonbCase* c) {
  Jsonb* jsonb = jsonb_of(c);
  if (!JB_ROOT_IS_ARRAY(jsonb)) return nullptr;  // a scalar is an array of one
  return text_of(getIthJsonbValueFromContainer(&jsonb->root, static_cast<uint32>(c->index)));
}

// The second document before or after the first one's.
struct JsonbPair {
  JsonbCase a, b;
};

char* order_of(JsonbPair* pair) {
  int order = compareJsonbContainers(&jsonb_of(&pair->a)->root, &jsonb_of(&pair->b)->root);
  return psprintf("%d", order < 0 ? -1 : order > 0);
}

char* contained(JsonbPair* pair) {
  JsonbIterator* whole = JsonbIteratorInit(&jsonb_of(&pair->a)->root);
  JsonbIterator* part = JsonbIteratorInit(&jsonb_of(&pair->b)->root);
  bool root_kinds = JB_ROOT_IS_OBJECT(jsonb_of(&pair->a)) == JB_ROOT_IS_OBJECT(jsonb_of(&pair->b));
  return pstrdup(root_kinds && JsonbDeepContains(&whole, &part) ? "true" : "false");
}

// As jsonb_typeof() does, of the first element or value.
char* kind_of_first(JsonbCase* c) {
  JsonbValue value;
  Jsonb* jsonb = jsonb_of(c);
  if (JsonbExtractScalar(&jsonb->root, &value)) return pstrdup(JsonbTypeName(&value));
  if (value.type == jbvObject) return pstrdup("object");
  JsonbValue* first = getIthJsonbValueFromContainer(&jsonb->root, 0);
  return first == nullptr ? nullptr : pstrdup(JsonbTypeName(first));
}

TEST(DataToolsBesideServer, Jsonb) {
  BesideServer server;
  Random random(comparison_seed());
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  auto add = [&](const std::string& expression, const Answer& answer) {
    expressions.push_back(expression);
    host.push_back(answer);
  };
  for (int i = 0; i < 400; i++) {
    JsonbCase c{document(random, 4), random.one_of({"a", "b", "", "long key", "\xc3\xa9", "none"}),
                random.below(6)};
    std::string sql = sql_literal(c.text) + "::jsonb";
    add(sql, answer_of(copy_by_tokens, &c));
    add("jsonb_strip_nulls(" + sql + ")", answer_of(without_nulls, &c));
    add("case jsonb_typeof(" + sql + ") when 'array' then jsonb_array_length(" + sql +
            ") when 'object' then (select count(*) from jsonb_object_keys(" + sql + ")) else 1 end",
        answer_of(count_of_outermost, &c));
    add(sql + " -> " + sql_literal(c.key) + "::text", answer_of(value_at_key, &c));
    add(sql + " ? " + sql_literal(c.key), answer_of(has_text, &c));
    add(sql + " -> " + std::to_string(c.index), answer_of(value_at_index, &c));
    JsonbPair pair{c, {document(random, 2), "", 0}};
    std::string other = sql_literal(pair.b.text) + "::jsonb";
    add("case when " + sql + " < " + other + " then -1 when " + sql + " > " + other + " then 1 else 0 end",
        answer_of(order_of, &pair));
    add(sql + " @> " + other, answer_of(contained, &pair));
    // A part of the first, so that the answer is often yes.
    pair.b.text = random.below(2) ? "[" + pair.b.text + "]" : "{\"a\": " + pair.b.text + "}";
    add(sql + " @> " + sql_literal(pair.b.text), answer_of(contained, &pair));
    JsonbPair within{{"[" + c.text + ", " + pair.b.text + ", [1, 2]]", "", 0},
                     {random.below(2) ? "[" + c.text + "]" : "[[2], " + pair.b.text + "]", "", 0}};
    add(sql_literal(within.a.text) + "::jsonb @> " + sql_literal(within.b.text), answer_of(contained, &within));
    add("jsonb_typeof(case when jsonb_typeof(" + sql + ") = 'array' then " + sql + " -> 0 else " + sql +
            " end)",
        answer_of(kind_of_first, &c));
  }
  server.compare(expressions, host, "jsonb");
}

// --- arrays ---------------------------------------------------------------------------------------------

struct Element {
  Oid type;
  const char* name;
  int16 length;
  bool by_value;
  char align;
};

const Element elements[] = {{INT2OID, "int2", 2, true, TYPALIGN_SHORT},
                            {INT4OID, "int4", 4, true, TYPALIGN_INT},
                            {INT8OID, "int8", 8, true, TYPALIGN_DOUBLE},
                            {BOOLOID, "bool", 1, true, TYPALIGN_CHAR},
                            {FLOAT8OID, "float8", 8, true, TYPALIGN_DOUBLE},
                            {TEXTOID, "text", -1, false, TYPALIGN_INT},
                            {NUMERICOID, "numeric", -1, false, TYPALIGN_INT},
                            {NAMEOID, "name", NAMEDATALEN, false, TYPALIGN_CHAR},
                            {UUIDOID, "uuid", 16, false, TYPALIGN_CHAR},
                            {TIMESTAMPTZOID, "timestamptz", 8, true, TYPALIGN_DOUBLE}};

std::string element_text(Random& random, Oid type) {
  switch (type) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
      return std::to_string(random.below(65000) - 32500);
    case BOOLOID:
      return random.below(2) ? "t" : "f";
    case FLOAT8OID:
      return random.one_of({"0", "-0", "NaN", "1e300", "0.1", "-2.5"});
    case NUMERICOID:
      return random.one_of({"0", "NaN", "1.10", "-123456789.000001", "1e40"});
    case UUIDOID:
      return "00112233-4455-6677-8899-aabbccddee" + std::to_string(10 + random.below(90));
    case TIMESTAMPTZOID:
      return random.one_of({"infinity", "2024-02-29 23:59:59.5+00", "1999-12-31 00:00:00+00"});
    default:
      return random.pieces({"a", "\"", "\\", ",", " ", "{", "}", "NULL", "\xc3\xa9", "B", "'"}, 5);
  }
}

Datum element_value(Oid type, const std::string& text) {
  Oid input, parameter;
  getTypeInputInfo(type, &input, &parameter);
  return OidInputFunctionCall(input, const_cast<char*>(text.c_str()), parameter, -1);
}

char* element_out(Oid type, Datum value) {
  Oid output;
  bool varlena;
  getTypeOutputInfo(type, &output, &varlena);
  return OidOutputFunctionCall(output, value);
}

struct ArrayCase {
  const Element* element;
  int ndim = 0, dims[3] = {0, 0, 0}, lbs[3] = {1, 1, 1};
  std::vector<std::string> texts;
  std::vector<char> nulls;
  int at[3] = {0, 0, 0}, slice = 0;
  std::string replacement;
  bool replace_with_null = false;

  int count() const {
    int n = ndim > 0 ? 1 : 0;
    for (int i = 0; i < ndim; i++) n *= dims[i];
    return n;
  }
  // As the server's constructor syntax, bounds apart.
  std::string sql(int level = 0, int first = 0, int n = -1) const {
    if (ndim == 0) return std::string("'{}'::") + element->name + "[]";
    if (n < 0) n = count();
    if (level == ndim)
      return (nulls[static_cast<size_t>(first)] ? std::string("NULL")
                                                : sql_literal(texts[static_cast<size_t>(first)])) +
             "::" + element->name;
    std::string text = "ARRAY[";
    for (int i = 0; i < dims[level]; i++)
      text += (i ? "," : "") + sql(level + 1, first + i * (n / dims[level]), n / dims[level]);
    return text + "]";
  }
  std::string bounds() const {
    std::string text;
    for (int i = 0; i < ndim; i++)
      text += "[" + std::to_string(lbs[i]) + ":" + std::to_string(lbs[i] + dims[i] - 1) + "]";
    return text;
  }
  // With the bounds, which only a literal can give: the text of the constructor's value behind them.
  std::string sql_with_bounds() const {
    return ndim == 0 ? sql() : "('" + bounds() + "=' || " + sql() + "::text)::" + element->name + "[]";
  }
};

ArrayType* construct(ArrayCase* c) {
  const Element& e = *c->element;
  int n = c->count();
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * static_cast<size_t>(n + 1)));
  bool* nulls = static_cast<bool*>(palloc0(static_cast<size_t>(n + 1)));
  for (int i = 0; i < n; i++) {
    nulls[i] = c->nulls[static_cast<size_t>(i)];
    if (!nulls[i]) values[i] = element_value(e.type, c->texts[static_cast<size_t>(i)]);
  }
  return construct_md_array(values, nulls, c->ndim, c->dims, c->lbs, e.type, e.length, e.by_value, e.align);
}

char* array_text(ArrayType* array) {
  return DatumGetCString(OidFunctionCall1(F_ARRAY_OUT, PointerGetDatum(array)));
}

char* constructed(ArrayCase* c) {
  return array_text(construct(c));
}

char* size_of_constructed(ArrayCase* c) {
  return psprintf("%d", static_cast<int>(VARSIZE(construct(c))));
}

char* taken_apart(ArrayCase* c) {
  const Element& e = *c->element;
  Datum* values;
  bool* nulls;
  int n;
  deconstruct_array(construct(c), e.type, e.length, e.by_value, e.align, &values, &nulls, &n);
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < n; i++)
    appendStringInfo(&text, "%s%s", i ? "|" : "", nulls[i] ? "-" : element_out(e.type, values[i]));
  return text.data;
}

char* element_at(ArrayCase* c) {
  const Element& e = *c->element;
  bool is_null;
  Datum value = array_get_element(PointerGetDatum(construct(c)), c->ndim, c->at, -1, e.length, e.by_value,
                                  e.align, &is_null);
  return is_null ? nullptr : element_out(e.type, value);
}

char* with_element(ArrayCase* c) {
  const Element& e = *c->element;
  Datum value = c->replace_with_null ? 0 : element_value(e.type, c->replacement);
  Datum array = array_set_element(PointerGetDatum(construct(c)), Max(c->ndim, 1), c->at, value,
                                  c->replace_with_null, -1, e.length, e.by_value, e.align);
  return array_text(DatumGetArrayTypeP(array));
}

char* slices(ArrayCase* c) {
  ArrayIterator iterator = array_create_iterator(construct(c), c->slice, nullptr);
  StringInfoData text;
  initStringInfo(&text);
  Datum value;
  for (bool is_null; array_iterate(iterator, &value, &is_null);)
    appendStringInfo(&text, "%s|",
                     is_null         ? "-"
                     : c->slice == 0 ? element_out(c->element->type, value)
                                     : array_text(DatumGetArrayTypeP(value)));
  array_free_iterator(iterator);
  return text.data;
}

char* accumulated(ArrayCase* c) {
  ArrayBuildState* state = initArrayResult(c->element->type, CurrentMemoryContext, false);
  for (size_t i = 0; i < c->texts.size(); i++)
    state = accumArrayResult(state, c->nulls[i] ? 0 : element_value(c->element->type, c->texts[i]), c->nulls[i],
                             c->element->type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext)));
}

TEST(DataToolsBesideServer, Arrays) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  for (const Element& e : elements) {
    std::string type = e.name;
    query(server.connection(),
          "create function put(a " + type + "[], n int[], v " + type + ") returns " + type +
              "[] language plpgsql as $$ begin case array_length(n, 1) when 1 then a[n[1]] := v; "
              "when 2 then a[n[1]][n[2]] := v; else a[n[1]][n[2]][n[3]] := v; end case; return a; end $$; "
              "create function elements(a " +
              type + "[]) returns text language plpgsql as $$ declare x " + type +
              "; r text = ''; begin foreach x in array a loop r = r || coalesce(x::text, '-') || '|'; "
              "end loop; return r; end $$; "
              "create function slices1(a " +
              type + "[]) returns text language plpgsql as $$ declare x " + type +
              "[]; r text = ''; begin foreach x slice 1 in array a loop r = r || x::text || '|'; end loop; "
              "return r; end $$");
    std::vector<std::string> expressions;
    std::vector<Answer> host;
    auto add = [&](const std::string& expression, const Answer& answer) {
      expressions.push_back(expression);
      host.push_back(answer);
    };
    // Printed by the type's own output, as here, where a cast to text may do more: a boolean is "true" there.
    std::string shown = e.type == BOOLOID ? "case when x then 't' when not x then 'f' end" : "x::text";
    for (int round = 0; round < 60; round++) {
      ArrayCase c{&e};
      c.ndim = random.below(8) == 0 ? 0 : 1 + random.below(3);
      for (int i = 0; i < c.ndim; i++) {
        c.dims[i] = 1 + random.below(3);
        c.lbs[i] = random.below(2) ? 1 : random.below(7) - 3;
      }
      bool some_null = random.below(2) != 0;
      for (int i = 0; i < c.count(); i++) {
        c.texts.push_back(element_text(random, e.type));
        c.nulls.push_back(some_null && random.below(4) == 0);
      }
      for (int i = 0; i < 3; i++) c.at[i] = c.lbs[i] + random.below(4) - (random.below(5) == 0);
      c.replacement = element_text(random, e.type);
      c.replace_with_null = random.below(5) == 0;

      std::string sql = c.sql_with_bounds(), subscripts, numbers;
      for (int i = 0; i < Max(c.ndim, 1); i++) {
        subscripts += "[" + std::to_string(c.at[i]) + "]";
        numbers += (i ? "," : "") + std::to_string(c.at[i]);
      }
      add(sql, answer_of(constructed, &c));
      add("pg_column_size(" + sql + ")", answer_of(size_of_constructed, &c));
      add("coalesce((select string_agg(coalesce(" + shown + ", '-'), '|' order by n) from unnest(" + sql +
              ") with ordinality u(x, n)), '')",
          answer_of(taken_apart, &c));
      if (c.ndim > 0)
        add(e.type == BOOLOID ? "(select case when x then 't' when not x then 'f' end from (select (" + sql +
                                    ")" + subscripts + ") s(x))"
                              : "(" + sql + ")" + subscripts,
            answer_of(element_at, &c));
      std::string value = (c.replace_with_null ? "NULL" : sql_literal(c.replacement)) + "::" + type;
      add("put(" + sql + ", array[" + numbers + "], " + value + ")", answer_of(with_element, &c));
      if (e.type != BOOLOID) add("elements(" + sql + ")", answer_of(slices, &c));
      c.slice = 1;
      if (c.ndim > 0) add("slices1(" + sql + ")", answer_of(slices, &c));
      add("coalesce((select array_agg(x order by n) from unnest(" + sql + ") with ordinality u(x, n)), '{}')",
          answer_of(accumulated, &c));
    }
    server.compare(expressions, host, "arrays of " + type);
  }
}

struct ArraysCase {
  const Element* element;
  std::vector<ArrayCase> arrays;
};

char* arrays_gathered(ArraysCase* c) {
  Oid type = get_array_type(c->element->type);
  ArrayBuildStateArr* state = initArrayResultArr(type, c->element->type, CurrentMemoryContext, true);
  for (ArrayCase& array : c->arrays)
    state = accumArrayResultArr(state, PointerGetDatum(construct(&array)), false, type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResultArr(state, CurrentMemoryContext, true)));
}

char* any_gathered(ArraysCase* c) {
  Oid type = get_array_type(c->element->type);
  ArrayBuildStateAny* state = nullptr;
  for (ArrayCase& array : c->arrays)
    state = accumArrayResultAny(state, PointerGetDatum(construct(&array)), false, type, CurrentMemoryContext);
  return array_text(DatumGetArrayTypeP(makeArrayResultAny(state, CurrentMemoryContext, true)));
}

TEST(DataToolsBesideServer, ArraysOfArrays) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  for (const Element& e : elements) {
    std::vector<std::string> expressions;
    std::vector<Answer> host;
    for (int round = 0; round < 40; round++) {
      ArraysCase c{&e, {}};
      ArrayCase shape{&e};
      shape.ndim = random.below(10) == 0 ? 0 : 1 + random.below(3);
      for (int i = 0; i < shape.ndim; i++) {
        shape.dims[i] = 1 + random.below(3);
        shape.lbs[i] = random.below(2) ? 1 : random.below(7) - 3;
      }
      std::string values;
      for (int i = 1 + random.below(6), k = 0; k < i; k++) {
        ArrayCase array = shape;
        if (k > 0 && random.below(30) == 0 && array.ndim > 0) array.lbs[0]++;  // an error
        bool some_null = random.below(3) == 0;
        for (int n = 0; n < array.count(); n++) {
          array.texts.push_back(element_text(random, e.type));
          array.nulls.push_back(some_null && random.below(3) == 0);
        }
        values += (k ? ",(" : "(") + array.sql_with_bounds() + "," + std::to_string(k) + ")";
        c.arrays.push_back(array);
      }
      std::string sql = "(select array_agg(x order by n) from (values " + values + ") v(x, n))";
      expressions.push_back(sql);
      host.push_back(answer_of(arrays_gathered, &c));
      expressions.push_back(sql);
      host.push_back(answer_of(any_gathered, &c));
    }
    server.compare(expressions, host, std::string("arrays of arrays of ") + e.name);
  }
}

// --- tuples ---------------------------------------------------------------------------------------------

struct Column {
  const Element* element;
  std::string text, changed;
  bool is_null = false, changed_to_null = false, replace = false;
};
using Row = std::vector<Column>;

TupleDesc describe(Row* row) {
  TupleDesc desc = CreateTemplateTupleDesc(static_cast<int>(row->size()));
  for (size_t i = 0; i < row->size(); i++)
    TupleDescInitEntry(desc, static_cast<AttrNumber>(i + 1), psprintf("f%d", static_cast<int>(i + 1)),
                       (*row)[i].element->type, -1, 0);
  return desc;
}

HeapTuple form(Row* row, TupleDesc desc) {
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  for (size_t i = 0; i < row->size(); i++) {
    nulls[i] = (*row)[i].is_null;
    if (!nulls[i]) values[i] = element_value((*row)[i].element->type, (*row)[i].text);
  }
  return heap_form_tuple(desc, values, nulls);
}

// The values that heap_deform_tuple() gives, checked against heap_getattr() in the order from the last column.
char* show(Row* row, HeapTuple tuple, TupleDesc desc) {
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  heap_deform_tuple(tuple, desc, values, nulls);
  for (int i = desc->natts; i > 0; i--) {
    bool is_null;
    Datum value = heap_getattr(tuple, i, desc, &is_null);
    if (is_null != nulls[i - 1] || (!is_null && value != values[i - 1]))
      elog(ERROR, "column %d: heap_getattr and heap_deform_tuple differ", i);
    if (heap_attisnull(tuple, i, desc) != is_null) elog(ERROR, "column %d: heap_attisnull differs", i);
  }
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < desc->natts; i++)
    appendStringInfo(&text, "%s|",
                     nulls[i] ? "-" : element_out((*row)[static_cast<size_t>(i)].element->type, values[i]));
  appendStringInfo(&text, "%d",
                   static_cast<int>(HeapTupleHeaderGetDatumLength(
                       DatumGetHeapTupleHeader(heap_copy_tuple_as_datum(tuple, desc)))));
  return text.data;
}

char* formed(Row* row) {
  TupleDesc desc = describe(row);
  return show(row, heap_copytuple(form(row, desc)), CreateTupleDescCopy(desc));
}

char* modified(Row* row) {
  TupleDesc desc = describe(row);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  bool* replace = static_cast<bool*>(palloc0(row->size()));
  for (size_t i = 0; i < row->size(); i++) {
    const Column& column = (*row)[i];
    replace[i] = column.replace;
    nulls[i] = column.changed_to_null;
    if (replace[i] && !nulls[i]) values[i] = element_value(column.element->type, column.changed);
  }
  return show(row, heap_modify_tuple(form(row, desc), desc, values, nulls, replace), desc);
}

char* modified_by_columns(Row* row) {
  TupleDesc desc = describe(row);
  Datum* values = static_cast<Datum*>(palloc0(sizeof(Datum) * row->size()));
  bool* nulls = static_cast<bool*>(palloc0(row->size()));
  int* columns = static_cast<int*>(palloc0(sizeof(int) * row->size()));
  int n = 0;
  for (size_t i = row->size(); i-- > 0;) {
    const Column& column = (*row)[i];
    if (!column.replace) continue;
    columns[n] = static_cast<int>(i) + 1;
    nulls[n] = column.changed_to_null;
    if (!nulls[n]) values[n] = element_value(column.element->type, column.changed);
    n++;
  }
  return show(row, heap_modify_tuple_by_cols(form(row, desc), desc, n, columns, values, nulls), desc);
}

std::string row_sql(const Row& row, bool changed) {
  std::string list, shown;
  for (const Column& column : row) {
    bool other = changed && column.replace;
    bool is_null = other ? column.changed_to_null : column.is_null;
    std::string value =
        (is_null ? "NULL" : sql_literal(other ? column.changed : column.text)) + "::" + column.element->name;
    list += (list.empty() ? "" : ",") + value;
    shown += "coalesce(" +
             (column.element->type == BOOLOID ? "left((" + value + ")::text, 1)" : "(" + value + ")::text") +
             ",'-')||'|'||";
  }
  return shown + "pg_column_size(row(" + list + "))";
}

TEST(DataToolsBesideServer, Tuples) {
  BesideServer server;
  Random random(comparison_seed());
  query(server.connection(), "set timezone = 'GMT'");
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int round = 0; round < 300; round++) {
    Row row;
    for (int i = 1 + random.below(12); i > 0; i--) {
      const Element& e = elements[random.below(static_cast<int>(std::size(elements)))];
      Column column{&e, element_text(random, e.type), element_text(random, e.type)};
      // Long enough for a header of four bytes, now and then.
      if (e.type == TEXTOID && random.below(6) == 0) column.text += std::string(120 + random.below(20), 'x');
      column.is_null = random.below(5) == 0;
      column.changed_to_null = random.below(5) == 0;
      column.replace = random.below(2) != 0;
      row.push_back(column);
    }
    expressions.push_back(row_sql(row, false));
    host.push_back(answer_of(formed, &row));
    expressions.push_back(row_sql(row, true));
    host.push_back(answer_of(modified, &row));
    expressions.push_back(row_sql(row, true));
    host.push_back(answer_of(modified_by_columns, &row));
  }
  server.compare(expressions, host, "tuples");
}

// --- lists of names, quoting, names of types -------------------------------------------------------------

const std::vector<const char*> name_pieces{"a",      "B",  "\"",       "\"\"",    ",",        ", ",
                                           " ",      "c1", "\xc3\xa9", ".",       "'",        "\"a b\"",
                                           "select", "_",  "$",        "\"C,d\"", "a, \"B\"", "\t"};

char* split_identifiers(std::string* text) {
  List* names;
  if (!SplitIdentifierString(pstrdup(text->c_str()), ',', &names))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for parameter \"search_path\": \"%s\"", text->c_str())));
  // As the server uses it: schemas that exist, each once.
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < list_length(names); i++) {
    const char* name = static_cast<const char*>(list_nth(names, i));
    bool seen = strcmp(name, "a") != 0 && strcmp(name, "a b") != 0 && strcmp(name, "C,d") != 0 &&
                strcmp(name, "B") != 0 && strcmp(name, "c1") != 0 && strcmp(name, "b") != 0 &&
                strcmp(name, "select") != 0 && strcmp(name, "\"") != 0 && strcmp(name, "_") != 0;
    for (int k = 0; k < i; k++) seen = seen || strcmp(name, static_cast<const char*>(list_nth(names, k))) == 0;
    if (!seen) appendStringInfo(&list, "[%s]", name);
  }
  return list.data;
}

char* split_settings(std::string* text) {
  List* names;
  if (!SplitGUCList(pstrdup(text->c_str()), ',', &names)) elog(ERROR, "invalid list syntax in proconfig item");
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < list_length(names); i++)
    appendStringInfo(&list, "%s%s", i ? ", " : "",
                     quote_literal_cstr(static_cast<const char*>(list_nth(names, i))));
  return list.data;
}

char* qualified_name(std::string* text) {
  List* names = textToQualifiedNameList(cstring_to_text(text->c_str()));
  if (list_length(names) > 1 || strchr(strVal(list_nth(names, 0)), '.') != nullptr)
    return pstrdup("more than one name");
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                  errmsg("relation \"%s\" does not exist", strVal(list_nth(names, 0)))));
}

TEST(DataToolsBesideServer, ListsOfNames) {
  BesideServer server;
  Random random(comparison_seed());
  for (const char* name : {"a", "\"a b\"", "\"C,d\"", "\"B\"", "c1", "b", "\"select\"", "\"\"\"\"", "_"})
    query(server.connection(), std::string("create schema ") + name);
  query(server.connection(),
        "create function public.path_of(t text) returns text language plpgsql as $$ begin "
        "perform set_config('search_path', t, true); "
        "return coalesce((select string_agg('[' || s || ']', '' order by n) from "
        "unnest(pg_catalog.current_schemas(false)) with ordinality u(s, n)), ''); end $$; "
        "create function public.libraries_of(t text) returns text language plpgsql as $$ begin "
        "perform set_config('session_preload_libraries', t, true); "
        "create or replace function public.holder() returns int language sql set session_preload_libraries "
        "from current "
        "as 'select 1'; "
        "t = substring(pg_get_functiondef('public.holder'::regproc) from 'session_preload_libraries TO "
        "([^\\n]*)\\n'); "
        "return t; end $$; "
        "create function public.named(t text) returns text language plpgsql as $$ begin "
        "return pg_get_serial_sequence(t, 'c'); "
        "exception when undefined_table then if sqlerrm !~ '[.]' then raise; end if; return 'more than one "
        "name'; "
        "when invalid_schema_name or feature_not_supported or syntax_error then return 'more than "
        "one name'; end $$");
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int i = 0; i < 400; i++) {
    std::string text = random.pieces(name_pieces, 6);
    expressions.push_back("public.path_of(" + sql_literal(text) + ")");
    host.push_back(answer_of(split_identifiers, &text));
    if (text.find_first_not_of(" \t") != std::string::npos) {
      expressions.push_back("public.libraries_of(" + sql_literal(text) + ")");
      host.push_back(answer_of(split_settings, &text));
    }
    expressions.push_back("public.named(" + sql_literal(text) + ")");
    host.push_back(answer_of(qualified_name, &text));
  }
  server.compare(expressions, host, "lists of names");
}

char* json_escaped(std::string* text) {
  StringInfoData json;
  initStringInfo(&json);
  escape_json(&json, text->c_str());
  return json.data;
}

char* identifier_quoted(std::string* text) {
  return pstrdup(quote_identifier(text->c_str()));
}

char* qualified_quoted(std::string* text) {
  return quote_qualified_identifier("B c", text->c_str());
}

char* literal_quoted(std::string* text) {
  return quote_literal_cstr(text->c_str());
}

TEST(DataToolsBesideServer, Quoting) {
  BesideServer server;
  Random random(comparison_seed());
  const std::vector<const char*> pieces{"a",  "B",        "\"",           "'", "\\", "\n", "\x01", "\x1f", "/",
                                        "<",  "\xc3\xa9", "\xe2\x82\xac", "_", "9",  " ",  "\t",   "\b",   "\f",
                                        "\r", "\x7f",     "table",        "$"};
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (int i = 0; i < 500; i++) {
    std::string text = random.below(4)
                           ? random.pieces(pieces, 6)
                           : std::string(random.one_of({"select", "abort", "between", "year", "user", "table",
                                                        "level", "int", "left", "abc_1", "Abc", "1a", "a$b"}));
    std::string sql = sql_literal(text) + "::text";
    expressions.push_back("to_json(" + sql + ")");
    host.push_back(answer_of(json_escaped, &text));
    expressions.push_back("quote_ident(" + sql + ")");
    host.push_back(answer_of(identifier_quoted, &text));
    expressions.push_back("quote_ident('B c') || '.' || quote_ident(" + sql + ")");
    host.push_back(answer_of(qualified_quoted, &text));
    expressions.push_back("quote_literal(" + sql + ")");
    host.push_back(answer_of(literal_quoted, &text));
  }
  server.compare(expressions, host, "quoting");
}

struct TypeCase {
  Oid oid;
  int32 typmod;
};

char* type_named(TypeCase* c) {
  return format_type_with_typemod(c->oid, c->typmod);
}

char* type_named_plainly(TypeCase* c) {
  return format_type_be(c->oid);
}

// The types that a cluster has from the start, with and without modifiers, and OIDs that are none.
TEST(DataToolsBesideServer, NamesOfTypes) {
  BesideServer server;
  Random random(comparison_seed());
  PGresult* rows = PQexec(server.connection(), "select oid from pg_type where oid < 10000 order by oid");
  ASSERT_EQ(PQresultStatus(rows), PGRES_TUPLES_OK);
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  int named = 0;
  for (int i = 0; i < PQntuples(rows); i++) {
    TypeCase plain{static_cast<Oid>(strtoul(PQgetvalue(rows, i, 0), nullptr, 10)), -1};
    Answer answer = answer_of(type_named_plainly, &plain);
    if (answer.compare(0, 4, "ok: ") != 0) continue;  // looked up in a session, which this test has not
    named++;
    expressions.push_back("format_type(" + std::to_string(plain.oid) + ", null)");
    host.push_back(answer);
    for (int32 typmod : {-1, 4, 10, 0x40004, (3 << 16 | 0xffff), (0x1c00 << 16 | 2), random.below(1 << 20)}) {
      TypeCase c{plain.oid, typmod};
      expressions.push_back("format_type(" + std::to_string(c.oid) + ", " + std::to_string(typmod) + ")");
      host.push_back(answer_of(type_named, &c));
    }
  }
  // Every set of fields, most of which are none that an interval can have.
  for (int32 fields = 0; fields < 0x8000; fields += 4) {
    TypeCase c{INTERVALOID, static_cast<int32>(fields << 16 | (random.below(2) ? 0xffff : random.below(7)))};
    expressions.push_back("format_type(" + std::to_string(c.oid) + ", " + std::to_string(c.typmod) + ")");
    host.push_back(answer_of(type_named, &c));
  }
  PQclear(rows);
  printf("%d types named\n", named);
  EXPECT_GE(named, 100);
  server.compare(expressions, host, "names of types");
}

}  // namespace
