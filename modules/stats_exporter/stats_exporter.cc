// stats_exporter: the statistics of a server as metrics for Prometheus, over HTTP and in files.
//
// One worker for each database collects, at its own pace (collect.cc), and hands over what it has
// (exchange.cc). One more, without a database, answers over HTTP and writes the files. So a scrape never causes
// a statement, nor waits for one, and when the database is slow or away the last good pass is served, with its
// age.
#include "stats_exporter.hpp"

using namespace std::chrono_literals;
using bgworker::parameter;
using std::chrono::milliseconds;
using std::chrono::seconds;
using steady = std::chrono::steady_clock;

namespace {

parameter<std::string_view> databases{
    {.name = "stats_exporter.databases",
     .description = "Databases to collect in, separated by commas.",
     .standard = "postgres",
     .when = bgworker::changes::at_start,
     .details = "There is one worker for each. What concerns the whole server is collected in the first."}};
parameter<std::string_view> role{
    {.name = "stats_exporter.role",
     .description = "Role that the workers connect as.",
     .standard = "",
     .when = bgworker::changes::at_start,
     .details = "Empty: the bootstrap superuser, or in a host the role of its upstream."}};
parameter<milliseconds> interval{{.name = "stats_exporter.interval",
                                  .description = "Time between the beginnings of two passes.",
                                  .standard = 15s,
                                  .min = 1s,
                                  .max = 24h}};
parameter<milliseconds> deadline{
    {.name = "stats_exporter.deadline",
     .description = "How long a pass may take; views that it has not reached are left as they were.",
     .standard = 10s,
     .min = 100ms,
     .max = 1h}};
parameter<milliseconds> statement_timeout{{.name = "stats_exporter.statement_timeout",
                                           .description = "How long the statement of one view may take.",
                                           .standard = 5s,
                                           .min = 10ms,
                                           .max = 1h}};
parameter<milliseconds> stale_after{
    {.name = "stats_exporter.stale_after",
     .description = "Age from which on what was collected is not shown any more; 0: always shown.",
     .standard = 5min,
     .min = 0ms,
     .max = 24h}};
parameter<int> top{{.name = "stats_exporter.top",
                    .description = "How many rows of a view have labels of their own; the others are added up.",
                    .standard = 100,
                    .min = 1,
                    .max = 10000}};
parameter<seconds> top_hold{{.name = "stats_exporter.top_hold",
                             .description = "How long a row keeps its place when others have overtaken it.",
                             .standard = 24h,
                             .min = 0s,
                             .max = 24h * 366}};
parameter<std::string_view> queries{
    {.name = "stats_exporter.queries", .description = "File with more views, in SQL.", .standard = ""}};
parameter<std::string_view> listen_on{{.name = "stats_exporter.listen",
                                       .description = "Addresses to answer on, as ADDRESS:PORT; empty: none.",
                                       .standard = "127.0.0.1:9187",
                                       .refuse = stats_exporter::refuse_addresses}};
parameter<int> connections{{.name = "stats_exporter.connections",
                            .description = "How many HTTP connections are open at a time; others wait.",
                            .standard = 16,
                            .min = 1,
                            .max = 256}};
parameter<milliseconds> request_timeout{
    {.name = "stats_exporter.request_timeout",
     .description = "How long an HTTP connection may take for its request and the answer.",
     .standard = 5s,
     .min = 10ms,
     .max = 10min}};
parameter<std::string_view> text_file{{.name = "stats_exporter.text_file",
                                       .description = "File for the node-exporter's text collector, NAME.prom.",
                                       .standard = ""}};
parameter<std::string_view> csv_file{{.name = "stats_exporter.csv_file",
                                      .description = "File to append all metrics to, as CSV.",
                                      .standard = ""}};
parameter<std::string_view> json_file{{.name = "stats_exporter.json_file",
                                       .description = "File to append all metrics to, as JSON lines.",
                                       .standard = ""}};
parameter<milliseconds> file_interval{{.name = "stats_exporter.file_interval",
                                       .description = "Time between two writings of the files.",
                                       .standard = 1min,
                                       .min = 1s,
                                       .max = 24h}};
parameter<bgworker::kilobytes> file_size{
    {.name = "stats_exporter.file_size",
     .description = "Size at which a CSV or JSON file is renamed to NAME.old and begun anew.",
     .standard = {100 * 1024},
     .min = {64},
     .max = {1024 * 1024 * 1024}}};

std::string text(const bgworker::parameter_value<std::string_view>& p) {
  return std::string(p.get());
}

void collect(bgworker::worker& self) {
  const int index = static_cast<int>(self.argument());
  const std::vector<std::string> names = stats_exporter::split_databases(databases);
  const std::string& database = names.at(static_cast<std::size_t>(index));
  self.connect(database, role);
  stats_exporter::collector collector(self, index, database);
  auto due = steady::now();
  for (;;) {
    self.attempt("stats_exporter ended a pass", [&] {
      collector.run({deadline, statement_timeout, top_hold.get(), top, text(queries)});
    });
    // What a pass overran is left out, not made up for.
    const auto began = due;
    const auto ended = steady::now();
    for (;;) {
      const milliseconds step = interval;
      due = began + step * std::max<long long>(1, (ended - began + step - 1ns) / step);
      const auto now = steady::now();
      if (now >= due) break;
      if (!self.wait(due - now)) return;
    }
  }
}

// How much the client likes a type, from 0 to 1, by its header Accept; 0 when it is not named there.
double liking(std::string_view accept, std::string_view type) {
  double best = 0;
  while (!accept.empty()) {
    const auto end = std::min(accept.find(','), accept.size());
    std::string_view one = accept.substr(0, end);
    accept.remove_prefix(std::min(end + 1, accept.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    if (!one.starts_with(type)) continue;
    if (one.size() > type.size() && one[type.size()] != ';' && one[type.size()] != ' ') continue;
    const auto q = one.find(";q=");
    best = std::max(best, q == one.npos ? 1.0 : std::atof(std::string(one.substr(q + 3, 6)).c_str()));
  }
  return best;
}

class exporter {
 public:
  exporter() : server_(answer, this) {
    const std::vector<std::string> names = stats_exporter::split_databases(databases);
    for (std::size_t i = 0; i < names.size(); ++i) readers_.emplace_back(static_cast<int>(i), names[i]);
  }

  void run(bgworker::worker& self) {
    auto next_files = steady::now();
    for (;;) {
      listen();
      auto now = steady::now();
      if (now >= next_files) {
        write_files();
        next_files = now + file_interval.get();
      }
      auto until = std::min(next_files, now + file_interval.get());
      if (retry_) until = std::min(until, *retry_);
      if (const auto d = server_.next_deadline()) until = std::min(until, *d);
      const auto why = self.wait(std::max(until - steady::now(), steady::duration(0)), {.fd = server_.fd()});
      if (!why) return;
      if (why.reloaded()) next_files = std::min(next_files, steady::now() + file_interval.get());
      server_.serve({connections, request_timeout});
    }
  }

 private:
  // Listens where the parameter says; an address that is not to be had is tried again.
  void listen() {
    const std::string wanted = text(listen_on);
    if (wanted == listening_ && (!retry_ || steady::now() < *retry_)) return;
    const bool told = retry_ && wanted == listening_;
    listening_ = wanted;
    retry_.reset();
    try {
      server_.listen(wanted);
      if (!wanted.empty()) bgworker::log("stats_exporter answers on {}", wanted);
    } catch (const bgworker::error& e) {
      retry_ = steady::now() + 5s;
      if (!told) bgworker::log_error(e);
    }
  }

  std::string render(stats_exporter::format as) {
    stats_exporter::gathered g{{}, stale_after, 2 * interval.get() + deadline.get(), server_.answered()};
    for (stats_exporter::reader& r : readers_) g.readers.push_back(&r);
    return stats_exporter::render(g, as, stats_exporter::clock::now());
  }

  template <class F>
  void write(const std::string& path, bool& failed, F work) {
    if (path.empty()) return;
    try {
      work();
      failed = false;
    } catch (const bgworker::error& e) {
      if (!std::exchange(failed, true)) bgworker::log_error(e);
    }
  }

  void write_files() {
    using stats_exporter::format;
    const std::int64_t most = static_cast<std::int64_t>(file_size.get().count) * 1024;
    const std::string as_text = text(text_file), as_csv = text(csv_file), as_json = text(json_file);
    write(as_text, text_failed_, [&] { stats_exporter::write_text_file(as_text, render(format::text)); });
    write(as_csv, csv_failed_,
          [&] { stats_exporter::append_to_file(as_csv, render(format::csv), stats_exporter::csv_head, most); });
    write(as_json, json_failed_,
          [&] { stats_exporter::append_to_file(as_json, render(format::json), {}, most); });
  }

  static stats_exporter::response answer(void* of, std::string_view path, std::string_view query,
                                         std::string_view accept) {
    using stats_exporter::format;
    auto* self = static_cast<exporter*>(of);
    constexpr const char* plain = "text/plain; charset=utf-8";
    if (path == "/")
      return {
          200, "text/html; charset=utf-8",
          "<!DOCTYPE html><title>stats_exporter</title><p><a href=\"/metrics\">Metrics</a>, as "
          "<a href=\"/metrics?format=openmetrics\">OpenMetrics</a>, <a href=\"/metrics?format=csv\">CSV</a>, "
          "<a href=\"/metrics?format=json\">JSON lines</a></p>\n"};
    if (path != "/metrics") return {404, plain, "There is /metrics.\n"};
    format as = liking(accept, "application/openmetrics-text") > liking(accept, "text/plain")
                    ? format::openmetrics
                    : format::text;
    if (query == "format=openmetrics")
      as = format::openmetrics;
    else if (query == "format=text")
      as = format::text;
    else if (query == "format=csv")
      as = format::csv;
    else if (query == "format=json")
      as = format::json;
    else if (query.starts_with("format="))
      return {400, plain, "The format is one of text, openmetrics, csv, json.\n"};
    const char* type = "";
    switch (as) {
      case format::text:
        type = "text/plain; version=0.0.4; charset=utf-8";
        break;
      case format::openmetrics:
        type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        break;
      case format::csv:
        type = "text/csv; charset=utf-8; header=present";
        break;
      case format::json:
        type = "application/x-ndjson; charset=utf-8";
        break;
    }
    return {200, type, self->render(as)};
  }

  stats_exporter::http_server server_;
  std::vector<stats_exporter::reader> readers_;
  std::string listening_;
  std::optional<steady::time_point> retry_;
  bool text_failed_ = false, csv_failed_ = false, json_failed_ = false;
};

void serve(bgworker::worker& self) {
  exporter().run(self);
}

}  // namespace

BGWORKER_MODULE(module) {
  stats_exporter::own_definitions();
  module.add<serve>(bgworker::verified({.name = "stats_exporter",
                                        .start = bgworker::start_time::postmaster_start,
                                        .restart = 10s,
                                        .database = false}));
  const std::vector<std::string> names = stats_exporter::split_databases(databases);
  for (std::size_t i = 0; i < names.size(); ++i)
    module.add<collect>({.name = bgworker::format("stats_exporter {}", names[i]),
                         .type = "stats_exporter collector",
                         .start = bgworker::start_time::consistent_state,
                         .restart = 10s,
                         .argument = static_cast<std::int64_t>(i)});
}
