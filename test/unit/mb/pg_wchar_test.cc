// Text becomes wide characters and text again, in the encoding that is set; what has no character is an error;
// quoting for messages cuts between characters.
#include <gtest/gtest.h>

#include <string>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "mb/stringinfo_mb.h"
#include "utils/ascii.h"
}

namespace {

using bgw_test::caught;
using bgw_test::Caught;

TEST(WideCharacters, BackAndForth) {
  const char* text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  pg_wchar wide[20];
  ASSERT_EQ(pg_mb2wchar(text, wide), 5);
  EXPECT_EQ(wide[1], 0xe9u);
  EXPECT_EQ(wide[3], 0x1f600u);
  EXPECT_EQ(pg_wchar_strlen(wide), 5u);
  char back[40];
  EXPECT_EQ(pg_wchar2mb(wide, back), static_cast<int>(strlen(text)));
  EXPECT_STREQ(back, text);
  EXPECT_EQ(pg_mb2wchar_with_len(text, wide, 3), 2);
  EXPECT_EQ(pg_wchar2mb_with_len(wide, back, 1), 1);
  EXPECT_STREQ(back, "a");
  EXPECT_EQ(pg_encoding_mb2wchar_with_len(PG_LATIN1, "\xe9", wide, 1), 1);
  EXPECT_EQ(wide[0], 0xe9u);
  EXPECT_EQ(pg_encoding_wchar2mb_with_len(PG_LATIN1, wide, back, 1), 1);
  EXPECT_STREQ(back, "\xe9");
}

TEST(WideCharacters, Compared) {
  const pg_wchar ab[] = {'a', 'b', 0}, ac[] = {'a', 'c', 0}, a[] = {'a', 0};
  EXPECT_LT(pg_wchar_strncmp(ab, ac, 2), 0);
  EXPECT_EQ(pg_wchar_strncmp(ab, ac, 1), 0);
  EXPECT_GT(pg_wchar_strncmp(ab, a, 5), 0);
  EXPECT_EQ(pg_char_and_wchar_strcmp("ab", ab), 0);
  EXPECT_LT(pg_char_and_wchar_strcmp("a", ab), 0);
  EXPECT_GT(pg_char_and_wchar_strcmp("ac", ab), 0);
  EXPECT_EQ(pg_char_and_wchar_strncmp("ac", ab, 1), 0);
}

TEST(WideCharacters, CodePoints) {
  unsigned char text[MAX_UNICODE_EQUIVALENT_STRING + 1];
  pg_unicode_to_server(0x20ac, text);
  EXPECT_STREQ(reinterpret_cast<char*>(text), "\xe2\x82\xac");
  pg_unicode_to_server('x', text);
  EXPECT_STREQ(reinterpret_cast<char*>(text), "x");
  Caught c = caught([](void* it) { pg_unicode_to_server(0x110000, static_cast<unsigned char*>(it)); }, text);
  EXPECT_EQ(c.sqlstate + " " + c.message, "42601 invalid Unicode code point");
  SetDatabaseEncoding(PG_LATIN1);
  c = caught([](void* it) { pg_unicode_to_server(0xe9, static_cast<unsigned char*>(it)); }, text);
  SetDatabaseEncoding(PG_UTF8);
  EXPECT_EQ(c.sqlstate + " " + c.message, "0A000 conversion between UTF8 and LATIN1 is not supported");
  c = caught([](void*) { report_untranslatable_char(PG_UTF8, PG_LATIN1, "\xe2\x82\xac...", 6); });
  EXPECT_EQ(
      c.sqlstate + " " + c.message,
      "22P05 character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding "
      "\"LATIN1\"");
}

std::string quoted(const char* text, int most) {
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfoStringQuoted(&out, text, most);
  return out.data;
}

TEST(Quoting, ForMessages) {
  EXPECT_EQ(quoted("it's", -1), "'it''s'");
  EXPECT_EQ(quoted("", -1), "''");
  EXPECT_EQ(quoted("abc", 3), "'abc'");
  EXPECT_EQ(quoted("a\xc3\xa9z", 2), "'a...'");
  EXPECT_EQ(quoted("a'b'c", 4), "'a''b''...'");
  EXPECT_EQ(quoted("abc", 0), "'...'");
  char out[8];
  ascii_safe_strlcpy(out, "a\xc3\xa9\tb\x01", sizeof(out));
  EXPECT_STREQ(out, "a??\tb?");
  ascii_safe_strlcpy(out, "0123456789", sizeof(out));
  EXPECT_STREQ(out, "0123456");
  out[0] = 'x';
  ascii_safe_strlcpy(out, "abc", 0);
  EXPECT_EQ(out[0], 'x');
}

}  // namespace
