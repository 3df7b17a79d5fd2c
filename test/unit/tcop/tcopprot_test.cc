// Property: the handlers for SIGTERM, SIGINT and SIGFPE end a worker, cancel its statement or raise its error
// with the server's messages, at the moments the server would and not while interrupts are held off.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "bridge/critical.hpp"
#include "bridge/die.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
}

using bgw_test::caught;
using bgw_test::Ended;
using bgw_test::run_child;
using bgw_test::SharedLog;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

void check_interrupts(void*) {
  CHECK_FOR_INTERRUPTS();
}

class TcopTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

}  // namespace

TEST_F(TcopTest, DieIsServedAtTheNextCheckAndNotWhileHeldOff) {
  SharedLog log;
  Ended ended = run_child([&] {
    static SharedLog* notes;
    notes = &log;
    emit_log_hook = [](ErrorData* error) {
      if (error->elevel == FATAL)
        notes->add(std::string(unpack_sql_state(error->sqlerrcode)) + " " + error->message);
    };
    BackgroundWorker worker = {};
    strlcpy(worker.bgw_type, "my type", BGW_MAXLEN);
    MyBgworkerEntry = &worker;
    pqsignal(SIGTERM, die);
    PG_SETMASK(&UnBlockSig);
    ResetLatch(MyLatch);
    kill(getpid(), SIGTERM);
    log.add(WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT, 5000, 0) == WL_LATCH_SET ? "latch" : "no latch");
    HOLD_INTERRUPTS();
    CHECK_FOR_INTERRUPTS();
    log.add(ProcDiePending ? "pending" : "not pending");
    RESUME_INTERRUPTS();
    PG_TRY();
    { CHECK_FOR_INTERRUPTS(); }
    PG_CATCH();
    { log.add("caught"); }
    PG_END_TRY();
    log.add("not reached");
  });
  EXPECT_TRUE(ended.exited_with(1));
  EXPECT_TRUE(ended.clean);
  EXPECT_EQ(log.text(),
            "latch|pending|57P01 terminating background worker \"my type\" due to administrator command");
}

TEST_F(TcopTest, CancelIsAnErrorThatCanBeCaught) {
  StatementCancelHandler(SIGINT);
  EXPECT_EQ(WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT, 0, 0), WL_LATCH_SET);
  HOLD_CANCEL_INTERRUPTS();
  EXPECT_FALSE(caught(check_interrupts).raised);
  EXPECT_TRUE(InterruptPending);
  RESUME_CANCEL_INTERRUPTS();
  bgw_test::Caught error = caught(check_interrupts);
  EXPECT_EQ(error.sqlstate, "57014");
  EXPECT_EQ(error.message, "canceling statement due to user request");
  EXPECT_FALSE(InterruptPending);
  EXPECT_FALSE(caught(check_interrupts).raised);
}

TEST_F(TcopTest, FloatingPointSignalIsAnError) {
  auto divide = [](void*) {
    pqsignal(SIGFPE, FloatExceptionHandler);
    raise(SIGFPE);
  };
  bgw_test::Caught error = caught(divide);
  pqsignal(SIGFPE, SIG_DFL);
  sigset_t fpe;
  sigemptyset(&fpe);
  sigaddset(&fpe, SIGFPE);
  sigprocmask(SIG_UNBLOCK, &fpe, nullptr);
  EXPECT_EQ(error.sqlstate, "22P01");
  EXPECT_EQ(error.message, "floating-point exception");
  EXPECT_NE(error.detail, "");
}

TEST_F(TcopTest, TheDefaultHandlerEndsAWaitAtOnce) {
  auto* ready = bgw_test::shared_value<volatile int>();
  pid_t child = start_child([=] {
    pqsignal(SIGTERM, [](SIGNAL_ARGS) { bgw_die_handler_body(); });
    PG_SETMASK(&UnBlockSig);
    ResetLatch(MyLatch);
    *ready = 1;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, 0);
  });
  ASSERT_TRUE(bgw_test::becomes_true([=] { return *ready == 1; }));
  kill(child, SIGTERM);
  Ended ended = wait_for_child(child);
  EXPECT_TRUE(ended.exited_with(1));
  EXPECT_TRUE(ended.clean);
}

TEST_F(TcopTest, TheDefaultHandlerWaitsForHostCodeToBeDone) {
  SharedLog log;
  Ended ended = run_child([&] {
    pqsignal(SIGTERM, [](SIGNAL_ARGS) { bgw_die_handler_body(); });
    PG_SETMASK(&UnBlockSig);
    bgw::enter_critical();
    kill(getpid(), SIGTERM);
    log.add("still here");
    bgw::leave_critical();
    log.add("not reached");
  });
  EXPECT_TRUE(ended.exited_with(1));
  EXPECT_EQ(log.text(), "still here");
}

TEST_F(TcopTest, ReloadAndShutdownHandlersSetFlagAndLatch) {
  ConfigReloadPending = false;
  ShutdownRequestPending = false;
  ResetLatch(MyLatch);
  errno = 33;
  SignalHandlerForConfigReload(SIGHUP);
  EXPECT_EQ(errno, 33);
  EXPECT_TRUE(ConfigReloadPending);
  EXPECT_EQ(WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT, 0, 0), WL_LATCH_SET);
  ConfigReloadPending = false;
  SignalHandlerForShutdownRequest(SIGTERM);
  EXPECT_TRUE(ShutdownRequestPending);
  ShutdownRequestPending = false;
  Ended ended = run_child([] {
    ShutdownRequestPending = true;
    HandleMainLoopInterrupts();
    proc_exit(9);
  });
  EXPECT_TRUE(ended.exited_with(0));
}

namespace {
int recurse(int depth) {
  check_stack_depth();
  volatile char frame[1024] = {};
  return depth == 0 ? frame[0] : recurse(depth - 1) + frame[1];
}
}  // namespace

TEST_F(TcopTest, TooDeepARecursionIsAnError) {
  pg_stack_base_t before = set_stack_base();
  EXPECT_FALSE(caught([](void*) { recurse(100); }).raised);
  bgw_test::Caught error = caught([](void*) { recurse(5000); });
  restore_stack_base(before);
  EXPECT_EQ(error.sqlstate, "54001");
  EXPECT_EQ(error.message, "stack depth limit exceeded");
}
