// The property: for generated and hand-picked values, the host's functions on boolean, the integers, oid, the
// floats and numeric give exactly the text, or exactly the error, that a real server gives.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>

#include "support/beside_server.hpp"

extern "C" {
#include "utils/float.h"
#include "utils/fmgrprotos.h"
}

namespace {

using namespace bgw_test;

struct NumberType {
  const char* name;
  PGFunction in, out;
};

Case cast(const NumberType& type, const std::string& text) {
  return {sql_literal(text) + "::" + type.name, {nullptr, type.out, {{type.in, text}}}};
}

Case binary(const NumberType& type, const char* op, PGFunction function, const std::string& a,
            const std::string& b, PGFunction out = nullptr) {
  return {sql_literal(a) + "::" + type.name + " " + op + " " + sql_literal(b) + "::" + type.name,
          {function, out ? out : type.out, {{type.in, a}, {type.in, b}}}};
}

Case unary(const NumberType& type, const std::string& before, const std::string& after, PGFunction function,
           const std::string& a, PGFunction out) {
  return {before + sql_literal(a) + "::" + type.name + after, {function, out, {{type.in, a}}}};
}

const NumberType int2{"int2", int2in, int2out}, int4{"int4", int4in, int4out}, int8{"int8", int8in, int8out},
    oid{"oid", oidin, oidout}, float4{"float4", float4in, float4out}, float8{"float8", float8in, float8out},
    boolean{"bool", boolin, boolout}, number{"numeric", numeric_in, numeric_out}, xid{"xid", xidin, xidout},
    xid8{"xid8", xid8in, xid8out}, cid{"cid", cidin, cidout};

std::string digits(std::mt19937& random, int n) {
  std::string s;
  for (int i = 0; i < n; i++) s.push_back(static_cast<char>('0' + random() % 10));
  return s;
}

std::string decimal(std::mt19937& random, int most) {
  std::string s = random() % 2 ? "-" : "";
  switch (random() % 6) {
    case 0:
      s += std::string(random() % 3, '0') + "." + std::string(random() % 9, '0') +
           digits(random, 1 + random() % most);
      break;
    case 1:
      s += digits(random, 1 + random() % most) + std::string(random() % 9, '0');
      break;
    case 2:
      s += std::string(1 + random() % 12, '9') + "." + std::string(random() % 9, '9');
      break;
    default:
      s += digits(random, 1 + random() % most) + "." + digits(random, random() % most);
  }
  if (random() % 8 == 0) s += "e" + std::to_string(static_cast<int>(random() % 60) - 30);
  return s;
}

TEST(NumbersBesideServer, IntegersAndIdentifiers) {
  BesideServer server;
  std::mt19937 random(comparison_seed());
  std::vector<std::string> texts{"0",
                                 "-0",
                                 "+5",
                                 " 7 ",
                                 "",
                                 " ",
                                 "-",
                                 "+",
                                 "1x",
                                 "x",
                                 "1 2",
                                 "32767",
                                 "32768",
                                 "-32768",
                                 "-32769",
                                 "2147483647",
                                 "2147483648",
                                 "-2147483648",
                                 "-2147483649",
                                 "9223372036854775807",
                                 "9223372036854775808",
                                 "-9223372036854775808",
                                 "-9223372036854775809",
                                 "99999999999999999999999x",
                                 "0x10",
                                 "1e3",
                                 "1.5",
                                 "4294967295",
                                 "4294967296",
                                 "-1",
                                 "\t12\n",
                                 "00012",
                                 "--1",
                                 "18446744073709551615",
                                 "010"};
  for (int i = 0; i < 40; i++) texts.push_back((random() % 2 ? "-" : "") + digits(random, 1 + random() % 20));
  std::vector<Case> cases;
  for (const auto& text : texts)
    for (const NumberType* type : {&int2, &int4, &int8, &oid, &xid, &xid8, &cid})
      cases.push_back(cast(*type, text));
  for (const char* text : {"t",   "true", "TRUE", "tr", "f", "false", "fals", "y",    "yes",   "no", "n",  "on",
                           "off", "of",   "o",    "1",  "0", "2",     "",     " on ", "truee", "01", "t f"})
    cases.push_back(cast(boolean, text));
  struct Op {
    const char* text;
    PGFunction f2, f4, f8;
    bool truth;
  } ops[] = {{"+", int2pl, int4pl, int8pl, false},    {"-", int2mi, int4mi, int8mi, false},
             {"*", int2mul, int4mul, int8mul, false}, {"/", int2div, int4div, int8div, false},
             {"%", int2mod, int4mod, int8mod, false}, {"&", int2and, int4and, int8and, false},
             {"|", int2or, int4or, int8or, false},    {"#", int2xor, int4xor, int8xor, false},
             {"<", int2lt, int4lt, int8lt, true},     {">=", int2ge, int4ge, int8ge, true}};
  auto some = [&](int bits) {
    int64 value = static_cast<int64>((static_cast<uint64>(random()) << 32) | random());
    value >>= 64 - bits + random() % bits;
    switch (random() % 8) {
      case 0:
        value = bits == 64 ? PG_INT64_MIN : -(INT64CONST(1) << (bits - 1));
        break;
      case 1:
        value = static_cast<int64>(random() % 3) - 1;
        break;
    }
    return std::to_string(value);
  };
  for (int i = 0; i < 60; i++) {
    for (const Op& op : ops) {
      PGFunction out = op.truth ? boolout : nullptr;
      cases.push_back(binary(int2, op.text, op.f2, some(16), some(16), out));
      cases.push_back(binary(int4, op.text, op.f4, some(32), some(32), out));
      cases.push_back(binary(int8, op.text, op.f8, some(64), some(64), out));
    }
    cases.push_back(unary(int8, "", "::int4", int84, some(random() % 2 ? 64 : 33), int4out));
    cases.push_back(unary(int4, "", "::int2", i4toi2, some(18), int2out));
    cases.push_back(unary(int4, "-(", ")", int4um, some(32), int4out));
    cases.push_back(unary(int8, "abs(", ")", int8abs, some(64), int8out));
    std::string a = some(16), b = some(40);
    cases.push_back({"hashint8(" + sql_literal(b) + ")", {hashint8, int4out, {{int8in, b}}}});
    cases.push_back({"hashint2(" + sql_literal(a) + ")", {hashint2, int4out, {{int2in, a}}}});
  }
  server.compare(cases, "integers");
}

TEST(NumbersBesideServer, Floats) {
  BesideServer server;
  std::mt19937 random(comparison_seed());
  std::vector<std::string> texts{
      "NaN",    "nan",     "Infinity", "-Infinity", "inf",      "-inf",   "+inf",
      "1e308",  "1e309",   "-1e309",   "1e-400",    "4.9e-324", "1e-325", "1e38",
      "3.5e38", "1e-46",   "1.4e-45",  "",          " ",        "x",      "1x",
      "0x1p3",  " 12.5 ",  "-0",       "1e",        ".5",       "5.",     ".",
      "1_0",    "infinit", "12 3",     "0.1",       "1e15",     "1e16",   "123456789012345678"};
  for (int i = 0; i < 300; i++) {
    texts.push_back(decimal(random, 18));
    uint64 bits = (static_cast<uint64>(random()) << 32) | random();
    double value;
    memcpy(&value, &bits, sizeof value);
    char text[64];
    sprintf(text, "%.17g", value);
    texts.push_back(text);
  }
  std::vector<Case> cases;
  auto pick = [&] { return texts[random() % texts.size()]; };
  for (const char* extra : {"1", "0", "-15"}) {
    cases.clear();
    server.set("extra_float_digits", extra);
    extra_float_digits = atoi(extra);
    for (const auto& text : texts) {
      cases.push_back(cast(float4, text));
      cases.push_back(cast(float8, text));
    }
    for (int i = 0; i < 200; i++) {
      std::string a = pick(), b = pick();
      cases.push_back(binary(float8, "+", float8pl, a, b));
      cases.push_back(binary(float8, "*", float8mul, a, b));
      cases.push_back(binary(float8, "/", float8div, a, b));
      cases.push_back(binary(float4, "/", float4div, a, b));
      cases.push_back(binary(float4, "*", float4mul, a, b));
      cases.push_back(binary(float8, "<", float8lt, a, b, boolout));
      cases.push_back(unary(float8, "", "::int4", dtoi4, a, int4out));
      cases.push_back(unary(float8, "", "::int8", dtoi8, a, int8out));
      cases.push_back(unary(float4, "", "::int2", ftoi2, a, int2out));
      cases.push_back(unary(float8, "", "::float4", dtof, a, float4out));
      cases.push_back(unary(float4, "", "::float8", ftod, a, float8out));
      cases.push_back(unary(float8, "hashfloat8(", ")", hashfloat8, a, int4out));
      cases.push_back(unary(float4, "hashfloat4(", ")", hashfloat4, a, int4out));
    }
    server.compare(cases, std::string("floats, extra_float_digits ") + extra);
  }
  extra_float_digits = 1;
}

TEST(NumbersBesideServer, Numeric) {
  BesideServer server;
  std::mt19937 random(comparison_seed());
  std::vector<std::string> texts{
      "0",          "-0",       "0.000",    "NaN",      "nan",      "Infinity",
      "-infinity",  "inf",      "-inf",     "+inf",     "",         " ",
      ".",          "-",        "1e",       "1e5",      "1E-5",     "1e400",
      "1e-400",     "1e131071", "1e131072", "1e-16383", "1e-16384", "1e99999999999",
      "12x",        " 1.50 ",   "1 2",      "9999.5",   "0.0001",   "10000",
      "0.00009999", "+1",       "5.",       ".5",       "-.5e1",    "99999999.99999999",
      "infx",       "1.e2",     "0e10",     "0.5",      "-0.5",     "1.5"};
  for (int i = 0; i < 250; i++) texts.push_back(decimal(random, 40));
  for (int i = 0; i < 10; i++) texts.push_back(decimal(random, 300));
  std::vector<Case> cases;
  for (const auto& text : texts) cases.push_back(cast(number, text));
  auto pick = [&] { return random() % 5 == 0 ? texts[random() % 12] : texts[random() % texts.size()]; };
  for (int i = 0; i < 400; i++) {
    std::string a = pick(), b = pick();
    cases.push_back(binary(number, "+", numeric_add, a, b));
    cases.push_back(binary(number, "-", numeric_sub, a, b));
    cases.push_back(binary(number, "*", numeric_mul, a, b));
    cases.push_back(binary(number, "/", numeric_div, a, b));
    cases.push_back(binary(number, "%", numeric_mod, a, b));
    cases.push_back(binary(number, "=", numeric_eq, a, b, boolout));
    cases.push_back(binary(number, "<", numeric_lt, a, b, boolout));
    cases.push_back(unary(number, "-(", ")", numeric_uminus, a, numeric_out));
    cases.push_back(unary(number, "abs(", ")", numeric_abs, a, numeric_out));
    cases.push_back(unary(number, "ceil(", ")", numeric_ceil, a, numeric_out));
    cases.push_back(unary(number, "floor(", ")", numeric_floor, a, numeric_out));
    cases.push_back(unary(number, "sign(", ")", numeric_sign, a, numeric_out));
    cases.push_back(unary(number, "trim_scale(", ")", numeric_trim_scale, a, numeric_out));
    cases.push_back(unary(number, "min_scale(", ")", numeric_min_scale, a, int4out));
    cases.push_back(unary(number, "", "::int4", numeric_int4, a, int4out));
    cases.push_back(unary(number, "", "::int8", numeric_int8, a, int8out));
    cases.push_back(unary(number, "", "::int2", numeric_int2, a, int2out));
    cases.push_back(unary(number, "", "::float8", numeric_float8, a, float8out));
    cases.push_back(unary(number, "", "::float4", numeric_float4, a, float4out));
    cases.push_back(unary(number, "hash_numeric(", ")", hash_numeric, a, int4out));
    cases.push_back(unary(float8, "", "::numeric", float8_numeric,
                          std::to_string(std::ldexp(random(), random() % 80 - 60)), numeric_out));
    cases.push_back(
        unary(float4, "", "::numeric", float4_numeric, std::to_string(random() % 100000 / 64.0), numeric_out));
    int scale = static_cast<int>(random() % 20) - 8;
    std::string s = std::to_string(scale);
    cases.push_back({"round(" + sql_literal(a) + "::numeric," + s + ")",
                     {numeric_round, numeric_out, {{numeric_in, a}, {int4in, s}}}});
    cases.push_back({"trunc(" + sql_literal(a) + "::numeric," + s + ")",
                     {numeric_trunc, numeric_out, {{numeric_in, a}, {int4in, s}}}});
    cases.push_back({"div(" + sql_literal(a) + "::numeric," + sql_literal(b) + ")",
                     {numeric_div_trunc, numeric_out, {{numeric_in, a}, {numeric_in, b}}}});
    int precision = 1 + static_cast<int>(random() % 30), typmod_scale = static_cast<int>(random() % 24) - 6;
    int typmod = ((precision << 16) | (typmod_scale & 0x7ff)) + static_cast<int>(VARHDRSZ);
    cases.push_back(
        {sql_literal(a) + "::numeric(" + std::to_string(precision) + "," + std::to_string(typmod_scale) + ")",
         {numeric, numeric_out, {{numeric_in, a}, {int4in, std::to_string(typmod)}}}});
  }
  server.compare(cases, "numeric");
}

}  // namespace
