// A list of names is read as it is meant or refused as a whole: quotes keep commas, spaces and quotes, and
// nothing that is not a list passes for one.
#include "../include/bgworker/names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace {

using bgworker::read_names;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

TEST(Names, Empty) {
  EXPECT_THAT(read_names(""), Optional(IsEmpty()));
  EXPECT_THAT(read_names(" \t\n"), Optional(IsEmpty()));
}

TEST(Names, Plain) {
  EXPECT_THAT(read_names("app"), Optional(ElementsAre("app")));
  EXPECT_THAT(read_names(" app ,\tother\n"), Optional(ElementsAre("app", "other")));
  EXPECT_THAT(read_names("two words, Case"), Optional(ElementsAre("two words", "Case")));
  EXPECT_THAT(read_names("bgworkerd%, a_b"), Optional(ElementsAre("bgworkerd%", "a_b")));
}

TEST(Names, Quoted) {
  EXPECT_THAT(read_names("\"a, b\",c"), Optional(ElementsAre("a, b", "c")));
  EXPECT_THAT(read_names("\" a \" , b"), Optional(ElementsAre(" a ", "b")));
  EXPECT_THAT(read_names("\"say \"\"no\"\"\""), Optional(ElementsAre("say \"no\"")));
  EXPECT_THAT(read_names("\"\""), Optional(ElementsAre("")));
  EXPECT_THAT(read_names("\"\"\"\""), Optional(ElementsAre("\"")));
}

TEST(Names, Refused) {
  for (const char* text : {",", "a,", "a,,b", ", a", "\"", "\"a", "\"a\"\"", "a\"b", "a \"b\"", "\"a\" b",
                           "\"a\"\"b", "\"a\",", " , "})
    EXPECT_EQ(read_names(text), std::nullopt) << text;
}

// Whatever names there are, writing each in quotes brings them back.
TEST(Names, QuotedNamesComeBack) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> names(1 + random() % 4);
    std::string text;
    for (std::string& name : names) {
      for (auto letters = random() % 6; letters > 0; --letters) name += "ab\", \t\n\\%"[random() % 9];
      text += text.empty() ? "\"" : " ,\"";
      for (const char letter : name) text += letter == '"' ? std::string("\"\"") : std::string(1, letter);
      text += "\"";
    }
    ASSERT_EQ(read_names(text), names) << text;
  }
}

// No text is read past its end or for ever, and what is read has no more names than commas allow.
TEST(Names, AnyText) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto letters = random() % 12; letters > 0; --letters) text += "a\", "[random() % 4];
    const std::string exact(text);  // its own memory, so that a sanitizer sees a byte too far
    const auto commas = static_cast<std::size_t>(std::count(text.begin(), text.end(), ','));
    ASSERT_LE(read_names(exact).value_or(std::vector<std::string>()).size(), 1 + commas) << text;
  }
}

}  // namespace
