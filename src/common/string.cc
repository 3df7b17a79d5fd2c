// Lines of a stream of any length (common/string.h), and a sort that can be interrupted (port.h). C style:
// errors may leave from anywhere.
#include <cerrno>
#include <cstdio>

extern "C" {
#include "postgres.h"
#include "common/string.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
}

namespace {

struct Comparison {
  qsort_arg_comparator compare;
  void* argument;
};

int compare_interruptibly(const void* a, const void* b, void* argument) {
  const Comparison* comparison = static_cast<const Comparison*>(argument);
  CHECK_FOR_INTERRUPTS();
  return comparison->compare(a, b, comparison->argument);
}

}  // namespace

extern "C" {

// Adds a line, with its newline if there is one. False at the end of the stream, or when reading failed, which
// ferror() tells; nothing has been added then.
bool pg_get_line_append(FILE* stream, StringInfo buf, PromptInterruptContext* prompt_ctx) {
  const int before = buf->len;
  for (;;) {
    enlargeStringInfo(buf, 128);
    if (fgets(buf->data + buf->len, buf->maxlen - buf->len, stream) == nullptr) break;
    buf->len += static_cast<int>(strlen(buf->data + buf->len));
    if (buf->len > before && buf->data[buf->len - 1] == '\n') return true;
  }
  if (ferror(stream) || buf->len == before) {
    buf->len = before;
    buf->data[before] = '\0';
    return false;
  }
  return true;
}

bool pg_get_line_buf(FILE* stream, StringInfo buf) {
  resetStringInfo(buf);
  return pg_get_line_append(stream, buf, nullptr);
}

// The next line, palloc'd, or nullptr; errno is that of the reading.
char* pg_get_line(FILE* stream, PromptInterruptContext* prompt_ctx) {
  StringInfoData line;
  initStringInfo(&line);
  if (pg_get_line_append(stream, &line, prompt_ctx)) return line.data;
  int why = errno;
  pfree(line.data);
  errno = why;
  return nullptr;
}

void qsort_interruptible(void* base, size_t nel, size_t elsize, qsort_arg_comparator cmp, void* arg) {
  Comparison comparison = {cmp, arg};
  qsort_arg(base, nel, elsize, compare_interruptibly, &comparison);
}

}  // extern "C"
