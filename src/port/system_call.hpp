// A system call without the C library's function for it.
//
// For what every process does when it starts and when it sleeps: each of those functions is on a page of its own, which a
// new process would come to for this alone, and errno is one more.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace bgw {

// Of up to six arguments, each as wide as a pointer. What the kernel returns: a negative errno tells of failure. errno
// itself is left alone where that can be had.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) noexcept {
#if defined(__x86_64__)
  register long fourth asm("r10") = d;
  register long fifth asm("r8") = e;
  register long sixth asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
               : "rcx", "r11", "memory", "cc");
  return result;
#else
  const long result = ::syscall(number, a, b, c, d, e, f);
  return result == -1 ? -errno : result;
#endif
}

inline long address(const volatile void* at) noexcept { return reinterpret_cast<long>(at); }

// A mask of one signal, and whether a signal is in a mask.
inline sigset_t mask_of(int signo) noexcept {
  sigset_t mask = {};
  const std::uint64_t bit = std::uint64_t{1} << (signo - 1);
  std::memcpy(&mask, &bit, sizeof bit);
  return mask;
}
inline bool is_in_mask(const sigset_t& mask, int signo) noexcept {
  std::uint64_t bits;
  std::memcpy(&bits, &mask, sizeof bits);
  return (bits >> (signo - 1) & 1) != 0;
}

// sigprocmask(2) with `how` as there, for a `mask` without the two signals that the C library keeps to itself. `before`
// may be null.
inline void change_signal_mask(int how, const sigset_t& mask, sigset_t* before = nullptr) noexcept {
  constexpr long kKernelSize = 8;
  static_assert(sizeof(sigset_t) >= kKernelSize);
  if (before != nullptr) *before = {};
  system_call(SYS_rt_sigprocmask, how, address(&mask), address(before), kKernelSize);
}

}  // namespace bgw
