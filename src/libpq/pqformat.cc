// Writing values into a message and reading them out of one (libpq/pqformat.h), in a StringInfo: what send and
// receive functions of types do, and modules that send messages of their own through a queue. Numbers are in
// network order. Text is in the session's encoding on both sides, so nothing is converted. C style.
extern "C" {
#include "postgres.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
}

namespace {

[[noreturn]] void violation(const char* what) {
  ereport(ERROR, (errcode(ERRCODE_PROTOCOL_VIOLATION), errmsg("%s", what)));
  pg_unreachable();
}

const char* take(StringInfo msg, int length) {
  if (length < 0 || length > msg->len - msg->cursor) violation("insufficient data left in message");
  const char* data = msg->data + msg->cursor;
  msg->cursor += length;
  return data;
}

// A text up to its zero byte, which the StringInfo's own at the end of the data does not count as.
const char* take_string(StringInfo msg) {
  const char* text = msg->data + msg->cursor;
  int length = static_cast<int>(strlen(text));
  if (msg->cursor + length >= msg->len) violation("invalid string in message");
  msg->cursor += length + 1;
  return text;
}

}  // namespace

extern "C" {

void pq_sendbytes(StringInfo buf, const char* data, int datalen) {
  appendBinaryStringInfoNT(buf, data, datalen);
}

void pq_sendcountedtext(StringInfo buf, const char* str, int slen, bool countincludesself) {
  pq_sendint32(buf, static_cast<uint32>(slen + (countincludesself ? 4 : 0)));
  appendBinaryStringInfoNT(buf, str, slen);
}

void pq_sendtext(StringInfo buf, const char* str, int slen) {
  appendBinaryStringInfo(buf, str, slen);
}

void pq_sendstring(StringInfo buf, const char* str) {
  appendBinaryStringInfoNT(buf, str, static_cast<int>(strlen(str)) + 1);
}

// For texts of an encoding that is not known.
void pq_send_ascii_string(StringInfo buf, const char* str) {
  for (; *str != '\0'; str++) appendStringInfoCharMacro(buf, IS_HIGHBIT_SET(*str) ? '?' : *str);
  appendStringInfoChar(buf, '\0');
}

void pq_sendfloat4(StringInfo buf, float4 f) {
  uint32 bits;
  memcpy(&bits, &f, sizeof(bits));
  pq_sendint32(buf, bits);
}

void pq_sendfloat8(StringInfo buf, float8 f) {
  uint64 bits;
  memcpy(&bits, &f, sizeof(bits));
  pq_sendint64(buf, bits);
}

// Room for the length is left at the beginning, so that the buffer itself becomes the value.
void pq_begintypsend(StringInfo buf) {
  initStringInfo(buf);
  for (int i = 0; i < VARHDRSZ; i++) appendStringInfoCharMacro(buf, '\0');
}

bytea* pq_endtypsend(StringInfo buf) {
  bytea* result = reinterpret_cast<bytea*>(buf->data);
  SET_VARSIZE(result, buf->len);
  return result;
}

int pq_getmsgbyte(StringInfo msg) {
  if (msg->cursor >= msg->len) violation("no data left in message");
  return static_cast<unsigned char>(msg->data[msg->cursor++]);
}

unsigned int pq_getmsgint(StringInfo msg, int b) {
  unsigned char one;
  uint16 two;
  uint32 four;
  switch (b) {
    case 1:
      pq_copymsgbytes(msg, reinterpret_cast<char*>(&one), 1);
      return one;
    case 2:
      pq_copymsgbytes(msg, reinterpret_cast<char*>(&two), 2);
      return pg_ntoh16(two);
    case 4:
      pq_copymsgbytes(msg, reinterpret_cast<char*>(&four), 4);
      return pg_ntoh32(four);
    default:
      elog(ERROR, "unsupported integer size %d", b);
  }
  pg_unreachable();
}

int64 pq_getmsgint64(StringInfo msg) {
  uint64 bits;
  pq_copymsgbytes(msg, reinterpret_cast<char*>(&bits), sizeof(bits));
  return static_cast<int64>(pg_ntoh64(bits));
}

float4 pq_getmsgfloat4(StringInfo msg) {
  uint32 bits = pq_getmsgint(msg, 4);
  float4 f;
  memcpy(&f, &bits, sizeof(f));
  return f;
}

float8 pq_getmsgfloat8(StringInfo msg) {
  int64 bits = pq_getmsgint64(msg);
  float8 f;
  memcpy(&f, &bits, sizeof(f));
  return f;
}

const char* pq_getmsgbytes(StringInfo msg, int datalen) {
  return take(msg, datalen);
}

void pq_copymsgbytes(StringInfo msg, char* buf, int datalen) {
  const char* data = take(msg, datalen);
  memcpy(buf, data, static_cast<size_t>(datalen));
}

char* pq_getmsgtext(StringInfo msg, int rawbytes, int* nbytes) {
  const char* data = take(msg, rawbytes);
  char* text = static_cast<char*>(palloc(static_cast<Size>(rawbytes) + 1));
  memcpy(text, data, static_cast<size_t>(rawbytes));
  text[rawbytes] = '\0';
  *nbytes = rawbytes;
  return text;
}

const char* pq_getmsgstring(StringInfo msg) {
  return take_string(msg);
}

const char* pq_getmsgrawstring(StringInfo msg) {
  return take_string(msg);
}

void pq_getmsgend(StringInfo msg) {
  if (msg->cursor != msg->len) violation("invalid message format");
}

}  // extern "C"
