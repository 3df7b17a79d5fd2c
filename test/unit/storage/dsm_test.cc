// Property: a segment of dynamic shared memory is the same bytes in every process that has its number, lives
// exactly as long as somebody is attached or it is pinned, runs its detach callbacks once each, and leaves
// nothing behind.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <random>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"
#include "support/must.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
}

using bgw_test::becomes_true;
using bgw_test::caught;
using bgw_test::run_child;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class DsmTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

struct Page {
  std::atomic<dsm_handle> handle;
  std::atomic<int> step;
  std::atomic<int> errors;
};

// All memory that this host's processes have in segments, as the kernel counts it for the file.
long kilobytes_in_segments() {
  long pages = 0;
  FILE* maps = fopen("/proc/self/smaps", "r");
  char line[512];
  bool inside = false;
  while (fgets(line, sizeof line, maps)) {
    if (strstr(line, "/memfd:bgworkerd dynamic")) inside = true;
    if (inside && sscanf(line, "Rss: %ld kB", &pages) == 1) break;
  }
  fclose(maps);
  return pages;
}

std::vector<int> called;
void note_call(dsm_segment*, Datum arg) {
  called.push_back(DatumGetInt32(arg));
}

}  // namespace

TEST_F(DsmTest, WhatOneWritesTheOtherReads) {
  Page* page = shared_value<Page>();
  pid_t maker = start_child([=] {
    dsm_segment* seg = dsm_create(100000, 0);
    MUST(dsm_segment_map_length(seg) == 100000);
    auto* bytes = static_cast<unsigned char*>(dsm_segment_address(seg));
    for (int i = 0; i < 100000; i++) MUST(bytes[i] == 0);
    memset(bytes, 7, 100000);
    MUST(dsm_find_mapping(dsm_segment_handle(seg)) == seg);
    page->handle = dsm_segment_handle(seg);
    MUST(becomes_true([=] { return page->step == 1; }));
    MUST(bytes[99999] == 8);
  });
  ASSERT_TRUE(becomes_true([=] { return page->handle != DSM_HANDLE_INVALID; }));
  EXPECT_TRUE(run_child([=] {
                MUST(dsm_find_mapping(page->handle) == nullptr);
                dsm_segment* seg = dsm_attach(page->handle);
                MUST(seg && dsm_segment_map_length(seg) == 100000);
                auto* bytes = static_cast<unsigned char*>(dsm_segment_address(seg));
                MUST(bytes[0] == 7 && bytes[99999] == 7);
                bytes[99999] = 8;
                dsm_detach(seg);
                page->step = 1;
              }).exited_with(0));
  EXPECT_TRUE(wait_for_child(maker).exited_with(0));
  // The last one is gone, and so is the segment.
  EXPECT_TRUE(run_child([=] { MUST(dsm_attach(page->handle) == nullptr); }).exited_with(0));
}

TEST_F(DsmTest, APinnedSegmentOutlivesItsCreatorUntilItIsUnpinned) {
  Page* page = shared_value<Page>();
  EXPECT_TRUE(run_child([=] {
                dsm_segment* seg = dsm_create(5000, 0);
                strcpy(static_cast<char*>(dsm_segment_address(seg)), "still here");
                dsm_pin_segment(seg);
                page->handle = dsm_segment_handle(seg);
              }).exited_with(0));
  EXPECT_TRUE(run_child([=] {
                dsm_segment* seg = dsm_attach(page->handle);
                MUST(seg);
                MUST(strcmp(static_cast<char*>(dsm_segment_address(seg)), "still here") == 0);
                dsm_unpin_segment(page->handle);
                MUST(strcmp(static_cast<char*>(dsm_segment_address(seg)), "still here") == 0);
              }).exited_with(0));
  EXPECT_TRUE(run_child([=] { MUST(dsm_attach(page->handle) == nullptr); }).exited_with(0));
}

TEST_F(DsmTest, WhatIsWrongIsSaid) {
  EXPECT_TRUE(
      run_child([] {
        static dsm_segment* seg;
        static dsm_handle handle;
        seg = dsm_create(64, 0);
        handle = dsm_segment_handle(seg);
        MUST(caught([](void*) { (void)dsm_attach(handle); }).message ==
             "can't attach the same segment more than once");
        MUST(caught([](void*) { dsm_unpin_segment(handle); }).message ==
             "cannot unpin a segment that is not pinned");
        dsm_pin_segment(seg);
        MUST(caught([](void*) { dsm_pin_segment(seg); }).message ==
             "cannot pin a segment that is already pinned");
        dsm_unpin_segment(handle);
        dsm_detach(seg);
        MUST(caught([](void*) { dsm_unpin_segment(handle); }).message == "cannot unpin unknown segment handle");
        MUST(caught([](void*) { dsm_unpin_segment(12345); }).message == "cannot unpin unknown segment handle");
        MUST(dsm_attach(DSM_HANDLE_INVALID) == nullptr);
        MUST(dsm_attach(0xFFFFFFFF) == nullptr);
        MUST(caught([](void*) { (void)dsm_create(0, 0); }).sqlstate == "22023");
        MUST(caught([](void*) { (void)dsm_create(Size{1} << 50, 0); }).sqlstate == "53200");
      }).exited_with(0));
}

TEST_F(DsmTest, ThereAreOnlySoManyAndTheyAreUsedAgain) {
  EXPECT_TRUE(run_child([] {
                const int limit = 64 + 5 * MaxBackends;
                for (int round = 0; round < 3; round++) {
                  std::vector<dsm_segment*> segments;
                  while (dsm_segment* seg = dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS))
                    segments.push_back(seg);
                  MUST(static_cast<int>(segments.size()) == limit);
                  auto refused = caught([](void*) { (void)dsm_create(1, 0); });
                  MUST(refused.message == "too many dynamic shared memory segments" &&
                       refused.sqlstate == "53000");
                  for (dsm_segment* seg : segments) dsm_detach(seg);
                }
              }).exited_with(0));
}

TEST_F(DsmTest, CallbacksRunOnceTheLatestFirst) {
  EXPECT_TRUE(run_child([] {
                dsm_segment* seg = dsm_create(64, 0);
                for (int i = 1; i <= 4; i++) on_dsm_detach(seg, note_call, Int32GetDatum(i));
                cancel_on_dsm_detach(seg, note_call, Int32GetDatum(2));
                cancel_on_dsm_detach(seg, note_call, Int32GetDatum(99));
                dsm_detach(seg);
                MUST((called == std::vector<int>{4, 3, 1}));
                called.clear();
                // A process forked behind the host's back forgets them, and takes no reference away.
                seg = dsm_create(64, 0);
                on_dsm_detach(seg, note_call, Int32GetDatum(5));
                const pid_t forked = fork();
                if (forked == 0) {
                  reset_on_dsm_detach();
                  dsm_detach(seg);
                  MUST(called.empty());
                  _exit(0);
                }
                int status;
                MUST(waitpid(forked, &status, 0) == forked && status == 0);
                static_cast<char*>(dsm_segment_address(seg))[0] = 1;
                dsm_detach(seg);
                MUST((called == std::vector<int>{5}));
              }).exited_with(0));
}

TEST_F(DsmTest, CallbacksRunAtExitAfterThoseBeforeAndBeforeThoseOnShmemExit) {
  static bgw_test::SharedLog* log;
  log = new bgw_test::SharedLog;
  EXPECT_TRUE(run_child([] {
                on_shmem_exit([](int, Datum) { log->add("on"); }, 0);
                before_shmem_exit([](int, Datum) { log->add("before"); }, 0);
                on_dsm_detach(
                    dsm_create(64, 0), [](dsm_segment*, Datum) { log->add("detach"); }, 0);
              }).exited_with(0));
  EXPECT_EQ(log->text(), "before|detach|on");
}

// What a process sleeps on or holds may lie in a segment that is gone before its PGPROC is given back.
TEST_F(DsmTest, AProcessMayEndWhileItIsInAQueueThatLiesInASegment) {
  struct Place {
    ConditionVariable cv;
    LWLock lock;
  };
  Page* page = shared_value<Page>();
  const pid_t maker = start_child([=] {
    dsm_segment* seg = dsm_create(sizeof(Place), 0);
    auto* place = static_cast<Place*>(dsm_segment_address(seg));
    ConditionVariableInit(&place->cv);
    LWLockInitialize(&place->lock, LWTRANCHE_PARALLEL_HASH_JOIN);
    page->handle = dsm_segment_handle(seg);
    MUST(becomes_true([=] { return page->step == 1; }));
    MUST(proclist_is_empty(&place->cv.wakeup));
    MUST(LWLockConditionalAcquire(&place->lock, LW_EXCLUSIVE));
  });
  ASSERT_TRUE(becomes_true([=] { return page->handle != DSM_HANDLE_INVALID; }));
  const bgw_test::Ended ended = run_child([=] {
    auto* place = static_cast<Place*>(dsm_segment_address(dsm_attach(page->handle)));
    LWLockAcquire(&place->lock, LW_EXCLUSIVE);
    ConditionVariablePrepareToSleep(&place->cv);
  });
  EXPECT_TRUE(ended.exited_with(0));
  EXPECT_TRUE(ended.clean);
  page->step = 1;
  EXPECT_TRUE(wait_for_child(maker).exited_with(0));
}

// All that shmem_exit() does for a process that goes on: lists run once, segments are let go, and nothing is left for the
// real end.
TEST_F(DsmTest, AllMappingsAreDetachedAtOnce) {
  EXPECT_TRUE(run_child([] {
                for (int i = 1; i <= 3; i++) on_dsm_detach(dsm_create(64, 0), note_call, Int32GetDatum(i));
                dsm_pin_mapping(dsm_create(64, 0));
                dsm_detach_all();
                MUST((called == std::vector<int>{3, 2, 1}));
                dsm_detach_all();  // nothing
                before_shmem_exit([](int code, Datum) { called.push_back(code); }, 0);
                on_shmem_exit([](int code, Datum) { called.push_back(code + 1); }, 0);
                on_dsm_detach(dsm_create(64, 0), note_call, Int32GetDatum(4));
                called.clear();
                shmem_exit(10);
                MUST((called == std::vector<int>{10, 4, 11}));
                MUST(MyProc == nullptr && !shmem_exit_inprogress);
                called.clear();
                shmem_exit(20);
                MUST(called.empty());
              }).exited_with(0));
}

TEST_F(DsmTest, AnOwnerReleasesItsMappingsAndNoPinnedOnes) {
  EXPECT_TRUE(run_child([] {
                ResourceOwner owner = ResourceOwnerCreate(nullptr, "test");
                CurrentResourceOwner = owner;
                dsm_segment* released = dsm_create(64, 0);
                dsm_segment* pinned = dsm_create(64, 0);
                dsm_segment* back = dsm_create(64, 0);
                on_dsm_detach(released, note_call, Int32GetDatum(1));
                on_dsm_detach(pinned, note_call, Int32GetDatum(2));
                on_dsm_detach(back, note_call, Int32GetDatum(3));
                dsm_pin_mapping(pinned);
                dsm_pin_mapping(pinned);  // no harm
                dsm_pin_mapping(back);
                dsm_unpin_mapping(back);
                ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, true);
                MUST((called == std::vector<int>{1, 3}));
                CurrentResourceOwner = nullptr;
                ResourceOwnerDelete(owner);
                dsm_detach(pinned);
                MUST((called == std::vector<int>{1, 3, 2}));
              }).exited_with(0));
}

TEST_F(DsmTest, MemoryThatIsDetachedIsGivenBackAndCannotBeTouched) {
  EXPECT_TRUE(run_child([] {
                dsm_segment* seg = dsm_create(8 << 20, 0);
                memset(dsm_segment_address(seg), 1, 8 << 20);
                MUST(kilobytes_in_segments() >= 8192);
                dsm_detach(seg);
                MUST(kilobytes_in_segments() == 0);
                // The same slot again: zeros.
                seg = dsm_create(8 << 20, 0);
                auto* bytes = static_cast<char*>(dsm_segment_address(seg));
                for (int i = 0; i < 8 << 20; i += 4096) MUST(bytes[i] == 0);
                dsm_detach(seg);
              }).exited_with(0));
  pid_t child = start_child([] {
    dsm_segment* seg = dsm_create(4096, 0);
    auto* bytes = static_cast<volatile char*>(dsm_segment_address(seg));
    signal(SIGSEGV, [](int) { _exit(77); });
    dsm_detach(seg);
    bytes[0] = 1;
  });
  EXPECT_TRUE(wait_for_child(child).exited_with(77));
}

// Random processes create, hand over, attach, pin, check and let go. Every segment's first words say which it
// is; a process that finds others was given a segment that is not the handle's.
TEST_F(DsmTest, StressOfManyProcesses) {
  constexpr int children = 4;
  constexpr int shelf_size = 8;
  constexpr int rounds = 4000;
  struct Shelf {
    std::atomic<dsm_handle> handles[shelf_size];
    std::atomic<int> attached;
  };
  Shelf* shelf = shared_value<Shelf>();
  const std::uint64_t seed = bgw_test::test_seed();
  std::vector<pid_t> pids;
  for (int c = 0; c < children; c++)
    pids.push_back(start_child([=] {
      std::mt19937_64 random(seed + static_cast<unsigned>(c));
      for (int i = 0; i < rounds; i++) {
        const Size size = 1 + random() % 20000 + sizeof(uint32);
        auto& place = shelf->handles[random() % shelf_size];
        if (random() % 2) {
          dsm_segment* seg = dsm_create(size, 0);
          auto* bytes = static_cast<unsigned char*>(dsm_segment_address(seg));
          MUST(bytes[size - 1] == 0 && bytes[sizeof(uint32)] == 0);
          const dsm_handle handle = dsm_segment_handle(seg);
          memcpy(bytes, &handle, sizeof handle);
          bytes[size - 1] = 1;
          if (random() % 2) {
            dsm_pin_segment(seg);
            const dsm_handle old = place.exchange(handle);
            if (old != DSM_HANDLE_INVALID) dsm_unpin_segment(old);
          }
          dsm_detach(seg);
        } else if (const dsm_handle handle = place.load()) {
          if (dsm_segment* seg = dsm_attach(handle)) {
            dsm_handle found;
            memcpy(&found, dsm_segment_address(seg), sizeof found);
            MUST(found == handle);
            shelf->attached++;
            dsm_detach(seg);
          }
        }
      }
    }));
  for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  EXPECT_GT(shelf->attached, 0);
  EXPECT_TRUE(run_child([=] {
                for (auto& handle : shelf->handles)
                  if (handle != DSM_HANDLE_INVALID) dsm_unpin_segment(handle);
                int free_count = 0;
                while (dsm_create(1, DSM_CREATE_NULL_IF_MAXSEGMENTS)) free_count++;
                MUST(free_count == 64 + 5 * MaxBackends);  // none was lost
              }).exited_with(0));
}
