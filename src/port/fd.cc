// File descriptors and failed system calls. Nothing here is for signal handlers, but UniqueFd::reset.
#include "port/fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace bgw {

Error system_error(std::string_view call, int error_number) {
  char text[256] = "";
  const char* reason = ::strerror_r(error_number, text, sizeof text);  // GNU's, which returns the text
  Error error;
  error.message.append("could not ").append(call).append(": ").append(reason);
  error.sqlstate = "58030";
  return error;
}

void UniqueFd::reset(int fd) noexcept {
  int old = std::exchange(fd_, fd);
  if (old < 0) return;
  int kept_errno = errno;
  ::close(old);  // on Linux the descriptor is gone even when this is interrupted
  errno = kept_errno;
}

Result<UniqueFd> open_file(const char* path, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::open(path, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return system_error("open file \"" + std::string(path) + "\"");
  return UniqueFd(fd);
}

Result<std::size_t> read_all(int fd, void* buffer, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    ssize_t got = ::read(fd, static_cast<char*>(buffer) + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read from file descriptor " + std::to_string(fd));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> write_all(int fd, const void* data, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    ssize_t put = ::write(fd, static_cast<const char*>(data) + done, size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("write to file descriptor " + std::to_string(fd));
    done += static_cast<std::size_t>(put);
  }
  return {};
}

}  // namespace bgw
