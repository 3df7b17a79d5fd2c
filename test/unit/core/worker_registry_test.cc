// The rules of starting, restarting and forgetting hold on a clock that only the test moves: when a worker
// may start, in which order, how its exit is judged, and what a reset or a lost upstream does to it.
#include "core/worker_registry.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace {

using namespace std::chrono_literals;
using bgw::ExitVerdict;
using bgw::StartWhen;
using bgw::UpstreamLevel;
using bgw::WorkerExit;
using bgw::WorkerRegistry;
using bgw::WorkerSpec;
using bgw::WorkerState;

const WorkerRegistry::Clock::time_point kNoon{1000s};

WorkerSpec spec(std::string name, StartWhen when, std::optional<std::chrono::seconds> restart = 5s,
                bool database = false) {
  return {.name = name, .type = name, .start_when = when, .restart_after = restart, .needs_database = database};
}

std::vector<std::string> start_all(WorkerRegistry& registry, pid_t first_pid = 100) {
  std::vector<std::string> names;
  while (auto* worker = registry.next_to_start()) {
    names.push_back(worker->spec.name);
    registry.started(*worker, first_pid++);
  }
  return names;
}

TEST(WorkerRegistry, StartsInReverseOrderOfRegistration) {
  WorkerRegistry registry;
  for (int i = 0; i < 3; i++)
    registry.add(spec(std::string(1, static_cast<char>('a' + i)), StartWhen::recovery_finished), i);
  EXPECT_EQ(registry.next_to_start(), nullptr);
  registry.upstream_changed(UpstreamLevel::read_write);
  EXPECT_EQ(start_all(registry), (std::vector<std::string>{"c", "b", "a"}));
}

TEST(WorkerRegistry, StartsWhatTheUpstreamsStateAllows) {
  WorkerRegistry registry;
  registry.add(spec("at once", StartWhen::postmaster_start), 0);
  registry.add(spec("consistent", StartWhen::consistent_state), 1);
  registry.add(spec("finished", StartWhen::recovery_finished), 2);
  EXPECT_EQ(start_all(registry, 10), (std::vector<std::string>{"at once"}));
  registry.upstream_changed(UpstreamLevel::consistent);
  EXPECT_EQ(start_all(registry, 20), (std::vector<std::string>{"consistent"}));
  registry.upstream_changed(UpstreamLevel::read_write);
  EXPECT_EQ(start_all(registry, 30), (std::vector<std::string>{"finished"}));
  EXPECT_EQ(registry.running(), 3u);
}

TEST(WorkerRegistry, WhoIsGoneIsToldOfNothing) {
  WorkerRegistry registry;
  auto told = [](std::string name, pid_t notify) {
    WorkerSpec made = spec(std::move(name), StartWhen::postmaster_start, 0s);
    made.notify_pid = notify;
    return made;
  };
  WorkerRegistry::Worker& first = registry.add(told("first", 77), 0);
  WorkerRegistry::Worker& second = registry.add(told("second", 77), 1);
  WorkerRegistry::Worker& other = registry.add(told("other", 78), 2);
  registry.add(told("nobody's", 0), 3);
  EXPECT_EQ(registry.unstarted_with_waiter().size(), 3u);
  registry.started(other, 100);
  EXPECT_EQ(registry.unstarted_with_waiter().size(), 2u);
  registry.forget(second);
  registry.stop_notifications(77);
  registry.stop_notifications(77);
  EXPECT_EQ(first.spec.notify_pid, 0);
  EXPECT_EQ(other.spec.notify_pid, 78);
  EXPECT_TRUE(registry.unstarted_with_waiter().empty());
  EXPECT_TRUE(registry.reset().empty());
  EXPECT_EQ(other.spec.notify_pid, 0) << "after a reset no process of before is left to be told";
  registry.stop_notifications(78);
}

TEST(WorkerRegistry, ExitZeroForgetsWhateverTheInterval) {
  WorkerRegistry registry;
  auto& worker = registry.add(spec("w", StartWhen::postmaster_start, 0s), 0);
  start_all(registry);
  EXPECT_EQ(registry.exited(worker, {.code = 0}, kNoon), ExitVerdict::forget);
  registry.forget(worker);
  EXPECT_EQ(registry.size(), 0u);
}

TEST(WorkerRegistry, ExitOneWaitsForItsInterval) {
  WorkerRegistry registry;
  auto& worker = registry.add(spec("w", StartWhen::postmaster_start, 2s), 0);
  start_all(registry);
  EXPECT_EQ(registry.exited(worker, {.code = 1}, kNoon), ExitVerdict::restart);
  EXPECT_EQ(worker.state, WorkerState::waiting_restart);
  EXPECT_EQ(registry.next_due(), kNoon + 2s);
  registry.release_due(kNoon + 1999ms);
  EXPECT_EQ(registry.next_to_start(), nullptr);
  registry.release_due(kNoon + 2s);
  EXPECT_EQ(registry.next_to_start(), &worker);
}

TEST(WorkerRegistry, IntervalZeroIsAtOnceAndNeverIsForgotten) {
  WorkerRegistry registry;
  auto& again = registry.add(spec("again", StartWhen::postmaster_start, 0s), 0);
  auto& never = registry.add(spec("never", StartWhen::postmaster_start, std::nullopt), 1);
  start_all(registry);
  EXPECT_EQ(registry.exited(again, {.code = 1}, kNoon), ExitVerdict::restart);
  EXPECT_EQ(again.state, WorkerState::startable);
  EXPECT_EQ(registry.exited(never, {.code = 1}, kNoon), ExitVerdict::forget);
}

TEST(WorkerRegistry, SignalsOtherCodesAndSkippedCallbacksAreCrashes) {
  for (WorkerExit exit :
       {WorkerExit{.by_signal = true, .code = 11}, WorkerExit{.code = 2}, WorkerExit{.code = 3},
        WorkerExit{.code = 0, .cleaned_up = false}, WorkerExit{.code = 1, .cleaned_up = false}}) {
    WorkerRegistry registry;
    auto& worker = registry.add(spec("w", StartWhen::postmaster_start), 0);
    start_all(registry);
    EXPECT_EQ(registry.exited(worker, exit, kNoon), ExitVerdict::crash);
    // Only the one that left with code 0 stays away after the reset.
    bool comes_back = exit.by_signal || exit.code != 0;
    EXPECT_EQ(registry.reset().empty(), comes_back);
  }
}

TEST(WorkerRegistry, ResetStartsAllRestartableOnesAtOnceAndForgetsTheOthers) {
  WorkerRegistry registry;
  auto& crashed = registry.add(spec("crashed", StartWhen::postmaster_start, 60s), 0);
  auto& waiting = registry.add(spec("waiting", StartWhen::postmaster_start, 60s), 1);
  auto& never = registry.add(spec("never", StartWhen::postmaster_start, std::nullopt), 2);
  start_all(registry);
  ASSERT_EQ(registry.exited(waiting, {.code = 1}, kNoon), ExitVerdict::restart);
  ASSERT_EQ(registry.exited(crashed, {.by_signal = true, .code = 9}, kNoon), ExitVerdict::crash);
  ASSERT_EQ(registry.exited(never, {.code = 2}, kNoon), ExitVerdict::crash);
  EXPECT_EQ(registry.reset(), std::vector<WorkerRegistry::Worker*>{&never});
  registry.forget(never);
  EXPECT_EQ(start_all(registry), (std::vector<std::string>{"waiting", "crashed"}));
}

TEST(WorkerRegistry, TerminatedWorkerIsForgottenHoweverItEnds) {
  WorkerRegistry registry;
  auto& running = registry.add(spec("running", StartWhen::postmaster_start, 0s), 0);
  start_all(registry);
  auto& waiting = registry.add(spec("waiting", StartWhen::recovery_finished, 0s), 1);
  EXPECT_FALSE(registry.terminate(running));
  EXPECT_EQ(registry.exited(running, {.code = 1}, kNoon), ExitVerdict::forget);
  EXPECT_TRUE(registry.terminate(waiting));
}

TEST(WorkerRegistry, LostUpstreamStopsOnlyDatabaseWorkersAndBringsThemBackAtOnce) {
  WorkerRegistry registry;
  auto& with = registry.add(spec("with", StartWhen::recovery_finished, 3600s, true), 0);
  auto& late = registry.add(spec("late", StartWhen::recovery_finished, 3600s, true), 1);
  auto& without = registry.add(spec("without", StartWhen::recovery_finished, 3600s), 2);
  registry.upstream_changed(UpstreamLevel::read_write);
  start_all(registry);
  // One notices the broken connection by itself before the monitor does.
  ASSERT_EQ(registry.exited(late, {.code = 1}, kNoon), ExitVerdict::restart);
  registry.upstream_changed(UpstreamLevel::none);
  EXPECT_EQ(registry.stop_for_upstream(), std::vector<WorkerRegistry::Worker*>{&with});
  // Leaving politely with code 0 does not count as "done" here.
  EXPECT_EQ(registry.exited(with, {.code = 0}, kNoon), ExitVerdict::restart);
  EXPECT_EQ(with.state, WorkerState::waiting_state);
  EXPECT_EQ(without.state, WorkerState::running);
  EXPECT_EQ(registry.next_to_start(), nullptr);
  registry.upstream_changed(UpstreamLevel::read_write);
  EXPECT_EQ(start_all(registry, 200), (std::vector<std::string>{"late", "with"}));
}

TEST(WorkerRegistry, FailedForkIsTriedAgainAfterTheInterval) {
  WorkerRegistry registry;
  auto& worker = registry.add(spec("w", StartWhen::postmaster_start, 7s), 0);
  auto& never = registry.add(spec("n", StartWhen::postmaster_start, std::nullopt), 1);
  EXPECT_FALSE(registry.start_failed(never, kNoon));
  EXPECT_TRUE(registry.start_failed(worker, kNoon));
  EXPECT_EQ(registry.next_due(), kNoon + 7s);
}

// Random histories keep the invariants of the header: states, queue, due list and pids agree.
TEST(WorkerRegistry, RandomHistoriesKeepTheInvariants) {
  unsigned seed = std::random_device{}();
  if (const char* given = std::getenv("BGW_TEST_SEED")) seed = static_cast<unsigned>(std::stoul(given));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  WorkerRegistry registry;
  std::vector<WorkerRegistry::Worker*> workers;
  auto now = kNoon;
  pid_t next_pid = 1;
  for (int step = 0; step < 20000; step++) {
    auto pick = [&] { return workers[random() % workers.size()]; };
    auto drop = [&](WorkerRegistry::Worker* w) {
      std::erase(workers, w);
      registry.forget(*w);
    };
    switch (random() % 10) {
      case 8:
        if (auto* worker = registry.next_to_start()) registry.ordered(*worker);
        break;
      case 9:
        for (auto* worker : std::vector(workers)) {
          if (worker->state != WorkerState::ordered || random() % 2) continue;
          if (random() % 4) {
            registry.started(*worker, next_pid++);
          } else if (worker->terminate) {
            drop(worker);
          } else {
            registry.not_started(*worker);
          }
        }
        break;
      case 0:
        if (workers.size() < 50) {
          std::optional<std::chrono::seconds> restart;
          if (random() % 3) restart = std::chrono::seconds(random() % 5);
          auto when = static_cast<StartWhen>(random() % 3);
          workers.push_back(&registry.add(
              spec("w", when, restart, random() % 2 && when != StartWhen::postmaster_start), step));
        }
        break;
      case 1:
        registry.upstream_changed(static_cast<UpstreamLevel>(random() % 3));
        if (registry.upstream_level() == UpstreamLevel::none) registry.stop_for_upstream();
        break;
      case 2:
      case 3:
        if (auto* worker = registry.next_to_start()) {
          if (random() % 10 == 0) {
            if (!registry.start_failed(*worker, now)) drop(worker);
          } else {
            registry.started(*worker, next_pid++);
          }
        }
        break;
      case 4:
      case 5:
        if (!workers.empty()) {
          auto* worker = pick();
          if (worker->state != WorkerState::running) break;
          auto verdict = registry.exited(*worker, {.code = static_cast<int>(random() % 3)}, now);
          if (verdict == ExitVerdict::forget) drop(worker);
          if (verdict == ExitVerdict::crash) {
            for (auto* other : std::vector(workers)) {
              if (other->state == WorkerState::ordered) registry.started(*other, next_pid++);
              if (other->state != WorkerState::running) continue;
              ASSERT_EQ(registry.exited(*other, {.code = 2}, now), ExitVerdict::crash);
            }
            for (auto* gone : registry.reset()) drop(gone);
          }
        }
        break;
      case 6:
        now += std::chrono::milliseconds(random() % 2000);
        registry.release_due(now);
        break;
      case 7:
        if (!workers.empty() && registry.terminate(*workers[random() % workers.size()])) {
          for (auto* worker : std::vector(workers))
            if (worker->terminate && worker->state != WorkerState::running && worker->state != WorkerState::ordered)
              drop(worker);
        }
        break;
    }
    std::size_t running = 0;
    bool any_startable = false;
    for (auto* worker : workers) {
      bool is_running = worker->state == WorkerState::running;
      running += is_running;
      any_startable |= worker->state == WorkerState::startable;
      ASSERT_EQ(is_running, worker->pid != 0);
      if (is_running) {
        ASSERT_EQ(registry.find_pid(worker->pid), worker);
      }
      if (worker->state == WorkerState::waiting_restart) {
        ASSERT_TRUE(registry.next_due().has_value());
      }
    }
    ASSERT_EQ(registry.running(), running);
    ASSERT_EQ(registry.size(), workers.size());
    ASSERT_EQ(registry.next_to_start() != nullptr, any_startable);
  }
}

TEST(WorkerRegistry, AnOrderedWorkerIsNotInTheQueueAndNotForgotten) {
  WorkerRegistry registry;
  auto& first = registry.add(spec("first", StartWhen::postmaster_start), 0);
  auto& second = registry.add(spec("second", StartWhen::postmaster_start), 1);
  ASSERT_EQ(registry.next_to_start(), &second);
  registry.ordered(second);
  EXPECT_EQ(registry.startable(false), 1u);
  ASSERT_EQ(registry.next_to_start(), &first);
  registry.ordered(first);
  EXPECT_EQ(registry.next_to_start(), nullptr);
  EXPECT_FALSE(registry.terminate(second));  // its process will be told
  registry.started(second, 100);
  EXPECT_TRUE(second.terminate);
  EXPECT_EQ(registry.find_pid(100), &second);
  registry.not_started(first);
  EXPECT_EQ(registry.next_to_start(), &first);
  EXPECT_EQ(first.starts, 0u);
}

TEST(WorkerRegistry, AnOrderedWorkerIsStoppedForTheUpstreamOnceItHasAPid) {
  WorkerRegistry registry;
  registry.upstream_changed(UpstreamLevel::read_write);
  auto& worker = registry.add(spec("w", StartWhen::recovery_finished, 5s, true), 0);
  registry.ordered(worker);
  registry.upstream_changed(UpstreamLevel::none);
  EXPECT_TRUE(registry.stop_for_upstream().empty());
  registry.started(worker, 100);
  EXPECT_TRUE(worker.stopped_for_upstream);
  EXPECT_EQ(registry.exited(worker, WorkerExit{.code = 1}, kNoon), ExitVerdict::restart);
  EXPECT_EQ(worker.state, WorkerState::waiting_state);
  registry.upstream_changed(UpstreamLevel::read_write);
  registry.ordered(worker);
  EXPECT_FALSE(worker.stopped_for_upstream);
}

}  // namespace
