// The property: whatever happens to the connection at whatever message of a transaction, the transaction is
// there as a whole or not at all; a session that says "committed" or "failed" is right, and one that cannot
// know says so; nothing hangs; and the next connection works.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <string>

#include "core/session.hpp"
#include "support/fault_proxy.hpp"
#include "support/private_server.hpp"

namespace bgw {
namespace {

using bgw_test::Fault;
using bgw_test::FaultProxy;
using Clock = std::chrono::steady_clock;

Clock::time_point wait_limit;

// Stands for a worker that is told to end when nothing has come for a while.
WaitOutcome limited_wait(int fd, short events, int) noexcept {
  pollfd p{fd, events, 0};
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(wait_limit - Clock::now()).count();
  if (left <= 0) return WaitOutcome::interrupted;
  return ::poll(&p, 1, static_cast<int>(left)) > 0 ? WaitOutcome::ready : WaitOutcome::interrupted;
}

enum class Claim { committed, failed, unknown, interrupted };

const char* name_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::none:
      return "none";
    case Fault::Kind::cut:
      return "cut";
    case Fault::Kind::truncate:
      return "truncate";
    case Fault::Kind::delay:
      return "delay";
    case Fault::Kind::half_open:
      return "half-open";
  }
  return "?";
}

class SessionFaultTest : public ::testing::Test {
 protected:
  SessionFaultTest() : proxy_(server_.folder() + "/.s.PGSQL.5432"), direct_(server_.connect()) {
    bgw_test::query(direct_.get(), "CREATE TABLE f (id int, part int)");
  }

  Request statement(const std::string& text) {
    Request r;
    r.text = text;
    r.preparable = true;
    r.want_prepared = true;
    return r;
  }

  // A transaction of two inserts, one of them in a subtransaction, and a look at the table.
  Claim transaction(Session& session, int id) {
    auto one = [&](Request r) { return session.execute(std::move(r)) == Step::done && !session.failure(); };
    auto claim = [&] {
      if (session.under_way()) return Claim::interrupted;
      return session.failure() && session.failure()->kind == Failure::Kind::commit_unknown ? Claim::unknown
                                                                                           : Claim::failed;
    };
    Request first = statement("INSERT INTO f VALUES ($1, 1)");
    first.types = {23};
    first.values = {std::to_string(id)};
    session.begin();
    if (!one(first)) return claim();
    if (!one(statement("SELECT count(*) FROM f"))) return claim();
    session.begin_sub();
    Request second = first;
    second.text = "INSERT INTO f VALUES ($1, 2)";
    if (!one(second)) return claim();
    session.release_sub();
    if (session.commit() != Step::done) return Claim::interrupted;
    return session.failure() ? claim() : Claim::committed;
  }

  std::string conninfo() const {
    return "host=" + proxy_.folder() + " port=5432 dbname=postgres user=postgres";
  }

  // Until no connection through the proxy is left in the server: what it had begun is decided then.
  void wait_until_gone() {
    auto deadline = Clock::now() + std::chrono::seconds(60);
    while (bgw_test::query(direct_.get(),
                           "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fault'") != "0") {
      ASSERT_LT(Clock::now(), deadline) << "a session through the proxy does not end";
      ::poll(nullptr, 0, 1);
    }
  }

  // Runs the transaction with a fault; true if its message came at all.
  bool with_fault(Fault fault) {
    const int id = next_id_++;
    const std::string what = std::string(name_of(fault.kind)) + (fault.from_client ? " client " : " server ") +
                             std::to_string(fault.at);
    proxy_.arm(fault);
    Claim claim;
    {
      wait_limit = Clock::now() + std::chrono::seconds(60);
      Session session(limited_wait);
      EXPECT_EQ(session.connect({conninfo(), {{"application_name", "fault"}}}), Step::done) << what;
      EXPECT_TRUE(session.connected()) << what << (session.failure() ? session.failure()->message.message : "");
      if (!session.connected()) return false;
      // Only a half-open connection is silent for long.
      const bool silent = fault.kind == Fault::Kind::half_open;
      wait_limit = Clock::now() + (silent ? std::chrono::milliseconds(150) : std::chrono::seconds(60));
      claim = transaction(session, id);
      if (claim == Claim::interrupted) {
        EXPECT_EQ(fault.kind, Fault::Kind::half_open) << what;
        if (session.committing()) claim = Claim::unknown;
        session.close();  // which waits for nobody, or this test would take minutes
        if (claim == Claim::interrupted) claim = Claim::failed;
      }
      if (fault.kind == Fault::Kind::delay) {
        EXPECT_EQ(claim, Claim::committed) << what;
      }
    }
    wait_until_gone();
    const std::string rows =
        bgw_test::query(direct_.get(), "SELECT count(*) FROM f WHERE id = " + std::to_string(id));
    switch (claim) {
      case Claim::committed:
        EXPECT_EQ(rows, "2") << what;
        break;
      case Claim::failed:
        EXPECT_EQ(rows, "0") << what;
        break;
      case Claim::unknown:
        EXPECT_TRUE(rows == "0" || rows == "2") << what << ": " << rows;
        unknown_++;
        break;
      case Claim::interrupted:
        break;
    }
    return proxy_.fired();
  }

  void at_every_message(Fault::Kind kind) {
    for (bool from_client : {true, false}) {
      int at = 0;
      while (with_fault({.kind = kind, .from_client = from_client, .at = at}) && !HasFailure()) ++at;
      EXPECT_GT(at, 10) << "the transaction has more messages than that";
    }
  }

  bgw_test::PrivateServer server_;
  FaultProxy proxy_;
  bgw_test::Connection direct_;
  int next_id_ = 1;
  int unknown_ = 0;
};

TEST_F(SessionFaultTest, CutAtEveryMessage) {
  at_every_message(Fault::Kind::cut);
  EXPECT_GT(unknown_, 0);  // the answer to COMMIT was among what got lost
}

TEST_F(SessionFaultTest, TruncateEveryMessage) {
  at_every_message(Fault::Kind::truncate);
  EXPECT_GT(unknown_, 0);
}

TEST_F(SessionFaultTest, DelayEveryMessage) {
  at_every_message(Fault::Kind::delay);
  EXPECT_EQ(unknown_, 0);
}

TEST_F(SessionFaultTest, HalfOpenFromEveryMessageOn) {
  at_every_message(Fault::Kind::half_open);
  EXPECT_GT(unknown_, 0);
}

TEST_F(SessionFaultTest, FaultsWhileConnecting) {
  for (Fault::Kind kind : {Fault::Kind::cut, Fault::Kind::truncate, Fault::Kind::half_open}) {
    for (bool from_client : {true, false}) {
      for (int at = 0;; ++at) {
        proxy_.arm({.kind = kind, .from_client = from_client, .at = at, .from_start = true});
        Session session(limited_wait);
        wait_limit = Clock::now() + std::chrono::milliseconds(kind == Fault::Kind::half_open ? 150 : 60000);
        Step step = session.connect({conninfo(), {{"application_name", "fault"}}});
        if (!proxy_.fired()) break;
        EXPECT_EQ(step == Step::interrupted, kind == Fault::Kind::half_open) << at;
        EXPECT_FALSE(session.connected() && step == Step::done);
        if (step == Step::done) {
          ASSERT_TRUE(session.failure());
          EXPECT_EQ(session.failure()->kind, Failure::Kind::lost);
        }
        session.close();
        wait_until_gone();
      }
    }
  }
  EXPECT_FALSE(with_fault({}));  // none: an undisturbed one works
}

}  // namespace
}  // namespace bgw
