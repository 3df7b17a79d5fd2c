// Setting and reading parameters follow the server's rules: who may change what and when, what values are
// taken, what is said about those that are not, and what modules' definitions do to values given before.
#include <unistd.h>

#include "utils/guc_fixture.hpp"

using testing::ElementsAre;
using testing::IsEmpty;

namespace {

const char* set(const char* name, const char* value, GucContext context = PGC_USERSET,
                GucSource source = PGC_S_SESSION) {
  return guc_test_error_text([=] { SetConfigOption(name, value, context, source); });
}

const config_enum_entry colours[] = {
    {"red", 1, false}, {"green", 2, false}, {"rot", 1, true}, {nullptr, 0, false}};

int assigned[8];
int assign_count;
void note_assignment(int newval, void* extra) {
  assigned[assign_count++ % 8] = newval;
}

bool refuse_odd(int* newval, void** extra, GucSource source) {
  return *newval % 2 == 0;
}

bool refuse_with_words(char** newval, void** extra, GucSource source) {
  if (strcmp(*newval, "bad") != 0) return true;
  GUC_check_errcode(ERRCODE_FEATURE_NOT_SUPPORTED);
  GUC_check_errmsg("no %s here", *newval);
  GUC_check_errdetail("It is bad.");
  GUC_check_errhint("Try good.");
  return false;
}

bool upper_case(char** newval, void** extra, GucSource source) {
  char* upper = strdup(*newval);
  for (char* p = upper; *p != '\0'; ++p) *p = static_cast<char>(pg_toupper(static_cast<unsigned char>(*p)));
  free(*newval);
  *newval = upper;
  *extra = strdup("made by check");
  return true;
}
char seen_extra[32];
void note_extra(const char* newval, void* extra) {
  strlcpy(seen_extra, static_cast<const char*>(extra), sizeof seen_extra);
}

int raising_checks = 0;
bool raise_error(int* newval, void** extra, GucSource source) {
  if (++raising_checks > 1) ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("hook raised")));
  return true;
}

// In the process that gtest forks for a death.
void as_child() {
  MyProcPid = getpid();
}

const char* show_stars() {
  return "***";
}

}  // namespace

TEST_F(GucTest, PlaceholderBecomesTheModulesParameter) {  // G-01
  static int value = -1;
  SetConfigOption("g01.number", "42", PGC_POSTMASTER, PGC_S_FILE);
  EXPECT_EQ(option("g01.number"), "42");
  EXPECT_NE(GetConfigOptionFlags("g01.number", false) & GUC_CUSTOM_PLACEHOLDER, 0);
  assign_count = 0;
  DefineCustomIntVariable("g01.number", "d", nullptr, &value, 7, 0, 100, PGC_SIGHUP, 0, nullptr,
                          note_assignment, nullptr);
  EXPECT_EQ(value, 42);
  ASSERT_EQ(assign_count, 2);
  EXPECT_EQ(assigned[0], 7);
  EXPECT_EQ(assigned[1], 42);
  EXPECT_EQ(guc_find("g01.number", false, true, 0)->source, PGC_S_FILE);
  EXPECT_THAT(log(), IsEmpty());
}

TEST_F(GucTest, BadPlaceholderValueIsAWarning) {  // G-02, G-03
  static int number;
  static double real;
  static bool flag;
  static int colour;
  SetConfigOption("g02.number", "ten", PGC_POSTMASTER, PGC_S_FILE);
  SetConfigOption("g02.wide", "2min", PGC_POSTMASTER, PGC_S_FILE);
  SetConfigOption("g02.real", "1.5", PGC_POSTMASTER, PGC_S_FILE);
  SetConfigOption("g02.flag", "maybe", PGC_POSTMASTER, PGC_S_FILE);
  SetConfigOption("g02.colour", "blue", PGC_POSTMASTER, PGC_S_FILE);
  DefineCustomIntVariable("g02.number", "d", nullptr, &number, 7, 0, 100, PGC_SIGHUP, 0, nullptr, nullptr,
                          nullptr);
  EXPECT_THAT(log(), ElementsAre("WARNING 22023 invalid value for parameter \"g02.number\": \"ten\""));
  EXPECT_EQ(number, 7);
  DefineCustomIntVariable("g02.wide", "d", nullptr, &number, 7, 0, 100000, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  EXPECT_THAT(
      log(),
      ElementsAre(
          "WARNING 22023 120000 ms is outside the valid range for parameter \"g02.wide\" (0 .. 100000)"));
  DefineCustomRealVariable("g02.real", "d", nullptr, &real, 0.5, 0, 1, PGC_SIGHUP, 0, nullptr, nullptr,
                           nullptr);
  EXPECT_THAT(log(),
              ElementsAre("WARNING 22023 1.5 is outside the valid range for parameter \"g02.real\" (0 .. 1)"));
  EXPECT_EQ(real, 0.5);
  DefineCustomBoolVariable("g02.flag", "d", nullptr, &flag, true, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  EXPECT_THAT(log(), ElementsAre("WARNING 22023 parameter \"g02.flag\" requires a Boolean value"));
  EXPECT_TRUE(flag);
  DefineCustomEnumVariable("g02.colour", "d", nullptr, &colour, 2, colours, PGC_SIGHUP, 0, nullptr, nullptr,
                           nullptr);
  EXPECT_THAT(log(),
              ElementsAre("WARNING 22023 invalid value for parameter \"g02.colour\": \"blue\" | Available "
                          "values: red, green."));
  EXPECT_EQ(option("g02.colour"), "green");
}

TEST_F(GucTest, Units) {  // G-04, G-05
  static int time;
  static int bare;
  DefineCustomIntVariable("g04.time", "d", nullptr, &time, 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("g04.bare", "d", nullptr, &bare, 1, 0, 99, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  EXPECT_EQ(option("g04.time"), "1000");
  EXPECT_EQ(shown("G04.Time"), "1s");
  EXPECT_STREQ(
      set("g04.time", "1week"),
      "22023 invalid value for parameter \"g04.time\": \"1week\" | Valid units for this parameter are \"us\", "
      "\"ms\", \"s\", \"min\", \"h\", and \"d\".");
  EXPECT_STREQ(
      set("g04.time", "99999999999"),
      "22023 invalid value for parameter \"g04.time\": \"99999999999\" | Value exceeds integer range.");
  EXPECT_STREQ(set("g04.bare", "1s"), "22023 invalid value for parameter \"g04.bare\": \"1s\"");
  EXPECT_STREQ(set("g04.bare", "0x10"), "");
  EXPECT_EQ(bare, 16);
  EXPECT_EQ(time, 1000);
}

TEST_F(GucTest, UnknownNames) {  // G-05, G-16
  EXPECT_EQ(GetConfigOption("no_such", true, false), nullptr);
  EXPECT_STREQ(guc_test_error_text([] { GetConfigOption("no_such", false, false); }),
               "42704 unrecognized configuration parameter \"no_such\"");
  EXPECT_STREQ(set("no_such", "1"), "42704 unrecognized configuration parameter \"no_such\"");
  EXPECT_STREQ(set("g05.new", "some text"), "");
  EXPECT_EQ(option("g05.new"), "some text");
  EXPECT_STREQ(
      set("g05.1x", "1"),
      "42602 invalid configuration parameter name \"g05.1x\" | Custom parameter names must be two or more "
      "simple identifiers separated by dots.");
  EXPECT_EQ(option("sort_mem"), "4096");
}

TEST_F(GucTest, ReservedPrefix) {  // G-06, G-08
  static int value;
  DefineCustomIntVariable("g06.known", "d", nullptr, &value, 1, 0, 9, PGC_USERSET, 0, nullptr, nullptr,
                          nullptr);
  set("g06.b", "1");
  set("g06.a", "1");
  set("g06x.a", "1");
  MarkGUCPrefixReserved("g06");
  EXPECT_THAT(log(), ElementsAre("WARNING 42602 invalid configuration parameter name \"g06.a\", removing it | "
                                 "\"g06\" is now a reserved prefix.",
                                 "WARNING 42602 invalid configuration parameter name \"g06.b\", removing it | "
                                 "\"g06\" is now a reserved prefix."));
  EXPECT_EQ(option("g06.a"), "(null)");
  EXPECT_EQ(option("g06x.a"), "1");
  EXPECT_EQ(option("g06.known"), "1");
  EXPECT_STREQ(set("g06.c", "1"),
               "42602 invalid configuration parameter name \"g06.c\" | \"g06\" is a reserved prefix.");
  EXPECT_STREQ(set("g06.known", "2"), "");
}

TEST_F(GucTest, DefinitionsThatAreRefused) {  // G-09
  static int value;
  static char* text;
  DefineCustomIntVariable("g09.twice", "d", nullptr, &value, 1, 0, 9, PGC_USERSET, 0, nullptr, nullptr,
                          nullptr);
  EXPECT_STREQ(guc_test_error_text([] {
                 DefineCustomIntVariable("g09.TWICE", "d", nullptr, &value, 1, 0, 9, PGC_USERSET, 0, nullptr,
                                         nullptr, nullptr);
               }),
               "XX000 attempt to redefine parameter \"g09.TWICE\"");
  emit_log_hook = nullptr;
  EXPECT_EXIT(as_child(); DefineCustomIntVariable("g09.pm", "d", nullptr, &value, 1, 0, 9, PGC_POSTMASTER, 0,
                                                  nullptr, nullptr, nullptr),
                          testing::ExitedWithCode(1),
                          "FATAL:  cannot create PGC_POSTMASTER variables after startup");
  EXPECT_EXIT(as_child(); DefineCustomStringVariable("g09.list", "d", nullptr, &text, "", PGC_USERSET,
                                                     GUC_LIST_QUOTE, nullptr, nullptr, nullptr),
                          testing::ExitedWithCode(1),
                          "FATAL:  extensions cannot define GUC_LIST_QUOTE variables");
  EXPECT_EXIT(as_child(); DefineCustomIntVariable("g09.odd", "d", nullptr, &value, 1, 0, 9, PGC_USERSET, 0,
                                                  refuse_odd, nullptr, nullptr),
                          testing::ExitedWithCode(1), "FATAL:  failed to initialize g09.odd to 1");
  EXPECT_EXIT(as_child(); DefineCustomStringVariable("g09.bad", "d", nullptr, &text, "bad", PGC_USERSET, 0,
                                                     refuse_with_words, nullptr, nullptr),
                          testing::ExitedWithCode(1), "FATAL:  failed to initialize g09.bad to \"bad\"");
}

TEST_F(GucTest, CheckHooks) {  // G-09
  static int even;
  static int raising;
  static char* text;
  static char* upper;
  DefineCustomIntVariable("g09.even", "d", nullptr, &even, 2, 0, 9, PGC_USERSET, 0, refuse_odd, nullptr,
                          nullptr);
  DefineCustomStringVariable("g09.text", "d", nullptr, &text, "good", PGC_USERSET, 0, refuse_with_words,
                             nullptr, nullptr);
  EXPECT_STREQ(set("g09.even", "3"), "22023 invalid value for parameter \"g09.even\": 3");
  EXPECT_STREQ(set("g09.text", "bad"), "0A000 no bad here | It is bad. | Try good.");
  EXPECT_STREQ(text, "good");

  DefineCustomStringVariable("g09.upper", "d", nullptr, &upper, "abc", PGC_USERSET, 0, upper_case, note_extra,
                             nullptr);
  EXPECT_STREQ(upper, "ABC");
  EXPECT_STREQ(seen_extra, "made by check");
  EXPECT_STREQ(set("g09.upper", "def"), "");
  EXPECT_STREQ(upper, "DEF");

  DefineCustomIntVariable("g09.raising", "d", nullptr, &raising, 1, 0, 9, PGC_USERSET, 0, raise_error, nullptr,
                          nullptr);
  EXPECT_STREQ(set("g09.raising", "2"), "22000 hook raised");
  EXPECT_EQ(raising, 1);
}

TEST_F(GucTest, ShowHooksAndResetStrings) {
  static int secret;
  DefineCustomIntVariable("g05.secret", "d", nullptr, &secret, 5, 0, 9, PGC_USERSET, 0, nullptr, nullptr,
                          show_stars);
  EXPECT_EQ(shown("g05.secret"), "***");
  EXPECT_EQ(option("g05.secret"), "5");
  set("g05.secret", "6");
  EXPECT_STREQ(GetConfigOptionResetString("g05.secret"), "5");
}

TEST_F(GucTest, Contexts) {  // G-12, G-16
  EXPECT_STREQ(set("server_version", "1"), "55P02 parameter \"server_version\" cannot be changed");
  EXPECT_STREQ(set("max_worker_processes", "9"),
               "55P02 parameter \"max_worker_processes\" cannot be changed without restarting the server");
  EXPECT_STREQ(set("log_line_prefix", ""), "55P02 parameter \"log_line_prefix\" cannot be changed now");
  EXPECT_STREQ(set("log_min_messages", "log"), "");
  set("log_min_messages", "warning");
}

TEST_F(GucTest, HigherSourcesWin) {
  set("g.source", "argv", PGC_POSTMASTER, PGC_S_ARGV);
  set("g.source", "file", PGC_POSTMASTER, PGC_S_FILE);
  EXPECT_EQ(option("g.source"), "argv");
  set("g.source", "session");
  EXPECT_EQ(option("g.source"), "session");
  EXPECT_EQ(set_config_option("g.source", nullptr, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SET, true, 0, false),
            1);
  EXPECT_EQ(option("g.source"), "argv");
  EXPECT_EQ(guc_find("g.source", false, true, 0)->source, PGC_S_ARGV);
}

TEST_F(GucTest, LongOptions) {
  char* name;
  char* value;
  ParseLongOption("log-min-messages=debug1=x", &name, &value);
  EXPECT_STREQ(name, "log_min_messages");
  EXPECT_STREQ(value, "debug1=x");
  ParseLongOption("plain", &name, &value);
  EXPECT_STREQ(name, "plain");
  EXPECT_EQ(value, nullptr);
}
