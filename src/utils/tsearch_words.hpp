// Words in the texts of tsvector and tsquery: how they are read and printed (src/utils/tsvector.cc).
#pragma once

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "tsearch/ts_type.h"
}

namespace bgw {

// Walks a text word by word. A word is in quotes, or reaches to the next white space or colon, in a query also
// to the next operator; a backslash takes away the meaning of what follows.
struct WordReader {
  const char* whole;  // for messages
  char* at;
  bool of_query;            // no positions; operators end a word
  StringInfoData word;      // the word that was read last
  WordEntryPos* positions;  // of it, as they stand in the text
  int position_count;
  int position_room;
};

WordReader make_word_reader(char* text, bool of_query);

// False: there is no further one. Raises an ERROR for a malformed text.
bool read_word(WordReader* reader);

// In quotes.
void print_word(StringInfo out, const char* word, int len);

inline bool is_ts_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace bgw
