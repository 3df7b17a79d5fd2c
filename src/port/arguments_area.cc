// The kernel takes the whole description of a process's memory or nothing, so what is to stay is read from
// /proc/self/stat first (fields by their numbers in proc(5)).
#include "port/arguments_area.hpp"

#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "port/fd.hpp"
#include "port/joined_data.hpp"
#include "port/program_parts.hpp"

namespace bgw {

namespace {

constexpr int kLastField = 52;

// fields[N] becomes the Nth field of /proc/self/stat, for N from 3 on; false if there are not as many.
bool read_stat(std::uint64_t (&fields)[kLastField + 1]) noexcept {
  UniqueFd fd(::open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
  char text[2048];
  ssize_t size = fd ? ::read(fd.get(), text, sizeof text - 1) : -1;
  if (size <= 0) return false;
  text[size] = '\0';
  const char* at = std::strrchr(text, ')');  // the second field is a name, with anything in it
  if (at == nullptr || at[1] != ' ') return false;
  at += 2;
  for (int field = 3; field <= kLastField; field++) {
    fields[field] = std::strtoull(at, nullptr, 10);
    at = std::strchr(at, ' ');
    if (at == nullptr) return field == kLastField;
    at++;
  }
  return true;
}

// The kernel shows arguments from anonymous memory only, and the program's data is a private mapping of its file until
// such memory takes its place. What is in the `count` pages stays.
bool make_anonymous(char* pages, std::size_t count) noexcept {
  char kept[2 * kPage];
  const std::size_t size = count * kPage;
  if (size > sizeof kept) return false;
  std::memcpy(kept, pages, size);
  if (::mmap(pages, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    return false;
  std::memcpy(pages, kept, size);
  return true;
}

}  // namespace

bool show_arguments_at(char* area, std::size_t size) noexcept {
  std::uint64_t fields[kLastField + 1] = {};
  if (!read_stat(fields)) return false;
  const std::size_t before = reinterpret_cast<std::uintptr_t>(area) % kPage;
  if (!in_joined_data(area) && !make_anonymous(area - before, (before + size + kPage - 1) / kPage)) return false;
  prctl_mm_map map{};
  map.start_code = fields[26];
  map.end_code = fields[27];
  map.start_stack = fields[28];
  map.start_data = fields[45];
  map.end_data = fields[46];
  map.start_brk = fields[47];
  map.brk = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  map.arg_start = reinterpret_cast<std::uintptr_t>(area);
  map.arg_end = map.arg_start + size;
  map.env_start = fields[50];
  map.env_end = fields[51];
  map.exe_fd = static_cast<std::uint32_t>(-1);  // as it is
  return ::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0;
}

}  // namespace bgw
