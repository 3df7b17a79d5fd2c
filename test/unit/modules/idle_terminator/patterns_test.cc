// A LIKE pattern that would be an error is told before it is used.
#include "../modules/idle_terminator/patterns.hpp"

#include <gtest/gtest.h>

namespace {

using idle_terminator::ends_with_escape;

TEST(IdleTerminatorPatterns, Escape) {
  EXPECT_FALSE(ends_with_escape(""));
  EXPECT_FALSE(ends_with_escape("a%"));
  EXPECT_TRUE(ends_with_escape("a\\"));
  EXPECT_TRUE(ends_with_escape("\\"));
  EXPECT_FALSE(ends_with_escape("a\\\\"));
  EXPECT_TRUE(ends_with_escape("a\\\\\\"));
}

}  // namespace
