// Children of the postmaster: initdb once, then the server. Everything here is called from the postmaster's
// event loop; the part between fork and exec uses only what is async-signal-safe, on strings made before,
// and reports a failure as {stage, errno} through a close-on-exec pipe.
//
// Who may connect: the socket's folder and the socket itself are for the owning user only, by permission, and
// there is no other way in; the kernel enforces it. So pg_hba.conf lets whoever gets that far be any role,
// which is what lets a worker connect as the user it names.
#include "core/embedded_upstream.hpp"

#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/data_directory.hpp"
#include "core/log.hpp"
#include "port/fd.hpp"

extern char** environ;

namespace bgw {

namespace {

constexpr const char* superuser = "postgres";
constexpr const char* port = "5432";
// One that lived this long was well: its next death is retried quickly.
constexpr std::chrono::seconds healthy_after{10};

constexpr std::string_view hba_conf =
    "# Written by bgworkerd. The only way in is the Unix-domain socket in the host's run folder, and both are\n"
    "# open to the owning operating-system user only; that user may be any role.\n"
    "# TYPE  DATABASE        USER            ADDRESS                 METHOD\n"
    "local   all             all                                     trust\n"
    "local   replication     all                                     trust\n";

constexpr std::string_view conf_addition =
    "\n# Written by bgworkerd. listen_addresses, port, unix_socket_directories, unix_socket_permissions,\n"
    "# max_connections, cluster_name and the log's destination are given on the command line by the host.\n"
    "log_line_prefix = '%m [%p] embedded: '\n"
    "log_checkpoints = off\n"
    "# What the host's owner wants of this server, in a file beside the host's own.\n"
    "include_if_exists = '../embedded.conf'\n";

struct ChildFailure {
  enum Stage : int { none, directory, output, program } stage = none;
  int error = 0;
};

struct Command {
  std::vector<std::string> arguments;  // [0] is the program's path
  std::string directory;
  bool quiet = false;  // standard output is not wanted
  int death_signal = 0;
};

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// The environment but for what would steer the server or its tools somewhere else.
std::vector<std::string> clean_environment() {
  std::vector<std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; entry++) {
    const std::string_view text = *entry;
    if (!text.starts_with("PG") || text.starts_with("PG_OOM_ADJUST")) kept.emplace_back(text);
  }
  return kept;
}

[[noreturn]] void report_and_exit(int fd, ChildFailure::Stage stage) noexcept {
  const ChildFailure failure{stage, errno};
  [[maybe_unused]] ssize_t written = write(fd, &failure, sizeof(failure));
  _exit(127);
}

[[noreturn]] void run_child(const Command& command, char* const* argv, char* const* envp, pid_t parent,
                            int null_fd, int report_fd) noexcept {
  setpgid(0, 0);
  // Dispositions first: a handler of the host's must not run in here once the signals are let through.
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &action, nullptr);
  prctl(PR_SET_PDEATHSIG, command.death_signal);
  if (getppid() != parent) _exit(127);  // it died before the kernel knew what to do about it
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  if (chdir(command.directory.c_str()) != 0) report_and_exit(report_fd, ChildFailure::directory);
  if (dup2(null_fd, STDIN_FILENO) < 0) report_and_exit(report_fd, ChildFailure::output);
  if (command.quiet && dup2(null_fd, STDOUT_FILENO) < 0) report_and_exit(report_fd, ChildFailure::output);
    // Whatever a module has opened in the postmaster is none of the server's business.
#ifdef SYS_close_range
  syscall(SYS_close_range, 3u, ~0u, 1u << 2 /* CLOSE_RANGE_CLOEXEC */);
#endif
  execve(argv[0], argv, envp);
  report_and_exit(report_fd, ChildFailure::program);
}

Result<pid_t> spawn(Command command) {
  std::vector<std::string> environment = clean_environment();
  std::vector<char*> argv = pointers(command.arguments);
  std::vector<char*> envp = pointers(environment);
  UniqueFd null_fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_fd) return file_error("open file", "/dev/null");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return Error{.message = std::string("could not create pipe: ") + std::strerror(errno), .sqlstate = "58000"};
  UniqueFd reading(ends[0]), writing(ends[1]);

  // No handler of the postmaster's may run in the child before its dispositions are reset.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  const int fork_error = errno;
  if (pid == 0) run_child(command, argv.data(), envp.data(), parent, null_fd.get(), writing.get());
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0)
    return Error{
        .message = std::string("could not fork embedded upstream process: ") + std::strerror(fork_error),
        .sqlstate = "53000"};
  setpgid(pid, pid);  // both sides, so that it is done whoever runs first
  writing.reset();

  ChildFailure failure;
  ssize_t got;
  while ((got = read(reading.get(), &failure, sizeof(failure))) < 0 && errno == EINTR) continue;
  if (got != static_cast<ssize_t>(sizeof(failure))) return pid;
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  errno = failure.error;
  switch (failure.stage) {
    case ChildFailure::directory:
      return file_error("change directory to", command.directory);
    case ChildFailure::output:
      return file_error("redirect to", "/dev/null");
    case ChildFailure::none:
    case ChildFailure::program:
      break;
  }
  Error error = file_error("execute", command.arguments[0]);
  error.hint = "Set \"embedded_bindir\" to the folder of the PostgreSQL programs, or \"upstream\" to a server.";
  return error;
}

bool exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

Result<void> remove_tree(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return {};
  errno = error.value();
  return file_error("remove", path);
}

Result<void> write_file(const std::string& path, std::string_view text, int flags) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
  if (!fd) return file_error("open file", path);
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (written == 0) errno = ENOSPC;
      return file_error("write to file", path);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fsync(fd.get()) != 0) return file_error("fsync file", path);
  return {};
}

Result<void> sync_directory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || (fsync(fd.get()) != 0 && errno != EINVAL)) return file_error("fsync directory", path);
  return {};
}

const char* best_locale() {
  locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
  if (locale == nullptr) return "C";
  freelocale(locale);
  return "C.UTF-8";
}

std::string doubled(const std::string& text, const char* special, char before) {
  std::string result;
  for (char c : text) {
    if (std::strchr(special, c) != nullptr) result.push_back(before);
    result.push_back(c);
  }
  return result;
}

std::string describe(int status) {
  if (WIFEXITED(status)) return "exited with exit code " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "was terminated by signal " + std::to_string(signal) + ": " + strsignal(signal);
}

}  // namespace

int embedded_max_connections(int max_worker_processes) {
  return 32 + (max_worker_processes > 0 ? max_worker_processes : 0);
}

EmbeddedUpstream::EmbeddedUpstream(EmbeddedOptions options)
    : options_(std::move(options)), backoff_(options_.seed, options_.backoff) {}

std::string EmbeddedUpstream::cluster_directory() const {
  return options_.data_directory + "/embedded";
}

std::string EmbeddedUpstream::run_directory() const {
  return options_.data_directory + "/" + run_folder_name;
}

std::string EmbeddedUpstream::conninfo() const {
  return "host='" + doubled(run_directory(), "'\\", '\\') + "' port=" + port + " user=" + superuser +
         " dbname=postgres";
}

Result<pid_t> EmbeddedUpstream::start() {
  if (pid_ != 0) return pid_;
  next_start_.reset();
  state_ = State::stopped;
  if (geteuid() == 0)
    return Error{.message = "the embedded upstream cannot be run by root",
                 .sqlstate = "42501",
                 .hint = "Set \"user\" to an unprivileged account."};
  if (run_directory().find(',') != std::string::npos)
    return Error{
        .message = "data directory \"" + options_.data_directory + "\" cannot hold the embedded upstream",
        .sqlstate = "22023",
        .detail = "A socket folder whose path has a comma cannot be named in a connection string.",
        .hint = "Use a data directory without a comma in its path, or set \"upstream\"."};
  Result<void> fits = check_socket_path_length(run_directory() + "/.s.PGSQL." + port);
  if (!fits) return fits.error();
  if (mkdir(run_directory().c_str(), 0700) != 0 && errno != EEXIST)
    return file_error("create directory", run_directory());

  if (!exists(cluster_directory())) return start_initdb();
  if (!exists(cluster_directory() + "/PG_VERSION"))
    return Error{.message = "\"" + cluster_directory() + "\" is not a database cluster directory",
                 .sqlstate = "55000",
                 .hint = "Remove it to have a new, empty one made, or set \"upstream\"."};
  return start_server();
}

Result<pid_t> EmbeddedUpstream::start_initdb() {
  const std::string half_made = cluster_directory() + ".new";
  if (exists(half_made)) {
    log({.message = "removing half-made embedded upstream in \"" + half_made + "\""});
    Result<void> removed = remove_tree(half_made);
    if (!removed) return removed.error();
  }
  log({.message = "making embedded upstream in \"" + cluster_directory() + "\""});
  Command command;
  command.arguments = {options_.bindir + "/initdb",
                       "--pgdata=" + half_made,
                       std::string("--username=") + superuser,
                       "--auth=trust",
                       "--encoding=UTF8",
                       std::string("--locale=") + best_locale(),
                       "--lc-messages=C",
                       "--no-instructions"};
  command.directory = options_.data_directory;
  command.quiet = true;
  command.death_signal = SIGTERM;  // on which it removes what it has made
  Result<pid_t> pid = spawn(std::move(command));
  if (!pid) return pid;
  pid_ = *pid;
  pid_is_initdb_ = true;
  started_ = Clock::now();
  state_ = State::making;
  return pid_;
}

Result<void> EmbeddedUpstream::finish_cluster() {
  const std::string half_made = cluster_directory() + ".new";
  Result<void> done = write_file(half_made + "/pg_hba.conf", hba_conf, O_TRUNC);
  if (done) done = write_file(half_made + "/postgresql.conf", conf_addition, O_APPEND);
  if (done) done = sync_directory(half_made);
  if (!done) return done;
  if (rename(half_made.c_str(), cluster_directory().c_str()) != 0) return file_error("rename", half_made);
  return sync_directory(options_.data_directory);
}

Result<pid_t> EmbeddedUpstream::start_server() {
  Command command;
  command.arguments = {options_.bindir + "/postgres", "-D", cluster_directory()};
  // What the host relies on, out of reach of the cluster's own configuration files.
  for (const std::string& setting : {
           std::string("listen_addresses="),
           std::string("port=") + port,
           "unix_socket_directories=\"" + doubled(run_directory(), "\"", '"') + "\"",
           std::string("unix_socket_permissions=0700"),
           std::string("unix_socket_group="),
           "max_connections=" + std::to_string(options_.max_connections),
           std::string("cluster_name=bgworkerd"),
           std::string("logging_collector=off"),
           std::string("log_destination=stderr"),
       }) {
    command.arguments.emplace_back("-c");
    command.arguments.push_back(setting);
  }
  command.directory = options_.data_directory;
  command.death_signal = SIGQUIT;
  Result<pid_t> pid = spawn(std::move(command));
  if (!pid) return pid;
  pid_ = *pid;
  pid_is_initdb_ = false;
  started_ = Clock::now();
  state_ = State::running;
  log({.level = LogLevel::debug1, .message = "started embedded upstream (PID " + std::to_string(pid_) + ")"});
  return pid_;
}

void EmbeddedUpstream::retry_later(Clock::time_point now) {
  state_ = State::waiting;
  next_start_ = backoff_.next_after(now);
}

Result<void> EmbeddedUpstream::on_exit(int wait_status, Clock::time_point now) {
  const std::string who = std::string(pid_is_initdb_ ? "initdb of embedded upstream" : "embedded upstream") +
                          " (PID " + std::to_string(pid_) + ") " + describe(wait_status);
  const bool was_initdb = pid_is_initdb_;
  const bool clean = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
  pid_ = 0;
  pid_is_initdb_ = false;
  if (state_ == State::stopping) {
    state_ = State::stopped;
    next_start_.reset();
    if (!clean && !was_initdb) log({.message = who});
    return {};
  }
  if (was_initdb) {
    if (!clean) {
      retry_later(now);
      return Error{.message = "could not make embedded upstream in \"" + cluster_directory() + "\"",
                   .sqlstate = "58000",
                   .detail = who + ".",
                   .hint = "What initdb said is above. \"embedded_bindir\" is \"" + options_.bindir + "\"."};
    }
    Result<void> finished = finish_cluster();
    if (!finished) {
      retry_later(now);
      return finished;
    }
    Result<pid_t> server = start_server();
    if (!server) {
      retry_later(now);
      return server.error();
    }
    return {};
  }
  if (now - started_ >= healthy_after) backoff_.reset();
  retry_later(now);
  log({.message = who + "; restarting it"});
  return {};
}

void EmbeddedUpstream::stop(StopMode mode) {
  next_start_.reset();
  if (pid_ == 0) {
    state_ = State::stopped;
    return;
  }
  state_ = State::stopping;
  if (pid_is_initdb_) {
    kill(-pid_, mode == StopMode::immediate ? SIGKILL : SIGTERM);
    return;
  }
  switch (mode) {
    case StopMode::smart:
      kill(pid_, SIGTERM);
      break;
    case StopMode::fast:
      kill(pid_, SIGINT);
      break;
    case StopMode::immediate:
      kill(pid_, SIGQUIT);
      break;
  }
}

void EmbeddedUpstream::reload() const {
  if (pid_ != 0 && !pid_is_initdb_ && state_ == State::running) kill(pid_, SIGHUP);
}

}  // namespace bgw
