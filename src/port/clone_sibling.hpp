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

}  // namespace bgw
