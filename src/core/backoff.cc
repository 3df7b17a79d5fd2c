// Pure arithmetic over a seeded generator; no clock is read, so a test can play
// with time as it likes.
#include "core/backoff.hpp"

#include <algorithm>

namespace bgw {

// A seed of 0 or of the generator's modulus would be replaced by its own
// default; that does no harm.
Backoff::Backoff(std::uint64_t seed, BackoffLimits limits)
    : limits_(limits), random_(static_cast<std::minstd_rand::result_type>(seed ^ (seed >> 32))) {}

std::chrono::milliseconds Backoff::next() {
  std::int64_t delay = std::max<std::int64_t>(limits_.first.count(), 1);
  const std::int64_t cap = std::max<std::int64_t>(limits_.cap.count(), delay);
  for (unsigned i = 0; i < failures_ && delay < cap; i++) delay = std::min(delay * 2, cap);
  failures_++;
  const auto spread =
      static_cast<std::int64_t>(static_cast<double>(delay) * std::clamp(limits_.jitter, 0.0, 1.0));
  if (spread > 0) delay -= std::uniform_int_distribution<std::int64_t>(0, spread)(random_);
  return std::chrono::milliseconds(std::max<std::int64_t>(delay, 1));
}

}  // namespace bgw
