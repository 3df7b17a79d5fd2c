// Property: a spinlock lets one process in at a time, however many want to; who waits sleeps between its tries,
// longer each time up to a second, learns whether spinning pays, and ends with the server's PANIC when the
// holder never comes back.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "common/pg_prng.h"
#include "storage/s_lock.h"
#include "storage/spin.h"
}

using bgw_test::becomes_true;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class SLockTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

struct Page {
  slock_t lock;
  int64 count;  // under the lock
  int inside;   // under the lock
  std::atomic<bool> overlap, waiting;
  std::atomic<int> delays;
};

Page* new_page() {
  Page* page = shared_value<Page>();
  SpinLockInit(&page->lock);
  return page;
}

// A status that sleeps at the next call, after `delays` sleeps of which the last was followed by `cur_delay`.
SpinDelayStatus about_to_sleep(int delays, int cur_delay) {
  SpinDelayStatus status;
  init_spin_delay(&status, "here.c", 42, "spin");
  status.spins = 1000000;
  status.delays = delays;
  status.cur_delay = cur_delay;
  return status;
}

TEST_F(SLockTest, OneAtATime) {
  constexpr int processes = 4, rounds = 20000;
  Page* page = new_page();
  std::vector<pid_t> children;
  for (int i = 0; i < processes; i++)
    children.push_back(start_child([=] {
      for (int round = 0; round < rounds; round++) {
        SpinLockAcquire(&page->lock);
        if (++page->inside != 1) page->overlap = true;
        page->count++;
        page->inside--;
        SpinLockRelease(&page->lock);
      }
    }));
  for (pid_t child : children) EXPECT_TRUE(wait_for_child(child).exited_with(0));
  EXPECT_EQ(page->count, int64{processes} * rounds);
  EXPECT_FALSE(page->overlap);
  EXPECT_TRUE(SpinLockFree(&page->lock));
}

TEST_F(SLockTest, WhoWaitsSleepsAndThenHasIt) {
  Page* page = new_page();
  page->delays = -1;
  SpinLockAcquire(&page->lock);
  pid_t child = start_child([=] {
    page->waiting = true;
    page->delays = s_lock(&page->lock, "here.c", 42, "spin");
    SpinLockRelease(&page->lock);
  });
  ASSERT_TRUE(becomes_true([=] { return page->waiting.load(); }));
  EXPECT_EQ(page->delays, -1);
  SpinLockRelease(&page->lock);
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
  EXPECT_GE(page->delays, 0);
  EXPECT_EQ(s_lock(&page->lock, "here.c", 42, "spin"), 0) << "nobody holds it";
}

TEST_F(SLockTest, SleepsGrowToASecondAndBeginAgain) {
  pg_prng_seed(&pg_global_prng_state, bgw_test::test_seed());
  SpinDelayStatus status = about_to_sleep(0, 0);
  perform_spin_delay(&status);
  EXPECT_EQ(status.delays, 1);
  EXPECT_EQ(status.spins, 0);
  EXPECT_GE(status.cur_delay, 1000);
  EXPECT_LE(status.cur_delay, 2000);
  perform_spin_delay(&status);
  EXPECT_EQ(status.delays, 1) << "it spins again first";

  int before = status.cur_delay;
  for (int i = 0; i < 3; i++) {
    status.spins = 1000000;
    perform_spin_delay(&status);
    EXPECT_GE(status.cur_delay, before);
    EXPECT_LE(status.cur_delay, 2 * before + 1);
    before = status.cur_delay;
  }
  // Whatever the growth, from just below a second it passes that, and begins again.
  status = about_to_sleep(10, 999999);
  while (status.cur_delay > 1000) {
    status.spins = 1000000;
    perform_spin_delay(&status);
    ASSERT_LT(status.delays, 15);
  }
  EXPECT_EQ(status.cur_delay, 1000);
}

TEST_F(SLockTest, AHolderThatNeverComesBackIsAPanic) {
  int output[2];
  ASSERT_EQ(pipe(output), 0);
  pid_t child = start_child([=] {
    dup2(output[1], STDERR_FILENO);
    SpinDelayStatus status = about_to_sleep(1000, 1000);
    perform_spin_delay(&status);
  });
  close(output[1]);
  std::string said;
  char buffer[1000];
  for (ssize_t n; (n = read(output[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<size_t>(n));
  close(output[0]);
  EXPECT_TRUE(wait_for_child(child).killed_by(SIGABRT));
  EXPECT_NE(said.find("PANIC:  stuck spinlock detected at spin, here.c:42"), said.npos) << said;
}

TEST_F(SLockTest, LearnsWhetherSpinningPays) {
  SpinDelayStatus quick = about_to_sleep(0, 0), slept = about_to_sleep(1, 1000);
  // What the process has learnt shows in what it adds to the shared estimate: a sixteenth of it.
  auto learnt = [] { return update_spins_per_delay(0) * 16; };
  set_spins_per_delay(160);
  EXPECT_EQ(learnt(), 160);
  finish_spin_delay(&quick);
  EXPECT_EQ(learnt(), 256) << "260 in steps of 16";
  for (int i = 0; i < 20; i++) finish_spin_delay(&quick);
  EXPECT_EQ(learnt(), 992) << "no more than 1000";
  for (int i = 0; i < 2000; i++) finish_spin_delay(&slept);
  EXPECT_EQ(learnt(), 0) << "no less than 10";
  EXPECT_EQ(update_spins_per_delay(160), 150);
  set_spins_per_delay(DEFAULT_SPINS_PER_DELAY);
  EXPECT_EQ(SpinlockSemas(), 0);
  EXPECT_EQ(SpinlockSemaSize(), 0U);
}

}  // namespace
