// Hands log entries to the sink in force. Single-threaded by design: one sink per process, set during
// start-up and inherited by fork.
#include "core/log.hpp"

#include <unistd.h>

#include <string>

namespace bgw {

namespace {

void write_to_stderr(const LogEntry& entry) noexcept {
  static constexpr const char* names[] = {"DEBUG", "DEBUG", "INFO", "NOTICE", "WARNING", "LOG", "ERROR"};
  std::string line = std::string(names[static_cast<int>(entry.level)]) + ":  ";
  line.append(entry.message).push_back('\n');
  if (!entry.detail.empty()) line.append("DETAIL:  ").append(entry.detail).push_back('\n');
  if (!entry.hint.empty()) line.append("HINT:  ").append(entry.hint).push_back('\n');
  // A log that cannot be written must not stop what is being logged about.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

LogSink current_sink = write_to_stderr;

}  // namespace

LogSink set_log_sink(LogSink sink) noexcept {
  LogSink before = current_sink;
  current_sink = sink ? sink : write_to_stderr;
  return before;
}

void log(const LogEntry& entry) noexcept {
  current_sink(entry);
}

}  // namespace bgw
