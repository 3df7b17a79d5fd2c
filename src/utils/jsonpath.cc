// jsonpath (utils/jsonpath.h): a path in memory, printed, sent and received, and the functions that walk along it.
//
// The stored form is the server's, byte for byte. A node is its type, padding to a multiple of four, the distance to the node
// that follows it in the path (0: none), and what its type needs; distances are counted from the node's beginning. A node's
// arguments stand behind it, what follows it in the path behind those.
//
// Patterns of like_regex are looked at by the upstream when a module reads a path in a transaction, for they are in its
// regular expressions; what the upstream has printed needs no look.
#include <cstring>

#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonpath.h"
}

namespace {

struct Writer {
  StringInfoData out;  // with the header
  bool has_pattern;
};

int32 position(const Writer* writer) {
  return writer->out.len - static_cast<int32>(JSONPATH_HDRSZ);
}

void append_int(Writer* writer, uint32 value) {
  appendBinaryStringInfo(&writer->out, reinterpret_cast<const char*>(&value), sizeof(value));
}

// Where a distance will be written.
int reserve(Writer* writer) {
  append_int(writer, 0);
  return writer->out.len - static_cast<int>(sizeof(int32));
}

void fill(Writer* writer, int place, int32 distance) {
  memcpy(writer->out.data + place, &distance, sizeof(distance));
}

void align(Writer* writer) {
  while (writer->out.len % static_cast<int>(ALIGNOF_INT) != 0) appendStringInfoChar(&writer->out, '\0');
}

// What may stand at a place: "@" inside a filter, LAST inside a subscript.
struct Place {
  bool in_filter;
  bool in_subscript;
};

int32 write_path(Writer* writer, const JsonPathParseItem* item, Place place);

void write_argument(Writer* writer, int32 here, const JsonPathParseItem* argument, Place place, int distance) {
  if (argument != nullptr) fill(writer, distance, write_path(writer, argument, place) - here);
}

void write_content(Writer* writer, int32 here, const JsonPathParseItem* item, Place place) {
  switch (item->type) {
    case jpiString:
    case jpiVariable:
    case jpiKey:
      append_int(writer, item->value.string.len);
      appendBinaryStringInfo(&writer->out, item->value.string.val, static_cast<int>(item->value.string.len));
      appendStringInfoChar(&writer->out, '\0');
      break;
    case jpiNumeric:
      appendBinaryStringInfo(&writer->out, reinterpret_cast<const char*>(item->value.numeric),
                             static_cast<int>(VARSIZE(item->value.numeric)));
      break;
    case jpiBool:
      appendStringInfoChar(&writer->out, static_cast<char>(item->value.boolean));
      break;
    case jpiAnd:
    case jpiOr:
    case jpiEqual:
    case jpiNotEqual:
    case jpiLess:
    case jpiGreater:
    case jpiLessOrEqual:
    case jpiGreaterOrEqual:
    case jpiAdd:
    case jpiSub:
    case jpiMul:
    case jpiDiv:
    case jpiMod:
    case jpiStartsWith: {
      const int left = reserve(writer), right = reserve(writer);
      write_argument(writer, here, item->value.args.left, place, left);
      write_argument(writer, here, item->value.args.right, place, right);
      break;
    }
    case jpiLikeRegex: {
      writer->has_pattern = true;
      append_int(writer, item->value.like_regex.flags);
      const int expression = reserve(writer);
      append_int(writer, item->value.like_regex.patternlen);
      appendBinaryStringInfo(&writer->out, item->value.like_regex.pattern,
                             static_cast<int>(item->value.like_regex.patternlen));
      appendStringInfoChar(&writer->out, '\0');
      write_argument(writer, here, item->value.like_regex.expr, place, expression);
      break;
    }
    case jpiFilter:
    case jpiIsUnknown:
    case jpiNot:
    case jpiPlus:
    case jpiMinus:
    case jpiExists:
    case jpiDatetime: {
      const int argument = reserve(writer);
      if (item->type == jpiFilter) place.in_filter = true;
      write_argument(writer, here, item->value.arg, place, argument);
      break;
    }
    case jpiCurrent:
      if (!place.in_filter)
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("@ is not allowed in root expressions")));
      break;
    case jpiLast:
      if (!place.in_subscript)
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("LAST is allowed only in array subscripts")));
      break;
    case jpiIndexArray: {
      append_int(writer, static_cast<uint32>(item->value.array.nelems));
      int distance = writer->out.len;
      for (int i = 0; i < 2 * item->value.array.nelems; i++) append_int(writer, 0);
      place.in_subscript = true;
      for (int i = 0; i < item->value.array.nelems; i++) {
        write_argument(writer, here, item->value.array.elems[i].from, place, distance);
        write_argument(writer, here, item->value.array.elems[i].to, place, distance + static_cast<int>(sizeof(int32)));
        distance += 2 * static_cast<int>(sizeof(int32));
      }
      break;
    }
    case jpiAny:
      append_int(writer, item->value.anybounds.first);
      append_int(writer, item->value.anybounds.last);
      break;
    case jpiNull:
    case jpiRoot:
    case jpiAnyArray:
    case jpiAnyKey:
    case jpiType:
    case jpiSize:
    case jpiAbs:
    case jpiFloor:
    case jpiCeiling:
    case jpiDouble:
    case jpiKeyValue:
      break;
    default:
      elog(ERROR, "unrecognized jsonpath item type: %d", item->type);
  }
}

// The node and all that follows it; answers where it begins.
int32 write_path(Writer* writer, const JsonPathParseItem* item, Place place) {
  check_stack_depth();
  CHECK_FOR_INTERRUPTS();
  const int32 first = position(writer);
  int32 here = first;
  for (;;) {
    appendStringInfoChar(&writer->out, static_cast<char>(item->type));
    align(writer);
    const int next = reserve(writer);
    write_content(writer, here, item, place);
    item = item->next;
    if (item == nullptr) return first;
    fill(writer, next, position(writer) - here);
    here = position(writer);
  }
}

// The upstream's error if it cannot compile a pattern.
void check_patterns(const char* text) {
  if (!bgw::trusted_text && bgw_have_session() && IsTransactionState())
    (void)bgw::read_by_upstream(JSONPATHOID, text);
}

JsonPath* read_path(const char* text, int length) {
  const JsonPathParseResult* parsed = parsejsonpath(text, length);
  if (parsed == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "jsonpath", text)));
  Writer writer = {};
  initStringInfo(&writer.out);
  enlargeStringInfo(&writer.out, 4 * length);
  for (Size i = 0; i < JSONPATH_HDRSZ; i++) appendStringInfoChar(&writer.out, '\0');
  (void)write_path(&writer, parsed->expr, {});
  if (writer.has_pattern) check_patterns(text);
  JsonPath* path = reinterpret_cast<JsonPath*>(writer.out.data);
  SET_VARSIZE(path, writer.out.len);
  path->header = JSONPATH_VERSION | (parsed->lax ? JSONPATH_LAX : 0);
  return path;
}

// ---- printing ----

// How tightly an operator binds: the argument of a tighter one needs parentheses.
int priority(JsonPathItemType type) {
  switch (type) {
    case jpiOr:
      return 0;
    case jpiAnd:
      return 1;
    case jpiEqual:
    case jpiNotEqual:
    case jpiLess:
    case jpiGreater:
    case jpiLessOrEqual:
    case jpiGreaterOrEqual:
    case jpiStartsWith:
      return 2;
    case jpiAdd:
    case jpiSub:
      return 3;
    case jpiMul:
    case jpiDiv:
    case jpiMod:
      return 4;
    case jpiPlus:
    case jpiMinus:
      return 5;
    default:
      return 6;
  }
}

void print_path(StringInfo out, JsonPathItem* item, bool in_key, bool parentheses);

void print_argument(StringInfo out, const JsonPathItem* of, JsonPathItem* argument) {
  print_path(out, argument, false, priority(argument->type) <= priority(of->type));
}

void print_text(StringInfo out, JsonPathItem* item) {
  escape_json(out, jspGetString(item, nullptr));
}

void print_operation(StringInfo out, JsonPathItem* item) {
  JsonPathItem argument;
  jspGetLeftArg(item, &argument);
  print_argument(out, item, &argument);
  appendStringInfo(out, " %s ", jspOperationName(item->type));
  jspGetRightArg(item, &argument);
  print_argument(out, item, &argument);
}

void print_pattern(StringInfo out, JsonPathItem* item) {
  JsonPathItem argument;
  jspInitByBuffer(&argument, item->base, item->content.like_regex.expr);
  print_argument(out, item, &argument);
  appendStringInfoString(out, " like_regex ");
  escape_json(out, item->content.like_regex.pattern);
  if (item->content.like_regex.flags == 0) return;
  appendStringInfoString(out, " flag \"");
  for (int i = 0; i < 5; i++)
    if ((item->content.like_regex.flags & (1U << i)) != 0) appendStringInfoChar(out, "ismxq"[i]);
  appendStringInfoChar(out, '"');
}

void print_subscripts(StringInfo out, JsonPathItem* item) {
  appendStringInfoChar(out, '[');
  for (int i = 0; i < item->content.array.nelems; i++) {
    JsonPathItem from, to;
    const bool range = jspGetArraySubscript(item, &from, &to, i);
    if (i > 0) appendStringInfoChar(out, ',');
    print_path(out, &from, false, false);
    if (!range) continue;
    appendStringInfoString(out, " to ");
    print_path(out, &to, false, false);
  }
  appendStringInfoChar(out, ']');
}

void print_level(StringInfo out, uint32 level) {
  if (level == PG_UINT32_MAX)
    appendStringInfoString(out, "last");
  else
    appendStringInfo(out, "%u", level);
}

void print_levels(StringInfo out, uint32 first, uint32 last) {
  appendStringInfoString(out, "**");
  if (first == 0 && last == PG_UINT32_MAX) return;
  appendStringInfoChar(out, '{');
  print_level(out, first);
  if (first != last) {
    appendStringInfoString(out, " to ");
    print_level(out, last);
  }
  appendStringInfoChar(out, '}');
}

// An argument, if there is one, between two texts.
void print_around(StringInfo out, JsonPathItem* item, const char* before, const char* behind) {
  appendStringInfoString(out, before);
  if (item->content.arg != 0) {
    JsonPathItem argument;
    jspGetArg(item, &argument);
    print_path(out, &argument, false, false);
  }
  appendStringInfoString(out, behind);
}

void print_signed(StringInfo out, JsonPathItem* item) {
  appendStringInfoChar(out, item->type == jpiPlus ? '+' : '-');
  JsonPathItem argument;
  jspGetArg(item, &argument);
  print_argument(out, item, &argument);
}

void print_item(StringInfo out, JsonPathItem* item, bool in_key, bool parentheses) {
  const bool with_point = in_key && (item->type == jpiKey || item->type == jpiAnyKey || item->type == jpiAny);
  if (with_point) appendStringInfoChar(out, '.');
  switch (item->type) {
    case jpiNull:
      appendStringInfoString(out, "null");
      return;
    case jpiKey:
    case jpiString:
      print_text(out, item);
      return;
    case jpiVariable:
      appendStringInfoChar(out, '$');
      print_text(out, item);
      return;
    case jpiNumeric: {
      // What follows a number would be read as part of it.
      const char* format = jspHasNext(item) ? "(%s)" : "%s";
      appendStringInfo(out, format,
                       DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(jspGetNumeric(item)))));
      return;
    }
    case jpiBool:
      appendStringInfoString(out, jspGetBool(item) ? "true" : "false");
      return;
    case jpiAnd:
    case jpiOr:
    case jpiEqual:
    case jpiNotEqual:
    case jpiLess:
    case jpiGreater:
    case jpiLessOrEqual:
    case jpiGreaterOrEqual:
    case jpiAdd:
    case jpiSub:
    case jpiMul:
    case jpiDiv:
    case jpiMod:
    case jpiStartsWith:
    case jpiLikeRegex:
    case jpiPlus:
    case jpiMinus:
      if (parentheses) appendStringInfoChar(out, '(');
      if (item->type == jpiLikeRegex)
        print_pattern(out, item);
      else if (item->type == jpiPlus || item->type == jpiMinus)
        print_signed(out, item);
      else
        print_operation(out, item);
      if (parentheses) appendStringInfoChar(out, ')');
      return;
    case jpiFilter:
      print_around(out, item, "?(", ")");
      return;
    case jpiNot:
      print_around(out, item, "!(", ")");
      return;
    case jpiIsUnknown:
      print_around(out, item, "(", ") is unknown");
      return;
    case jpiExists:
      print_around(out, item, "exists (", ")");
      return;
    case jpiDatetime:
      print_around(out, item, ".datetime(", ")");
      return;
    case jpiCurrent:
      appendStringInfoChar(out, '@');
      return;
    case jpiRoot:
      appendStringInfoChar(out, '$');
      return;
    case jpiLast:
      appendStringInfoString(out, "last");
      return;
    case jpiAnyArray:
      appendStringInfoString(out, "[*]");
      return;
    case jpiAnyKey:
      appendStringInfoChar(out, '*');
      return;
    case jpiIndexArray:
      print_subscripts(out, item);
      return;
    case jpiAny:
      print_levels(out, item->content.anybounds.first, item->content.anybounds.last);
      return;
    case jpiType:
    case jpiSize:
    case jpiAbs:
    case jpiFloor:
    case jpiCeiling:
    case jpiDouble:
    case jpiKeyValue:
      appendStringInfo(out, ".%s()", jspOperationName(item->type));
      return;
    case jpiSubscript:
      break;
  }
  elog(ERROR, "unrecognized jsonpath item type: %d", item->type);
}

// The item and what follows it. `in_key`: it follows another; `parentheses`: around an operation.
void print_path(StringInfo out, JsonPathItem* item, bool in_key, bool parentheses) {
  check_stack_depth();
  CHECK_FOR_INTERRUPTS();
  print_item(out, item, in_key, parentheses);
  JsonPathItem next;
  while (jspGetNext(item, &next)) {
    print_item(out, &next, true, true);
    item = &next;
  }
}

void print_whole(StringInfo out, JsonPath* path) {
  if ((path->header & JSONPATH_LAX) == 0) appendStringInfoString(out, "strict ");
  JsonPathItem item;
  jspInit(&item, path);
  print_path(out, &item, false, true);
}

int32 read_int(char** at) {
  int32 value;
  memcpy(&value, *at, sizeof(value));
  *at += sizeof(value);
  return value;
}

bool has_arguments(JsonPathItemType type) {
  return type == jpiAnd || type == jpiOr || (type >= jpiEqual && type <= jpiMod) || type == jpiStartsWith;
}

}  // namespace

extern "C" {

Datum jsonpath_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  PG_RETURN_JSONPATH_P(read_path(text, static_cast<int>(strlen(text))));
}

Datum jsonpath_out(PG_FUNCTION_ARGS) {
  StringInfoData out;
  initStringInfo(&out);
  print_whole(&out, PG_GETARG_JSONPATH_P(0));
  PG_RETURN_CSTRING(out.data);
}

// A version, and the text.
Datum jsonpath_recv(PG_FUNCTION_ARGS) {
  StringInfo message = reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
  const int version = static_cast<int>(pq_getmsgint(message, 1));
  if (version != JSONPATH_VERSION) elog(ERROR, "unsupported jsonpath version number: %d", version);
  int length;
  const char* text = pq_getmsgtext(message, message->len - message->cursor, &length);
  PG_RETURN_JSONPATH_P(read_path(text, length));
}

Datum jsonpath_send(PG_FUNCTION_ARGS) {
  StringInfoData text, out;
  initStringInfo(&text);
  print_whole(&text, PG_GETARG_JSONPATH_P(0));
  pq_begintypsend(&out);
  pq_sendbyte(&out, JSONPATH_VERSION);
  pq_sendtext(&out, text.data, text.len);
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

void jspInit(JsonPathItem* v, JsonPath* js) {
  if ((js->header & ~JSONPATH_LAX) != JSONPATH_VERSION)
    elog(ERROR, "unsupported jsonpath version: %u", js->header & ~JSONPATH_LAX);
  jspInitByBuffer(v, js->data, 0);
}

// The node at `pos` of the path whose nodes begin at `base`.
void jspInitByBuffer(JsonPathItem* v, char* base, int32 pos) {
  v->base = base + pos;
  v->type = static_cast<JsonPathItemType>(static_cast<unsigned char>(*v->base));
  char* at = reinterpret_cast<char*>(INTALIGN(reinterpret_cast<uintptr_t>(v->base + 1)));
  v->nextPos = read_int(&at);
  if (has_arguments(v->type)) {
    v->content.args.left = read_int(&at);
    v->content.args.right = read_int(&at);
    return;
  }
  switch (v->type) {
    case jpiString:
    case jpiVariable:
    case jpiKey:
      v->content.value.datalen = read_int(&at);
      v->content.value.data = at;
      break;
    case jpiNumeric:
    case jpiBool:
      v->content.value.data = at;
      break;
    case jpiLikeRegex:
      v->content.like_regex.flags = static_cast<uint32>(read_int(&at));
      v->content.like_regex.expr = read_int(&at);
      v->content.like_regex.patternlen = read_int(&at);
      v->content.like_regex.pattern = at;
      break;
    case jpiNot:
    case jpiIsUnknown:
    case jpiExists:
    case jpiPlus:
    case jpiMinus:
    case jpiFilter:
    case jpiDatetime:
      v->content.arg = read_int(&at);
      break;
    case jpiIndexArray:
      v->content.array.nelems = read_int(&at);
      v->content.array.elems = reinterpret_cast<decltype(v->content.array.elems)>(at);
      break;
    case jpiAny:
      v->content.anybounds.first = static_cast<uint32>(read_int(&at));
      v->content.anybounds.last = static_cast<uint32>(read_int(&at));
      break;
    default:
      if (v->type > jpiLikeRegex) elog(ERROR, "unrecognized jsonpath item type: %d", v->type);
  }
}

// What follows in the path, if anything; `a` may be nullptr.
bool jspGetNext(JsonPathItem* v, JsonPathItem* a) {
  if (!jspHasNext(v)) return false;
  if (a != nullptr) jspInitByBuffer(a, v->base, v->nextPos);
  return true;
}

void jspGetArg(JsonPathItem* v, JsonPathItem* a) {
  jspInitByBuffer(a, v->base, v->content.arg);
}

void jspGetLeftArg(JsonPathItem* v, JsonPathItem* a) {
  jspInitByBuffer(a, v->base, v->content.args.left);
}

void jspGetRightArg(JsonPathItem* v, JsonPathItem* a) {
  jspInitByBuffer(a, v->base, v->content.args.right);
}

Numeric jspGetNumeric(JsonPathItem* v) {
  return reinterpret_cast<Numeric>(v->content.value.data);
}

bool jspGetBool(JsonPathItem* v) {
  return *v->content.value.data != 0;
}

char* jspGetString(JsonPathItem* v, int32* len) {
  if (len != nullptr) *len = v->content.value.datalen;
  return v->content.value.data;
}

// The bounds of the subscript i; false if it is one number, `from`.
bool jspGetArraySubscript(JsonPathItem* v, JsonPathItem* from, JsonPathItem* to, int i) {
  jspInitByBuffer(from, v->base, v->content.array.elems[i].from);
  if (v->content.array.elems[i].to == 0) return false;
  jspInitByBuffer(to, v->base, v->content.array.elems[i].to);
  return true;
}

const char* jspOperationName(JsonPathItemType type) {
  switch (type) {
    case jpiAnd:
      return "&&";
    case jpiOr:
      return "||";
    case jpiEqual:
      return "==";
    case jpiNotEqual:
      return "!=";
    case jpiLess:
      return "<";
    case jpiGreater:
      return ">";
    case jpiLessOrEqual:
      return "<=";
    case jpiGreaterOrEqual:
      return ">=";
    case jpiPlus:
    case jpiAdd:
      return "+";
    case jpiMinus:
    case jpiSub:
      return "-";
    case jpiMul:
      return "*";
    case jpiDiv:
      return "/";
    case jpiMod:
      return "%";
    case jpiStartsWith:
      return "starts with";
    case jpiLikeRegex:
      return "like_regex";
    case jpiType:
      return "type";
    case jpiSize:
      return "size";
    case jpiKeyValue:
      return "keyvalue";
    case jpiDouble:
      return "double";
    case jpiAbs:
      return "abs";
    case jpiFloor:
      return "floor";
    case jpiCeiling:
      return "ceiling";
    case jpiDatetime:
      return "datetime";
    default:
      elog(ERROR, "unrecognized jsonpath item type: %d", type);
  }
  return nullptr;
}

}  // extern "C"
