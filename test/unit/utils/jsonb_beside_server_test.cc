// The property: what a module builds or takes apart with the C interface of jsonb (iterators, look-ups, comparison) is what the
// server makes of the same values in SQL, errors included.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/random_cases.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
}

namespace {

using namespace bgw_test;

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

}  // namespace
