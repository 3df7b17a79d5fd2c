// tsvector (tsearch/ts_type.h): words in order, each with the positions and weights at which it stood; and the
// reader of single words, which tsquery shares.
//
// Words are ordered by their bytes, a word before its own continuations. Positions of one word are in rising
// order, each once, with the highest weight that was given.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "utils/tsearch_words.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "tsearch/ts_utils.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
}

namespace bgw {
namespace {

[[noreturn]] void syntax_error(const WordReader& reader) {
  if (reader.of_query)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("syntax error in tsquery: \"%s\"", reader.whole)));
  ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("syntax error in tsvector: \"%s\"", reader.whole)));
  pg_unreachable();
}

inline bool ends_word(const WordReader& reader, const char* at) {
  return *at == '\0' || is_ts_space(*at) || (reader.of_query && (*at == ':' || ISOPERATOR(at)));
}

// One character, of however many bytes; what only begins like one may end with the text.
void take_character(WordReader* reader) {
  const int len =
      static_cast<int>(strnlen(reader->at, static_cast<std::size_t>(std::max(1, pg_mblen(reader->at)))));
  appendBinaryStringInfo(&reader->word, reader->at, len);
  reader->at += len;
}

void take_escaped(WordReader* reader) {
  reader->at++;
  if (*reader->at == '\0')
    ereport(ERROR,
            (errcode(ERRCODE_SYNTAX_ERROR), errmsg("there is no escaped character: \"%s\"", reader->whole)));
  take_character(reader);
}

void add_position(WordReader* reader, WordEntryPos position) {
  if (reader->position_count == reader->position_room) {
    reader->position_room = reader->position_room == 0 ? 4 : reader->position_room * 2;
    const Size size = static_cast<Size>(reader->position_room) * sizeof(WordEntryPos);
    reader->positions = static_cast<WordEntryPos*>(
        reader->positions == nullptr ? palloc(size) : repalloc(reader->positions, size));
  }
  reader->positions[reader->position_count++] = position;
}

int weight_of(char c) {
  switch (c) {
    case 'A':
    case 'a':
    case '*':
      return 3;
    case 'B':
    case 'b':
      return 2;
    case 'C':
    case 'c':
      return 1;
    case 'D':
    case 'd':
      return 0;
    default:
      return -1;
  }
}

// After the colon: numbers, each with at most one weight, between commas.
void read_positions(WordReader* reader) {
  for (;;) {
    if (*reader->at < '0' || *reader->at > '9') syntax_error(*reader);
    const int number = LIMITPOS(static_cast<int>(strtol(reader->at, nullptr, 10)));
    WordEntryPos position = 0;
    WEP_SETPOS(position, number);
    if (WEP_GETPOS(position) == 0)
      ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
                      errmsg("wrong position info in tsvector: \"%s\"", reader->whole)));
    while (*reader->at >= '0' && *reader->at <= '9') reader->at++;
    // A second weight is an error only where the first one was more than the least.
    for (int weight; (weight = weight_of(*reader->at)) >= 0; reader->at++) {
      if (WEP_GETWEIGHT(position) != 0) syntax_error(*reader);
      WEP_SETWEIGHT(position, weight);
      while (reader->at[1] >= '0' && reader->at[1] <= '9') reader->at++;
    }
    add_position(reader, position);
    if (*reader->at != ',') break;
    reader->at++;
  }
  if (*reader->at != '\0' && !is_ts_space(*reader->at)) syntax_error(*reader);
}

}  // namespace

WordReader make_word_reader(char* text, bool of_query) {
  WordReader reader = {};
  reader.whole = reader.at = text;
  reader.of_query = of_query;
  initStringInfo(&reader.word);
  return reader;
}

bool read_word(WordReader* reader) {
  resetStringInfo(&reader->word);
  reader->position_count = 0;
  while (is_ts_space(*reader->at)) reader->at++;
  if (*reader->at == '\0') return false;
  if (*reader->at == '\'') {
    reader->at++;
    for (;;) {
      if (*reader->at == '\0') syntax_error(*reader);
      if (*reader->at == '\'' && *++reader->at != '\'') break;
      if (*reader->at == '\\')
        take_escaped(reader);
      else
        take_character(reader);
    }
    if (reader->word.len == 0) syntax_error(*reader);
    if (!reader->of_query && *reader->at == ':') {
      reader->at++;
      read_positions(reader);
    }
    return true;
  }
  if (reader->of_query && (*reader->at == ':' || ISOPERATOR(reader->at))) syntax_error(*reader);
  do {
    if (*reader->at == '\\')
      take_escaped(reader);
    else
      take_character(reader);
  } while (!ends_word(*reader, reader->at) && *reader->at != ':');
  if (!reader->of_query && *reader->at == ':') {
    reader->at++;
    read_positions(reader);
  }
  return true;
}

void print_word(StringInfo out, const char* word, int len) {
  appendStringInfoChar(out, '\'');
  for (const char *at = word, *end = word + len; at < end;) {
    if (*at == '\'' || *at == '\\') appendStringInfoChar(out, *at);
    const int character = std::clamp(pg_mblen(at), 1, static_cast<int>(end - at));
    appendBinaryStringInfo(out, at, character);
    at += character;
  }
  appendStringInfoChar(out, '\'');
}

}  // namespace bgw

namespace {

struct Word {
  char* text;
  int len;
  WordEntryPos* positions;
  int position_count;
};

int compare_words(const Word& a, const Word& b) {
  const int order = memcmp(a.text, b.text, static_cast<std::size_t>(std::min(a.len, b.len)));
  return order != 0 ? order : a.len - b.len;
}

// In order and each once; no more than a word may have, and none after the last that can be told apart.
int tidy_positions(WordEntryPos* positions, int count) {
  if (count <= 1) return count;
  std::stable_sort(positions, positions + count,
                   [](WordEntryPos a, WordEntryPos b) { return WEP_GETPOS(a) < WEP_GETPOS(b); });
  int kept = 0;
  for (int i = 1; i < count; i++) {
    if (WEP_GETPOS(positions[i]) != WEP_GETPOS(positions[kept])) {
      positions[++kept] = positions[i];
      if (kept >= MAXNUMPOS - 1 || WEP_GETPOS(positions[kept]) == MAXENTRYPOS - 1) break;
    } else if (WEP_GETWEIGHT(positions[i]) > WEP_GETWEIGHT(positions[kept])) {
      WEP_SETWEIGHT(positions[kept], WEP_GETWEIGHT(positions[i]));
    }
  }
  return kept + 1;
}

void too_long_for_a_tsvector(long bytes) {
  if (bytes > MAXSTRPOS)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("string is too long for tsvector (%ld bytes, max %ld bytes)", bytes,
                           static_cast<long>(MAXSTRPOS))));
}

// The words sorted, and those that are the same made one with all the positions. Answers how many are left.
int tidy_words(Word* words, int count) {
  if (count == 0) return 0;
  std::stable_sort(words, words + count, [](const Word& a, const Word& b) { return compare_words(a, b) < 0; });
  int kept = 0;
  for (int i = 1; i < count; i++) {
    if (compare_words(words[kept], words[i]) != 0) {
      words[++kept] = words[i];
      continue;
    }
    if (words[i].position_count == 0) continue;
    Word* word = &words[kept];
    const int both = word->position_count + words[i].position_count;
    WordEntryPos* joined = static_cast<WordEntryPos*>(palloc(static_cast<Size>(both) * sizeof(WordEntryPos)));
    std::copy_n(word->positions, word->position_count, joined);
    std::copy_n(words[i].positions, words[i].position_count, joined + word->position_count);
    word->positions = joined;
    word->position_count = both;
  }
  for (int i = 0; i <= kept; i++)
    words[i].position_count = tidy_positions(words[i].positions, words[i].position_count);
  return kept + 1;
}

TSVector make_vector(const Word* words, int count) {
  Size storage = 0;
  for (int i = 0; i < count; i++) {
    storage += static_cast<Size>(words[i].len);
    if (words[i].position_count > 0)
      storage = SHORTALIGN(storage) + sizeof(uint16) +
                static_cast<Size>(words[i].position_count) * sizeof(WordEntryPos);
  }
  too_long_for_a_tsvector(static_cast<long>(storage));
  const Size size = CALCDATASIZE(static_cast<Size>(count), storage);
  TSVector vector = static_cast<TSVector>(palloc0(size));
  SET_VARSIZE(vector, size);
  vector->size = count;
  char* start = STRPTR(vector);
  uint32 at = 0;
  for (int i = 0; i < count; i++) {
    WordEntry* entry = &ARRPTR(vector)[i];
    entry->pos = at & MAXSTRPOS;
    entry->len = static_cast<uint32>(words[i].len) & MAXSTRLEN;
    memcpy(start + at, words[i].text, static_cast<Size>(words[i].len));
    at += static_cast<uint32>(words[i].len);
    if (words[i].position_count == 0) continue;
    entry->haspos = 1;
    at = SHORTALIGN(at);
    const uint16 number = static_cast<uint16>(words[i].position_count);
    memcpy(start + at, &number, sizeof(number));
    memcpy(start + at + sizeof(number), words[i].positions, number * sizeof(WordEntryPos));
    at += static_cast<uint32>(sizeof(number) + number * sizeof(WordEntryPos));
  }
  return vector;
}

}  // namespace

extern "C" {

Datum tsvectorin(PG_FUNCTION_ARGS) {
  bgw::WordReader reader = bgw::make_word_reader(PG_GETARG_CSTRING(0), false);
  int count = 0, room = 16;
  Word* words = static_cast<Word*>(palloc(static_cast<Size>(room) * sizeof(Word)));
  long bytes = 0;
  while (bgw::read_word(&reader)) {
    if (reader.word.len > MAXSTRLEN)
      ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                      errmsg("word is too long (%ld bytes, max %ld bytes)", static_cast<long>(reader.word.len),
                             static_cast<long>(MAXSTRLEN))));
    too_long_for_a_tsvector(bytes);
    bytes += reader.word.len;
    if (count == room) {
      room *= 2;
      words = static_cast<Word*>(repalloc_huge(words, static_cast<Size>(room) * sizeof(Word)));
    }
    words[count++] = {pnstrdup(reader.word.data, static_cast<Size>(reader.word.len)), reader.word.len,
                      reader.positions, reader.position_count};
    reader.positions = nullptr;
    reader.position_room = 0;
  }
  count = tidy_words(words, count);
  PG_RETURN_TSVECTOR(make_vector(words, count));
}

Datum tsvectorout(PG_FUNCTION_ARGS) {
  static const char weights[] = {'\0', 'C', 'B', 'A'};
  TSVector vector = PG_GETARG_TSVECTOR(0);
  StringInfoData out;
  initStringInfo(&out);
  for (int i = 0; i < vector->size; i++) {
    const WordEntry* entry = &ARRPTR(vector)[i];
    if (i > 0) appendStringInfoChar(&out, ' ');
    bgw::print_word(&out, STRPTR(vector) + entry->pos, entry->len);
    const int count = POSDATALEN(vector, entry);
    for (int p = 0; p < count; p++) {
      const WordEntryPos position = POSDATAPTR(vector, entry)[p];
      appendStringInfo(&out, "%c%d", p == 0 ? ':' : ',', WEP_GETPOS(position));
      if (WEP_GETWEIGHT(position) != 0) appendStringInfoChar(&out, weights[WEP_GETWEIGHT(position)]);
    }
  }
  PG_RETURN_CSTRING(out.data);
}

Datum tsvector_length(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(PG_GETARG_TSVECTOR(0)->size);
}

}  // extern "C"
