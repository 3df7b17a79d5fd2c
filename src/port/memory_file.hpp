// A file of memory without a name, of which processes that inherit its descriptor map pieces.
//
// Contract: the file's offsets are address space, not memory: only what was reserved (or touched) takes memory,
// and releasing gives it back. The file ends with the last process that has it open or mapped, however that
// process ends; nothing is ever left in a file system. All functions keep no state but the descriptor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/result.hpp"
#include "port/fd.hpp"

namespace bgw {

class MemoryFile {
 public:
  MemoryFile() = default;

  // `name` is what /proc shows; `size` is how far offsets reach.
  static Result<MemoryFile> create(const char* name, std::uint64_t size);

  // Makes sure that touching these bytes cannot fail for lack of memory. False with errno set, ENOMEM or
  // ENOSPC; part of them may then be reserved.
  bool reserve(std::uint64_t offset, std::size_t size) const noexcept;

  // Gives the whole pages within back to the system; they read as zeros from then on.
  void release(std::uint64_t offset, std::size_t size) const noexcept;

  // Maps a piece, shared and writable, at `at` (replacing what is mapped there) or, when null, anywhere.
  // `offset` and `at` are multiples of the page size. Null with errno set when that fails.
  void* map(void* at, std::size_t size, std::uint64_t offset) const noexcept;

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  void close() noexcept { fd_.reset(); }

 private:
  explicit MemoryFile(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// A range of addresses with nothing behind it, where pieces are mapped later. Null when there is none.
void* reserve_addresses(std::size_t size) noexcept;

// Takes away whatever is mapped there.
void unmap(void* address, std::size_t size) noexcept;

}  // namespace bgw
