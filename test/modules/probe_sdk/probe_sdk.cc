// A module of the tests, written on the C++ SDK. The setting probe_sdk.run names the scenarios to run, each in
// a worker of its own, which logs what it sees as "sdk: ...". Every scenario is full of objects that count
// themselves, and the last thing a worker's process logs is how many of them are still alive: what jumps over a
// destructor leaves one behind.
#include <algorithm>
#include <atomic>

#include <bgworker/bgworker.hpp>
#include <bgworker/schema.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

using namespace std::chrono_literals;
using bgworker::error;
using bgworker::log;
using bgworker::savepoint;
using bgworker::transaction;

namespace {

// ---- counting ----

struct tracked {
  static inline int alive = 0;
  static inline int made = 0;
  int number;
  tracked() : number(made++) { ++alive; }
  tracked(const tracked&) : number(made++) { ++alive; }
  ~tracked() { --alive; }
};

void report_alive(int code, Datum) {
  ereport(LOG, (errmsg_internal("sdk: %s ends with %d, %d objects alive of %s", MyBgworkerEntry->bgw_name, code,
                                tracked::alive, tracked::made > 0 ? "some" : "none")));
}

// What an error has, in one line.
void say(const char* where, const error& e) {
  log("sdk: {}: {} {} | {} | {} | {}", where, e.code().str(), e.message(), e.detail(), e.hint(), e.context());
}

// ---- parameters ----

enum class color { red, green = 7, blue };
constexpr bgworker::choice<color> colors[] = {
    {"red", color::red}, {"green", color::green}, {"blue", color::blue}};

bgworker::parameter<std::string_view> scenarios{
    {.name = "probe_sdk.run", .description = "Scenarios to run.", .when = bgworker::changes::at_start}};
bgworker::parameter<int> number{{.name = "probe_sdk.number",
                                 .description = "A number.",
                                 .standard = 5,
                                 .min = 1,
                                 .max = 10,
                                 .refuse = [](const int& v) { return v == 7 ? "seven is refused" : nullptr; }}};
bgworker::parameter<bool> flag{{.name = "probe_sdk.flag", .description = "A flag.", .standard = true}};
bgworker::parameter<double> ratio{{.name = "probe_sdk.ratio",
                                   .description = "A ratio.",
                                   .standard = 0.5,
                                   .min = 0,
                                   .max = 1,
                                   .refuse = [](const double& v) -> const char* {
                                     tracked t;
                                     if (v == 0.25) throw std::runtime_error("the check itself failed");
                                     return nullptr;
                                   }}};
bgworker::parameter<std::string_view> word{
    {.name = "probe_sdk.word", .description = "A word.", .standard = "standard"}};
bgworker::parameter<std::chrono::milliseconds> naptime{
    {.name = "probe_sdk.naptime", .description = "A time.", .standard = 1500ms, .max = 1h}};
bgworker::parameter<bgworker::kilobytes> space{
    {.name = "probe_sdk.space", .description = "A size.", .standard = {2048}}};
bgworker::parameter<color> paint{
    {.name = "probe_sdk.paint", .description = "A colour.", .standard = color::green, .choices = colors}};

struct board {
  std::int64_t rounds = 7;
  int errors = 0;
  std::atomic<int> ready = 0;
};
bgworker::shared<board> state{"probe_sdk board"};

// ---- scenarios ----

// An error of a statement arrives with its fields, through frames with objects, and the worker goes on.
void caught(bgworker::worker& self) {
  tracked a;
  self.connect("postgres");
  for (int i = 0; i < 3; ++i) {
    tracked b;
    try {
      tracked c;
      transaction tx;
      std::vector<tracked> many(10);
      tx.execute(
          "DO $$ BEGIN RAISE EXCEPTION 'raised %', 1 USING ERRCODE = 'P0099', DETAIL = 'the detail', HINT = "
          "'the hint'; END $$");
      log("sdk: not reached");
    } catch (const error& e) {
      say("caught", e);
    }
    try {
      transaction tx;
      tx.execute("SELEC 1");
    } catch (const error& e) {
      log("sdk: caught: {} {} at {} of {}", e.code().str(), e.message(), e.position(), e.statement());
    }
  }
  transaction tx;
  tx.execute(
      "CREATE TABLE IF NOT EXISTS sdk_unique (id int CONSTRAINT sdk_key PRIMARY KEY DEFERRABLE INITIALLY "
      "DEFERRED)");
  tx.execute("INSERT INTO sdk_unique VALUES (1), (1)");
  try {
    tracked d;
    tx.commit();
  } catch (const error& e) {
    log("sdk: commit: {} {} {} {}", e.code().str(), e.message(), e.table(), e.constraint());
  }
  transaction next;
  log("sdk: table is there: {}", next.value<bool>("SELECT to_regclass('sdk_unique') IS NOT NULL"));
  next.commit();
}

// A failed transaction refuses statements until its end; a savepoint makes it usable again; what was read is
// dead then.
void savepoints(bgworker::worker& self) {
  self.connect("postgres");
  transaction tx;
  tx.execute("CREATE TEMP TABLE s (v int NOT NULL)");
  auto outer = tx.query<int>("SELECT 1");
  std::optional<bgworker::result<int>> inner;
  {
    tracked a;
    savepoint one(tx);
    tx.execute("INSERT INTO s VALUES (1)");
    {
      savepoint two(tx);
      tx.execute("INSERT INTO s VALUES (2)");
      inner.emplace(tx.query<int>("SELECT 2"));
      try {
        tracked b;
        tx.execute("INSERT INTO s VALUES (NULL)");
      } catch (const error& e) {
        log("sdk: inside: {} column {}", e.code().str(), e.column());
      }
      try {
        tx.execute("SELECT 1");
      } catch (const error& e) {
        log("sdk: refused: {}", e.code().str());
      }
    }
    try {
      (void)inner->front();
    } catch (const error& e) {
      log("sdk: dead: {}", e.message());
    }
    {
      savepoint three(tx);
      tx.execute("INSERT INTO s VALUES (3)");
      three.release();
    }
    one.release();
  }
  for (auto [v] : tx.query<int>("SELECT v FROM s ORDER BY v")) log("sdk: kept {}", v);
  log("sdk: outer {}", std::get<0>(outer.front()));
  {
    savepoint four(tx);
    savepoint five(tx);
    tx.execute("INSERT INTO s VALUES (4)");
    try {
      four.release();
    } catch (const error& e) {
      log("sdk: order: {}", e.message());
    }
    try {
      tx.commit();
    } catch (const error& e) {
      log("sdk: commit: {}", e.message());
    }
    four.rollback();
  }
  log("sdk: after rollback {}", tx.value<std::int64_t>("SELECT count(*) FROM s"));
  try {
    transaction second;
  } catch (const error& e) {
    log("sdk: second: {}", e.message());
  }
  tx.commit();
  try {
    tx.execute("SELECT 1");
  } catch (const error& e) {
    log("sdk: ended: {} {}", e.code().str(), e.message());
  }
  try {
    (void)outer.front();
  } catch (const error& e) {
    log("sdk: dead: {}", e.code().str());
  }
}

// Every type there and back, and what cannot be read says why.
void types(bgworker::worker& self) {
  self.connect("postgres");
  transaction tx;
  auto [b, i2, i4, i8, f4, f8, text, name] =
      tx.query<bool, std::int16_t, int, std::int64_t, float, double, std::string, std::string>(
            "SELECT $1, $2, $3, $4, $5, $6, $7, 'a name'::name", true, std::int16_t(-2), -4,
            std::int64_t(-8000000000), 0.5f, 0.25, "a text")
          .front();
  log("sdk: {} {} {} {} {} {} {} {}", b, i2, i4, i8, double(f4), f8, text, name);
  auto [null, full] = tx.query<std::optional<int>, std::optional<std::string>>(
                            "SELECT $1, $2", std::optional<int>(), std::optional<std::string>("full"))
                          .front();
  log("sdk: {} {}", null.has_value(), full.value());
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  auto [same, later, days] =
      tx.query<std::chrono::system_clock::time_point, bool, std::chrono::microseconds>(
            "SELECT $1, $1 + $2 = $3, interval '2 days 3 hours'", std::chrono::system_clock::time_point(now),
            90s, std::chrono::system_clock::time_point(now + 90s))
          .front();
  log("sdk: {} {} {}", same == now, later, days);
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}, std::byte{7}};
  log("sdk: {}", tx.value<std::vector<std::byte>>("SELECT $1", bytes) == bytes);
  const std::vector<int> ints{1, -2, 3};
  const std::vector<std::string> texts{
      "", "a \"quoted\", one", "longer than a short length word can say: " + std::string(300, 'x'), "z"};
  const std::vector<std::optional<std::int64_t>> holes{5, std::nullopt, -6};
  log("sdk: {} {} {} {}", tx.value<std::vector<int>>("SELECT $1", ints) == ints,
      tx.value<std::vector<std::string>>("SELECT $1", texts) == texts,
      tx.value<std::vector<std::optional<std::int64_t>>>("SELECT $1", holes) == holes,
      tx.value<std::vector<int>>("SELECT $1", std::vector<int>{}).empty());
  log("sdk: {}", tx.value<std::string>("SELECT $1::text", texts).substr(0, 30));
  log("sdk: {}", tx.value<std::int64_t>("SELECT sum(v)::int8 FROM unnest($1) v", ints));
  for (const auto& v : tx.value<std::vector<std::string>>(
           "SELECT array(SELECT repeat(v::text, v) FROM generate_series(1, 3) v)"))
    log("sdk: element {}", v);
  log("sdk: {}", tx.value<std::vector<std::string>>("SELECT array['short'::varchar, 'x']").size());
  for (auto [t] :
       tx.query<std::string_view>("SELECT v FROM (VALUES (1, '1.50'::numeric::text), (2, point(1,2)::text), "
                                  "(3, '{\"a\": 1}'::jsonb::text)) x(n, v) ORDER BY n"))
    log("sdk: text {}", t);
  auto [numeric, json, uuid, interval] =
      tx.query<std::string, std::string, std::string, std::string>(
            "SELECT 1.50::numeric, '{\"a\":1}'::jsonb, '00000000-0000-0000-0000-00000000002a'::uuid, interval "
            "'1 month'")
          .front();
  log("sdk: {} {} {} {}", numeric, json, uuid, interval);
  log("sdk: {}", tx.value<std::string>("SELECT repeat('long ', 100000)").size());
  log("sdk: {}", tx.value<bgworker::oid>("SELECT 'pg_class'::regclass::oid").value);
  auto refused = [&](auto read) {
    savepoint s(tx);
    try {
      tracked t;
      read();
      log("sdk: not refused");
    } catch (const error& e) {
      log("sdk: refused: {} {}", e.code().str(), e.message());
    }
  };
  refused([&] { tx.query<int>("SELECT 1::int8 AS wide"); });
  refused([&] { tx.query<int>("SELECT 1, 2"); });
  refused([&] { tx.query<int>("SELECT 'x'::text AS words"); });
  refused([&] { tx.value<int>("SELECT NULL::int AS nothing"); });
  refused([&] { tx.value<int>("SELECT 1 WHERE false"); });
  refused([&] { tx.value<int>("VALUES (1), (2)"); });
  refused([&] { tx.value<std::chrono::microseconds>("SELECT interval '1 month'"); });
  refused([&] { tx.value<std::vector<int>>("SELECT array[1, NULL]"); });
  refused([&] { tx.value<std::vector<int>>("SELECT array['a']"); });
  refused([&] { tx.query<int>("CREATE TEMP TABLE no_rows ()"); });
  refused([&] { tx.execute("COMMIT"); });
  tx.commit();
}

// Prepared statements, batches, and cursors that are not read to their end.
void statements(bgworker::worker& self) {
  self.connect("postgres");
  bgworker::prepared<int, std::string_view> add{"INSERT INTO words VALUES ($1, $2)"};
  bgworker::prepared<int> find{"SELECT word FROM words WHERE n = $1"};
  {
    transaction tx;
    tx.execute("CREATE TEMP TABLE words (n int PRIMARY KEY, word text)");
    const std::vector<std::tuple<int, std::string_view>> rows{{1, "one"}, {2, "two"}, {3, "three"}};
    log("sdk: {} rows", tx.batch(add, rows));
    tx.commit();
  }
  for (int n = 1; n <= 4; ++n) {
    transaction tx(bgworker::access_mode::read_only);
    for (auto [word] : tx.query<std::string_view>(find, n)) log("sdk: {} is {}", n, word);
    tx.commit();
  }
  try {
    transaction tx;
    const std::vector<std::tuple<int, std::string_view>> rows{{7, "seven"}, {1, "one again"}};
    tx.batch(add, rows);
  } catch (const error& e) {
    log("sdk: {} {}", e.code().str(), e.constraint());
  }
  transaction tx;
  log("sdk: {} words", tx.value<std::int64_t>("SELECT count(*) FROM words"));
  std::int64_t sum = 0, rows = 0;
  for (auto [v] : tx.open_cursor<int>(100, "SELECT v FROM generate_series(1, $1) v", 1234)) {
    sum += v;
    ++rows;
  }
  log("sdk: {} rows, sum {}", rows, sum);
  for (auto [v, t] :
       tx.open_cursor<int, std::string_view>(10, "SELECT v, 'row ' || v FROM generate_series(1, 1000000) v")) {
    tracked here;
    if (v == 25) {
      log("sdk: left at {}", t);
      break;
    }
  }
  try {
    savepoint s(tx);
    for (auto [v] : tx.open_cursor<int>(10, "SELECT 1 / (50 - v) FROM generate_series(1, 100) v")) {
      tracked here;
      sum += v;
    }
  } catch (const error& e) {
    log("sdk: {} {}", e.code().str(), e.message());
  }
  auto moved = [&] {
    auto r = tx.query<int>("SELECT v FROM generate_series(1, 5) v");
    return r;
  }();
  log("sdk: {} in a moved result", moved.size());
  tx.commit();
}

void throws_server_error(bgworker::worker& self) {
  tracked a;
  self.connect("postgres");
  transaction tx;
  tracked b;
  tx.execute(
      "DO $$ BEGIN RAISE EXCEPTION 'not caught' USING ERRCODE = 'P0077', DETAIL = 'its detail', HINT = 'its "
      "hint'; END $$");
}
void throws_own_error(bgworker::worker&) {
  tracked a;
  throw error("P0001", "an error of the worker's own", "with a detail", "and a hint")
      .add_context("while showing it");
}
void throws_standard(bgworker::worker& self) {
  tracked a;
  self.connect("postgres");
  transaction tx;
  tx.execute("CREATE TABLE sdk_must_not_stay ()");
  std::vector<tracked> many(3);
  throw std::runtime_error("a standard exception: 100%s");
}
void throws_number(bgworker::worker&) {
  tracked a;
  throw 42;
}
void exits(bgworker::worker& self) {
  tracked a;
  self.connect("postgres");
  transaction tx;
  tracked b;
  self.exit(0);
}

// C++ above C above C++ ..., each level leaving by itself, by an error of the server, by an exception, or
// catching what comes.
struct maze {
  std::uint64_t seed;
  std::uint64_t next() {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
  }
  int raised = 0, thrown = 0, handled = 0, cleaned = 0;
} the_maze;
void level(int depth);
Datum level_from_c(PG_FUNCTION_ARGS) {
  const int depth = PG_GETARG_INT32(0);
  bgworker::entered([depth] {
    tracked t;
    level(depth);
  });
  PG_RETURN_INT32(depth);
}
void level(int depth) {
  tracked a;
  std::string text = bgworker::format("level {}", depth);
  const auto dice = the_maze.next() % 10;
  if (depth == 0 || dice == 0) {
    if (the_maze.next() % 3 == 0) return;
    if (the_maze.next() % 2 == 0) {
      ++the_maze.raised;
      const char* m = text.c_str();
      bgworker::guarded(
          [&] { ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("raised at %s", m))); });
    }
    ++the_maze.thrown;
    if (the_maze.next() % 2 == 0) throw std::logic_error("thrown at " + text);
    throw error("22012", "thrown at " + text);
  }
  struct cleaner {
    ~cleaner() { ++the_maze.cleaned; }
  } c;
  auto down = [&] {
    tracked b;
    if (dice % 2) {
      bgworker::guarded([&] { DirectFunctionCall1(level_from_c, Int32GetDatum(depth - 1)); });
    } else {
      level(depth - 1);
    }
  };
  if (dice < 4) {
    try {
      down();
    } catch (const std::exception& e) {
      ++the_maze.handled;
      if (std::string_view(e.what()).find(" at level ") == std::string_view::npos)
        log("sdk: strange text {}", e.what());
    }
  } else {
    down();
  }
}
void jumps(bgworker::worker& self) {
  the_maze.seed = 20240607;
  void* const stack = PG_exception_stack;
  void* const context = error_context_stack;
  int out = 0;
  for (int round = 0; round < 20000; ++round) {
    tracked t;
    try {
      level(static_cast<int>(the_maze.next() % 12));
    } catch (const std::exception&) {
      ++out;
    }
    if (tracked::alive != 1 || PG_exception_stack != stack || error_context_stack != context ||
        InterruptHoldoffCount != 0 || CurrentMemoryContext != TopMemoryContext) {
      log("sdk: round {} left {} objects", round, tracked::alive);
      return;
    }
  }
  log("sdk: {} raised, {} thrown, {} handled, {} came out, {} cleaned", the_maze.raised > 1000,
      the_maze.thrown > 1000, the_maze.handled > 1000, out > 1000, the_maze.cleaned > 1000);
}

// A callback of the server that throws: the exception becomes the error of the commit, which becomes an
// exception again.
void on_transaction_end(XactEvent event, void* arg) {
  if (event != XACT_EVENT_PRE_COMMIT || !*static_cast<bool*>(arg)) return;
  bgworker::entered([] {
    tracked t;
    throw error("P0042", "the callback objects", "as it should");
  });
}
void callbacks(bgworker::worker& self) {
  static bool object = true;
  self.connect("postgres");
  bgworker::guarded([] { RegisterXactCallback(on_transaction_end, &object); });
  try {
    tracked a;
    transaction tx;
    tx.execute("CREATE TABLE sdk_must_not_stay ()");
    tx.commit();
  } catch (const error& e) {
    say("callback", e);
  }
  object = false;
  transaction tx;
  log("sdk: stays: {}", tx.value<bool>("SELECT to_regclass('sdk_must_not_stay') IS NOT NULL"));
  tx.commit();
}

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

void parameters(bgworker::worker& self) {
  auto show = [] {
    log("sdk: number {} flag {} ratio {} word {} naptime {} space {} paint {}", number.get(), flag.get(),
        ratio.get(), word.get(), naptime.get(), space.get().count,
        paint.get() == color::blue    ? "blue"
        : paint.get() == color::green ? "green"
                                      : "red");
  };
  show();
  int reloads = 0;
  while (auto why = self.wait(30s)) {
    if (why.reloaded()) {
      show();
      if (++reloads == 3) return;
    }
  }
}

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

// A transaction is run again after a serialization failure, as often as it is said, and after no other error.
void retries(bgworker::worker& self) {
  self.connect("postgres");
  int runs = 0;
  auto failing = [&](int times, const char* code) {
    runs = 0;
    try {
      bgworker::in_transaction(
          [&](transaction& tx) {
            tracked t;
            tx.execute("CREATE TEMP TABLE IF NOT EXISTS tries (n int)");
            tx.execute("INSERT INTO tries VALUES ($1)", runs);
            if (++runs <= times) tx.execute(bgworker::format("DO $$ BEGIN RAISE SQLSTATE '{}'; END $$", code));
          },
          3);
      log("sdk: {} after {} runs", code, runs);
    } catch (const error& e) {
      log("sdk: {} is given up after {} runs", e.code().str(), runs);
    }
  };
  failing(2, "40001");
  failing(2, "40P01");
  failing(3, "40001");
  failing(1, "22012");
  transaction tx;
  log("sdk: kept {}", tx.value<std::int64_t>("SELECT count(*) FROM tries"));
  const int numbers[] = {5, 6, 7};
  log("sdk: span {}", tx.value<std::int64_t>("SELECT sum(v) FROM unnest($1) v", std::span<const int>(numbers)));
  const std::string_view words[] = {"a", "b"};
  log("sdk: span {}",
      tx.value<std::string>("SELECT array_to_string($1, '-')", std::span<const std::string_view>(words)));
  tx.commit();
}

// A round of everything that fits into a second, to see that nothing grows.
void endurance(bgworker::worker& self) {
  self.connect("postgres");
  std::size_t before = 0;
  for (int i = 0; i < 3000; ++i) {
    tracked t;
    try {
      transaction tx;
      auto r = tx.query<std::string_view, int>("SELECT 'x' || $1, $1", i);
      {
        savepoint s(tx);
        tx.execute("SELECT 1 / ($1 % 2)", i);
        s.release();
      }
      tx.commit();
    } catch (const error&) {
    }
    if (i == 500) before = MemoryContextMemAllocated(TopMemoryContext, true);
  }
  const std::size_t after = MemoryContextMemAllocated(TopMemoryContext, true);
  log("sdk: memory grows: {}", after > before + 65536);
}

// ---- workers that start workers ----

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

// A schema of the worker's own, through its versions; a step that fails leaves it as it was.
void begin_upgrade(transaction& tx) {
  tx.execute("SET LOCAL search_path = pg_catalog, pg_temp");
}
void first_step(transaction& tx) {
  tracked t;
  log("sdk: path {}", tx.value<std::string>("SELECT current_setting('search_path')"));
  tx.execute("CREATE TABLE \"sdk Schema\".t AS SELECT 1 AS v");
}
void second_step(transaction& tx) {
  tracked t;
  tx.execute("UPDATE \"sdk Schema\".t SET v = v + 1");
}
void failing_step(transaction& tx) {
  tracked t;
  second_step(tx);
  tx.execute("SELECT 1 / 0");
}

void schemas(bgworker::worker& self) {
  constexpr void (*good[])(transaction&) = {first_step, second_step, second_step};
  constexpr void (*bad[])(transaction&) = {first_step, failing_step};
  const auto upgraded = [](std::span<void (*const)(transaction&)> steps) {
    tracked t;
    try {
      const int found = bgworker::upgrade(
          {.name = "sdk Schema", .steps = steps, .begin = begin_upgrade, .mark = "/* sdk */ "});
      log("sdk: found {}", found);
    } catch (const error& e) {
      say("upgrade", e);
    }
  };
  const auto look = [] {
    transaction tx;
    for (auto [version, v] :
         tx.query<int, int>("SELECT version, v FROM \"sdk Schema\".version, \"sdk Schema\".t"))
      log("sdk: version {} with {}", version, v);
  };
  self.connect("postgres");
  {
    transaction tx;
    tx.execute("DROP SCHEMA IF EXISTS \"sdk Schema\" CASCADE");
    tx.commit();
  }
  const std::span<void (*const)(transaction&)> all(good);
  upgraded(all.first(1));
  upgraded(bad);
  look();
  upgraded(all);
  upgraded(all);
  look();
  upgraded(all.first(2));
  look();
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

// ---- the table of scenarios ----

template <auto Scenario>
void counted(bgworker::worker& self) {
  before_shmem_exit(report_alive, 0);
  Scenario(self);
}

struct entry {
  std::string_view name;
  void (*add)(bgworker::module&, std::string_view);
};
template <auto Scenario>
void add_one(bgworker::module& module, std::string_view name) {
  const bool lasting = name == "sleeper" || name == "cancelled";
  module.add<counted<Scenario>>({.name = name, .restart = lasting ? 3600s : bgworker::never});
}
template <auto Scenario>
void add_two(bgworker::module& module, std::string_view name) {
  module.add<counted<Scenario>>(
      {.name = bgworker::format("{} 1", name), .type = name, .restart = bgworker::never});
  module.add<counted<Scenario>>(
      {.name = bgworker::format("{} 2", name), .type = name, .restart = bgworker::never});
}
void add_flawed(bgworker::module& module, std::string_view) {
  module.add<sleeper>({.name = ""});
  module.add<sleeper>({.name = "too early", .start = bgworker::start_time::postmaster_start});
  module.add<sleeper>({.name = "too late", .restart = 86400001s});
  module.add<counted<throws_own_error>>(bgworker::verified({.name = "sound", .restart = bgworker::never}));
}
constexpr entry entries[] = {{"caught", add_one<caught>},
                             {"savepoints", add_one<savepoints>},
                             {"types", add_one<types>},
                             {"statements", add_one<statements>},
                             {"throws_server_error", add_one<throws_server_error>},
                             {"throws_own_error", add_one<throws_own_error>},
                             {"throws_standard", add_one<throws_standard>},
                             {"throws_number", add_one<throws_number>},
                             {"exits", add_one<exits>},
                             {"jumps", add_one<jumps>},
                             {"callbacks", add_one<callbacks>},
                             {"locks", add_two<locks>},
                             {"parameters", add_one<parameters>},
                             {"cancelled", add_one<cancelled>},
                             {"cancelled_and_cleans_up", add_one<cancelled_and_cleans_up>},
                             {"sleeper", add_one<sleeper>},
                             {"idle_cancel", add_one<idle_cancel>},
                             {"listener", add_one<listener>},
                             {"waits", add_one<waits>},
                             {"retries", add_one<retries>},
                             {"endurance", add_one<endurance>},
                             {"schemas", add_one<schemas>},
                             {"attempts", add_one<attempts>},
                             {"parent", add_one<parent>},
                             {"flawed", add_flawed}};

}  // namespace

BGWORKER_MODULE(module) {
  std::string_view list = scenarios.get();
  while (!list.empty()) {
    const auto end = std::min(list.find(' '), list.size());
    const std::string_view name = list.substr(0, end);
    const auto* found =
        std::find_if(std::begin(entries), std::end(entries), [&](const entry& e) { return e.name == name; });
    if (found == std::end(entries)) throw error("22023", bgworker::format("there is no scenario \"{}\"", name));
    found->add(module, name);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}
