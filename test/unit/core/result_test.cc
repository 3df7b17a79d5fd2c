// A Result holds either the value or the error, and says which.
#include "core/result.hpp"

#include <gtest/gtest.h>

TEST(Result, HoldsValueOrError) {
  bgw::Result<int> value = 7;
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, 7);
  bgw::Result<int> failed = bgw::Error{.message = "no such thing", .hint = "make one"};
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().one_line(), "no such thing (make one)");
}
