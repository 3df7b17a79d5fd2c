// A program whose relocated data has become a file's pages goes on, and so do its children.
#include "port/shared_relocations.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "port/program_parts.hpp"
#include "support/mappings.hpp"

namespace {

// A table of its functions, with pointers, is such data.
struct Speaker {
  virtual ~Speaker() = default;
  virtual int says() const { return 1; }
};
struct Other : Speaker {
  int says() const override { return 2; }
};

// What of the mapping of the program's relocated data is anonymous memory and not a file's, in kB.
long anonymous_kilobytes() {
  return bgw_test::mapping_kilobytes(bgw::program_relocated_data().start, "Anonymous");
}

bool virtual_calls_work() {
  const std::unique_ptr<Speaker> one = std::make_unique<Speaker>(), other = std::make_unique<Other>();
  return one->says() == 1 && other->says() == 2;
}

int exit_code_of(pid_t pid) {
  int status = -1;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(SharedRelocations, TheProgramAndItsChildrenGoOn) {
  const pid_t child = fork();
  if (child == 0) {
    if (anonymous_kilobytes() <= 0) _exit(1);
    if (!bgw::relocations_into_shared_pages()) _exit(2);
    if (anonymous_kilobytes() != 0 || !virtual_calls_work()) _exit(3);
    const pid_t grandchild = fork();
    if (grandchild == 0) _exit(anonymous_kilobytes() == 0 && virtual_calls_work() ? 5 : 4);
    _exit(exit_code_of(grandchild) == 5 ? 0 : 6);
  }
  EXPECT_EQ(exit_code_of(child), 0);
}

// Nobody can write there afterwards, as before.
TEST(SharedRelocations, StayReadOnly) {
  EXPECT_EXIT(
      {
        if (!bgw::relocations_into_shared_pages()) _exit(2);
        *static_cast<volatile char*>(bgw::program_relocated_data().start) = 1;
        _exit(0);
      },
      [](int status) { return !WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2); }, "");
}

}  // namespace
