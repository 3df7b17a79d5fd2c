// A program whose code has moved into huge pages goes on, and so do its children.
#include "port/huge_text.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include "support/mappings.hpp"


namespace {

// kB of huge pages in the mapping of this program's code.
long huge_kilobytes() {
  return bgw_test::mapping_kilobytes(reinterpret_cast<const void*>(&huge_kilobytes), "AnonHugePages");
}

int exit_code_of(pid_t pid) {
  int status = -1;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(HugeText, TheCodeMovesAndGoesOn) {
  constexpr int not_to_be_had = 77;
  const pid_t child = fork();
  if (child == 0) {
    const long before = huge_kilobytes();
    if (!bgw::text_into_huge_pages()) _exit(before == huge_kilobytes() ? not_to_be_had : 1);
    if (before != 0 || huge_kilobytes() < 2048) _exit(2);
    const pid_t grandchild = fork();
    if (grandchild == 0) _exit(huge_kilobytes() >= 2048 ? 5 : 3);
    if (exit_code_of(grandchild) != 5) _exit(4);
    bgw::later_text_back_to_file();
    _exit(huge_kilobytes() <= 2048 ? 0 : 6);  // to find that out takes code from everywhere
  }
  const int code = exit_code_of(child);
  if (code == not_to_be_had) GTEST_SKIP() << "this system gives no huge pages";
  EXPECT_EQ(code, 0);
}

}  // namespace
