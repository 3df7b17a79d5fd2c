// The slow path of spinlocks: spin a little, then sleep, longer each time, and give up after a minute.
//
// Also for code of ours and of modules that spins on something else (perform_spin_delay).
#include <unistd.h>

#include <cstdlib>

extern "C" {
#include "postgres.h"
#include "common/pg_prng.h"
#include "storage/s_lock.h"
#include "storage/spin.h"
}

namespace {

constexpr int min_spins_per_delay = 10;
constexpr int max_spins_per_delay = 1000;
constexpr int max_delays = 1000;
constexpr int min_delay_us = 1000;
constexpr int max_delay_us = 1000000;

// How long to spin before sleeping: much where that tends to help (several processors), little where not.
int spins_per_delay = DEFAULT_SPINS_PER_DELAY;

}  // namespace

extern "C" {

slock_t dummy_spinlock;

void perform_spin_delay(SpinDelayStatus* status) {
  SPIN_DELAY();
  if (++status->spins < spins_per_delay) return;

  // A spinlock is held for a few instructions. Waiting this long means that its holder is gone.
  if (++status->delays > max_delays)
    elog(PANIC, "stuck spinlock detected at %s, %s:%d", status->func, status->file, status->line);
  if (status->cur_delay == 0) status->cur_delay = min_delay_us;
  usleep(static_cast<useconds_t>(status->cur_delay));
  // Grow by a random factor between one and two, so that waiters fall out of step; begin again at the top.
  status->cur_delay += static_cast<int>(status->cur_delay * pg_prng_double(&pg_global_prng_state) + 0.5);
  if (status->cur_delay > max_delay_us) status->cur_delay = min_delay_us;
  status->spins = 0;
}

void finish_spin_delay(SpinDelayStatus* status) {
  if (status->cur_delay == 0)
    spins_per_delay = Min(spins_per_delay + 100, max_spins_per_delay);
  else
    spins_per_delay = Max(spins_per_delay - 1, min_spins_per_delay);
}

int s_lock(volatile slock_t* lock, const char* file, int line, const char* func) {
  SpinDelayStatus status;
  init_spin_delay(&status, file, line, func);
  while (TAS_SPIN(lock)) perform_spin_delay(&status);
  finish_spin_delay(&status);
  return status.delays;
}

void set_spins_per_delay(int shared_spins_per_delay) {
  spins_per_delay = shared_spins_per_delay;
}

// The shared estimate follows slowly, so that one odd process does not spoil it.
int update_spins_per_delay(int shared_spins_per_delay) {
  return (shared_spins_per_delay * 15 + spins_per_delay) / 16;
}

// Spinlocks are single bytes here; none needs a semaphore.
int SpinlockSemas(void) {
  return 0;
}
Size SpinlockSemaSize(void) {
  return 0;
}

}  // extern "C"
