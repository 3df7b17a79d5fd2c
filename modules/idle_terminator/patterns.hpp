// What makes a LIKE pattern an error.
#pragma once

#include <cstddef>
#include <string_view>

namespace idle_terminator {

// Whether it ends with an escape character, which is an error wherever it is used.
inline bool ends_with_escape(std::string_view pattern) {
  std::size_t escapes = 0;
  while (escapes < pattern.size() && pattern[pattern.size() - 1 - escapes] == '\\') ++escapes;
  return escapes % 2 == 1;
}

}  // namespace idle_terminator
