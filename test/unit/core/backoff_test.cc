// Delays double from the first to the cap, are never longer than that and never much shorter, and depend on
// nothing but the seed and the number of failures: no clock is involved, so the "clock" here is a variable.
#include "core/backoff.hpp"

#include <gtest/gtest.h>

#include <vector>

using namespace std::chrono_literals;
using bgw::Backoff;
using bgw::BackoffLimits;

TEST(Backoff, DoublesUpToTheCapWithinTheJitter) {
  Backoff backoff(7, {.first = 100ms, .cap = 10s, .jitter = 0.25});
  std::int64_t whole = 100;
  for (int i = 0; i < 40; i++) {
    const auto delay = backoff.next().count();
    EXPECT_LE(delay, whole) << "try " << i;
    EXPECT_GE(delay, whole * 3 / 4) << "try " << i;
    whole = std::min<std::int64_t>(whole * 2, 10'000);
  }
  EXPECT_EQ(backoff.failures(), 40u);
}

TEST(Backoff, IsExactWithoutJitter) {
  Backoff backoff(1, {.first = 100ms, .cap = 500ms, .jitter = 0});
  EXPECT_EQ(backoff.next(), 100ms);
  EXPECT_EQ(backoff.next(), 200ms);
  EXPECT_EQ(backoff.next(), 400ms);
  EXPECT_EQ(backoff.next(), 500ms);
  EXPECT_EQ(backoff.next(), 500ms);
}

TEST(Backoff, StartsOverAfterASuccess) {
  Backoff backoff(1, {.first = 100ms, .cap = 10s, .jitter = 0});
  for (int i = 0; i < 5; i++) (void)backoff.next();
  backoff.reset();
  EXPECT_EQ(backoff.failures(), 0u);
  EXPECT_EQ(backoff.next(), 100ms);
}

TEST(Backoff, DependsOnTheSeedOnly) {
  Backoff one(42), same(42), other(43);
  bool differs = false;
  for (int i = 0; i < 20; i++) {
    const auto delay = one.next();
    EXPECT_EQ(delay, same.next());
    differs |= delay != other.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Backoff, RetriesOftenAtFirstAndAtTheCapsRateInTheEnd) {
  Backoff backoff(3);
  Backoff::Clock::time_point now{};
  int first_second = 0, second_minute = 0;
  while (now < Backoff::Clock::time_point(2min)) {
    now = backoff.next_after(now);
    first_second += now < Backoff::Clock::time_point(1s);
    second_minute += now >= Backoff::Clock::time_point(1min);
  }
  EXPECT_GE(first_second, 3);
  EXPECT_LE(second_minute, 8 + 1);
}

TEST(Backoff, SenselessLimitsStillGiveADelay) {
  Backoff none(1, {.first = 0ms, .cap = 0ms, .jitter = 5});
  for (int i = 0; i < 5; i++) EXPECT_EQ(none.next(), 1ms);
}
