// Values that carry either an answer or the reason why there is none.
//
// Core code reports failure by returning; nothing in it throws across a module boundary and nothing in it
// jumps. The extern "C" shims turn an Error into ereport() once every C++ object of theirs is gone.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace bgw {

// What went wrong, in the fields that a PostgreSQL error has. Empty strings mean "not given".
struct Error {
  std::string message;             // primary message, no trailing full stop
  std::string sqlstate = "XX000";  // five characters
  std::string detail;
  std::string hint;

  // The message with detail and hint, for a place that has one line only.
  std::string one_line() const {
    std::string text = message;
    if (!detail.empty()) text += ": " + detail;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
  }
};

// An Error or a T. Must be looked at.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  Error& error() { return std::get<1>(state_); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_.has_value(); }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace bgw
