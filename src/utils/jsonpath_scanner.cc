// The words of a jsonpath (see jsonpath_scanner.hpp), taken as the server takes them: of what could stand at a place the
// longest is meant, which makes "12ab" a word but "12a" a number with junk behind it; and a comment right behind a word
// takes the word away.
#include <cstring>

#include "utils/jsonpath_scanner.hpp"

extern "C" {
#include "mb/pg_wchar.h"
}

namespace bgw {
namespace {

struct Word {
  const char* text;
  PathToken token;
  bool lower_case_only;
};

constexpr Word words[] = {
    {"to", PathToken::word_to, false},
    {"is", PathToken::word_is, false},
    {"null", PathToken::word_null, true},
    {"true", PathToken::word_true, true},
    {"false", PathToken::word_false, true},
    {"unknown", PathToken::word_unknown, false},
    {"exists", PathToken::word_exists, false},
    {"strict", PathToken::word_strict, false},
    {"lax", PathToken::word_lax, false},
    {"last", PathToken::word_last, false},
    {"starts", PathToken::word_starts, false},
    {"with", PathToken::word_with, false},
    {"like_regex", PathToken::word_like_regex, false},
    {"flag", PathToken::word_flag, false},
    {"abs", PathToken::word_abs, false},
    {"size", PathToken::word_size, false},
    {"type", PathToken::word_type, false},
    {"floor", PathToken::word_floor, false},
    {"double", PathToken::word_double, false},
    {"ceiling", PathToken::word_ceiling, false},
    {"datetime", PathToken::word_datetime, false},
    {"keyvalue", PathToken::word_keyvalue, false},
};

struct Symbol {
  const char* text;
  PathToken token;
};

// Longer ones before those that they begin with.
constexpr Symbol symbols[] = {
    {"&&", PathToken::double_ampersand}, {"||", PathToken::double_bar},       {"**", PathToken::double_asterisk},
    {"<=", PathToken::less_or_equal},    {"<>", PathToken::not_equal},        {"<", PathToken::less},
    {"==", PathToken::equal},            {"!=", PathToken::not_equal},        {"!", PathToken::exclamation},
    {">=", PathToken::greater_or_equal}, {">", PathToken::greater},
};

inline bool is_blank(char c) {
  return c != '\0' && strchr(" \t\n\r\f", c) != nullptr;
}
inline bool is_special(char c) {
  return c != '\0' && strchr("?%$.[]{}()|&!=<>@#,*:-+/", c) != nullptr;
}
// What words are made of.
inline bool is_other(char c) {
  return c != '\0' && !is_blank(c) && !is_special(c) && c != '\\' && c != '"';
}
inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
inline int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

const char* skip_others(const char* at) {
  while (is_other(*at)) at++;
  return at;
}
const char* skip_digits(const char* at) {
  while (is_digit(*at)) at++;
  return at;
}

void matched(PathScanner* scanner, const char* from, const char* to) {
  scanner->match = from;
  scanner->match_length = static_cast<int>(to - from);
  scanner->at = to;
}

void take(PathScanner* scanner, PathToken token, const StringInfoData& value) {
  scanner->token = token;
  scanner->value = value.data;
  scanner->value_length = value.len;
}

void take_text(PathScanner* scanner, PathToken token, const char* from, const char* to) {
  StringInfoData value;
  initStringInfo(&value);
  appendBinaryStringInfo(&value, from, static_cast<int>(to - from));
  take(scanner, token, value);
}

PathToken word_token(const StringInfoData& word) {
  for (const Word& known : words)
    if (static_cast<int>(strlen(known.text)) == word.len && pg_strcasecmp(known.text, word.data) == 0 &&
        (!known.lower_case_only || strcmp(known.text, word.data) == 0))
      return known.token;
  return PathToken::identifier;
}

[[noreturn]] void bad_surrogate(const char* detail) {
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
           errmsg("invalid input syntax for type %s", "jsonpath"), errdetail_internal("%s", detail)));
  pg_unreachable();
}

void append_character(StringInfo value, pg_wchar character) {
  if (character == 0)
    ereport(ERROR,
            (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER), errmsg("unsupported Unicode escape sequence"),
             errdetail("\\u0000 cannot be converted to text.")));
  unsigned char bytes[MAX_UNICODE_EQUIVALENT_STRING + 1];
  pg_unicode_to_server(character, bytes);
  appendStringInfoString(value, reinterpret_cast<const char*>(bytes));
}

// The end of the \uXXXX or \u{X...} at `at`; nullptr, and how far it could be read, if it is none.
const char* read_unicode(const char* at, pg_wchar* character, const char** broken) {
  const bool braces = at[2] == '{';
  const int most = braces ? 6 : 4;
  at += braces ? 3 : 2;
  *character = 0;
  int count = 0;
  for (; count < most && hex_value(*at) >= 0; count++, at++)
    *character = *character << 4 | static_cast<pg_wchar>(hex_value(*at));
  *broken = at;
  if (braces) return count > 0 && *at == '}' ? at + 1 : nullptr;
  return count == most ? at : nullptr;
}

// Escapes of characters that follow each other: pairs of surrogates are halves of one.
void read_unicodes(PathScanner* scanner, StringInfo value) {
  const char *from = scanner->at, *at = from, *broken = nullptr;
  pg_wchar character;
  while (at[0] == '\\' && at[1] == 'u') {
    const char* behind = read_unicode(at, &character, &broken);
    if (behind == nullptr) {
      matched(scanner, from, broken);
      path_syntax_error(scanner, "invalid unicode sequence");
    }
    at = behind;
  }
  pg_wchar high = 0;
  matched(scanner, from, at);
  for (at = from; at < scanner->at;) {
    at = read_unicode(at, &character, &broken);
    if (is_utf16_surrogate_first(character)) {
      if (high != 0) bad_surrogate("Unicode high surrogate must not follow a high surrogate.");
      high = character;
      continue;
    }
    if (is_utf16_surrogate_second(character) != (high != 0))
      bad_surrogate("Unicode low surrogate must follow a high surrogate.");
    if (high != 0) character = surrogate_pair_to_codepoint(high, character);
    high = 0;
    append_character(value, character);
  }
  if (high != 0) bad_surrogate("Unicode low surrogate must follow a high surrogate.");
}

void read_escape(PathScanner* scanner, StringInfo value) {
  const char* at = scanner->at;
  const char letter = at[1];
  if (letter == 'u') {
    read_unicodes(scanner, value);
    return;
  }
  if (letter == 'x') {
    const int digits = hex_value(at[2]) < 0 ? 0 : hex_value(at[3]) < 0 ? 1 : 2;
    matched(scanner, at, at + 2 + digits);
    if (digits < 2) path_syntax_error(scanner, "invalid hex character sequence");
    append_character(value, static_cast<pg_wchar>(hex_value(at[2]) << 4 | hex_value(at[3])));
    return;
  }
  if (letter == '\0' || letter == '\n') {
    matched(scanner, at, at + 1);
    path_syntax_error(scanner, "unexpected end after backslash");
  }
  constexpr char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
  const char* found = strchr(letters, letter);
  matched(scanner, at, at + 2);
  appendStringInfoChar(value, found != nullptr ? meanings[found - letters] : letter);
}

// What stands in quotes, from behind the first one.
void read_quoted(PathScanner* scanner, PathToken token) {
  StringInfoData value;
  initStringInfo(&value);
  while (*scanner->at != '"') {
    if (scanner->at == scanner->end) {
      matched(scanner, scanner->end, scanner->end);
      path_syntax_error(scanner, "unexpected end of quoted string");
    }
    if (*scanner->at == '\\') {
      read_escape(scanner, &value);
      continue;
    }
    const char* behind = scanner->at + strcspn(scanner->at, "\\\"");
    appendBinaryStringInfo(&value, scanner->at, static_cast<int>(behind - scanner->at));
    scanner->at = behind;
  }
  matched(scanner, scanner->at, scanner->at + 1);
  take(scanner, token, value);
}

void skip_comment(PathScanner* scanner) {
  const char* behind = strstr(scanner->at + 2, "*/");
  if (behind == nullptr) {
    matched(scanner, scanner->end, scanner->end);
    path_syntax_error(scanner, "unexpected end of comment");
  }
  scanner->at = behind + 2;
}

// False if a comment has taken the word away.
bool read_word(PathScanner* scanner) {
  StringInfoData value;
  initStringInfo(&value);
  for (;;) {
    const char* at = scanner->at;
    if (*at == '\\') {
      read_escape(scanner, &value);
    } else if (is_other(*at)) {
      scanner->at = skip_others(at);
      appendBinaryStringInfo(&value, at, static_cast<int>(scanner->at - at));
    } else if (at[0] == '/' && at[1] == '*') {
      skip_comment(scanner);
      return false;
    } else {
      // The blanks that end a word are looked at with it, and so an error is near them.
      const char* behind = at;
      while (is_blank(*behind)) behind++;
      matched(scanner, at, behind);
      take(scanner, word_token(value), value);
      return true;
    }
  }
}

// The ends of what a number could be at `at`, nullptr if it is none.
struct Number {
  const char* integer;
  const char* decimal;
  const char* real;
  const char* broken_exponent;
};

Number look_at_number(const char* at) {
  Number number = {};
  if (is_digit(*at)) number.integer = *at == '0' ? at + 1 : skip_digits(at);
  const char* whole = number.integer != nullptr ? number.integer : at;
  if (*whole == '.' && (number.integer != nullptr || is_digit(whole[1]))) number.decimal = skip_digits(whole + 1);
  const char* mantissa = number.decimal != nullptr ? number.decimal : number.integer;
  if (mantissa != nullptr && (*mantissa == 'e' || *mantissa == 'E')) {
    const bool sign = mantissa[1] == '+' || mantissa[1] == '-';
    const char* exponent = mantissa + 1 + sign;
    if (is_digit(*exponent))
      number.real = skip_digits(exponent);
    else if (sign)
      number.broken_exponent = exponent;
  }
  return number;
}

// False if no number stands here, or a word that is longer.
bool read_number(PathScanner* scanner) {
  const char* at = scanner->at;
  const Number number = look_at_number(at);
  const char* longest = number.real != nullptr      ? number.real
                        : number.decimal != nullptr ? number.decimal
                                                    : number.integer;
  if (longest == nullptr) return false;
  const char* word = skip_others(at);
  const bool junk = is_other(*longest);
  const char* end = number.broken_exponent != nullptr ? number.broken_exponent : longest + junk;
  if (word > end) return false;
  matched(scanner, at, end);
  if (number.broken_exponent != nullptr) path_syntax_error(scanner, "invalid numeric literal");
  if (junk) path_syntax_error(scanner, "trailing junk after numeric literal");
  take_text(scanner, longest == number.integer ? PathToken::integer : PathToken::number, at, longest);
  return true;
}

bool read_symbol(PathScanner* scanner) {
  const char* at = scanner->at;
  for (const Symbol& symbol : symbols) {
    if (strncmp(at, symbol.text, strlen(symbol.text)) != 0) continue;
    matched(scanner, at, at + strlen(symbol.text));
    scanner->token = symbol.token;
    return true;
  }
  if (!is_special(*at)) return false;
  matched(scanner, at, at + 1);
  scanner->token = PathToken::symbol;
  scanner->symbol = *at;
  return true;
}

}  // namespace

PathScanner make_path_scanner(const char* text, int length) {
  PathScanner scanner = {};
  scanner.at = pnstrdup(text, static_cast<Size>(length));
  scanner.end = scanner.at + strlen(scanner.at);
  return scanner;
}

void next_path_token(PathScanner* scanner) {
  for (;;) {
    const char* at = scanner->at;
    scanner->value = nullptr;
    scanner->value_length = 0;
    if (at == scanner->end) {
      matched(scanner, at, at);
      scanner->token = PathToken::end;
      return;
    }
    if (is_blank(*at)) {
      scanner->at++;
      continue;
    }
    if (at[0] == '/' && at[1] == '*') {
      skip_comment(scanner);
      continue;
    }
    if (at[0] == '$' && is_other(at[1])) {
      matched(scanner, at, skip_others(at + 1));
      take_text(scanner, PathToken::variable, at + 1, scanner->at);
      return;
    }
    if (*at == '"' || (at[0] == '$' && at[1] == '"')) {
      const bool variable = *at == '$';
      scanner->at += variable ? 2 : 1;
      read_quoted(scanner, variable ? PathToken::variable : PathToken::string);
      return;
    }
    if (read_number(scanner) || read_symbol(scanner) || read_word(scanner)) return;
  }
}

void path_syntax_error(const PathScanner* scanner, const char* message) {
  if (scanner->match_length == 0)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s at end of jsonpath input", message)));
  ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("%s at or near \"%.*s\" of jsonpath input", message,
                                                        scanner->match_length, scanner->match)));
  pg_unreachable();
}

}  // namespace bgw
