// What the command line says, and the commands that more than one file holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host.hpp"

namespace bgworkerctl {

inline constexpr milliseconds answer_timeout{10'000};

struct Options {
  std::string data_directory;
  bool as_json = false;
  bool wide = false;
  double watch = 0;
  double interval = 2;  // of top, seconds
  int frames = -1;      // of top; 0: without end, -1: not said
  std::string mode = "fast";
  bool no_wait = false;
  int timeout = 60;
  std::string log_file;
  std::vector<std::string> settings;
  std::vector<std::string> modules;

  // wake, terminate
  std::string worker;
  bool wait = false;
  std::optional<int> wait_limit;  // seconds

  // launch, call
  std::string library;
  std::string function;
  std::optional<std::string> name, type, arg, extra, start_time, restart;
  bool needs_database = false;
  bool verbose = false;
  std::vector<std::string> args;
  std::optional<std::string> returns, database, user;
  bool session = false;
  bool strict = false;
  bool unaligned = false;
};

// The directory that -D or the environment names.
bgw::Result<std::string> data_directory(const Options& options);

int say_not_running(const std::string& directory);

// Calls `use` with the data directory and the host that runs in it.
template <class Use>
int with_host(const Options& options, Use use) {
  bgw::Result<std::string> directory = data_directory(options);
  if (!directory) {
    complain(directory.error());
    return no_data_directory;
  }
  bgw::Result<std::optional<bgw::LockFileContents>> host = bgw::find_lock_holder(*directory);
  if (!host) {
    complain(host.error());
    return no_data_directory;
  }
  if (!*host) return say_not_running(*directory);
  return use(*directory, **host);
}

std::size_t terminal_width();

// "read/write, PostgreSQL 15.9, embedded: host=..."; "Type/Event".
std::string upstream_text(const bgw::HostStatus& status);
std::string wait_text(const bgw::WorkerRow& row);

// top.cc
int run_top(const Options& options);

// worker_commands.cc
int run_wake(const Options& options);
int run_terminate(const Options& options);
int run_launch(const Options& options);

// call.cc
int run_call(const Options& options);

// An error that the host sent, in psql's form: "ERROR:  ...", DETAIL, HINT, QUERY, CONTEXT, on standard error.
void show_report(const nlohmann::json& fields);

}  // namespace bgworkerctl
