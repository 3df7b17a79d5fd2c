// Property: every process draws random numbers of its own, from the server's generator and from random().
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "common/pg_prng.h"
}

namespace {

TEST(ProcessGlobalsTest, RandomNumbersOfItsOwn) {
  constexpr int processes = 3;
  struct Drawn {
    uint64 generator[processes][2];
    long libc[processes];
  };
  bgw_test::become_postmaster();
  auto* drawn = bgw_test::shared_value<Drawn>();
  for (int i = 0; i < processes; i++)
    EXPECT_TRUE(bgw_test::run_child([=] {
                  drawn->generator[i][0] = pg_prng_uint64(&pg_global_prng_state);
                  drawn->generator[i][1] = pg_prng_uint64(&pg_global_prng_state);
                  drawn->libc[i] = random();
                }).exited_with(0));
  std::set<uint64> generators;
  for (auto& pair : drawn->generator) generators.insert(pair, pair + 2);
  EXPECT_EQ(generators.size(), 2U * processes);
  EXPECT_EQ(std::set<long>(drawn->libc, drawn->libc + processes).size(), static_cast<std::size_t>(processes));
}

// A seed that a process has given holds there, and for no process that the postmaster makes.
TEST(ProcessGlobalsTest, OwnSeeds) {
  struct Drawn {
    long again[2], child[2], rand[2], set_aside[2];
  };
  auto* drawn = bgw_test::shared_value<Drawn>();
  bgw_test::become_postmaster();
  srandom(42);
  for (int i = 0; i < 2; i++)
    EXPECT_TRUE(bgw_test::run_child([=] {
                  drawn->child[i] = random();
                  srandom(7);
                  drawn->again[i] = random();
                  srand(8);
                  drawn->rand[i] = rand();
                  char state[64];
                  char* before = initstate(9, state, sizeof state);
                  drawn->set_aside[i] = random();
                  setstate(before);
                }).exited_with(0));
  EXPECT_NE(drawn->child[0], drawn->child[1]);
  EXPECT_EQ(drawn->again[0], drawn->again[1]);
  EXPECT_EQ(drawn->rand[0], drawn->rand[1]);
  EXPECT_EQ(drawn->set_aside[0], drawn->set_aside[1]);
}

}  // namespace
