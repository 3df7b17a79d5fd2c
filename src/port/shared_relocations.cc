// Copy into a sealed memfd, and map that over the old pages in one call: at no moment is there an address without its data.
#include "port/shared_relocations.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include "port/fd.hpp"
#include "port/program_parts.hpp"
#include "port/system_call.hpp"

namespace bgw {

namespace {

// By the bare system call: a sanitizer would take what is between two variables for nobody's.
bool write_whole(int fd, const char* from, std::size_t size) noexcept {
  while (size > 0) {
    const long written = system_call(SYS_write, fd, address(from), static_cast<long>(size));
    if (written <= 0) return false;
    from += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace

bool relocations_into_shared_pages() noexcept {
  const ProgramPart data = program_relocated_data();
  if (data.size == 0) return false;
  UniqueFd file(::memfd_create("bgworkerd relocated data", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr int kForGood = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  return file && write_whole(file.get(), data.start, data.size) && ::fcntl(file.get(), F_ADD_SEALS, kForGood) == 0 &&
         ::mmap(data.start, data.size, PROT_READ, MAP_PRIVATE | MAP_FIXED, file.get(), 0) == data.start;
}

}  // namespace bgw
