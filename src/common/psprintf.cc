// Printing into palloc'd memory. The formatting itself is libpgport's, which knows %m and is the same on every
// system.
extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

extern "C" {

char* psprintf(const char* fmt, ...) {
  int format_errno = errno;
  Size room = 128;
  for (;;) {
    char* text = static_cast<char*>(palloc(room));
    va_list args;
    errno = format_errno;
    va_start(args, fmt);
    Size needed = pvsnprintf(text, room, fmt, args);
    va_end(args);
    if (needed < room) return text;
    pfree(text);
    room = needed;
  }
}

// The number of characters printed if that is less than `len`; otherwise the buffer size to try next.
size_t pvsnprintf(char* buf, size_t len, const char* fmt, va_list args) {
  int printed = vsnprintf(buf, len, fmt, args);
  if (unlikely(printed < 0)) elog(ERROR, "vsnprintf failed: %m with format string \"%s\"", fmt);
  if (static_cast<size_t>(printed) < len) return static_cast<size_t>(printed);
  if (unlikely(static_cast<size_t>(printed) > MaxAllocSize - 1))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("out of memory")));
  return static_cast<size_t>(printed) + 1;
}

}  // extern "C"
