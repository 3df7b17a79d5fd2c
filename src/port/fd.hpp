// The owner of a file descriptor, and the one helper that turns a failed system call into an Error naming it.
//
// Every descriptor the host opens lives in a UniqueFd and is close-on-exec from its creation on: callers pass
// the flag (SOCK_CLOEXEC, EFD_CLOEXEC, O_CLOEXEC, ...) to the call that creates it.
#pragma once

#include <cerrno>
#include <string_view>
#include <utility>

#include "core/result.hpp"

namespace bgw {

// The Error of a system call that has just failed: `could not CALL: TEXT-OF-ERRNO`, SQLSTATE 58030. `call` says
// what was attempted and on what, such as `open file "x"`.
Error system_error(std::string_view call, int error_number = errno);

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;  // closes what it held; errno is kept

 private:
  int fd_ = -1;
};

// Opens a file, close-on-exec, retrying when interrupted.
Result<UniqueFd> open_file(const char* path, int flags, unsigned mode = 0);

// Reads until `size` bytes or the end of the file; returns the number read.
Result<std::size_t> read_all(int fd, void* buffer, std::size_t size);

// Writes all of it, however many calls that takes.
Result<void> write_all(int fd, const void* data, std::size_t size);

}  // namespace bgw
