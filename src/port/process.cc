// Process descriptors, by system call number: the C library of this major's platform has no wrappers for all.
#include "port/process.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace bgw {

Result<UniqueFd> pidfd_open(pid_t pid) {
  long fd = ::syscall(SYS_pidfd_open, pid, 0);  // close-on-exec by definition
  if (fd < 0) return system_error("open a descriptor for process " + std::to_string(pid));
  return UniqueFd(static_cast<int>(fd));
}

bool pidfd_send_signal(int pidfd, int signal_number) noexcept {
  return ::syscall(SYS_pidfd_send_signal, pidfd, signal_number, nullptr, 0) == 0;
}

}  // namespace bgw
