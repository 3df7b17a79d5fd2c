// Bloom filters (lib/bloomfilter.h): sets that may claim to have what they have not, never the reverse.
//
// The bits are a power of two, 16 per expected element where memory allows, between 1 MB and 512 MB. Positions
// come from one 64-bit hash of the element by enhanced double hashing (Dillinger and Manolios, 2004).
#include <algorithm>
#include <bit>
#include <cmath>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "lib/bloomfilter.h"
#include "utils/memutils.h"
}

struct bloom_filter {
  int hash_count;
  uint64 seed;
  uint64 mask;  // the number of bits, minus one
  unsigned char bits[FLEXIBLE_ARRAY_MEMBER];
};

namespace {

constexpr int most_hashes = 10;
constexpr uint64 least_bytes = 1024 * 1024;
constexpr uint64 most_bytes = 512UL * 1024 * 1024;

// Calls visit(byte, mask) for the element's bits until it returns false.
template <class Visit>
void for_each_bit(bloom_filter* filter, const unsigned char* element, size_t length, Visit visit) {
  const uint64 hash = hash_any_extended(element, static_cast<int>(length), filter->seed);
  uint64 x = static_cast<uint32>(hash);
  uint64 y = hash >> 32;
  for (int i = 0; i < filter->hash_count; i++) {
    const uint64 position = x & filter->mask;
    if (!visit(filter->bits[position / 8], static_cast<unsigned char>(1 << (position % 8)))) return;
    x += y;
    y += static_cast<uint64>(i) + 1;
  }
}

}  // namespace

extern "C" {

// `bloom_work_mem` is in kilobytes.
bloom_filter* bloom_create(int64 total_elems, int bloom_work_mem, uint64 seed) {
  const uint64 elements = static_cast<uint64>(Max(total_elems, 1));
  uint64 bytes = std::min(static_cast<uint64>(Max(bloom_work_mem, 1)) * 1024, elements * 2);
  bytes = std::clamp(std::bit_floor(bytes), least_bytes, most_bytes);
  auto* filter = static_cast<bloom_filter*>(MemoryContextAllocExtended(
      CurrentMemoryContext, offsetof(bloom_filter, bits) + bytes, MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE));
  const double bits = static_cast<double>(bytes * 8);
  const double best = std::rint(std::log(2.0) * bits / static_cast<double>(elements));
  filter->hash_count = static_cast<int>(std::clamp(best, 1.0, static_cast<double>(most_hashes)));
  filter->seed = seed;
  filter->mask = bytes * 8 - 1;
  return filter;
}

void bloom_free(bloom_filter* filter) {
  pfree(filter);
}

void bloom_add_element(bloom_filter* filter, unsigned char* elem, size_t len) {
  for_each_bit(filter, elem, len, [](unsigned char& byte, unsigned char mask) {
    byte |= mask;
    return true;
  });
}

bool bloom_lacks_element(bloom_filter* filter, unsigned char* elem, size_t len) {
  bool lacks = false;
  for_each_bit(filter, elem, len, [&lacks](unsigned char& byte, unsigned char mask) {
    lacks = (byte & mask) == 0;
    return !lacks;
  });
  return lacks;
}

double bloom_prop_bits_set(bloom_filter* filter) {
  uint64 set = 0;
  const uint64 bytes = (filter->mask + 1) / 8;
  for (uint64 at = 0; at < bytes; at++) set += static_cast<uint64>(std::popcount(filter->bits[at]));
  return static_cast<double>(set) / static_cast<double>(filter->mask + 1);
}

}  // extern "C"
