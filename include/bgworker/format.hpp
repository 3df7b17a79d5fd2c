// "{}" in texts, checked at compile time: as much of std::format as log lines and messages need, and quick to
// compile.
#pragma once

#include "error.hpp"

namespace bgworker BGWORKER_LOCAL {

namespace detail {

/// An argument of format(), as text. Numbers are printed into it; texts are only referred to.
class printed {
 public:
  printed() = default;
  printed(const printed&) = delete;
  printed& operator=(const printed&) = delete;
  explicit printed(std::string_view value) : text_(value) {}
  explicit printed(const char* value) : text_(value ? value : "(null)") {}
  explicit printed(double value) { print("%.6g", value); }
  template <class T>
  requires std::is_integral_v<T>
  explicit printed(T value) {
    if constexpr (std::is_same_v<T, bool>)
      text_ = value ? "true" : "false";
    else if constexpr (std::is_same_v<T, char>)
      text_ = {digits_, 1}, digits_[0] = value;
    else if constexpr (std::is_signed_v<T>)
      number(value);
    else
      natural(value);
  }
  /// A time span in the largest unit that loses nothing.
  template <class Rep, class Period>
  explicit printed(std::chrono::duration<Rep, Period> value) {
    span(std::chrono::duration_cast<std::chrono::microseconds>(value).count());
  }
  std::string_view text() const { return text_; }

 private:
  template <class... T>
  void print(const char* how, T... what) {
    text_ = {digits_, static_cast<std::size_t>(std::snprintf(digits_, sizeof digits_, how, what...))};
  }
  [[gnu::noinline]] void number(long long value) { print("%lld", value); }
  [[gnu::noinline]] void natural(unsigned long long value) { print("%llu", value); }
  [[gnu::noinline]] void span(long long us) {
    struct unit {
      long long size;
      const char* name;
    };
    for (auto [size, name] : {unit{86400000000, "d"}, unit{3600000000, "h"}, unit{60000000, "min"},
                              unit{1000000, "s"}, unit{1000, "ms"}, unit{1, "us"}})
      if ((us % size == 0 && us != 0) || size == 1 || (us == 0 && size == 1000000))
        return print("%lld%s", us / size, name);
  }

  std::string_view text_;
  char digits_[32];  // room for 2^64 and for a time span with its unit
};

/// The text with its places filled in; there are as many arguments as places.
[[gnu::noinline]] inline std::string filled(std::string_view text, const printed* argument) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char letter = text[i];
    if (letter == '{' && text[i + 1] == '}')
      out.append((argument++)->text()), ++i;
    else
      out.push_back(letter), i += letter == '{' || letter == '}';  // doubled braces stand for one
  }
  return out;
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
  const detail::printed list[] = {detail::printed(args)..., detail::printed()};
  return detail::filled(f.text, list);
}

namespace detail {

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_with(sqlstate code, const char* hint,
                                                             std::string_view text, const printed* arguments) {
  throw error(code, filled(text, arguments), {}, hint);
}

/// What goes with the message of an error: its SQLSTATE, and possibly a hint.
struct fault {
  sqlstate code;
  const char* hint;
  consteval fault(const char (&state)[6], const char* text = "")
      : code(state), hint(text) {}  // NOLINT: implicit
};

/// Throws an error with the message format(f, args...).
template <class... Args>
[[noreturn, gnu::cold, gnu::noinline]] void fail(fault what, format_string<Args...> f, const Args&... args) {
  const printed list[] = {printed(args)..., printed()};
  fail_with(what.code, what.hint, f.text, list);
}

}  // namespace detail

}  // namespace BGWORKER_LOCAL
