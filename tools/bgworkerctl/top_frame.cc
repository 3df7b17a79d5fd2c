// What `bgworkerctl top` knows at one time. Names, states, starts and counts of transactions are the host's
// answer to `ps`; processor time and memory are the kernel's. A rate is the difference to the look before, and
// only if that saw the same process of the same worker.
#include "top_frame.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <sstream>
#include <tuple>

#include "table.hpp"

namespace bgworkerctl {

using bgw::Error;
using bgw::Result;
using nlohmann::json;

namespace {

std::string number(std::optional<double> value) {
  if (!value) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", *value);
  return text;
}

std::string memory_text(const ProcessUsage& usage) {
  if (!usage.memory) return "-";
  char text[32];
  const double kibibytes = static_cast<double>(*usage.memory) / 1024;
  if (kibibytes < 9999.5)
    std::snprintf(text, sizeof(text), "%.0f kB", kibibytes);
  else if (kibibytes < 9999.5 * 1024)
    std::snprintf(text, sizeof(text), "%.1f MB", kibibytes / 1024);
  else
    std::snprintf(text, sizeof(text), "%.1f GB", kibibytes / 1024 / 1024);
  return usage.shared_counted_whole ? std::string("<") + text : text;
}

std::string time_of_day(double seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  char text[16];
  if (localtime_r(&time, &local) == nullptr || std::strftime(text, sizeof(text), "%H:%M:%S", &local) == 0)
    return "?";
  return text;
}

}  // namespace

Result<json> TopWatch::ask(milliseconds limit) {
  if (!client_) {
    Result<std::optional<bgw::LockFileContents>> host = bgw::find_lock_holder(data_directory_);
    if (!host) return host.error();
    if (!*host) return Error{.message = "the host is down", .sqlstate = "55000"};
    Result<bgw::ControlClient> connected = bgw::ControlClient::connect((*host)->control_socket, limit);
    if (!connected) return connected.error();
    client_.emplace(std::move(*connected));
  }
  return client_->ask({{"op", "ps"}}, limit);
}

TopFrame TopWatch::look(milliseconds limit) {
  TopFrame frame;
  frame.time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const bool had_connection = client_.has_value();
  Result<json> reply = ask(limit);
  if (!reply) {
    client_.reset();
    // A connection that has ended is news only if there cannot be another one.
    if (had_connection && reply.error().sqlstate != "57014") reply = ask(limit);
  }
  if (!reply) {
    client_.reset();
    seen_.clear();
    frame.trouble = reply.error().message;
    return frame;
  }
  frame.host = bgw::host_status_from_json(reply->value("host", json::object()));
  frame.usage = usage_of(frame.host.pid);
  const Clock::time_point now = Clock::now();
  const double elapsed = std::chrono::duration<double>(now - seen_at_).count();
  std::map<std::string, Seen> seen;
  for (const json& value : reply->value("workers", json::array())) {
    TopWorker worker{
        .row = bgw::worker_row_from_json(value), .usage = {}, .cpu_percent = {}, .transactions_per_second = {}};
    const bgw::WorkerRow& row = worker.row;
    worker.usage = usage_of(row.pid);
    if (const auto before = seen_.find(row.handle); before != seen_.end() && row.pid > 0 && elapsed > 0 &&
                                                    before->second.pid == row.pid &&
                                                    before->second.starts == row.starts) {
      const Seen& last = before->second;
      if (worker.usage.cpu_seconds && last.cpu_seconds)
        worker.cpu_percent = std::max(0.0, 100 * (*worker.usage.cpu_seconds - *last.cpu_seconds) / elapsed);
      if (row.transactions >= last.transactions)
        worker.transactions_per_second = static_cast<double>(row.transactions - last.transactions) / elapsed;
    }
    seen[row.handle] = {row.pid, row.starts, row.transactions, worker.usage.cpu_seconds};
    frame.workers.push_back(std::move(worker));
  }
  seen_ = std::move(seen);
  seen_at_ = now;
  return frame;
}

const char* order_name(TopOrder order) {
  switch (order) {
    case TopOrder::cpu:
      return "CPU";
    case TopOrder::memory:
      return "memory";
    case TopOrder::transactions:
      return "transactions";
    case TopOrder::name:
      return "name";
    case TopOrder::restarts:
      return "restarts";
    case TopOrder::pid:
      return "PID";
  }
  return "";
}

void sort_workers(std::vector<TopWorker>& workers, TopOrder order) {
  // The most first, and equals by name, so that lines keep their places.
  const auto key = [order](const TopWorker& worker) -> double {
    switch (order) {
      case TopOrder::cpu:
        return -worker.cpu_percent.value_or(-1);
      case TopOrder::memory:
        return -static_cast<double>(worker.usage.memory.value_or(0));
      case TopOrder::transactions:
        return -worker.transactions_per_second.value_or(-1);
      case TopOrder::restarts:
        return -static_cast<double>(worker.restarts());
      case TopOrder::pid:
        return worker.row.pid;
      case TopOrder::name:
        break;
    }
    return 0;
  };
  std::stable_sort(workers.begin(), workers.end(), [&](const TopWorker& a, const TopWorker& b) {
    return std::forward_as_tuple(key(a), a.row.name, a.row.slot) <
           std::forward_as_tuple(key(b), b.row.name, b.row.slot);
  });
}

TopText top_text(const TopFrame& frame, std::size_t width) {
  TopText text;
  if (!frame.trouble.empty()) {
    text.head = {time_of_day(frame.time) + "  " + printable(frame.trouble), "Waiting for a host."};
    return text;
  }
  std::optional<double> cpu, transactions;
  for (const TopWorker& worker : frame.workers) {
    if (worker.cpu_percent) cpu = cpu.value_or(0) + *worker.cpu_percent;
    if (worker.transactions_per_second)
      transactions = transactions.value_or(0) + *worker.transactions_per_second;
  }
  text.head = {time_of_day(frame.time) + "  bgworkerd (PID " + std::to_string(frame.host.pid) + ") " +
                   printable(frame.host.state) + " for " + short_duration(frame.time - frame.host.started) +
                   ", " + memory_text(frame.usage) + "; upstream " + upstream_text(frame.host),
               "workers: " + std::to_string(frame.host.workers) + " registered, " +
                   std::to_string(frame.host.running) + " running; CPU " + number(cpu) + " %; " +
                   number(transactions) + " transactions/s"};
  static const std::vector<Column> columns = {
      {.title = "NAME", .shortest = 12},
      {.title = "PID", .right = true},
      {.title = "STATE"},
      {.title = "RESTARTS", .right = true},
      {.title = "CPU %", .right = true},
      {.title = "MEMORY", .right = true},
      {.title = "TRANS/S", .right = true},
      {.title = "WAITS FOR", .keep = 1, .shortest = 9},
      {.title = "RUNS", .keep = 2, .shortest = 8},
  };
  std::vector<std::vector<std::string>> rows;
  for (const TopWorker& worker : frame.workers) {
    const bgw::WorkerRow& row = worker.row;
    rows.push_back({row.name, row.pid > 0 ? std::to_string(row.pid) : "", row.state,
                    std::to_string(worker.restarts()), number(worker.cpu_percent), memory_text(worker.usage),
                    number(worker.transactions_per_second), wait_text(row), row.activity});
  }
  std::istringstream lines(render_table(columns, rows, width));
  if (!rows.empty()) std::getline(lines, text.titles);
  for (std::string line; !rows.empty() && std::getline(lines, line);) text.workers.push_back(line);
  return text;
}

json top_json(const TopFrame& frame) {
  json value{{"time", frame.time}};
  if (!frame.trouble.empty()) {
    value["trouble"] = frame.trouble;
    return value;
  }
  const auto or_null = [](const auto& given) { return given ? json(*given) : json(nullptr); };
  value["host"] = bgw::to_json_value(frame.host);
  value["workers"] = json::array();
  for (const TopWorker& worker : frame.workers) {
    json row = bgw::to_json_value(worker.row);
    row["restarts"] = worker.restarts();
    row["cpu_percent"] = or_null(worker.cpu_percent);
    row["memory_bytes"] = or_null(worker.usage.memory);
    row["memory_counts_shared_whole"] = worker.usage.shared_counted_whole;
    row["transactions_per_second"] = or_null(worker.transactions_per_second);
    value["workers"].push_back(std::move(row));
  }
  return value;
}

}  // namespace bgworkerctl
