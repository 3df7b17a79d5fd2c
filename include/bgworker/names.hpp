// Lists of names as they are written in parameters.
//
// Not a part of bgworker.hpp, and needs nothing of it: few workers have such a parameter.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bgworker [[gnu::visibility("hidden")]] {

/// Reads "a, b, "c, d"": names separated by commas, in double quotes where they have commas or spaces at their
/// ends; a double quote inside them is written twice. An empty text is a list without names. Nothing when the text
/// is not such a list. Capitals stay as they are.
inline std::optional<std::vector<std::string>> read_names(std::string_view text) {
  std::vector<std::string> names;
  const auto skip_spaces = [&] {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\n'))
      text.remove_prefix(1);
  };
  skip_spaces();
  if (text.empty()) return names;
  for (;;) {
    std::string name;
    if (!text.empty() && text.front() == '"') {
      text.remove_prefix(1);
      for (;;) {
        if (text.empty()) return std::nullopt;
        const char letter = text.front();
        text.remove_prefix(1);
        if (letter == '"') {
          if (text.empty() || text.front() != '"') break;
          text.remove_prefix(1);
        }
        name += letter;
      }
      skip_spaces();
    } else {
      while (!text.empty() && text.front() != ',') {
        if (text.front() == '"') return std::nullopt;
        name += text.front();
        text.remove_prefix(1);
      }
      while (!name.empty() && (name.back() == ' ' || name.back() == '\t' || name.back() == '\n'))
        name.pop_back();
      if (name.empty()) return std::nullopt;
    }
    names.push_back(std::move(name));
    if (text.empty()) return names;
    if (text.front() != ',') return std::nullopt;
    text.remove_prefix(1);
    skip_spaces();
  }
}

}  // namespace bgworker
