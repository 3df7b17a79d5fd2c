// clone3() with CLONE_PARENT, and the repair of what the C library keeps per thread. The kernel itself writes
// the new thread's id to where the C library has it, once it is told the place; the place is what the C library
// once told the kernel (set_tid_address), and can be asked back.
#include "port/clone_sibling.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

namespace bgw {

pid_t clone_sibling(int* pidfd, pid_t* note) noexcept {
  int* thread_id = nullptr;
  if (::prctl(PR_GET_TID_ADDRESS, &thread_id) < 0) return -1;
  void* robust_mutexes = nullptr;
  std::size_t size = 0;
  if (::syscall(SYS_get_robust_list, 0, &robust_mutexes, &size) < 0) return -1;

  clone_args arguments{};
  arguments.flags = CLONE_PARENT | CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (note != nullptr) {
    arguments.flags |= CLONE_PARENT_SETTID;
    arguments.parent_tid = reinterpret_cast<std::uintptr_t>(note);
  }
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  arguments.child_tid = reinterpret_cast<std::uintptr_t>(thread_id);
  auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) ::syscall(SYS_set_robust_list, robust_mutexes, size);
  return pid;
}

}  // namespace bgw
