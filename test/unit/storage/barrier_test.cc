// Property: processes at a barrier go from phase to phase together, one of them is chosen in each, and those
// who come and go in between neither hold the others up nor let them run ahead.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <vector>

#include "support/children.hpp"
#include "support/must.hpp"

extern "C" {
#include "postgres.h"
#include "storage/barrier.h"
#include "utils/wait_event.h"
}

using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class BarrierTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

}  // namespace

TEST_F(BarrierTest, AStaticPartyGoesTogetherAndOneIsChosen) {
  constexpr int party = 4;
  constexpr int phases = 3000;
  struct Page {
    Barrier barrier;
    std::atomic<int> chosen[phases];
    std::atomic<int> arrived[phases];
  };
  Page* page = shared_value<Page>();
  BarrierInit(&page->barrier, party);
  std::vector<pid_t> pids;
  for (int c = 0; c < party; c++)
    pids.push_back(start_child([=] {
      for (int i = 0; i < phases; i++) {
        MUST(BarrierPhase(&page->barrier) == i);
        page->arrived[i]++;
        if (BarrierArriveAndWait(&page->barrier, PG_WAIT_EXTENSION)) page->chosen[i]++;
        MUST(page->arrived[i] == party);
      }
    }));
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  for (int i = 0; i < phases; i++) ASSERT_EQ(page->chosen[i], 1) << "phase " << i;
  EXPECT_EQ(BarrierPhase(&page->barrier), phases);
  EXPECT_EQ(BarrierParticipants(&page->barrier), party);
}

TEST_F(BarrierTest, LeavingAnswersWhetherSomebodyIsLeft) {
  static Barrier barrier;
  EXPECT_TRUE(bgw_test::run_child([] {
                BarrierInit(&barrier, 0);
                MUST(BarrierAttach(&barrier) == 0);
                MUST(BarrierAttach(&barrier) == 0);
                MUST(BarrierParticipants(&barrier) == 2);
                MUST(!BarrierDetach(&barrier));
                MUST(BarrierArriveAndWait(&barrier, PG_WAIT_EXTENSION));  // alone: at once
                MUST(BarrierPhase(&barrier) == 1);
                MUST(BarrierArriveAndDetachExceptLast(&barrier));
                MUST(BarrierPhase(&barrier) == 2 && BarrierParticipants(&barrier) == 1);
                BarrierAttach(&barrier);
                MUST(!BarrierArriveAndDetachExceptLast(&barrier));
                MUST(BarrierPhase(&barrier) == 2);
                MUST(BarrierArriveAndDetach(&barrier));
                MUST(BarrierPhase(&barrier) == 3 && BarrierParticipants(&barrier) == 0);
                BarrierAttach(&barrier);
                MUST(BarrierDetach(&barrier));
                MUST(BarrierPhase(&barrier) == 3);
              }).exited_with(0));
}

// Who leaves frees those who wait for it.
TEST_F(BarrierTest, ADetachEndsThePhaseOfThoseWhoWait) {
  struct Page {
    Barrier barrier;
    std::atomic<int> chosen;
  };
  Page* page = shared_value<Page>();
  BarrierInit(&page->barrier, 0);
  BarrierAttach(&page->barrier);  // for the test's own part
  std::vector<pid_t> pids;
  for (int c = 0; c < 3; c++) {
    BarrierAttach(&page->barrier);
    pids.push_back(start_child([=] {
      if (BarrierArriveAndWait(&page->barrier, PG_WAIT_EXTENSION)) page->chosen++;
    }));
  }
  ASSERT_TRUE(
      bgw_test::becomes_true([=] { return __atomic_load_n(&page->barrier.arrived, __ATOMIC_SEQ_CST) == 3; }));
  EXPECT_TRUE(bgw_test::run_child([=] { BarrierDetach(&page->barrier); }).exited_with(0));
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  EXPECT_EQ(page->chosen, 1);
}

TEST_F(BarrierTest, StressOfComingAndGoing) {
  struct Page {
    Barrier barrier;
    std::atomic<int> inside;  // attached processes that are in the phase `current`
  };
  Page* page = shared_value<Page>();
  BarrierInit(&page->barrier, 0);
  const std::uint64_t seed = bgw_test::test_seed();
  std::vector<pid_t> pids;
  for (int c = 0; c < 4; c++)
    pids.push_back(start_child([=] {
      std::mt19937_64 random(seed + static_cast<unsigned>(c));
      for (int i = 0; i < 1500; i++) {
        int phase = BarrierAttach(&page->barrier);
        for (unsigned n = random() % 4; n-- > 0;) {
          MUST(BarrierPhase(&page->barrier) == phase);  // it cannot go on without us
          BarrierArriveAndWait(&page->barrier, PG_WAIT_EXTENSION);
          phase++;
        }
        if (random() % 2)
          BarrierDetach(&page->barrier);
        else
          BarrierArriveAndDetach(&page->barrier);
      }
    }));
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  EXPECT_EQ(BarrierParticipants(&page->barrier), 0);
}
