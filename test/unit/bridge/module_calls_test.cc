// Property: whatever bytes a module's file has, reading it and following its code ends, with an answer or an
// Error.
#include "bridge/module_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace {

const std::string packaged = std::string(BGW_PG_PKGLIBDIR) + "/auto_explain.so";

bgw::Result<bgw::ModuleCalls> follow(const bgw::ElfFile& file) {
  return bgw::follow_module_calls(
      file, [](const std::string& name) { return name.starts_with("standard_Executor"); },
      [](const std::string& name) { return name.find("_hook") != name.npos; });
}

TEST(ModuleCallsTest, HooksAreSetApart) {
  auto file = bgw::ElfFile::open(packaged);
  ASSERT_TRUE(file) << file.error().one_line();
  EXPECT_GT(file->function_starts().size(), 5u);
  EXPECT_FALSE(file->relocations().empty());
  auto calls = follow(*file);
  ASSERT_TRUE(calls) << calls.error().one_line();
  ASSERT_EQ(calls->entry_points.size(), 1u);
  EXPECT_EQ(calls->entry_points[0].name, "_PG_init");
  EXPECT_TRUE(calls->entry_points[0].reaches.empty());
  EXPECT_THAT(calls->idle_hooks, testing::ElementsAre("ExecutorEnd_hook", "ExecutorFinish_hook",
                                                      "ExecutorRun_hook", "ExecutorStart_hook"));

  // Were the hooks called, the functions behind them would be reached.
  auto called = bgw::follow_module_calls(
      *file, [](const std::string& name) { return name.starts_with("standard_Executor"); },
      [](const std::string&) { return false; });
  ASSERT_TRUE(called);
  std::vector<std::string> names;
  for (const bgw::Reach& reach : called->entry_points[0].reaches) {
    names.push_back(reach.name);
    EXPECT_EQ(reach.path.front(), "_PG_init");
    EXPECT_EQ(reach.path.back(), reach.name);
  }
  EXPECT_THAT(names, testing::ElementsAre("standard_ExecutorEnd", "standard_ExecutorFinish",
                                          "standard_ExecutorRun", "standard_ExecutorStart"));
}

TEST(ModuleCallsTest, WhatIsNoLibraryIsAnError) {
  for (const char* path : {"/nonexistent.so", "/", "/proc/self/cmdline", "/etc/passwd"}) {
    auto file = bgw::ElfFile::open(path);
    ASSERT_FALSE(file) << path;
    EXPECT_THAT(file.error().message, testing::HasSubstr(path));
  }
}

TEST(ModuleCallsTest, DamagedFiles) {
  const char* given = std::getenv("BGW_TEST_SEED");
  const unsigned seed =
      given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  SCOPED_TRACE("BGW_TEST_SEED=" + std::to_string(seed));
  std::mt19937 random(seed);
  std::ifstream in(packaged, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  ASSERT_GT(whole.size(), 10000u);
  char path[] = "/tmp/bgw_damaged_XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  int read = 0;
  for (int round = 0; round < 150; round++) {
    std::string content = whole;
    const unsigned changes = 1 + random() % 40;
    // The header and the tables at the end say where everything is: half of the damage is done there.
    for (unsigned i = 0; i < changes; i++) {
      const std::size_t tables = content.size() - 2048;
      std::size_t at = random() % content.size();
      if (random() % 2) at = random() % 3 ? tables + random() % 2048 : random() % 1024;
      content[at] = static_cast<char>(random());
    }
    if (random() % 5 == 0) content.resize(random() % content.size());
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    auto file = bgw::ElfFile::open(path);
    if (!file) {
      EXPECT_FALSE(file.error().message.empty());
      continue;
    }
    auto calls = follow(*file);
    if (!calls) continue;
    read++;
    for (const bgw::EntryPoint& entry : calls->entry_points)
      for (const bgw::Reach& reach : entry.reaches) ASSERT_GE(reach.path.size(), 2u);
  }
  unlink(path);
  EXPECT_GT(read, 10);  // or the test shows nothing
}

}  // namespace
