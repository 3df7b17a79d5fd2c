// Workers among each other: what they share, under a lock that every end of a scope releases, and workers that
// start others.
#include "probe_sdk.hpp"

namespace probe_sdk {

namespace {

struct board {
  std::int64_t rounds = 7;
  int errors = 0;
  std::atomic<int> ready = 0;
};
bgworker::shared<board> state{"probe_sdk board"};

}  // namespace

// A lock is released by whatever ends its scope.
void locks(bgworker::worker& self) {
  self.connect("postgres");
  for (int i = 0; i < 1000; ++i) state.lock()->rounds += 1;
  try {
    auto held = state.lock();
    tracked a;
    held->errors += 1;
    throw std::runtime_error("while the lock is held");
  } catch (const std::exception&) {
  }
  try {
    transaction tx;
    auto held = state.lock();
    tracked a;
    held->errors += 1;
    tx.execute("SELECT 1 / 0");
  } catch (const error& e) {
    log("sdk: {} while the lock is held", e.code().str());
  }
  try {
    auto held = state.lock();
    transaction
        tx;  // its end, before that of the lock's owner, releases the lock as an abort in the server does
    held->errors += 1;
    tx.execute("SELECT 1 / 0");
  } catch (const error&) {
  }
  log("sdk: hold-off {}", InterruptHoldoffCount);
  if (++state.unlocked().ready == 2)
    log("sdk: rounds {}, errors {}", state.lock_shared()->rounds, state.lock_shared()->errors);
}

namespace {

struct order {
  int number;
  char word[16];
};
void child(bgworker::worker& self) {
  tracked a;
  const auto o = self.passed<order>();
  log("sdk: child {} was passed {} {}", self.argument(), o.number, static_cast<const char*>(o.word));
  if (self.argument() == 1) return;
  if (self.argument() == 2) throw error("P0001", "the child fails");
  while (self.sleep(1h)) {
  }
}
const char* text(bgworker::worker_status s) {
  switch (s) {
    case bgworker::worker_status::not_yet_started:
      return "not yet started";
    case bgworker::worker_status::started:
      return "started";
    case bgworker::worker_status::stopped:
      return "stopped";
    case bgworker::worker_status::postmaster_died:
      return "postmaster died";
  }
  return "?";
}

}  // namespace

void parent(bgworker::worker&) {
  tracked a;
  auto spec = [](int n) {
    bgworker::worker_spec made{
        .name = bgworker::format("child {}", n), .restart = bgworker::never, .database = false, .argument = n};
    made.pass(order{n * 10, "words"});
    return made;
  };
  for (int n = 1; n <= 2; ++n) {
    auto handle = bgworker::start<child>(spec(n));
    const char* end = text(handle.wait_stopped(30s));
    log("sdk: {} {}", end, handle.pid().has_value());
  }
  auto handle = bgworker::start<child>(spec(3));
  log("sdk: {}", text(handle.wait_started(30s)));
  log("sdk: {}", text(handle.wait_stopped(50ms)));
  handle.terminate();
  log("sdk: {}", text(handle.wait_stopped(30s)));
  try {
    (void)bgworker::start<child>({.name = "", .database = false});
  } catch (const error& e) {
    log("sdk: {}", e.message());
  }
  try {
    (void)bgworker::start<child>({.name = std::string(96, 'x')});
  } catch (const error& e) {
    log("sdk: {}", e.message());
  }
  std::vector<bgworker::worker_handle> handles;
  try {
    for (;;) handles.push_back(bgworker::start<child>(spec(4)));
  } catch (const error& e) {
    log("sdk: {} {} after some: {}", e.code().str(), e.message(), handles.size() > 1);
  }
  for (auto& h : handles) h.terminate();
  for (auto& h : handles)
    if (h.wait_stopped(30s) != bgworker::worker_status::stopped) log("sdk: one stays");
}

}  // namespace probe_sdk
