// The slot protocol between threads, for the thread sanitizer: the postmaster's definition of a worker is read
// in the order in which the registrant wrote it, with no access that the protocol leaves without order; each
// registration is seen once and whole, and a handle shows its own worker only.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/worker_slots.hpp"

namespace {

using bgw::SlotBitmap;
using bgw::SlotHandle;
using bgw::SlotLedger;
using bgw::SlotRequests;
using bgw::SlotStatus;
using bgw::WorkerRegistry;

constexpr int kChildren = 4;
constexpr int kSlots = 12;
constexpr std::uint64_t kRegistrations = 10000;  // of each child
constexpr auto kDeadline = std::chrono::seconds(100);

std::uint64_t test_seed() {
  const char* given = std::getenv("BGW_TEST_SEED");
  std::uint64_t seed =
      given ? std::strtoull(given, nullptr, 10)
            : static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  std::printf("BGW_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// Zero at first, aligned as pages are.
std::shared_ptr<void> bytes(std::size_t size) {
  void* memory = std::aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  std::memset(memory, 0, size);
  return {memory, std::free};
}

struct Definition {
  std::uint64_t id;
  std::array<std::uint64_t, 12> copies;  // all of them ~id
};

struct Shared {
  std::shared_ptr<void> area = bytes(SlotRequests::size_for(kSlots, sizeof(Definition)));
  std::shared_ptr<void> published = bytes(bgw::PublishedSlots::size_for(kSlots));
  std::mutex lock;                                          // among claiming children
  std::array<std::atomic<std::uint64_t>, 1 << 16> owner{};  // by made-up pid: the id it was started for
  std::atomic<bool> signalled = false;
  std::atomic<int> failures = 0, living = kChildren;
};

// One child: registers, looks, asks for termination, and waits for every end.
void child(Shared& shared, SlotRequests requests, int number, std::uint64_t seed) {
  std::mt19937_64 random(seed + static_cast<std::uint64_t>(number));
  const auto give_up = std::chrono::steady_clock::now() + kDeadline;
  struct Mine {
    SlotHandle handle;
    std::uint64_t id;
  };
  std::vector<Mine> mine;
  auto announce = [&](int slot) {
    requests.announce(slot);
    shared.signalled.store(true);
  };
  for (std::uint64_t done = 0; done < kRegistrations || !mine.empty();) {
    if (std::chrono::steady_clock::now() > give_up) {
      std::fprintf(stderr, "child %d: %zu registrations unanswered\n", number, mine.size());
      shared.failures++;
      break;
    }
    if (done < kRegistrations && mine.size() < 4) {
      Definition made{.id = static_cast<std::uint64_t>(number) << 32 | done, .copies = {}};
      made.copies.fill(~made.id);
      std::optional<SlotHandle> handle;
      {
        std::lock_guard<std::mutex> held(shared.lock);
        handle = requests.claim(&made, false, 0);
      }
      if (requests.check_is_wanted()) shared.signalled.store(true);
      if (handle) {
        announce(handle->slot);
        mine.push_back({*handle, made.id});
        done++;
      }
    }
    std::erase_if(mine, [&](const Mine& one) {
      pid_t pid = 0;
      SlotStatus status = requests.status(one.handle, &pid);
      if (status == SlotStatus::started && shared.owner[static_cast<std::size_t>(pid)].load() != one.id)
        shared.failures++;
      if (random() % 4 == 0 && requests.request_terminate(one.handle)) announce(one.handle.slot);
      return status == SlotStatus::stopped;
    });
    std::this_thread::yield();
  }
  shared.living--;
}

TEST(SlotsBetweenThreads, EachRegistrationIsSeenOnceAndWhole) {
  const std::uint64_t seed = test_seed();
  auto shared = std::make_unique<Shared>();
  auto* published = static_cast<bgw::PublishedSlots*>(shared->published.get());
  published->slots = kSlots;
  SlotRequests requests(shared->area.get(), published, kSlots, sizeof(Definition));
  WorkerRegistry registry;
  std::vector<char> seen(kChildren * kRegistrations);
  std::vector<WorkerRegistry::Worker*> to_end;
  std::size_t registered = 0;
  int damaged = 0;
  SlotLedger* ledger_at = nullptr;
  auto forget = [&](WorkerRegistry::Worker& worker) {
    ledger_at->release(worker);
    registry.forget(worker);
  };
  SlotLedger ledger({.registered = [&](int slot, const void* from, bool terminated) -> WorkerRegistry::Worker* {
                       Definition made;
                       std::memcpy(&made, from, sizeof made);
                       for (std::uint64_t copy : made.copies) EXPECT_EQ(copy, ~made.id) << "torn";
                       const std::size_t at = (made.id >> 32) * kRegistrations + (made.id & 0xffffffff);
                       EXPECT_LT(at, seen.size());
                       if (at >= seen.size()) return nullptr;
                       EXPECT_EQ(seen[at]++, 0) << made.id << " was seen twice";
                       registered++;
                       if (terminated) return nullptr;
                       return &registry.add({.name = std::to_string(made.id), .type = "", .is_static = false},
                                            slot);
                     },
                     .refused = [](const void*) {},
                     .terminate =
                         [&](WorkerRegistry::Worker& worker) {
                           if (registry.terminate(worker))
                             forget(worker);
                           else
                             to_end.push_back(&worker);
                         },
                     .damaged = [&](int count) { damaged += count; },
                     .is_parallel = [](const void*) { return false; }});
  ledger_at = &ledger;
  ledger.reset(requests);
  registry.set_observer([&](const WorkerRegistry::Worker& worker) { ledger.publish(worker); });
  registry.upstream_changed(bgw::UpstreamLevel::read_write);

  std::vector<std::thread> children;
  for (int number = 0; number < kChildren; number++)
    children.emplace_back(child, std::ref(*shared), requests, number, seed);
  std::mt19937_64 random(seed);
  pid_t next_pid = 1000;
  auto now = SlotLedger::Clock::time_point{std::chrono::seconds(1000)};
  while (shared->living > 0) {
    now += std::chrono::milliseconds(1);
    if (shared->signalled.exchange(false)) ledger.take_changes(now);
    while (WorkerRegistry::Worker* worker = registry.next_to_start()) {
      shared->owner[static_cast<std::size_t>(next_pid)].store(std::stoull(worker->spec.name));
      registry.started(*worker, next_pid);
      next_pid = next_pid == 65535 ? 1000 : next_pid + 1;
    }
    if (to_end.empty() && random() % 4 == 0)  // some end by themselves
      registry.for_each([&](WorkerRegistry::Worker& worker) {
        if (worker.pid != 0 && to_end.empty()) to_end.push_back(&worker);
      });
    for (WorkerRegistry::Worker* worker : std::exchange(to_end, {}))
      if (registry.exited(*worker, bgw::WorkerExit{.code = 1}, now) == bgw::ExitVerdict::forget)
        forget(*worker);
    std::this_thread::yield();
  }
  for (std::thread& one : children) one.join();
  EXPECT_EQ(shared->failures, 0);
  EXPECT_EQ(registered, kChildren * kRegistrations);
  EXPECT_EQ(damaged, 0);
}

TEST(SlotsBetweenThreads, WhatIsWrittenBeforeAnAdditionIsReadAfterItsFinding) {
  constexpr int slots = 300;
  constexpr int rounds = 300000;
  const std::uint64_t seed = test_seed();
  auto memory = bytes(SlotBitmap::size_for(slots));
  SlotBitmap bitmap(memory.get(), slots);
  // Plain memory, each word written by whoever took the slot's turn: only the set gives the order.
  std::vector<std::uint64_t> written(slots);
  std::vector<std::atomic<bool>> in(slots);
  std::atomic<int> living = 2;
  auto add = [&](int number) {
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(number));
    for (int round = 0; round < rounds; round++) {
      const auto slot = random() % slots;
      bool before = false;
      // The turn is taken, which gives no order by itself.
      if (!in[slot].compare_exchange_strong(before, true, std::memory_order_acquire)) continue;
      written[slot]++;
      bitmap.add(static_cast<int>(slot));
    }
    living--;
  };
  std::thread first(add, 0), second(add, 1);
  std::uint64_t found = 0, sum = 0;
  auto take = [&] {
    bitmap.take_all([&](int slot) {
      found++;
      sum += written[static_cast<std::size_t>(slot)];
      in[static_cast<std::size_t>(slot)].store(false, std::memory_order_release);
    });
  };
  while (living > 0) take();
  first.join();
  second.join();
  take();
  std::uint64_t total = 0, expected = 0;
  for (std::uint64_t turns : written) {
    total += turns;
    expected += turns * (turns + 1) / 2;
  }
  EXPECT_EQ(found, total) << "an addition was lost";
  EXPECT_EQ(sum, expected);
}

}  // namespace
