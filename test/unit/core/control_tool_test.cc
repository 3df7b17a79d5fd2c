// bgworkerctl against a host that the test makes up: what it prints, what it sends, and its exit codes.
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "core/control_protocol.hpp"
#include "core/data_directory.hpp"
#include "core/lock_file.hpp"
#include "core/process_support.hpp"

using namespace bgw_test;
using nlohmann::json;

namespace {

std::string tool() {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  std::string path(self, length > 0 ? static_cast<std::size_t>(length) : 0);
  return path.substr(0, path.rfind('/') + 1) + "bgworkerctl";
}

class ControlTool : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(exists(tool())) << tool() << " is not built";
    ASSERT_TRUE(bgw::init_data_directory(data_, geteuid(), getegid(), "", 15));
  }
  void TearDown() override {
    if (host_ == 0) return;
    kill(host_, SIGKILL);
    wait_for_exit(host_);
  }

  CommandResult run(const std::string& arguments) {
    return run_command(tool() + " -D " + data_ + " " + arguments);
  }

  // A host: holds the lock, answers ps and status, and writes the name of each signal to DIR/signals; ends on
  // SIGINT or SIGQUIT.
  void start_host() {
    host_ = fork_running([&] {
      sigset_t signals;
      sigemptyset(&signals);
      for (int signal : {SIGHUP, SIGTERM, SIGINT, SIGQUIT}) sigaddset(&signals, signal);
      sigprocmask(SIG_BLOCK, &signals, nullptr);
      const std::string socket = *bgw::control_socket_path(data_);
      bgw::Result<bgw::LockFile> lock = bgw::LockFile::acquire(data_, socket, "0.1");
      bgw::Result<bgw::UniqueFd> listening = bgw::listen_control_socket(socket);
      ASSERT_TRUE(lock);
      ASSERT_TRUE(listening);
      for (;;) {
        const timespec soon{0, 10'000'000};
        const int signal = sigtimedwait(&signals, nullptr, &soon);
        if (signal > 0) std::ofstream(data_ + "/signals", std::ios::app) << signal << "\n";
        if (signal == SIGINT || signal == SIGQUIT) {
          lock->release();
          return;
        }
        bgw::Result<std::optional<bgw::UniqueFd>> fd = bgw::accept_control_connection(listening->get());
        if (!fd || !*fd) continue;
        bgw::Result<void> served = bgw::serve_control_connection((*fd)->get(), answer);
        EXPECT_TRUE(served);
      }
    });
    ASSERT_TRUE(wait_for([&] { return exists(data_ + "/run/control.sock"); }));
  }

  static json answer(const bgw::ControlRequest& request) {
    bgw::HostStatus status{.pid = getpid(),
                           .started = 1.0,
                           .state = "running",
                           .version = "0.1",
                           .abi = "PostgreSQL 15.20",
                           .workers = 2,
                           .running = 1,
                           .max_worker_processes = 8,
                           .upstream_state = "hot standby",
                           .upstream = "host=x password=********",
                           .upstream_version = 150020};
    if (request.op == "status") return bgw::status_reply(status);
    if (request.op != "ps") return bgw::error_reply({.message = "unknown operation", .sqlstate = "0A000"});
    return bgw::ps_reply(status,
                         {{.name = "spi worker 1",
                           .type = "spi worker",
                           .pid = 4711,
                           .state = "running",
                           .flags = {"shmem", "database"},
                           .start_time = "recovery finished",
                           .restart_time = 5,
                           .starts = 3,
                           .last_exit = "exit code 1",
                           .since = 1.0,
                           .wait_event_type = "Extension",
                           .wait_event = "Extension",
                           .activity = "UPDATE counted\n SET value = value + 1 " + std::string(300, 'x')},
                          {.name = "idle", .state = "waiting", .start_time = "consistent state"}});
  }

  TempFolder folder_;
  std::string data_ = folder_ / "data";
  pid_t host_ = 0;
};

}  // namespace

TEST_F(ControlTool, SaysThatNothingRuns) {
  for (const char* command : {"status", "ps", "reload", "stop"}) {
    const CommandResult result = run(command);
    EXPECT_EQ(result.code, 3) << command << ": " << result.output;
    EXPECT_EQ(result.output, "bgworkerctl: no host is running in \"" + data_ + "\"\n");
  }
}

TEST_F(ControlTool, SaysWhatIsWrongWithTheDirectory) {
  CommandResult result = run_command(tool() + " -D /nowhere status");
  EXPECT_EQ(result.code, 4);
  EXPECT_NE(result.output.find("directory \"/nowhere\" does not exist"), std::string::npos) << result.output;
  result = run_command(tool() + " -D /tmp status");
  EXPECT_EQ(result.code, 4);
  EXPECT_NE(result.output.find("directory \"/tmp\" is not a bgworkerd data directory"), std::string::npos);
  result = run_command("BGWORKERD_DATA= " + tool() + " status");
  EXPECT_EQ(result.code, 4);
  EXPECT_NE(result.output.find("no data directory specified"), std::string::npos) << result.output;
  EXPECT_EQ(run_command(tool() + " dance").code, 2);
  EXPECT_EQ(run_command(tool()).code, 2);
  EXPECT_EQ(run_command(tool() + " --help").code, 0);
}

TEST_F(ControlTool, SaysThatItMayNotLook) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  start_host();
  // The folder is root's own: everybody else stands before its door.
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  run_unprivileged([&] {
    if (access(tool().c_str(), X_OK) != 0) return;  // built where this user cannot look: root's home, say
    const CommandResult result = run("status");
    EXPECT_EQ(result.code, 4) << result.output;
    EXPECT_NE(result.output.find("Permission denied"), std::string::npos) << result.output;
    EXPECT_NE(result.output.find("HINT:  Run this as the user that runs the host, or as root."),
              std::string::npos);
  });
}

TEST_F(ControlTool, ShowsTheStatus) {
  start_host();
  CommandResult result = run("status");
  EXPECT_EQ(result.code, 0) << result.output;
  for (const char* part : {"state           running", "hot standby, PostgreSQL 15.20: host=x password=********",
                           "2 registered, 1 running, at most 8"})
    EXPECT_NE(result.output.find(part), std::string::npos) << part << "\n" << result.output;
  EXPECT_NE(result.output.find("(PID " + std::to_string(host_) + ")"), std::string::npos);
  result = run("status --json");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(json::parse(result.output)["upstream"]["state"], "hot standby");
  // The environment names the directory as well as -D does.
  EXPECT_EQ(run_command("BGWORKERD_DATA=" + data_ + " " + tool() + " status").code, 0);
}

TEST_F(ControlTool, ListsTheWorkers) {
  start_host();
  CommandResult result = run("ps");
  ASSERT_EQ(result.code, 0) << result.output;
  std::istringstream lines(result.output);
  std::string titles, first, second, more;
  std::getline(lines, titles);
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_FALSE(std::getline(lines, more)) << more;
  for (const char* title : {"NAME", "PID", "STATE", "FLAGS", "RESTART", "STARTS", "LAST EXIT", "ACTIVITY"})
    EXPECT_NE(titles.find(title), std::string::npos) << titles;
  for (const char* cell : {"spi worker 1", "4711", "running", "shmem,database", "recovery finished", "5 s",
                           "exit code 1", "Extension/Extension", "UPDATE counted  SET value"})
    EXPECT_NE(first.find(cell), std::string::npos) << cell << "\n" << first;
  EXPECT_EQ(first.find("UPDATE"), titles.find("ACTIVITY"));
  EXPECT_EQ(second.find("never") + 5, titles.find("RESTART") + 7) << "numbers are aligned to the right";

  result = run("ps --json");
  ASSERT_EQ(result.code, 0);
  const json answer = json::parse(result.output);
  EXPECT_EQ(answer["workers"].size(), 2u);
  EXPECT_EQ(answer["workers"][0]["pid"], 4711);
  EXPECT_EQ(answer["host"]["state"], "running");

  // On a terminal of 80 columns no line is longer than that, and what matters most is there.
  const CommandResult narrow =
      run_command("script -qec 'stty cols 80; " + tool() + " -D " + data_ + " ps' /dev/null </dev/null");
  if (narrow.code == 127) return;
  std::istringstream narrow_lines(narrow.output);
  for (std::string line; std::getline(narrow_lines, line);) {
    std::size_t width = 0;
    for (char c : line) width += (static_cast<unsigned char>(c) & 0xC0) != 0x80 && c != '\r';
    EXPECT_LE(width, 80u) << line;
  }
  EXPECT_NE(narrow.output.find("UPDATE counted"), std::string::npos) << narrow.output;
}

TEST_F(ControlTool, WatchesUntilTheHostGoes) {
  start_host();
  FILE* watched = popen((tool() + " -D " + data_ + " ps --watch 0.1 2>&1").c_str(), "r");
  ASSERT_NE(watched, nullptr);
  char line[1024];
  int titles = 0;
  while (titles < 3 && fgets(line, sizeof(line), watched)) titles += std::string(line).starts_with("NAME");
  EXPECT_EQ(titles, 3);
  EXPECT_EQ(run("stop").code, 0);
  while (fgets(line, sizeof(line), watched)) continue;
  EXPECT_EQ(WEXITSTATUS(pclose(watched)), 3);
}

TEST_F(ControlTool, SignalsTheHost) {
  start_host();
  EXPECT_EQ(run("reload").code, 0);
  EXPECT_EQ(run("stop -m smart --no-wait").code, 0);
  EXPECT_TRUE(wait_for([&] { return read_file(data_ + "/signals") == "1\n15\n"; }))
      << read_file(data_ + "/signals");
  // This host does not mind SIGTERM: the waiting has an end.
  CommandResult result = run("stop -m smart -t 0");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("the host does not stop"), std::string::npos) << result.output;
  result = run("stop -m immediate");
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_EQ(result.output, "host stopped\n");
  EXPECT_EQ(read_file(data_ + "/signals"), "1\n15\n15\n3\n");
  EXPECT_EQ(run("status").code, 3);
  EXPECT_EQ(run("stop -m gentle").code, 2);
}

TEST_F(ControlTool, AHostThatDoesNotAnswerIsStillSaidToRun) {
  host_ = fork_running([&] {
    bgw::Result<bgw::LockFile> lock = bgw::LockFile::acquire(data_, *bgw::control_socket_path(data_), "0.1");
    ASSERT_TRUE(lock);
    for (;;) pause();
  });
  ASSERT_TRUE(wait_for([&] { return run("status").code == 0; }));
  const CommandResult result = run("status");
  EXPECT_NE(result.output.find("but does not answer"), std::string::npos) << result.output;
  EXPECT_EQ(run("ps").code, 1);
}

TEST_F(ControlTool, StartRefusesASecondHost) {
  start_host();
  const CommandResult result = run("start");
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.output.find("a host (PID " + std::to_string(host_) + ") is already running"),
            std::string::npos)
      << result.output;
}

// Not a test: what the next test's "bgworkerd" runs. A host that is ready after a while.
TEST(ControlToolHelper, DISABLED_ActsAsAHost) {
  const char* data = getenv("BGW_TEST_ACT_AS_HOST");
  if (data == nullptr) GTEST_SKIP();
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const std::string socket = *bgw::control_socket_path(data);
  bgw::Result<bgw::LockFile> lock = bgw::LockFile::acquire(data, socket, "0.1");
  bgw::Result<bgw::UniqueFd> listening = bgw::listen_control_socket(socket);
  ASSERT_TRUE(lock && listening);
  int asked = 0;
  const timespec soon{0, 10'000'000};
  while (sigtimedwait(&signals, nullptr, &soon) != SIGINT) {
    bgw::Result<std::optional<bgw::UniqueFd>> fd = bgw::accept_control_connection(listening->get());
    if (!fd || !*fd) continue;
    bgw::Result<void> served = bgw::serve_control_connection((*fd)->get(), [&](const bgw::ControlRequest&) {
      return bgw::status_reply({.pid = getpid(), .state = ++asked < 3 ? "starting" : "running"});
    });
    EXPECT_TRUE(served);
  }
}

TEST(ControlToolStart, StartsInTheBackgroundAndSaysWhenItIsReady) {
  ASSERT_TRUE(exists(tool()));
  TempFolder folder;
  const std::string data = folder / "data";
  run_unprivileged([&] {
    // bgworkerctl takes the bgworkerd that is next to it.
    if (access(tool().c_str(), R_OK | X_OK) != 0 || access("/proc/self/exe", R_OK) != 0) {
      std::puts("not tried: this build cannot be read by the unprivileged user");
      return;
    }
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
    ASSERT_GT(length, 0);
    const std::string program(self, static_cast<std::size_t>(length));
    ASSERT_EQ(run_command("cp " + tool() + " " + folder / "bgworkerctl").code, 0);
    write_file(folder / "bgworkerd",
               "#!/bin/sh\n[ \"$1\" = -D ] || exit 9\n[ \"$4\" = fail=1 ] && { echo FATAL: no >&2; exit 1; }\n"
               "BGW_TEST_ACT_AS_HOST=\"$2\" exec " +
                   program + " --gtest_also_run_disabled_tests --gtest_filter=ControlToolHelper.*\n");
    ASSERT_EQ(chmod((folder / "bgworkerd").c_str(), 0700), 0);
    ASSERT_TRUE(bgw::init_data_directory(data, geteuid(), getegid(), "", 15));
    const std::string command = (folder / "bgworkerctl") + " -D " + data + " ";

    CommandResult result = run_command(command + "start -c fail=1");
    EXPECT_EQ(result.code, 1) << result.output;
    EXPECT_NE(result.output.find("FATAL: no"), std::string::npos) << result.output;
    EXPECT_NE(result.output.find("It ended with exit code 1."), std::string::npos) << result.output;

    result = run_command(command + "start");
    ASSERT_EQ(result.code, 0) << result.output;
    EXPECT_TRUE(result.output.starts_with("host started (PID ")) << result.output;
    EXPECT_EQ(mode_of(data + "/log/bgworkerd.log"), 0600u);
    result = run_command(command + "restart -l " + folder / "other.log");
    ASSERT_EQ(result.code, 0) << result.output;
    EXPECT_TRUE(exists(folder / "other.log"));
    EXPECT_EQ(run_command(command + "status").code, 0);
    EXPECT_EQ(run_command(command + "stop").code, 0);
    EXPECT_EQ(run_command(command + "status").code, 3);
  });
}
