// The property: the send function of every type that has one here gives the bytes that the server sends for the same
// value, and its recv function makes of bytes, good and broken, what the server makes of them, or fails with the same
// SQLSTATE and message.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "bridge/type_io.hpp"
#include "support/beside_server.hpp"
#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
}

namespace {

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

struct Call {
  const bgw::TypeInfo* type;
  const std::string* bytes;
  std::string text;  // in, then out
};

Oid io_param(const bgw::TypeInfo* type) {
  return OidIsValid(type->typelem) ? type->typelem : type->oid;
}

void send_value(void* argument) {
  Call* call = static_cast<Call*>(argument);
  const Datum value =
      OidInputFunctionCall(call->type->typinput, pstrdup(call->text.c_str()), io_param(call->type), -1);
  const bytea* sent = OidSendFunctionCall(call->type->typsend, value);
  call->text.assign(VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
}

void receive_value(void* argument) {
  Call* call = static_cast<Call*>(argument);
  StringInfoData message;
  initStringInfo(&message);
  appendBinaryStringInfo(&message, call->bytes->data(), static_cast<int>(call->bytes->size()));
  const Datum value = OidReceiveFunctionCall(call->type->typreceive, &message, io_param(call->type), -1);
  if (message.cursor != message.len)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
                    errmsg("incorrect binary data format in bind parameter %d", 1)));
  call->text = OidOutputFunctionCall(call->type->typoutput, value);
}

std::string host_reads(const bgw::TypeInfo* type, const std::string& bytes) {
  Call call = {type, &bytes, {}};
  const bgw_test::Caught error = bgw_test::caught(receive_value, &call);
  return error.raised ? "error: " + error.sqlstate + ": " + error.message : "ok: " + call.text;
}

std::string server_reads(const bgw::TypeInfo* type, const std::string& bytes) {
  const Oid oid = type->oid;
  const char* value = bytes.data();
  const int length = static_cast<int>(bytes.size()), format = 1;
  PGresult* result = PQexecParams(server(), "SELECT $1", 1, &oid, &value, &length, &format, 0);
  std::string answer;
  if (PQresultStatus(result) == PGRES_TUPLES_OK)
    answer = std::string("ok: ") + PQgetvalue(result, 0, 0);
  else
    answer = std::string("error: ") + PQresultErrorField(result, PG_DIAG_SQLSTATE) + ": " +
             PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  PQclear(result);
  return answer;
}

std::string server_sends(const std::string& type, const std::string& text) {
  const std::string sql = "SELECT " + bgw_test::sql_literal(text) + "::pg_catalog.\"" + type + "\"";
  PGresult* result = PQexecParams(server(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1);
  EXPECT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << sql << ": " << PQerrorMessage(server());
  std::string bytes(PQgetvalue(result, 0, 0), static_cast<std::size_t>(PQgetlength(result, 0, 0)));
  PQclear(result);
  return bytes;
}

std::string hexadecimal(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    char digits[4];
    snprintf(digits, sizeof(digits), "%02x", static_cast<unsigned char>(c));
    out += digits;
  }
  return out;
}

struct Values {
  const char* type;
  std::vector<const char*> texts;
  bool text_inside = false;  // whose bytes are text, which must stay of the encoding
  bool receives = true;
};

const std::vector<Values>& all_values() {
  static const std::vector<Values> values = {
      {"bool", {"t", "f"}},
      {"char", {"a", "", "\\377"}},
      {"int2", {"0", "-32768", "32767"}},
      {"int4", {"0", "-2147483648", "17"}},
      {"int8", {"0", "-9223372036854775808", "1234567890123"}},
      {"oid", {"0", "4294967295"}},
      {"xid", {"3"}},
      {"cid", {"7"}},
      {"xid8", {"18446744073709551615"}},
      {"float4", {"0", "-0", "NaN", "Infinity", "1.5e-45", "3.25"}},
      {"float8", {"0", "-0", "NaN", "-Infinity", "5e-324", "0.1"}},
      {"numeric",
       {"0", "0.000", "NaN", "Infinity", "-Infinity", "1", "-1.50", "10000", "0.0001", "123456789012345678901234567890.12345",
        "1e100", "1e-100"}},
      {"text", {"", "abc", "\xc3\xa4\xe2\x82\xac"}, true},
      {"varchar", {"", "abc"}, true},
      {"bpchar", {"abc  "}, true},
      {"name", {"", "abc"}, true},
      {"bytea", {"\\x", "\\x00ff10"}},
      {"json", {"{\"a\": [1, 2.50, null]}"}, true},
      {"jsonb", {"{\"a\": [1, 2.50, null]}", "1"}, true},
      {"jsonpath", {"$", "strict $.a[1 to last] ? (@ > 1.50).type()"}, true},
      {"date", {"2024-02-29", "infinity", "-infinity", "4713-01-01 BC"}},
      {"time", {"00:00", "24:00", "12:34:56.789"}},
      {"timetz", {"12:34:56.789-05:30", "00:00+15:59"}},
      {"timestamp", {"2024-02-29 12:34:56.789", "infinity", "4713-01-01 BC"}},
      {"timestamptz", {"2024-02-29 12:34:56.789+02", "-infinity"}},
      {"interval", {"1 year -3 days 04:05:06.7", "0"}},
      {"uuid", {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}},
      {"pg_lsn", {"16/B374D848"}},
      {"tid", {"(4294967295,65535)", "(1,2)"}},
      {"macaddr", {"08:00:2b:01:02:03"}},
      {"macaddr8", {"08:00:2b:01:02:03:04:05"}},
      {"bit", {"", "101", "10101010", "1111000011110"}},
      {"varbit", {"", "101", "1111000011110"}},
      {"point", {"(1.5,-2)"}},
      {"lseg", {"(1,2),(3,4)"}},
      {"box", {"(1,2),(3,4)"}},
      {"circle", {"<(1,2),3>"}},
      {"line", {"{1,2,3}"}},
      {"path", {"((1,2),(3,4))", "[(1,2)]"}},
      {"polygon", {"((1,2),(3,4),(5,0))"}},
      {"inet", {"1.2.3.4", "10.0.0.1/8", "::1/64"}},
      {"cidr", {"10.0.0.0/8", "2001:db8::/32"}},
      {"pg_snapshot", {"1:1:", "1:20:3,4,19"}},
      {"tsvector", {"", "a:1 b", "ab:3,7 'c d':2 e"}, true},
      {"tsquery", {"a", "a & !b:*", "a <2> b | 'c d':AB & !(e | f)"}, true},
      {"_inet", {"{1.2.3.4,NULL}"}},
      {"_box", {"{(1,2),(3,4);(5,6),(7,8)}"}},
      {"int2vector", {"1 -2 3"}},
      {"oidvector", {"1 2 4000000000"}},
      {"int4range", {"empty", "[1,5)", "(,7)", "[3,)", "(,)"}},
      {"numrange", {"empty", "(1.5,2.5]", "[0,0]"}},
      {"daterange", {"[2024-01-01,infinity]"}},
      {"tstzrange", {"[2024-01-01 00:00+00,)"}},
      {"int8multirange", {"{}", "{[1,5),[7,9)}"}},
      {"nummultirange", {"{(,1.5),[2,2]}"}},
      {"_int4", {"{}", "{1,NULL,3}", "[2:3][0:1]={{1,2},{3,4}}"}},
      {"_text", {"{\"\",abc,NULL}"}, true},
      {"_numrange", {"{\"[1,2]\",empty}"}},
      {"_date", {"{2024-01-01,infinity}"}},
      {"_bit", {"{101,0}"}},
      {"regclass", {"pg_class"}, false, false},
  };
  return values;
}

TEST(BinaryBesideServer, Sends) {
  for (const Values& values : all_values()) {
    const bgw::TypeInfo* type = type_named(values.type);
    ASSERT_NE(type, nullptr) << values.type;
    if (!type->constructible) continue;
    for (const char* text : values.texts) {
      Call call = {type, nullptr, text};
      const bgw_test::Caught error = bgw_test::caught(send_value, &call);
      EXPECT_FALSE(error.raised) << values.type << " " << text << ": " << error.message;
      if (error.raised) continue;
      EXPECT_EQ(hexadecimal(call.text), hexadecimal(server_sends(values.type, text))) << values.type << " " << text;
    }
  }
}

constexpr const char* unknown_type = "(\?\?\?)";

// A message of a type mismatch as it is when the first type has no name here.
std::string without_type_name(std::string message) {
  const std::size_t from = message.find('('), to = message.find(')');
  if (from != std::string::npos && to != std::string::npos) message.replace(from, to + 1 - from, unknown_type);
  return message;
}

TEST(BinaryBesideServer, Receives) {
  const unsigned seed = static_cast<unsigned>(bgw_test::test_seed());
  std::mt19937 random(seed);
  for (const Values& values : all_values()) {
    const bgw::TypeInfo* type = type_named(values.type);
    if (!type->constructible || !values.receives) continue;
    for (const char* text : values.texts) {
      const std::string good = server_sends(values.type, text);
      auto same = [&](const std::string& bytes) {
        const std::string expected = server_reads(type, bytes);
        const std::string got = host_reads(type, bytes);
        // A count that no memory is enough for: here what is wrong with the message itself is seen.
        if (expected.find("invalid memory alloc") != std::string::npos && got.starts_with("error: ")) return;
        // The row types of catalogs have a name only where there is a session to ask.
        const bool nameless = got.find(unknown_type) != std::string::npos;
        EXPECT_EQ(got, nameless ? without_type_name(expected) : expected)
            << values.type << " " << text << " as " << hexadecimal(bytes) << ", seed " << seed;
      };
      same(good);
      // Text cut in the middle of a character is the business of the encoding.
      if (values.text_inside) {
        // Of words, what stands before and between them may be broken.
        if (std::string(values.type).starts_with("ts"))
          for (int round = 0; round < 20 && !good.empty(); round++) {
            std::string broken = good;
            const size_t at = random() % broken.size();
            if (static_cast<unsigned char>(broken[at]) < 0x80) broken[at] = static_cast<char>(random() % 12);
            if (random() % 2) broken.resize(random() % broken.size());
            same(broken);
          }
        continue;
      }
      for (std::size_t len = 0; len < good.size(); len += 1 + (len < 12 ? 0 : random() % 4)) same(good.substr(0, len));
      same(good + std::string(1, '\0'));
      for (int round = 0; round < 12 && !good.empty(); round++) {
        std::string broken = good;
        for (unsigned i = 0; i <= random() % 2; i++) broken[random() % broken.size()] = static_cast<char>(random());
        same(broken);
      }
    }
  }
}

}  // namespace
