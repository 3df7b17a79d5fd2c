// For tests of core/ that need folders, processes and servers of their own.
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/log.hpp"
#include "core/run_as.hpp"

namespace bgw_test {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A new folder, removed with all that is in it. Made by root it is postgres's, so that children can use it.
class TempFolder {
 public:
  TempFolder() : owner_(getpid()) {
    char name[] = "/tmp/bgw-test-XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    path_ = name;
    if (geteuid() != 0) return;
    bgw::Result<bgw::UserIdentity> user = bgw::look_up_user("postgres");
    if (user && chown(name, user->uid, user->gid) != 0) std::abort();
  }
  ~TempFolder() {
    if (getpid() != owner_) return;
    nftw(
        path_.c_str(), [](const char* path, const struct stat*, int, FTW*) { return remove(path); }, 32,
        FTW_DEPTH | FTW_PHYS);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  pid_t owner_;
  std::string path_;
};

// Waits for a condition; false when it did not come true in time.
inline bool wait_for(const std::function<bool()>& condition, std::chrono::milliseconds limit = 60s) {
  const Clock::time_point end = Clock::now() + limit;
  while (!condition()) {
    if (Clock::now() > end) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

inline int wait_for_exit(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

// Forks; the child dies with its parent, and ends with status 0, or 1 if it has failed expectations.
inline pid_t fork_running(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  const int before = ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
  body();
  std::fflush(nullptr);
  const int after = ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
  _exit(after == before ? 0 : 1);
}

// Runs `body` in a child that is not root (postgres, if this process is root) and expects it to succeed.
inline void run_unprivileged(const std::function<void()>& body) {
  const pid_t pid = fork_running([&] {
    bgw::Result<bgw::UserIdentity> user = bgw::run_as("postgres");
    ASSERT_TRUE(user) << user.error().one_line();
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // forgotten by the change of user
    // The sources may lie in a folder that this user cannot enter, which programs such as psql complain about.
    ASSERT_EQ(chdir("/"), 0);
    body();
  });
  EXPECT_EQ(wait_for_exit(pid), 0);
}

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

inline bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

inline mode_t mode_of(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

// Gone, or a zombie nobody has collected yet.
inline bool is_gone(pid_t pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = status.rfind(')');
  return end == std::string::npos || status.compare(end + 2, 1, "Z") == 0 ||
         status.compare(end + 2, 1, "X") == 0;
}

struct CommandResult {
  int code = -1;
  std::string output;  // standard output and error
};

inline CommandResult run_command(const std::string& command) {
  CommandResult result;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return result;
  char buffer[4096];
  for (std::size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) result.output.append(buffer, got);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

// Collects what core code logs instead of printing it.
class LogCapture {
 public:
  LogCapture() : before_(bgw::set_log_sink(sink)) { lines().clear(); }
  ~LogCapture() { bgw::set_log_sink(before_); }
  static std::vector<std::string>& lines() {
    static std::vector<std::string> lines;
    return lines;
  }
  static int count(const std::string& part) {
    int found = 0;
    for (const std::string& line : lines()) found += line.find(part) != std::string::npos;
    return found;
  }
  static std::string all() {
    std::string text;
    for (const std::string& line : lines()) text += line + "\n";
    return text;
  }

 private:
  static void sink(const bgw::LogEntry& entry) noexcept {
    if (entry.level != bgw::LogLevel::debug1) lines().emplace_back(entry.message);
  }
  bgw::LogSink before_;
};

}  // namespace bgw_test
