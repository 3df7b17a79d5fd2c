// The properties: a path is printed, or refused, as the server prints or refuses it, whatever the text; the bytes of a path in
// memory are those that the server stores; and what is nested too deeply is an error.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bridge/tuple_builder.hpp"
#include "support/random_cases.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"
}

namespace {

using namespace bgw_test;

std::string blank(Random& random) {
  return random.below(4) ? "" : random.one_of({" ", "\n", "\t", "  ", "/**/", " /* a * b */ "});
}

std::string number(Random& random) {
  return random.one_of({"0", "1", "12", "0.5", ".5", "7.", "1e3", "1.5E-3", "2e+10", "123456789012345678901234567890.5"});
}

std::string text(Random& random) {
  static const std::vector<const char*> pieces{"a", " ", "é", "\\u00e9", "\\u{1F600}", "\\ud83d\\ude00", "\\n", "\\t", "\\v",
                                               "\\b", "\\\"", "\\\\", "\\/", "\\x41", "'", "\t", "\x01", "$", "\\é", "z"};
  return "\"" + random.pieces(pieces, 4) + "\"";
}

std::string word(Random& random) {
  return random.one_of({"a", "key1", "to", "IS", "null", "True", "exists", "strict", "LAST", "starts", "with", "like_regex",
                        "flag", "type", "size", "datetime", "double", "keyvalue", "ключ", "a\\u0062", "\\x61b", "unknown"});
}

std::string expression(Random& random, int depth);
std::string predicate(Random& random, int depth);

std::string accessor(Random& random, int depth) {
  switch (random.below(12)) {
    case 0:
      return "." + blank(random) + word(random) + (random.below(2) ? " " : "");
    case 1:
      return "." + text(random);
    case 2:
      return random.one_of({".*", ".**", ".**{2}", ".**{last}", ".**{1 to 3}", ".**{0 to last}", ".**{ last to 5 }",
                            ".**{0}", ".**{2147483647}", ".** {3 to 3}"});
    case 3:
      return "[*]";
    case 4:
    case 5: {
      std::string subscripts = "[" + blank(random);
      for (int i = 1 + random.below(3); i > 0; i--) {
        subscripts += random.below(3) ? expression(random, depth - 2) : "last - " + number(random);
        if (random.below(3) == 0) subscripts += " to " + expression(random, depth - 2);
        if (i > 1) subscripts += ",";
      }
      return subscripts + blank(random) + "]";
    }
    case 6:
    case 7:
      return blank(random) + "?" + blank(random) + "(" + predicate(random, depth - 1) + ")";
    case 8:
      return ".datetime(" + blank(random) + (random.below(2) ? text(random) : "") + ")";
    default:
      return random.one_of({".type()", ".size()", ".abs ()", ".floor( )", ".ceiling()", ".double()", ".keyvalue()", ".TYPE()"});
  }
}

std::string expression(Random& random, int depth) {
  if (depth <= 0) return random.below(3) ? random.one_of({"$", "$", "@", "$x"}) : number(random);
  switch (random.below(14)) {
    case 0:
      return number(random);
    case 1:
      return text(random);
    case 2:
      return random.one_of({"null", "true", "false", "$a", "$\"a b\"", "$привет", "$1", "last"}) + blank(random);
    case 3:
      return "-" + blank(random) + expression(random, depth - 1);
    case 4:
      return "+" + expression(random, depth - 1);
    case 5:
    case 6:
      return "(" + expression(random, depth - 1) + ")" + (random.below(2) ? accessor(random, depth - 1) : "");
    case 7:
    case 8:
      return expression(random, depth - 1) + " " + random.one_of({"+", "-", "*", "/", "%"}) + " " +
             expression(random, depth - 1);
    case 9:
      return "(" + predicate(random, depth - 1) + ")" + accessor(random, depth - 1);
    default: {
      std::string path = random.below(3) ? "$" : "@";
      for (int i = random.below(4); i > 0; i--) path += blank(random) + accessor(random, depth - 1);
      return path;
    }
  }
}

std::string predicate(Random& random, int depth) {
  if (depth <= 0) return "@ == " + number(random);
  switch (random.below(10)) {
    case 0:
      return predicate(random, depth - 1) + " && " + predicate(random, depth - 1);
    case 1:
      return predicate(random, depth - 1) + "||" + predicate(random, depth - 1);
    case 2:
      return "!" + blank(random) + "(" + predicate(random, depth - 1) + ")";
    case 3:
      return std::string(random.below(2) ? "!" : "") + "exists" + blank(random) + "(" + expression(random, depth - 1) + ")";
    case 4:
      return "(" + predicate(random, depth - 1) + ") is unknown ";
    case 5:
      return expression(random, depth - 1) + " starts with " + (random.below(2) ? text(random) : "$prefix");
    case 6:
      return expression(random, depth - 1) + " like_regex " + random.one_of({"\"^a.*b$\"", "\"\\\\d+\"", "\"é\\n\"", "\"\""}) +
             random.one_of({"", "", " flag \"i\"", " flag \"smi\"", " flag \"xq\"", " flag \"\""});
    case 7:
      return "(" + predicate(random, depth - 1) + ")";
    default:
      return expression(random, depth - 1) + random.one_of({" == ", " != ", "<>", "<", " <= ", ">", ">= "}) +
             expression(random, depth - 1);
  }
}

std::string path(Random& random) {
  std::string whole = random.one_of({"", "", "", "lax ", "strict ", "STRICT\n", " "});
  return whole + (random.below(4) ? expression(random, 5) : predicate(random, 4)) + blank(random);
}

// A good path with something taken out, put in or doubled.
std::string broken(Random& random, std::string text) {
  static const std::vector<const char*> pieces{
      "(",  ")",   "[",    "]",  "{",     "}",      "\"",  "\\",    "\\u", "\\u12", "\\ud800", "\\ude00", "\\u0000", "\\u{110000}",
      "\\x", "\\x4", "/*",  "*/", "1a",    "1ab",    "00",  "1e",    "1e+", "1.5x",  "..",      ".",       ".1",      "?",
      "&&", "||",  "!",    "==", "=",     "&",      "|",   "#",     ":",   ",",     "@",       "last",    "to",      " is ",
      "exists", " flag ", "**", "$", "$\"", " like_regex ", " starts ", "+", "-", "%", "1.type()", "a\\", "\n", " ", "99999999999"};
  for (int i = 1 + random.below(2); i > 0; i--) {
    const size_t at = static_cast<size_t>(random.below(static_cast<int>(text.size()) + 1));
    switch (random.below(3)) {
      case 0:
        text.insert(at, random.one_of(pieces));
        break;
      case 1:
        text.erase(at, static_cast<size_t>(1 + random.below(3)));
        break;
      default:
        text.resize(at);
    }
  }
  // What has been cut inside a character is not the database's text.
  std::string whole;
  for (size_t i = 0; i < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
    bool good = length > 0 && i + length <= text.size();
    for (size_t k = 1; good && k < length; k++) good = (static_cast<unsigned char>(text[i + k]) & 0xc0) == 0x80;
    if (good) whole += text.substr(i, length);
    i += good ? length : 1;
  }
  return whole;
}

Case reading(const std::string& text) {
  return {sql_literal(text) + "::jsonpath", {nullptr, jsonpath_out, {{jsonpath_in, text}}}};
}

TEST(JsonpathBesideServer, Texts) {
  BesideServer server;
  Random random(comparison_seed());
  std::vector<Case> cases;
  for (const char* text :
       {"", " ", "/**/", "$", "@", "last", "strict", "lax", "strict $.a", "TRUE", "1a", "1ab", "00", "000", "1.", ".1", "$.1",
        "$.1a", "1.type()", "1..type()", "(1).type()", "-1.type()", "- - 1", "-1.5.abs()", "-(1)", "+$", "$.a/*c*/.b", "$.a /*c*/ .b",
        "$.a b", "$.a+", "$.a b +", "!(1==1) is unknown", "(1==1) is unknown", "exists(1==1)", "exists((1==1))", "1 == 1 == 1",
        "1 == 2 && 3 == 4 || !exists($.a)", "(1 == 2).type()", "(1 == 2)", "((1))", "((1 == 2))", "($)", "$ ? (1)", "$ ? ((1))",
        "$[1==2]", "$[(1==2).size()]", "!1", "1 + !exists($)", "$.datetime(1)", "$.abs(1)", "$.a()", "$.type", "$.\"type\"()",
        "$.**{1 to 99999999999}", "$.**{1.5}", "$ ? (@ like_regex $x)", "$ ? (@ like_regex \"a\" flag \"x\")",
        "$ ? (@ like_regex \"a\" flag \"é\")", "$ ? (@ like_regex \"a\" flag 1)", "$ ? (@ like_regex)", "$ ? (@ like_regex \"a\" flag)", "$ like_regex \"a\" && true",
        "$ like_regex \"\\q\"", "$ like_regex \"a\" flag \"iix\"", "(($ like_regex \"a\") like_regex \"b\")", "$[last]", "$ ? (last == 1)", "$[@]", "1e1000000000",
        "1e1000", "\"\\u{0}\"", "\"abc", "/* abc", "$\"", "$x$y", "$#", "\\", "\\ a", "$.\\u0074ype()", "\"\\ud800\"", "\"\\ude00\"",
        "\"\\ud800\\ud800\"", "\"\\ud800x\"", "\"\\ud83d\\ude00\"", "\"\\x80\"", "$ . a", "$ ? (@ == 1) . b", "$[1,2 to 3,]",
        "(($.a + 1) * 2 - -3) % 4 / 5", "1 - (2 - 3)", "1 - 2 - 3", "1 * (2 + 3)", "(1 * 2) + 3", "- (1 + 2)", "-$.a.b + 1",
        "($.a == 1 || $.b == 2) && $.c == 3", "$.a == 1 || ($.b == 2 && $.c == 3)", "$.**{last}", "$.**{1}", "$.**{0 to last}"})
    cases.push_back(reading(text));
  server.compare(cases, "picked paths");
  cases.clear();
  for (int i = 0; i < 3000; i++) cases.push_back(reading(path(random)));
  server.compare(cases, "paths");
  // What has been printed is read again. (The server does not print all of its paths so that it reads the same.)
  std::vector<Case> again;
  for (const Case& c : cases) {
    const Answer answer = host_answer(c.call);
    if (answer.starts_with("ok: ")) again.push_back(reading(answer.substr(4)));
  }
  EXPECT_GT(again.size(), 1000u);
  server.compare(again, "printed paths");
  cases.clear();
  while (cases.size() < 4000) {
    const std::string text = broken(random, path(random));
    // A broken pattern is the upstream's to find.
    if (text.find("like_regex") == std::string::npos) cases.push_back(reading(text));
  }
  server.compare(cases, "broken paths");
}

TEST(JsonpathBesideServer, DepthEndsInAnError) {
  const pg_stack_base_t before = set_stack_base();
  const std::string many(100000, '(');
  auto answer = [](const std::string& text) { return host_answer(reading(text).call).substr(0, 13); };
  EXPECT_EQ(answer(many + "1"), "error: 54001:");
  EXPECT_EQ(answer(std::string(100000, '-') + "$"), "error: 54001:");
  std::string filters = "$", end;
  for (int i = 0; i < 30000; i++) {
    filters += "?(@";
    end += "==1)";
  }
  EXPECT_EQ(answer(filters + end), "error: 54001:");
  // As deep as the server reads it as well.
  const std::string some(1500, '('), closing(1500, ')');
  EXPECT_EQ(host_answer(reading(some + "$" + closing).call), "ok: $");
  restore_stack_base(before);
}

struct Row {
  std::string number;
  const char* text;
  std::string bytes;
};

std::string hexadecimal(const char* bytes, size_t length) {
  std::string out;
  char digits[3];
  for (size_t i = 0; i < length; i++) {
    snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(bytes[i]));
    out += digits;
  }
  return out;
}

void build_row(void* argument) {
  Row* row = static_cast<Row*>(argument);
  const char* names[] = {"n", "p"};
  const Oid types[] = {INT4OID, JSONPATHOID};
  const char* texts[] = {row->number.c_str(), row->text};
  const int lengths[] = {static_cast<int>(row->number.size()), static_cast<int>(strlen(row->text))};
  TupleDesc desc = bgw::build_result_tupdesc(2, names, types, nullptr);
  HeapTuple tuple = bgw::build_tuple(bgw::make_tuple_builder(desc), texts, lengths);
  row->bytes = hexadecimal(reinterpret_cast<char*>(tuple->t_data) + tuple->t_data->t_hoff, tuple->t_len - tuple->t_data->t_hoff);
}

TEST(JsonpathBesideServer, Bytes) {
  BesideServer server;
  PGresult* made = PQexec(server.connection(), "CREATE EXTENSION pageinspect");
  const bool there = PQresultStatus(made) == PGRES_COMMAND_OK;
  PQclear(made);
  if (!there) GTEST_SKIP() << "no pageinspect: " << PQerrorMessage(server.connection());
  Random random(comparison_seed());
  query(server.connection(), "CREATE TABLE r (n int4, p jsonpath); ALTER TABLE r ALTER p SET STORAGE PLAIN");
  std::vector<std::string> paths;
  std::string sql = "INSERT INTO r VALUES ";
  while (paths.size() < 600) {
    std::string one = path(random);
    if (one.size() > 1000 || !host_answer(reading(one).call).starts_with("ok: ")) continue;
    sql += (paths.empty() ? "(" : ",(") + std::to_string(paths.size()) + "," + sql_literal(one) + ")";
    paths.push_back(one);
  }
  PGresult* inserted = PQexec(server.connection(), sql.c_str());
  ASSERT_EQ(PQresultStatus(inserted), PGRES_COMMAND_OK) << PQerrorMessage(server.connection());
  PQclear(inserted);
  PGresult* stored =
      PQexec(server.connection(),
             "SELECT encode(t_data, 'hex') FROM r JOIN (SELECT b, i.* FROM generate_series(0, pg_relation_size('r') / 8192 "
             "- 1) b, heap_page_items(get_raw_page('r', b::int)) i) i ON i.t_ctid = r.ctid ORDER BY n");
  ASSERT_EQ(PQresultStatus(stored), PGRES_TUPLES_OK) << PQerrorMessage(server.connection());
  ASSERT_EQ(PQntuples(stored), static_cast<int>(paths.size()));
  for (int i = 0; i < PQntuples(stored); i++) {
    Row row = {std::to_string(i), paths[static_cast<size_t>(i)].c_str(), {}};
    const Caught error = caught(build_row, &row);
    ASSERT_FALSE(error.raised) << error.message;
    EXPECT_EQ(row.bytes, PQgetvalue(stored, i, 0)) << paths[static_cast<size_t>(i)];
  }
  PQclear(stored);
}

}  // namespace
