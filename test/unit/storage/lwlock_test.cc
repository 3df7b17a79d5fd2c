// Property: a lightweight lock is held by one exclusive holder or by any number of shared ones, nobody who
// waits for it is forgotten, and the functions that ask, try, wait or refuse answer as the server's do.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <random>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"
}

using bgw_test::becomes_true;
using bgw_test::caught;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class LWLockTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

LWLock* new_lock() {
  LWLock* lock = shared_value<LWLock>();
  LWLockInitialize(lock, LWTRANCHE_PARALLEL_APPEND);
  return lock;
}

// A child that holds the lock from construction to let_go(). The test process itself must not hold one while it
// forks: its children would inherit the note of it, and give it back at their end.
class Holder {
 public:
  Holder(LWLock* lock, LWLockMode mode, std::function<void()> before_release = {})
      : page_(shared_value<Page>()) {
    Page* page = page_;
    pid_ = start_child([=] {
      LWLockAcquire(lock, mode);
      page->holds = true;
      for (; !page->let_go; usleep(500))
        if (page->acted != page->act) {
          page->acted++;
          before_release();
        }
      LWLockRelease(lock);
    });
    EXPECT_TRUE(becomes_true([=] { return page->holds.load(); }));
  }
  void act() {
    page_->act++;
    EXPECT_TRUE(becomes_true([this] { return page_->acted == page_->act; }));
  }
  void let_go() {
    page_->let_go = true;
    EXPECT_TRUE(wait_for_child(pid_).exited_with(0));
  }

 private:
  struct Page {
    std::atomic<bool> holds, let_go;
    std::atomic<int> act, acted;
  };
  Page* page_;
  pid_t pid_;
};

}  // namespace

TEST_F(LWLockTest, SharedHoldersExcludeAnExclusiveOneAndTheReverse) {
  LWLock* lock = new_lock();
  Holder shared_holder(lock, LW_SHARED);
  pid_t child = start_child([=] {
    bool shared = LWLockConditionalAcquire(lock, LW_SHARED);
    if (shared) LWLockRelease(lock);
    bool exclusive = LWLockConditionalAcquire(lock, LW_EXCLUSIVE);
    exit(shared && !exclusive ? 0 : 9);
  });
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
  shared_holder.let_go();

  Holder exclusive_holder(lock, LW_EXCLUSIVE);
  child = start_child([=] { exit(LWLockConditionalAcquire(lock, LW_SHARED) ? 9 : 0); });
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
  exclusive_holder.let_go();
}

TEST_F(LWLockTest, HeldByMe) {
  LWLock* lock = new_lock();
  const uint32 holdoff = InterruptHoldoffCount;
  EXPECT_FALSE(LWLockHeldByMe(lock));
  LWLockAcquire(lock, LW_SHARED);
  EXPECT_EQ(InterruptHoldoffCount, holdoff + 1);
  EXPECT_TRUE(LWLockHeldByMe(lock));
  EXPECT_TRUE(LWLockHeldByMeInMode(lock, LW_SHARED));
  EXPECT_FALSE(LWLockHeldByMeInMode(lock, LW_EXCLUSIVE));
  EXPECT_TRUE(LWLockAnyHeldByMe(lock, 1, sizeof(LWLock)));
  LWLockRelease(lock);
  EXPECT_FALSE(LWLockHeldByMe(lock));
  EXPECT_EQ(InterruptHoldoffCount, holdoff);

  static LWLock* not_held;
  not_held = lock;
  auto release = [](void*) { LWLockRelease(not_held); };
  EXPECT_EQ(caught(release).message, "lock ParallelAppend is not held");

  LWLockAcquire(lock, LW_EXCLUSIVE);
  LWLockAcquire(AddinShmemInitLock, LW_SHARED);
  InterruptHoldoffCount = holdoff;  // as error recovery does before it calls the next
  LWLockReleaseAll();
  EXPECT_FALSE(LWLockHeldByMe(lock));
  EXPECT_FALSE(LWLockHeldByMe(AddinShmemInitLock));
  EXPECT_EQ(InterruptHoldoffCount, holdoff);
}

TEST_F(LWLockTest, AWaiterIsShownAndWoken) {
  LWLock* lock = new_lock();
  auto* proc = shared_value<std::atomic<PGPROC*>>();
  Holder holder(lock, LW_EXCLUSIVE);
  pid_t child = start_child([=] {
    proc->store(MyProc);
    bool at_once = LWLockAcquire(lock, LW_EXCLUSIVE);
    exit(at_once ? 9 : 0);  // dies with the lock held: exit callbacks release it
  });
  EXPECT_TRUE(becomes_true(
      [=] { return proc->load() && proc->load()->wait_event_info == (PG_WAIT_LWLOCK | lock->tranche); }));
  EXPECT_STREQ(pgstat_get_wait_event_type(proc->load()->wait_event_info), "LWLock");
  EXPECT_STREQ(pgstat_get_wait_event(proc->load()->wait_event_info), "ParallelAppend");
  holder.let_go();
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
  EXPECT_TRUE(LWLockConditionalAcquire(lock, LW_EXCLUSIVE));
  LWLockRelease(lock);
}

TEST_F(LWLockTest, WaitersGetItInTheOrderInWhichTheyCame) {
  constexpr int waiters = 5;
  struct Page {
    std::atomic<PGPROC*> procs[waiters];
    std::atomic<int> order[waiters], got;
  };
  auto* page = shared_value<Page>();
  LWLock* lock = new_lock();
  Holder holder(lock, LW_EXCLUSIVE);
  std::vector<pid_t> pids;
  for (int me = 0; me < waiters; me++) {
    pids.push_back(start_child([=] {
      page->procs[me] = MyProc;
      LWLockAcquire(lock, LW_EXCLUSIVE);
      page->order[page->got++] = me;
      LWLockRelease(lock);
    }));
    // The next one comes when this one has a place in the queue.
    EXPECT_TRUE(becomes_true([=] { return page->procs[me] && page->procs[me].load()->lwWaiting; }));
  }
  EXPECT_EQ(page->got, 0);
  holder.let_go();
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  ASSERT_EQ(page->got, waiters);
  for (int i = 0; i < waiters; i++) EXPECT_EQ(page->order[i], i);
}

TEST_F(LWLockTest, SharedWaitersAtTheFrontWakeTogether) {
  struct Page {
    std::atomic<PGPROC*> procs[3];
    std::atomic<int> inside, after;
  };
  auto* page = shared_value<Page>();
  LWLock* lock = new_lock();
  Holder holder(lock, LW_EXCLUSIVE);
  std::vector<pid_t> pids;
  for (int me = 0; me < 3; me++) {
    pids.push_back(start_child([=] {
      page->procs[me] = MyProc;
      LWLockAcquire(lock, me < 2 ? LW_SHARED : LW_EXCLUSIVE);
      if (me < 2) {
        page->inside++;  // neither leaves before both are in, so one after the other would be found out
        if (!becomes_true([=] { return page->inside == 2; })) exit(9);
      } else {
        page->after = page->inside.load();
      }
      LWLockRelease(lock);
    }));
    EXPECT_TRUE(becomes_true([=] { return page->procs[me] && page->procs[me].load()->lwWaiting; }));
  }
  holder.let_go();
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  EXPECT_EQ(page->after, 2);
}

TEST_F(LWLockTest, AcquireOrWaitReturnsWithoutTheLockOnceItIsFree) {
  LWLock* lock = new_lock();
  auto* proc = shared_value<std::atomic<PGPROC*>>();
  Holder holder(lock, LW_EXCLUSIVE);
  pid_t child = start_child([=] {
    proc->store(MyProc);
    bool got = LWLockAcquireOrWait(lock, LW_EXCLUSIVE);
    bool held = LWLockHeldByMe(lock);
    bool now = LWLockAcquireOrWait(lock, LW_EXCLUSIVE);
    exit(!got && !held && now && InterruptHoldoffCount == 1 ? 0 : 9);
  });
  EXPECT_TRUE(becomes_true([=] { return proc->load() && proc->load()->lwWaiting == LW_WS_WAITING; }));
  holder.let_go();
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
}

TEST_F(LWLockTest, WaitForVarSeesChangesAndTheRelease) {
  LWLock* lock = new_lock();
  auto* variable = shared_value<uint64>();
  auto* proc = shared_value<std::atomic<PGPROC*>>();
  auto waiting = [=] { return proc->load() && proc->load()->lwWaiting == LW_WS_WAITING; };
  Holder holder(lock, LW_EXCLUSIVE, [=] {
    if (*variable == 0) {
      LWLockUpdateVar(lock, variable, 5);
    } else {
      LWLockReleaseClearVar(lock, variable, 9);
      exit(0);
    }
  });
  pid_t child = start_child([=] {
    proc->store(MyProc);
    uint64 value = 0;
    if (LWLockWaitForVar(lock, variable, 0, &value) || value != 5) exit(8);
    if (!LWLockWaitForVar(lock, variable, 5, &value)) exit(7);
    exit(*variable == 9 ? 0 : 6);
  });
  EXPECT_TRUE(becomes_true(waiting));
  holder.act();
  EXPECT_TRUE(becomes_true([=] { return *static_cast<volatile uint64*>(variable) == 5 && waiting(); }));
  holder.act();
  holder.let_go();
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
}

TEST_F(LWLockTest, TheMainArrayHasTheServersPlaces) {
  EXPECT_EQ(AddinShmemInitLock, &MainLWLockArray[21].lock);
  EXPECT_EQ(AddinShmemInitLock->tranche, 21);
  EXPECT_STREQ(GetLWLockIdentifier(PG_WAIT_LWLOCK, 21), "AddinShmemInit");
  EXPECT_STREQ(GetLWLockIdentifier(PG_WAIT_LWLOCK, 47), "NotifyQueueTail");
  EXPECT_STREQ(GetLWLockIdentifier(PG_WAIT_LWLOCK, LWTRANCHE_PGSTATS_DATA), "PgStatsData");
  EXPECT_TRUE(ShmemAddrIsValid(MainLWLockArray));
}

TEST_F(LWLockTest, TranchesTakenAtRunTime) {
  int first = LWLockNewTrancheId();
  int second = LWLockNewTrancheId();
  EXPECT_EQ(second, first + 1);
  EXPECT_GE(first, LWTRANCHE_FIRST_USER_DEFINED);
  EXPECT_STREQ(GetLWLockIdentifier(PG_WAIT_LWLOCK, static_cast<uint16>(second)), "extension");
  LWLockRegisterTranche(second, "my tranche");
  EXPECT_STREQ(GetLWLockIdentifier(PG_WAIT_LWLOCK, static_cast<uint16>(second)), "my tranche");
  auto unknown = [](void*) { GetNamedLWLockTranche("no such tranche"); };
  EXPECT_EQ(caught(unknown).message, "requested tranche is not registered");
}

TEST_F(LWLockTest, StressMutualExclusionAndNoLostWakeUp) {
  constexpr int children = 4;
  constexpr int rounds = 15000;
  struct Field {
    LWLock locks[2];
    volatile long writers[2];  // plain counters: only the locks keep them right
    std::atomic<int> readers_inside[2], writers_inside[2];
    std::atomic<int> violations, progress;
  };
  auto* field = shared_value<Field>();
  for (LWLock& lock : field->locks) LWLockInitialize(&lock, LWTRANCHE_PARALLEL_APPEND);
  auto* written = static_cast<long*>(bgw_test::shared_bytes(sizeof(long) * children * 2));
  const std::uint64_t seed = bgw_test::test_seed();

  std::vector<pid_t> pids;
  for (int me = 0; me < children; me++)
    pids.push_back(start_child([=] {
      std::mt19937_64 random(seed + static_cast<std::uint64_t>(me));
      for (int i = 0; i < rounds; i++) {
        const int which = static_cast<int>(random() % 2);
        LWLock* lock = &field->locks[which];
        const unsigned kind = random() % 8;
        const bool exclusive = kind < 4;
        bool held = true;
        if (kind == 0)
          held = LWLockConditionalAcquire(lock, LW_EXCLUSIVE);
        else if (kind == 1)
          held = LWLockAcquireOrWait(lock, LW_EXCLUSIVE);
        else
          LWLockAcquire(lock, exclusive ? LW_EXCLUSIVE : LW_SHARED);
        field->progress++;
        if (!held) continue;
        if (exclusive) {
          if (field->writers_inside[which]++ != 0 || field->readers_inside[which] != 0) field->violations++;
          field->writers[which] = field->writers[which] + 1;
          written[me * 2 + which]++;
          if (random() % 64 == 0) usleep(50);
          field->writers_inside[which]--;
        } else {
          field->readers_inside[which]++;
          if (field->writers_inside[which] != 0) field->violations++;
          if (random() % 64 == 0) usleep(50);
          field->readers_inside[which]--;
        }
        LWLockRelease(lock);
      }
    }));
  EXPECT_TRUE(becomes_true([=] { return field->progress == children * rounds; }))
      << "stuck after " << field->progress;
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  EXPECT_EQ(field->violations, 0);
  for (int which = 0; which < 2; which++) {
    long expected = 0;
    for (int me = 0; me < children; me++) expected += written[me * 2 + which];
    EXPECT_EQ(field->writers[which], expected);
    EXPECT_TRUE(LWLockConditionalAcquire(&field->locks[which], LW_EXCLUSIVE));
    LWLockRelease(&field->locks[which]);
  }
}
