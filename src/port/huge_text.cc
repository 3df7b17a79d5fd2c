// Copy, collapse, protect, and move over the old mapping: at no moment is there an address without its code.
#include "port/huge_text.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "port/fd.hpp"
#include "port/program_parts.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace bgw {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

bool switched_off() noexcept {
  UniqueFd fd(::open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC));
  char text[128];
  ssize_t size = fd ? ::read(fd.get(), text, sizeof text) : -1;
  return size <= 0 || std::string_view(text, static_cast<std::size_t>(size)).find("[never]") != std::string_view::npos;
}

void* reserve(void* at, std::size_t size, int flags) noexcept {
  void* got = ::mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
  return got == MAP_FAILED ? nullptr : got;
}

bool in_huge_pages = false;

}  // namespace

bool text_into_huge_pages() noexcept {
  const ProgramPart text = program_text();
  if (text.size < kHugePage / 2 || reinterpret_cast<std::uintptr_t>(text.start) % kHugePage != 0 || switched_off())
    return false;
  const std::size_t size = rounded_up(text.size, kHugePage);

  // Nothing else may lie in the rest of the last huge page.
  char* rest = text.start + text.size;
  const std::size_t rest_size = size - text.size;
  if (rest_size > 0 && reserve(rest, rest_size, MAP_FIXED_NOREPLACE) != rest) return false;

  auto* mapping = static_cast<char*>(reserve(nullptr, size + kHugePage, 0));
  bool done = false;
  if (mapping) {
    char* copy = mapping + (kHugePage - reinterpret_cast<std::uintptr_t>(mapping) % kHugePage) % kHugePage;
    done = ::mprotect(copy, size, PROT_READ | PROT_WRITE) == 0 && ::madvise(copy, size, MADV_HUGEPAGE) == 0;
    if (done) {
      std::memcpy(copy, text.start, text.size);
      done = ::madvise(copy, size, MADV_COLLAPSE) == 0 && ::mprotect(copy, size, PROT_READ | PROT_EXEC) == 0 &&
             ::mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, text.start) == text.start;
    }
    // What the copy took is a hole now: unmapping over it is allowed.
    ::munmap(mapping, size + kHugePage);
  }
  if (!done && rest_size > 0) ::munmap(rest, rest_size);
  in_huge_pages = done;
  return done;
}

void later_text_back_to_file() noexcept {
  const ProgramPart text = program_text();
  if (!in_huge_pages || text.size <= kHugePage) return;
  UniqueFd program(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!program) return;
  const auto offset = text.in_file + static_cast<off_t>(kHugePage);
  ::mmap(text.start + kHugePage, text.size - kHugePage, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, program.get(), offset);
  ::munmap(text.start + text.size, rounded_up(text.size, kHugePage) - text.size);
}

}  // namespace bgw
