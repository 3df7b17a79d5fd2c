// A process that shows other memory as its command line, and one forked from it.
#include "port/arguments_area.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "port/fd.hpp"

namespace {

constexpr std::size_t kSize = 512;
struct Data {
  char before[5000] = "before";
  char area[kSize] = "";
  char after[5000] = "after";
};
Data data;  // in the program's data, which is a mapping of its file

std::string shown(const char* what) {
  const std::string path = std::string("/proc/self/") + what;
  bgw::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[8192];
  ssize_t size = fd ? read(fd.get(), text, sizeof text) : -1;
  return size <= 0 ? "" : std::string(text, static_cast<std::size_t>(size));
}

int status_of(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

TEST(ArgumentsArea, IsWhatTheCommandLineShowsHereAndInAFork) {
  const std::string environment = shown("environ");
  pid_t pid = fork();
  if (pid == 0) {
    if (!bgw::show_arguments_at(data.area, kSize)) _exit(1);
    if (std::strcmp(data.before, "before") != 0 || std::strcmp(data.after, "after") != 0) _exit(2);
    std::strcpy(data.area, "mine");
    if (std::strcmp(shown("cmdline").c_str(), "mine") != 0) _exit(3);
    pid_t forked = fork();
    if (forked == 0) {
      std::strcpy(data.area, "the fork's");
      _exit(std::strcmp(shown("cmdline").c_str(), "the fork's") == 0 ? 0 : 4);
    }
    if (status_of(forked) != 0) _exit(5);
    if (std::strcmp(shown("cmdline").c_str(), "mine") != 0) _exit(6);
    if (shown("environ") != environment) _exit(7);
    char* grown = static_cast<char*>(sbrk(4096));  // the heap is where it was
    if (grown == reinterpret_cast<char*>(-1)) _exit(8);
    grown[0] = 1;
    _exit(0);
  }
  int status = status_of(pid);
  EXPECT_EQ(status, 0) << "check " << WEXITSTATUS(status) << " failed";
}

}  // namespace
