// What a worker does in its database: transactions and savepoints, values of every type, prepared statements,
// batches and cursors.
#include "probe_sdk.hpp"

namespace probe_sdk {

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

}  // namespace probe_sdk
