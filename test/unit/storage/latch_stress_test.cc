// Property: no wake-up is ever lost. Several processes hand each other work by counting in shared memory and
// setting each other's latches, from ordinary code and from signal handlers, against sleeps on the futex, in
// poll and in wait sets with and without sockets; every wait is for ever, so that one lost wake-up stops the
// run and fails it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <vector>

#include "port/clock.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

namespace {

constexpr int players = 3;

struct Table {
  std::atomic<PGPROC*> procs[players];
  std::atomic<std::uint64_t> balls[players];  // thrown to the player and not yet caught
  std::atomic<std::uint64_t> thrown;          // altogether
  std::atomic<std::uint64_t> caught;          // altogether
  std::atomic<bool> over;
};

Table* table = nullptr;
volatile sig_atomic_t alarms = 0;

void set_by_handler(SIGNAL_ARGS) {
  alarms = alarms + 1;
  SetLatch(MyLatch);
}

void throw_to(int player) {
  table->thrown++;
  table->balls[player]++;
  SetLatch(&table->procs[player].load()->procLatch);
}

void play(int me, std::uint64_t seed) {
  std::mt19937_64 random(seed + static_cast<std::uint64_t>(me));
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) _exit(8);
  WaitEventSet* plain = CreateWaitEventSet(TopMemoryContext, 2);
  AddWaitEventToSet(plain, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(plain, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
  WaitEventSet* with_socket = CreateWaitEventSet(TopMemoryContext, 3);
  AddWaitEventToSet(with_socket, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(with_socket, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
  AddWaitEventToSet(with_socket, WL_SOCKET_READABLE, sockets[0], nullptr, nullptr);
  constexpr int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;

  table->procs[me] = MyProc;
  while (!table->procs[0] || !table->procs[1] || !table->procs[2]) usleep(100);

  // Signals that set the latch arrive all the time, at odd moments.
  pqsignal(SIGALRM, set_by_handler);
  PG_SETMASK(&UnBlockSig);
  itimerval timer = {};
  timer.it_value.tv_usec = timer.it_interval.tv_usec = 700 + 100 * me;
  setitimer(ITIMER_REAL, &timer, nullptr);
  int alarms_seen = 0;

  WaitEvent event;
  while (!table->over) {
    ResetLatch(MyLatch);
    if (alarms != alarms_seen) {
      alarms_seen = alarms;
      continue;
    }
    std::uint64_t mine = table->balls[me].exchange(0);
    if (mine > 0) {
      table->caught += mine;
      while (mine-- > 0) throw_to(static_cast<int>(random() % players));
      continue;
    }
    switch (random() % 4) {
      case 0:
        WaitLatch(MyLatch, events, -1, PG_WAIT_EXTENSION);
        break;
      case 1:
        WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, sockets[0], -1, PG_WAIT_EXTENSION);
        break;
      case 2:
        WaitEventSetWait(plain, -1, &event, 1, PG_WAIT_EXTENSION);
        break;
      default:
        WaitEventSetWait(with_socket, -1, &event, 1, PG_WAIT_EXTENSION);
        break;
    }
  }
  timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

TEST(LatchStressTest, NoBallIsEverLost) {
  bgw_test::become_postmaster();
  table = bgw_test::shared_value<Table>();
  const std::uint64_t seed = bgw_test::test_seed();
  std::vector<pid_t> children;
  for (int i = 0; i < players; i++) children.push_back(bgw_test::start_child([=] { play(i, seed); }));
  ASSERT_TRUE(bgw_test::becomes_true([] { return table->procs[0] && table->procs[1] && table->procs[2]; }));

  // Two balls: often at least one player sleeps with nothing under way but what must wake it.
  throw_to(0);
  throw_to(1);
  const std::int64_t end = bgw::monotonic_ns() + 4 * bgw::nanoseconds_per_second;
  bool alive = true;
  std::uint64_t last = 0;
  while (alive && bgw::monotonic_ns() < end) {
    alive = bgw_test::becomes_true([&] { return table->caught > last + 100; });
    last = table->caught;
  }
  EXPECT_TRUE(alive) << "stuck after " << table->caught << " of " << table->thrown;
  printf("%llu balls caught\n", static_cast<unsigned long long>(table->caught.load()));

  table->over = true;
  for (auto& proc : table->procs) SetLatch(&proc.load()->procLatch);
  for (pid_t child : children) EXPECT_TRUE(bgw_test::wait_for_child(child).exited_with(0));
}

// The same without the alarms, which could hide a lost wake-up by waking the player a moment later: one ball
// between two players, each round a different pair of sleeps, and every round must end.
TEST(LatchStressTest, PingPongNeedsEverySingleWakeUp) {
  bgw_test::become_postmaster();
  struct Court {
    std::atomic<PGPROC*> procs[2];
    std::atomic<std::uint64_t> turn;
  };
  auto* court = bgw_test::shared_value<Court>();
  const std::uint64_t seed = bgw_test::test_seed();
  constexpr std::uint64_t rounds = 60000;
  auto play_court = [=](int me) {
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(me));
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) _exit(8);
    court->procs[me] = MyProc;
    while (!court->procs[0] || !court->procs[1]) usleep(100);
    for (;;) {
      ResetLatch(MyLatch);
      const std::uint64_t turn = court->turn;
      if (turn >= rounds) break;
      if (turn % 2 == static_cast<std::uint64_t>(me)) {
        // Spin a little at times, so that the set meets every moment of the other's falling asleep.
        for (volatile int i = static_cast<int>(random() % 300); i > 0;) i = i - 1;
        court->turn = turn + 1;
        SetLatch(&court->procs[1 - me].load()->procLatch);
        continue;
      }
      constexpr int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
      if (random() % 2)
        WaitLatch(MyLatch, events, -1, PG_WAIT_EXTENSION);
      else
        WaitLatchOrSocket(MyLatch, events | WL_SOCKET_READABLE, sockets[0], -1, PG_WAIT_EXTENSION);
    }
    SetLatch(&court->procs[1 - me].load()->procLatch);
  };
  pid_t first = bgw_test::start_child([=] { play_court(0); });
  pid_t second = bgw_test::start_child([=] { play_court(1); });
  EXPECT_TRUE(bgw_test::becomes_true([=] { return court->turn >= rounds; }))
      << "stuck in round " << court->turn;
  EXPECT_TRUE(bgw_test::wait_for_child(first).exited_with(0));
  EXPECT_TRUE(bgw_test::wait_for_child(second).exited_with(0));
}
