// Strings that grow: a buffer in the context that was current when it was made, always zero-terminated.
extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
}

extern "C" {

StringInfo makeStringInfo(void) {
  StringInfo str = static_cast<StringInfo>(palloc(sizeof(StringInfoData)));
  initStringInfo(str);
  return str;
}

void initStringInfo(StringInfo str) {
  str->maxlen = 1024;
  str->data = static_cast<char*>(palloc(str->maxlen));
  resetStringInfo(str);
}

void resetStringInfo(StringInfo str) {
  str->data[0] = '\0';
  str->len = 0;
  str->cursor = 0;
}

void appendStringInfo(StringInfo str, const char* fmt, ...) {
  int format_errno = errno;
  for (;;) {
    va_list args;
    errno = format_errno;  // growing may have changed what %m prints
    va_start(args, fmt);
    int needed = appendStringInfoVA(str, fmt, args);
    va_end(args);
    if (needed == 0) return;
    enlargeStringInfo(str, needed);
  }
}

// Zero when all was appended, otherwise how much room to make before trying again.
int appendStringInfoVA(StringInfo str, const char* fmt, va_list args) {
  Size room = static_cast<Size>(str->maxlen - str->len);
  if (room < 16) return 32;
  Size printed = pvsnprintf(str->data + str->len, room, fmt, args);
  if (likely(printed < room)) {
    str->len += static_cast<int>(printed);
    return 0;
  }
  str->data[str->len] = '\0';
  return static_cast<int>(printed);
}

void appendStringInfoString(StringInfo str, const char* s) {
  appendBinaryStringInfo(str, s, static_cast<int>(strlen(s)));
}

void appendStringInfoChar(StringInfo str, char ch) {
  if (str->len + 1 >= str->maxlen) enlargeStringInfo(str, 1);
  str->data[str->len++] = ch;
  str->data[str->len] = '\0';
}

void appendStringInfoSpaces(StringInfo str, int count) {
  if (count <= 0) return;
  enlargeStringInfo(str, count);
  memset(str->data + str->len, ' ', static_cast<Size>(count));
  str->len += count;
  str->data[str->len] = '\0';
}

void appendBinaryStringInfo(StringInfo str, const char* data, int datalen) {
  appendBinaryStringInfoNT(str, data, datalen);
  str->data[str->len] = '\0';
}

// Leaves out the zero at the end, though there is room for it.
void appendBinaryStringInfoNT(StringInfo str, const char* data, int datalen) {
  enlargeStringInfo(str, datalen);
  memcpy(str->data + str->len, data, static_cast<Size>(datalen));
  str->len += datalen;
}

// Makes room for `needed` more bytes and the zero, at least doubling, up to the largest allocation.
void enlargeStringInfo(StringInfo str, int needed) {
  if (unlikely(needed < 0)) elog(ERROR, "invalid string enlargement request size: %d", needed);
  Size wanted = static_cast<Size>(str->len) + static_cast<Size>(needed) + 1;
  if (wanted <= static_cast<Size>(str->maxlen)) return;
  if (unlikely(wanted > MaxAllocSize))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("out of memory"),
                    errdetail("Cannot enlarge string buffer containing %d bytes by %d more bytes.", str->len,
                              needed)));
  Size size = 2 * static_cast<Size>(str->maxlen);
  while (size < wanted) size *= 2;
  if (size > MaxAllocSize) size = MaxAllocSize;
  str->data = static_cast<char*>(repalloc(str->data, size));
  str->maxlen = static_cast<int>(size);
}

}  // extern "C"
