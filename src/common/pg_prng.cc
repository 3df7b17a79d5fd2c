// Pseudo-random numbers (common/pg_prng.h): xoroshiro128**, seeded by splitmix64, both by Blackman and Vigna. The same
// numbers as the server's for the same seed.
//
// The global state is seeded when a process first draws from it, not when the process starts: most never do.
//
// libpgcommon has the same, but its global state would be on a page of its own, which every process would copy to seed it.
#include <bit>

#include "port/clock.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
}

namespace {

uint64 splitmix64(uint64* state) {
  *state += UINT64CONST(0x9e3779b97f4a7c15);
  uint64 mixed = *state;
  mixed = (mixed ^ (mixed >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64CONST(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

bool is_seeded(const pg_prng_state* state) { return (state->s0 | state->s1) != 0; }

// Another for every process. `state` is the global one, as the process found it.
void seed_global(pg_prng_state* state) {
  if (pg_prng_strong_seed(state)) return;
  pg_prng_seed(state, (static_cast<uint64>(MyProcPid) << 32) ^ static_cast<uint64>(bgw::wall_clock_us()));
}

uint64 next(pg_prng_state* state) {
  if (state == &pg_global_prng_state && !is_seeded(state)) seed_global(state);
  const uint64 first = state->s0;
  const uint64 both = first ^ state->s1;
  state->s0 = std::rotl(first, 24) ^ both ^ (both << 16);
  state->s1 = std::rotl(both, 37);
  return std::rotl(first * 5, 7) * 9;
}

}  // namespace

extern "C" {

BGW_START_DATA pg_prng_state pg_global_prng_state = {};

void pg_prng_seed(pg_prng_state* state, uint64 seed) {
  state->s0 = splitmix64(&seed);
  state->s1 = splitmix64(&seed);
  pg_prng_seed_check(state);
}

// `fseed` from -1.0 to 1.0.
void pg_prng_fseed(pg_prng_state* state, double fseed) {
  constexpr double steps = static_cast<double>((UINT64CONST(1) << 52) - 1);
  pg_prng_seed(state, static_cast<uint64>(static_cast<int64>(steps * fseed)));
}

// The one state that the generator never leaves is replaced by another.
bool pg_prng_seed_check(pg_prng_state* state) {
  if (!is_seeded(state)) {
    state->s0 = UINT64CONST(0x5851f42d4c957f2d);
    state->s1 = UINT64CONST(0x14057b7ef767814f);
  }
  return true;
}

uint64 pg_prng_uint64(pg_prng_state* state) { return next(state); }

// From rmin to rmax, each as likely as any other; rmin if the range is empty.
uint64 pg_prng_uint64_range(pg_prng_state* state, uint64 rmin, uint64 rmax) {
  if (rmax <= rmin) return rmin;
  const uint64 width = rmax - rmin;
  const int unused_bits = std::countl_zero(width);
  uint64 drawn;
  do drawn = next(state) >> unused_bits;
  while (drawn > width);
  return rmin + drawn;
}

int64 pg_prng_int64(pg_prng_state* state) { return static_cast<int64>(next(state)); }

int64 pg_prng_int64p(pg_prng_state* state) { return static_cast<int64>(next(state) & PG_INT64_MAX); }

uint32 pg_prng_uint32(pg_prng_state* state) { return static_cast<uint32>(next(state) >> 32); }

int32 pg_prng_int32(pg_prng_state* state) { return static_cast<int32>(next(state) >> 32); }

int32 pg_prng_int32p(pg_prng_state* state) { return static_cast<int32>(next(state) >> 33); }

// From 0.0 to less than 1.0, a multiple of 2^-52.
double pg_prng_double(pg_prng_state* state) { return static_cast<double>(next(state) >> 12) * 0x1p-52; }

bool pg_prng_bool(pg_prng_state* state) { return (next(state) >> 63) != 0; }

}  // extern "C"
