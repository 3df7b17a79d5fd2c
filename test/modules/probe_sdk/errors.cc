// Errors and destructors: what the server raises arrives as an exception with its fields, what a worker throws
// leaves it as an error, and no way between the two leaves an object behind.
#include "probe_sdk.hpp"

namespace probe_sdk {

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

namespace {

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

}  // namespace

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

namespace {

// A callback of the server that throws: the exception becomes the error of the commit, which becomes an
// exception again.
void on_transaction_end(XactEvent event, void* arg) {
  if (event != XACT_EVENT_PRE_COMMIT || !*static_cast<bool*>(arg)) return;
  bgworker::entered([] {
    tracked t;
    throw error("P0042", "the callback objects", "as it should");
  });
}

}  // namespace

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

}  // namespace probe_sdk
