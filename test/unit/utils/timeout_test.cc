// Property: time-outs over the one timer fire in order, not before their time, once or again and again, and are
// gone when disabled.
#include <gtest/gtest.h>

#include <sys/time.h>

#include <string>

#include "port/clock.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
}

namespace {

volatile int fired_first = 0, fired_second = 0;
volatile int order = 0;

void next(volatile int& fired) {
  order = order + 1;
  fired = order;
}

class TimeoutTest : public ::testing::Test {
 protected:
  void SetUp() override {
    bgw_test::become_postmaster();
    InitializeTimeouts();
    fired_first = 0;
    fired_second = 0;
    order = 0;
    first_ = RegisterTimeout(USER_TIMEOUT, [] { next(fired_first); });
    second_ = RegisterTimeout(USER_TIMEOUT, [] { next(fired_second); });
  }
  void TearDown() override {
    disable_all_timeouts(false);
    pqsignal(SIGALRM, SIG_IGN);  // the timer may still be running: what is disabled fires into the void
  }
  TimeoutId first_, second_;
};

}  // namespace

TEST_F(TimeoutTest, FireInOrderOfTimeNotOfEnabling) {
  EXPECT_NE(first_, second_);
  const std::int64_t start = bgw::monotonic_ns();
  enable_timeout_after(first_, 40);
  enable_timeout_after(second_, 15);
  EXPECT_TRUE(get_timeout_active(first_));
  EXPECT_TRUE(bgw_test::becomes_true([] { return fired_first != 0; }));
  EXPECT_GE(bgw::monotonic_ns() - start, 39 * bgw::nanoseconds_per_millisecond);
  EXPECT_EQ(fired_second, 1);
  EXPECT_EQ(fired_first, 2);
  EXPECT_FALSE(get_timeout_active(first_));
  EXPECT_TRUE(get_timeout_indicator(first_, true));
  EXPECT_FALSE(get_timeout_indicator(first_, false));
  EXPECT_EQ(get_timeout_finish_time(first_) - get_timeout_start_time(first_), 40000);
}

TEST_F(TimeoutTest, ADisabledOneDoesNotFire) {
  enable_timeout_after(first_, 10);
  enable_timeout_after(second_, 30);
  disable_timeout(first_, false);
  EXPECT_TRUE(bgw_test::becomes_true([] { return fired_second != 0; }));
  EXPECT_EQ(fired_first, 0);
}

TEST_F(TimeoutTest, ARepeatedOneComesAgain) {
  EnableTimeoutParams params = {};
  params.id = first_;
  params.type = TMPARAM_EVERY;
  params.delay_ms = 5;
  enable_timeouts(&params, 1);
  EXPECT_TRUE(bgw_test::becomes_true([] { return fired_first >= 4; }));
  disable_all_timeouts(false);
  const int count = fired_first;
  pg_usleep(20000);
  EXPECT_EQ(fired_first, count);
}

TEST_F(TimeoutTest, EndsALatchWait) {
  ResetLatch(MyLatch);
  enable_timeout_after(first_, 10);
  EXPECT_EQ(WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT, 20000, 0), WL_LATCH_SET);
  EXPECT_EQ(fired_first, 1);
}

TEST_F(TimeoutTest, AtAGivenTimeAndSeveralAtOnce) {
  TimestampTz now = GetCurrentTimestamp();
  enable_timeout_every(first_, now + 10000, 10);
  enable_timeout_at(second_, now + 3600 * USECS_PER_SEC);
  EXPECT_EQ(get_timeout_finish_time(second_), now + 3600 * USECS_PER_SEC);
  EXPECT_TRUE(bgw_test::becomes_true([] { return fired_first >= 3; }));
  EXPECT_TRUE(get_timeout_active(first_));
  DisableTimeoutParams both[] = {{first_, true}, {second_, false}};
  disable_timeouts(both, 2);
  EXPECT_FALSE(get_timeout_active(first_));
  EXPECT_FALSE(get_timeout_active(second_));
  EXPECT_FALSE(get_timeout_indicator(first_, false));  // enabled anew each time
  EXPECT_FALSE(get_timeout_indicator(second_, false));
  EXPECT_EQ(fired_second, 0);
}

// After something else has used the process's timer.
TEST_F(TimeoutTest, RescheduledOnesStillFire) {
  enable_timeout_after(first_, 20);
  struct itimerval none = {};
  ASSERT_EQ(setitimer(ITIMER_REAL, &none, nullptr), 0);
  reschedule_timeouts();
  EXPECT_TRUE(bgw_test::becomes_true([] { return fired_first != 0; }));
}
