// The text that a process says it works on, as it is stored: cut at a number of bytes, perhaps inside a
// character.
#pragma once

#include <cstddef>

namespace bgw {

// How many of its bytes make whole characters of UTF-8.
std::size_t whole_characters(const char* stored) noexcept;

}  // namespace bgw
