// Making a child of the postmaster.
#pragma once

#include <sys/types.h>

namespace bgw {

// Forks. In the parent: the pid, or -1 with errno. In the child it returns 0 after everything that all
// children share is done: the postmaster's descriptors closed, a session and process group of its own, the
// postmaster's death watched, exit callbacks forgotten, every signal blocked that the server blocks.
// `child_slot` becomes MyPMChildSlot (0: the child has no entry in shared memory, or learns of it later).
pid_t fork_child(int child_slot) noexcept;

// The same for the fork server: the new process is the postmaster's child, *pidfd a descriptor for it; the kernel writes its
// pid to *note before it begins (clone_sibling.hpp).
pid_t fork_child_of_postmaster(int* pidfd, pid_t* note) noexcept;

}  // namespace bgw
