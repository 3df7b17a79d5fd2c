// The owner of one file descriptor: move-only, closes what it holds. Header
// only; no error is reported from close(), because nothing can be done about
// one.
#pragma once

#include <unistd.h>

#include <utility>

namespace bgw {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  // Gives the descriptor away; the caller closes it.
  int release() { return std::exchange(fd_, -1); }

  void reset(int fd = -1) {
    int before = std::exchange(fd_, fd);
    if (before >= 0) ::close(before);
  }

 private:
  int fd_ = -1;
};

}  // namespace bgw
