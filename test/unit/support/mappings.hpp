// What the kernel says of this process's mappings.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace bgw_test {

// A field of /proc/self/smaps, such as "Anonymous", in kB, of the mapping that the address lies in; -1 if there is none.
inline long mapping_kilobytes(const volatile void* at, const std::string& field) {
  const auto here = reinterpret_cast<std::uintptr_t>(at);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t start, end;
    char dash;
    std::istringstream words(line);
    if (words >> std::hex >> start >> dash >> end && dash == '-') inside = start <= here && here < end;
    if (inside && line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
  }
  return -1;
}

}  // namespace bgw_test
