// Making a child of the postmaster.
#pragma once

#include <sys/types.h>

namespace bgw {

// Forks. In the parent: the pid, or -1 with errno. In the child it returns 0 after everything that all
// children share is done: the postmaster's descriptors closed, a session and process group of its own, the
// postmaster's death watched, exit callbacks forgotten, every signal blocked that the server blocks.
// `child_slot` becomes MyPMChildSlot (0: the child has no entry in shared memory, or learns of it later).
pid_t fork_child(int child_slot) noexcept;

// The first steps of a process that a fork server has made: what fork_child() does in the child, without what the fork server,
// itself such a child, has done already and its processes have from it. MyPMChildSlot is 0.
void begin_as_child_of_fork_server() noexcept;

}  // namespace bgw
