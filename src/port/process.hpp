// Processes as the kernel hands them out: descriptors that become readable when a process ends.
#pragma once

#include <sys/types.h>

#include "port/fd.hpp"

namespace bgw {

// A close-on-exec descriptor for the process `pid`, readable (POLLIN) once it has ended.
Result<UniqueFd> pidfd_open(pid_t pid);

// Sends `signal_number` to exactly the process that `pidfd` was opened for; false with errno when it is gone.
bool pidfd_send_signal(int pidfd, int signal_number) noexcept;

}  // namespace bgw
