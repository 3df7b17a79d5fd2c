// The time-outs of a session that workers may set themselves (utils/timeout.h): for a statement, for a lock,
// and for being idle.
//
// The server gives every process with a session these four, though only a client's session starts them by
// itself: a worker that wants one calls enable_timeout_after(STATEMENT_TIMEOUT, ms). The handlers run inside
// the signal handler of the timer and do what another process would do: they send SIGINT, or raise a flag and
// set the latch. ProcessInterrupts() (tcop/tcopprot.cc) does the rest.
#include "utils/session_timeouts.hpp"

#include <csignal>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
}

namespace {

// The group too: a statement may wait for a program that the worker has started.
void interrupt_statement() {
  kill(-MyProcPid, SIGINT);
  kill(MyProcPid, SIGINT);
}

void ask_to_end(volatile sig_atomic_t* pending) {
  *pending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
}

void idle_in_transaction() {
  ask_to_end(&IdleInTransactionSessionTimeoutPending);
}

void idle() {
  ask_to_end(&IdleSessionTimeoutPending);
}

}  // namespace

namespace bgw {

void register_session_timeouts() {
  RegisterTimeout(STATEMENT_TIMEOUT, interrupt_statement);
  RegisterTimeout(LOCK_TIMEOUT, interrupt_statement);
  RegisterTimeout(IDLE_IN_TRANSACTION_SESSION_TIMEOUT, idle_in_transaction);
  RegisterTimeout(IDLE_SESSION_TIMEOUT, idle);
}

}  // namespace bgw
