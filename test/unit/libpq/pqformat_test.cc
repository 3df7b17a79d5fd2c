// What is written into a message is read out of it again, in network order, and a message that is too short,
// too long or without the end of a text is an error.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqformat.h"
}

namespace {

using bgw_test::caught;

std::string message_of(void (*function)(void*), StringInfo message) {
  bgw_test::Caught c = caught(function, message);
  return c.raised ? c.sqlstate + " " + c.message : "";
}

TEST(PqFormat, RoundTrip) {
  StringInfoData message;
  initStringInfo(&message);
  pq_sendint8(&message, 200);
  pq_sendint16(&message, 0xfedc);
  pq_sendint32(&message, 0x89abcdef);
  pq_sendint64(&message, UINT64CONST(0x8000000000000001));
  pq_sendfloat4(&message, -1.5f);
  pq_sendfloat8(&message, NAN);
  pq_sendstring(&message, "a string");
  pq_send_ascii_string(&message, "\xc3\xa9t");
  pq_sendcountedtext(&message, "text", 4, true);
  pq_sendtext(&message, "rest", 4);
  pq_sendbytes(&message, "\0\1", 2);
  EXPECT_EQ(std::string(message.data + 1, 2), "\xfe\xdc");

  EXPECT_EQ(pq_getmsgbyte(&message), 200);
  EXPECT_EQ(pq_getmsgint(&message, 2), 0xfedcu);
  EXPECT_EQ(pq_getmsgint(&message, 4), 0x89abcdefu);
  EXPECT_EQ(pq_getmsgint64(&message), INT64CONST(-0x7fffffffffffffff));
  EXPECT_EQ(pq_getmsgfloat4(&message), -1.5f);
  EXPECT_TRUE(std::isnan(pq_getmsgfloat8(&message)));
  EXPECT_STREQ(pq_getmsgstring(&message), "a string");
  EXPECT_STREQ(pq_getmsgrawstring(&message), "??t");
  EXPECT_EQ(pq_getmsgint(&message, 4), 8u);
  int length;
  EXPECT_STREQ(pq_getmsgtext(&message, 8, &length), "textrest");
  EXPECT_EQ(length, 8);
  EXPECT_EQ(message_of([](void* it) { pq_getmsgend(static_cast<StringInfo>(it)); }, &message),
            "08P01 invalid message format");
  EXPECT_EQ(pq_getmsgbytes(&message, 2)[1], 1);
  pq_getmsgend(&message);
  EXPECT_EQ(message_of([](void* it) { pq_getmsgbyte(static_cast<StringInfo>(it)); }, &message),
            "08P01 no data left in message");
  EXPECT_EQ(message_of([](void* it) { pq_getmsgint(static_cast<StringInfo>(it), 4); }, &message),
            "08P01 insufficient data left in message");
  EXPECT_EQ(message_of([](void* it) { pq_getmsgint(static_cast<StringInfo>(it), 3); }, &message),
            "XX000 unsupported integer size 3");
}

TEST(PqFormat, TextWithoutAnEnd) {
  StringInfoData message;
  initStringInfo(&message);
  appendBinaryStringInfo(&message, "abc", 3);
  EXPECT_EQ(message_of([](void* it) { pq_getmsgstring(static_cast<StringInfo>(it)); }, &message),
            "08P01 invalid string in message");
  EXPECT_EQ(message_of([](void* it) { pq_getmsgbytes(static_cast<StringInfo>(it), -1); }, &message),
            "08P01 insufficient data left in message");
}

TEST(PqFormat, ValuesOfTypes) {
  StringInfoData buffer;
  pq_begintypsend(&buffer);
  pq_sendint32(&buffer, 7);
  bytea* value = pq_endtypsend(&buffer);
  EXPECT_EQ(VARSIZE(value), VARHDRSZ + 4u);
  EXPECT_EQ(std::string(VARDATA(value), 4), std::string("\0\0\0\7", 4));
}

}  // namespace
