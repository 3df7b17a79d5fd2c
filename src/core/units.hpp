// Numbers with units, as settings are written: "10", "0x1F", "1.5GB", "250 ms".
//
// Nothing here allocates or owns anything, so C-style code that may jump can call it.
#pragma once

#include <cstdint>

namespace bgw {

// The unit in which a setting's number is kept. `none`: a bare number, to which no unit may be added.
enum class BaseUnit { none, byte, kilobyte, block, wal_block, megabyte, millisecond, second, minute };

// Bytes in the server's two kinds of blocks; the ABI files assert that these are the headers' values.
inline constexpr int block_bytes = 8192;
inline constexpr int wal_block_bytes = 8192;

enum class NumberFault {
  none,
  malformed,     // not a number, or a unit on a bare number
  unknown_unit,  // units_hint() says which there are
  too_large,     // does not fit the type
};

template <class T>
struct ParsedNumber {
  T value;
  NumberFault fault;
};

// Reads an integer in base units. Accepts 0x and leading-0 octal, fractions and exponents (rounded to the
// nearest integer, halves to even), spaces around number and unit. Units are case-sensitive.
ParsedNumber<int> parse_integer(const char* text, BaseUnit base) noexcept;

// Reads a real number in base units.
ParsedNumber<double> parse_number(const char* text, BaseUnit base) noexcept;

// The hint that lists the units a setting kept in `base` may be given in. Not for BaseUnit::none.
const char* units_hint(BaseUnit base) noexcept;

// The name of the base unit as messages show it ("kB", "8kB", "ms"), or nullptr for none.
const char* unit_name(BaseUnit base) noexcept;

// A value in the largest unit that loses nothing; `unit` is "" for a bare number.
template <class T>
struct ShownNumber {
  T value;
  const char* unit;
};
ShownNumber<std::int64_t> in_largest_unit(std::int64_t value, BaseUnit base) noexcept;
ShownNumber<double> in_largest_unit(double value, BaseUnit base) noexcept;

}  // namespace bgw
