// The property: for generated and hand-picked values, in several time zones and in every DateStyle and
// IntervalStyle, the host's date, time, timestamp and interval functions give exactly the text, or exactly
// the error, that a real server gives.
#include <gtest/gtest.h>

#include <cstdio>

#include "utils/timezone_internal.hpp"
#include "support/beside_server.hpp"

extern "C" {
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
}

namespace {

using namespace bgw_test;

struct DateType {
  const char* name;
  PGFunction in, out;
};

const DateType date{"date", date_in, date_out}, time_type{"time", time_in, time_out},
    timetz{"timetz", timetz_in, timetz_out}, timestamp{"timestamp", timestamp_in, timestamp_out},
    timestamptz{"timestamptz", timestamptz_in, timestamptz_out},
    interval{"interval", interval_in, interval_out};

Case cast(const DateType& type, const std::string& text, int typmod = -1) {
  std::string precision = typmod >= 0 ? "(" + std::to_string(typmod) + ")" : "";
  std::string name = type.name;
  return {sql_literal(text) + "::" + name + precision, {nullptr, type.out, {{type.in, text, typmod}}}};
}

Case binary(const DateType& a_type, const std::string& a, const char* op, const DateType& b_type,
            const std::string& b, PGFunction function, PGFunction out) {
  return {sql_literal(a) + "::" + a_type.name + " " + op + " " + sql_literal(b) + "::" + b_type.name,
          {function, out, {{a_type.in, a}, {b_type.in, b}}}};
}

Case unary(const DateType& type, const std::string& before, const std::string& after, const std::string& a,
           PGFunction function, PGFunction out) {
  return {before + sql_literal(a) + "::" + type.name + after, {function, out, {{type.in, a}}}};
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % n); }
  template <size_t N>
  const char* one_of(const char* const (&list)[N]) {
    return list[below(N)];
  }
  std::string printed(const char* format, int a) {
    char text[64];
    snprintf(text, sizeof text, format, a);
    return text;
  }

  std::string year() {
    switch (below(6)) {
      case 0:
        return printed("%04d", 1 + below(9999));
      case 1:
        return printed("%d", below(300000));
      case 2:
        return printed("%02d", below(100));
      default:
        return printed("%d", 1880 + below(250));
    }
  }
  std::string month_number() {
    return printed(below(4) ? "%02d" : "%d", below(30) ? 1 + below(12) : below(15));
  }
  std::string day() { return printed(below(4) ? "%02d" : "%d", below(30) ? 1 + below(31) : below(40)); }
  std::string month_name() {
    static const char* const names[] = {"jan", "Feb",  "MARCH", "apr",      "May", "june", "Jul",
                                        "Aug", "Sept", "oct",   "November", "dec", "foo"};
    return one_of(names);
  }
  std::string iso_date() { return year() + "-" + month_number() + "-" + day(); }
  std::string any_date() {
    switch (below(14)) {
      case 0:
        return month_number() + "/" + day() + "/" + year();
      case 1:
        return day() + "." + month_number() + "." + year();
      case 2:
        return month_name() + " " + day() + ", " + year();
      case 3:
        return day() + "-" + month_name() + "-" + year();
      case 4:
        return year() + "-" + month_name() + "-" + day();
      case 5:
        return printed("%04d", 1700 + below(500)) + printed("%02d", 1 + below(12)) +
               printed("%02d", 1 + below(28));
      case 6:
        return printed("%02d", below(100)) + printed("%02d", 1 + below(12)) + printed("%02d", 1 + below(28));
      case 7:
        return printed("%04d", 1700 + below(500)) + "." + printed("%03d", below(400));
      case 8:
        return "J" + printed("%d", below(3000000));
      case 9:
        return day() + " " + month_name() + " " + year();
      case 10:
        return printed("%04d", 1700 + below(500)) + " " + printed("%03d", below(400));
      default:
        return iso_date();
    }
  }
  std::string clock() {
    std::string text =
        printed("%02d", below(20) ? below(24) : below(27)) + ":" + printed("%02d", below(30) ? below(60) : 60);
    if (below(5)) {
      text += ":" + printed("%02d", below(20) ? below(60) : 60);
      if (below(2)) text += "." + printed("%d", below(1000000));
    }
    return text;
  }
  std::string any_time() {
    switch (below(8)) {
      case 0:
        return printed("%02d", below(24)) + printed("%02d", below(60)) + printed("%02d", below(60));
      case 1:
        return printed("%02d", below(24)) + printed("%02d", below(60)) + printed("%02d", below(60)) + "." +
               printed("%d", below(1000));
      case 2:
        return clock() + (below(2) ? " AM" : " PM");
      case 3:
        return "allballs";
      default:
        return clock();
    }
  }
  std::string zone() {
    static const char* const zones[] = {"",
                                        "",
                                        "",
                                        "Z",
                                        "UTC",
                                        " zulu",
                                        "+02",
                                        "-8",
                                        "+05:30",
                                        "-0330",
                                        "+01:02:03",
                                        " PST",
                                        " EST",
                                        " PDT",
                                        " CEST",
                                        " MSK",
                                        " America/New_York",
                                        " Europe/Berlin",
                                        " asia/kolkata",
                                        " EST5EDT",
                                        " XYZ",
                                        "+16",
                                        "-15:59:59",
                                        " Nowhere/City",
                                        " MET DST",
                                        " Australia/Lord_Howe",
                                        " America/St_Johns",
                                        " PST8PDT",
                                        " FOO3",
                                        " gmt",
                                        " <+05>-5",
                                        "+5:60",
                                        " BST",
                                        " IST",
                                        " ART"};
    return one_of(zones);
  }
  std::string any_timestamp() {
    static const char* const separators[] = {" ", " ", " ", "T", "  ", ","};
    static const char* const days[] = {"", "", "", "Mon ", "thursday "};
    static const char* const eras[] = {"", "", "", "", " BC", " AD"};
    if (below(6) == 0) return clock() + zone() + " " + any_date();
    std::string text = one_of(days) + any_date();
    if (below(8)) text += one_of(separators) + any_time() + zone();
    return text + one_of(eras);
  }
  // Nonsense made of what real values are made of.
  std::string scrambled() {
    static const char* const parts[] = {
        "1",  "12",     "2000",     "-",      ":", ".", " ",   "/", "T", "jan", "am", "pm",  "BC",
        "z",  "+",      "01",       "30",     "y", "m", "d",   "h", "s", "mm",  "J",  "dst", "on",
        "at", "123456", "19990108", "040506", "@", ",", "mon", "(", "P", "W",   "ago"};
    std::string text;
    for (int n = 1 + below(7); n > 0; n--) text += one_of(parts);
    return text;
  }
  std::string any_interval() {
    static const char* const units[] = {"us",      "microseconds", "ms",        "milliseconds",
                                        "s",       "sec",          "second",    "m",
                                        "min",     "minutes",      "h",         "hours",
                                        "d",       "day",          "days",      "w",
                                        "week",    "mon",          "months",    "y",
                                        "year",    "dec",          "decades",   "c",
                                        "century", "mil",          "millennia", "foo",
                                        "quarter"};
    std::string text;
    auto number = [&] {
      std::string n = below(4) == 0 ? "-" : below(8) == 0 ? "+" : "";
      n += printed("%d", below(10) ? below(200) : below(2000000000));
      if (below(4) == 0) n += "." + printed("%d", below(1000000));
      return n;
    };
    switch (below(9)) {
      case 0: {
        text = "P";
        static const char* const date_units[] = {"Y", "M", "W", "D"};
        static const char* const time_units[] = {"H", "M", "S"};
        for (int n = below(4); n > 0; n--) text += number() + one_of(date_units);
        if (below(2)) {
          text += "T";
          for (int n = below(4); n > 0; n--) text += number() + one_of(time_units);
        }
        return text;
      }
      case 1:
        text = "P" + printed("%04d", below(3000)) + "-" + printed("%02d", below(15)) + "-" +
               printed("%02d", below(40));
        if (below(2)) text += "T" + clock();
        return text;
      case 2:
        return std::string(below(2) ? "-" : "") + printed("%d", below(100)) + "-" + printed("%d", below(14)) +
               (below(2) ? " " + printed("%d", below(99) - 50) + " " + clock() : "");
      case 3:
        return std::string(below(3) ? "" : "-") + printed("%d", below(100)) + " " + clock();
      case 4:
        return "P" + printed("%08d", below(99999999)) + (below(2) ? "T" + printed("%06d", below(999999)) : "");
      case 5:
        return std::string(below(3) == 0 ? "-" : "") + clock();
      default:
        if (below(4) == 0) text = "@ ";
        for (int n = 1 + below(4); n > 0; n--) text += number() + (below(8) ? " " : "") + one_of(units) + " ";
        if (below(3) == 0) text += (below(3) ? "" : "-") + clock();
        if (below(5) == 0) text += " ago";
        return text;
    }
  }

 private:
  std::mt19937 engine_;
};

struct Style {
  const char* sql;
  int style, order;
};
const Style styles[] = {
    {"ISO, MDY", USE_ISO_DATES, DATEORDER_MDY},           {"ISO, DMY", USE_ISO_DATES, DATEORDER_DMY},
    {"ISO, YMD", USE_ISO_DATES, DATEORDER_YMD},           {"SQL, MDY", USE_SQL_DATES, DATEORDER_MDY},
    {"SQL, DMY", USE_SQL_DATES, DATEORDER_DMY},           {"Postgres, MDY", USE_POSTGRES_DATES, DATEORDER_MDY},
    {"Postgres, DMY", USE_POSTGRES_DATES, DATEORDER_DMY}, {"German, DMY", USE_GERMAN_DATES, DATEORDER_DMY}};
const char* const zones[] = {"UTC",
                             "America/New_York",
                             "Europe/Berlin",
                             "Asia/Kolkata",
                             "Australia/Lord_Howe",
                             "America/St_Johns",
                             "Europe/Dublin",
                             "Pacific/Apia",
                             "<+07>-7",
                             "America/Sao_Paulo",
                             "Africa/Casablanca",
                             "Asia/Tehran",
                             "EST5EDT,M3.2.0,M11.1.0"};

void set_style(BesideServer* server, const Style& style) {
  server->set("DateStyle", style.sql);
  DateStyle = style.style;
  DateOrder = style.order;
}

void set_zone(BesideServer* server, const char* zone) {
  server->set("TimeZone", zone);
  ASSERT_TRUE(bgw_set_session_timezone(zone)) << zone;
  EXPECT_EQ(query(server->connection(), "show timezone"), pg_get_timezone_name(session_timezone));
}

void restore() {
  DateStyle = USE_ISO_DATES;
  DateOrder = DATEORDER_MDY;
  IntervalStyle = INTSTYLE_POSTGRES;
  bgw_set_session_timezone("GMT");
}

const char* const special[] = {"infinity",
                               "-infinity",
                               "+infinity",
                               "epoch",
                               "",
                               " ",
                               "2000-01-01 24:00:00",
                               "2000-01-01 24:00:01",
                               "294276-12-31 23:59:59.999999",
                               "294277-01-01",
                               "4714-11-24 BC",
                               "4713-11-23 00:00 BC",
                               "4714-11-23 23:59 BC",
                               "5874897-12-31",
                               "5874898-01-01",
                               "0000-01-01",
                               "0001-01-01 BC",
                               "2001-02-29",
                               "2000-02-29",
                               "1900-02-29",
                               "2000-13-01",
                               "1999-12-31 23:59:59.9999995",
                               "1999-12-31 23:59:60",
                               "2011-03-13 02:30:00",
                               "2011-11-06 01:30:00",
                               "1883-11-18 12:00:00",
                               "2040-07-01 12:00",
                               "2040-01-01 12:00",
                               "9999-07-01",
                               "100000-07-01 01:02:03",
                               "y2001m02d04",
                               "2001-02-04T040506",
                               "20010204T040506",
                               "20010204T040506-08",
                               "20010204 040506.789-08",
                               "J2451187 04:05:06",
                               "J2451187-08",
                               "J2451187.5",
                               "1999-01-08 04:05:06 -8:00",
                               "January 8, 99 BC",
                               "99-Jan-08",
                               "Jan-08-1999",
                               "Jan-99-08",
                               "08-Jan-99",
                               "1999.008",
                               "12:34.5",
                               "2000-01-01 1:2:3",
                               "2000-01-01 PM 12:00",
                               "2000-01-01 12:00 AM",
                               "2000-01-01 13:00 PM",
                               "2000-01-01 00:00+15:59:59",
                               "2000-01-01 00:00-16",
                               "Sun Mar 13 2011 02:30:00 America/New_York",
                               "2000-1-1\xc3\xa4",
                               "2000-01-01 00:00:00.",
                               "2000-01-01 00:00:00.1234567",
                               "1-1-1 1:1:1",
                               "2000/01/01",
                               "01/02/03",
                               "1/13/2000",
                               "13/1/2000",
                               "2000-06-15 12:00 America/New_York",
                               "2000-06-15 12:00 EST5EDT",
                               "0",
                               "a",
                               "12",
                               "1e5",
                               "2000-01-01 12:00:00 dst",
                               "2000-01-01 12:00:00 MET DST",
                               "mon jan 1 00:00:00 2001",
                               "19990108",
                               "990108",
                               "1999 008",
                               "12 hours"};

TEST(DatesBesideServer, TextInAndOut) {
  BesideServer server;
  Random random(comparison_seed());
  for (const Style& style : styles) {
    set_style(&server, style);
    for (int z = 0; z < 3; z++) {
      const char* zone = zones[style.style == USE_ISO_DATES && style.order == DATEORDER_MDY
                                   ? z
                                   : random.below(sizeof zones / sizeof zones[0])];
      set_zone(&server, zone);
      std::vector<Case> cases;
      auto add = [&](const std::string& text) {
        cases.push_back(cast(timestamp, text));
        cases.push_back(cast(timestamptz, text));
        cases.push_back(cast(date, text));
      };
      if (z == 0)
        for (const char* text : special) {
          add(text);
          cases.push_back(cast(time_type, text));
        }
      for (int i = 0; i < 250; i++) add(random.any_timestamp());
      for (int i = 0; i < 60; i++) add(random.scrambled());
      for (int i = 0; i < 60; i++) {
        cases.push_back(cast(timestamptz, random.iso_date() + " " + random.clock(), random.below(7)));
        cases.push_back(cast(time_type, random.clock(), random.below(7)));
        cases.push_back(cast(time_type, random.any_time()));
        cases.push_back(cast(time_type, random.scrambled()));
        // An offset: without one the answer depends on today.
        cases.push_back(cast(timetz, random.clock() + "+05:30"));
        cases.push_back(cast(timetz, random.any_date() + " " + random.clock() + random.zone()));
      }
      server.compare(cases, std::string("DateStyle ") + style.sql + ", TimeZone " + zone);
    }
  }
  restore();
}

TEST(DatesBesideServer, ZonesThroughTheYears) {
  BesideServer server;
  Random random(comparison_seed());
  set_style(&server, styles[0]);
  for (const char* zone : zones) {
    set_zone(&server, zone);
    std::vector<Case> cases;
    for (int i = 0; i < 150; i++) {
      std::string moment =
          random.printed("%04d", 1800 + random.below(400)) + random.printed("-%02d", 1 + random.below(12)) +
          random.printed("-%02d ", 1 + random.below(28)) + random.printed("%02d:", random.below(24)) +
          random.printed("%02d:00", random.below(60));
      std::string utc = moment + "+00";
      cases.push_back(cast(timestamptz, moment));
      cases.push_back(cast(timestamptz, utc));
      cases.push_back(unary(timestamptz, "", "::timestamp", utc, timestamptz_timestamp, timestamp_out));
      cases.push_back(unary(timestamptz, "", "::date", utc, timestamptz_date, date_out));
      cases.push_back(unary(timestamptz, "", "::time", utc, timestamptz_time, time_out));
      cases.push_back(unary(timestamptz, "", "::timetz", utc, timestamptz_timetz, timetz_out));
    }
    server.compare(cases, std::string("TimeZone ") + zone);
  }
  restore();
}

TEST(DatesBesideServer, Intervals) {
  BesideServer server;
  Random random(comparison_seed());
  const struct {
    const char* sql;
    int style;
  } interval_styles[] = {{"postgres", INTSTYLE_POSTGRES},
                         {"postgres_verbose", INTSTYLE_POSTGRES_VERBOSE},
                         {"sql_standard", INTSTYLE_SQL_STANDARD},
                         {"iso_8601", INTSTYLE_ISO_8601}};
  const char* const picked[] = {"0",
                                "",
                                "1",
                                "-1",
                                "1.5",
                                "1 day",
                                "-1 day +02:03",
                                "1 -02:03:04.5",
                                "1-2",
                                "-1-2",
                                "1-12",
                                "1-2 3 4:05:06",
                                "+1-2 -3 +4:05:06",
                                "-1-2 +3 -4:05:06.789",
                                "1 year ago",
                                "@ 1 minute ago",
                                "infinity",
                                "-infinity",
                                "P",
                                "PT",
                                "P1",
                                "PT1",
                                "P1Y",
                                "P1.5Y",
                                "P1.5M",
                                "P1.5W",
                                "P1.5D",
                                "PT1.5H",
                                "P-1Y-2M",
                                "P0001-02-03T04:05:06",
                                "P00010203T040506",
                                "P00010203T040506.7",
                                "PT01:02",
                                "P1Y1Y",
                                "2147483647 days",
                                "2147483648 days",
                                "178956970 years",
                                "178956971 years",
                                "-178956970 years -8 mons",
                                "2562047788:00:54.775807",
                                "2562047788:00:54.775808",
                                "-2562047788:00:54.775808",
                                "9223372036854775807 us",
                                "9223372036854775808 us",
                                "0.1 millennium",
                                "1.999999 years",
                                "0.0000005 s",
                                "-0.0000005 s",
                                "0.0000015 s",
                                "1 day 1 day",
                                "1:2",
                                "1:2.5",
                                "1:60",
                                "100:59:61",
                                "1 week 2 days",
                                "1 2 3",
                                "12 months",
                                "1 mon -1 day",
                                "-1 mon 1 day",
                                "1e3 s",
                                "1 quarter",
                                "P1e3D",
                                "yesterday",
                                "1 hour 30"};
  for (const auto& style : interval_styles) {
    server.set("IntervalStyle", style.sql);
    IntervalStyle = style.style;
    std::vector<Case> cases;
    for (const char* text : picked) cases.push_back(cast(interval, text));
    for (int i = 0; i < 500; i++) cases.push_back(cast(interval, random.any_interval()));
    for (int i = 0; i < 200; i++) cases.push_back(cast(interval, random.scrambled()));
    std::vector<std::string> good;
    for (int i = 0; i < 60; i++) good.push_back(random.any_interval());
    for (int i = 0; i < 150; i++) {
      std::string a = good[random.below(60)], b = good[random.below(60)];
      cases.push_back(binary(interval, a, "+", interval, b, interval_pl, interval_out));
      cases.push_back(binary(interval, a, "-", interval, b, interval_mi, interval_out));
      cases.push_back(binary(interval, a, "<", interval, b, interval_lt, boolout));
      cases.push_back(unary(interval, "-(", ")", a, interval_um, interval_out));
      cases.push_back(unary(interval, "justify_hours(", ")", a, interval_justify_hours, interval_out));
      cases.push_back(unary(interval, "justify_days(", ")", a, interval_justify_days, interval_out));
      cases.push_back(unary(interval, "justify_interval(", ")", a, interval_justify_interval, interval_out));
      cases.push_back(unary(interval, "interval_hash(", ")", a, interval_hash, int4out));
      std::string factor =
          random.printed("%d", random.below(2000) - 1000) + "." + random.printed("%d", random.below(1000));
      cases.push_back({sql_literal(a) + "::interval * " + sql_literal(factor) + "::float8",
                       {interval_mul, interval_out, {{interval_in, a}, {float8in, factor}}}});
      cases.push_back({sql_literal(a) + "::interval / " + sql_literal(factor) + "::float8",
                       {interval_div, interval_out, {{interval_in, a}, {float8in, factor}}}});
      const struct {
        const char* name;
        int range;
      } ranges[] = {{"year", INTERVAL_MASK(YEAR)},
                    {"year to month", INTERVAL_MASK(YEAR) | INTERVAL_MASK(MONTH)},
                    {"day", INTERVAL_MASK(DAY)},
                    {"day to hour", INTERVAL_MASK(DAY) | INTERVAL_MASK(HOUR)},
                    {"hour to minute", INTERVAL_MASK(HOUR) | INTERVAL_MASK(MINUTE)},
                    {"minute to second", INTERVAL_MASK(MINUTE) | INTERVAL_MASK(SECOND)}};
      const auto& range = ranges[random.below(6)];
      cases.push_back(
          {"interval " + sql_literal(a) + " " + range.name,
           {nullptr,
            interval_out,
            {{interval_in, a, static_cast<int>(INTERVAL_TYPMOD(INTERVAL_FULL_PRECISION, range.range))}}}});
      int precision = random.below(7);
      cases.push_back(
          {"interval(" + std::to_string(precision) + ") " + sql_literal(a),
           {nullptr,
            interval_out,
            {{interval_in, a, static_cast<int>(INTERVAL_TYPMOD(precision, INTERVAL_FULL_RANGE))}}}});
    }
    server.compare(cases, std::string("IntervalStyle ") + style.sql);
  }
  restore();
}

TEST(DatesBesideServer, Arithmetic) {
  BesideServer server;
  Random random(comparison_seed());
  set_style(&server, styles[0]);
  for (const char* zone : {"UTC", "America/New_York", "Australia/Lord_Howe", "Europe/Berlin"}) {
    set_zone(&server, zone);
    std::vector<Case> cases;
    std::vector<std::string> moments{"infinity",           "-infinity",  "294276-12-31 23:59:59",
                                     "4713-01-01 BC",      "2000-01-31", "2011-03-13 01:30:00",
                                     "2011-11-06 00:30:00"};
    for (int i = 0; i < 60; i++)
      moments.push_back(random.printed("%04d", 1 + random.below(3000)) +
                        random.printed("-%02d", 1 + random.below(12)) +
                        random.printed("-%02d ", 1 + random.below(28)) + random.clock());
    for (int i = 0; i < 200; i++) {
      std::string a = moments[random.below(moments.size())], b = moments[random.below(moments.size())],
                  span = random.any_interval();
      cases.push_back(binary(timestamp, a, "+", interval, span, timestamp_pl_interval, timestamp_out));
      cases.push_back(binary(timestamp, a, "-", interval, span, timestamp_mi_interval, timestamp_out));
      cases.push_back(binary(timestamptz, a, "+", interval, span, timestamptz_pl_interval, timestamptz_out));
      cases.push_back(binary(timestamptz, a, "-", interval, span, timestamptz_mi_interval, timestamptz_out));
      cases.push_back(binary(timestamp, a, "-", timestamp, b, timestamp_mi, interval_out));
      cases.push_back(binary(timestamptz, a, "-", timestamptz, b, timestamp_mi, interval_out));
      cases.push_back(binary(date, a, "-", date, b, date_mi, int4out));
      cases.push_back(binary(date, a, "<", timestamp, b, date_lt_timestamp, boolout));
      cases.push_back(binary(date, a, "<=", timestamptz, b, date_le_timestamptz, boolout));
      cases.push_back(binary(timestamp, a, ">", timestamptz, b, timestamp_gt_timestamptz, boolout));
      cases.push_back(binary(date, a, "+", interval, span, date_pl_interval, timestamp_out));
      cases.push_back(unary(timestamp, "", "::timestamptz", a, timestamp_timestamptz, timestamptz_out));
      cases.push_back(unary(date, "", "::timestamptz", a, date_timestamptz, timestamptz_out));
      cases.push_back(unary(timestamp, "", "::date", a, timestamp_date, date_out));
      cases.push_back({"age(" + sql_literal(a) + "::timestamp," + sql_literal(b) + "::timestamp)",
                       {timestamp_age, interval_out, {{timestamp_in, a}, {timestamp_in, b}}}});
      cases.push_back({"age(" + sql_literal(a) + "::timestamptz," + sql_literal(b) + "::timestamptz)",
                       {timestamptz_age, interval_out, {{timestamptz_in, a}, {timestamptz_in, b}}}});
      std::string days = random.printed("%d", random.below(2000000) - 1000000);
      cases.push_back({sql_literal(a) + "::date + " + sql_literal(days) + "::int4",
                       {date_pli, date_out, {{date_in, a}, {int4in, days}}}});
      cases.push_back(binary(time_type, random.clock(), "+", interval, span, time_pl_interval, time_out));
    }
    server.compare(cases, std::string("arithmetic, TimeZone ") + zone);
  }
  restore();
}

TEST(DatesBesideServer, PartsAndTruncation) {
  BesideServer server;
  Random random(comparison_seed());
  set_style(&server, styles[0]);
  const char* const units[] = {"microseconds", "milliseconds", "second",     "minute",     "hour",   "day",
                               "week",         "month",        "quarter",    "year",       "decade", "century",
                               "millennium",   "isoyear",      "dow",        "isodow",     "doy",    "julian",
                               "epoch",        "timezone",     "timezone_h", "timezone_m", "YEAR",   "foo",
                               "now",          "usec",         "mon"};
  for (const char* zone : {"UTC", "America/New_York", "Australia/Lord_Howe"}) {
    set_zone(&server, zone);
    std::vector<Case> cases;
    std::vector<std::string> moments{"infinity",      "-infinity",          "294276-12-31 23:59:59.999999",
                                     "4713-01-01 BC", "0001-01-01 BC",      "2000-12-31 23:59:59.999999",
                                     "2005-01-01",    "2006-01-01",         "2009-12-31",
                                     "0100-06-01 BC", "2011-03-13 03:30:00"};
    for (int i = 0; i < 60; i++) {
      moments.push_back(random.printed("%04d", 1 + random.below(3000)) +
                        random.printed("-%02d", 1 + random.below(12)) +
                        random.printed("-%02d ", 1 + random.below(28)) +
                        random.printed("%02d:", random.below(24)) + random.printed("%02d", random.below(60)) +
                        random.printed(":07.%06d", random.below(1000000)) + (random.below(5) ? "" : " BC"));
    }
    for (const char* unit : units) {
      for (int i = 0; i < 14; i++) {
        std::string moment = moments[random.below(i < 4 ? 11 : static_cast<int>(moments.size()))];
        std::string span = random.any_interval(), clock = random.printed("%02d:", random.below(24)) +
                                                          random.printed("12:34.%06d", random.below(1000000));
        auto both = [&](const DateType& type, const std::string& text, PGFunction part, PGFunction extract) {
          std::string value = sql_literal(text) + "::" + type.name;
          cases.push_back({"date_part(" + sql_literal(unit) + "," + value + ")",
                           {part, float8out, {{textin, unit}, {type.in, text}}}});
          cases.push_back({"extract(" + std::string(unit) + " from " + value + ")",
                           {extract, numeric_out, {{textin, unit}, {type.in, text}}}});
        };
        both(timestamp, moment, timestamp_part, extract_timestamp);
        both(timestamptz, moment, timestamptz_part, extract_timestamptz);
        both(interval, span, interval_part, extract_interval);
        both(time_type, clock, time_part, extract_time);
        both(timetz, clock + "+05:30", timetz_part, extract_timetz);
        auto truncation = [&](const DateType& type, const std::string& text, PGFunction function) {
          cases.push_back({"date_trunc(" + sql_literal(unit) + "," + sql_literal(text) + "::" + type.name + ")",
                           {function, type.out, {{textin, unit}, {type.in, text}}}});
        };
        truncation(timestamp, moment, timestamp_trunc);
        truncation(timestamptz, moment, timestamptz_trunc);
        truncation(interval, span, interval_trunc);
      }
    }
    server.compare(cases, std::string("parts, TimeZone ") + zone);
  }
  restore();
}

}  // namespace
