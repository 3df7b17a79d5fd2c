// A worker's session for tests of SPI and transactions: a private server, the connection a worker would make,
// and small helpers in C style.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/caught.hpp"
#include "support/private_server.hpp"
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/guc.h"
#include "utils/timeout.h"
}

#include "bridge/worker_session.hpp"
#include "core/status_page.hpp"
#include "utils/guc_internal.hpp"

namespace bgw_test {

class SpiTest : public ::testing::Test {
 protected:
  // One server and one session for the whole process: a process connects once.
  static PrivateServer& server() {
    static PrivateServer* instance = [] {
      auto* made = new PrivateServer();
      std::atexit([] { delete kept(); });
      kept() = made;
      return made;
    }();
    return *instance;
  }
  static PrivateServer*& kept() {
    static PrivateServer* pointer = nullptr;
    return pointer;
  }
  static void SetUpTestSuite() {
    static std::string conninfo = server().conninfo();
    if (!bgw_have_session()) InitializeGUCOptions();  // the session sets some
    upstream_conninfo = const_cast<char*>(conninfo.c_str());
    if (!bgw_have_session()) {
      InitializeTimeouts();  // which a session registers its own with
      ASSERT_TRUE(bgw::StatusPage::create(1, 1));  // where a worker reads how the upstream is
      Caught failed = caught([](void*) { bgw_connect_worker("postgres", nullptr, InvalidOid, InvalidOid, 0); });
      ASSERT_FALSE(failed.raised) << failed.message;
    }
  }
  void TearDown() override {
    AbortOutOfAnyTransaction();
    MemoryContextSwitchTo(TopMemoryContext);
  }

  static void begin() {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    SPI_connect();
    PushActiveSnapshot(GetTransactionSnapshot());
  }
  static void end() {
    SPI_finish();
    PopActiveSnapshot();
    CommitTransactionCommand();
  }
  // Runs `text`, which may raise; the code, or what was raised.
  static Caught run(const char* text, int* code = nullptr, bool read_only = false, long tcount = 0) {
    struct Call {
      const char* text;
      bool read_only;
      long tcount;
      int code;
    } call = {text, read_only, tcount, 0};
    Caught result = caught(
        [](void* argument) {
          Call* c = static_cast<Call*>(argument);
          c->code = SPI_execute(c->text, c->read_only, c->tcount);
        },
        &call);
    if (code) *code = call.code;
    return result;
  }
  static int code_of(const char* text, bool read_only = false, long tcount = 0) {
    int code = 0;
    Caught result = run(text, &code, read_only, tcount);
    EXPECT_FALSE(result.raised) << text << ": " << result.message;
    return code;
  }
  // The first column of the first row.
  static std::string value(const char* text) {
    if (code_of(text) < 0 || SPI_tuptable == nullptr || SPI_processed == 0) return "(none)";
    char* v = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    return v ? v : "NULL";
  }
};

}  // namespace bgw_test
