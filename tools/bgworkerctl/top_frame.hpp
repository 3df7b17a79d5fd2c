// One look at a host and its workers, with what has changed since the look before; and how it is shown.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"
#include "process_usage.hpp"

namespace bgworkerctl {

enum class TopOrder { cpu, memory, transactions, name, restarts, pid };

struct TopWorker {
  bgw::WorkerRow row;
  ProcessUsage usage;
  // Since the look before; empty at the first look at a process, and where the kernel refuses to tell.
  std::optional<double> cpu_percent;
  std::optional<double> transactions_per_second;
  long long restarts() const { return row.starts > 0 ? row.starts - 1 : 0; }
};

struct TopFrame {
  double time = 0;      // seconds since the epoch
  std::string trouble;  // why there is nothing more; else empty
  bgw::HostStatus host;
  ProcessUsage usage;  // of the host's own process
  std::vector<TopWorker> workers;
};

// Looks again and again, over one connection as long as that lasts.
class TopWatch {
 public:
  explicit TopWatch(std::string data_directory) : data_directory_(std::move(data_directory)) {}
  // Takes at most `limit`. A host that is down or does not answer makes a frame that says so.
  TopFrame look(milliseconds limit);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    pid_t pid = 0;
    long long starts = 0;
    unsigned long long transactions = 0;
    std::optional<double> cpu_seconds;
  };
  bgw::Result<nlohmann::json> ask(milliseconds limit);

  std::string data_directory_;
  std::optional<bgw::ControlClient> client_;
  std::map<std::string, Seen> seen_;  // by handle
  Clock::time_point seen_at_{};
};

void sort_workers(std::vector<TopWorker>& workers, TopOrder order);
const char* order_name(TopOrder order);

// Lines of text, the first of them about the host, one of titles, and one per worker, at most `width` wide (0:
// any).
struct TopText {
  std::vector<std::string> head;
  std::string titles;  // empty when there are no workers
  std::vector<std::string> workers;
};
TopText top_text(const TopFrame& frame, std::size_t width);
nlohmann::json top_json(const TopFrame& frame);

}  // namespace bgworkerctl
