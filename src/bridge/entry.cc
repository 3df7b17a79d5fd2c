// Entering module code: the exception stack is set here and nowhere else in the host, so that the rule "no
// jump past a destructor" has one place to be checked. The frames below bgw_call_catching() are the module's
// or C-style code of ours; the frame itself holds only the jump buffer.
#include "bridge/critical.hpp"
#include "bridge/entry.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
}

namespace {

sigjmp_buf waiting;
BGW_START_DATA bool frame_waits = false;

}  // namespace

extern "C" bool bgw_call_catching(void (*fn)(void* arg), void* arg) {
  sigjmp_buf* outer_stack = PG_exception_stack;
  ErrorContextCallback* outer_context = error_context_stack;
  const int outer_critical = bgw::critical_depth;
  const int outer_floor = bgw::critical_floor;
  sigjmp_buf here;

  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    bgw::critical_floor = outer_critical;
    fn(arg);
    Assert(PG_exception_stack == &here);
    PG_exception_stack = outer_stack;
    error_context_stack = outer_context;
    bgw::critical_floor = outer_floor;
    return true;
  }
  PG_exception_stack = outer_stack;
  error_context_stack = outer_context;
  bgw::critical_depth = outer_critical;
  bgw::critical_floor = outer_floor;
  return false;
}

extern "C" bool bgw_call_at_last(void (*fn)(void* arg), void* arg) {
  if (!frame_waits) return bgw_call_catching(fn, arg);
  PG_exception_stack = &waiting;
  fn(arg);
  return true;
}

extern "C" void bgw_wait_for_errors(void (*go_on)(void), void (*raised)(void)) {
  if (sigsetjmp(waiting, 0) == 0) {
    frame_waits = true;
    go_on();
    frame_waits = false;
    return;
  }
  // In a process that has begun under this frame, with nothing of what it was doing left.
  PG_exception_stack = nullptr;
  error_context_stack = nullptr;
  bgw::critical_depth = 0;
  bgw::critical_floor = 0;
  raised();
}
