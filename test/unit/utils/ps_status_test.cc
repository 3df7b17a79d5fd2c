// The title that the kernel shows is the fixed part and the activity, with nothing left of longer ones.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/ps_status.h"
}

namespace {

TEST(PsStatusTest, TitlesReplaceTheArgumentsMemory) {
  pid_t process = fork();
  if (process == 0) {
    // A stand-in for the memory that the kernel shows.
    static char memory[200] = "program\0argument one\0";
    char* argv[] = {memory, memory + 8, nullptr};
    char* no_environment[] = {nullptr};
    environ = no_environment;
    char** copied = save_ps_display_args(2, argv);
    if (strcmp(copied[1], "argument one") != 0 || copied[1] == argv[1]) _exit(1);
    // 21 bytes hold this much.
    IsUnderPostmaster = true;
    init_ps_display("w1");
    if (strcmp(memory, "bgworkerd: w1 ") != 0) _exit(2);
    set_ps_display("busy and more");
    if (strcmp(memory, "bgworkerd: w1 busy a") != 0) _exit(3);
    set_ps_display("x");
    int length;
    if (strcmp(get_ps_display(&length), "x") != 0 || length != 1) _exit(4);
    for (int i = 15; i < 21; ++i)
      if (memory[i] != '\0') _exit(5);
    update_process_title = false;
    set_ps_display("hidden");
    if (strcmp(memory, "bgworkerd: w1 x") != 0) _exit(6);
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
  EXPECT_EQ(status, 0) << "step " << WEXITSTATUS(status);
}

}  // namespace
