// Starting with and reloading configuration files: what is applied, what stops the start, what is said, in the
// postmaster and in its children.
#include <sys/wait.h>
#include <unistd.h>

#include "utils/guc_fixture.hpp"

using testing::ElementsAre;
using testing::IsEmpty;

namespace {

class GucFileTest : public GucTest {
 protected:
  void load(const std::string& text, std::vector<const char*> overrides = {}) {
    write(text);
    ASSERT_TRUE(bgw_load_configuration(dir_.c_str(), overrides.data(), static_cast<int>(overrides.size())));
  }
  std::vector<std::string> reload(const std::string& text) {
    write(text);
    bgw_reload_configuration();
    return log();
  }
  // A start that must fail; gtest matches what it wrote to stderr.
  void start(const std::string& text, std::vector<const char*> overrides = {}) {
    write(text);
    emit_log_hook = nullptr;
    MyProcPid = getpid();
    bgw_load_configuration(dir_.c_str(), overrides.data(), static_cast<int>(overrides.size()));
    std::_Exit(0);
  }
  void TearDown() override {
    // Leave no trace in the next test's table: the empty file gives every changeable setting its default back.
    write("");
    for (const char* name : {"max_worker_processes", "log_line_prefix"}) {
      config_generic* record = guc_find(name, false, true, 0);
      record->source = record->reset_source = record->context == PGC_POSTMASTER ? PGC_S_DEFAULT : PGC_S_FILE;
    }
    ProcessConfigFile(PGC_SIGHUP);
    GucTest::TearDown();
  }
};

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

TEST_F(GucFileTest, LoadAndReload) {  // G-10, G-12
  load("log_line_prefix = '%p '\nLog_Min_Messages = log\nf.one = 1\n");
  EXPECT_EQ(option("config_file"), dir_ + "/bgworkerd.conf");
  EXPECT_EQ(option("data_directory"), dir_);
  EXPECT_EQ(option("log_line_prefix"), "%p ");
  EXPECT_EQ(option("f.one"), "1");
  EXPECT_EQ(guc_find("f.one", false, true, 0)->sourceline, 3);
  EXPECT_THAT(log(), IsEmpty());
  EXPECT_THAT(reload("log_line_prefix = '%p '\nLog_Min_Messages = log\nf.one = 1\n"), IsEmpty());
  EXPECT_THAT(
      reload("log_line_prefix = '%m '\nf.one = 2\n"),
      ElementsAre("LOG 00000 parameter \"log_min_messages\" removed from configuration file, reset to default",
                  "LOG 00000 parameter \"log_line_prefix\" changed to \"%m \"",
                  "LOG 00000 parameter \"f.one\" changed to \"2\""));
  EXPECT_EQ(log_min_messages, WARNING);
}

TEST_F(GucFileTest, ChangedTextIsShownRaw) {  // G-10
  static int wait;
  DefineCustomIntVariable("f.wait", "d", nullptr, &wait, 5, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  load("f.wait = 1s\n");
  EXPECT_EQ(wait, 1000);
  EXPECT_THAT(reload("f.wait = 1000\n"), IsEmpty());
  EXPECT_THAT(reload("f.wait = '2 s'\n"), ElementsAre("LOG 00000 parameter \"f.wait\" changed to \"2 s\""));
}

TEST_F(GucFileTest, BadValueOnReload) {  // G-11
  load("log_line_prefix = 'a'\nlog_error_verbosity = terse\n");
  EXPECT_THAT(
      reload("log_line_prefix = 'b'\nlog_error_verbosity = loud\nbgworkerd.prepare_threshold = -1\n"),
      ElementsAre("LOG 00000 parameter \"log_line_prefix\" changed to \"b\"",
                  "LOG 22023 invalid value for parameter \"log_error_verbosity\": \"loud\" | Available values: "
                  "terse, default, verbose.",
                  "LOG 22023 -1 is outside the valid range for parameter \"bgworkerd.prepare_threshold\" (0 "
                  ".. 2147483647)",
                  "LOG F0000 configuration file \"DIR/bgworkerd.conf\" contains errors; unaffected changes "
                  "were applied"));
  EXPECT_EQ(option("log_error_verbosity"), "terse");
}

TEST_F(GucFileTest, PostmasterValueOnReload) {  // G-12
  load("max_worker_processes = 12\nlog_line_prefix = 'a'\n");
  EXPECT_EQ(max_worker_processes, 12);
  const char* refused =
      "LOG 55P02 parameter \"max_worker_processes\" cannot be changed without restarting the server";
  const char* last =
      "LOG F0000 configuration file \"DIR/bgworkerd.conf\" contains errors; unaffected changes were applied";
  EXPECT_THAT(reload("max_worker_processes = 13\nlog_line_prefix = 'b'\n"),
              ElementsAre(refused, "LOG 00000 parameter \"log_line_prefix\" changed to \"b\"", last));
  EXPECT_THAT(reload("log_line_prefix = 'b'\n"), ElementsAre(refused, last));
  EXPECT_THAT(reload("max_worker_processes = 12\nlog_line_prefix = 'b'\n"), IsEmpty());
  EXPECT_EQ(max_worker_processes, 12);
}

TEST_F(GucFileTest, NothingIsAppliedFromAFileWithUnknownNamesOrBadSyntax) {  // G-13
  load("log_line_prefix = 'a'\n");
  EXPECT_THAT(
      reload("log_line_prefix = 'b'\nshared_buffers = 1GB\n"),
      ElementsAre("LOG 42704 unrecognized configuration parameter \"shared_buffers\" in file "
                  "\"DIR/bgworkerd.conf\" line 2",
                  "LOG F0000 configuration file \"DIR/bgworkerd.conf\" contains errors; no changes were "
                  "applied"));
  EXPECT_THAT(
      reload("log_line_prefix = 'b'\nx =\n"),
      ElementsAre("LOG 42601 syntax error in file \"DIR/bgworkerd.conf\" line 2, near end of line",
                  "LOG F0000 configuration file \"DIR/bgworkerd.conf\" contains errors; no changes were "
                  "applied"));
  EXPECT_EQ(option("log_line_prefix"), "a");
}

TEST_F(GucFileTest, LastLineWins) {  // G-14
  load("");
  EXPECT_THAT(reload("log_line_prefix = 'a'\nlog_line_prefix = 'b'\n"),
              ElementsAre("LOG 00000 parameter \"log_line_prefix\" changed to \"b\""));
  EXPECT_THAT(reload("log_line_prefix = 'c'\nLOG_line_prefix = 'd'\n"),
              ElementsAre("LOG 00000 parameter \"log_line_prefix\" changed to \"c\"",
                          "LOG 00000 parameter \"LOG_line_prefix\" changed to \"d\""));
  EXPECT_EQ(option("log_line_prefix"), "d");
}

TEST_F(GucFileTest, ReservedPrefixOnReload) {  // G-08
  load("");
  MarkGUCPrefixReserved("f08");
  EXPECT_THAT(
      reload("f08.x = 1\nlog_line_prefix = 'e'\n"),
      ElementsAre("LOG 42602 invalid configuration parameter name \"f08.x\" | \"f08\" is a reserved prefix.",
                  "LOG 00000 parameter \"log_line_prefix\" changed to \"e\"",
                  "LOG F0000 configuration file \"DIR/bgworkerd.conf\" contains errors; unaffected changes "
                  "were applied"));
}

TEST_F(GucFileTest, CommandLineWins) {
  load("log_line_prefix = 'file'\ncl.x = file\n", {"log-line-prefix=argv", "cl.x=argv"});
  EXPECT_EQ(option("log_line_prefix"), "argv");
  EXPECT_EQ(option("cl.x"), "argv");
  EXPECT_THAT(reload("log_line_prefix = 'other'\n"), IsEmpty());
  EXPECT_EQ(option("log_line_prefix"), "argv");
}

TEST_F(GucFileTest, AChildReadsForItselfAndKeepsQuiet) {  // G-15
  load("log_line_prefix = 'a'\n");
  write("log_line_prefix = 'child'\nmax_worker_processes = 99\n");
  const pid_t child = fork();
  if (child == 0) {
    IsUnderPostmaster = true;
    const bool old_value = option("log_line_prefix") == "a";
    ProcessConfigFile(PGC_SIGHUP);
    std::_Exit(old_value && option("log_line_prefix") == "child" && guc_test_log.empty() &&
                       max_worker_processes != 99
                   ? 0
                   : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(option("log_line_prefix"), "a");
}

TEST_F(GucFileTest, StartsThatFail) {  // G-07
  load("");
  EXPECT_EXIT(
      start("shared_buffers = 1GB\n"), testing::ExitedWithCode(1),
      "LOG:  unrecognized configuration parameter \"shared_buffers\" in file \".*/bgworkerd.conf\" line 1\n"
      ".*FATAL:  configuration file \".*/bgworkerd.conf\" contains errors");
  EXPECT_EXIT(start("a b c\n"), testing::ExitedWithCode(1),
              "LOG:  syntax error in file \".*/bgworkerd.conf\" line 1, near token \"c\"\n"
              ".*FATAL:  configuration file \".*/bgworkerd.conf\" contains errors");
  EXPECT_EXIT(start("max_worker_processes = many\n"), testing::ExitedWithCode(1),
              "LOG:  invalid value for parameter \"max_worker_processes\": \"many\"\n"
              ".*FATAL:  configuration file \".*/bgworkerd.conf\" contains errors");
  write("max_worker_processes = -5\n", "other.conf");
  EXPECT_EXIT(start("include 'other.conf'\n"), testing::ExitedWithCode(1),
              "LOG:  -5 is outside the valid range for parameter \"max_worker_processes\" \\(0 .. 262143\\)\n"
              ".*FATAL:  configuration file \".*/other.conf\" contains errors");
  write("= 1\n", "other.conf");
  EXPECT_EXIT(start("include 'other.conf'\n"), testing::ExitedWithCode(1),
              "LOG:  syntax error in file \".*/other.conf\" line 1, near token \"=\"\n"
              ".*FATAL:  configuration file \".*/bgworkerd.conf\" contains errors");
}

TEST_F(GucFileTest, BadCommandLines) {
  load("");
  EXPECT_EXIT(start("", {"novalue"}), testing::ExitedWithCode(1), "FATAL:  -c novalue requires a value");
  EXPECT_EXIT(start("", {"nosuch=1"}), testing::ExitedWithCode(1),
              "FATAL:  unrecognized configuration parameter \"nosuch\"");
  EXPECT_EXIT(start("", {"max_worker_processes=x"}), testing::ExitedWithCode(1),
              "FATAL:  invalid value for parameter \"max_worker_processes\": \"x\"");
}

TEST_F(GucFileTest, ServersOwnListInterface) {
  write("a = 1\ninclude 'none'\n");
  ConfigVariable* head = nullptr;
  ConfigVariable* tail = nullptr;
  EXPECT_FALSE(ParseConfigFile((dir_ + "/bgworkerd.conf").c_str(), true, nullptr, 0, 0, LOG, &head, &tail));
  ASSERT_NE(head, nullptr);
  EXPECT_STREQ(head->name, "a");
  EXPECT_STREQ(head->value, "1");
  EXPECT_EQ(head->sourceline, 1);
  EXPECT_FALSE(head->ignore);
  ASSERT_EQ(head->next, tail);
  EXPECT_TRUE(tail->ignore);
  EXPECT_EQ(tail->sourceline, 2);
  EXPECT_TRUE(ends_with(tail->errmsg, "/none\""));
  EXPECT_THAT(
      log(),
      ElementsAre("LOG 58P01 could not open configuration file \"DIR/none\": No such file or directory"));
  FreeConfigVariables(head);

  FILE* file = fopen((dir_ + "/bgworkerd.conf").c_str(), "r");
  head = tail = nullptr;
  EXPECT_FALSE(ParseConfigFp(file, (dir_ + "/bgworkerd.conf").c_str(), 0, DEBUG1, &head, &tail));
  fclose(file);
  FreeConfigVariables(head);
  EXPECT_STREQ(DeescapeQuotedString("'it''s'"), "it's");
}
