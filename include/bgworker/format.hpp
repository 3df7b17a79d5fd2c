// "{}" in texts, checked at compile time: as much of std::format as log lines and messages need, and quick to
// compile.
#pragma once

#include "server.hpp"

namespace bgworker BGWORKER_LOCAL {

namespace detail {

inline void append(std::string& out, std::string_view text) {
  out.append(text);
}
inline void append(std::string& out, const char* text) {
  out.append(text ? text : "(null)");
}
inline void append(std::string& out, bool value) {
  out.append(value ? "true" : "false");
}
inline void append(std::string& out, char value) {
  out.push_back(value);
}
inline void append(std::string& out, double value) {
  char text[32];
  out.append(text, static_cast<std::size_t>(std::snprintf(text, sizeof text, "%.6g", value)));
}
template <class T>
requires std::is_integral_v<T>
void append(std::string& out, T value) {
  out.append(std::to_string(value));
}
/// A time span in the largest unit that loses nothing.
template <class Rep, class Period>
void append(std::string& out, std::chrono::duration<Rep, Period> value) {
  auto us = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
  struct unit {
    long long size;
    const char* name;
  };
  for (auto [size, name] : {unit{86400000000, "d"}, unit{3600000000, "h"}, unit{60000000, "min"},
                            unit{1000000, "s"}, unit{1000, "ms"}, unit{1, "us"}})
    if ((us % size == 0 && us != 0) || size == 1 || (us == 0 && size == 1000000)) {
      append(out, static_cast<long long>(us / size));
      append(out, name);
      return;
    }
}

}  // namespace detail

/// A text with one {} for each argument; {{ and }} stand for braces. A wrong count does not compile.
template <class... Args>
struct basic_format_string {
  std::string_view text;
  template <class T>
  requires std::is_convertible_v<const T&, std::string_view>
  consteval basic_format_string(const T& s) : text(s) {  // NOLINT: implicit, for literals
    std::size_t places = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '{' && text[i] != '}') continue;
      if (i + 1 < text.size() && text[i + 1] == text[i]) {
        ++i;
      } else if (text[i] == '{' && i + 1 < text.size() && text[i + 1] == '}') {
        ++places;
        ++i;
      } else {
        throw "a single brace: write {} for an argument, {{ or }} for a brace";
      }
    }
    if (places != sizeof...(Args)) throw "the number of {} is not the number of arguments";
  }
};
template <class... Args>
using format_string = basic_format_string<std::type_identity_t<Args>...>;

/// format("{} rows of {}", 3, name)
template <class... Args>
std::string format(format_string<Args...> f, const Args&... args) {
  std::string out;
  std::string_view rest = f.text;
  auto literal = [&] {  // up to the next place
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] != '{' && rest[i] != '}') continue;
      out.append(rest.substr(0, i));
      if (rest[i] == '{' && rest[i + 1] == '}') {
        rest.remove_prefix(i + 2);
        return;
      }
      out.push_back(rest[i]);
      rest.remove_prefix(i + 2);
      i = static_cast<std::size_t>(-1);
    }
    out.append(rest);
    rest = {};
  };
  ((literal(), detail::append(out, args)), ...);
  literal();
  return out;
}

}  // namespace BGWORKER_LOCAL
