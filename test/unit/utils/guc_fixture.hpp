// What the tests of settings share: the log as a list of lines, and errors as values. The host's settings are
// registered once per process; parameters that tests define have names of their own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/memutils.h"
}

// One message as "LEVEL SQLSTATE text [| detail] [| hint]"; filled in by emit_log_hook.
inline std::vector<std::string> guc_test_log;

inline void guc_test_collect(ErrorData* edata) {
  std::string line = error_severity(edata->elevel);
  line += std::string(" ") + unpack_sql_state(edata->sqlerrcode) + " " + edata->message;
  if (edata->detail != nullptr) line += std::string(" | ") + edata->detail;
  if (edata->hint != nullptr) line += std::string(" | ") + edata->hint;
  guc_test_log.push_back(line);
  edata->output_to_server = false;
}

class GucTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/bgw-guc-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    dir_ = name;
    InitializeGUCOptions();
    hook_before_ = emit_log_hook;
    emit_log_hook = guc_test_collect;
    guc_test_log.clear();
  }
  void TearDown() override {
    emit_log_hook = hook_before_;
    FlushErrorState();
    std::filesystem::remove_all(dir_);
  }

  // What has been logged since the last call; the temporary folder's name is left out.
  std::vector<std::string> log() {
    for (std::string& line : guc_test_log)
      for (std::size_t at; (at = line.find(dir_)) != std::string::npos;) line.replace(at, dir_.size(), "DIR");
    return std::move(guc_test_log);
  }

  void write(const std::string& text, const std::string& name = "bgworkerd.conf") {
    std::ofstream(dir_ + "/" + name) << text;
  }

  std::string dir_;
  emit_log_hook_type hook_before_ = nullptr;
};

// Runs `work`, which must own nothing, and returns the ERROR it raised in the log's form, or "".
template <class Work>
const char* guc_test_error_text(Work work) {
  static char text[1024];
  text[0] = '\0';
  MemoryContext caller = CurrentMemoryContext;
  PG_TRY();
  { work(); }
  PG_CATCH();
  {
    MemoryContextSwitchTo(caller);
    ErrorData* edata = CopyErrorData();
    FlushErrorState();
    snprintf(text, sizeof text, "%s %s%s%s%s%s", unpack_sql_state(edata->sqlerrcode), edata->message,
             edata->detail != nullptr ? " | " : "", edata->detail != nullptr ? edata->detail : "",
             edata->hint != nullptr ? " | " : "", edata->hint != nullptr ? edata->hint : "");
    FreeErrorData(edata);
  }
  PG_END_TRY();
  return text;
}

inline std::string option(const char* name) {
  const char* text = GetConfigOption(name, true, false);
  return text != nullptr ? text : "(null)";
}

inline std::string shown(const char* name) {
  const char* text = GetConfigOptionByName(name, nullptr, true);
  return text != nullptr ? text : "(null)";
}
