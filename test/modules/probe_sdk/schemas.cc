// Upgrades of a schema of the worker's own.
#include "probe_sdk.hpp"

namespace probe_sdk {

namespace {

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

}  // namespace

// A schema of the worker's own, through its versions; a step that fails leaves it as it was.
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

}  // namespace probe_sdk
