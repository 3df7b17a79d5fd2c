// Delays between retries: they double from the first to the cap, each shortened
// by a random part so that hosts that lost the same upstream do not come back
// in step. The same seed gives the same delays.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace bgw {

struct BackoffLimits {
  std::chrono::milliseconds first{100};
  std::chrono::milliseconds cap{10'000};
  double jitter = 0.25;  // up to this part of a delay is taken off, 0..1
};

class Backoff {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Backoff(std::uint64_t seed, BackoffLimits limits = {});

  // How long to wait before the next try; each call counts as one failure.
  std::chrono::milliseconds next();

  // The same as a point in time.
  Clock::time_point next_after(Clock::time_point now) { return now + next(); }

  // After a success: the next failure is retried quickly again.
  void reset() { failures_ = 0; }

  unsigned failures() const { return failures_; }

 private:
  BackoffLimits limits_;
  std::minstd_rand random_;
  unsigned failures_ = 0;
};

}  // namespace bgw
