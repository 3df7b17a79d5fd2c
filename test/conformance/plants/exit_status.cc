// Plants another exit status, 7 where a host's postmaster ends with 0, in whatever host preloads this library.
#include <unistd.h>

#include <cstdlib>

namespace {

pid_t first_process = 0;

__attribute__((constructor)) void remember() {
  first_process = getpid();
}

// Runs as the process ends; its children, which fork without exec, carry it too and are left alone.
__attribute__((destructor)) void plant() {
  if (getpid() == first_process) _exit(7);
}

}  // namespace
