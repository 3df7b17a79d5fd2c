// Property: structures in shared memory are found again by name from every process at the same address, with
// the server's complaints; requests count only in their moment; and a reset gives new, zeroed memory and calls
// the start-up hook again.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "storage/shmem_region.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pg_sema.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/hsearch.h"
}

using bgw_test::caught;
using bgw_test::run_child;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class ShmemTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

int hook_calls = 0;
bool hook_found = true;
bool hook_zeroed = false;
char* hook_area = nullptr;

void startup_hook() {
  hook_calls++;
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  hook_area = static_cast<char*>(ShmemInitStruct("test area", 4000, &hook_found));
  hook_zeroed = true;
  for (int i = 0; i < 4000; i++) hook_zeroed &= hook_area[i] == 0;
  memset(hook_area, 0xAB, 4000);
  LWLockRelease(AddinShmemInitLock);
}

}  // namespace

TEST_F(ShmemTest, AStructureIsFoundAgainFromEveryProcess) {
  bool found = true;
  int* number = static_cast<int*>(ShmemInitStruct("number", sizeof(int), &found));
  EXPECT_FALSE(found);
  EXPECT_EQ(*number, 0);
  EXPECT_TRUE(ShmemAddrIsValid(number));
  EXPECT_FALSE(ShmemAddrIsValid(&found));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(number) % PG_CACHE_LINE_SIZE, 0u);
  EXPECT_TRUE(run_child([=] {
                bool again = false;
                int* same = static_cast<int*>(ShmemInitStruct("number", sizeof(int), &again));
                *same = 42;
                exit(again && same == number ? 0 : 9);
              }).exited_with(0));
  EXPECT_EQ(*number, 42);

  auto other_size = [](void*) {
    bool ignored;
    ShmemInitStruct("number", 999, &ignored);
  };
  EXPECT_EQ(caught(other_size).message,
            "ShmemIndex entry size is wrong for data structure \"number\": expected 999, actual 4");
  EXPECT_FALSE(LWLockHeldByMe(ShmemIndexLock));
}

// Only as much of a name counts as the index has room for.
TEST_F(ShmemTest, ALongNameIsFoundAgain) {
  const std::string name(60, 'n');
  bool found = true;
  void* first = ShmemInitStruct(name.c_str(), 16, &found);
  EXPECT_FALSE(found);
  EXPECT_EQ(ShmemInitStruct(name.c_str(), 16, &found), first);
  EXPECT_TRUE(found);
  EXPECT_EQ(ShmemInitStruct((name.substr(0, SHMEM_INDEX_KEYSIZE - 1) + "other").c_str(), 16, &found), first);
  EXPECT_NE(ShmemInitStruct(name.substr(0, SHMEM_INDEX_KEYSIZE - 2).c_str(), 16, &found), first);
  EXPECT_FALSE(found);
}

TEST_F(ShmemTest, TooMuchIsAnError) {
  auto too_much = [](void*) {
    bool found;
    ShmemInitStruct("huge", Size{1} << 40, &found);
  };
  bgw_test::Caught error = caught(too_much);
  EXPECT_EQ(error.sqlstate, "53200");
  EXPECT_EQ(error.message,
            "not enough shared memory for data structure \"huge\" (1099511627776 bytes requested)");
  EXPECT_EQ(ShmemAllocNoError(Size{1} << 40), nullptr);
  auto alloc = [](void*) { ShmemAlloc(Size{1} << 40); };
  EXPECT_EQ(caught(alloc).message, "out of shared memory (1099511627776 bytes requested)");
}

TEST_F(ShmemTest, RequestsElsewhereAreFatal) {
  EXPECT_TRUE(run_child([] { RequestAddinShmemSpace(100); }).exited_with(1));
  EXPECT_TRUE(run_child([] { RequestNamedLWLockTranche("x", 1); }).exited_with(1));
}

// In a child, because the parent's shared memory must stay as it is for the other tests.
TEST_F(ShmemTest, RequestsAndResets) {
  EXPECT_TRUE(run_child([] {
                IsUnderPostmaster = false;  // plays a postmaster of its own from here on
                MyProc = nullptr;
                on_exit_reset();
                shmem_request_hook = [] {
                  RequestAddinShmemSpace(12000);
                  RequestNamedLWLockTranche("first", 3);
                  RequestNamedLWLockTranche("second", 2);
                };
                shmem_startup_hook = startup_hook;
                const Size before = CalculateShmemSize(nullptr);
                process_shmem_requests();
                if (CalculateShmemSize(nullptr) < before + 8192) _exit(2);  // sizes are rounded to 8 kB
                for (int calls = 1; calls <= 3; calls++) {
                  bgw_reset_shared_memory();
                  if (hook_calls != calls || hook_found || !hook_zeroed) _exit(3);
                  if (GetNamedLWLockTranche("first") != &MainLWLockArray[NUM_FIXED_LWLOCKS]) _exit(4);
                  if (GetNamedLWLockTranche("second") != &MainLWLockArray[NUM_FIXED_LWLOCKS + 3]) _exit(5);
                  LWLock* lock = &GetNamedLWLockTranche("second")[1].lock;
                  if (strcmp(GetLWLockIdentifier(0x01000000U, lock->tranche), "second") != 0) _exit(6);
                  LWLockAcquire(lock, LW_EXCLUSIVE);
                  LWLockRelease(lock);
                  if (NamedLWLockTrancheRequests != 2 ||
                      strcmp(NamedLWLockTrancheArray[0].trancheName, "first") != 0)
                    _exit(7);
                }
                _exit(42);
              }).exited_with(42));
}

TEST_F(ShmemTest, AHashTableIsSharedByAllProcesses) {
  struct Entry {
    int key;
    int value;
  };
  HASHCTL info = {};
  info.keysize = sizeof(int);
  info.entrysize = sizeof(Entry);
  HTAB* table = ShmemInitHash("test hash", 16, 64, &info, HASH_ELEM | HASH_BLOBS);
  bool found;
  int key = 7;
  static_cast<Entry*>(hash_search(table, &key, HASH_ENTER, &found))->value = 70;
  EXPECT_TRUE(run_child([] {
                HASHCTL again = {};
                again.keysize = sizeof(int);
                again.entrysize = sizeof(Entry);
                HTAB* same = ShmemInitHash("test hash", 16, 64, &again, HASH_ELEM | HASH_BLOBS);
                bool present;
                int wanted = 7;
                Entry* entry = static_cast<Entry*>(hash_search(same, &wanted, HASH_FIND, &present));
                if (!entry || entry->value != 70) exit(9);
                for (int i = 100; i < 140; i++)
                  static_cast<Entry*>(hash_search(same, &i, HASH_ENTER, &present))->value = i;
                exit(0);
              }).exited_with(0));
  key = 139;
  Entry* entry = static_cast<Entry*>(hash_search(table, &key, HASH_FIND, &found));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->value, 139);
}

TEST_F(ShmemTest, AProcessIsFoundByItsNumberWhileItLives) {
  EXPECT_EQ(BackendPidGetProc(0), nullptr);
  auto* ready = bgw_test::shared_value<volatile int>();
  pid_t child = start_child([=] {
    ResetLatch(MyLatch);
    *ready = 1;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, 0);
  });
  ASSERT_TRUE(bgw_test::becomes_true([=] { return *ready == 1; }));
  PGPROC* proc = BackendPidGetProc(child);
  ASSERT_NE(proc, nullptr);
  EXPECT_TRUE(proc->isBackgroundWorker);
  SetLatch(&proc->procLatch);
  EXPECT_TRUE(wait_for_child(child).exited_with(0));
  EXPECT_EQ(BackendPidGetProc(child), nullptr);
  EXPECT_EQ(proc->procLatch.owner_pid, 0);
}

TEST_F(ShmemTest, SpinlocksExclude) {
  struct Counter {
    slock_t lock;
    volatile long value;
  };
  auto* counter = bgw_test::shared_value<Counter>();
  SpinLockInit(&counter->lock);
  auto count = [=] {
    for (int i = 0; i < 100000; i++) {
      SpinLockAcquire(&counter->lock);
      counter->value = counter->value + 1;
      SpinLockRelease(&counter->lock);
    }
  };
  pid_t first = start_child(count);
  pid_t second = start_child(count);
  EXPECT_TRUE(wait_for_child(first).exited_with(0));
  EXPECT_TRUE(wait_for_child(second).exited_with(0));
  EXPECT_EQ(counter->value, 200000);
}
