// Error reports from errstart() to errfinish(): the stack of reports in progress, what each level does to the
// process, and the jumps.
//
// A report is put together in ErrorContext, on a short stack because context callbacks and hooks may report
// in turn. An ERROR jumps to PG_exception_stack with its report left on the stack for the catcher; anything
// else is written out and taken off. FATAL and PANIC end the process here. Any process may enter, and so may
// a signal handler that raises FATAL: nothing below allocates outside ErrorContext or holds a lock while it
// calls out.
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "bridge/critical.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include <execinfo.h>
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

#include "utils/elog_internal.hpp"

namespace {

constexpr int kStackSize = 5;
ErrorData error_stack[kStackSize];
BGW_START_DATA bool complete[kStackSize];  // errfinish() has added everything
BGW_START_DATA int stack_top = -1;

// Strings of a report that are its own; the rest are constants.
constexpr char* ErrorData::*owned_strings[] = {
    &ErrorData::message,     &ErrorData::detail,        &ErrorData::detail_log,      &ErrorData::hint,
    &ErrorData::context,     &ErrorData::backtrace,     &ErrorData::schema_name,     &ErrorData::table_name,
    &ErrorData::column_name, &ErrorData::datatype_name, &ErrorData::constraint_name, &ErrorData::internalquery};

// Copies the strings into `context`, which then owns them.
void copy_error_strings(ErrorData* to, MemoryContext context) {
  for (auto string : owned_strings)
    if (to->*string) to->*string = MemoryContextStrdup(context, to->*string);
  to->assoc_context = context;
}

int default_sqlstate(int elevel) {
  if (elevel >= ERROR) return ERRCODE_INTERNAL_ERROR;
  return elevel >= WARNING ? ERRCODE_WARNING : ERRCODE_SUCCESSFUL_COMPLETION;
}

// What this process makes of the level asked for.
int effective_level(int elevel) {
  if (elevel < ERROR) return elevel;
  if (CritSectionCount > 0) elevel = PANIC;
  // Nobody to catch it, or nobody who should.
  if (elevel == ERROR && (PG_exception_stack == nullptr || ExitOnAnyError || proc_exit_inprogress))
    elevel = FATAL;
  // An error while a worse one is being reported is as bad as that.
  for (int i = 0; i <= stack_top; ++i) elevel = Max(elevel, error_stack[i].elevel);
  return elevel;
}

// Adds the stack of C calls. The library allocates, hence the critical section.
pg_noinline void add_backtrace(ErrorData* error, int skip) {
  void* frames[100];
  bgw::enter_critical();
  int count = backtrace(frames, lengthof(frames));
  char** names = backtrace_symbols(frames, count);
  bgw::leave_critical();
  if (!names) return;
  StringInfoData text;
  initStringInfo(&text);
  for (int i = skip; i < count; ++i) appendStringInfo(&text, "\n%s", names[i]);
  bgw::enter_critical();
  free(names);
  bgw::leave_critical();
  error->backtrace = text.data;
}

// backtrace_symbol_list is a sequence of function names, each ended by a zero byte, the last by two.
bool wants_backtrace(const char* function) {
  if (!backtrace_symbol_list || !function) return false;
  for (const char* name = backtrace_symbol_list; *name; name += strlen(name) + 1)
    if (strcmp(name, function) == 0) return true;
  return false;
}

void call_context_callbacks() {
  for (ErrorContextCallback* entry = error_context_stack; entry; entry = entry->previous)
    entry->callback(entry->arg);
}

// A module's half-written line must come before the last words; but a handler may have interrupted stdio.
void flush_stdio() {
  for (FILE* file : {stdout, stderr}) {
    if (ftrylockfile(file) != 0) continue;
    fflush_unlocked(file);
    funlockfile(file);
  }
}

}  // namespace

namespace bgw {

int elog_recursion_depth = 0;

ErrorData* current_error() {
  if (unlikely(stack_top < 0)) ereport(ERROR, (errmsg_internal("errstart was not called")));
  return &error_stack[stack_top];
}

ErrorData* push_error(int elevel, const char* domain) {
  if (++stack_top >= kStackSize) {
    stack_top = -1;  // room for the report of that
    ereport(PANIC, (errmsg_internal("ERRORDATA_STACK_SIZE exceeded")));
  }
  ErrorData* error = &error_stack[stack_top];
  complete[stack_top] = false;
  *error = {};
  error->elevel = elevel;
  error->domain = domain ? domain : PG_TEXTDOMAIN("postgres");
  error->context_domain = error->domain;
  error->sqlerrcode = default_sqlstate(elevel);
  error->assoc_context = ErrorContext;
  return error;
}

void pop_error() {
  stack_top--;
}

void free_error_strings(ErrorData* error) {
  for (auto string : owned_strings)
    if (error->*string) pfree(error->*string);
}

bool reaches_log(int elevel, int threshold) {
  switch (elevel) {
    case WARNING_CLIENT_ONLY:
      return false;
    case LOG:
    case LOG_SERVER_ONLY:
      return threshold == LOG || threshold <= ERROR;
    default:
      return elevel >= (threshold == LOG ? FATAL : threshold);
  }
}

void (*send_message_to_frontend)(const ErrorData* error) = nullptr;

bool reaches_client(int elevel) {
  if (whereToSendOutput != DestRemote || elevel == LOG_SERVER_ONLY) return false;
  return elevel >= client_min_messages || elevel == INFO;
}

void emit_error_data(const ErrorData* from) {
  ErrorData* error = push_error(from->elevel, from->domain);
  MemoryContext caller = MemoryContextSwitchTo(ErrorContext);
  int at = stack_top;
  *error = *from;
  copy_error_strings(error, ErrorContext);
  error->output_to_server = reaches_log(error->elevel, log_min_messages);
  error->output_to_client = false;
  EmitErrorReport();
  stack_top = at;
  free_error_strings(error);
  pop_error();
  MemoryContextSwitchTo(caller);
}

}  // namespace bgw

using bgw::current_error;
using bgw::elog_recursion_depth;

extern "C" {

BGW_START_DATA sigjmp_buf* PG_exception_stack = nullptr;
BGW_START_DATA ErrorContextCallback* error_context_stack = nullptr;
emit_log_hook_type emit_log_hook = nullptr;

bool in_error_recursion_trouble() {
  return elog_recursion_depth > 2;
}

bool message_level_is_interesting(int elevel) {
  return bgw::reaches_log(elevel, log_min_messages) || bgw::reaches_client(elevel);
}

bool errstart(int elevel, const char* domain) {
  int caller_errno = errno;
  elevel = effective_level(elevel);
  bool to_log = bgw::reaches_log(elevel, log_min_messages);
  bool to_client = bgw::reaches_client(elevel);
  if (elevel < ERROR && !to_log && !to_client) return false;

  if (unlikely(ErrorContext == nullptr)) {
    write_stderr("error occurred before error message processing is available\n");
    exit(2);
  }
  if (elog_recursion_depth++ > 0 && elevel >= ERROR) {
    // The report in progress is given up for this one; when that does not help either, so is what calls out.
    MemoryContextReset(ErrorContext);
    if (in_error_recursion_trouble()) {
      error_context_stack = nullptr;
      debug_query_string = nullptr;
    }
  }
  ErrorData* error = bgw::push_error(elevel, domain);
  error->output_to_server = to_log;
  error->output_to_client = to_client;
  error->saved_errno = caller_errno;
  elog_recursion_depth--;
  return true;
}

bool errstart_cold(int elevel, const char* domain) {
  return errstart(elevel, domain);
}

void errfinish(const char* filename, int lineno, const char* funcname) {
  ErrorData* error = current_error();
  elog_recursion_depth++;

  if (filename) {
    const char* slash = strrchr(filename, '/');
    error->filename = slash ? slash + 1 : filename;
  }
  error->lineno = lineno;
  error->funcname = funcname;
  int elevel = error->elevel;

  MemoryContext caller = MemoryContextSwitchTo(ErrorContext);
  if (!error->backtrace && wants_backtrace(funcname)) add_backtrace(error, 2);
  call_context_callbacks();

  if (elevel == ERROR) {
    // The catcher starts with nothing held off: whoever raised it cannot give back what it held.
    InterruptHoldoffCount = 0;
    QueryCancelHoldoffCount = 0;
    CritSectionCount = 0;
    complete[stack_top] = true;
    elog_recursion_depth--;
    bgw::leave_critical_for_error();
    PG_RE_THROW();
  }

  EmitErrorReport();
  bgw::free_error_strings(error);
  bgw::pop_error();
  MemoryContextSwitchTo(caller);
  elog_recursion_depth--;

  if (elevel == FATAL) {
    flush_stdio();
    proc_exit(1);
  }
  if (elevel >= PANIC) {
    flush_stdio();
    abort();
  }
  CHECK_FOR_INTERRUPTS();
}

void pg_re_throw() {
  if (PG_exception_stack) siglongjmp(*PG_exception_stack, 1);

  // The catcher that handed it on was the outermost: the error becomes fatal now.
  ErrorData* error = current_error();
  error->elevel = FATAL;
  error->output_to_server = bgw::reaches_log(FATAL, log_min_messages);
  error->output_to_client = bgw::reaches_client(FATAL);
  error_context_stack = nullptr;  // its callbacks have been called
  errfinish(error->filename, error->lineno, error->funcname);
  abort();
}

void EmitErrorReport() {
  ErrorData* error = current_error();
  elog_recursion_depth++;
  MemoryContext caller = MemoryContextSwitchTo(error->assoc_context);
  if (error->output_to_server && emit_log_hook) emit_log_hook(error);
  if (error->output_to_server) bgw::write_server_log(error);
  if (error->output_to_client && bgw::send_message_to_frontend) bgw::send_message_to_frontend(error);
  MemoryContextSwitchTo(caller);
  elog_recursion_depth--;

  int why = 0;
  if (elog_recursion_depth > 2) return;
  if (int lost = bgw::take_lost_entries(&why)) {
    errno = why;
    ereport(LOG,
            (errhidestmt(true), errhidecontext(true),
             errmsg_plural("%d log entry could not be written: %m", "%d log entries could not be written: %m",
                           static_cast<unsigned long>(lost), lost)));
  }
}

ErrorData* CopyErrorData() {
  ErrorData* error = current_error();
  Assert(CurrentMemoryContext != ErrorContext);
  ErrorData* copy = static_cast<ErrorData*>(palloc(sizeof(ErrorData)));
  *copy = *error;
  copy_error_strings(copy, CurrentMemoryContext);
  return copy;
}

void FreeErrorData(ErrorData* edata) {
  bgw::free_error_strings(edata);
  pfree(edata);
}

void FlushErrorState() {
  stack_top = -1;
  elog_recursion_depth = 0;
  MemoryContextReset(ErrorContext);
}

bool HaveCompleteError() {
  return stack_top >= 0 && complete[stack_top];
}

// Raises a report that was copied, maybe in another process, as if it were new here.
void ThrowErrorData(ErrorData* edata) {
  if (!errstart(edata->elevel, edata->domain)) return;
  ErrorData* error = current_error();
  elog_recursion_depth++;
  if (edata->sqlerrcode) error->sqlerrcode = edata->sqlerrcode;
  for (auto string : owned_strings)
    if (edata->*string) error->*string = MemoryContextStrdup(error->assoc_context, edata->*string);
  error->message_id = edata->message_id;
  error->hide_stmt = edata->hide_stmt;
  error->hide_ctx = edata->hide_ctx;
  error->cursorpos = edata->cursorpos;
  error->internalpos = edata->internalpos;
  elog_recursion_depth--;
  errfinish(edata->filename, edata->lineno, edata->funcname);
}

// Puts a copied ERROR back and hands it to the next catcher.
void ReThrowError(ErrorData* edata) {
  elog_recursion_depth++;
  MemoryContextSwitchTo(ErrorContext);
  ErrorData* error = bgw::push_error(ERROR, edata->domain);
  *error = *edata;
  copy_error_strings(error, ErrorContext);
  complete[stack_top] = true;
  elog_recursion_depth--;
  PG_RE_THROW();
}

// What the context callbacks say now, in the caller's context; null if nothing.
char* GetErrorContextStack() {
  elog_recursion_depth++;
  MemoryContext caller = CurrentMemoryContext;
  ErrorData* error = bgw::push_error(LOG, nullptr);
  error->assoc_context = caller;
  call_context_callbacks();
  char* context = error->context;
  bgw::pop_error();
  elog_recursion_depth--;
  return context;
}

int errbacktrace() {
  ErrorData* error = current_error();
  elog_recursion_depth++;
  MemoryContext caller = MemoryContextSwitchTo(error->assoc_context);
  add_backtrace(error, 1);
  MemoryContextSwitchTo(caller);
  elog_recursion_depth--;
  return 0;
}

}  // extern "C"
