// memfd_create(2), fallocate(2) and mmap(2) for shared memory that is made at run time. Nothing here is for
// signal handlers.
#include "port/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace bgw {

namespace {

// The kernel undoes a reservation that a signal interrupts: small steps always get done between two signals.
constexpr std::size_t reserve_step = 16UL * 1024 * 1024;

}  // namespace

Result<MemoryFile> MemoryFile::create(const char* name, std::uint64_t size) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return system_error("create a file of memory");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return system_error("size a file of memory");
  return MemoryFile(std::move(fd));
}

bool MemoryFile::reserve(std::uint64_t offset, std::size_t size) const noexcept {
  while (size > 0) {
    const std::size_t step = std::min(size, reserve_step);
    if (::fallocate(fd_.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(step)) != 0) {
      if (errno == EINTR) continue;
      return false;
    }
    offset += step;
    size -= step;
  }
  return true;
}

void MemoryFile::release(std::uint64_t offset, std::size_t size) const noexcept {
  if (size == 0) return;
  int kept_errno = errno;
  while (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                     static_cast<off_t>(size)) != 0 &&
         errno == EINTR) {
  }
  errno = kept_errno;
}

void* MemoryFile::map(void* at, std::size_t size, std::uint64_t offset) const noexcept {
  void* memory = ::mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd_.get(),
                        static_cast<off_t>(offset));
  return memory == MAP_FAILED ? nullptr : memory;
}

void* reserve_addresses(std::size_t size) noexcept {
  void* memory = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap(void* address, std::size_t size) noexcept {
  int kept_errno = errno;
  ::munmap(address, size);
  errno = kept_errno;
}

}  // namespace bgw
