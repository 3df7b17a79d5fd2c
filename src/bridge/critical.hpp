// Sections that the default SIGTERM handler must not interrupt.
//
// The server's default handler for SIGTERM in a worker ends the process from inside the handler, wherever
// the process is. That is what modules expect while their own code runs or waits. It would corrupt the heap
// or a libpq connection while *host* code runs. So host code that allocates, or that is inside libpq, counts
// itself into a critical section; a handler that finds the count above zero leaves a note, and whoever
// brings the count back to zero in C-style code acts on the note.
//
// Invariants: the count is changed only by the process's one thread, never by a handler; it is zero whenever
// module code runs, but for what shmem_exit() and dsm_detach() call of the host's own. A module catches errors
// where the host does not see it, so raising one brings the count back to what it was when the innermost catcher
// of the host's was entered (critical_floor), and acts on the note when that is zero.
#pragma once

#include <csignal>

namespace bgw {

extern volatile std::sig_atomic_t critical_depth;
extern volatile std::sig_atomic_t critical_floor;
extern volatile std::sig_atomic_t exit_deferred;  // a handler wanted to end the process meanwhile

// Ends the worker as the deferred signal wanted. Called with critical_depth zero; does not return.
[[noreturn]] void act_on_deferred_exit();

inline void enter_critical() {
  critical_depth = critical_depth + 1;
}

// For extern "C" shims whose C++ scope is closed, and for C-style code without destructors above it.
inline void leave_critical() {
  critical_depth = critical_depth - 1;
  if (critical_depth == 0 && exit_deferred) act_on_deferred_exit();
}

// For C++ scopes. Leaving never ends the process: the shim does that with check_deferred_exit().
class CriticalScope {
 public:
  CriticalScope() { enter_critical(); }
  ~CriticalScope() { critical_depth = critical_depth - 1; }
  CriticalScope(const CriticalScope&) = delete;
  CriticalScope& operator=(const CriticalScope&) = delete;
};

inline void check_deferred_exit() {
  if (critical_depth == 0 && exit_deferred) act_on_deferred_exit();
}

// For who raises an ERROR, as the last thing before the jump.
inline void leave_critical_for_error() {
  critical_depth = critical_floor;
  check_deferred_exit();
}

}  // namespace bgw
