// Where the kernel looks for a process's command line.
#pragma once

#include <cstddef>

namespace bgw {

// From now on /proc/PID/cmdline, and so ps, show the `size` bytes at `area` (4096 at most), whose last must stay zero;
// processes forked from this one begin with that too. `area` is memory that only this process has, writable, and not of
// the stack: its pages become anonymous, with what is in them, which nobody else may write meanwhile. No privilege is needed
// (PR_SET_MM_MAP). False if this kernel does not do it (built without CONFIG_CHECKPOINT_RESTORE) or a filter forbids it:
// then the arguments are shown from where they were.
bool show_arguments_at(char* area, std::size_t size) noexcept;

}  // namespace bgw
