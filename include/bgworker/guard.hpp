// The two gates between C++ exceptions and the server's error jumps. Nothing else in the SDK crosses that
// border.
//
// Out, guarded(f): calls f, which calls the server. f runs above one frame that only calls it and one that
// holds nothing but a jump buffer, where a jump ends; f itself has no destructor to skip (it is a lambda over
// references and plain values, and calls C). The report is copied, the server's error state cleared, and a
// bgworker::error is thrown from a frame that was never jumped over. Interrupt hold-off counts are as they were
// before the call, so that the owners of locks that unwinding then destroys find the counts they left.
//
// In, entered(f): every function of ours that the server calls. f runs inside try; what it throws is put into
// plain memory (malloc, and a fixed text where there is none), the C++ scope ends, and only then is the report
// raised, from a frame without destructors.
//
// A FATAL report and proc_exit() end the process at once; no destructor runs, as none runs at exit() in any C++
// program.
#pragma once

#include "error.hpp"

namespace bgworker BGWORKER_LOCAL {

struct report_access;

/// Thrown to end the worker with an exit code, from any depth: destructors run first. 0: done, not started
/// again; 1: started again after its restart interval. Not a std::exception, so that handlers of errors let it
/// pass.
struct exit_request {
  int code;
};

namespace detail {

/// The frame that jumps arrive in. Returns whether call(of) came back by itself.
[[gnu::noinline]] inline bool arrive_at(void (*call)(void*), void* of) noexcept(false) {
  sigjmp_buf* const outer_stack = PG_exception_stack;
  ErrorContextCallback* const outer_context = error_context_stack;
  const uint32 held = InterruptHoldoffCount, cancel_held = QueryCancelHoldoffCount, critical = CritSectionCount;
  MemoryContext const context = CurrentMemoryContext;
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    call(of);
    PG_exception_stack = outer_stack;
    error_context_stack = outer_context;
    return true;
  }
  PG_exception_stack = outer_stack;
  error_context_stack = outer_context;
  InterruptHoldoffCount = held;
  QueryCancelHoldoffCount = cancel_held;
  CritSectionCount = critical;
  CurrentMemoryContext = context;
  return false;
}

/// Calls the F that `of` points to a pointer to. One such small function for each F, instead of a whole
/// arrive_at() or catch_from(), is what keeps a worker quick to compile; it has nothing to destroy.
template <class F>
void call_through(void* of) {
  (**static_cast<F**>(of))();
}

template <class F>
bool arrive(F& f) {
  F* pointer = &f;
  return arrive_at(call_through<F>, &pointer);
}

/// Where the one report that is being turned into an exception is copied to. Emptied as a whole: the server's
/// own way to free a copy leaves parts of it behind.
inline MemoryContext report_memory = nullptr;

/// A copy of the pending report, valid until it is released; the error state is clear afterwards. Null when
/// even that could not be had.
inline ErrorData* take_report() {
  ErrorData* volatile data = nullptr;
  auto copy = [&] {
    if (report_memory == nullptr)
      report_memory = AllocSetContextCreate(TopMemoryContext, "bgworker error reports", ALLOCSET_SMALL_SIZES);
    MemoryContext outside = MemoryContextSwitchTo(report_memory);
    data = CopyErrorData();
    MemoryContextSwitchTo(outside);
  };
  const bool copied = arrive(copy);
  FlushErrorState();
  return copied ? data : nullptr;
}

inline void release_report() noexcept {
  auto empty = [] {
    if (report_memory) MemoryContextReset(report_memory);
  };
  if (!arrive(empty)) FlushErrorState();
}

struct report_owner {
  ErrorData* data;
  report_owner() : data(take_report()) {}
  report_owner(const report_owner&) = delete;
  ~report_owner() { release_report(); }
};

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_report() {
  report_owner owner;
  if (owner.data == nullptr) throw error("out of memory while an error was reported", "53200");
  throw error(*owner.data);
}

}  // namespace detail

/// Calls f, which may call anything of the server, and turns what it raises into bgworker::error. f must hold
/// no object with a destructor while the server runs. Returns what f returns (a plain value).
template <class F>
auto guarded(F&& f) {
  using R = std::invoke_result_t<F&>;
  if constexpr (std::is_void_v<R>) {
    if (!detail::arrive(f)) [[unlikely]]
      detail::throw_report();
  } else {
    static_assert(std::is_trivially_copyable_v<R> && std::is_trivially_destructible_v<R>,
                  "what comes out of a guarded call is a plain value: make objects of it outside");
    R value;
    auto store = [&] { value = f(); };
    if (!detail::arrive(store)) [[unlikely]]
      detail::throw_report();
    return value;
  }
}

namespace detail {

/// Like guarded(), for destructors: what is raised is logged as a WARNING, and the answer is whether all went
/// well.
template <class F>
bool guarded_noexcept(F&& f) noexcept {
  if (arrive(f)) [[likely]]
    return true;
  ErrorData* data = take_report();
  auto say = [&] {
    ereport(WARNING, (errcode(data ? data->sqlerrcode : ERRCODE_OUT_OF_MEMORY),
                      errmsg_internal("%s", data && data->message ? data->message : "out of memory"),
                      errcontext("cleaning up after an error in C++")));
  };
  if (!arrive(say)) FlushErrorState();
  release_report();
  return false;
}

/// An exception on its way to ereport(): plain memory, no destructor.
struct pending {
  char *message, *detail, *hint, *context, *statement, *schema, *table, *column, *datatype, *constraint,
      *detail_log;
  int code, position, line;
  const char *file, *function;
  bool raised;  // there is something to raise
  bool exits;   // the worker is to end instead
  int exit_code;
};

inline char* plain_copy(const std::string& text) noexcept {
  if (text.empty()) return nullptr;
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

/// Raises the report. No C++ object is alive in this frame, and none in its caller. The texts are the report's
/// by then.
[[noreturn, gnu::cold, gnu::noinline]] inline void raise(pending* p) {
  if (errstart(ERROR, TEXTDOMAIN)) {
    errcode(p->code);
    errmsg_internal("%s", p->message ? p->message : "out of memory while an exception was reported");
    if (p->detail) errdetail_internal("%s", p->detail);
    if (p->detail_log) errdetail_log("%s", p->detail_log);
    if (p->hint) errhint("%s", p->hint);
    if (p->context) errcontext("%s", p->context);
    if (p->statement) internalerrquery(p->statement);
    if (p->position) internalerrposition(p->position);
    if (p->schema) err_generic_string(PG_DIAG_SCHEMA_NAME, p->schema);
    if (p->table) err_generic_string(PG_DIAG_TABLE_NAME, p->table);
    if (p->column) err_generic_string(PG_DIAG_COLUMN_NAME, p->column);
    if (p->datatype) err_generic_string(PG_DIAG_DATATYPE_NAME, p->datatype);
    if (p->constraint) err_generic_string(PG_DIAG_CONSTRAINT_NAME, p->constraint);
    for (char* text : {p->message, p->detail, p->hint, p->context, p->statement, p->schema, p->table, p->column,
                       p->datatype, p->constraint, p->detail_log})
      std::free(text);
    errfinish(p->file ? p->file : __FILE__, p->file ? p->line : __LINE__,
              p->function ? p->function : "bgworker");
  }
  pg_unreachable();
}

}  // namespace detail

struct report_access {
  [[gnu::cold, gnu::noinline]] static void fill(detail::pending* p, const error& e) noexcept {
    char** const places[error::texts] = {&p->message,   &p->detail,     &p->hint,      &p->context,
                                         &p->statement, &p->schema,     &p->table,     &p->column,
                                         &p->datatype,  &p->constraint, &p->detail_log};
    for (int i = 0; i < error::texts; ++i) *places[i] = detail::plain_copy(e.texts_[i]);
    p->code = e.code_.packed();
    p->position = e.position_;
    p->file = e.file_;
    p->line = e.line_;
    p->function = e.function_;
  }
};

namespace detail {

/// Runs call(of) and leaves in *p what it threw.
[[gnu::noinline]] inline void catch_from(pending* p, void (*call)(void*), void* of) noexcept {
  std::memset(p, 0, sizeof *p);
  try {
    call(of);
    return;
  } catch (const exit_request& e) {
    p->exits = true;
    p->exit_code = e.code;
    return;
  } catch (const error& e) {
    report_access::fill(p, e);
  } catch (const std::bad_alloc&) {
    p->code = ERRCODE_OUT_OF_MEMORY;
    const char text[] = "out of memory";
    if ((p->message = static_cast<char*>(std::malloc(sizeof text)))) std::memcpy(p->message, text, sizeof text);
  } catch (const std::exception& e) {
    p->code = ERRCODE_INTERNAL_ERROR;
    const std::size_t size = std::strlen(e.what()) + 1;
    if ((p->message = static_cast<char*>(std::malloc(size)))) std::memcpy(p->message, e.what(), size);
  } catch (...) {
    p->code = ERRCODE_INTERNAL_ERROR;
    const char text[] = "an exception that is not a std::exception left C++ code";
    if ((p->message = static_cast<char*>(std::malloc(sizeof text)))) std::memcpy(p->message, text, sizeof text);
  }
  p->raised = true;
}

template <class F>
void catching(pending* p, F& f) noexcept {
  F* pointer = &f;
  catch_from(p, call_through<F>, &pointer);
}

}  // namespace detail

/// Runs f as the body of a function that the server calls: an exception becomes ereport(ERROR), raised after
/// the C++ scope has closed. The caller must hold no object with a destructor.
template <class F>
void entered(F f) {
  static_assert(std::is_trivially_destructible_v<F>, "the body of an entry captures plain values only");
  detail::pending p;
  detail::catching(&p, f);
  if (p.exits) proc_exit(p.exit_code);
  if (p.raised) detail::raise(&p);
}

}  // namespace BGWORKER_LOCAL
