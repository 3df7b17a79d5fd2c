// One input of the fuzz test of the readers: what libFuzzer calls, and the bounded run in the unit tests.
#pragma once

#include <cstddef>
#include <cstdint>

// The first byte chooses the type, the rest is text as an upstream might send it, or, with the first byte's highest bit, the binary
// form. Aborts when a text that was
// read does not print and read again as the same; a text that is refused raises the type's error, which is
// expected.
void fuzz_reader(const std::uint8_t* data, std::size_t size);
