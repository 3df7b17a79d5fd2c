// The set of slots agrees with std::set under random use at every size of its levels, and loses nothing and
// gives nothing twice when several processes use it at once.
#include "core/slot_bitmap.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <random>
#include <set>
#include <vector>

#include "support/children.hpp"

namespace {

using bgw::SlotBitmap;

std::vector<int> taken(SlotBitmap& bitmap) {
  std::vector<int> slots;
  bitmap.take_all([&](int slot) { slots.push_back(slot); });
  return slots;
}

TEST(SlotBitmap, AgreesWithASetAtEverySize) {
  std::mt19937_64 random(bgw_test::test_seed());
  for (int slots : {1, 2, 63, 64, 65, 4095, 4096, 4097, 10000, 262143, SlotBitmap::kCapacity}) {
    std::vector<std::uint64_t> memory(SlotBitmap::size_for(slots) / 8 + 1);
    memory.back() = 0x5ca1ab1e;
    SlotBitmap bitmap(memory.data(), slots);
    std::set<int> model;
    EXPECT_EQ(bitmap.lowest(), -1);
    for (int step = 0; step < 3000; step++) {
      int slot = static_cast<int>(random() % static_cast<std::uint64_t>(slots));
      switch (random() % 4) {
        case 0:
        case 1:
          bitmap.add(slot);
          model.insert(slot);
          break;
        case 2:
          EXPECT_EQ(bitmap.remove(slot), model.erase(slot) == 1);
          break;
        case 3:
          ASSERT_EQ(bitmap.lowest(), model.empty() ? -1 : *model.begin());
          if (!model.empty()) {
            EXPECT_TRUE(bitmap.remove(*model.begin()));
            model.erase(model.begin());
          }
          break;
      }
      EXPECT_EQ(bitmap.contains(slot), model.contains(slot));
    }
    bitmap.add(slots - 1);
    model.insert(slots - 1);
    EXPECT_EQ(taken(bitmap), std::vector<int>(model.begin(), model.end()));
    EXPECT_EQ(bitmap.lowest(), -1);
    EXPECT_EQ(memory.back(), 0x5ca1ab1eu) << "written behind its memory, with " << slots << " slots";
  }
}

// Whatever is in the memory: only slots that exist are found, each once, and the search ends.
TEST(SlotBitmap, GarbageNamesOnlySlotsThatExist) {
  std::mt19937_64 random(bgw_test::test_seed());
  for (int slots : {1, 63, 65, 4097, 10000}) {
    std::vector<std::uint64_t> memory(SlotBitmap::size_for(slots) / 8);
    for (bool ones : {true, false}) {
      for (auto& word : memory) word = ones ? ~std::uint64_t{0} : random();
      SlotBitmap bitmap(memory.data(), slots);
      int before = -1;
      for (int slot; (slot = bitmap.lowest()) >= 0; before = slot) {
        ASSERT_GT(slot, before);
        ASSERT_LT(slot, slots);
        ASSERT_TRUE(bitmap.remove(slot));
      }
      for (auto& word : memory) word = ones ? ~std::uint64_t{0} : random();
      before = -1;
      for (int slot : taken(bitmap)) {
        ASSERT_GT(slot, before);
        ASSERT_LT(slot, slots);
        before = slot;
      }
    }
  }
}

// Processes add; this one takes, and also removes one by one: in the end each addition was seen.
TEST(SlotBitmap, NoAdditionIsLostBetweenProcesses) {
  constexpr int kSlots = 5000;
  constexpr int kProcesses = 4;
  constexpr int kRounds = 20000;
  std::uint64_t seed = bgw_test::test_seed();
  SlotBitmap bitmap(bgw_test::shared_bytes(SlotBitmap::size_for(kSlots)), kSlots);
  // Of each slot, how often it was added and how often it was found: an addition answers at most to one
  // finding, and after the last addition there is a finding.
  auto* added = static_cast<std::atomic<std::uint64_t>*>(bgw_test::shared_bytes(kSlots * 8));
  std::vector<pid_t> pids;
  for (int process = 0; process < kProcesses; process++) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      std::mt19937_64 random(seed + static_cast<std::uint64_t>(process));
      for (int round = 0; round < kRounds; round++) {
        int slot = static_cast<int>(random() % kSlots);
        added[slot].fetch_add(1);
        bitmap.add(slot);
      }
      ::_exit(0);
    }
    pids.push_back(pid);
  }
  std::vector<std::uint64_t> found(kSlots), seen(kSlots);
  auto note = [&](int slot) {
    found[static_cast<std::size_t>(slot)]++;
    seen[static_cast<std::size_t>(slot)] = added[slot].load();
  };
  std::size_t living = pids.size();
  for (int turn = 0; living > 0; turn++) {
    if (turn % 2)
      bitmap.take_all(note);
    else
      for (int slot, i = 0; i < 10 && (slot = bitmap.lowest()) >= 0; i++)
        if (bitmap.remove(slot)) note(slot);
    for (pid_t& pid : pids)
      if (pid != 0 && ::waitpid(pid, nullptr, WNOHANG) == pid) {
        pid = 0;
        living--;
      }
  }
  bitmap.take_all(note);
  for (std::size_t slot = 0; slot < kSlots; slot++) {
    std::uint64_t total = added[slot].load();
    EXPECT_EQ(seen[slot], total) << "slot " << slot;
    EXPECT_LE(found[slot], total);
  }
}

}  // namespace
