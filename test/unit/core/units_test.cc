// Numbers with units convert to the base unit as the server converts them, and are shown in the largest unit
// that loses nothing.
#include "core/units.hpp"

#include <gtest/gtest.h>

#include <string>

using bgw::BaseUnit;
using bgw::NumberFault;

namespace {

std::string integer(const char* text, BaseUnit base) {
  const auto parsed = bgw::parse_integer(text, base);
  switch (parsed.fault) {
    case NumberFault::none:
      return std::to_string(parsed.value);
    case NumberFault::malformed:
      return "malformed";
    case NumberFault::unknown_unit:
      return "unknown unit";
    case NumberFault::too_large:
      return "too large";
  }
  return "?";
}

std::string shown(std::int64_t value, BaseUnit base) {
  const auto number = bgw::in_largest_unit(value, base);
  return std::to_string(number.value) + number.unit;
}

}  // namespace

TEST(Units, Integers) {
  EXPECT_EQ(integer("10", BaseUnit::none), "10");
  EXPECT_EQ(integer(" 0x1F ", BaseUnit::none), "31");
  EXPECT_EQ(integer("010", BaseUnit::none), "8");
  EXPECT_EQ(integer("1.5", BaseUnit::none), "2");
  EXPECT_EQ(integer("2.5", BaseUnit::none), "2");
  EXPECT_EQ(integer("1e3", BaseUnit::none), "1000");
  EXPECT_EQ(integer("-7", BaseUnit::none), "-7");
  EXPECT_EQ(integer("", BaseUnit::none), "malformed");
  EXPECT_EQ(integer("x", BaseUnit::none), "malformed");
  EXPECT_EQ(integer("10ms", BaseUnit::none), "malformed");
  EXPECT_EQ(integer("3000000000", BaseUnit::none), "too large");
  EXPECT_EQ(integer("nan", BaseUnit::none), "malformed");
}

TEST(Units, Memory) {
  EXPECT_EQ(integer("1MB", BaseUnit::kilobyte), "1024");
  EXPECT_EQ(integer("1 MB", BaseUnit::byte), "1048576");
  EXPECT_EQ(integer("16kB", BaseUnit::block), "2");
  EXPECT_EQ(integer("30.1GB", BaseUnit::kilobyte), "31561728");
  EXPECT_EQ(integer("1TB", BaseUnit::byte), "too large");
  EXPECT_EQ(integer("1mb", BaseUnit::kilobyte), "unknown unit");
  EXPECT_EQ(integer("1kBs", BaseUnit::kilobyte), "unknown unit");
  EXPECT_EQ(integer("1ms", BaseUnit::kilobyte), "unknown unit");
  EXPECT_EQ(integer("600B", BaseUnit::kilobyte), "1");
}

TEST(Units, Time) {
  EXPECT_EQ(integer("1min", BaseUnit::millisecond), "60000");
  EXPECT_EQ(integer("1500us", BaseUnit::millisecond), "2");
  EXPECT_EQ(integer("2h", BaseUnit::minute), "120");
  EXPECT_EQ(integer("1d", BaseUnit::second), "86400");
  EXPECT_EQ(integer("0.5s", BaseUnit::second), "0");
  EXPECT_EQ(integer("1 week", BaseUnit::second), "unknown unit");
  EXPECT_DOUBLE_EQ(bgw::parse_number("100us", BaseUnit::millisecond).value, 0.1);
  EXPECT_EQ(bgw::parse_number("nan", BaseUnit::none).fault, NumberFault::malformed);
}

TEST(Units, Shown) {
  EXPECT_EQ(shown(1024, BaseUnit::kilobyte), "1MB");
  EXPECT_EQ(shown(1500, BaseUnit::kilobyte), "1500kB");
  EXPECT_EQ(shown(3, BaseUnit::block), "24kB");
  EXPECT_EQ(shown(1000, BaseUnit::millisecond), "1s");
  EXPECT_EQ(shown(90, BaseUnit::minute), "90min");
  EXPECT_EQ(shown(172800, BaseUnit::second), "2d");
  EXPECT_EQ(shown(5, BaseUnit::none), "5");
  EXPECT_STREQ(bgw::unit_name(BaseUnit::block), "8kB");
  EXPECT_EQ(bgw::unit_name(BaseUnit::none), nullptr);
}
