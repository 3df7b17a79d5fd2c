// The JSON parser (see json_parser.hpp): one look-ahead token, recursive over objects and arrays.
//
// Messages are the server's: a syntax error names what was expected and the offending token, and shows the line
// up to it as context.
#include "utils/json_parser.hpp"

#include <cstring>

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
}

namespace bgw {
namespace {

enum class Token {
  string,
  number,
  open_object,
  close_object,
  open_array,
  close_array,
  comma,
  colon,
  t,
  f,
  null,
  end
};

struct Parser {
  const char* text;
  const char* end;
  bool resolve;
  const JsonEvents* events;
  StringInfoData string;  // content of the current string token, when resolving
  Token token;
  const char* token_start;
  const char* token_end;
  const char* line_start;
  int line;
};

// The part of the line that ends with the trouble, at most 50 bytes of it.
[[noreturn]] void fail(const Parser* parser, const char* upto, const char* detail) {
  const char* from = parser->line_start;
  if (upto > parser->end) upto = parser->end;
  while (upto - from > 50) {
    from += pg_mblen(from);
    while (upto - from > 50) from += pg_mblen(from);
  }
  const char* prefix = from > parser->line_start ? "..." : "";
  const char* suffix = upto < parser->end && *upto != '\n' && *upto != '\r' ? "..." : "";
  char* shown = pnstrdup(from, static_cast<Size>(upto - from));
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s", "json"), errdetail_internal("%s", detail),
                  errcontext("JSON data, line %d: %s%s%s", parser->line, prefix, shown, suffix)));
  pg_unreachable();
}

[[noreturn]] void expected(const Parser* parser, const char* what) {
  if (parser->token == Token::end) fail(parser, parser->end, "The input string ended unexpectedly.");
  char* found = pnstrdup(parser->token_start, static_cast<Size>(parser->token_end - parser->token_start));
  fail(parser, parser->token_end, psprintf("Expected %s, but found \"%s\".", what, found));
}

[[noreturn]] void bad_token(const Parser* parser, const char* upto) {
  char* found = pnstrdup(parser->token_start, static_cast<Size>(upto - parser->token_start));
  fail(parser, upto, psprintf("Token \"%s\" is invalid.", found));
}

inline bool digit(const Parser* parser, const char* at) {
  return at < parser->end && *at >= '0' && *at <= '9';
}

inline bool word_char(const char* at) {
  return (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || *at == '_' ||
         IS_HIGHBIT_SET(*at);
}

void read_number(Parser* parser) {
  const char* at = parser->token_start + (*parser->token_start == '-');
  bool good = true;
  if (at < parser->end && *at == '0') {
    at++;
  } else if (digit(parser, at)) {
    while (digit(parser, at)) at++;
  } else {
    good = false;
  }
  if (good && at < parser->end && *at == '.') {
    at++;
    good = digit(parser, at);
    while (digit(parser, at)) at++;
  }
  if (good && at < parser->end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < parser->end && (*at == '+' || *at == '-')) at++;
    good = digit(parser, at);
    while (digit(parser, at)) at++;
  }
  const char* number_end = at;
  while (at < parser->end && word_char(at)) at++;
  if (!good || at != number_end) bad_token(parser, at);
  parser->token = Token::number;
  parser->token_end = at;
}

void read_word(Parser* parser) {
  const char* at = parser->token_start;
  while (at < parser->end && word_char(at)) at++;
  if (at == parser->token_start) bad_token(parser, at + 1);
  const std::size_t len = static_cast<std::size_t>(at - parser->token_start);
  parser->token_end = at;
  if (len == 4 && memcmp(parser->token_start, "true", 4) == 0)
    parser->token = Token::t;
  else if (len == 5 && memcmp(parser->token_start, "false", 5) == 0)
    parser->token = Token::f;
  else if (len == 4 && memcmp(parser->token_start, "null", 4) == 0)
    parser->token = Token::null;
  else
    bad_token(parser, at);
}

unsigned read_four_digits(Parser* parser, const char* at) {
  unsigned value = 0;
  for (int i = 0; i < 4; i++, at++) {
    if (at >= parser->end) bad_token(parser, parser->end);
    const char c = *at;
    if (c >= '0' && c <= '9')
      value = value * 16 + static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + static_cast<unsigned>(c - 'A') + 10;
    else
      fail(parser, at + pg_mblen(at), "\"\\u\" must be followed by four hexadecimal digits.");
  }
  return value;
}

// One \u escape. `high` is the high surrogate that waits for its other half, or 0.
void take_code_unit(Parser* parser, const char* upto, unsigned unit, unsigned* high) {
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (*high != 0) fail(parser, upto, "Unicode high surrogate must not follow a high surrogate.");
    *high = unit;
    return;
  }
  pg_wchar code = unit;
  if (unit >= 0xDC00 && unit <= 0xDFFF) {
    if (*high == 0) fail(parser, upto, "Unicode low surrogate must follow a high surrogate.");
    code = 0x10000 + ((*high & 0x3FF) << 10) + (unit & 0x3FF);
    *high = 0;
  }
  if (*high != 0) fail(parser, upto, "Unicode low surrogate must follow a high surrogate.");
  if (code == 0)
    ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER), errmsg("unsupported Unicode escape sequence"),
                    errdetail("\\u0000 cannot be converted to text.")));
  unsigned char bytes[5] = {};
  unicode_to_utf8(code, bytes);
  appendBinaryStringInfo(&parser->string, reinterpret_cast<char*>(bytes), pg_utf_mblen(bytes));
}

void read_string(Parser* parser) {
  const char* at = parser->token_start + 1;
  unsigned high = 0;
  resetStringInfo(&parser->string);
  for (;;) {
    const char* plain = at;
    while (at < parser->end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 32) at++;
    if (at > plain) {
      if (high != 0) fail(parser, at, "Unicode low surrogate must follow a high surrogate.");
      if (parser->resolve) appendBinaryStringInfo(&parser->string, plain, static_cast<int>(at - plain));
    }
    if (at >= parser->end) bad_token(parser, parser->end);
    if (*at == '"') break;
    if (static_cast<unsigned char>(*at) < 32)
      fail(parser, at,
           psprintf("Character with value 0x%02x must be escaped.", static_cast<unsigned char>(*at)));
    at++;
    if (at >= parser->end) bad_token(parser, parser->end);
    const char escape = *at;
    if (escape == 'u') {
      const unsigned unit = read_four_digits(parser, at + 1);
      at += 5;
      if (parser->resolve) take_code_unit(parser, at, unit, &high);
      continue;
    }
    if (high != 0) fail(parser, at, "Unicode low surrogate must follow a high surrogate.");
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char* found = strchr(escapes, escape);
    if (escape == '\0' || found == nullptr) {
      const int len = pg_mblen(at);
      fail(parser, at + len, psprintf("Escape sequence \"\\%.*s\" is invalid.", len, at));
    }
    if (parser->resolve) appendStringInfoChar(&parser->string, meanings[found - escapes]);
    at++;
  }
  if (high != 0) fail(parser, at + 1, "Unicode low surrogate must follow a high surrogate.");
  parser->token = Token::string;
  parser->token_end = at + 1;
}

void next_token(Parser* parser) {
  const char* at = parser->token_end;
  for (; at < parser->end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'); at++) {
    if (*at != '\n') continue;
    parser->line++;
    parser->line_start = at + 1;
  }
  parser->token_start = at;
  parser->token_end = at + 1;
  if (at >= parser->end) {
    parser->token = Token::end;
    parser->token_end = at;
    return;
  }
  switch (*at) {
    case '{':
      parser->token = Token::open_object;
      break;
    case '}':
      parser->token = Token::close_object;
      break;
    case '[':
      parser->token = Token::open_array;
      break;
    case ']':
      parser->token = Token::close_array;
      break;
    case ',':
      parser->token = Token::comma;
      break;
    case ':':
      parser->token = Token::colon;
      break;
    case '"':
      read_string(parser);
      break;
    case '-':
    case '0' ... '9':
      read_number(parser);
      break;
    default:
      read_word(parser);
      break;
  }
}

void tell(const Parser* parser, void (*event)(void*)) {
  if (event != nullptr) event(parser->events->state);
}

void tell_scalar(const Parser* parser, JsonScalar kind) {
  if (parser->events->scalar == nullptr) return;
  if (kind == JsonScalar::string)
    parser->events->scalar(parser->events->state, kind, parser->string.data, parser->string.len);
  else
    parser->events->scalar(parser->events->state, kind, parser->token_start,
                           static_cast<int>(parser->token_end - parser->token_start));
}

void parse_value(Parser* parser, const char* what);

void parse_object(Parser* parser) {
  tell(parser, parser->events->begin_object);
  next_token(parser);
  if (parser->token != Token::close_object) {
    for (bool first = true;; first = false) {
      if (parser->token != Token::string) expected(parser, first ? "string or \"}\"" : "string");
      if (parser->events->key != nullptr)
        parser->events->key(parser->events->state, parser->string.data, parser->string.len);
      next_token(parser);
      if (parser->token != Token::colon) expected(parser, "\":\"");
      next_token(parser);
      parse_value(parser, "JSON value");
      if (parser->token != Token::comma) break;
      next_token(parser);
    }
    if (parser->token != Token::close_object) expected(parser, "\",\" or \"}\"");
  }
  next_token(parser);
  tell(parser, parser->events->end_object);
}

void parse_array(Parser* parser) {
  tell(parser, parser->events->begin_array);
  next_token(parser);
  if (parser->token != Token::close_array) {
    for (bool first = true;; first = false) {
      parse_value(parser, first ? "array element or \"]\"" : "JSON value");
      if (parser->token != Token::comma) break;
      next_token(parser);
    }
    if (parser->token != Token::close_array) expected(parser, "\",\" or \"]\"");
  }
  next_token(parser);
  tell(parser, parser->events->end_array);
}

void parse_value(Parser* parser, const char* what) {
  check_stack_depth();
  switch (parser->token) {
    case Token::open_object:
      parse_object(parser);
      return;
    case Token::open_array:
      parse_array(parser);
      return;
    case Token::string:
      tell_scalar(parser, JsonScalar::string);
      break;
    case Token::number:
      tell_scalar(parser, JsonScalar::number);
      break;
    case Token::t:
      tell_scalar(parser, JsonScalar::boolean_true);
      break;
    case Token::f:
      tell_scalar(parser, JsonScalar::boolean_false);
      break;
    case Token::null:
      tell_scalar(parser, JsonScalar::null);
      break;
    case Token::close_object:
    case Token::close_array:
    case Token::comma:
    case Token::colon:
    case Token::end:
      expected(parser, what);
  }
  next_token(parser);
}

}  // namespace

void parse_json(const char* text, int len, bool resolve, const JsonEvents* events) {
  Parser parser = {};
  parser.text = text;
  parser.end = text + len;
  parser.resolve = resolve;
  parser.events = events;
  parser.token_end = text;
  parser.line_start = text;
  parser.line = 1;
  initStringInfo(&parser.string);
  next_token(&parser);
  parse_value(&parser, "JSON value");
  if (parser.token != Token::end) expected(&parser, "end of input");
  pfree(parser.string.data);
}

}  // namespace bgw
