// Units of memory and of time, and conversion to and from the unit a setting is kept in.
//
// Every unit is described once, by its size in the smallest unit of its family (bytes, microseconds); a factor
// between two units is the quotient of their sizes. Pure functions, callable from anywhere.
#include "core/units.hpp"

#include <cctype>
#include <cerrno>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <span>

namespace bgw {

namespace {

struct Unit {
  const char* name;
  double size;  // in bytes, or in microseconds
};

// Largest first: showing a value takes the first that divides it.
constexpr Unit memory_units[] = {{"TB", 1024.0 * 1024 * 1024 * 1024},
                                 {"GB", 1024.0 * 1024 * 1024},
                                 {"MB", 1024.0 * 1024},
                                 {"kB", 1024},
                                 {"B", 1}};
constexpr Unit time_units[] = {{"d", 86400e6}, {"h", 3600e6}, {"min", 60e6},
                               {"s", 1e6},     {"ms", 1e3},   {"us", 1}};
constexpr int longest_unit_name = 3;

struct Base {
  std::span<const Unit> family;
  double size;
  const char* name;
};

Base describe(BaseUnit base) {
  switch (base) {
    case BaseUnit::none:
      break;
    case BaseUnit::byte:
      return {memory_units, 1, "B"};
    case BaseUnit::kilobyte:
      return {memory_units, 1024, "kB"};
    case BaseUnit::block:
      return {memory_units, block_bytes, "8kB"};
    case BaseUnit::wal_block:
      return {memory_units, wal_block_bytes, "8kB"};
    case BaseUnit::megabyte:
      return {memory_units, 1024.0 * 1024, "MB"};
    case BaseUnit::millisecond:
      return {time_units, 1e3, "ms"};
    case BaseUnit::second:
      return {time_units, 1e6, "s"};
    case BaseUnit::minute:
      return {time_units, 60e6, "min"};
  }
  return {{}, 0, nullptr};
}

bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

const char* skip_spaces(const char* p) {
  while (is_space(*p)) ++p;
  return p;
}

// Applies whatever unit stands at `rest` to `value`.
NumberFault apply_unit(double& value, const char* rest, BaseUnit base_unit) {
  rest = skip_spaces(rest);
  if (*rest == '\0') return NumberFault::none;
  if (base_unit == BaseUnit::none) return NumberFault::malformed;

  char name[longest_unit_name + 1] = {};
  for (int i = 0; i < longest_unit_name && *rest != '\0' && !is_space(*rest); ++i) name[i] = *rest++;
  if (*skip_spaces(rest) != '\0') return NumberFault::unknown_unit;

  const Base base = describe(base_unit);
  for (std::size_t i = 0; i < base.family.size(); ++i) {
    if (std::strcmp(base.family[i].name, name) != 0) continue;
    value *= base.family[i].size / base.size;
    // A fraction of a unit means a whole number of the next smaller one: 30.1GB is a whole number of MB.
    if (i + 1 < base.family.size()) {
      const double step = base.family[i + 1].size / base.size;
      value = std::rint(value / step) * step;
    }
    return NumberFault::none;
  }
  return NumberFault::unknown_unit;
}

}  // namespace

ParsedNumber<int> parse_integer(const char* text, BaseUnit base) noexcept {
  char* end = nullptr;
  errno = 0;
  double value = static_cast<double>(std::strtol(text, &end, 0));
  if (*end == '.' || *end == 'e' || *end == 'E' || errno == ERANGE) {
    errno = 0;
    value = std::strtod(text, &end);
  }
  if (end == text || errno == ERANGE || std::isnan(value)) return {0, NumberFault::malformed};
  if (const NumberFault fault = apply_unit(value, end, base); fault != NumberFault::none) return {0, fault};
  value = std::rint(value);
  if (value > INT_MAX || value < INT_MIN) return {0, NumberFault::too_large};
  return {static_cast<int>(value), NumberFault::none};
}

ParsedNumber<double> parse_number(const char* text, BaseUnit base) noexcept {
  char* end = nullptr;
  errno = 0;
  double value = std::strtod(text, &end);
  if (end == text || errno == ERANGE || std::isnan(value)) return {0, NumberFault::malformed};
  if (const NumberFault fault = apply_unit(value, end, base); fault != NumberFault::none) return {0, fault};
  return {value, NumberFault::none};
}

const char* units_hint(BaseUnit base) noexcept {
  return describe(base).family.data() == time_units
             ? "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"."
             : "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".";
}

const char* unit_name(BaseUnit base) noexcept {
  return describe(base).name;
}

ShownNumber<std::int64_t> in_largest_unit(std::int64_t value, BaseUnit base_unit) noexcept {
  const Base base = describe(base_unit);
  for (const Unit& unit : base.family) {
    const double factor = unit.size / base.size;
    if (factor <= 1)
      return {static_cast<std::int64_t>(std::rint(static_cast<double>(value) / factor)), unit.name};
    if (value % static_cast<std::int64_t>(factor) == 0)
      return {value / static_cast<std::int64_t>(factor), unit.name};
  }
  return {value, ""};
}

ShownNumber<double> in_largest_unit(double value, BaseUnit base_unit) noexcept {
  const Base base = describe(base_unit);
  ShownNumber<double> shown = {value, ""};
  for (const Unit& unit : base.family) {
    shown = {value / (unit.size / base.size), unit.name};
    // Binary fractions are seldom whole; nearly whole is what a reader means by it.
    if (shown.value > 0 && std::fabs(std::rint(shown.value) / shown.value - 1.0) <= 1e-8) break;
  }
  return shown;
}

}  // namespace bgw
