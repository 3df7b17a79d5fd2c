// The words of a jsonpath's text, one at a time. C style: errors are raised.
#pragma once

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
}

namespace bgw {

enum class PathToken : unsigned char {
  end,
  symbol,  // one byte, in `symbol`
  number,
  integer,  // a number without point and exponent
  string,
  variable,
  identifier,
  double_ampersand,
  double_bar,
  exclamation,
  double_asterisk,
  equal,
  not_equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,
  // Words of the language. They are names of keys as well.
  word_to,
  word_null,
  word_true,
  word_false,
  word_is,
  word_unknown,
  word_exists,
  word_strict,
  word_lax,
  word_last,
  word_starts,
  word_with,
  word_like_regex,
  word_flag,
  word_abs,
  word_size,
  word_type,
  word_floor,
  word_double,
  word_ceiling,
  word_datetime,
  word_keyvalue,
};

struct PathScanner {
  const char* at;
  const char* end;
  const char* match;  // what an error is said to be at or near: the text that the scanner looked at last
  int match_length;
  PathToken token;
  char symbol;
  char* value;  // of numbers, strings, variables and words; palloc'd, with a NUL behind it
  int value_length;
};

PathScanner make_path_scanner(const char* text, int length);

// Reads the next token. Raises ERROR 42601, 22P02 or 22P05 when the text has none.
void next_path_token(PathScanner* scanner);

// "syntax error at or near ..." and its like, ERROR 42601.
[[noreturn]] void path_syntax_error(const PathScanner* scanner, const char* message);

}  // namespace bgw
