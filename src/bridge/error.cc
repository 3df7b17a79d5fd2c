// The bridge from errors and log entries of the core to the server's error system.
//
// Entries of the log take no part in context callbacks, interrupts or exceptions: bgw::log() is called with
// C++ objects alive, so nothing on its way may jump out. What does fail on the way (no memory) is caught here
// and the entry goes to stderr as it is.
#include "bridge/error.hpp"

#include "bridge/critical.hpp"
#include "core/log.hpp"

#include <string_view>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

#include "utils/elog_internal.hpp"

namespace bgw {

namespace {

int pack_sqlstate(std::string_view text) {
  if (text.size() != 5) return ERRCODE_INTERNAL_ERROR;
  return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

char* copy_text(std::string_view text) {
  char* copy = static_cast<char*>(
      MemoryContextAllocExtended(CurrentMemoryContext, text.size() + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE));
  if (!copy) return nullptr;
  memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

char* copy_if_given(std::string_view text) {
  return text.empty() ? nullptr : copy_text(text);
}

void free_text(char* text) {
  if (text) pfree(text);
}

int elevel_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug2:
      return DEBUG2;
    case LogLevel::debug1:
      return DEBUG1;
    case LogLevel::info:
      return INFO;
    case LogLevel::notice:
      return NOTICE;
    case LogLevel::warning:
      return WARNING;
    case LogLevel::log:
      return LOG;
    case LogLevel::error:
      return ERROR;
  }
  return LOG;
}

// The C-style half: may jump within the sink, holds no C++ object.
void emit(const LogEntry* entry) {
  MemoryContext caller = MemoryContextSwitchTo(ErrorContext);
  char* message = pnstrdup(entry->message.data(), entry->message.size());
  char* detail = entry->detail.empty() ? nullptr : pnstrdup(entry->detail.data(), entry->detail.size());
  char* hint = entry->hint.empty() ? nullptr : pnstrdup(entry->hint.data(), entry->hint.size());
  ErrorData error = {};
  error.elevel = elevel_of(entry->level);
  error.sqlerrcode = pack_sqlstate(entry->sqlstate);
  error.hide_stmt = true;
  error.message = message;
  error.message_id = "%s";
  error.detail = detail;
  error.hint = hint;
  emit_error_data(&error);
  pfree(message);
  free_text(detail);
  free_text(hint);
  MemoryContextSwitchTo(caller);
}

void write_to_server_log(const LogEntry& entry) noexcept {
  if (!message_level_is_interesting(elevel_of(entry.level))) return;
  const LogEntry* what = &entry;
  MemoryContext caller = CurrentMemoryContext;
  const uint32 interrupts = InterruptHoldoffCount;
  const uint32 cancels = QueryCancelHoldoffCount;
  const uint32 critical_section = CritSectionCount;
  const std::sig_atomic_t depth = critical_depth;
  // A handler that ends the process must not do so above C++ objects.
  enter_critical();
  const std::sig_atomic_t floor = critical_floor;
  critical_floor = critical_depth;
  InterruptHoldoffCount = interrupts + 1;
  PG_TRY();
  { emit(what); }
  PG_CATCH();
  {
    FlushErrorState();
    write_stderr("LOG:  %.*s\n", static_cast<int>(what->message.size()), what->message.data());
  }
  PG_END_TRY();
  MemoryContextSwitchTo(caller);
  InterruptHoldoffCount = interrupts;
  QueryCancelHoldoffCount = cancels;
  CritSectionCount = critical_section;
  critical_floor = floor;
  critical_depth = depth;
}

// Fills in a report that errstart() has begun, and finishes it.
void finish_report(const KeptError& error) {
  errcode(error.sqlstate);
  errmsg_internal("%s", error.message ? error.message : "out of memory");
  if (error.detail) errdetail_internal("%s", error.detail);
  if (error.hint) errhint("%s", error.hint);
  free_text(error.message);
  free_text(error.detail);
  free_text(error.hint);
  errfinish(nullptr, 0, nullptr);
}

}  // namespace

KeptError keep(const Error& error) noexcept {
  KeptError kept;
  kept.sqlstate = pack_sqlstate(error.sqlstate);
  kept.message = copy_text(error.message);
  kept.detail = copy_if_given(error.detail);
  kept.hint = copy_if_given(error.hint);
  if (!kept.message) kept.sqlstate = ERRCODE_OUT_OF_MEMORY;
  return kept;
}

void report_at(int elevel, const KeptError& error) {
  if (errstart(elevel, TEXTDOMAIN)) finish_report(error);
}

void raise_at(int elevel, const KeptError& error) {
  report_at(elevel, error);
  pg_unreachable();
}

void raise(const KeptError& error) {
  raise_at(ERROR, error);
}

void install_log_sink() noexcept {
  set_log_sink(write_to_server_log);
}

}  // namespace bgw
