// bgworkerctl: the operator's command. Starts and stops a host, signals it, and shows what it is doing.
//
// Everything that changes a host goes through a signal to the process that holds the data directory's lock;
// everything that asks goes over the control socket. Exit codes up to 4 are pg_ctl's: 0, 1 failure, 2 wrong
// usage, 3 no host is running, 4 not a data directory or not accessible; 5 there is no such worker, 6 timed
// out.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <map>
#include <thread>

#include <CLI/CLI.hpp>

#include "core/data_directory.hpp"
#include "host.hpp"
#include "options.hpp"
#include "new_worker.hpp"
#include "table.hpp"

namespace bgworkerctl {

using bgw::Error;
using bgw::LockFileContents;
using bgw::Result;
using nlohmann::json;

std::size_t terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  return columns ? static_cast<std::size_t>(std::strtoul(columns, nullptr, 10)) : 80;
}

Result<std::string> data_directory(const Options& options) {
  std::string path = options.data_directory;
  if (path.empty())
    if (const char* given = std::getenv("BGWORKERD_DATA")) path = given;
  if (path.empty())
    return Error{.message = "no data directory specified",
                 .sqlstate = "22023",
                 .hint = "Name it with -D, or in the environment variable BGWORKERD_DATA."};
  return bgw::find_data_directory(path);
}

namespace {

std::string server_version(int number) {
  if (number <= 0) return "";
  if (number < 100000)
    return std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." +
           std::to_string(number % 100);
  return std::to_string(number / 10000) + "." + std::to_string(number % 10000);
}

}  // namespace

std::string upstream_text(const bgw::HostStatus& status) {
  std::string text = status.upstream_state.empty() ? "unknown" : status.upstream_state;
  if (status.upstream_version > 0) text += ", PostgreSQL " + server_version(status.upstream_version);
  if (status.embedded) text += ", embedded";
  if (!status.upstream.empty()) text += ": " + printable(status.upstream);
  return text;
}

std::string wait_text(const bgw::WorkerRow& row) {
  if (row.wait_event_type.empty() || row.wait_event.empty()) return row.wait_event + row.wait_event_type;
  return row.wait_event_type + "/" + row.wait_event;
}

int say_not_running(const std::string& directory) {
  std::cerr << "bgworkerctl: no host is running in \"" << directory << "\"\n";
  return not_running;
}

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string date_and_time(double seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  char text[64];
  if (seconds <= 0 || localtime_r(&time, &local) == nullptr ||
      std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &local) == 0)
    return "unknown";
  return text;
}

int run_status(const Options& options) {
  return with_host(options, [&](const std::string& directory, const LockFileContents& host) -> int {
    Result<json> reply = ask_host(host, {{"op", "status"}}, answer_timeout);
    if (!reply) {
      // The lock says that it runs; a script that asks only that is told so.
      if (options.as_json)
        std::cout << json{{"pid", host.pid}, {"data_directory", directory}}.dump(2) << "\n";
      else
        std::cout << "bgworkerd is running (PID " << host.pid << "), but does not answer\n";
      complain(reply.error());
      return success;
    }
    const json value = reply->value("host", json::object());
    if (options.as_json) {
      std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
      return success;
    }
    const bgw::HostStatus status = bgw::host_status_from_json(value);
    std::cout << "bgworkerd is running (PID " << host.pid << ")\n"
              << "data directory  " << directory << "\n"
              << "version         bgworkerd " << printable(status.version) << ", ABI of "
              << printable(status.abi) << "\n"
              << "state           " << printable(status.state) << ", since " << date_and_time(status.started)
              << " (" << short_duration(seconds_now() - status.started) << ")\n"
              << "upstream        " << upstream_text(status) << "\n";
    if (!status.upstream_reason.empty())
      std::cout << "                " << printable(status.upstream_reason) << "\n";
    std::cout << "workers         " << status.workers << " registered, " << status.running
              << " running, at most " << status.max_worker_processes << "\n";
    return success;
  });
}

std::string flags_text(const std::vector<std::string>& flags) {
  std::string text;
  for (const std::string& flag : flags) text += (text.empty() ? "" : ",") + flag;
  return text;
}

std::string worker_table(const json& workers, std::size_t width) {
  static const std::vector<Column> columns = {
      {.title = "NAME", .shortest = 12},
      {.title = "TYPE", .keep = 4, .shortest = 8},
      {.title = "PID", .right = true},
      {.title = "STATE"},
      {.title = "FLAGS", .keep = 2},
      {.title = "START AT", .keep = 3},
      {.title = "RESTART", .right = true, .keep = 5},
      {.title = "STARTS", .right = true},
      {.title = "LAST EXIT", .keep = 8, .shortest = 9},
      {.title = "SINCE", .right = true, .keep = 6},
      {.title = "WAITS FOR", .keep = 7, .shortest = 9},
      {.title = "ACTIVITY", .keep = 9, .shortest = 16},
      {.title = "HANDLE", .keep = 1},
  };
  std::vector<std::vector<std::string>> rows;
  const double now = seconds_now();
  for (const json& value : workers) {
    const bgw::WorkerRow row = bgw::worker_row_from_json(value);
    rows.push_back({row.name, row.type == row.name ? "" : row.type, row.pid > 0 ? std::to_string(row.pid) : "",
                    row.state, flags_text(row.flags), row.start_time,
                    row.restart_time < 0 ? "never" : std::to_string(row.restart_time) + " s",
                    std::to_string(row.starts), row.last_exit,
                    row.since > 0 ? short_duration(now - row.since) : "", wait_text(row), row.activity,
                    row.handle});
  }
  return render_table(columns, rows, width);
}

int show_workers(const Options& options, const LockFileContents& host) {
  Result<json> reply = ask_host(host, {{"op", "ps"}}, answer_timeout);
  if (!reply) {
    complain(reply.error());
    return failure;
  }
  if (options.as_json) {
    reply->erase("ok");
    std::cout << reply->dump(options.watch > 0 ? -1 : 2, ' ', false, json::error_handler_t::replace)
              << std::endl;
    return success;
  }
  const bgw::HostStatus status = bgw::host_status_from_json(reply->value("host", json::object()));
  const json workers = reply->value("workers", json::array());
  const std::size_t width = options.wide ? 0 : terminal_width();
  std::string text;
  if (options.watch > 0) {
    text = date_and_time(seconds_now()) + "  bgworkerd (PID " + std::to_string(host.pid) + ") " +
           printable(status.state) + ", upstream " + upstream_text(status);
    if (width > 0 && text.size() > width) text.resize(width);
    text += "\n";
  }
  text += workers.empty() ? "no workers are registered\n" : worker_table(workers, width);
  if (options.watch > 0) text = isatty(STDOUT_FILENO) != 0 ? "\033[H\033[J" + text : text + "\n";
  std::cout << text << std::flush;
  return success;
}

int run_ps(const Options& options) {
  for (;;) {
    const int code = with_host(
        options, [&](const std::string&, const LockFileContents& host) { return show_workers(options, host); });
    if (code != success || options.watch <= 0 || !std::cout) return code;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watch));
  }
}

int run_reload(const Options& options) {
  return with_host(options, [&](const std::string& directory, const LockFileContents& host) -> int {
    Result<void> sent = signal_host(directory, host, SIGHUP);
    if (!sent) {
      complain(sent.error());
      return failure;
    }
    std::cout << "host signaled\n";
    return success;
  });
}

int run_stop(const Options& options) {
  static const std::map<std::string, int> signals = {
      {"smart", SIGTERM}, {"fast", SIGINT}, {"immediate", SIGQUIT}};
  return with_host(options, [&](const std::string& directory, const LockFileContents& host) -> int {
    Result<void> sent = signal_host(directory, host, signals.at(options.mode));
    if (!sent) {
      complain(sent.error());
      return failure;
    }
    if (options.no_wait) {
      std::cout << "host shutting down\n";
      return success;
    }
    if (!wait_for_end(directory, host.pid, std::chrono::seconds(options.timeout), true)) {
      complain({.message = "the host does not stop",
                .hint = "The next stronger mode of stopping is -m " +
                        std::string(options.mode == "smart" ? "fast" : "immediate") + "."});
      return failure;
    }
    std::cout << "host stopped\n";
    return success;
  });
}

int run_start(const Options& options) {
  Result<std::string> directory = data_directory(options);
  if (!directory) {
    complain(directory.error());
    return no_data_directory;
  }
  Result<std::optional<LockFileContents>> holder = bgw::find_lock_holder(*directory);
  if (holder && *holder) {
    complain({.message = "a host (PID " + std::to_string((*holder)->pid) + ") is already running in \"" +
                         *directory + "\""});
    return failure;
  }
  Result<pid_t> pid = start_host(*directory, {.program = find_bgworkerd(),
                                              .log_file = options.log_file,
                                              .settings = options.settings,
                                              .timeout = std::chrono::seconds(options.timeout),
                                              .wait = !options.no_wait});
  if (!pid) {
    complain(pid.error());
    return failure;
  }
  std::cout << (options.no_wait ? "host starting" : "host started") << " (PID " << *pid << ")\n";
  return success;
}

int run_restart(const Options& options) {
  const int stopped = run_stop(options);
  if (stopped == not_running)
    std::cerr << "starting one anyway\n";
  else if (stopped != success)
    return stopped;
  return run_start(options);
}

int run_check(const Options& options) {
  std::vector<std::string> arguments = {find_bgworkerd()};
  Result<std::string> directory = data_directory(options);
  if (directory) {
    arguments.emplace_back("-D");
    arguments.push_back(*directory);
  } else if (!options.data_directory.empty()) {
    complain(directory.error());
    return no_data_directory;
  }
  if (options.as_json) arguments.emplace_back("--json");
  for (const std::string& module : options.modules) {
    arguments.emplace_back("--check");
    arguments.push_back(module);
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  complain(bgw::file_error("execute", arguments[0]));
  return failure;
}

// The commands that act on workers.
template <class Command>
void add_worker_commands(Command command, Options& options) {
  const auto limit = [&](CLI::App* to, const char* what) {
    to->add_option("-t,--timeout", options.wait_limit, what)->check(CLI::Range(1, 86400));
  };
  const auto named = [&](CLI::App* to) {
    to->add_option("WORKER", options.worker, "its name, PID, or handle, as ps shows them")->required();
  };

  CLI::App* launch =
      command("launch", "register a worker, wait until it has started, and print its PID", run_launch);
  launch->add_option("LIBRARY", options.library, "library with the worker's function")->required();
  launch->add_option("FUNCTION", options.function, "the worker's entry function")->required();
  launch->add_option("--name", options.name, "name of the worker (default: FUNCTION)");
  launch->add_option("--type", options.type, "type of the worker (default: its name)");
  launch->add_option("--arg", options.arg,
                     "bgw_main_arg: a literal, or TYPE:VALUE of a type that is passed by value (default: 0)");
  launch->add_option("--extra", options.extra,
                     "bgw_extra: text of at most 127 bytes, or \\x and up to 128 bytes in hex");
  launch
      ->add_option("--start-time", options.start_time,
                   "when it may start: postmaster, consistent, or recovery-finished (default: postmaster, with "
                   "--database recovery-finished)")
      ->check(CLI::IsMember({"postmaster", "consistent", "recovery-finished"}));
  launch->add_option("--restart", options.restart, "seconds until it is restarted after a failure, or never")
      ->default_str("never");
  launch->add_flag("--database", options.needs_database, "the worker asks for a database connection");
  launch->add_flag("--wait", options.wait, "wait until the worker has ended");
  launch->add_flag("-v,--verbose", options.verbose, "print name and handle, too");
  launch->add_flag("--json", options.as_json, "as JSON");
  limit(launch, "how long to wait, in seconds (default: 60 for the start, without limit with --wait)");

  CLI::App* terminate = command("terminate", "end a worker for good: it is not restarted", run_terminate);
  named(terminate);
  terminate->add_flag("--wait", options.wait, "wait until it has ended");
  limit(terminate, "how long to wait, in seconds (default: without limit)");

  CLI::App* wake = command("wake", "set the latch of a worker", run_wake);
  named(wake);

  CLI::App* call = command("call", "call an SQL-callable C function of a module in a backend", run_call);
  call->add_option("MODULE", options.library, "library file or name")->required();
  call->add_option("FUNCTION", options.function, "name of the C function")->required();
  call->add_option(
      "ARGS", options.args,
      "arguments: TYPE:VALUE, NULL, NULL::TYPE, or a literal whose type is the declared one, or else "
      "int4, int8, numeric or bool as it looks, or text; 'VARIADIC ARRAY' as the last one, for a VARIADIC "
      "parameter");
  call->add_option(
      "--returns", options.returns,
      "type of the result: void, TYPE, 'SETOF TYPE', 'TABLE(NAME TYPE, ...)', 'RECORD(NAME TYPE, ...)'");
  call->add_flag("--strict", options.strict, "do not call the function with a NULL: its result is NULL");
  call->add_option("-d,--database", options.database,
                   "with a session in this database, where the function's declaration is looked up");
  call->add_flag("--session", options.session,
                 "with a session in the database that the setting upstream leads to");
  call->add_option("-U,--user", options.user, "the role of the session (default: the upstream connection's)");
  call->add_flag("-A,--unaligned", options.unaligned, "columns with | between them, without titles");
  call->add_flag("--json", options.as_json, "as JSON");
  limit(call, "how long the function may run, in seconds (default: without limit)");
}

// Command lines as CLI11 is to see them: an argument that begins with a negative number is no option, and one
// in brackets no list. Both are marked, and unmark() takes the mark off again.
constexpr char mark = '\x01';

std::vector<std::string> marked(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; i--) {  // CLI11 takes them last first
    const std::string argument = argv[i];
    const bool number = argument.size() > 1 && argument[0] == '-' &&
                        (std::isdigit(static_cast<unsigned char>(argument[1])) != 0 || argument[1] == '.');
    arguments.push_back(number || argument.starts_with("[") ? mark + argument : argument);
  }
  return arguments;
}

void unmark(std::string& text) {
  if (text.starts_with(mark)) text.erase(0, 1);
}

void unmark(Options& options) {
  for (std::string& argument : options.args) unmark(argument);
  for (std::optional<std::string>* text : {&options.arg, &options.extra, &options.restart, &options.name})
    if (*text) unmark(**text);
  unmark(options.worker);
}

int run(int argc, char** argv) {
  CLI::App app{"Controls a bgworkerd host: starts and stops it, and shows what it is doing."};
  app.name("bgworkerctl");
  app.set_version_flag("-V,--version", "bgworkerctl (bgworkerd) " BGW_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no host is running, 4 no usable data directory, 5 no "
      "such "
      "worker or more than one, 6 timed out.");
  Options options;
  app.add_option("-D,--data", options.data_directory, "the host's data directory (else $BGWORKERD_DATA)");

  int (*chosen)(const Options&) = nullptr;
  const auto command = [&](const char* name, const char* what, int (*function)(const Options&)) {
    CLI::App* added = app.add_subcommand(name, what);
    added->callback([&chosen, function] { chosen = function; });
    return added;
  };
  const auto waiting = [&](CLI::App* to) {
    to->add_flag("-W,--no-wait,!-w,!--wait", options.no_wait,
                 "do not wait until it is done (-w: wait, the default)");
    to->add_option("-t,--timeout", options.timeout, "how long to wait, in seconds")
        ->capture_default_str()
        ->check(CLI::Range(0, 86400));
  };
  const auto stopping = [&](CLI::App* to) {
    to->add_option("-m,--mode", options.mode,
                   "smart: workers may finish; fast: they are told to end; immediate: they are ended at once")
        ->capture_default_str()
        ->transform(CLI::Transformer(
            std::map<std::string, std::string>{{"s", "smart"}, {"f", "fast"}, {"i", "immediate"}}))
        ->check(CLI::IsMember({"smart", "fast", "immediate"}));
  };
  const auto starting = [&](CLI::App* to) {
    to->add_option("-l,--log", options.log_file,
                   "file to append the log to (default: log/bgworkerd.log in the data directory)");
    to->add_option("-c", options.settings, "setting for the host, NAME=VALUE; may be repeated")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };

  CLI::App* start = command("start", "start a host in the background and wait until it is running", run_start);
  starting(start);
  waiting(start);
  CLI::App* stop = command("stop", "stop the host", run_stop);
  stopping(stop);
  waiting(stop);
  CLI::App* restart = command("restart", "stop the host if it runs, and start it", run_restart);
  stopping(restart);
  starting(restart);
  waiting(restart);
  command("reload", "have the host read its configuration files again", run_reload);
  CLI::App* status = command("status", "tell whether a host is running, and how it is", run_status);
  status->add_flag("--json", options.as_json, "as JSON");
  CLI::App* ps = command("ps", "list the workers", run_ps);
  ps->add_flag("--json", options.as_json, "as JSON");
  ps->add_flag("--wide", options.wide, "all columns, however wide the terminal is");
  ps->add_option("--watch", options.watch, "again every so many seconds, until interrupted")
      ->check(CLI::Range(0.1, 86400.0));
  CLI::App* top =
      command("top", "show the workers live in the terminal, or frame by frame for scripts", run_top);
  top->add_option("-d,--interval", options.interval, "seconds from one look to the next")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  top->add_option("-n,--frames", options.frames,
                  "print so many frames, one per interval, 0 without end, and no screen")
      ->check(CLI::Range(0, 1000000000));
  top->add_flag_callback(
      "--once", [&options] { options.frames = 1; }, "the same as -n 1");
  top->add_flag("--json", options.as_json, "each frame as a line of JSON");
  top->add_flag("--wide", options.wide, "lines of frames as long as they are");
  add_worker_commands(command, options);
  CLI::App* check = command("check", "tell what modules need and whether this host has it", run_check);
  check->add_option("MODULE", options.modules, "library file or name")->required();
  check->add_flag("--json", options.as_json, "as JSON");

  command("new", "write the folder of a new worker in C++",
          [](const Options& o) { return write_new_worker(o.modules.front()); })
      ->add_option("NAME", options.modules, "name of the worker and its folder")
      ->required()
      ->expected(1);

  try {
    app.parse(marked(argc, argv));
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? success : usage;
  }
  signal(SIGPIPE, SIG_DFL);
  unmark(options);
  return chosen(options);
}

}  // namespace
}  // namespace bgworkerctl

int main(int argc, char** argv) {
  return bgworkerctl::run(argc, argv);
}
