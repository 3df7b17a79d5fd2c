// What the SDK costs beside plain C: the same work both ways, in turn, in one process; logs the medians as
// "bench NAME".
#include <algorithm>

#include <bgworker/bgworker.hpp>

extern "C" {
void plain_one(void);
int64 plain_rows(void);
}

namespace {

bgworker::parameter<int> rounds{{.name = "bench_sdk.rounds",
                                 .description = "Batches of each kind.",
                                 .standard = 41,
                                 .min = 3,
                                 .max = 1000}};

void sdk_one() {
  bgworker::transaction tx;
  if (tx.value<int>("SELECT 1") != 1) throw bgworker::error("unexpected value");
  tx.commit();
}

std::int64_t sdk_rows() {
  bgworker::transaction tx;
  std::int64_t sum = 0;
  for (auto [v] : tx.query<std::int64_t>("SELECT v FROM generate_series(1::int8, 10000) v")) sum += v;
  tx.commit();
  return sum;
}

template <class F>
double microseconds(int count, F f) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) f();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / count;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

template <class Plain, class Sdk>
void measure(const char* name, int count, Plain plain, Sdk sdk) {
  std::vector<double> plains, sdks;
  for (int round = 0; round < rounds; ++round) {
    plains.push_back(microseconds(count, [&] { bgworker::guarded([&] { plain(); }); }));
    sdks.push_back(microseconds(count, sdk));
  }
  char text[100];
  std::snprintf(text, sizeof text, "bench plain_%s %.3f us", name, median(plains));
  bgworker::log("{}", static_cast<const char*>(text));
  std::snprintf(text, sizeof text, "bench sdk_%s %.3f us", name, median(sdks));
  bgworker::log("{}", static_cast<const char*>(text));
}

void run(bgworker::worker& self) {
  self.connect("postgres");
  if (sdk_rows() != 50005000 || bgworker::guarded([] { return plain_rows(); }) != 50005000)
    throw bgworker::error("unexpected sum");
  measure("one", 500, plain_one, sdk_one);
  measure(
      "rows", 5, [] { (void)plain_rows(); }, [] { (void)sdk_rows(); });
  bgworker::log("bench sdk_done 1 x");
}

}  // namespace

BGWORKER_MODULE(module) {
  module.add<run>({.name = "bench_sdk", .restart = bgworker::never});
}
