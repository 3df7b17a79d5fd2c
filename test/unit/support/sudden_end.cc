// Single steps by the processor's trap flag: after each instruction the child's own SIGTRAP handler counts, and
// at the chosen one it sends SIGTERM, which finds the child between two instructions as any other SIGTERM
// might.
#include "support/sudden_end.hpp"

#include <gtest/gtest.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <random>
#include <set>

#include "bridge/die.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/guc.h"
}

namespace bgw_test {

#if defined(__x86_64__)

namespace {

volatile long steps = 0;
volatile long last_step = 0;

void count_step(int, siginfo_t*, void* context) {
  steps = steps + 1;
  if (steps < last_step) return;
  constexpr greg_t trap_flag = 0x100;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
  kill(getpid(), SIGTERM);  // not blocked: it is here before kill() returns
}

// The red zone below the stack pointer is left alone.
[[gnu::always_inline]] inline void step_from_here() {
  asm volatile("subq $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\taddq $128, %%rsp" ::
                   : "memory", "cc");
}
[[gnu::always_inline]] inline void step_no_more() {
  asm volatile("subq $128, %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\taddq $128, %%rsp" ::
                   : "memory", "cc");
}

Ended run_until(const SuddenEnd& what, int round, long last, std::atomic<long>* counted) {
  return wait_for_child(start_child([&, round, last, counted] {
    log_min_messages = PANIC;  // each end is told of otherwise
    struct sigaction trap = {};
    trap.sa_sigaction = count_step;
    trap.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &trap, nullptr);
    pqsignal(SIGTERM, [](int) { bgw_die_handler_body(); });
    PG_SETMASK(&UnBlockSig);
    what.before(round);
    last_step = last;
    step_from_here();
    what.action(round);
    step_no_more();
    *counted = steps;
  }));
}

}  // namespace

bool can_single_step() {
  return true;
}

void end_everywhere(const SuddenEnd& what, int most_rounds, std::uint64_t seed) {
  auto* counted = shared_value<std::atomic<long>>();
  ASSERT_TRUE(run_until(what, 0, LONG_MAX, counted).exited_with(0));
  ASSERT_NO_FATAL_FAILURE(what.after(0));
  const long all = *counted;
  ASSERT_GT(all, 0);
  if (const char* more = std::getenv("BGW_TEST_ROUNDS")) most_rounds *= std::max(1, std::atoi(more));
  std::set<long> points;
  if (all <= most_rounds) {
    for (long step = 1; step <= all; step++) points.insert(step);
  } else {
    std::mt19937_64 random(seed);
    while (points.size() < static_cast<std::size_t>(most_rounds))
      points.insert(1 + static_cast<long>(random() % static_cast<unsigned long>(all)));
  }
  int round = 0;
  for (long point : points) {
    SCOPED_TRACE("SIGTERM after instruction " + std::to_string(point) + " of " + std::to_string(all));
    const Ended ended = run_until(what, ++round, point, counted);
    ASSERT_TRUE(ended.exited_with(1) || ended.exited_with(0)) << "status " << ended.status;
    ASSERT_TRUE(ended.clean);
    ASSERT_NO_FATAL_FAILURE(what.after(round));
    ASSERT_FALSE(::testing::Test::HasFailure());
  }
}

#else

bool can_single_step() {
  return false;
}

void end_everywhere(const SuddenEnd&, int, std::uint64_t) {}

#endif

}  // namespace bgw_test
