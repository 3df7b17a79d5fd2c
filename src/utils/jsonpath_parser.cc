// parsejsonpath() (utils/jsonpath.h): the tree that a jsonpath's text means.
//
// The language has expressions, which have values, and predicates, which are true or false; behind an opening parenthesis it
// is seen only later which of the two it is. One reader therefore reads both and says what it has read, and where only one
// of them may stand, the other is an error at the word that would have had to go on with it. Words are read one at a time
// and as late as possible: what is wrong with a number or a pattern is told before what is wrong with the text behind it.
#include <cstring>

#include "utils/jsonpath_scanner.hpp"

extern "C" {
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"
}

namespace {

using bgw::PathToken;

struct Parser {
  bgw::PathScanner scanner;
  bool looked_ahead;  // scanner.token is the word that comes next
};

enum class Kind : unsigned char { expression, predicate };

struct Parsed {
  JsonPathParseItem* item;
  Kind kind;
};

enum class Wanted : unsigned char { either, expression, predicate };

PathToken peek(Parser* parser) {
  if (!parser->looked_ahead) bgw::next_path_token(&parser->scanner);
  parser->looked_ahead = true;
  return parser->scanner.token;
}

bool next_is(Parser* parser, PathToken token) {
  return peek(parser) == token;
}

bool next_is(Parser* parser, char symbol) {
  return peek(parser) == PathToken::symbol && parser->scanner.symbol == symbol;
}

void consume(Parser* parser) {
  (void)peek(parser);
  parser->looked_ahead = false;
}

template <class Token>
bool accept(Parser* parser, Token token) {
  if (!next_is(parser, token)) return false;
  consume(parser);
  return true;
}

[[noreturn]] void syntax_error(Parser* parser) {
  (void)peek(parser);
  bgw::path_syntax_error(&parser->scanner, "syntax error");
}

template <class Token>
void expect(Parser* parser, Token token) {
  if (!accept(parser, token)) syntax_error(parser);
}

JsonPathParseItem* make_item(JsonPathItemType type) {
  CHECK_FOR_INTERRUPTS();
  JsonPathParseItem* item = static_cast<JsonPathParseItem*>(palloc0(sizeof(JsonPathParseItem)));
  item->type = type;
  return item;
}

// Of the word that comes next.
JsonPathParseItem* take_text(Parser* parser, JsonPathItemType type) {
  JsonPathParseItem* item = make_item(type);
  item->value.string.val = parser->scanner.value;
  item->value.string.len = static_cast<uint32>(parser->scanner.value_length);
  consume(parser);
  return item;
}

JsonPathParseItem* take_number(Parser* parser) {
  JsonPathParseItem* item = make_item(jpiNumeric);
  item->value.numeric =
      DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(parser->scanner.value),
                                          ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
  consume(parser);
  return item;
}

JsonPathParseItem* take_boolean(Parser* parser, bool value) {
  JsonPathParseItem* item = make_item(jpiBool);
  item->value.boolean = value;
  consume(parser);
  return item;
}

JsonPathParseItem* take(Parser* parser, JsonPathItemType type) {
  consume(parser);
  return make_item(type);
}

JsonPathParseItem* binary(JsonPathItemType type, JsonPathParseItem* left, JsonPathParseItem* right) {
  JsonPathParseItem* item = make_item(type);
  item->value.args.left = left;
  item->value.args.right = right;
  return item;
}

JsonPathParseItem* unary(JsonPathItemType type, JsonPathParseItem* argument) {
  JsonPathParseItem* item = make_item(type);
  item->value.arg = argument;
  return item;
}

// The sign of a number is part of it.
JsonPathParseItem* with_sign(JsonPathItemType type, JsonPathParseItem* argument) {
  if (argument->type != jpiNumeric || argument->next != nullptr) return unary(type, argument);
  if (type == jpiPlus) return argument;
  JsonPathParseItem* item = make_item(jpiNumeric);
  item->value.numeric = DatumGetNumeric(
      DirectFunctionCall1(numeric_uminus, NumericGetDatum(argument->value.numeric)));
  return item;
}

Parsed read_any(Parser* parser, int priority, Wanted wanted);
Parsed read_arithmetic(Parser* parser, int priority, Wanted wanted);

JsonPathParseItem* read_expression(Parser* parser) {
  return read_arithmetic(parser, 0, Wanted::expression).item;
}

JsonPathParseItem* read_filter(Parser* parser) {
  consume(parser);
  expect(parser, '(');
  JsonPathParseItem* predicate = read_any(parser, 0, Wanted::predicate).item;
  expect(parser, ')');
  return unary(jpiFilter, predicate);
}

// From behind the bracket: "*", or subscripts and ranges of them.
JsonPathParseItem* read_subscripts(Parser* parser) {
  if (accept(parser, '*')) {
    expect(parser, ']');
    return make_item(jpiAnyArray);
  }
  List* bounds = NIL;
  do {
    bounds = lappend(bounds, read_expression(parser));
    bounds = lappend(bounds, accept(parser, PathToken::word_to) ? read_expression(parser) : nullptr);
  } while (accept(parser, ','));
  expect(parser, ']');
  JsonPathParseItem* item = make_item(jpiIndexArray);
  item->value.array.nelems = list_length(bounds) / 2;
  item->value.array.elems = static_cast<decltype(item->value.array.elems)>(
      palloc(sizeof(item->value.array.elems[0]) * static_cast<Size>(item->value.array.nelems)));
  for (int i = 0; i < item->value.array.nelems; i++) {
    item->value.array.elems[i].from = static_cast<JsonPathParseItem*>(list_nth(bounds, 2 * i));
    item->value.array.elems[i].to = static_cast<JsonPathParseItem*>(list_nth(bounds, 2 * i + 1));
  }
  return item;
}

uint32 read_level(Parser* parser) {
  if (accept(parser, PathToken::word_last)) return PG_UINT32_MAX;
  if (!next_is(parser, PathToken::integer)) syntax_error(parser);
  const uint32 level = static_cast<uint32>(pg_strtoint32(parser->scanner.value));
  consume(parser);
  return level;
}

// "**", at which levels in braces.
JsonPathParseItem* read_any_path(Parser* parser) {
  JsonPathParseItem* item = take(parser, jpiAny);
  item->value.anybounds.first = 0;
  item->value.anybounds.last = PG_UINT32_MAX;
  if (!accept(parser, '{')) return item;
  item->value.anybounds.first = item->value.anybounds.last = read_level(parser);
  if (accept(parser, PathToken::word_to)) item->value.anybounds.last = read_level(parser);
  expect(parser, '}');
  return item;
}

// The method of that name; jpiNull if there is none.
JsonPathItemType method_named(PathToken name) {
  switch (name) {
    case PathToken::word_abs:
      return jpiAbs;
    case PathToken::word_size:
      return jpiSize;
    case PathToken::word_type:
      return jpiType;
    case PathToken::word_floor:
      return jpiFloor;
    case PathToken::word_double:
      return jpiDouble;
    case PathToken::word_ceiling:
      return jpiCeiling;
    case PathToken::word_keyvalue:
      return jpiKeyValue;
    case PathToken::word_datetime:
      return jpiDatetime;
    default:
      return jpiNull;
  }
}

// What follows a point.
JsonPathParseItem* read_member(Parser* parser) {
  const PathToken name = peek(parser);
  if (next_is(parser, '*')) return take(parser, jpiAnyKey);
  if (name == PathToken::double_asterisk) return read_any_path(parser);
  if (name != PathToken::string && name != PathToken::identifier && name < PathToken::word_to) syntax_error(parser);
  JsonPathParseItem* key = take_text(parser, jpiKey);
  const JsonPathItemType method = method_named(name);
  if (method == jpiNull || !accept(parser, '(')) return key;
  JsonPathParseItem* item = make_item(method);
  if (method == jpiDatetime && next_is(parser, PathToken::string)) item->value.arg = take_text(parser, jpiString);
  expect(parser, ')');
  return item;
}

bool accessor_follows(Parser* parser) {
  return next_is(parser, '.') || next_is(parser, '[') || next_is(parser, '?');
}

// The accessors behind `item`, which become the end of its chain.
void read_accessors(Parser* parser, JsonPathParseItem* item) {
  while (item->next != nullptr) item = item->next;
  while (accessor_follows(parser)) {
    JsonPathParseItem* next;
    if (accept(parser, '.'))
      next = read_member(parser);
    else if (accept(parser, '['))
      next = read_subscripts(parser);
    else
      next = read_filter(parser);
    item->next = next;
    item = next;
  }
}

// From the parenthesis on: an expression, a predicate, or one of them with accessors, which is an expression.
Parsed read_parenthesized(Parser* parser, Wanted wanted) {
  consume(parser);
  Parsed inner = read_any(parser, 0, Wanted::either);
  expect(parser, ')');
  if (accessor_follows(parser)) {
    read_accessors(parser, inner.item);
    return {inner.item, Kind::expression};
  }
  if (inner.kind == Kind::predicate) {
    if (wanted == Wanted::expression) syntax_error(parser);
    if (accept(parser, PathToken::word_is)) {
      expect(parser, PathToken::word_unknown);
      return {unary(jpiIsUnknown, inner.item), Kind::predicate};
    }
  }
  return inner;
}

JsonPathParseItem* read_exists(Parser* parser) {
  consume(parser);
  expect(parser, '(');
  JsonPathParseItem* expression = read_expression(parser);
  expect(parser, ')');
  return unary(jpiExists, expression);
}

// From the "!" on: a predicate in parentheses, or whether something exists.
JsonPathParseItem* read_not(Parser* parser) {
  consume(parser);
  if (next_is(parser, PathToken::word_exists)) return unary(jpiNot, read_exists(parser));
  expect(parser, '(');
  JsonPathParseItem* predicate = read_any(parser, 0, Wanted::predicate).item;
  expect(parser, ')');
  return unary(jpiNot, predicate);
}

JsonPathParseItem* read_primary(Parser* parser) {
  switch (peek(parser)) {
    case PathToken::string:
      return take_text(parser, jpiString);
    case PathToken::variable:
      return take_text(parser, jpiVariable);
    case PathToken::number:
    case PathToken::integer:
      return take_number(parser);
    case PathToken::word_null:
      return take(parser, jpiNull);
    case PathToken::word_true:
      return take_boolean(parser, true);
    case PathToken::word_false:
      return take_boolean(parser, false);
    case PathToken::word_last:
      return take(parser, jpiLast);
    default:
      if (next_is(parser, '$')) return take(parser, jpiRoot);
      if (next_is(parser, '@')) return take(parser, jpiCurrent);
      syntax_error(parser);
  }
}

// Without arithmetic between: something with a sign, in parentheses, or a primary with its accessors.
Parsed read_operand(Parser* parser, Wanted wanted) {
  check_stack_depth();
  if (next_is(parser, '+') || next_is(parser, '-')) {
    const JsonPathItemType sign = next_is(parser, '+') ? jpiPlus : jpiMinus;
    consume(parser);
    return {with_sign(sign, read_operand(parser, Wanted::expression).item), Kind::expression};
  }
  if (next_is(parser, '(')) return read_parenthesized(parser, wanted);
  if (wanted != Wanted::expression) {
    if (next_is(parser, PathToken::exclamation)) return {read_not(parser), Kind::predicate};
    if (next_is(parser, PathToken::word_exists)) return {read_exists(parser), Kind::predicate};
  }
  JsonPathParseItem* item = read_primary(parser);
  read_accessors(parser, item);
  return {item, Kind::expression};
}

struct Operator {
  JsonPathItemType type;
  int priority;  // 0 if it is none
};

Operator arithmetic_operator(Parser* parser) {
  if (next_is(parser, '+')) return {jpiAdd, 1};
  if (next_is(parser, '-')) return {jpiSub, 1};
  if (next_is(parser, '*')) return {jpiMul, 2};
  if (next_is(parser, '/')) return {jpiDiv, 2};
  if (next_is(parser, '%')) return {jpiMod, 2};
  return {jpiNull, 0};
}

// Joined by the operators above `priority`.
Parsed read_arithmetic(Parser* parser, int priority, Wanted wanted) {
  Parsed left = read_operand(parser, wanted);
  if (left.kind == Kind::predicate) return left;
  for (;;) {
    const Operator op = arithmetic_operator(parser);
    if (op.priority <= priority) return left;
    consume(parser);
    left.item = binary(op.type, left.item, read_arithmetic(parser, op.priority, Wanted::expression).item);
  }
}

JsonPathItemType comparison(PathToken token) {
  switch (token) {
    case PathToken::equal:
      return jpiEqual;
    case PathToken::not_equal:
      return jpiNotEqual;
    case PathToken::less:
      return jpiLess;
    case PathToken::less_or_equal:
      return jpiLessOrEqual;
    case PathToken::greater:
      return jpiGreater;
    case PathToken::greater_or_equal:
      return jpiGreaterOrEqual;
    default:
      return jpiNull;
  }
}

// From behind LIKE_REGEX. Whether the pattern is one is not looked at here.
JsonPathParseItem* read_pattern(Parser* parser, JsonPathParseItem* expression) {
  if (!next_is(parser, PathToken::string)) syntax_error(parser);
  JsonPathParseItem* item = make_item(jpiLikeRegex);
  item->value.like_regex.expr = expression;
  item->value.like_regex.pattern = parser->scanner.value;
  item->value.like_regex.patternlen = static_cast<uint32>(parser->scanner.value_length);
  consume(parser);
  if (accept(parser, PathToken::word_flag)) {
    if (!next_is(parser, PathToken::string)) syntax_error(parser);
    constexpr char letters[] = "ismxq";
    for (const char* letter = parser->scanner.value; *letter != '\0'; letter++) {
      const char* found = strchr(letters, *letter);
      if (found == nullptr)
        ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("invalid input syntax for type %s", "jsonpath"),
                        errdetail("unrecognized flag character \"%.*s\" in LIKE_REGEX predicate", pg_mblen(letter),
                                  letter)));
      item->value.like_regex.flags |= 1U << (found - letters);
    }
    consume(parser);
  }
  (void)jspConvertRegexFlags(item->value.like_regex.flags);
  return item;
}

// An expression, or what is said of one.
Parsed read_comparison(Parser* parser, Wanted wanted) {
  Parsed left = read_arithmetic(parser, 0, wanted);
  if (left.kind == Kind::predicate) return left;
  const JsonPathItemType type = comparison(peek(parser));
  if (type != jpiNull) {
    consume(parser);
    return {binary(type, left.item, read_expression(parser)), Kind::predicate};
  }
  if (accept(parser, PathToken::word_starts)) {
    expect(parser, PathToken::word_with);
    if (!next_is(parser, PathToken::string) && !next_is(parser, PathToken::variable)) syntax_error(parser);
    JsonPathParseItem* initial =
        take_text(parser, next_is(parser, PathToken::string) ? jpiString : jpiVariable);
    return {binary(jpiStartsWith, left.item, initial), Kind::predicate};
  }
  if (accept(parser, PathToken::word_like_regex)) return {read_pattern(parser, left.item), Kind::predicate};
  if (wanted == Wanted::predicate) syntax_error(parser);
  return left;
}

// An expression, or predicates joined by the operators above `priority`.
Parsed read_any(Parser* parser, int priority, Wanted wanted) {
  Parsed left = read_comparison(parser, wanted);
  while (left.kind == Kind::predicate) {
    const bool conjunction = next_is(parser, PathToken::double_ampersand);
    const int its_priority = conjunction ? 2 : next_is(parser, PathToken::double_bar) ? 1 : 0;
    if (its_priority <= priority) break;
    consume(parser);
    left.item = binary(conjunction ? jpiAnd : jpiOr, left.item,
                       read_any(parser, its_priority, Wanted::predicate).item);
  }
  return left;
}

}  // namespace

extern "C" {

// nullptr if there is nothing in the text. Raises ERROR 42601 and what is wrong with numbers and escapes.
JsonPathParseResult* parsejsonpath(const char* str, int len) {
  Parser parser = {};
  parser.scanner = bgw::make_path_scanner(str, len > 0 ? len : static_cast<int>(strlen(str)));
  if (next_is(&parser, PathToken::end)) return nullptr;
  JsonPathParseResult* result = static_cast<JsonPathParseResult*>(palloc(sizeof(JsonPathParseResult)));
  result->lax = !accept(&parser, PathToken::word_strict);
  if (result->lax) (void)accept(&parser, PathToken::word_lax);
  result->expr = read_any(&parser, 0, Wanted::either).item;
  if (!next_is(&parser, PathToken::end)) syntax_error(&parser);
  return result;
}

int jspConvertRegexFlags(uint32 xflags) {
  int flags = REG_ADVANCED;
  if ((xflags & JSP_REGEX_ICASE) != 0) flags |= REG_ICASE;
  if ((xflags & JSP_REGEX_QUOTE) != 0) return (flags & ~REG_ADVANCED) | REG_QUOTE;
  if ((xflags & JSP_REGEX_DOTALL) == 0) flags |= REG_NLSTOP;
  if ((xflags & JSP_REGEX_MLINE) != 0) flags |= REG_NLANCH;
  if ((xflags & JSP_REGEX_WSPACE) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("XQuery \"x\" flag (expanded regular expressions) is not implemented")));
  return flags;
}

}  // extern "C"
