// tsquery (tsearch/ts_type.h): words joined by operators, read and printed.
//
// The reader climbs the operators' priorities and notes each word and operator as it is completed, operands
// before their operator. In memory the order is the other way round: an operator, its right operand, and the
// left one at the distance that the operator says; the words' texts stand behind all of them in the order of
// the text.
#include <cstdlib>
#include <cstring>

#include "utils/tsearch_words.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tsearch/ts_utils.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/pg_crc.h"
}

const int tsearch_op_priority[OP_COUNT] = {4, 2, 1, 3};  // of !, &, | and <->

namespace {

struct Reader {
  bgw::WordReader words;
  QueryItem* items;  // as they are completed
  int count;
  int room;
  StringInfoData operands;
};

[[noreturn]] void syntax_error(const Reader& reader) {
  ereport(ERROR,
          (errcode(ERRCODE_SYNTAX_ERROR), errmsg("syntax error in tsquery: \"%s\"", reader.words.whole)));
  pg_unreachable();
}

inline void skip_space(Reader* reader) {
  while (bgw::is_ts_space(*reader->words.at)) reader->words.at++;
}

QueryItem* new_item(Reader* reader) {
  if (reader->count == reader->room) {
    reader->room *= 2;
    reader->items = static_cast<QueryItem*>(
        repalloc_huge(reader->items, static_cast<Size>(reader->room) * sizeof(QueryItem)));
  }
  QueryItem* item = &reader->items[reader->count++];
  memset(item, 0, sizeof(*item));
  return item;
}

// `left`: how many items from the operator its left operand is, once the order has been turned round.
void add_operator(Reader* reader, int8 oper, int16 distance, int left) {
  QueryOperator* item = &new_item(reader)->qoperator;
  item->type = QI_OPR;
  item->oper = oper;
  item->distance = oper == OP_PHRASE ? distance : 0;
  item->left = static_cast<uint32>(left);
}

// ":" and letters of weights, "*" for a prefix.
void read_weights(Reader* reader, QueryOperand* operand) {
  if (*reader->words.at != ':') return;
  for (reader->words.at++;; reader->words.at++) {
    switch (*reader->words.at) {
      case 'a':
      case 'A':
        operand->weight |= 1 << 3;
        continue;
      case 'b':
      case 'B':
        operand->weight |= 1 << 2;
        continue;
      case 'c':
      case 'C':
        operand->weight |= 1 << 1;
        continue;
      case 'd':
      case 'D':
        operand->weight |= 1;
        continue;
      case '*':
        operand->prefix = true;
        continue;
      default:
        return;
    }
  }
}

void read_word_operand(Reader* reader) {
  if (!bgw::read_word(&reader->words))
    ereport(ERROR,
            (errcode(ERRCODE_SYNTAX_ERROR), errmsg("no operand in tsquery: \"%s\"", reader->words.whole)));
  const StringInfoData& word = reader->words.word;
  if (word.len > MAXSTRLEN)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("word is too long in tsquery: \"%s\"", reader->words.whole)));
  if (reader->operands.len > MAXSTRPOS)
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("value is too big in tsquery: \"%s\"", reader->words.whole)));
  pg_crc32 crc;
  INIT_LEGACY_CRC32(crc);
  COMP_LEGACY_CRC32(crc, word.data, static_cast<uint32>(word.len));
  FIN_LEGACY_CRC32(crc);
  QueryOperand* operand = &new_item(reader)->qoperand;
  operand->type = QI_VAL;
  operand->valcrc = static_cast<int32>(crc);
  operand->length = static_cast<uint32>(word.len) & 0xfff;
  operand->distance = static_cast<uint32>(reader->operands.len) & 0xfffff;
  appendBinaryStringInfo(&reader->operands, word.data, word.len + 1);
  read_weights(reader, operand);
}

// "<->" or "<N>"; false, and nothing passed over, if it is neither.
bool read_phrase_operator(Reader* reader, int16* distance) {
  const char* at = reader->words.at + 1;
  long number = 1;
  if (*at == '-') {
    at++;
  } else {
    char* end;
    number = strtol(at, &end, 10);
    if (end == at) return false;
    if (number < 0 || number > MAXENTRYPOS)
      ereport(ERROR,
              (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
               errmsg("distance in phrase operator must be an integer value between zero and %d inclusive",
                      MAXENTRYPOS)));
    at = end;
  }
  if (*at != '>') return false;
  reader->words.at = const_cast<char*>(at + 1);
  *distance = static_cast<int16>(number);
  return true;
}

// The operator that comes next, passed over if its priority is above `above`; 0 if it is not or there is none.
int8 read_operator(Reader* reader, int above, bool enclosed, int16* distance) {
  skip_space(reader);
  switch (*reader->words.at) {
    case '\0':
      if (enclosed) syntax_error(*reader);
      return 0;
    case ')':
      if (!enclosed) syntax_error(*reader);
      return 0;
    case '&':
      if (OP_PRIORITY(OP_AND) <= above) return 0;
      reader->words.at++;
      return OP_AND;
    case '|':
      if (OP_PRIORITY(OP_OR) <= above) return 0;
      reader->words.at++;
      return OP_OR;
    case '<': {
      char* before = reader->words.at;
      if (!read_phrase_operator(reader, distance)) syntax_error(*reader);
      if (OP_PRIORITY(OP_PHRASE) > above) return OP_PHRASE;
      reader->words.at = before;
      return 0;
    }
    default:
      syntax_error(*reader);
  }
}

// A word, a negation or something in parentheses, and what operators with a priority above `above` join to it.
// Answers how many items it has become.
int read_expression(Reader* reader, int above, bool enclosed) {
  check_stack_depth();
  const int begin = reader->count;
  skip_space(reader);
  if (*reader->words.at == '!') {
    reader->words.at++;
    (void)read_expression(reader, OP_PRIORITY(OP_NOT), enclosed);
    add_operator(reader, OP_NOT, 0, 1);
  } else if (*reader->words.at == '(') {
    reader->words.at++;
    (void)read_expression(reader, 0, true);
    reader->words.at++;  // the other parenthesis
  } else {
    read_word_operand(reader);
  }
  int16 distance = 0;
  while (const int8 oper = read_operator(reader, above, enclosed, &distance)) {
    const int right = read_expression(reader, OP_PRIORITY(oper), enclosed);
    add_operator(reader, oper, distance, right + 1);
  }
  return reader->count - begin;
}

void print_operand(StringInfo out, const QueryOperand& operand, const char* operands) {
  bgw::print_word(out, operands + operand.distance, operand.length);
  if (operand.weight == 0 && !operand.prefix) return;
  appendStringInfoChar(out, ':');
  if (operand.prefix) appendStringInfoChar(out, '*');
  for (int i = 3; i >= 0; i--)
    if ((operand.weight & (1 << i)) != 0) appendStringInfoChar(out, static_cast<char>('A' + 3 - i));
}

// Prints the item that *item points to and moves on behind its operands. The right operand comes first in
// memory.
void print_item(StringInfo out, const QueryItem** item, const char* operands, int parent_priority,
                bool right_of_phrase) {
  check_stack_depth();
  const QueryItem* here = (*item)++;
  if (here->type == QI_VAL) {
    print_operand(out, here->qoperand, operands);
    return;
  }
  const int8 oper = here->qoperator.oper;
  const int priority = OP_PRIORITY(oper);
  const bool parentheses = priority < parent_priority || (oper == OP_PHRASE && right_of_phrase);
  if (parentheses) appendStringInfoString(out, "( ");
  if (oper == OP_NOT) {
    appendStringInfoChar(out, '!');
    print_item(out, item, operands, priority, false);
  } else {
    StringInfoData right;
    initStringInfo(&right);
    print_item(&right, item, operands, priority, oper == OP_PHRASE);
    print_item(out, item, operands, priority, false);
    if (oper == OP_PHRASE && here->qoperator.distance != 1)
      appendStringInfo(out, " <%d> ", here->qoperator.distance);
    else
      appendStringInfoString(out, oper == OP_PHRASE ? " <-> " : oper == OP_AND ? " & " : " | ");
    appendBinaryStringInfo(out, right.data, right.len);
    pfree(right.data);
  }
  if (parentheses) appendStringInfoString(out, " )");
}

}  // namespace

extern "C" {

Datum tsqueryin(PG_FUNCTION_ARGS) {
  char* text = PG_GETARG_CSTRING(0);
  Reader reader = {};
  reader.words = bgw::make_word_reader(text, true);
  reader.room = 16;
  reader.items = static_cast<QueryItem*>(palloc(16 * sizeof(QueryItem)));
  initStringInfo(&reader.operands);
  skip_space(&reader);
  if (*reader.words.at == '\0')
    ereport(NOTICE, (errmsg("text-search query doesn't contain lexemes: \"%s\"", text)));
  else
    (void)read_expression(&reader, 0, false);
  if (TSQUERY_TOO_BIG(static_cast<Size>(reader.count), static_cast<Size>(reader.operands.len)))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("tsquery is too large")));
  const Size size = reader.count == 0
                        ? HDRSIZETQ
                        : COMPUTESIZE(static_cast<Size>(reader.count), static_cast<Size>(reader.operands.len));
  TSQuery query = static_cast<TSQuery>(palloc0(size));
  SET_VARSIZE(query, size);
  query->size = reader.count;
  for (int i = 0; i < reader.count; i++) GETQUERY(query)[i] = reader.items[reader.count - 1 - i];
  memcpy(GETOPERAND(query), reader.operands.data, static_cast<Size>(reader.operands.len));
  PG_RETURN_TSQUERY(query);
}

Datum tsqueryout(PG_FUNCTION_ARGS) {
  TSQuery query = PG_GETARG_TSQUERY(0);
  StringInfoData out;
  initStringInfo(&out);
  const QueryItem* item = GETQUERY(query);
  if (query->size > 0) print_item(&out, &item, GETOPERAND(query), -1, false);
  PG_RETURN_CSTRING(out.data);
}

Datum tsquery_numnode(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(PG_GETARG_TSQUERY(0)->size);
}

}  // extern "C"
