// Every registered setting is explained in docs/configuration.md; every one that the host acts on is in the
// sample configuration file, with its default; the sample as written changes nothing.
#include <algorithm>
#include <cstring>
#include <sstream>

#include "core/config_file.hpp"
#include "core/sample_config.hpp"

#include "utils/guc_fixture.hpp"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
}

namespace {

std::string read_documentation() {
  std::ifstream file(BGW_SOURCE_DIR "/docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The sample with its settings, not its directives, in force.
bgw::ConfigOutcome uncommented_sample() {
  std::istringstream sample(bgw::sample_config());
  std::string text;
  for (std::string line; std::getline(sample, line);) {
    const bool setting = line.size() > 1 && line[0] == '#' && line[1] >= 'a' && line[1] <= 'z';
    if (setting && line.rfind("#include", 0) != 0) line.erase(0, 1);
    text += line + "\n";
  }
  return bgw::read_config_text(text, "sample", 0, {});
}

bool is_of_the_host(const config_generic* record) {
  return (record->flags & GUC_CUSTOM_PLACEHOLDER) == 0 &&
         (std::strchr(record->name, '.') == nullptr || std::strncmp(record->name, "bgworkerd.", 10) == 0);
}

}  // namespace

class GucSettings : public GucTest {};

TEST_F(GucSettings, AreDocumented) {
  const std::string documentation = read_documentation();
  ASSERT_FALSE(documentation.empty());
  for (int i = 0; i < guc_record_count; ++i) {
    if (!is_of_the_host(guc_records[i])) continue;
    EXPECT_NE(documentation.find(std::string("`") + guc_records[i]->name + "`"), std::string::npos)
        << guc_records[i]->name << " is missing from docs/configuration.md";
    EXPECT_NE(guc_records[i]->short_desc, nullptr) << guc_records[i]->name;
  }
}

TEST_F(GucSettings, AreInTheSampleWithTheirDefaults) {
  const bgw::ConfigOutcome sample = uncommented_sample();
  ASSERT_TRUE(sample.ok) << sample.items.back().message;
  for (int i = 0; i < guc_record_count; ++i) {
    config_generic* record = guc_records[i];
    if (!is_of_the_host(record) || (record->flags & GUC_NOT_IN_SAMPLE) != 0) continue;
    const auto line = std::find_if(sample.items.begin(), sample.items.end(),
                                   [&](const bgw::ConfigItem& item) { return item.name == record->name; });
    ASSERT_NE(line, sample.items.end()) << record->name << " is missing from the sample";
    if (std::string(record->name) == "max_stack_depth") continue;  // its default is the machine's
    config_var_value value;
    ASSERT_TRUE(guc_parse(record, record->name, line->value.c_str(), PGC_S_FILE, WARNING, &value)) << record->name;
    const config_var_value boot = {guc_boot_value(record), nullptr};
    EXPECT_TRUE(guc_same(record, value.val, boot.val)) << record->name << " = " << line->value;
    guc_release(record, value);
    guc_release(record, boot);
  }
  for (const bgw::ConfigItem& item : sample.items)
    EXPECT_NE(guc_find(item.name.c_str(), false, true, 0), nullptr) << item.name << " is no setting";
}

TEST_F(GucSettings, TheSampleAsWrittenChangesNothing) {
  const bgw::ConfigOutcome sample = bgw::read_config_text(bgw::sample_config(), "sample", 0, {});
  EXPECT_TRUE(sample.ok);
  EXPECT_TRUE(sample.items.empty());
}

TEST_F(GucSettings, Rows) {
  const char* values[17];
  bool noshow = true;
  for (int i = 0; i < GetNumConfigOptions(); ++i) {
    if (std::string(guc_records[i]->name) != "track_activity_query_size") continue;
    GetConfigOptionByNum(i, values, &noshow);
    EXPECT_FALSE(noshow);
    EXPECT_STREQ(values[1], "1024");
    EXPECT_STREQ(values[2], "B");
    EXPECT_STREQ(values[3], "Statistics / Cumulative Query and Index Statistics");
    EXPECT_STREQ(values[6], "postmaster");
    EXPECT_STREQ(values[7], "integer");
    EXPECT_STREQ(values[8], "default");
    EXPECT_STREQ(values[9], "100");
    EXPECT_STREQ(values[10], "1048576");
    EXPECT_STREQ(values[12], "1024");
    EXPECT_STREQ(values[16], "f");
    EXPECT_EQ(shown("track_activity_query_size"), "1kB");
  }
}

TEST_F(GucSettings, TimeZones) {
  EXPECT_EQ(shown("timezone"), "GMT");
  SetConfigOption("timezone", "europe/vienna", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(shown("TimeZone"), "Europe/Vienna");
  SetConfigOption("timezone", "-3.5", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(shown("TimeZone"), "<-03:30>+03:30");
  EXPECT_STREQ(guc_test_error_text([] { SetConfigOption("timezone", "Nowhere", PGC_USERSET, PGC_S_SESSION); }),
               "22023 invalid value for parameter \"TimeZone\": \"Nowhere\"");
  set_config_option("timezone", nullptr, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
  EXPECT_EQ(shown("timezone"), "GMT");
}

TEST_F(GucSettings, LogDestinations) {
  SetConfigOption("log_destination", "stderr, JSONLOG", PGC_SIGHUP, PGC_S_FILE);
  EXPECT_EQ(Log_destination, LOG_DESTINATION_STDERR | LOG_DESTINATION_JSONLOG);
  SetConfigOption("log_destination", "syslog", PGC_SIGHUP, PGC_S_FILE);
  SetConfigOption("log_destination", "a b", PGC_SIGHUP, PGC_S_FILE);
  EXPECT_THAT(log(),
              testing::ElementsAre(
                  "LOG 22023 invalid value for parameter \"log_destination\": \"syslog\" | A host has no "
                  "destination \"syslog\". | Available destinations: stderr, jsonlog. Both go to standard error.",
                  "LOG 22023 invalid value for parameter \"log_destination\": \"a b\" | List syntax is "
                  "invalid."));
  SetConfigOption("log_destination", "stderr", PGC_SIGHUP, PGC_S_FILE);
  EXPECT_EQ(Log_destination, LOG_DESTINATION_STDERR);
}

TEST_F(GucSettings, DateStyles) {
  SetConfigOption("datestyle", "german", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(option("DateStyle"), "German, DMY");
  EXPECT_EQ(DateStyle, USE_GERMAN_DATES);
  SetConfigOption("datestyle", "sql, us", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(option("DateStyle"), "SQL, MDY");
  SetConfigOption("datestyle", "ymd", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(option("DateStyle"), "SQL, YMD");
  EXPECT_STREQ(
      guc_test_error_text([] { SetConfigOption("datestyle", "iso, sql", PGC_USERSET, PGC_S_SESSION); }),
      "22023 invalid value for parameter \"DateStyle\": \"iso, sql\" | Conflicting \"datestyle\" "
      "specifications.");
  EXPECT_STREQ(guc_test_error_text([] { SetConfigOption("datestyle", "x", PGC_USERSET, PGC_S_SESSION); }),
               "22023 invalid value for parameter \"DateStyle\": \"x\" | Unrecognized key word: \"x\".");
  SetConfigOption("datestyle", "default", PGC_USERSET, PGC_S_SESSION);
  EXPECT_EQ(option("DateStyle"), "ISO, MDY");
}
