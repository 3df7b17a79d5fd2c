// Talks to the kernel about processes by pidfd, so that a signal never reaches a stranger that was given the
// pid of a host that has just ended: the descriptor is opened first, then the lock's holder is looked up again.
#include "host.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "core/data_directory.hpp"
#include "core/run_as.hpp"

namespace bgworkerctl {

using bgw::Error;
using bgw::Result;
using bgw::UniqueFd;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds look_again{50};
constexpr std::size_t most_log_shown = 4000;

UniqueFd open_process(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0u)));
}

Result<std::string> owner_name(const std::string& data_directory) {
  struct stat info;
  if (stat(data_directory.c_str(), &info) != 0) return bgw::file_error("access directory", data_directory);
  if (info.st_uid == 0)
    return Error{
        .message = "data directory \"" + data_directory + "\" belongs to root: the host must not run as root",
        .sqlstate = "42501",
        .hint = "Give it to the user that is to run the host."};
  Result<bgw::UserIdentity> owner = bgw::look_up_user(info.st_uid);
  if (!owner) return owner.error();
  return owner->name;
}

// In the child: never returns. Errors go to what is stderr at the time: the tool's, then the log.
[[noreturn]] void become_host(const std::string& data_directory, const StartOptions& options,
                              const std::string& owner, const std::string& log_file, bool own_log) {
  const auto give_up = [](const Error& error) {
    complain(error);
    _exit(failure);
  };
  setsid();
  if (geteuid() == 0) {
    Result<bgw::UserIdentity> user = bgw::run_as(owner);
    if (!user) give_up(user.error());
  }
  umask(077);
  if (own_log && mkdir((data_directory + "/log").c_str(), 0700) != 0 && errno != EEXIST)
    give_up(bgw::file_error("create directory", data_directory + "/log"));
  UniqueFd log(open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) give_up(bgw::file_error("open log file", log_file));
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null || dup2(null.get(), STDIN_FILENO) < 0) give_up(bgw::file_error("open file", "/dev/null"));

  std::vector<std::string> arguments = {options.program, "-D", data_directory};
  for (const std::string& setting : options.settings) {
    arguments.emplace_back("-c");
    arguments.push_back(setting);
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (access(options.program.c_str(), X_OK) != 0) give_up(bgw::file_error("execute", options.program));
  dup2(log.get(), STDOUT_FILENO);
  dup2(log.get(), STDERR_FILENO);
  execv(argv[0], argv.data());
  give_up(bgw::file_error("execute", options.program));
  _exit(failure);
}

// What the host has written to its log since `from`; the last part of it.
std::string log_since(const std::string& log_file, off_t from) {
  UniqueFd fd(open(log_file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat info;
  if (!fd || fstat(fd.get(), &info) != 0 || info.st_size <= from) return "";
  std::string text(static_cast<std::size_t>(std::min<off_t>(info.st_size - from, most_log_shown)), '\0');
  const ssize_t got = pread(fd.get(), text.data(), text.size(), info.st_size - static_cast<off_t>(text.size()));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (info.st_size - from > static_cast<off_t>(most_log_shown)) text.erase(0, text.find('\n') + 1);
  return text;
}

}  // namespace

void complain(const Error& error) {
  std::cerr << "bgworkerctl: " << error.message << "\n";
  if (!error.detail.empty()) std::cerr << "DETAIL:  " << error.detail << "\n";
  if (!error.hint.empty()) std::cerr << "HINT:  " << error.hint << "\n";
}

Progress::Progress(const std::string& what, bool show, To to)
    : show_(show && isatty(to == To::output ? STDOUT_FILENO : STDERR_FILENO) != 0),
      stream_(to == To::output ? std::cout : std::cerr),
      next_(Clock::now() + std::chrono::seconds(1)) {
  if (show_) stream_ << what << "..." << std::flush;
}

void Progress::tick() {
  if (!show_ || Clock::now() < next_) return;
  next_ += std::chrono::seconds(1);
  stream_ << "." << std::flush;
}

void Progress::end(const std::string& how) {
  if (show_) stream_ << " " << how << "\n" << std::flush;
  show_ = false;
}

Result<void> signal_host(const std::string& data_directory, const bgw::LockFileContents& host, int signal) {
  UniqueFd process = open_process(host.pid);
  Result<std::optional<bgw::LockFileContents>> holder = bgw::find_lock_holder(data_directory);
  if (!holder) return holder.error();
  if (!*holder || (*holder)->pid != host.pid)
    return Error{.message = "the host (PID " + std::to_string(host.pid) + ") has just ended",
                 .sqlstate = "55000"};
  const long sent = process ? syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0u)
                            : static_cast<long>(kill(host.pid, signal));
  if (sent == 0) return {};
  const int error = errno;
  return Error{
      .message = "could not signal the host (PID " + std::to_string(host.pid) + "): " + std::strerror(error),
      .sqlstate = error == EPERM ? "42501" : "58000",
      .hint = error == EPERM ? "Run this as the user that runs the host, or as root." : ""};
}

bool wait_for_end(const std::string& data_directory, pid_t pid, milliseconds timeout, bool show_progress) {
  Progress progress("waiting for the host to stop", show_progress);
  const Clock::time_point end = Clock::now() + timeout;
  UniqueFd process = open_process(pid);
  for (;;) {
    bool gone = false;
    if (process) {
      pollfd item{process.get(), POLLIN, 0};
      gone = poll(&item, 1, static_cast<int>(look_again.count())) > 0;
    } else {
      // Gone already, or not visible from here: then the lock tells.
      Result<std::optional<bgw::LockFileContents>> holder = bgw::find_lock_holder(data_directory);
      gone = holder && (!*holder || (*holder)->pid != pid);
      if (!gone) poll(nullptr, 0, static_cast<int>(look_again.count()));
    }
    if (gone) {
      progress.end("done");
      return true;
    }
    if (Clock::now() >= end) {
      progress.end("still running");
      return false;
    }
    progress.tick();
  }
}

Result<nlohmann::json> ask_host(const bgw::LockFileContents& host, const nlohmann::json& request,
                                milliseconds timeout) {
  Result<bgw::ControlClient> client = bgw::ControlClient::connect(host.control_socket, timeout);
  if (!client) return client.error();
  return client->ask(request, timeout);
}

Result<pid_t> start_host(const std::string& data_directory, const StartOptions& options) {
  std::string owner;
  if (geteuid() == 0) {
    Result<std::string> name = owner_name(data_directory);
    if (!name) return name.error();
    owner = *name;
  }
  const bool own_log = options.log_file.empty();
  const std::string log_file = own_log ? data_directory + "/log/bgworkerd.log" : options.log_file;
  struct stat info;
  const off_t log_start = stat(log_file.c_str(), &info) == 0 ? info.st_size : 0;

  std::cout.flush();
  const pid_t pid = fork();
  if (pid == 0) become_host(data_directory, options, owner, log_file, own_log);
  if (pid < 0)
    return Error{.message = std::string("could not fork: ") + std::strerror(errno), .sqlstate = "53000"};
  if (!options.wait) return pid;

  Progress progress("waiting for the host to start", true);
  const Clock::time_point end = Clock::now() + options.timeout;
  for (;;) {
    int status;
    if (waitpid(pid, &status, WNOHANG) == pid) {
      progress.end("stopped");
      std::cerr << log_since(log_file, log_start);
      return Error{.message = "could not start the host",
                   .sqlstate = "58000",
                   .detail = WIFSIGNALED(status)
                                 ? std::string("It was ended by signal ") + strsignal(WTERMSIG(status)) + "."
                                 : "It ended with exit code " + std::to_string(WEXITSTATUS(status)) + ".",
                   .hint = "Its log is in \"" + log_file + "\"."};
    }
    Result<std::optional<bgw::LockFileContents>> holder = bgw::find_lock_holder(data_directory);
    if (holder && *holder && (*holder)->pid == pid && !(*holder)->control_socket.empty()) {
      Result<nlohmann::json> reply = ask_host(**holder, {{"op", "status"}}, milliseconds(1000));
      if (reply &&
          bgw::host_status_from_json(reply->value("host", nlohmann::json())).state == bgw::host_running) {
        progress.end("done");
        return pid;
      }
    }
    if (Clock::now() >= end) {
      progress.end("not ready");
      return Error{.message = "the host (PID " + std::to_string(pid) + ") is not ready after " +
                              std::to_string(options.timeout.count() / 1000) + " s",
                   .sqlstate = "57014",
                   .detail = "It goes on starting in the background.",
                   .hint = "Its log is in \"" + log_file + "\"."};
    }
    progress.tick();
    poll(nullptr, 0, static_cast<int>(look_again.count()));
  }
}

std::string find_bgworkerd() {
  char self[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  if (length > 0) {
    std::string path(self, static_cast<std::size_t>(length));
    path = path.substr(0, path.rfind('/') + 1) + "bgworkerd";
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  const char* search = std::getenv("PATH");
  std::string folders = search ? search : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t start = 0; start <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', start), folders.size());
    const std::string path = folders.substr(start, end - start) + "/bgworkerd";
    if (path.front() == '/' && access(path.c_str(), X_OK) == 0) return path;
    start = end + 1;
  }
  return "bgworkerd";
}

}  // namespace bgworkerctl
