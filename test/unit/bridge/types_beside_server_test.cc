// The properties: for texts of every type that has a form in memory, good and bad, the host reads and prints
// exactly what a real server does, or fails with the same SQLSTATE, message and detail; and a row that the host
// builds from the server's text is, byte for byte, the row that the server stores.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "bridge/tuple_builder.hpp"
#include "support/beside_server.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

namespace {

std::string literal(const std::string& text) {
  return bgw_test::sql_literal(text);
}

PGconn* server() {
  static bgw_test::PrivateServer cluster;
  static bgw_test::Connection connection = [] {
    bgw_test::Connection opened = cluster.connect();
    PQclear(PQexec(opened.get(), "SET timezone = 'UTC'; SET client_min_messages = error"));
    return opened;
  }();
  return connection.get();
}

const bgw::TypeInfo* type_named(const std::string& name) {
  for (int i = 0; i < bgw::builtin_type_count(); i++)
    if (name == bgw::builtin_type(i)->name) return bgw::builtin_type(i);
  return nullptr;
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? "" : text;
}

// A type's modifier is only checked by its input function; a cast would apply it afterwards.
std::string server_answer(const std::string& type, const std::string& text, int32 typmod) {
  const std::string input = type.ends_with("bit") ? type + "_in" : type + "in";
  const std::string sql =
      typmod < 0 ? "SELECT " + literal(text) + "::pg_catalog.\"" + type + "\""
                 : "SELECT " + input + "(" + literal(text) + "::cstring, 0, " + std::to_string(typmod) + ")";
  PGresult* result = PQexec(server(), sql.c_str());
  std::string answer;
  if (PQresultStatus(result) == PGRES_TUPLES_OK)
    answer = std::string("ok: ") + PQgetvalue(result, 0, 0);
  else
    answer = "error: " + field(result, PG_DIAG_SQLSTATE) + ": " + field(result, PG_DIAG_MESSAGE_PRIMARY) +
             "; " + field(result, PG_DIAG_MESSAGE_DETAIL);
  PQclear(result);
  return answer;
}

struct Call {
  const bgw::TypeInfo* type;
  const char* text;
  int32 typmod;
  char* out;
};

void read_and_print(void* argument) {
  Call* call = static_cast<Call*>(argument);
  const Oid ioparam = OidIsValid(call->type->typelem) ? call->type->typelem : call->type->oid;
  const Datum value = OidInputFunctionCall(call->type->typinput, pstrdup(call->text), ioparam, call->typmod);
  call->out = OidOutputFunctionCall(call->type->typoutput, value);
}

std::string host_answer(const std::string& type, const std::string& text, int32 typmod) {
  Call call = {type_named(type), text.c_str(), typmod, nullptr};
  const bgw_test::Caught error = bgw_test::caught(read_and_print, &call);
  if (error.raised) return "error: " + error.sqlstate + ": " + error.message + "; " + error.detail;
  return std::string("ok: ") + call.out;
}

void compare(const std::string& type, const std::vector<std::string>& texts, int32 typmod = -1) {
  for (const std::string& text : texts)
    EXPECT_EQ(host_answer(type, text, typmod), server_answer(type, text, typmod)) << type << " " << text;
}

TEST(TypesBesideServer, Table) {
  PGresult* result =
      PQexec(server(),
             "SELECT oid, typname, typlen, typbyval, typalign, typstorage, typcategory, typtype, typdelim,"
             " CASE WHEN typsubscript = 'array_subscript_handler'::regproc THEN typelem ELSE 0 END, typarray, "
             "typcollation,"
             " typinput::oid, typoutput::oid, typreceive::oid, typsend::oid, typmodin::oid,"
             " format_type(oid, NULL), format_type(oid, CASE WHEN typname ~ 'interval' THEN -1 ELSE 20 END) "
             "FROM pg_type WHERE oid < 10000 AND typtype <> 'c'"
             " AND typelem NOT IN (SELECT oid FROM pg_type WHERE typtype = 'c')");
  ASSERT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQerrorMessage(server());
  EXPECT_EQ(PQntuples(result), bgw::builtin_type_count());
  for (int row = 0; row < PQntuples(result); row++) {
    auto text = [&](int column) { return std::string(PQgetvalue(result, row, column)); };
    auto number = [&](int column) { return static_cast<Oid>(std::stol(text(column))); };
    const bgw::TypeInfo* type = bgw::find_type(number(0));
    ASSERT_NE(type, nullptr) << text(1);
    EXPECT_EQ(type->name, text(1));
    EXPECT_EQ(type->typlen, std::stoi(text(2))) << text(1);
    EXPECT_EQ(type->typbyval ? "t" : "f", text(3)) << text(1);
    EXPECT_EQ(
        std::string(1, type->typalign) + type->typstorage + type->typcategory + type->typtype + type->typdelim,
        text(4) + text(5) + text(6) + text(7) + text(8))
        << text(1);
    const Oid ours[] = {type->typelem,   type->typarray,   type->typcollation, type->typinput,
                        type->typoutput, type->typreceive, type->typsend,      type->typmodin};
    for (int i = 0; i < 8; i++) EXPECT_EQ(ours[i], number(9 + i)) << text(1) << " column " << i;
    EXPECT_EQ(format_type_be(type->oid), text(17));
    const bool interval = text(1).find("interval") != std::string::npos;
    EXPECT_EQ(format_type_with_typemod(type->oid, interval ? -1 : 20), text(18));
  }
  PQclear(result);
}

TEST(TypesBesideServer, Texts) {
  compare("bool", {"t", "f", " true ", "of", "on", "2", ""});
  compare("text", {"", "a", "ä€𝄞", "back\\slash 'quote'"});
  compare("varchar", {"", "abc", "abcdef", "äöüßé", "abc  ", "abcde     "}, VARHDRSZ + 5);
  compare("bpchar", {"", "abc", "abcdef", "äöü", "abcde     ", "äöüßéx"}, VARHDRSZ + 5);
  compare("bpchar", {"", "abc  "});
  compare("name", {"", "abc", std::string(100, 'x'), std::string(62, 'x') + "ä"});
  compare("char", {"", "a", "abc", "ä", "\\101", "\\377", "\\37", "\\400"});
  compare("bytea",
          {"", "\\x", "\\xDEADbeef", "\\x de ad", "\\xd", "\\xzz", "abc", "a\\\\b", "\\001\\377", "\\9", "ä"});
  compare("uuid", {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
                   "A0EEBC999C0B4EF8BB6D6BB9BD380A11", "a0eebc99", "", "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
                   "a0-eebc999c0b4ef8bb6d6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11-"});
  compare("pg_lsn", {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "1", "/", "123456789/0", "0/0 ", "g/0"});
  compare("xid", {"0", "4294967295"});
  compare("xid8", {"0", "18446744073709551615"});
  compare("cid", {"7"});
  compare("oid", {"0", "4294967295", "x", ""});
  compare("inet",
          {"1.2.3.4", "1.2.3.4/24", "1.2.3.4/32", "1.2.3.4/33", "::1", "::1/64", "fe80::1:2", "::ffff:1.2.3.4",
           "1:2:3:4:5:6:7:8/128", "1.2.3", "256.1.1.1", "", "1.2.3.4/", "x", "::1/129", "::", "0.0.0.0/0"});
  compare("cidr",
          {"1.2.3.4", "10.0.0.0/8", "10", "10.1", "10.1.2", "192.168", "128.1", "224.1", "240", "10.1.2.3/8",
           "::/0", "2001:db8::/32", "2001:db8::1/32", "2001:db8::1", "172.16/12", "1.2.3.4/33"});
  compare("bit", {"", "0", "101", "b0110", "B1", "x1Ff", "X", "x1g", "102", "b", " 1", "1ä", "xä"});
  compare("bit", {"10101", "1010", "x5", ""}, 5);
  compare("varbit", {"", "0", "101010101", "x0123456789abcdefABCDEF", "2"});
  compare("varbit", {"10101", "101010", "x5", "xff", ""}, 5);
  const std::vector<std::string> addresses = {"08:00:2b:01:02:03",
                                              "08-00-2b-01-02-03",
                                              "08002b:010203",
                                              "08002b-010203",
                                              "0800.2b01.0203",
                                              "0800-2b01-0203",
                                              "08002b010203",
                                              " 8:0:2B:1:2:3 ",
                                              "08:00:2b:01:02:03:04:05",
                                              "08-00-2b-01-02-03-04-05",
                                              "08002b:0102030405",
                                              "08002b-0102030405",
                                              "0800.2b01.0203.0405",
                                              "0800-2b01-0203-0405",
                                              "08002b0102030405",
                                              "",
                                              "08",
                                              "08:00:2b:01:02",
                                              "08:00:2b:01:02:03:04",
                                              "08:00-2b:01:02:03",
                                              "08:00:2b:01:02:0g",
                                              "108:00:2b:01:02:03",
                                              "08002b01020",
                                              "08:00:2b:01:02:03 x",
                                              "0x8:+0:2b:01:02:-3",
                                              "0:0:0:0:0:100",
                                              "8: 0:2b:1:2:3",
                                              "08:00:2b:01:02:03:",
                                              "0xg:0:0:0:0:0",
                                              "0800:2b01:0203",
                                              "08:00:2b:01:02:03  ",
                                              "  08:00:2b:01:02:03:04:05 ",
                                              "fffffffff:0:0:0:0:0",
                                              "ff ff ff ff ff ff"};
  compare("macaddr", addresses);
  compare("macaddr8", addresses);
  compare("tid", {"(0,0)",
                  "(4294967295,65535)",
                  "(1,2)",
                  "(4294967296,1)",
                  "(0,65536)",
                  "(-1,1)",
                  "(-4294967296,1)",
                  "(1,-1)",
                  " (1,2)",
                  "(1,2) x",
                  "( 1, 2)",
                  "(1 ,2)",
                  "(1,2",
                  "1,2",
                  "()",
                  "(,)",
                  "(a,1)",
                  "",
                  "(99999999999999999999,1)",
                  "(+1,+2)"});
  const std::vector<std::string> shapes = {"(1,2)",
                                           "1,2",
                                           " ( 1 , 2 ) ",
                                           "(1,2",
                                           "1,2)",
                                           "(1,2))",
                                           "((1,2))",
                                           "(1,2,3)",
                                           "1",
                                           "",
                                           "(",
                                           "()",
                                           "(,)",
                                           "(1;2)",
                                           "(NaN,Infinity)",
                                           "(1e400,1)",
                                           "(1e-400,1)",
                                           "(1,x)",
                                           "[(1,2),(3,4)]",
                                           "((1,2),(3,4))",
                                           "(1,2),(3,4)",
                                           "1,2,3,4",
                                           "(1,2,3,4)",
                                           "[1,2,3,4]",
                                           "(1,2)(3,4)",
                                           "[(1,2),(3,4))",
                                           "((1,2),(3,4)]",
                                           "[(1,2),(3,4)",
                                           "(1,2),(3,4) x",
                                           "((3,4),(1,2))",
                                           "(3,2),(1,4)",
                                           "(0,0),(0,0)",
                                           "((1,2),(3,4),(5,6))",
                                           "[(1,2),(3,4),(5,6)]",
                                           "(1,2),(3,4),(5,6)",
                                           "1,2,3,4,5,6",
                                           "(1,2,3,4,5,6)",
                                           "(1,2),(3,4),5",
                                           "[(1,2)]",
                                           "<(1,2),3>",
                                           "((1,2),3)",
                                           "(1,2),3",
                                           "1,2,3",
                                           "<(1,2),-3>",
                                           "<(1,2),NaN>",
                                           "<(1,2),3)",
                                           "(1,2),3>",
                                           "<(1,2) 3>",
                                           "< 1,2,3 >",
                                           "<(1,2),3> x",
                                           "((1,2),3>",
                                           "<1,2,3",
                                           "{1,2,3}",
                                           "{0,0,3}",
                                           "{1,2}",
                                           "{1,2,3",
                                           "{ 1 , 2 , 3 } ",
                                           "{1,2,3} x",
                                           "{1,2,3,4}",
                                           "{NaN,1,2}",
                                           "(1,2),(1,5)",
                                           "(1,2),(4,2)",
                                           "(0,0),(1,2)",
                                           "[(0,0),(1,1e300)]",
                                           "(1,2),,(3,4)",
                                           ",(1,2)",
                                           "(1,2),(3,4),",
                                           "( (1,2),(3,4) ) ",
                                           "[ (1,2) , (3,4) ] ",
                                           "(((1,2),(3,4)))",
                                           "[[1,2,3,4]]",
                                           "(1,2),(3,4)]",
                                           "([1,2,3,4])",
                                           "(NaN,1),(2,NaN)",
                                           "(1,2),(Infinity,-Infinity)"};
  for (const char* type : {"point", "lseg", "box", "path", "polygon", "line", "circle"}) compare(type, shapes);
  compare("pg_snapshot", {"1:1:", "1:20:3,4,4,19", "1:2", "0:1:", "2:1:", "1:5:5", "1:5:0", "1:5:3,2", "1:5:3,",
                          "1:5:3 ", "", ":", "18446744073709551615:18446744073709551615:", " 1: 9: 3", "1:9:,3",
                          "1:9:x", "99999999999999999999:1:"});
  compare("txid_snapshot", {"1:20:3,4", "x"});
  compare("refcursor", {"", "c1"});
  compare("tsvector", {"",
                       "a",
                       "b a c a",
                       "'a b' c",
                       "a:1",
                       "a:1,2,3",
                       "a:3,1,2,1",
                       "a:1A,2b,3C,4d,5*",
                       "a:1AB",
                       "a:1DA",
                       "a:1A2B",
                       "a:0",
                       "a:",
                       "a:x",
                       "a:1,",
                       "a:1 b:2A a:2,1B",
                       "a:16383,16384,20000",
                       "'it''s' 'back\\\\slash' \\' a\\ b",
                       "'a'b",
                       "'a':1'b'",
                       "a:1b:2",
                       "''",
                       "'a",
                       "a\\",
                       ":1",
                       "a::1",
                       "ä:1 €:2",
                       "a:1é",
                       "a:-1",
                       "ab a abc b",
                       "\t a \n b ",
                       "'a' :1",
                       std::string(2046, 'x'),
                       std::string(2047, 'x'),
                       "a:99999999999999999999",
                       "a&b|c (d) !e"});
  compare("tsquery", {"",
                      "  ",
                      "a",
                      "a & b",
                      "a | b & c",
                      "(a | b) & c",
                      "!a",
                      "!!a",
                      "! ( a | b )",
                      "a & !b",
                      "a <-> b",
                      "a <2> b",
                      "a <0> b",
                      "a <16384> b",
                      "a <16385> b",
                      "a <-> b <-> c",
                      "a <-> (b <-> c)",
                      "(a <-> b) <-> c",
                      "a & (b & c)",
                      "a | (b | c)",
                      "a & (b | c)",
                      "a <-> (b | c)",
                      "!(a <-> b)",
                      "!a <-> !b",
                      "a:A",
                      "a:ab*",
                      "a:*d",
                      "a:x",
                      "a:",
                      "'a b':C",
                      "'it''s'",
                      "a\\ b",
                      "a b",
                      "a &",
                      "& a",
                      "(a",
                      "a)",
                      "()",
                      "a <> b",
                      "a < b",
                      "a <-b",
                      "a !b",
                      "a & & b",
                      ":a",
                      "''",
                      "'a",
                      "a\\",
                      "ä & €:*",
                      "a&b|!c",
                      "a:1",
                      "a:*:b",
                      "!",
                      "a <-1> b",
                      "a<->b",
                      "a & ( b",
                      "!a & b",
                      "!a | !b & !c <-> d",
                      "a:A(b)",
                      std::string(2046, 'x'),
                      std::string(2047, 'x')});
  compare("int2vector", {"", "1 2 3", " 1  -2 "});
  compare("oidvector", {"", "1 2 3", "4294967295"});
}

TEST(TypesBesideServer, Arrays) {
  compare("_int4", {"{}", "{1}", "{1,2,NULL}", "{ 1 , 2 }", "{{1,2},{3,4}}", "[0:1]={5,6}",
                    "[2:3][1:1]={{1},{2}}", "{{{1}}}", "[-2:0]={1,2,3}", " {1} ", "{nUlL}"});
  compare("_int4", {"", "1", "{1", "{1,}", "{,1}", "{1,2}}", "{{1,2},{3}}", "{1,{2}}", "{{1},2}", "{1} x",
                    "[1:2]={1}", "[1:0]={}", "[1]={1}", "[1:2]{1,2}", "[a:b]={1}", "[1:2={1,2}", "{x}",
                    "[1:1]=1", "{{{{{{{1}}}}}}}"});
  compare("_text", {"{a,b}", "{\"a b\",\"\",\"NULL\",null,NULL}", "{\"q\\\"uote\",back\\\\slash}", "{a b , c }",
                    "{\"{\",\"}\",\",\"}", "{ä,€}", "{\\ a}", "{\"a\" }", "{{a,b},{c,NULL}}"});
  compare("_text", {"{\"a\"b}", "{a\"b\"}", "{\"a", "{a\\"});
  compare("_bool", {"{t,f,NULL}"});
  compare("_numeric", {"{1.50,-2e10,NaN,NULL}"});
  compare("_timestamptz", {"{\"2024-02-29 12:34:56.789+00\",infinity}"});
  compare("_uuid", {"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"});
  compare("_inet", {"{1.2.3.4/8,::1}"});
  compare("_jsonb", {"{\"{\\\"a\\\": 1}\",null}"});
  compare("_bytea", {"{\"\\\\x00ff\"}"});
  compare("_varbit", {"{101,\"\",NULL,x0f}", "{2}"});
  compare("_macaddr", {"{08:00:2b:01:02:03,NULL}", "{x}"});
  compare("_tid", {"{\"(1,2)\",NULL}"});
  compare("_box", {"{(1,2),(3,4);NULL;(5,6),(7,8)}", "{(1,2),(3,4)}", "{x}"});
  compare("_point", {"{\"(1,2)\",NULL}"});
  compare("_pg_snapshot", {"{\"1:20:3,4\",NULL}"});
  compare("_tsvector", {"{\"'a':1 'b'\",NULL}"});
  compare("_interval", {"{\"1 day 02:03:04\"}"});
}

TEST(TypesBesideServer, Json) {
  const std::vector<std::string> texts = {"{}",
                                          "[]",
                                          "null",
                                          "true",
                                          "false",
                                          "\"a\"",
                                          "1",
                                          "-0",
                                          "1.0",
                                          "1e5",
                                          "1.5E-3",
                                          " [1, 2 ,{\"a\":null}] ",
                                          "{\"b\":1,\"a\":2,\"b\":3,\"aa\":[],\"\":{}}",
                                          "\"\\u00e4\\n\\\"\\\\\\/\"",
                                          "\"\\ud834\\udd1e\"",
                                          "{\"a\":{\"b\":{\"c\":[1,[2,[3]]]}}}",
                                          "\"ä€\"",
                                          "[1.10, 1.1, 100000000000000000000000000000.5]",
                                          "",
                                          " ",
                                          "{",
                                          "[",
                                          "[1,",
                                          "[1 2]",
                                          "{1:2}",
                                          "{\"a\"}",
                                          "{\"a\":}",
                                          "{\"a\":1,}",
                                          "[1,]",
                                          "tru",
                                          "nul",
                                          "01",
                                          "1.",
                                          "-",
                                          ".5",
                                          "1e",
                                          "\"a",
                                          "\"\\x\"",
                                          "\"\\u12\"",
                                          "\"\\u12g4\"",
                                          "\"\\ud834\"",
                                          "\"\\udd1e\"",
                                          "\"\\ud834\\ud834\"",
                                          "\"\\u0000\"",
                                          "\"a\nb\"",
                                          "1 2",
                                          "{\"a\" 1}",
                                          "]",
                                          "}",
                                          ",",
                                          ":",
                                          "'a'",
                                          "[1}",
                                          "{\"a\":1]",
                                          "1x",
                                          "true false",
                                          "{\n\"a\": x}",
                                          "abc ä"};
  compare("json", texts);
  compare("jsonb", texts);
}

TEST(TypesBesideServer, PrettyJson) {
  for (const char* json :
       {"{}", "[]", "1", "\"a\"", "[1, 2]", "{\"a\": {\"b\": [1, {\"c\": null}]}, \"d\": []}", "[[], {}]"}) {
    PGresult* result = PQexec(server(), ("SELECT jsonb_pretty(" + literal(json) + ")").c_str());
    const Datum value = OidInputFunctionCall(F_JSONB_IN, pstrdup(json), InvalidOid, -1);
    const Datum pretty = OidFunctionCall1(F_JSONB_PRETTY, value);
    EXPECT_STREQ(text_to_cstring(DatumGetTextPP(pretty)), PQgetvalue(result, 0, 0));
    PQclear(result);
  }
}

// --- stored rows ---

std::string hex(const std::string& bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  for (unsigned char byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

std::string random_json(std::mt19937& random, int depth) {
  auto below = [&](unsigned n) { return random() % n; };
  switch (below(depth > 0 ? 8 : 5)) {
    case 0:
      return "null";
    case 1:
      return below(2) != 0 ? "true" : "false";
    case 2:
      return std::to_string(static_cast<int>(random())) + "." + std::to_string(below(10000));
    case 3:
      return std::to_string(below(100));
    case 4:
      return "\"" + std::string(below(12), static_cast<char>('a' + below(26))) + "\"";
    case 5: {
      std::string out = "[";
      for (unsigned i = 0, n = below(45); i < n; i++)
        out += (i > 0 ? "," : "") + random_json(random, depth - 2);
      return out + "]";
    }
    default: {
      std::string out = "{";
      for (unsigned i = 0, n = below(10) == 0 ? 40 : below(6); i < n; i++)
        out += (i > 0 ? ",\"" : "\"") + std::string(below(3), 'k') + std::to_string(below(30)) +
               "\":" + random_json(random, depth - 1);
      return out + "}";
    }
  }
}

struct RowCall {
  TupleDesc desc;
  const char* const* values;
  const int* lengths;
  HeapTuple tuple;
};

void build_row(void* argument) {
  RowCall* call = static_cast<RowCall*>(argument);
  bgw::TupleBuilder* builder = bgw::make_tuple_builder(call->desc);
  call->tuple = bgw::build_tuple(builder, call->values, call->lengths);
}

TEST(TypesBesideServer, StoredRows) {
  const unsigned seed = static_cast<unsigned>(bgw_test::test_seed());
  std::mt19937 random(seed);
  auto below = [&](unsigned n) { return random() % n; };
  PGresult* made =
      PQexec(server(),
             "CREATE EXTENSION IF NOT EXISTS pageinspect; CREATE TEMP TABLE r (c1 bool, c2 int2, c3 text, c4 "
             "int4, c5 int8,"
             " c6 oid, c7 float4, c8 float8, c9 varchar(20), c10 char(7), c11 name, c12 \"char\", c13 bytea, "
             "c14 date, c15 time,"
             " c16 timetz, c17 timestamp, c18 timestamptz, c19 interval, c20 numeric, c21 uuid, c22 json, c23 "
             "jsonb, c24 xid,"
             " c25 xid8, c26 cid, c27 pg_lsn, c28 inet, c29 cidr, c30 int4[], c31 text[], c32 numeric[], c33 "
             "jsonb[], c34 int2,"
             " c35 bool[], c36 timestamptz[], c37 uuid[], c38 name[], c39 \"char\"[], c40 bpchar[],"
             " c41 bit(11), c42 varbit, c43 varbit[], c44 macaddr, c45 macaddr8, c46 tid, c47 tid[], c48 "
             "macaddr[], c49 point, c50 lseg, c51 box, c52 path, c53 polygon, c54 line, c55 circle, "
             "c56 point[], c57 box[], c58 path[], c59 pg_snapshot, c60 refcursor, c61 xml, c62 pg_snapshot[], "
             "c63 tsvector, c64 tsvector[], c65 tsquery, c66 tsquery[])");
  if (PQresultStatus(made) != PGRES_COMMAND_OK) {
    const std::string why = PQerrorMessage(server());
    PQclear(made);
    GTEST_SKIP() << "no pageinspect: " << why;
  }
  PQclear(made);
  constexpr int columns = 66;
  for (int round = 0; round < 150; round++) {
    auto digits = [&](unsigned n) {
      std::string out;
      for (unsigned i = 0; i < n; i++) out += static_cast<char>('0' + below(10));
      return out;
    };
    auto bits = [&](unsigned n) {
      std::string out;
      for (unsigned i = 0; i < n; i++) out += static_cast<char>('0' + below(2));
      return out;
    };
    auto word = [&](unsigned n) { return std::string(below(n), static_cast<char>('a' + below(26))); };
    auto number = [&] { return std::to_string(static_cast<int>(random())); };
    auto uuid = [&] {
      char text[33];
      for (int i = 0; i < 32; i++) text[i] = "0123456789abcdef"[below(16)];
      return std::string(text, 32);
    };
    auto points = [&](unsigned n) {
      std::string out;
      for (unsigned i = 0; i < n; i++)
        out += (i > 0 ? ",(" : "(") + number() + "." + digits(9) + "," + number() + ")";
      return out;
    };
    auto words = [&](unsigned n) {
      std::string out;
      for (unsigned i = below(n); i > 0; i--) {
        out += std::string(1 + below(4), static_cast<char>('a' + below(4)));
        for (unsigned p = 0, count = below(4); p < count; p++) {
          out += (p == 0 ? ":" : ",") + std::to_string(1 + below(300));
          if (below(2) != 0) out += "ABCD"[below(4)];
        }
        out += " ";
      }
      return out;
    };
    auto tid = [&] { return "(" + std::to_string(random()) + "," + std::to_string(below(65536)) + ")"; };
    const std::string day =
        std::to_string(1900 + below(300)) + "-0" + std::to_string(1 + below(9)) + "-1" + digits(1);
    const std::string clock = "1" + digits(1) + ":2" + digits(1) + ":3" + digits(1) + "." + digits(6);
    std::string json = random_json(random, 3);
    if (json.size() > 700) json = "[]";
    const std::vector<std::string> values = {
        below(2) != 0 ? "t" : "f",
        std::to_string(static_cast<int>(below(65536)) - 32768),
        word(250),
        number(),
        number() + digits(8),
        std::to_string(below(4000000000u)),
        "1" + digits(3) + "." + digits(3),
        "-1" + digits(8) + "e" + std::to_string(below(200)),
        word(20),
        word(7),
        word(63),
        word(2),
        "\\x" + uuid(),
        below(5) == 0 ? "infinity" : day,
        clock,
        clock + "+0" + digits(1),
        day + " " + clock,
        day + " " + clock + "-05:30",
        number() + " days " + digits(5) + " seconds",
        "-" + digits(20) + "." + digits(below(15)),
        uuid(),
        json,
        json,
        std::to_string(random()),
        digits(15),
        std::to_string(below(100)),
        digits(3) + "/" + digits(5),
        "1" + digits(1) + ".2." + digits(1) + ".4/1" + digits(1),
        "2001:db8::/32",
        "{1,NULL," + number() + "}",
        "{\"" + word(9) + "\",NULL,\"\"}",
        "[3:4]={1.5," + digits(20) + "}",
        "{NULL}",
        "7",
        "{t,NULL}",
        "{\"" + day + " " + clock + "+00\"}",
        "{" + uuid() + "}",
        "{x" + word(9) + "}",
        "{a,b}",
        "{ab,NULL}",
        bits(11),
        bits(below(200)),
        "{" + bits(1 + below(20)) + ",NULL}",
        uuid().substr(0, 12),
        uuid().substr(0, 16),
        tid(),
        "{\"" + tid() + "\",NULL,\"" + tid() + "\"}",
        "{" + uuid().substr(0, 12) + "," + uuid().substr(0, 12) + "}",
        points(1),
        points(2),
        points(2),
        "[" + points(1 + below(8)) + "]",
        "(" + points(1 + below(8)) + ")",
        "{" + number() + "," + number() + "," + number() + "}",
        points(1) + "," + digits(3),
        "{\"" + points(1) + "\",NULL}",
        "{" + points(2) + ";NULL;" + points(2) + "}",
        "{\"[" + points(3) + "]\",NULL}",
        "1" + digits(4) + ":2" + digits(4) + ":19999",
        word(30),
        "<a b=\"" + word(20) + "\"/>",
        "{NULL,10:20:11}",
        words(20),
        "{" + word(9) + "a:" + std::to_string(1 + below(20000)) + "B,NULL}",
        "a & " + ("b" + word(9)) + ":A <-> (!c | '" + digits(5) + "':*)",
        "{a|b&c,NULL,!d<3>e}"};
    std::string sql = "TRUNCATE r; INSERT INTO r VALUES (";
    for (int i = 0; i < columns; i++) {
      std::string value = values[static_cast<size_t>(i)];
      if (i == 32) value = "{\"[1, 2]\",NULL}";
      const bool null = below(6) == 0 && round % 3 != 0;
      sql += (i > 0 ? "," : "") + (null ? std::string("NULL") : literal(value));
    }
    PGresult* inserted = PQexec(server(), (sql + ")").c_str());
    ASSERT_EQ(PQresultStatus(inserted), PGRES_COMMAND_OK) << PQerrorMessage(server()) << sql;
    PQclear(inserted);
    PGresult* stored = PQexec(
        server(),
        "SELECT encode(t_data, 'hex'), t_infomask & 7 FROM heap_page_items(get_raw_page('r', 0)) LIMIT 1");
    ASSERT_EQ(PQresultStatus(stored), PGRES_TUPLES_OK) << PQerrorMessage(server());
    const std::string theirs = PQgetvalue(stored, 0, 0);
    const int their_mask = atoi(PQgetvalue(stored, 0, 1));
    PQclear(stored);
    if ((their_mask & HEAP_HASEXTERNAL) != 0) continue;

    PGresult* row = PQexec(server(), "SELECT * FROM r");
    std::vector<const char*> names, texts;
    std::vector<Oid> types;
    std::vector<int32> typmods;
    std::vector<int> lengths;
    for (int i = 0; i < columns; i++) {
      names.push_back(PQfname(row, i));
      types.push_back(PQftype(row, i));
      typmods.push_back(PQfmod(row, i));
      texts.push_back(PQgetisnull(row, 0, i) ? nullptr : PQgetvalue(row, 0, i));
      lengths.push_back(PQgetlength(row, 0, i));
    }
    RowCall call = {bgw::build_result_tupdesc(columns, names.data(), types.data(), typmods.data()),
                    texts.data(), lengths.data(), nullptr};
    const bgw_test::Caught error = bgw_test::caught(build_row, &call);
    ASSERT_FALSE(error.raised) << error.message;
    const char* start = reinterpret_cast<char*>(call.tuple->t_data);
    const std::string ours = hex(std::string(start + call.tuple->t_data->t_hoff, start + call.tuple->t_len));
    // Long rows are compressed in the server: only whole ones compare.
    if (theirs.size() == ours.size() || ours.size() < 3600) {
      EXPECT_EQ(ours, theirs) << "seed " << seed << " round " << round << " " << sql;
    }
    EXPECT_EQ(call.tuple->t_data->t_infomask & 7, their_mask);

    // What was built prints as it was read.
    for (int i = 0; i < columns; i++) {
      bool isnull;
      const Datum value = heap_getattr(call.tuple, i + 1, call.desc, &isnull);
      ASSERT_EQ(isnull, texts[static_cast<size_t>(i)] == nullptr);
      if (isnull) continue;
      const size_t at = static_cast<size_t>(i);
      EXPECT_STREQ(bgw::type_to_text(bgw::lookup_type(types[at]), value), texts[at]);
    }
    PQclear(row);
  }
}

}  // namespace
