// Property: who waits on a condition variable is woken by a signal (one of them) or a broadcast (all of them),
// never sleeps through one, and a wake-up given to somebody who leaves is passed on.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "port/clock.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/proc.h"
#include "utils/wait_event.h"
}

using bgw_test::becomes_true;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

struct Stage {
  ConditionVariable cv;
  std::atomic<int> waiting, tickets, done;
};

Stage* new_stage() {
  bgw_test::become_postmaster();
  Stage* stage = shared_value<Stage>();
  ConditionVariableInit(&stage->cv);
  return stage;
}

bool take_ticket(Stage* stage) {
  int left = stage->tickets;
  while (left > 0)
    if (stage->tickets.compare_exchange_weak(left, left - 1)) return true;
  return false;
}

void wait_for_ticket(Stage* stage) {
  ConditionVariablePrepareToSleep(&stage->cv);
  stage->waiting++;
  while (!take_ticket(stage)) ConditionVariableSleep(&stage->cv, PG_WAIT_EXTENSION);
  ConditionVariableCancelSleep();
  stage->done++;
}

}  // namespace

TEST(ConditionVariableTest, ASignalWakesOneAndABroadcastTheRest) {
  Stage* stage = new_stage();
  std::vector<pid_t> children;
  for (int i = 0; i < 5; i++) children.push_back(start_child([=] { wait_for_ticket(stage); }));
  ASSERT_TRUE(becomes_true([=] { return stage->waiting == 5; }));
  stage->tickets = 1;
  ConditionVariableSignal(&stage->cv);
  EXPECT_TRUE(becomes_true([=] { return stage->done == 1; }));
  stage->tickets = 4;
  ConditionVariableBroadcast(&stage->cv);
  EXPECT_TRUE(becomes_true([=] { return stage->done == 5; }));
  for (pid_t child : children) EXPECT_TRUE(wait_for_child(child).exited_with(0));
}

TEST(ConditionVariableTest, ATimedSleepEndsInTimeAndNotBefore) {
  Stage* stage = new_stage();
  EXPECT_TRUE(bgw_test::run_child([=] {
                if (ConditionVariableTimedSleep(&stage->cv, 20, 0)) exit(8);  // the first call only queues up
                const std::int64_t before = bgw::monotonic_ns();
                if (!ConditionVariableTimedSleep(&stage->cv, 20, 0)) exit(9);
                if (bgw::monotonic_ns() - before < 20 * bgw::nanoseconds_per_millisecond) exit(7);
                ConditionVariableCancelSleep();
                exit(0);
              }).exited_with(0));
}

TEST(ConditionVariableTest, AWakeUpIsPassedOn) {
  Stage* stage = new_stage();
  // The first in the queue is woken, finds no ticket for it, leaves: the second must hear of it.
  pid_t first = start_child([=] {
    ConditionVariablePrepareToSleep(&stage->cv);
    stage->waiting++;
    while (stage->tickets == 0) pg_usleep(1000);
    ConditionVariableCancelSleep();
  });
  ASSERT_TRUE(becomes_true([=] { return stage->waiting == 1; }));
  pid_t second = start_child([=] { wait_for_ticket(stage); });
  ASSERT_TRUE(becomes_true([=] { return stage->waiting == 2; }));
  ConditionVariableSignal(&stage->cv);
  stage->tickets = 1;
  EXPECT_TRUE(wait_for_child(first).exited_with(0));
  EXPECT_TRUE(wait_for_child(second).exited_with(0));
}

TEST(ConditionVariableTest, StressNoLostWakeUp) {
  Stage* stage = new_stage();
  constexpr int rounds = 3000;
  std::vector<pid_t> children;
  for (int i = 0; i < 3; i++)
    children.push_back(start_child([=] {
      for (int round = 0; round < rounds; round++) wait_for_ticket(stage);
    }));
  pid_t giver = start_child([=] {
    for (int i = 0; i < 3 * rounds; i++) {
      stage->tickets++;
      if (i % 3 == 0)
        ConditionVariableBroadcast(&stage->cv);
      else
        ConditionVariableSignal(&stage->cv);
    }
  });
  EXPECT_TRUE(becomes_true([=] { return stage->done == 3 * rounds; })) << stage->done << " done";
  EXPECT_TRUE(wait_for_child(giver).exited_with(0));
  for (pid_t child : children) EXPECT_TRUE(wait_for_child(child).exited_with(0));
}
