// A process made like fork()'s, but as a child of the caller's parent.
#pragma once

#include <sys/types.h>

namespace bgw {

// In the caller: the new process's pid, and in *pidfd a close-on-exec descriptor for it; -1 with errno on
// failure (EINVAL or ENOSYS: the kernel cannot do it). In the new process: 0. Its parent is the caller's
// parent, which is told of its end and must reap it.
//
// If `note` is not null, the kernel writes the new pid there too, before the new process begins and even if the caller is
// killed meanwhile: in memory that the caller shares with another process, and has touched before, that one can see it.
//
// Only for a process of one thread. What fork() does besides is done here too, as far as such a process needs
// it: the C library's idea of the thread's id and its list of robust mutexes. Functions given to
// pthread_atfork() do not run.
pid_t clone_sibling(int* pidfd, pid_t* note = nullptr) noexcept;

// How the new process begins if it does not go on where the caller is.
struct Beginning {
  void (*main)(void* argument);  // does not return
  void* argument;
  void* stack_top;  // where its stack ends, in memory that the caller leaves to it; a multiple of 16
};

// The same, but the new process begins with a function on a stack of its own. So the caller may itself be on a stack that
// the new process does not get (MADV_DONTFORK), and is then spared the copy of a page that it would write to next.
// Returns in the caller only. Only where kBeginsOnItsOwnStack.
pid_t clone_sibling(const Beginning& beginning, int* pidfd, pid_t* note) noexcept;

// Written for x86-64 so far; and the address sanitizer keeps a book of stacks that this one is not in.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BGW_BOOK_OF_STACKS
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define BGW_BOOK_OF_STACKS
#endif
#if defined(__x86_64__) && !defined(BGW_BOOK_OF_STACKS)
inline constexpr bool kBeginsOnItsOwnStack = true;
#else
inline constexpr bool kBeginsOnItsOwnStack = false;
#endif
#undef BGW_BOOK_OF_STACKS

}  // namespace bgw
