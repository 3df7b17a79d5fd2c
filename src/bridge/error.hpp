// From bgw::Error to ereport(), without a jump past a destructor.
//
// A shim keeps the error's texts in palloc'd memory, lets its C++ scope end, and raises then:
//
//   bgw::KeptError kept;
//   {
//     auto answer = core_function(...);
//     if (answer) return answer->value;
//     kept = bgw::keep(answer.error());
//   }
//   bgw::raise(kept);
//
// or, when the answer is a plain value: return bgw::value_or_raise([&] { return core_function(...); });
#pragma once

#include <type_traits>
#include <utility>

#include "core/result.hpp"

namespace bgw {

// An Error's fields in the memory context that was current; null where not given. Has no destructor.
struct KeptError {
  int sqlstate = 0;
  char* message = nullptr;
  char* detail = nullptr;
  char* hint = nullptr;
};

// Never jumps: without memory the message says so.
KeptError keep(const Error& error) noexcept;

// Reports at ERROR, or at `elevel` FATAL or PANIC. The kept texts are freed. No C++ object with a destructor
// may be alive in the frames that a jump would leave.
[[noreturn]] void raise(const KeptError& error);
[[noreturn]] void raise_at(int elevel, const KeptError& error);

// Reports below ERROR, and returns.
void report_at(int elevel, const KeptError& error);

// Calls `function`, which returns a Result of something without a destructor; gives its value or raises.
template <class Function>
auto value_or_raise(const Function& function) {
  using Answer = std::invoke_result_t<const Function&>;
  static_assert(std::is_trivially_destructible_v<Function>, "a jump would pass its captures");
  KeptError kept;
  if constexpr (std::is_same_v<Answer, Result<void>>) {
    {
      Answer answer = function();
      if (answer) return;
      kept = keep(answer.error());
    }
    raise(kept);
  } else {
    using Value = std::remove_reference_t<decltype(*std::declval<Answer&>())>;
    static_assert(std::is_trivially_destructible_v<Value>, "close the scope by hand, see above");
    {
      Answer answer = function();
      if (answer) return static_cast<Value>(std::move(*answer));
      kept = keep(answer.error());
    }
    raise(kept);
  }
}

// Makes bgw::log() write to the server log, with its prefix and thresholds. Called once, by the postmaster,
// when memory contexts and settings are there.
void install_log_sink() noexcept;

}  // namespace bgw
