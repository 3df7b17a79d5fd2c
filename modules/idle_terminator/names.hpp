// Lists of names as they are written in parameters: reading them, and what makes a LIKE pattern an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace idle_terminator {

// Reads "a, b, "c, d"": names separated by commas, in double quotes where they have commas or spaces at their
// ends; a double quote inside them is written twice. Nothing when the text is not such a list.
std::optional<std::vector<std::string>> read_names(std::string_view text);

// Whether a LIKE pattern ends with an escape character, which is an error wherever it is used.
bool ends_with_escape(std::string_view pattern);

}  // namespace idle_terminator
