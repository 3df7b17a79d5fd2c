// jsonb as text (utils/jsonb.h): reading and printing, plain and indented.
#include <cstring>

#include "utils/json_parser.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
}

namespace {

struct Builder {
  JsonbParseState* stack;
  JsonbValue* result;
};

void push(void* state, JsonbIteratorToken token) {
  Builder* builder = static_cast<Builder*>(state);
  builder->result = pushJsonbValue(&builder->stack, token, nullptr);
}

JsonbValue string_value(const char* text, int len) {
  if (static_cast<uint32>(len) > JENTRY_OFFLENMASK)
    ereport(ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("string too long to represent as jsonb string"),
             errdetail("Due to an implementation restriction, jsonb strings cannot exceed %d bytes.",
                       JENTRY_OFFLENMASK)));
  JsonbValue value = {};
  value.type = jbvString;
  value.val.string.len = len;
  value.val.string.val = pnstrdup(text, static_cast<Size>(len));
  return value;
}

void on_key(void* state, const char* text, int len) {
  JsonbValue key = string_value(text, len);
  Builder* builder = static_cast<Builder*>(state);
  builder->result = pushJsonbValue(&builder->stack, WJB_KEY, &key);
}

void on_scalar(void* state, bgw::JsonScalar kind, const char* text, int len) {
  Builder* builder = static_cast<Builder*>(state);
  JsonbValue value = {};
  switch (kind) {
    case bgw::JsonScalar::null:
      value.type = jbvNull;
      break;
    case bgw::JsonScalar::boolean_true:
    case bgw::JsonScalar::boolean_false:
      value.type = jbvBool;
      value.val.boolean = kind == bgw::JsonScalar::boolean_true;
      break;
    case bgw::JsonScalar::number: {
      char* number = pnstrdup(text, static_cast<Size>(len));
      value.type = jbvNumeric;
      value.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(number),
                                                              ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
      pfree(number);
      break;
    }
    case bgw::JsonScalar::string:
      value = string_value(text, len);
      break;
  }
  if (builder->stack == nullptr) {
    // The whole document is one scalar: an array of one element that says so.
    JsonbValue wrapper = {};
    wrapper.type = jbvArray;
    wrapper.val.array.rawScalar = true;
    wrapper.val.array.nElems = 1;
    pushJsonbValue(&builder->stack, WJB_BEGIN_ARRAY, &wrapper);
    pushJsonbValue(&builder->stack, WJB_ELEM, &value);
    builder->result = pushJsonbValue(&builder->stack, WJB_END_ARRAY, nullptr);
    return;
  }
  const bool in_array = builder->stack->contVal.type == jbvArray;
  builder->result = pushJsonbValue(&builder->stack, in_array ? WJB_ELEM : WJB_VALUE, &value);
}

void print_scalar(StringInfo out, const JsonbValue* value) {
  switch (value->type) {
    case jbvNull:
      appendStringInfoString(out, "null");
      break;
    case jbvString:
      escape_json(out, pnstrdup(value->val.string.val, static_cast<Size>(value->val.string.len)));
      break;
    case jbvNumeric:
      appendStringInfoString(
          out, DatumGetCString(DirectFunctionCall1(numeric_out, PointerGetDatum(value->val.numeric))));
      break;
    case jbvBool:
      appendStringInfoString(out, value->val.boolean ? "true" : "false");
      break;
    default:
      elog(ERROR, "unknown jsonb scalar type");
  }
}

void new_line(StringInfo out, bool indent, int level) {
  if (!indent) return;
  appendStringInfoChar(out, '\n');
  appendStringInfoSpaces(out, level * 4);
}

char* print(StringInfo out, JsonbContainer* container, int estimated_len, bool indent) {
  if (out == nullptr) out = makeStringInfo();
  enlargeStringInfo(out, estimated_len >= 0 ? estimated_len : 64);
  JsonbIterator* it = JsonbIteratorInit(container);
  JsonbValue value;
  JsonbIteratorToken token;
  int level = 0;
  bool first = true;  // nothing printed yet in this container
  bool after_key = false;
  bool raw_scalar = false;
  while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE) {
    const bool item = token != WJB_END_ARRAY && token != WJB_END_OBJECT;
    // Keys and elements are set off from what came before; values follow their key.
    if (item && !after_key && !raw_scalar) {
      if (!first) appendStringInfoString(out, indent ? "," : ", ");
      if (level > 0) new_line(out, indent, level);
    }
    first = false;
    after_key = false;
    switch (token) {
      case WJB_BEGIN_ARRAY:
        if (value.val.array.rawScalar) {
          raw_scalar = true;
          break;
        }
        appendStringInfoChar(out, '[');
        level++;
        first = true;
        break;
      case WJB_BEGIN_OBJECT:
        appendStringInfoChar(out, '{');
        level++;
        first = true;
        break;
      case WJB_KEY:
        print_scalar(out, &value);
        appendStringInfoString(out, ": ");
        after_key = true;
        break;
      case WJB_VALUE:
      case WJB_ELEM:
        print_scalar(out, &value);
        break;
      case WJB_END_ARRAY:
      case WJB_END_OBJECT:
        if (raw_scalar) break;
        level--;
        new_line(out, indent, level);
        appendStringInfoChar(out, token == WJB_END_ARRAY ? ']' : '}');
        break;
      case WJB_DONE:
        break;
    }
  }
  return out->data;
}

}  // namespace

extern "C" {

Datum jsonb_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  Builder builder = {};
  bgw::JsonEvents events = {};
  events.state = &builder;
  events.begin_object = [](void* state) { push(state, WJB_BEGIN_OBJECT); };
  events.end_object = [](void* state) { push(state, WJB_END_OBJECT); };
  events.begin_array = [](void* state) { push(state, WJB_BEGIN_ARRAY); };
  events.end_array = [](void* state) { push(state, WJB_END_ARRAY); };
  events.key = on_key;
  events.scalar = on_scalar;
  bgw::parse_json(text, static_cast<int>(strlen(text)), true, &events);
  PG_RETURN_JSONB_P(JsonbValueToJsonb(builder.result));
}

Datum jsonb_out(PG_FUNCTION_ARGS) {
  Jsonb* value = PG_GETARG_JSONB_P(0);
  PG_RETURN_CSTRING(JsonbToCString(nullptr, &value->root, static_cast<int>(VARSIZE(value))));
}

char* JsonbToCString(StringInfo out, JsonbContainer* in, int estimated_len) {
  return print(out, in, estimated_len, false);
}

char* JsonbToCStringIndent(StringInfo out, JsonbContainer* in, int estimated_len) {
  return print(out, in, estimated_len, true);
}

Datum jsonb_pretty(PG_FUNCTION_ARGS) {
  Jsonb* value = PG_GETARG_JSONB_P(0);
  PG_RETURN_TEXT_P(
      cstring_to_text(JsonbToCStringIndent(nullptr, &value->root, static_cast<int>(VARSIZE(value)))));
}

}  // extern "C"
