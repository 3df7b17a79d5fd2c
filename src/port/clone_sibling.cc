// clone3() with CLONE_PARENT, and the repair of what the C library keeps per thread. The kernel itself writes
// the new thread's id to where the C library has it, once it is told the place; the place is what the C library
// once told the kernel (set_tid_address), and can be asked back.
//
// The C library's functions come back on the stack they were called on, so a new process with another stack is made by
// the bare system call.
#include "port/clone_sibling.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "port/system_call.hpp"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

namespace bgw {

namespace {

// What the C library keeps in the caller's thread, at the same places in the new process.
struct ThreadPlaces {
  int* thread_id = nullptr;
  void* robust_mutexes = nullptr;
  std::size_t robust_size = 0;
};

bool find_places(ThreadPlaces* places) noexcept {
  return ::prctl(PR_GET_TID_ADDRESS, &places->thread_id) == 0 &&
         ::syscall(SYS_get_robust_list, 0, &places->robust_mutexes, &places->robust_size) == 0;
}

clone_args arguments_for(const ThreadPlaces& places, int* pidfd, pid_t* note) noexcept {
  clone_args arguments{};
  arguments.flags = CLONE_PARENT | CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  if (note != nullptr) {
    arguments.flags |= CLONE_PARENT_SETTID;
    arguments.parent_tid = reinterpret_cast<std::uintptr_t>(note);
  }
  arguments.pidfd = reinterpret_cast<std::uintptr_t>(pidfd);
  arguments.child_tid = reinterpret_cast<std::uintptr_t>(places.thread_id);
  return arguments;
}

// The new process's first function. It has nothing of the caller's stack: all it knows is in its registers.
[[noreturn]] void begin(void (*main)(void*), void* argument, void* robust_mutexes, std::size_t robust_size) {
  system_call(SYS_set_robust_list, address(robust_mutexes), static_cast<long>(robust_size));
  main(argument);
  ::_exit(127);
}

}  // namespace

pid_t clone_sibling(int* pidfd, pid_t* note) noexcept {
  ThreadPlaces places;
  if (!find_places(&places)) return -1;
  clone_args arguments = arguments_for(places, pidfd, note);
  auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
  if (pid == 0) ::syscall(SYS_set_robust_list, places.robust_mutexes, places.robust_size);
  return pid;
}

pid_t clone_sibling(const Beginning& beginning, int* pidfd, pid_t* note) noexcept {
#if defined(__x86_64__)
  ThreadPlaces places;
  if (!find_places(&places)) return -1;
  clone_args arguments = arguments_for(places, pidfd, note);
  // The kernel wants the lowest address and the size; any will do that end at the top.
  constexpr std::size_t kSize = 4096;
  arguments.stack = reinterpret_cast<std::uintptr_t>(beginning.stack_top) - kSize;
  arguments.stack_size = kSize;

  // Registers are all that the new process gets from here; the call wants its arguments in these four.
  long result;
  asm volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"  // no frame above
      "movq %[main], %%rdi\n\t"
      "movq %[argument], %%rsi\n\t"
      "movq %[robust_size], %%rcx\n\t"
      "call *%[first]\n\t"
      "ud2\n"
      "1:"
      : "=a"(result)
      : "a"(SYS_clone3), "D"(&arguments), "S"(sizeof arguments), "d"(places.robust_mutexes), [first] "r"(&begin),
        [main] "r"(beginning.main), [argument] "r"(beginning.argument), [robust_size] "r"(places.robust_size)
      : "rcx", "r11", "memory", "cc");
  if (result >= 0) return static_cast<pid_t>(result);
  errno = static_cast<int>(-result);
#else
  errno = ENOSYS;
#endif
  return -1;
}

}  // namespace bgw
