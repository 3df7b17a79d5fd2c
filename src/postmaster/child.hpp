// Making a child of the postmaster.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace bgw {

// Forks. In the parent: the pid, or -1 with errno. In the child it returns 0 after everything that all
// children share is done: the postmaster's descriptors closed, a session and process group of its own, the
// postmaster's death watched, exit callbacks forgotten, every signal blocked that the server blocks.
// `child_slot` becomes MyPMChildSlot (0: the child has no entry in shared memory, or learns of it later).
pid_t fork_child(int child_slot) noexcept;

// The first steps of a process that a fork server has made: what fork_child() does in the child, without what the fork server,
// itself such a child, has done already and its processes have from it. MyPMChildSlot is 0, and its start time is the
// fork server's: it learns both later.
void begin_as_child_of_fork_server() noexcept;

// MyProcPid is this process's, and its random numbers are its own.
void identify_process() noexcept;

// MyStartTimestamp and MyStartTime, in microseconds since 1970.
void set_start_time(std::int64_t wall_us) noexcept;

}  // namespace bgw
