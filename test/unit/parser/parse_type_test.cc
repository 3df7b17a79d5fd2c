// Types are read by every spelling that SQL has for them, and written back as the server writes them; what is
// no type is an error, or nothing, as asked.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
}

namespace {

// In C style: it may raise.
void parse_strictly(void* text) {
  Oid type;
  int32 typmod;
  parseTypeString(static_cast<const char*>(text), &type, &typmod, false);
}

bgw_test::Caught error_of(const char* text) {
  return bgw_test::caught(parse_strictly, const_cast<char*>(text));
}

std::string read(const char* text) {
  Oid type = InvalidOid;
  int32 typmod = 0;
  parseTypeString(text, &type, &typmod, true);
  return OidIsValid(type) ? format_type_with_typemod(type, typmod) : "";
}

TEST(ParseType, ReadsEverySpelling) {
  const std::pair<const char*, const char*> spellings[] = {
      {"int", "integer"},
      {"INTEGER", "integer"},
      {" int4 ", "integer"},
      {"pg_catalog.int8", "bigint"},
      {"bigint[]", "bigint[]"},
      {"int4[3][]", "integer[]"},
      {"text array", "text[]"},
      {"double   precision", "double precision"},
      {"float", "double precision"},
      {"float(24)", "real"},
      {"float(25)", "double precision"},
      {"dec(10)", "numeric(10,0)"},
      {"numeric( 10 , 2 )", "numeric(10,2)"},
      {"numeric(3,-2)", "numeric(3,-2)"},
      {"char", "character(1)"},
      {"\"char\"", "\"char\""},
      {"character varying(7)", "character varying(7)"},
      {"varchar", "character varying"},
      {"bpchar(4)", "character(4)"},
      {"timestamp", "timestamp without time zone"},
      {"timestamp(3) with time zone", "timestamp(3) with time zone"},
      {"timestamptz(0)", "timestamp(0) with time zone"},
      {"time with time zone", "time with time zone"},
      {"time(2) without time zone[]", "time(2) without time zone[]"},
      {"boolean", "boolean"},
      {"_text", "text[]"},
      {"record", "record"},
      {"jsonb", "jsonb"},
  };
  for (const auto& [text, expected] : spellings) EXPECT_EQ(read(text), expected) << text;
}

TEST(ParseType, WhatIsNoTypeIsNothingOrAnError) {
  for (const char* text : {"nosuch", "public.int4", "\"INT4\"", "integers"}) {
    EXPECT_EQ(read(text), "") << text;
    const bgw_test::Caught error = error_of(text);
    ASSERT_TRUE(error.raised) << text;
    EXPECT_EQ(error.message, "type \"" + std::string(text) + "\" does not exist");
  }
  for (const char* text :
       {"", "4int", "int4 int4", "int4[", "numeric(", "numeric(1,)", "a.", "\"int4", "int4)"}) {
    const bgw_test::Caught error = error_of(text);
    ASSERT_TRUE(error.raised) << text;
    EXPECT_EQ(error.message, "invalid type name \"" + std::string(text) + "\"");
  }
  for (const char* text : {"int4(3)", "numeric(0)", "numeric(1,2,3)", "varchar(x)", "float(54)", "float(0)"})
    EXPECT_TRUE(error_of(text).raised) << text;
}

}  // namespace
