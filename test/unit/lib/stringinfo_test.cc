// A StringInfo holds whatever is appended to it, zero-terminated, through every growth; psprintf() agrees.
#include <gtest/gtest.h>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
}

namespace {

TEST(StringInfoTest, AppendsOfEveryKindAddUp) {
  StringInfoData text;
  initStringInfo(&text);
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    appendStringInfo(&text, "%d:%s|", i, "abc");
    appendStringInfoChar(&text, 'x');
    appendStringInfoSpaces(&text, 2);
    appendStringInfoString(&text, "tail");
    appendBinaryStringInfo(&text, "\0z", 2);
    expected += std::to_string(i) + ":abc|x  tail";
    expected.append("\0z", 2);
  }
  EXPECT_EQ(std::string(text.data, static_cast<size_t>(text.len)), expected);
  EXPECT_EQ(text.data[text.len], '\0');
  EXPECT_GT(text.maxlen, text.len);
  resetStringInfo(&text);
  EXPECT_STREQ(text.data, "");
  pfree(text.data);
}

TEST(StringInfoTest, ErrnoIsPrintedAsItWasAcrossGrowth) {
  StringInfoData text;
  initStringInfo(&text);
  std::string wide(5000, 'w');
  errno = ENOENT;
  appendStringInfo(&text, "%s %m", wide.c_str());
  EXPECT_EQ(text.data, wide + " No such file or directory");
  errno = EACCES;
  EXPECT_EQ(psprintf("%s %m", wide.c_str()), wide + " Permission denied");
  pfree(text.data);
}

TEST(StringInfoTest, ImpossibleGrowthIsTheServersError) {
  auto error = bgw_test::caught([](void*) {
    StringInfo text = makeStringInfo();
    enlargeStringInfo(text, 0x3fffffff);
  });
  EXPECT_EQ(error.sqlstate, "54000");
  EXPECT_EQ(error.detail, "Cannot enlarge string buffer containing 0 bytes by 1073741823 more bytes.");
  error = bgw_test::caught([](void*) { enlargeStringInfo(makeStringInfo(), -1); });
  EXPECT_EQ(error.message, "invalid string enlargement request size: -1");
}

}  // namespace
