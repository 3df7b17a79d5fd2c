// Property: a reason sent to a process arrives with a SIGUSR1 that wakes it, reasons sent to processes that are
// gone are refused, and the postmaster's slots and signals keep their protocol.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>

#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
}

namespace {

class ProcSignalTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

}  // namespace

TEST_F(ProcSignalTest, AReasonArrivesAndWakes) {
  auto* ready = bgw_test::shared_value<volatile int>();
  pid_t child = bgw_test::start_child([=] {
    ProcSignalInit(MyProc->pgprocno + 1);
    pqsignal(SIGUSR1, procsignal_sigusr1_handler);
    PG_SETMASK(&UnBlockSig);
    ResetLatch(MyLatch);
    *ready = 1;
    int bits = WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, 0);
    _exit(bits == WL_LATCH_SET && LogMemoryContextPending && InterruptPending ? 42 : 9);
  });
  ASSERT_TRUE(bgw_test::becomes_true([=] { return *ready == 1; }));
  EXPECT_EQ(SendProcSignal(child, PROCSIG_LOG_MEMORY_CONTEXT, InvalidBackendId), 0);
  EXPECT_TRUE(bgw_test::wait_for_child(child).exited_with(42));
}

TEST_F(ProcSignalTest, AProcessWithoutASlotIsNotSignalled) {
  errno = 0;
  EXPECT_EQ(SendProcSignal(getpid(), PROCSIG_BARRIER, InvalidBackendId), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST_F(ProcSignalTest, ASignalWithoutReasonStillWakes) {
  auto* ready = bgw_test::shared_value<volatile int>();
  pid_t child = bgw_test::start_child([=] {
    pqsignal(SIGUSR1, procsignal_sigusr1_handler);
    PG_SETMASK(&UnBlockSig);
    ResetLatch(MyLatch);
    *ready = 1;
    exit(WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, 0) == WL_LATCH_SET ? 0 : 9);
  });
  ASSERT_TRUE(bgw_test::becomes_true([=] { return *ready == 1; }));
  kill(child, SIGUSR1);
  EXPECT_TRUE(bgw_test::wait_for_child(child).exited_with(0));
}

namespace {
volatile sig_atomic_t usr1_count = 0;
}

TEST_F(ProcSignalTest, ThePostmasterSeesEachReasonOnce) {
  usr1_count = 0;
  pqsignal(SIGUSR1, [](SIGNAL_ARGS) { usr1_count = usr1_count + 1; });
  EXPECT_FALSE(CheckPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE));
  EXPECT_TRUE(
      bgw_test::run_child([] { SendPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE); }).exited_with(0));
  EXPECT_EQ(usr1_count, 1);
  EXPECT_TRUE(CheckPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE));
  EXPECT_FALSE(CheckPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE));
  pqsignal(SIGUSR1, SIG_DFL);
}

TEST_F(ProcSignalTest, SlotsAreHandedOutOnceAndTakenBack) {
  std::set<int> slots;
  for (int i = 0; i < 10; i++) slots.insert(AssignPostmasterChildSlot());
  EXPECT_EQ(slots.size(), 10u);
  EXPECT_GE(*slots.begin(), 1);
  for (int slot : slots) EXPECT_TRUE(ReleasePostmasterChildSlot(slot));
}

TEST_F(ProcSignalTest, AChildThatDidNotCleanUpIsFoundActive) {
  EXPECT_TRUE(bgw_test::run_child([] {}).clean);
  EXPECT_FALSE(bgw_test::run_child([] { _exit(1); }).clean);
  EXPECT_FALSE(bgw_test::run_child([] { kill(getpid(), SIGKILL); }).clean);
}
