// The program's variables keep their values when they become one mapping, and can be written and inherited as before.
#include "port/joined_data.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace {

volatile int with_value = 41;
volatile int without;

// The mapping that the variable lies in, as a line of /proc/self/maps.
std::string mapping_of(const volatile void* variable) {
  const auto here = reinterpret_cast<std::uintptr_t>(variable);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t start, end;
    char dash;
    if (std::istringstream words(line); words >> std::hex >> start >> dash >> end && start <= here && here < end)
      return line;
  }
  return "";
}

int exit_code_of(pid_t pid) {
  int status = -1;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(JoinedData, KeepsItsValues) {
  const pid_t child = fork();
  if (child == 0) {
    const int before = with_value;
    with_value = before + 1;
    without = 7;
    if (bgw::in_joined_data(const_cast<int*>(&with_value))) _exit(1);
    if (!bgw::join_program_data()) _exit(2);
    if (before != 41 || with_value != 42 || without != 7) _exit(3);
    if (!bgw::in_joined_data(const_cast<int*>(&with_value))) _exit(4);
    if (mapping_of(&with_value).find('/') != std::string::npos) _exit(5);
    with_value = 43;
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      const int inherited = with_value;
      with_value = 0;
      _exit(inherited);
    }
    _exit(exit_code_of(grandchild) == 43 && with_value == 43 ? 0 : 6);
  }
#if defined(__x86_64__)
  EXPECT_EQ(exit_code_of(child), 0);
#else
  EXPECT_EQ(exit_code_of(child), 2);
#endif
}

}  // namespace
