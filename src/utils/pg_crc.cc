// The table of the classic CRC-32, which the macros of utils/pg_crc.h use.
//
// Immutable after compilation.
extern "C" {
#include "postgres.h"
#include "utils/pg_crc.h"
}

namespace {

constexpr uint32 entry(uint32 byte) {
  uint32 crc = byte;
  for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
  return crc;
}

}  // namespace

#define FOUR(i) entry(i), entry((i) + 1), entry((i) + 2), entry((i) + 3)
#define SIXTEEN(i) FOUR(i), FOUR((i) + 4), FOUR((i) + 8), FOUR((i) + 12)
#define SIXTY_FOUR(i) SIXTEEN(i), SIXTEEN((i) + 16), SIXTEEN((i) + 32), SIXTEEN((i) + 48)

extern "C" {

const uint32 pg_crc32_table[256] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192)};

}  // extern "C"
