// The parser reads postgresql.conf's language as the server does: values in all their spellings, include
// directives with relative names, line numbers, and the server's words about what is wrong.
#include "core/config_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

using bgw::ConfigItem;
using bgw::ConfigOutcome;
using testing::ElementsAre;

namespace {

ConfigOutcome read_text(std::string_view text, bool stop = false) {
  return bgw::read_config_text(text, "/etc/x.conf", 0, {.base_directory = {}, .stop_at_first_error = stop});
}

// Each item in one line: "name=value@line", or "! message", or "- message".
std::vector<std::string> lines(const ConfigOutcome& outcome) {
  std::vector<std::string> result;
  for (const ConfigItem& item : outcome.items) {
    if (item.kind == ConfigItem::Kind::setting)
      result.push_back(item.name + "=" + item.value + "@" + std::to_string(item.line));
    else
      result.push_back((item.kind == ConfigItem::Kind::error ? "! " : "- ") + item.message);
  }
  return result;
}

class ConfigFiles : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bgw-config-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = dir_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  ConfigOutcome read(const std::string& name) {
    return bgw::read_config_file(dir_ + "/" + name, true, {}, 0, 0, {});
  }
  // The items, with the temporary folder's name left out.
  std::vector<std::string> read_lines(const std::string& name) {
    std::vector<std::string> result = lines(read(name));
    for (std::string& line : result)
      for (std::size_t at; (at = line.find(dir_)) != std::string::npos;) line.replace(at, dir_.size(), "DIR");
    return result;
  }

  std::string dir_;
};

}  // namespace

TEST(ConfigText, Spellings) {
  EXPECT_THAT(lines(read_text("a = 1\n"
                              "b 2\n"
                              "  c='three'  # said so\n"
                              "\n"
                              "# nothing\n"
                              "D.e = on\r\n"
                              "f = some/path-1.2:x_y\n"
                              "g=-10kB\n"
                              "h = .5e-3\n"
                              "i = 0x1Fms\n"
                              "j = +1.\n"
                              "k.l 'x'")),
              ElementsAre("a=1@1", "b=2@2", "c=three@3", "D.e=on@6", "f=some/path-1.2:x_y@7", "g=-10kB@8",
                          "h=.5e-3@9", "i=0x1Fms@10", "j=+1.@11", "k.l=x@12"));
}

TEST(ConfigText, QuotedStrings) {
  EXPECT_THAT(lines(read_text(R"(a = 'it''s'
b = 'back\\slash \'quote\''
c = '\101\7\1234'
d = '\t\n\q'
e = ''
f = ''''
g = 'a # b'
)")),
              ElementsAre("a=it's@1", "b=back\\slash 'quote'@2", "c=A\aS4@3", "d=\t\nq@4", "e=@5", "f='@6",
                          "g=a # b@7"));
}

TEST(ConfigText, SyntaxErrorsNameTheTokenAndGoOn) {
  const ConfigOutcome outcome = read_text(
      "a = 1\n"
      "b = \n"
      "= 3\n"
      "c = 'open\n"
      "d = 1 2\n"
      "e.f = g.h\n"
      "i.j.k = 1\n"
      "z = 26\n");
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(lines(outcome),
              ElementsAre("a=1@1", "! syntax error in file \"/etc/x.conf\" line 2, near end of line",
                          "! syntax error in file \"/etc/x.conf\" line 3, near token \"=\"",
                          "! syntax error in file \"/etc/x.conf\" line 4, near token \"'\"",
                          "! syntax error in file \"/etc/x.conf\" line 5, near token \"2\"",
                          "! syntax error in file \"/etc/x.conf\" line 6, near token \"g.h\"",
                          "! syntax error in file \"/etc/x.conf\" line 7, near token \"i.j.k\"", "z=26@8"));
  EXPECT_EQ(outcome.items[1].summary, "syntax error");
  EXPECT_STREQ(outcome.items[1].sqlstate, "42601");
}

TEST(ConfigText, AHundredSyntaxErrorsAreEnough) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "=\n";
  const ConfigOutcome outcome = read_text(text);
  ASSERT_EQ(outcome.items.size(), 101u);
  EXPECT_EQ(outcome.items.back().message, "too many syntax errors found, abandoning file \"/etc/x.conf\"");
  EXPECT_STREQ(outcome.items.back().sqlstate, "54000");
  EXPECT_EQ(read_text(text, true).items.size(), 2u);
}

TEST(ConfigText, NamesCompareWithoutCase) {
  EXPECT_TRUE(bgw::same_setting_name("Log_Min", "lOG_mIN"));
  EXPECT_FALSE(bgw::same_setting_name("a", "ab"));
  EXPECT_FALSE(bgw::same_setting_name("\xc3\x84", "\xc3\xa4"));
}

TEST_F(ConfigFiles, IncludesAreRelativeToTheIncludingFile) {
  write("main.conf",
        "a = 1\nINCLUDE 'sub/one.conf'\nb = 2\ninclude_if_exists = none.d/x.conf\ninclude_dir 'conf.d'\n");
  write("sub/one.conf", "c = 3\ninclude 'two.conf'\n");
  write("sub/two.conf", "\n\nd = 4\n");
  write("conf.d/b.conf", "e = 5\n");
  write("conf.d/B.conf", "f = 6\n");
  write("conf.d/.hidden.conf", "=\n");
  write("conf.d/b.conf~", "=\n");
  write("conf.d/.conf", "=\n");
  write("conf.d/dir.conf/x", "");
  EXPECT_THAT(read_lines("main.conf"),
              ElementsAre("a=1@1", "c=3@1", "d=4@3", "b=2@3",
                          "- skipping missing configuration file \"DIR/none.d/x.conf\"", "f=6@1", "e=5@1"));
  EXPECT_TRUE(read("main.conf").ok);
  EXPECT_EQ(read("main.conf").items[2].file, dir_ + "/sub/two.conf");
}

TEST_F(ConfigFiles, WhatCannotBeIncluded) {
  write(
      "main.conf",
      "include 'none.conf'\ninclude_dir 'nowhere'\ninclude ''\ninclude_dir ' '\ninclude 'main.conf'\nz = 1\n");
  const ConfigOutcome outcome = read("main.conf");
  EXPECT_FALSE(outcome.ok);
  EXPECT_THAT(
      read_lines("main.conf"),
      ElementsAre("! could not open configuration file \"DIR/none.conf\": No such file or directory",
                  "! could not open configuration directory \"DIR/nowhere\": No such file or directory",
                  "! empty configuration file name: \"\"", "! empty configuration directory name: \" \"",
                  "! configuration file recursion in \"DIR/main.conf\"", "z=1@6"));
  EXPECT_EQ(outcome.items[0].line, 1u);
  EXPECT_EQ(outcome.items[0].system_error, ENOENT);
  EXPECT_EQ(outcome.items[0].summary, "could not open file \"" + dir_ + "/none.conf\"");
}

TEST_F(ConfigFiles, NestingHasALimit) {
  write("a.conf", "include 'b.conf'\n");
  write("b.conf", "include 'a.conf'\n");
  EXPECT_THAT(read_lines("a.conf"),
              ElementsAre("! could not open configuration file \"b.conf\": maximum nesting depth exceeded"));
}

TEST_F(ConfigFiles, TheOutermostFileMustExist) {
  EXPECT_THAT(read_lines("none.conf"),
              ElementsAre("! could not open configuration file \"DIR/none.conf\": No such file or directory"));
}

// Any text without NUL, quoted, reads back as it was; also through a whole file.
TEST(ConfigText, QuotingRoundTrips) {
  const char* given = std::getenv("BGW_TEST_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device{}();
  SCOPED_TRACE("BGW_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  std::string file;
  std::vector<std::string> expected;
  for (int i = 0; i < 2000; ++i) {
    std::string value(random() % 20, '\0');
    for (char& c : value)
      c = random() % 2 ? "'\\\n\r\t#= 01nb"[random() % 12] : static_cast<char>(1 + random() % 255);
    const std::string quoted = bgw::quote_config_value(value);
    ASSERT_EQ(bgw::unquote_config_value(quoted), value);
    file +=
        "x.v" + std::to_string(i) + (random() % 2 ? " = " : " ") + quoted + (random() % 2 ? " # '\n" : "\n");
    expected.push_back(value);
  }
  const ConfigOutcome outcome = read_text(file);
  ASSERT_TRUE(outcome.ok);
  ASSERT_EQ(outcome.items.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(outcome.items[i].value, expected[i]);
    ASSERT_EQ(outcome.items[i].line, i + 1);
  }
}
