// Property: objects of a dynamic shared area never overlap, keep what is written to them, are the same in every
// process, and their memory can be had again; an area ends with its last user unless it is pinned.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "bridge/critical.hpp"
#include "bridge/die.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"
#include "support/must.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/freepage.h"
#include "utils/memutils.h"
}

using bgw_test::becomes_true;
using bgw_test::caught;
using bgw_test::run_child;
using bgw_test::shared_bytes;
using bgw_test::shared_value;
using bgw_test::start_child;
using bgw_test::wait_for_child;

namespace {

class DsaTest : public ::testing::Test {
 protected:
  void SetUp() override { bgw_test::become_postmaster(); }
};

constexpr int tranche = LWTRANCHE_PARALLEL_HASH_JOIN;

struct Page {
  std::atomic<dsa_handle> handle;
  std::atomic<dsa_pointer> pointer;
  std::atomic<int> step;
};

Size any_size(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
      return 1 + random() % 300000;
    case 1:
    case 2:
      return 1 + random() % 9000;
    default:
      return 1 + random() % 200;
  }
}

unsigned char mark(dsa_pointer pointer, Size at) {
  return static_cast<unsigned char>((pointer >> 3) * 31 + at * 7);
}

void fill(dsa_area* area, dsa_pointer pointer, Size size) {
  auto* bytes = static_cast<unsigned char*>(dsa_get_address(area, pointer));
  for (Size at = 0; at < size; at += size / 50 + 1) bytes[at] = mark(pointer, at);
  bytes[size - 1] = mark(pointer, size - 1);
}

bool is_filled(dsa_area* area, dsa_pointer pointer, Size size) {
  auto* bytes = static_cast<unsigned char*>(dsa_get_address(area, pointer));
  for (Size at = 0; at < size; at += size / 50 + 1)
    if (bytes[at] != mark(pointer, at)) return false;
  return bytes[size - 1] == mark(pointer, size - 1);
}

// One process, many allocations: everything it holds stays as it was filled.
void work_at_random(dsa_area* area, std::uint64_t seed, int rounds, Size most) {
  std::mt19937_64 random(seed);
  std::map<dsa_pointer, Size> mine;
  Size total = 0;
  for (int i = 0; i < rounds; i++) {
    if (total < most && random() % 100 < 55) {
      const Size size = any_size(random);
      const dsa_pointer pointer = dsa_allocate_extended(area, size, DSA_ALLOC_NO_OOM);
      if (!DsaPointerIsValid(pointer)) continue;
      auto next = mine.lower_bound(pointer);
      MUST(next == mine.end() || pointer + size <= next->first);
      MUST(next == mine.begin() || std::prev(next)->first + std::prev(next)->second <= pointer);
      MUST(reinterpret_cast<uintptr_t>(dsa_get_address(area, pointer)) % MAXIMUM_ALIGNOF == 0);
      mine[pointer] = size;
      total += size;
      fill(area, pointer, size);
    } else if (!mine.empty()) {
      auto victim = mine.lower_bound(
          std::next(mine.begin(), static_cast<long>(random() % std::min<Size>(mine.size(), 9)))->first);
      MUST(is_filled(area, victim->first, victim->second));
      dsa_free(area, victim->first);
      total -= victim->second;
      mine.erase(victim);
    }
    if (random() % 500 == 0) dsa_trim(area);
  }
  for (auto& [pointer, size] : mine) {
    MUST(is_filled(area, pointer, size));
    dsa_free(area, pointer);
  }
}

long kilobytes_in_segments() {
  long total = 0, pages;
  FILE* maps = fopen("/proc/self/smaps", "r");
  char line[512];
  bool inside = false;
  while (fgets(line, sizeof line, maps)) {
    if (strchr(line, '-') && !strchr(line, ':')) inside = false;
    if (strstr(line, "/memfd:bgworkerd dynamic")) inside = true;
    if (inside && sscanf(line, "Rss: %ld kB", &pages) == 1) total += pages, inside = false;
  }
  fclose(maps);
  return total;
}

}  // namespace

TEST_F(DsaTest, ObjectsKeepWhatIsWrittenToThem) {
  const std::uint64_t seed = bgw_test::test_seed();
  EXPECT_TRUE(wait_for_child(start_child([=] {
                               dsa_area* area = dsa_create(tranche);
                               work_at_random(area, seed, 60000, 64 << 20);
                               dsa_trim(area);
                               MUST(kilobytes_in_segments() < 200);
                               // As good as new.
                               work_at_random(area, seed + 1, 20000, 64 << 20);
                               dsa_detach(area);
                               MUST(kilobytes_in_segments() == 0);
                             }),
                             60)
                  .exited_with(0));
}

TEST_F(DsaTest, AnAreaInPlaceUsesThePlaceFirst) {
  const std::uint64_t seed = bgw_test::test_seed();
  EXPECT_TRUE(wait_for_child(start_child([=] {
                               const Size size = dsa_minimum_size() + 200000;
                               auto* place = static_cast<char*>(shared_bytes(size + 8)) +
                                             8;  // aligned as little as allowed
                               dsa_area* area = dsa_create_in_place(place, size, tranche, nullptr);
                               dsa_set_size_limit(area, size);
                               const dsa_pointer first = dsa_allocate(area, 1000);
                               auto* address = static_cast<char*>(dsa_get_address(area, first));
                               MUST(address > place && address < place + size);
                               MUST(!DsaPointerIsValid(dsa_allocate_extended(area, 500000, DSA_ALLOC_NO_OOM)));
                               dsa_set_size_limit(area, 128 << 20);
                               const dsa_pointer second = dsa_allocate(area, 500000);
                               address = static_cast<char*>(dsa_get_address(area, second));
                               MUST(address < place || address > place + size);
                               dsa_free(area, second);
                               dsa_free(area, first);
                               work_at_random(area, seed, 20000, 16 << 20);
                               dsa_release_in_place(place);
                               dsa_detach(area);
                               MUST(kilobytes_in_segments() == 0);
                             }),
                             60)
                  .exited_with(0));
}

TEST_F(DsaTest, AnAreaLivesAsLongAsItsUsersOrItsPin) {
  Page* page = shared_value<Page>();
  EXPECT_TRUE(run_child([=] {
                dsa_area* area = dsa_create(tranche);
                page->pointer = dsa_allocate(area, 100);
                strcpy(static_cast<char*>(dsa_get_address(area, page->pointer)), "pinned");
                dsa_pin(area);
                MUST(caught([](void* it) { dsa_pin(static_cast<dsa_area*>(it)); }, area).message ==
                     "dsa_area already pinned");
                dsa_pin_mapping(area);
                page->handle = dsa_get_handle(area);
              }).exited_with(0));
  EXPECT_TRUE(run_child([=] {
                dsa_area* area = dsa_attach(page->handle);
                MUST(strcmp(static_cast<char*>(dsa_get_address(area, page->pointer)), "pinned") == 0);
                dsa_unpin(area);
                MUST(caught([](void* it) { dsa_unpin(static_cast<dsa_area*>(it)); }, area).message ==
                     "dsa_area not pinned");
              }).exited_with(0));
  EXPECT_TRUE(run_child([=] {
                auto refused = caught([](void* it) { (void)dsa_attach(static_cast<Page*>(it)->handle); }, page);
                MUST(refused.message == "could not attach to dynamic shared area" &&
                     refused.sqlstate == "55000");
              }).exited_with(0));
}

TEST_F(DsaTest, WhatCannotBeIsRefused) {
  EXPECT_TRUE(run_child([] {
                static dsa_area* area;
                area = dsa_create(tranche);
                MUST(caught([](void*) { (void)dsa_allocate(area, MaxAllocSize + 1); }).message ==
                     "invalid DSA memory alloc request size 1073741824");
                dsa_set_size_limit(area, 1 << 20);
                auto full = caught([](void*) { (void)dsa_allocate(area, 2 << 20); });
                MUST(full.message == "out of memory" && full.sqlstate == "53200");
                MUST(full.detail == "Failed on DSA request of size 2097152.");
                int count = 0;
                while (DsaPointerIsValid(dsa_allocate_extended(area, 1000, DSA_ALLOC_NO_OOM))) count++;
                MUST(count > 700 && count <= 1048);
                MUST(dsa_get_address(area, InvalidDsaPointer) == nullptr);
                auto small = caught([](void*) {
                  static char place[64];
                  (void)dsa_create_in_place(place, sizeof place, tranche, nullptr);
                });
                MUST(small.message.starts_with("dsa_area space must be at least "));
              }).exited_with(0));
}

TEST_F(DsaTest, ADumpSaysWhatIsInUse) {
  ::testing::internal::CaptureStderr();
  const bool in_order = run_child([] {
                          dsa_area* area = dsa_create(tranche);
                          dsa_set_size_limit(area, 4 << 20);
                          dsa_pin(area);
                          (void)dsa_allocate(area, 1000);
                          dsa_dump(area);
                          dsa_unpin(area);
                        }).exited_with(0);
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(in_order) << text;
  EXPECT_THAT(text, ::testing::ContainsRegex("objects of 1024 bytes:\n  slab [0-9a-f]+: 31 of 32 free\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("total size [0-9]+, limit 4194304, 1 references, pinned\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("window of 64 pages, free:\nlongest run: 56 pages\n"));
}

// Whoever catches such an error can still be ended by SIGTERM, also one that came meanwhile.
TEST_F(DsaTest, AnErrorLeavesTheWorkerFreeToBeEnded) {
  EXPECT_TRUE(run_child([] {
                static dsa_area* area;
                area = dsa_create(tranche);
                const dsa_pointer object = dsa_allocate(area, 100000);
                dsa_free(area, object);
                static dsa_pointer freed;
                freed = object;
                MUST(caught([](void*) { dsa_free(area, freed); }).message.ends_with("is not allocated"));
                MUST(bgw::critical_depth == 0);
                pqsignal(SIGTERM, [](int) { bgw_die_handler_body(); });
                PG_SETMASK(&UnBlockSig);
                kill(MyProcPid, SIGTERM);
              }).exited_with(1));
}

TEST_F(DsaTest, ZeroedMemoryIsZeroAndHugeObjectsWork) {
  EXPECT_TRUE(run_child([] {
                dsa_area* area = dsa_create(tranche);
                for (Size size : {Size{24}, Size{5000}, Size{70000}, Size{40} << 20}) {
                  for (int again = 0; again < 2; again++) {
                    const dsa_pointer pointer =
                        dsa_allocate_extended(area, size, DSA_ALLOC_ZERO | DSA_ALLOC_HUGE);
                    auto* bytes = static_cast<char*>(dsa_get_address(area, pointer));
                    MUST(std::all_of(bytes, bytes + size, [](char c) { return c == 0; }));
                    memset(bytes, 1, size);
                    dsa_free(area, pointer);
                  }
                }
                MUST(kilobytes_in_segments() < 2000);  // the largest went back at once
              }).exited_with(0));
}

// A process that mapped the area when it was small reads an object that lies across what was its end then.
TEST_F(DsaTest, AnObjectAcrossAnOldEndIsSeenWhole) {
  constexpr Size large = 8 << 20;
  Page* page = shared_value<Page>();
  const pid_t reader = start_child([=] {
    MUST(becomes_true([=] { return page->step == 1; }));
    dsa_area* area = dsa_attach(page->handle);
    MUST(is_filled(area, page->pointer, 100));
    page->step = 2;
    MUST(becomes_true([=] { return page->step == 3; }));
    MUST(is_filled(area, page->pointer, large));
  });
  EXPECT_TRUE(run_child([=] {
                dsa_area* area = dsa_create(tranche);
                const dsa_pointer small = dsa_allocate(area, 100);
                fill(area, small, 100);
                page->pointer = small;
                page->handle = dsa_get_handle(area);
                page->step = 1;
                MUST(becomes_true([=] { return page->step == 2; }));
                const dsa_pointer object = dsa_allocate(area, large);
                MUST(object - small < 64 * FPM_PAGE_SIZE);
                fill(area, object, large);
                page->pointer = object;
                page->step = 3;
              }).exited_with(0));
  EXPECT_TRUE(wait_for_child(reader).exited_with(0));
}

// Several processes in one area, in place and not: they hand objects to each other through a shelf.
TEST_F(DsaTest, StressOfManyProcesses) {
  constexpr int shelf_size = 64;
  constexpr int children = 4;
  struct Shelf {
    std::atomic<dsa_handle> handle;
    std::atomic<std::uint64_t> objects[shelf_size];  // the size in the upper 20 bits; 0: empty
    std::atomic<int> up;
  };
  const std::uint64_t seed = bgw_test::test_seed();
  for (bool in_place : {false, true}) {
    SCOPED_TRACE(in_place);
    Shelf* shelf = shared_value<Shelf>();
    const Size place_size = dsa_minimum_size() + 100000;
    void* place = shared_bytes(place_size);
    std::vector<pid_t> pids;
    for (int c = 0; c < children; c++)
      pids.push_back(start_child([=] {
        dsa_area* area;
        if (c == 0) {
          area = in_place ? dsa_create_in_place(place, place_size, tranche, nullptr) : dsa_create(tranche);
          shelf->handle = in_place ? 1 : dsa_get_handle(area);
        } else {
          MUST(becomes_true([=] { return shelf->handle != 0; }));
          area = in_place ? dsa_attach_in_place(place, nullptr) : dsa_attach(shelf->handle);
        }
        if (in_place) on_shmem_exit(dsa_on_shmem_exit_release_in_place, PointerGetDatum(place));
        shelf->up++;
        MUST(becomes_true([=] { return shelf->up == children; }));
        std::mt19937_64 random(seed + static_cast<unsigned>(c));
        for (int i = 0; i < 25000; i++) {
          const Size size = any_size(random);
          const dsa_pointer pointer = dsa_allocate(area, size);
          fill(area, pointer, size);
          const std::uint64_t old = shelf->objects[random() % shelf_size].exchange(size << 44 | pointer);
          if (old != 0) {
            const dsa_pointer other = old & ((std::uint64_t{1} << 44) - 1);
            MUST(is_filled(area, other, old >> 44));
            dsa_free(area, other);
          }
          if (random() % 3000 == 0) dsa_trim(area);
        }
        shelf->up++;
        MUST(becomes_true([=] { return shelf->up == 2 * children; }));
        if (c == 0) {
          for (auto& object : shelf->objects)
            if (object != 0) dsa_free(area, object & ((std::uint64_t{1} << 44) - 1));
          dsa_trim(area);
          MUST(kilobytes_in_segments() < 500);
        }
      }));
    for (pid_t pid : pids) EXPECT_TRUE(wait_for_child(pid).exited_with(0));
  }
}

TEST(FreePages, AgreeWithASetOfPages) {
  std::mt19937_64 random(bgw_test::test_seed());
  constexpr Size pages = 600;
  auto* base = static_cast<char*>(std::aligned_alloc(FPM_PAGE_SIZE, pages * FPM_PAGE_SIZE));
  auto* fpm = reinterpret_cast<FreePageManager*>(base);
  FreePageManagerInitialize(fpm, base);
  EXPECT_EQ(fpm_largest(fpm), 0u);
  std::set<Size> free_pages;
  std::vector<std::pair<Size, Size>> taken = {{1, pages - 1}};
  const auto longest = [&] {
    Size best = 0, run = 0, last = 0;
    for (Size page : free_pages) {
      run = page == last + 1 ? run + 1 : 1;
      last = page;
      best = std::max(best, run);
    }
    return best;
  };
  for (int i = 0; i < 20000; i++) {
    if (!taken.empty() && random() % 2) {
      const std::size_t which = random() % taken.size();
      auto [first, count] = taken[which];
      // Sometimes only a part of it.
      const Size part = 1 + random() % count;
      FreePageManagerPut(fpm, first, part);
      memset(base + first * FPM_PAGE_SIZE + 32, 0xEE, part * FPM_PAGE_SIZE - 32 > 4000 ? 4000 : 100);
      for (Size page = first; page < first + part; page++) EXPECT_TRUE(free_pages.insert(page).second);
      if (part == count)
        taken.erase(taken.begin() + static_cast<long>(which));
      else
        taken[which] = {first + part, count - part};
    } else {
      const Size count = 1 + random() % (random() % 4 ? 5 : 100);
      Size first;
      const bool got = FreePageManagerGet(fpm, count, &first);
      ASSERT_EQ(got, longest() >= count);
      if (got) {
        for (Size page = first; page < first + count; page++) ASSERT_EQ(free_pages.erase(page), 1u);
        taken.emplace_back(first, count);
      }
    }
    ASSERT_EQ(fpm_largest(fpm), longest());
  }
  char* text = FreePageManagerDump(fpm);
  EXPECT_TRUE(std::string(text).starts_with("longest run: "));
  pfree(text);
  std::free(base);
}
