// The way core code says something to the operator: a level, a message, and the optional fields of a
// PostgreSQL log entry. The bridge installs a sink that goes through ereport(); until then, and in unit
// tests, lines go to stderr as they are.
#pragma once

#include <string_view>

namespace bgw {

// The server's levels, those a process without a client can use.
enum class LogLevel { debug2, debug1, info, notice, warning, log, error };

struct LogEntry {
  LogLevel level = LogLevel::log;
  std::string_view message;
  std::string_view sqlstate = "00000";
  std::string_view detail = {};
  std::string_view hint = {};
};

// Called with each entry; must not throw and must not jump.
using LogSink = void (*)(const LogEntry&) noexcept;

// Installs `sink` and returns the one before; nullptr restores plain stderr.
LogSink set_log_sink(LogSink sink) noexcept;

void log(const LogEntry& entry) noexcept;
inline void log(std::string_view message) noexcept {
  log(LogEntry{.message = message});
}

}  // namespace bgw
