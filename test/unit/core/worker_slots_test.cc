// The slot protocol: handles tell one worker from the next in the same slot; the lowest free slot is taken;
// what was asked for is noticed in slot order, once; no garbage in the request area makes the ledger believe
// anything, and what was spoilt works again afterwards; and many processes that register and terminate at once
// lose nothing, get nothing twice and are all answered.
#include "core/worker_slots.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "support/children.hpp"

namespace {

using namespace std::chrono_literals;
using bgw::ExitVerdict;
using bgw::PublishedSlots;
using bgw::SlotHandle;
using bgw::SlotLedger;
using bgw::SlotRequests;
using bgw::SlotStatus;
using bgw::SlotWord;
using bgw::WorkerExit;
using bgw::WorkerRegistry;
using bgw::WorkerSpec;

struct Definition {
  std::uint64_t id;
  std::uint64_t check;  // ~id: who copies half of it is found out
  bool parallel;
  char rest[100];
};

Definition definition(std::uint64_t id, bool parallel = false) {
  Definition made{};
  made.id = id;
  made.check = ~id;
  made.parallel = parallel;
  return made;
}

// A postmaster without processes: workers get made-up pids and end when the test says so.
class Postmaster {
 public:
  explicit Postmaster(int slots)
      : slots_(slots),
        area_(static_cast<char*>(bgw_test::shared_bytes(SlotRequests::size_for(slots, sizeof(Definition))))),
        published_(static_cast<PublishedSlots*>(bgw_test::shared_bytes(PublishedSlots::size_for(slots)))),
        requests(area_, published_, slots, sizeof(Definition)),
        ledger(
            {.registered = [this](int slot, const void* made,
                                  bool terminated) { return add(slot, made, terminated); },
             .refused = [this](const void*) { refused++; },
             .terminate = [this](WorkerRegistry::Worker& worker) { terminate(worker); },
             .damaged = [this](int count) { damaged += count; },
             .is_parallel = [](const void* made) { return static_cast<const Definition*>(made)->parallel; }}) {
    published_->slots = slots;
    ledger.reset(requests);
    registry.set_observer([this](const WorkerRegistry::Worker& worker) { ledger.publish(worker); });
    registry.upstream_changed(bgw::UpstreamLevel::read_write);
  }

  void look() {
    ledger.take_changes(now);
    start();
  }
  void start() {
    while (WorkerRegistry::Worker* worker = registry.next_to_start()) {
      if (on_start) on_start(*worker, next_pid);
      registry.started(*worker, next_pid++);
    }
  }
  void end(WorkerRegistry::Worker& worker, int code) {
    if (registry.exited(worker, WorkerExit{.code = code}, now) == ExitVerdict::forget) forget(worker);
  }
  void forget(WorkerRegistry::Worker& worker) {
    ledger.release(worker);
    registry.forget(worker);
  }
  SlotHandle must_claim(std::uint64_t id, bool parallel = false, int max_parallel = 1000) {
    Definition made = definition(id, parallel);
    auto handle = requests.claim(&made, parallel, max_parallel);
    EXPECT_TRUE(handle.has_value());
    if (!handle) return {};
    requests.announce(handle->slot);
    return *handle;
  }
  void terminate_handle(SlotHandle handle) {
    if (requests.request_terminate(handle)) requests.announce(handle.slot);
  }
  SlotStatus status(SlotHandle handle) {
    pid_t pid;
    return requests.status(handle, &pid);
  }
  char* area() { return area_; }
  std::size_t area_size() const { return SlotRequests::size_for(slots_, sizeof(Definition)); }

 private:
  int slots_;
  char* area_;
  PublishedSlots* published_;

  WorkerRegistry::Worker* add(int slot, const void* from, bool terminated) {
    Definition made;
    std::memcpy(&made, from, sizeof made);
    log.push_back("add " + std::to_string(made.id));
    if (terminated || refuse || made.check != ~made.id) return nullptr;
    WorkerSpec spec{
        .name = std::to_string(made.id), .type = "", .is_static = false, .is_parallel = made.parallel};
    if (made.id % 2) spec.restart_after = 0s;
    return &registry.add(std::move(spec), slot);
  }
  void terminate(WorkerRegistry::Worker& worker) {
    log.push_back("terminate " + worker.spec.name);
    if (registry.terminate(worker))
      forget(worker);
    else
      to_end.insert(worker.pid);
  }

 public:
  SlotRequests requests;
  WorkerRegistry registry;
  SlotLedger ledger;
  std::vector<std::string> log;
  std::set<pid_t> to_end;
  std::function<void(const WorkerRegistry::Worker&, pid_t)> on_start;
  SlotLedger::Clock::time_point now{1000s};
  pid_t next_pid = 1000;
  bool refuse = false;
  int refused = 0;
  int damaged = 0;
};

TEST(WorkerSlots, AWordHoldsEveryPidAndALongGeneration) {
  for (std::int32_t pid :
       {SlotWord::kStopped, SlotWord::kNotYetStarted, SlotWord::kUnused, SlotWord::kHighestPid, 1})
    for (std::uint64_t generation : {std::uint64_t{0}, std::uint64_t{1}, SlotWord::kGenerationMask}) {
      SlotWord back = SlotWord::from(SlotWord{generation, pid}.packed());
      EXPECT_EQ(back.pid, pid);
      EXPECT_EQ(back.generation, generation);
    }
}

TEST(WorkerSlots, AHandleFollowsItsWorkerAndNoOther) {
  Postmaster postmaster(4);
  SlotHandle first = postmaster.must_claim(2);
  EXPECT_EQ(first.slot, 0);
  EXPECT_EQ(first.generation, 1u);
  EXPECT_EQ(postmaster.status(first), SlotStatus::not_yet_started);
  postmaster.look();
  pid_t pid = 0;
  ASSERT_EQ(postmaster.requests.status(first, &pid), SlotStatus::started);
  EXPECT_EQ(postmaster.requests.find_pid(pid), 0);
  postmaster.end(*postmaster.registry.find_pid(pid), 1);
  EXPECT_EQ(postmaster.status(first), SlotStatus::stopped);
  EXPECT_EQ(postmaster.requests.find_pid(pid), -1);
  pid_t last = 0;
  EXPECT_TRUE(postmaster.requests.was_started(first, &last));
  EXPECT_EQ(last, pid);

  SlotHandle second = postmaster.must_claim(4);
  EXPECT_EQ(second.slot, 0);
  EXPECT_EQ(second.generation, 2u);
  EXPECT_EQ(postmaster.status(first), SlotStatus::stopped);
  EXPECT_EQ(postmaster.status(second), SlotStatus::not_yet_started);
  EXPECT_FALSE(postmaster.requests.was_started(second, &last));
  postmaster.look();
  EXPECT_EQ(postmaster.status(second), SlotStatus::started);
  EXPECT_FALSE(postmaster.requests.was_started(first, &last));
  postmaster.terminate_handle(first);
  postmaster.look();
  EXPECT_TRUE(postmaster.to_end.empty()) << "an old handle ended the slot's new worker";
  postmaster.terminate_handle(second);
  postmaster.terminate_handle(second);
  postmaster.look();
  postmaster.terminate_handle(second);
  postmaster.look();
  EXPECT_EQ(postmaster.log, (std::vector<std::string>{"add 2", "add 4", "terminate 4"}));
  EXPECT_EQ(postmaster.damaged, 0);
}

TEST(WorkerSlots, ARestartKeepsSlotAndHandle) {
  Postmaster postmaster(4);
  SlotHandle handle = postmaster.must_claim(1);
  postmaster.look();
  pid_t first = 0, second = 0;
  ASSERT_EQ(postmaster.requests.status(handle, &first), SlotStatus::started);
  postmaster.end(*postmaster.registry.find_pid(first), 1);
  EXPECT_EQ(postmaster.status(handle), SlotStatus::stopped);
  postmaster.start();
  ASSERT_EQ(postmaster.requests.status(handle, &second), SlotStatus::started);
  EXPECT_NE(first, second);
  postmaster.end(*postmaster.registry.find_pid(second), 0);
  EXPECT_EQ(postmaster.ledger.used(), 0);
}

TEST(WorkerSlots, TheLowestFreeSlotIsTakenAndAFullSetRefuses) {
  Postmaster postmaster(130);
  std::vector<SlotHandle> handles;
  for (int i = 0; i < 130; i++) {
    handles.push_back(postmaster.must_claim(2));
    EXPECT_EQ(handles.back().slot, i);
  }
  Definition more = definition(2);
  EXPECT_FALSE(postmaster.requests.claim(&more, false, 0));
  postmaster.look();
  EXPECT_FALSE(postmaster.requests.claim(&more, false, 0));
  for (int slot : {100, 7, 64}) {
    pid_t pid = 0;
    ASSERT_EQ(postmaster.requests.status(handles[static_cast<std::size_t>(slot)], &pid), SlotStatus::started);
    postmaster.end(*postmaster.registry.find_pid(pid), 0);
  }
  for (int slot : {7, 64, 100}) EXPECT_EQ(postmaster.must_claim(2).slot, slot);
  EXPECT_EQ(postmaster.damaged, 0);
}

TEST(WorkerSlots, OnePassNoticesInSlotOrderAndADoomedRegistrationNever) {
  Postmaster postmaster(8);
  for (std::uint64_t id : {2u, 4u, 6u}) postmaster.must_claim(id);
  SlotHandle doomed = postmaster.must_claim(8);
  postmaster.terminate_handle(doomed);
  std::vector<std::string> started;
  postmaster.on_start = [&](const WorkerRegistry::Worker& worker, pid_t) {
    started.push_back(worker.spec.name);
  };
  postmaster.look();
  EXPECT_EQ(postmaster.log, (std::vector<std::string>{"add 2", "add 4", "add 6", "add 8"}));
  EXPECT_EQ(started, (std::vector<std::string>{"6", "4", "2"}));
  EXPECT_EQ(postmaster.refused, 1);
  EXPECT_EQ(postmaster.status(doomed), SlotStatus::stopped);
  EXPECT_EQ(postmaster.must_claim(10).slot, doomed.slot);
}

TEST(WorkerSlots, TheParallelClassHasALimitOfItsOwn) {
  Postmaster postmaster(8);
  Definition more = definition(2, true);
  SlotHandle first = postmaster.must_claim(2, true, 2);
  postmaster.must_claim(4, true, 2);
  EXPECT_FALSE(postmaster.requests.claim(&more, true, 2));
  postmaster.look();
  EXPECT_FALSE(postmaster.requests.claim(&more, true, 2));
  pid_t pid = 0;
  postmaster.requests.status(first, &pid);
  postmaster.end(*postmaster.registry.find_pid(pid), 1);
  postmaster.must_claim(6, true, 2);
  EXPECT_FALSE(postmaster.requests.claim(&more, true, 2));
  postmaster.refuse = true;
  postmaster.look();
  postmaster.refuse = false;
  postmaster.must_claim(8, true, 2);
  EXPECT_FALSE(postmaster.requests.claim(&more, true, 2));
  postmaster.must_claim(10);
}

TEST(WorkerSlots, AResetStartsGenerationsAnew) {
  Postmaster postmaster(4);
  postmaster.must_claim(1);
  SlotHandle other = postmaster.must_claim(3);
  postmaster.look();
  std::memset(postmaster.area(), 0, postmaster.area_size());
  postmaster.ledger.reset(postmaster.requests);
  EXPECT_TRUE(postmaster.registry.reset().empty());
  postmaster.registry.for_each([&](auto& worker) { EXPECT_TRUE(postmaster.ledger.place(worker)); });
  postmaster.start();
  EXPECT_EQ(postmaster.ledger.used(), 2);
  SlotHandle fresh = postmaster.must_claim(5);
  EXPECT_EQ(fresh.slot, 2);
  EXPECT_EQ(fresh.generation, 1u);
  postmaster.look();
  EXPECT_EQ(postmaster.status(fresh), SlotStatus::started);
  EXPECT_EQ(postmaster.damaged, 0);
  (void)other;
}

// Garbage, ones and zeros over the whole area, with workers running and a registration pending: the running
// ones stay what they are, the damage is spoken of, and then every free slot can be had again.
TEST(WorkerSlots, AScribbledAreaMisleadsNobodyForLong) {
  std::mt19937_64 random(bgw_test::test_seed());
  for (int round = 0; round < 60; round++) {
    constexpr int kSlots = 200;
    Postmaster postmaster(kSlots);
    std::map<pid_t, SlotHandle> running;
    std::size_t before = random() % (kSlots / 2);
    for (std::size_t i = 0; i < before; i++) {
      SlotHandle handle = postmaster.must_claim(2 * i, i % 3 == 0);
      postmaster.look();
      pid_t pid = 0;
      ASSERT_EQ(postmaster.requests.status(handle, &pid), SlotStatus::started);
      running[pid] = handle;
    }
    if (round % 2) postmaster.must_claim(7777);
    for (int strike = 0; strike < 3; strike++) {
      for (std::size_t at = 0; at < postmaster.area_size(); at++)
        postmaster.area()[at] = static_cast<char>(round % 3 == 0 ? 0xff : round % 3 == 1 ? 0 : random());
      postmaster.look();
      Definition some = definition(2);
      if (auto handle = postmaster.requests.claim(&some, false, 1)) postmaster.requests.announce(handle->slot);
      postmaster.terminate_handle(SlotHandle{static_cast<int>(random() % kSlots), 1});
    }
    postmaster.now += 2s;
    Definition some = definition(2);
    (void)postmaster.requests.claim(&some, false, 1);
    postmaster.look();
    postmaster.now += 2s;
    postmaster.look();
    for (auto& [pid, handle] : running) {
      ASSERT_NE(postmaster.registry.find_pid(pid), nullptr);
      pid_t shown = 0;
      ASSERT_EQ(postmaster.requests.status(handle, &shown), SlotStatus::started);
      ASSERT_EQ(shown, pid);
      ASSERT_EQ(postmaster.requests.find_pid(pid), handle.slot);
    }
    EXPECT_GT(postmaster.damaged, 0) << "round " << round;

    int had = 0;
    while (auto handle = postmaster.requests.claim(&some, false, 1)) {
      had++;
      postmaster.requests.announce(handle->slot);
    }
    EXPECT_EQ(postmaster.ledger.used() + had, kSlots) << "round " << round;
    postmaster.look();
    EXPECT_EQ(postmaster.ledger.used(), kSlots);
    for (auto& [pid, handle] : running) postmaster.terminate_handle(handle);
    postmaster.to_end.clear();
    postmaster.look();
    for (auto& [pid, handle] : running)
      EXPECT_TRUE(postmaster.to_end.contains(pid) || postmaster.registry.find_pid(pid)->terminate)
          << "round " << round;
  }
}

// --- many processes ------------------------------------------------------------------------------------------

struct Shared {
  pthread_mutex_t lock;                       // among claiming children
  std::atomic<std::uint64_t> owner[1 << 20];  // by made-up pid: the id it was started for
  std::atomic<std::uint32_t> failures;
  std::atomic<std::uint64_t> registered, refused_full, terminated;
};

constexpr int kStressProcesses = 6;
constexpr int kStressSlots = 24;
constexpr std::uint64_t kStressRegistrations = 1000;  // of each process

// One registrant: registers, looks, terminates or lets it end, and waits for the end. Whatever it sees of its
// handles must be of its own workers.
void registrant(Postmaster& postmaster, Shared& shared, int number, std::uint64_t seed) {
  std::mt19937_64 random(seed + static_cast<std::uint64_t>(number) * 7919);
  struct Mine {
    SlotHandle handle;
    std::uint64_t id;
    bool stopped = false;
  };
  std::vector<Mine> mine;
  auto fail = [&](const char* what) {
    if (shared.failures.fetch_add(1) < 5) std::fprintf(stderr, "registrant %d: %s\n", number, what);
  };
  auto look = [&](Mine& at) {
    pid_t pid = 0;
    SlotStatus status = postmaster.requests.status(at.handle, &pid);
    if (status == SlotStatus::started && shared.owner[pid].load() != at.id) fail("another's process");
    if (status == SlotStatus::started && at.stopped) fail("started after it had stopped");
    if (status == SlotStatus::not_yet_started && at.stopped) fail("not yet started after it had stopped");
    at.stopped = status == SlotStatus::stopped;
    return status;
  };
  for (std::uint64_t done = 0; done < kStressRegistrations;) {
    if (mine.size() < 8 && random() % 2) {
      std::uint64_t id = (static_cast<std::uint64_t>(number) << 40 | done) * 2 + 2;
      Definition made = definition(id, random() % 4 == 0);
      pthread_mutex_lock(&shared.lock);
      auto handle = postmaster.requests.claim(&made, made.parallel, 6);
      pthread_mutex_unlock(&shared.lock);
      if (handle) {
        postmaster.requests.announce(handle->slot);
        shared.registered.fetch_add(1);
        done++;
        mine.push_back({*handle, id});
      } else {
        shared.refused_full.fetch_add(1);
        ::sched_yield();
      }
    }
    if (mine.empty()) continue;
    Mine& at = mine[random() % mine.size()];
    look(at);
    if (random() % 3 == 0) {
      postmaster.terminate_handle(at.handle);
      shared.terminated.fetch_add(1);
    }
    if (mine.size() == 8) ::sched_yield();
    std::erase_if(mine, [&](Mine& one) { return look(one) == SlotStatus::stopped && random() % 2; });
  }
  for (Mine& at : mine) {
    postmaster.terminate_handle(at.handle);
    if (!bgw_test::becomes_true([&] { return look(at) == SlotStatus::stopped; })) fail("never answered");
  }
}

TEST(WorkerSlots, ManyProcessesRegisterAndTerminateAtOnce) {
  std::uint64_t seed = bgw_test::test_seed();
  auto& shared = *bgw_test::shared_value<Shared>();
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared.lock, &attributes);
  Postmaster postmaster(kStressSlots);
  std::set<std::string> running_ids;
  postmaster.on_start = [&](const WorkerRegistry::Worker& worker, pid_t pid) {
    ASSERT_LT(pid, 1 << 20);
    shared.owner[pid].store(std::stoull(worker.spec.name));
    EXPECT_TRUE(running_ids.insert(worker.spec.name).second) << worker.spec.name << " was started twice";
  };
  std::vector<pid_t> pids;
  for (int number = 0; number < kStressProcesses; number++) {
    pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      registrant(postmaster, shared, number, seed);
      ::_exit(0);
    }
    pids.push_back(pid);
  }
  std::mt19937_64 random(seed);
  std::set<pid_t> alive;
  auto end_one = [&](pid_t pid) {
    WorkerRegistry::Worker* worker = postmaster.registry.find_pid(pid);
    ASSERT_NE(worker, nullptr);
    postmaster.end(*worker, 1);
  };
  std::size_t living = pids.size();
  std::vector<pid_t> running;
  while (living > 0) {
    postmaster.look();
    postmaster.now += 1ms;
    for (pid_t pid : std::exchange(postmaster.to_end, {})) end_one(pid);
    // Some end by themselves.
    if (random() % 8 == 0) {
      running.clear();
      postmaster.registry.for_each([&](auto& worker) {
        if (worker.pid != 0) running.push_back(worker.pid);
      });
      if (!running.empty()) end_one(running[random() % running.size()]);
    }
    for (pid_t& pid : pids)
      if (pid != 0 && ::waitpid(pid, nullptr, WNOHANG) == pid) {
        pid = 0;
        living--;
      }
  }
  postmaster.look();
  for (pid_t pid : std::exchange(postmaster.to_end, {})) end_one(pid);
  EXPECT_EQ(shared.failures.load(), 0u);
  EXPECT_EQ(shared.registered.load(), kStressProcesses * kStressRegistrations);
  EXPECT_GT(shared.terminated.load(), 1000u);
  EXPECT_EQ(postmaster.damaged, 0);
  std::size_t added = 0;
  for (const std::string& line : postmaster.log) added += line.starts_with("add ");
  EXPECT_EQ(added, shared.registered.load()) << "a registration was lost, or seen twice";
  // What nobody terminated still runs; the rest is free, all of it.
  int rest = postmaster.ledger.used();
  EXPECT_EQ(static_cast<std::size_t>(rest), postmaster.registry.size());
  Definition some = definition(2);
  int had = 0;
  while (postmaster.requests.claim(&some, false, 0)) had++;
  EXPECT_EQ(had + rest, kStressSlots);
}

}  // namespace
