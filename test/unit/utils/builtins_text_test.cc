// Quoting, folding and splitting of names, booleans and multi-byte cutting answer as the server does.
#include <gtest/gtest.h>

#include <vector>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "nodes/value.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/varlena.h"
}

namespace {

TEST(BuiltinsTextTest, QuotingOfIdentifiersAndLiterals) {
  EXPECT_STREQ(quote_identifier("plain_1"), "plain_1");
  EXPECT_STREQ(quote_identifier("Upper"), "\"Upper\"");
  EXPECT_STREQ(quote_identifier("1st"), "\"1st\"");
  EXPECT_STREQ(quote_identifier("with\"quote"), "\"with\"\"quote\"");
  EXPECT_STREQ(quote_identifier(""), "\"\"");
  EXPECT_STREQ(quote_identifier("select"), "\"select\"");    // reserved
  EXPECT_STREQ(quote_identifier("between"), "\"between\"");  // column name
  EXPECT_STREQ(quote_identifier("left"), "\"left\"");        // type or function name
  EXPECT_STREQ(quote_identifier("abort"), "abort");          // unreserved
  quote_all_identifiers = true;
  EXPECT_STREQ(quote_identifier("plain"), "\"plain\"");
  quote_all_identifiers = false;
  EXPECT_STREQ(quote_qualified_identifier("S", "t"), "\"S\".t");
  EXPECT_STREQ(quote_qualified_identifier(nullptr, "t"), "t");
  EXPECT_STREQ(quote_literal_cstr("it's"), "'it''s'");
  EXPECT_STREQ(quote_literal_cstr("a\\b'"), "E'a\\\\b'''");
  EXPECT_STREQ(quote_literal_cstr(""), "''");
}

TEST(BuiltinsTextTest, Booleans) {
  for (const char* word : {"t", "TRUE", "tr", "y", "Yes", "on", "ON", "1"}) {
    bool value = false;
    EXPECT_TRUE(parse_bool(word, &value) && value) << word;
  }
  for (const char* word : {"f", "False", "n", "no", "of", "off", "0"}) {
    bool value = true;
    EXPECT_TRUE(parse_bool(word, &value) && !value) << word;
  }
  for (const char* word : {"", "o", "truex", "10", "2", "yess", " t"})
    EXPECT_FALSE(parse_bool(word, nullptr)) << word;
}

using Split = bool (*)(char*, char, List**);
std::string split(Split function, const char* raw, char separator = ',') {
  List* names;
  if (!function(pstrdup(raw), separator, &names)) return "syntax error";
  std::string text;
  for (int i = 0; i < list_length(names); ++i)
    text += std::string("<") + static_cast<char*>(list_nth(names, i)) + ">";
  return text;
}

TEST(BuiltinsTextTest, ListsOfNames) {
  EXPECT_EQ(split(SplitIdentifierString, " Abc , \"De f\"\"\" ,g"), "<abc><De f\"><g>");
  EXPECT_EQ(split(SplitIdentifierString, "  "), "");
  EXPECT_EQ(split(SplitIdentifierString, "a,"), "syntax error");
  EXPECT_EQ(split(SplitIdentifierString, ",a"), "syntax error");
  EXPECT_EQ(split(SplitIdentifierString, "a b"), "syntax error");
  EXPECT_EQ(split(SplitIdentifierString, "\"a"), "syntax error");
  EXPECT_EQ(split(SplitIdentifierString, "S.\"T\"", '.'), "<s><T>");
  EXPECT_EQ(split(SplitIdentifierString, std::string(100, 'X').c_str()), "<" + std::string(63, 'x') + ">");
  EXPECT_EQ(split(SplitGUCList, "Abc, \"x,y\""), "<Abc><x,y>");
  EXPECT_EQ(split(SplitDirectoriesString, "/tmp/a b/ , \"/x//y/\""),
            "<"
            "/tmp/a b><"
            "/x/y>");
  auto error = bgw_test::caught([](void*) { textToQualifiedNameList(cstring_to_text("a..b")); });
  EXPECT_EQ(error.message, "invalid name syntax");
  EXPECT_EQ(error.sqlstate, "42602");
  List* names = textToQualifiedNameList(cstring_to_text("Sch.\"Tab\""));
  ASSERT_EQ(list_length(names), 2);
  EXPECT_STREQ(strVal(lsecond(names)), "Tab");
}

TEST(BuiltinsTextTest, TextAndNames) {
  text* value = cstring_to_text("h\xc3\xa9llo");
  EXPECT_STREQ(text_to_cstring(value), "h\xc3\xa9llo");
  char buffer[3];
  text_to_cstring_buffer(value, buffer, sizeof(buffer));
  EXPECT_STREQ(buffer, "h");  // not half of the second character
  NameData name;
  namestrcpy(&name, std::string(80, 'n').c_str());
  EXPECT_EQ(strlen(NameStr(name)), 63u);
  EXPECT_EQ(namestrcmp(&name, std::string(63, 'n').c_str()), 0);
  EXPECT_LT(namestrcmp(nullptr, "x"), 0);
  EXPECT_STREQ(downcase_truncate_identifier("ABC\xc3\x89", 5, false), "abc\xc3\x89");
  EXPECT_STREQ(asc_toupper("abc1", 4), "ABC1");
  EXPECT_STREQ(asc_initcap("hELLO wORLD", 11), "Hello World");
}

TEST(BuiltinsTextTest, MultiByteStrings) {
  ASSERT_EQ(GetDatabaseEncoding(), PG_UTF8);
  const char* euro =
      "a\xe2\x82\xac"
      "b";
  EXPECT_EQ(pg_mbstrlen(euro), 3);
  EXPECT_EQ(pg_mbcliplen(euro, 5, 3), 1);
  EXPECT_EQ(pg_mbcliplen(euro, 5, 4), 4);
  EXPECT_EQ(pg_mbcharcliplen(euro, 5, 2), 4);
  EXPECT_TRUE(pg_verifymbstr(euro, 5, true));
  EXPECT_FALSE(pg_verifymbstr("\xff", 1, true));
  EXPECT_EQ(pg_verify_mbstr_len(PG_UTF8, euro, 5, true), 3);
  auto error = bgw_test::caught([](void*) { pg_verifymbstr("a\xe2\x82", 3, false); });
  EXPECT_EQ(error.message, "invalid byte sequence for encoding \"UTF8\": 0xe2 0x82");
  EXPECT_EQ(error.sqlstate, "22021");
  SetDatabaseEncoding(PG_LATIN1);
  EXPECT_EQ(pg_database_encoding_max_length(), 1);
  EXPECT_EQ(pg_mbstrlen(euro), 5);
  EXPECT_STREQ(GetDatabaseEncodingName(), "LATIN1");
  SetDatabaseEncoding(PG_UTF8);
}

TEST(BuiltinsTextTest, JsonStrings) {
  StringInfo text = makeStringInfo();
  escape_json(text, "q\" b\\ n\n \x01 \xc3\xa9");
  EXPECT_STREQ(text->data, "\"q\\\" b\\\\ n\\n \\u0001 \xc3\xa9\"");
}

}  // namespace
