// Where parts of the program itself lie in memory, without the libraries it has loaded.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace bgw {

inline constexpr std::size_t kPage = 4096;

constexpr std::size_t rounded_up(std::size_t size, std::size_t unit) { return (size + unit - 1) / unit * unit; }

// Whole pages; of size 0 if the program has no such part.
struct ProgramPart {
  char* start = nullptr;
  std::size_t size = 0;  // in bytes
  off_t in_file = 0;     // where it begins in the program's file, in bytes
  std::size_t size_in_file = 0;  // in bytes, what is left out of the file being all zero
};

ProgramPart program_text() noexcept;            // the machine code
ProgramPart program_relocated_data() noexcept;  // what is read-only since the pointers in it were filled in
// The variables with initial values, behind the relocated data; with them on the last page, some others.
ProgramPart program_initialised_data() noexcept;

}  // namespace bgw
