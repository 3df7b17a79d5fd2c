// How a worker waits and is told to stop: SIGTERM in statements and sleeps, notifications, every reason for
// which a wait ends, and parts of a round of which some fail.
#include "probe_sdk.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace probe_sdk {

// SIGTERM in the middle of a statement, and in a sleep: scopes end, the exit code says that it may be started
// again.
void cancelled(bgworker::worker& self) {
  tracked a;
  self.connect("postgres");
  transaction tx;
  tracked b;
  log("sdk: cancelled sleeps in the database");
  tx.execute("SELECT pg_sleep(600)");
}
void cancelled_and_cleans_up(bgworker::worker& self) {
  self.connect("postgres");
  try {
    transaction tx;
    tracked b;
    log("sdk: cancelled_and_cleans_up sleeps in the database");
    tx.execute("SELECT pg_sleep(600)");
  } catch (const error& e) {
    log("sdk: {} {}", e.cancelled(), self.stopping());
  }
  transaction tx;
  log("sdk: a last statement: {}", tx.value<int>("SELECT 1"));
  tx.commit();
}
void sleeper(bgworker::worker& self) {
  tracked a;
  log("sdk: sleeper sleeps");
  while (self.sleep(1h)) log("sdk: not reached");
  log("sdk: sleeper is told to stop: {}", self.stopping());
}
// Somebody cancels the statement of a worker that runs none: nothing happens.
void idle_cancel(bgworker::worker& self) {
  self.connect("postgres");
  log("sdk: idle_cancel waits");
  while (self.wait(30s)) {
  }
  log("sdk: idle_cancel is told to stop");
}

void listener(bgworker::worker& self) {
  self.connect("postgres");
  self.listen("sdk_channel");
  {
    // What is sent while a transaction is open arrives with the answer to its end.
    transaction tx;
    log("sdk: listener is busy");
    while (tx.value<bool>("SELECT NOT EXISTS (SELECT FROM pg_class WHERE relname = 'sdk_go_on')"))
      tx.execute("SELECT pg_sleep(0.01)");
    tx.execute("CREATE TEMP TABLE written ()");
    tx.commit();
  }
  log("sdk: listener listens");
  int heard = 0;
  while (auto why = self.wait(60s)) {
    if (!why.notified()) continue;
    for (const auto& n : self.notifications()) {
      log("sdk: heard {} on {}, sender known: {}", n.payload, n.channel, n.sender > 0);
      if (++heard == 4) return;
    }
  }
}

// Each reason for which a wait ends, one after the other; what ended it is all that it tells.
void waits(bgworker::worker& self) {
  tracked a;
  auto show = [](const char* what, const bgworker::wake& why) {
    log("sdk: {}: {}{}{}{}{}{}{}", what, why.stop() ? "stop " : "", why.reloaded() ? "reloaded " : "",
        why.notified() ? "notified " : "", why.latch() ? "latch " : "", why.timed_out() ? "timed out " : "",
        why.readable() ? "readable " : "", why.writable() ? "writable " : "");
  };
  self.connect("postgres");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) throw error("no socket");
  struct closer {
    int* fds;
    ~closer() {
      close(fds[0]);
      close(fds[1]);
    }
  } closes{ends};
  while (self.wait(1ms).latch()) continue;  // whoever set it before is not what this is about
  show("time", self.wait(20ms));
  show("time of a socket", self.wait(20ms, {.fd = ends[0]}));
  show("room to write", self.wait(30s, {.fd = ends[0], .read = false, .write = true}));
  if (write(ends[1], "x", 1) != 1) throw error("no byte was written");
  show("something to read", self.wait(30s, {.fd = ends[0]}));
  show("both", self.wait(30s, {.fd = ends[0], .write = true}));
  bgworker::guarded([] { SetLatch(MyLatch); });
  show("latch", self.wait(30s));
  self.listen("sdk_waits");
  {
    transaction tx;
    tx.notify("sdk_waits", "to myself");
    tx.notify("sdk_waits");
    tx.commit();
  }
  // This, a reload and a stop can have come before the wait, which tells whether the latch was set or not.
  log("sdk: notified: {}", self.wait(30s).notified());
  for (const auto& n : self.notifications()) log("sdk: heard \"{}\" from myself: {}", n.payload, n.sender > 0);
  // A sleep lasts for all of its time, whatever sets the latch, and a parameter's for the time it has
  // meanwhile.
  const auto before = std::chrono::steady_clock::now();
  bgworker::guarded([] { SetLatch(MyLatch); });
  log("sdk: slept: {}", self.sleep(50ms));
  log("sdk: all of it: {}", std::chrono::steady_clock::now() - before >= 50ms);
  log("sdk: waits for a reload");
  auto why = self.wait();
  while (why && !why.reloaded()) why = self.wait();
  log("sdk: reloaded: {}", why.reloaded());
  log("sdk: sleeps for {}", naptime.get());
  log("sdk: slept for {}", self.sleep(naptime) ? naptime.get() : 0ms);
  self.report_activity("waiting for the end");
  log("sdk: waits for a stop");
  do why = self.wait();
  while (why);
  log("sdk: stop: {}, goes on: {}", why.stop(), static_cast<bool>(why));
}

// Parts of a round: a failing one is logged and the others are done, until the worker is to stop.
void attempts(bgworker::worker& self) {
  self.connect("postgres");
  const auto fails = [](const char* statement) {
    tracked t;
    transaction tx;
    tx.execute(statement);
  };
  log("sdk: {} {} {} {}", self.attempt("sdk does", [] { tracked t; }),
      self.attempt("sdk says no", [] { return tracked().number < 0; }),
      self.attempt("sdk divides", [&] { fails("SELECT 1 / 0"); }),
      self.attempt("sdk does", [] { return true; }));
  try {
    self.attempt("sdk throws", [] { throw std::runtime_error("not an error of the server"); });
  } catch (const std::runtime_error& e) {
    log("sdk: {}", e.what());
  }
  try {
    self.attempt("sdk is told to stop", [&] {
      bgworker::guarded([] { kill(MyProcPid, SIGTERM); });
      fails("SELECT 1 / 0");
    });
  } catch (const error& e) {
    log("sdk: stopped by {}", e.code().str());
  }
  bool begun = false;
  log("sdk: {} {}", self.attempt("sdk begins", [&] { begun = true; }), begun);
}

}  // namespace probe_sdk
