// The functions that put one field each into the report in progress, in ErrorContext.
//
// Each formats with the errno that was in force at errstart(), so that %m means what the caller saw. The
// values they return mean nothing; they are there so that they can be arguments of ereport().
extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "postgres_ext.h"
#include "utils/memutils.h"
}

#include "utils/elog_internal.hpp"

using bgw::current_error;
using bgw::elog_recursion_depth;

namespace {

// Formats into *field; with `append`, as a further line of what is there.
void set_formatted(ErrorData* error, char** field, const char* format, va_list args, bool append = false) {
  elog_recursion_depth++;
  MemoryContext caller = MemoryContextSwitchTo(error->assoc_context);
  StringInfoData text;
  initStringInfo(&text);
  if (append && *field) {
    appendStringInfoString(&text, *field);
    appendStringInfoChar(&text, '\n');
  }
  for (;;) {
    va_list again;
    va_copy(again, args);
    errno = error->saved_errno;
    int needed = appendStringInfoVA(&text, format, again);
    va_end(again);
    if (needed == 0) break;
    enlargeStringInfo(&text, needed);
  }
  if (*field) pfree(*field);
  *field = pstrdup(text.data);
  pfree(text.data);
  MemoryContextSwitchTo(caller);
  elog_recursion_depth--;
}

}  // namespace

// A field function with printf's arguments.
#define SET_FORMATTED(error, field, format, ...)                      \
  do {                                                                \
    va_list args;                                                     \
    va_start(args, format);                                           \
    set_formatted(error, &error->field, format, args, ##__VA_ARGS__); \
    va_end(args);                                                     \
  } while (0)

// And one that chooses its format by a number.
#define SET_PLURAL(error, field, singular, plural, n)                      \
  do {                                                                     \
    va_list args;                                                          \
    va_start(args, n);                                                     \
    set_formatted(error, &error->field, n == 1 ? singular : plural, args); \
    va_end(args);                                                          \
  } while (0)

extern "C" {

int errcode(int sqlerrcode) {
  current_error()->sqlerrcode = sqlerrcode;
  return 0;
}

int errcode_for_file_access() {
  ErrorData* error = current_error();
  switch (error->saved_errno) {
    case EPERM:
    case EACCES:
    case EROFS:
      error->sqlerrcode = ERRCODE_INSUFFICIENT_PRIVILEGE;
      break;
    case ENOENT:
      error->sqlerrcode = ERRCODE_UNDEFINED_FILE;
      break;
    case EEXIST:
      error->sqlerrcode = ERRCODE_DUPLICATE_FILE;
      break;
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      error->sqlerrcode = ERRCODE_WRONG_OBJECT_TYPE;
      break;
    case ENOSPC:
      error->sqlerrcode = ERRCODE_DISK_FULL;
      break;
    case ENOMEM:
      error->sqlerrcode = ERRCODE_OUT_OF_MEMORY;
      break;
    case ENFILE:
    case EMFILE:
      error->sqlerrcode = ERRCODE_INSUFFICIENT_RESOURCES;
      break;
    case EIO:
      error->sqlerrcode = ERRCODE_IO_ERROR;
      break;
    default:
      error->sqlerrcode = ERRCODE_INTERNAL_ERROR;
      break;
  }
  return 0;
}

int errcode_for_socket_access() {
  ErrorData* error = current_error();
  switch (error->saved_errno) {
    case EPIPE:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case ECONNABORTED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      error->sqlerrcode = ERRCODE_CONNECTION_FAILURE;
      break;
    default:
      error->sqlerrcode = ERRCODE_INTERNAL_ERROR;
      break;
  }
  return 0;
}

int errmsg(const char* fmt, ...) {
  ErrorData* error = current_error();
  error->message_id = fmt;
  SET_FORMATTED(error, message, fmt);
  return 0;
}

int errmsg_internal(const char* fmt, ...) {
  ErrorData* error = current_error();
  error->message_id = fmt;
  SET_FORMATTED(error, message, fmt);
  return 0;
}

int errmsg_plural(const char* fmt_singular, const char* fmt_plural, unsigned long n, ...) {
  ErrorData* error = current_error();
  error->message_id = fmt_singular;
  SET_PLURAL(error, message, fmt_singular, fmt_plural, n);
  return 0;
}

int errdetail(const char* fmt, ...) {
  ErrorData* error = current_error();
  SET_FORMATTED(error, detail, fmt);
  return 0;
}

int errdetail_internal(const char* fmt, ...) {
  ErrorData* error = current_error();
  SET_FORMATTED(error, detail, fmt);
  return 0;
}

int errdetail_log(const char* fmt, ...) {
  ErrorData* error = current_error();
  SET_FORMATTED(error, detail_log, fmt);
  return 0;
}

int errdetail_log_plural(const char* fmt_singular, const char* fmt_plural, unsigned long n, ...) {
  ErrorData* error = current_error();
  SET_PLURAL(error, detail_log, fmt_singular, fmt_plural, n);
  return 0;
}

int errdetail_plural(const char* fmt_singular, const char* fmt_plural, unsigned long n, ...) {
  ErrorData* error = current_error();
  SET_PLURAL(error, detail, fmt_singular, fmt_plural, n);
  return 0;
}

int errhint(const char* fmt, ...) {
  ErrorData* error = current_error();
  SET_FORMATTED(error, hint, fmt);
  return 0;
}

int errhint_plural(const char* fmt_singular, const char* fmt_plural, unsigned long n, ...) {
  ErrorData* error = current_error();
  SET_PLURAL(error, hint, fmt_singular, fmt_plural, n);
  return 0;
}

// Called by each context callback, innermost first: the lines add up.
int errcontext_msg(const char* fmt, ...) {
  ErrorData* error = current_error();
  SET_FORMATTED(error, context, fmt, true);
  return 0;
}

int set_errcontext_domain(const char* domain) {
  current_error()->context_domain = domain ? domain : PG_TEXTDOMAIN("postgres");
  return 0;
}

int errhidestmt(bool hide_stmt) {
  current_error()->hide_stmt = hide_stmt;
  return 0;
}

int errhidecontext(bool hide_ctx) {
  current_error()->hide_ctx = hide_ctx;
  return 0;
}

int errposition(int cursorpos) {
  current_error()->cursorpos = cursorpos;
  return 0;
}

int internalerrposition(int cursorpos) {
  current_error()->internalpos = cursorpos;
  return 0;
}

int internalerrquery(const char* query) {
  ErrorData* error = current_error();
  if (error->internalquery) pfree(error->internalquery);
  error->internalquery = query ? MemoryContextStrdup(error->assoc_context, query) : nullptr;
  return 0;
}

int err_generic_string(int field, const char* str) {
  ErrorData* error = current_error();
  char** target;
  switch (field) {
    case PG_DIAG_SCHEMA_NAME:
      target = &error->schema_name;
      break;
    case PG_DIAG_TABLE_NAME:
      target = &error->table_name;
      break;
    case PG_DIAG_COLUMN_NAME:
      target = &error->column_name;
      break;
    case PG_DIAG_DATATYPE_NAME:
      target = &error->datatype_name;
      break;
    case PG_DIAG_CONSTRAINT_NAME:
      target = &error->constraint_name;
      break;
    default:
      elog(ERROR, "unsupported ErrorData field id: %d", field);
  }
  *target = MemoryContextStrdup(error->assoc_context, str);
  return 0;
}

int geterrcode() {
  return current_error()->sqlerrcode;
}
int geterrposition() {
  return current_error()->cursorpos;
}
int getinternalerrposition() {
  return current_error()->internalpos;
}

// A message outside any report, with %m as of an earlier moment.
static int format_errno;

void pre_format_elog_string(int errnumber, const char* domain) {
  format_errno = errnumber;
}

char* format_elog_string(const char* fmt, ...) {
  ErrorData message = {};
  message.assoc_context = ErrorContext;
  message.saved_errno = format_errno;
  ErrorData* error = &message;
  SET_FORMATTED(error, message, fmt);
  return message.message;
}

// Five characters and a zero, overwritten by the next call.
char* unpack_sql_state(int sql_state) {
  static char text[6];
  for (int i = 0; i < 5; ++i, sql_state >>= 6) text[i] = static_cast<char>(PGUNSIXBIT(sql_state));
  return text;
}

const char* error_severity(int elevel) {
  switch (elevel) {
    case DEBUG1:
    case DEBUG2:
    case DEBUG3:
    case DEBUG4:
    case DEBUG5:
      return "DEBUG";
    case LOG:
    case LOG_SERVER_ONLY:
      return "LOG";
    case INFO:
      return "INFO";
    case NOTICE:
      return "NOTICE";
    case WARNING:
    case WARNING_CLIENT_ONLY:
      return "WARNING";
    case ERROR:
      return "ERROR";
    case FATAL:
      return "FATAL";
    case PANIC:
      return "PANIC";
    default:
      return "???";
  }
}

}  // extern "C"
