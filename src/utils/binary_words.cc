// The binary form of tsvector and tsquery: words as strings with a NUL behind them, in the order of the memory.
#include <algorithm>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "tsearch/ts_utils.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/pg_crc.h"
}

#include "bridge/type_io.hpp"

namespace {

inline StringInfo message_of(FunctionCallInfo fcinfo) {
  return reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0));
}

struct Entry {
  const char* word;
  Size length;
  uint16 count;
  WordEntryPos* positions;
};

Entry receive_entry(StringInfo message, Size before) {
  Entry entry = {};
  entry.word = pq_getmsgstring(message);
  entry.length = strlen(entry.word);
  entry.count = static_cast<uint16>(pq_getmsgint(message, sizeof(uint16)));
  if (entry.length == 0) elog(ERROR, "invalid tsvector: empty lexeme");
  if (entry.length > MAXSTRLEN) elog(ERROR, "invalid tsvector: lexeme too long");
  if (before > MAXSTRPOS) elog(ERROR, "invalid tsvector: maximum total lexeme length exceeded");
  if (entry.count > MAXNUMPOS) elog(ERROR, "unexpected number of tsvector positions");
  entry.positions = static_cast<WordEntryPos*>(palloc(sizeof(WordEntryPos) * (entry.count + 1U)));
  for (int i = 0; i < entry.count; i++) {
    entry.positions[i] = static_cast<WordEntryPos>(pq_getmsgint(message, sizeof(WordEntryPos)));
    if (i > 0 && WEP_GETPOS(entry.positions[i]) <= WEP_GETPOS(entry.positions[i - 1]))
      elog(ERROR, "position information is misordered");
  }
  return entry;
}

bool comes_before(const char* words, const WordEntry& a, const WordEntry& b) {
  const int order = memcmp(words + a.pos, words + b.pos, Min(a.len, b.len));
  return order != 0 ? order < 0 : a.len < b.len;
}

// Puts the words into the order of the text, in which the last item's comes first: so the values are that the server has read.
void order_words(QueryItem* items, uint32 count, StringInfo words) {
  StringInfoData ordered;
  initStringInfo(&ordered);
  for (uint32 i = count; i-- > 0;) {
    if (items[i].type != QI_VAL) continue;
    QueryOperand* operand = &items[i].qoperand;
    const char* word = words->data + operand->distance;
    operand->distance = static_cast<uint32>(ordered.len) & 0xfffff;
    appendBinaryStringInfo(&ordered, word, static_cast<int>(operand->length) + 1);
  }
  *words = ordered;
}

struct QueryReader {
  QueryItem* items;
  uint32 count;
  uint32 at;
};

// Notes of each operator how far its left operand is; the right one follows it.
void find_operands(QueryReader* reader) {
  check_stack_depth();
  if (reader->at >= reader->count) elog(ERROR, "malformed tsquery: operand not found");
  const uint32 here = reader->at++;
  QueryItem* item = &reader->items[here];
  if (item->type == QI_VAL) return;
  QueryOperator* op = &item->qoperator;
  find_operands(reader);
  op->left = 1;
  if (op->oper == OP_NOT) return;
  op->left = reader->at - here;
  find_operands(reader);
}

}  // namespace

extern "C" {

// How many words, and of each the text, how many positions, and these with their weights.
Datum tsvectorrecv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const int32 count = static_cast<int32>(pq_getmsgint(message, sizeof(int32)));
  if (count < 0 || static_cast<uint32>(count) > MAXSTRPOS) elog(ERROR, "invalid size of tsvector");
  // A word takes three bytes at least. If the count is too high, the words that are there come first: what is wrong with
  // one of them is told before.
  const Size room = Min(static_cast<Size>(count), static_cast<Size>(message->len - message->cursor) / 3 + 1);
  WordEntry* entries = static_cast<WordEntry*>(palloc0(sizeof(WordEntry) * (room + 1)));
  StringInfoData words;
  initStringInfo(&words);
  for (int32 i = 0; i < count; i++) {
    const Entry entry = receive_entry(message, static_cast<Size>(words.len));
    entries[i].haspos = entry.count > 0;
    entries[i].len = static_cast<uint32>(entry.length) & MAXSTRLEN;
    entries[i].pos = static_cast<uint32>(words.len) & MAXSTRPOS;
    appendBinaryStringInfo(&words, entry.word, static_cast<int>(entry.length));
    if (entry.count == 0) continue;
    if (words.len % 2 != 0) appendStringInfoChar(&words, '\0');
    appendBinaryStringInfo(&words, reinterpret_cast<const char*>(&entry.count), sizeof(entry.count));
    appendBinaryStringInfo(&words, reinterpret_cast<const char*>(entry.positions),
                           static_cast<int>(sizeof(WordEntryPos)) * entry.count);
  }
  std::sort(entries, entries + count,
            [&words](const WordEntry& a, const WordEntry& b) { return comes_before(words.data, a, b); });
  const Size size = CALCDATASIZE(static_cast<Size>(count), static_cast<Size>(words.len));
  TSVector vector = static_cast<TSVector>(palloc0(size));
  SET_VARSIZE(vector, size);
  vector->size = count;
  memcpy(ARRPTR(vector), entries, sizeof(WordEntry) * static_cast<Size>(count));
  memcpy(STRPTR(vector), words.data, static_cast<Size>(words.len));
  PG_RETURN_TSVECTOR(vector);
}

Datum tsvectorsend(PG_FUNCTION_ARGS) {
  TSVector vector = PG_GETARG_TSVECTOR(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(vector->size));
  for (int i = 0; i < vector->size; i++) {
    const WordEntry* entry = &ARRPTR(vector)[i];
    pq_sendtext(&out, STRPTR(vector) + entry->pos, static_cast<int>(entry->len));
    pq_sendbyte(&out, 0);
    const uint16 count = POSDATALEN(vector, entry);
    pq_sendint16(&out, count);
    for (int p = 0; p < count; p++) pq_sendint16(&out, POSDATAPTR(vector, entry)[p]);
  }
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

// How many items, and of each whether it is a word or an operator: a word's weights, whether it is a prefix, and its text; an
// operator's kind, and of a phrase's the distance.
Datum tsqueryrecv(PG_FUNCTION_ARGS) {
  StringInfo message = message_of(fcinfo);
  const uint32 count = pq_getmsgint(message, sizeof(uint32));
  if (count > MaxAllocSize / sizeof(QueryItem)) elog(ERROR, "invalid size of tsquery");
  // As above; an item takes two bytes at least.
  const Size room = Min(static_cast<Size>(count), static_cast<Size>(message->len - message->cursor) / 2 + 1);
  QueryItem* items = static_cast<QueryItem*>(palloc0(sizeof(QueryItem) * (room + 1)));
  StringInfoData words;
  initStringInfo(&words);
  for (uint32 i = 0; i < count; i++) {
    const int8 type = static_cast<int8>(pq_getmsgint(message, 1));
    items[i].type = type;
    if (type == QI_VAL) {
      QueryOperand* operand = &items[i].qoperand;
      const uint8 weight = static_cast<uint8>(pq_getmsgint(message, 1));
      const bool prefix = pq_getmsgint(message, 1) != 0;
      const char* word = pq_getmsgstring(message);
      const Size length = strlen(word);
      if (weight > 0xF) elog(ERROR, "invalid tsquery: invalid weight bitmap");
      if (length == 0) elog(ERROR, "invalid tsquery: empty operand");
      if (length > MAXSTRLEN) elog(ERROR, "invalid tsquery: operand too long");
      if (words.len > MAXSTRPOS) elog(ERROR, "invalid tsquery: total operand length exceeded");
      pg_crc32 crc;
      INIT_LEGACY_CRC32(crc);
      COMP_LEGACY_CRC32(crc, word, length);
      FIN_LEGACY_CRC32(crc);
      operand->weight = weight;
      operand->prefix = prefix;
      operand->valcrc = static_cast<int32>(crc);
      operand->length = static_cast<uint32>(length) & 0xfff;
      operand->distance = static_cast<uint32>(words.len) & 0xfffff;
      appendBinaryStringInfo(&words, word, static_cast<int>(length) + 1);
    } else if (type == QI_OPR) {
      QueryOperator* op = &items[i].qoperator;
      op->oper = static_cast<int8>(pq_getmsgint(message, 1));
      if (op->oper < OP_NOT || op->oper > OP_PHRASE)
        elog(ERROR, "invalid tsquery: unrecognized operator type %d", static_cast<int>(op->oper));
      if (i == count - 1) elog(ERROR, "invalid pointer to right operand");
      if (op->oper == OP_PHRASE) op->distance = static_cast<int16>(pq_getmsgint(message, sizeof(int16)));
    } else {
      elog(ERROR, "unrecognized tsquery node type: %d", type);
    }
  }
  if (count > 0) {
    QueryReader reader = {items, count, 0};
    find_operands(&reader);
    if (reader.at != count) elog(ERROR, "malformed tsquery: extra nodes");
  }
  if (bgw::trusted_text) order_words(items, count, &words);
  const Size size = HDRSIZETQ + sizeof(QueryItem) * count + static_cast<Size>(words.len);
  TSQuery query = static_cast<TSQuery>(palloc0(size));
  SET_VARSIZE(query, size);
  query->size = static_cast<int32>(count);
  memcpy(GETQUERY(query), items, sizeof(QueryItem) * count);
  memcpy(GETOPERAND(query), words.data, static_cast<Size>(words.len));
  PG_RETURN_TSQUERY(query);
}

Datum tsquerysend(PG_FUNCTION_ARGS) {
  TSQuery query = PG_GETARG_TSQUERY(0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, static_cast<uint32>(query->size));
  for (int i = 0; i < query->size; i++) {
    const QueryItem* item = &GETQUERY(query)[i];
    pq_sendint8(&out, static_cast<uint8>(item->type));
    if (item->type == QI_VAL) {
      pq_sendint8(&out, item->qoperand.weight);
      pq_sendint8(&out, item->qoperand.prefix);
      pq_sendstring(&out, GETOPERAND(query) + item->qoperand.distance);
    } else {
      pq_sendint8(&out, static_cast<uint8>(item->qoperator.oper));
      if (item->qoperator.oper == OP_PHRASE) pq_sendint16(&out, static_cast<uint16>(item->qoperator.distance));
    }
  }
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

}  // extern "C"
