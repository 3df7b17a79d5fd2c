// The property: a value of any of these types, printed and read again, is the same value, bit for bit, over
// seeded random values and the extremes; and numeric is stored in the server's own bytes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "utils/timezone_internal.hpp"
#include "support/beside_server.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
}

namespace {

using bgw_test::comparison_seed;

// Everything is palloc'd in a context of the test's own.
class NumbersAndDatesRoundTrip : public ::testing::Test {
 protected:
  void SetUp() override {
    context_ = AllocSetContextCreate(CurrentMemoryContext, "round trip", ALLOCSET_DEFAULT_SIZES);
    before_ = MemoryContextSwitchTo(context_);
  }
  void TearDown() override {
    MemoryContextSwitchTo(before_);
    MemoryContextDelete(context_);
    bgw_set_session_timezone("GMT");
    IntervalStyle = INTSTYLE_POSTGRES;
  }
  Datum again(PGFunction in, PGFunction out, Datum value) {
    return DirectFunctionCall3(in, DirectFunctionCall1(out, value), ObjectIdGetDatum(InvalidOid),
                               Int32GetDatum(-1));
  }
  uint64 bits() { return (static_cast<uint64>(random_()) << 32) | random_(); }
  void reset() { MemoryContextReset(context_); }

  std::mt19937 random_{comparison_seed()};

 private:
  MemoryContext context_, before_;
};

TEST_F(NumbersAndDatesRoundTrip, Integers) {
  for (int i = 0; i < 2000; i++) {
    int64 value = i == 0 ? PG_INT64_MIN : i == 1 ? PG_INT64_MAX : static_cast<int64>(bits() >> (i % 64));
    EXPECT_EQ(DatumGetInt64(again(int8in, int8out, Int64GetDatum(value))), value);
    EXPECT_EQ(DatumGetInt32(again(int4in, int4out, Int32GetDatum(static_cast<int32>(value)))),
              static_cast<int32>(value));
    EXPECT_EQ(DatumGetObjectId(again(oidin, oidout, ObjectIdGetDatum(static_cast<Oid>(value)))),
              static_cast<Oid>(value));
    reset();
  }
}

TEST_F(NumbersAndDatesRoundTrip, Floats) {
  for (int i = 0; i < 20000; i++) {
    uint64 pattern = bits();
    double value;
    memcpy(&value, &pattern, sizeof value);
    float single;
    uint32 half = static_cast<uint32>(pattern);
    memcpy(&single, &half, sizeof single);
    double value_again = DatumGetFloat8(again(float8in, float8out, Float8GetDatum(value)));
    float single_again = DatumGetFloat4(again(float4in, float4out, Float4GetDatum(single)));
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(value_again));
    else
      EXPECT_EQ(memcmp(&value, &value_again, sizeof value), 0) << value;
    if (std::isnan(single))
      EXPECT_TRUE(std::isnan(single_again));
    else
      EXPECT_EQ(memcmp(&single, &single_again, sizeof single), 0) << single;
    reset();
  }
}

TEST_F(NumbersAndDatesRoundTrip, InstantsInEveryZone) {
  for (const char* zone : {"UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"}) {
    ASSERT_TRUE(bgw_set_session_timezone(zone));
    for (int i = 0; i < 3000; i++) {
      constexpr uint64 kSpan = static_cast<uint64>(END_TIMESTAMP) - static_cast<uint64>(MIN_TIMESTAMP);
      // Half of them in the centuries that people use. The outermost days have no local time everywhere.
      Timestamp value = i == 0   ? DT_NOBEGIN
                        : i == 1 ? DT_NOEND
                        : i % 2  ? static_cast<Timestamp>(bits() % 6000000000000000) - 3000000000000000
                                 : static_cast<Timestamp>(static_cast<uint64>(MIN_TIMESTAMP) + USECS_PER_DAY +
                                                         bits() % (kSpan - 2 * USECS_PER_DAY));
      EXPECT_EQ(DatumGetTimestamp(again(timestamp_in, timestamp_out, TimestampGetDatum(value))), value);
      EXPECT_EQ(DatumGetTimestampTz(again(timestamptz_in, timestamptz_out, TimestampTzGetDatum(value))), value);
      reset();
    }
  }
}

TEST_F(NumbersAndDatesRoundTrip, DatesAndTimes) {
  for (int i = 0; i < 5000; i++) {
    constexpr int64 kDays = static_cast<int64>(DATE_END_JULIAN);
    DateADT date = i == 0   ? DATEVAL_NOBEGIN
                   : i == 1 ? DATEVAL_NOEND
                            : static_cast<DateADT>(static_cast<int64>(bits() % kDays) - POSTGRES_EPOCH_JDATE);
    EXPECT_EQ(DatumGetDateADT(again(date_in, date_out, DateADTGetDatum(date))), date);
    TimeADT time = i == 0 ? USECS_PER_DAY : static_cast<TimeADT>(bits() % USECS_PER_DAY);
    EXPECT_EQ(DatumGetTimeADT(again(time_in, time_out, TimeADTGetDatum(time))), time);
    TimeTzADT with_zone;
    with_zone.time = time;
    with_zone.zone = static_cast<int32>(bits() % (2 * TZDISP_LIMIT - 1)) - (TZDISP_LIMIT - 1);
    TimeTzADT* found = DatumGetTimeTzADTP(again(timetz_in, timetz_out, TimeTzADTPGetDatum(&with_zone)));
    EXPECT_EQ(found->time, with_zone.time);
    EXPECT_EQ(found->zone, with_zone.zone);
    reset();
  }
}

TEST_F(NumbersAndDatesRoundTrip, IntervalsInEveryStyle) {
  for (int style : {INTSTYLE_POSTGRES, INTSTYLE_POSTGRES_VERBOSE, INTSTYLE_ISO_8601}) {
    IntervalStyle = style;
    for (int i = 0; i < 3000; i++) {
      Interval span;
      span.month = static_cast<int32>(bits()) >> (i % 32);
      span.day = static_cast<int32>(bits()) >> (i % 29);
      span.time = static_cast<int64>(bits()) >> (12 + i % 40);
      Interval* found = DatumGetIntervalP(again(interval_in, interval_out, IntervalPGetDatum(&span)));
      EXPECT_EQ(found->month, span.month);
      EXPECT_EQ(found->day, span.day);
      EXPECT_EQ(found->time, span.time);
      reset();
    }
  }
}

Numeric numeric_of(const char* text) {
  return DatumGetNumeric(
      DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

TEST_F(NumbersAndDatesRoundTrip, NumericKeepsItsBytes) {
  for (int i = 0; i < 5000; i++) {
    std::string text = random_() % 2 ? "-" : "";
    for (int n = 1 + static_cast<int>(random_() % 60); n > 0; n--)
      text.push_back(static_cast<char>('0' + random_() % 10));
    text.push_back('.');
    for (int n = static_cast<int>(random_() % 80); n > 0; n--)
      text.push_back(static_cast<char>('0' + random_() % 10));
    Numeric first = numeric_of(text.c_str());
    Numeric second = DatumGetNumeric(again(numeric_in, numeric_out, NumericGetDatum(first)));
    ASSERT_EQ(VARSIZE(first), VARSIZE(second)) << text;
    EXPECT_EQ(memcmp(first, second, VARSIZE(first)), 0) << text;
    // (a / b) * b + a % b, by exact steps.
    Numeric divisor = numeric_of(std::to_string(static_cast<int64>(bits() >> 20) + 1).c_str());
    Datum quotient = DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(first), NumericGetDatum(divisor));
    Datum rest = DirectFunctionCall2(numeric_mod, NumericGetDatum(first), NumericGetDatum(divisor));
    Datum back = DirectFunctionCall2(
        numeric_add, DirectFunctionCall2(numeric_mul, quotient, NumericGetDatum(divisor)), rest);
    EXPECT_TRUE(DatumGetBool(DirectFunctionCall2(numeric_eq, back, NumericGetDatum(first)))) << text;
    reset();
  }
}

// 1.5 is one digit before the point and 5000 behind: short header, scale 1, weight 0, digits 1 and 5000.
TEST_F(NumbersAndDatesRoundTrip, NumericLayout) {
  struct Sample {
    const char* text;
    std::vector<uint16> words;
  } samples[] = {
      {"0", {0x8000}},
      {"1.5", {0x8080, 1, 5000}},
      {"-1.5", {0xA080, 1, 5000}},
      {"10000", {0x8001, 1}},
      {"0.0001", {0x8200 | 0x7F, 1}},
      {"NaN", {0xC000}},
      {"Infinity", {0xD000}},
      {"-Infinity", {0xF000}},
      {"1e400", {0x0000, 100, 1}},
      {"-1e400", {0x4000, 100, 1}},
      {"1e-70", {70, static_cast<uint16>(-18), 100}},
  };
  for (const Sample& sample : samples) {
    Numeric value = numeric_of(sample.text);
    ASSERT_EQ(VARSIZE(value), VARHDRSZ + sample.words.size() * sizeof(uint16)) << sample.text;
    EXPECT_EQ(memcmp(VARDATA(value), sample.words.data(), sample.words.size() * sizeof(uint16)), 0)
        << sample.text;
  }
}

TEST_F(NumbersAndDatesRoundTrip, ZonesByName) {
  EXPECT_STREQ(pg_get_timezone_name(pg_tzset("europe/berlin")), "Europe/Berlin");
  EXPECT_STREQ(pg_get_timezone_name(pg_tzset("foo3bar")), "FOO3BAR");
  EXPECT_STREQ(pg_get_timezone_name(pg_tzset_offset(-5400)), "<+01:30>-01:30");
  EXPECT_EQ(pg_tzset("../etc/passwd"), nullptr);
  EXPECT_EQ(pg_tzset("/etc/passwd"), nullptr);
  EXPECT_EQ(pg_tzset("Nowhere/City"), nullptr);
  EXPECT_EQ(pg_tzset(""), nullptr);
  EXPECT_EQ(pg_tzset("Europe"), nullptr);
  EXPECT_EQ(pg_tzset("europe/berlin"), pg_tzset("EUROPE/BERLIN"));
  EXPECT_TRUE(bgw_set_session_timezone("5.5"));
  EXPECT_STREQ(pg_get_timezone_name(session_timezone), "<+05:30>-05:30");
  EXPECT_FALSE(bgw_set_session_timezone("Nowhere/City"));
  EXPECT_STREQ(pg_get_timezone_name(session_timezone), "<+05:30>-05:30");
}

TEST_F(NumbersAndDatesRoundTrip, DifferencesOfInstants) {
  long seconds;
  int micros;
  TimestampDifference(100, 5000100, &seconds, &micros);
  EXPECT_EQ(seconds, 5);
  EXPECT_EQ(micros, 0);
  TimestampDifference(5, 4, &seconds, &micros);
  EXPECT_EQ(seconds, 0);
  EXPECT_EQ(micros, 0);
  EXPECT_EQ(TimestampDifferenceMilliseconds(0, 1), 1);
  EXPECT_EQ(TimestampDifferenceMilliseconds(0, 1000), 1);
  EXPECT_EQ(TimestampDifferenceMilliseconds(1, 0), 0);
  EXPECT_EQ(TimestampDifferenceMilliseconds(DT_NOBEGIN, DT_NOEND), PG_INT32_MAX);
  EXPECT_TRUE(TimestampDifferenceExceeds(0, 1000, 1));
  EXPECT_FALSE(TimestampDifferenceExceeds(0, 999, 1));
  EXPECT_EQ(time_t_to_timestamptz(timestamptz_to_time_t(0)), 0);
  EXPECT_STREQ(timestamptz_to_str(0), "2000-01-01 00:00:00+00");
}

}  // namespace
