// Estimating how many different hash values were seen (lib/hyperloglog.h): the HyperLogLog algorithm of
// Flajolet, Fusy, Gandouet and Meunier (2007) for hash values of 32 bits.
//
// The upper bits of a value choose a register; each register keeps the longest run of leading zeros, plus one,
// seen in the remaining bits.
#include <bit>
#include <cmath>

extern "C" {
#include "postgres.h"
#include "lib/hyperloglog.h"
}

namespace {

constexpr int hash_bits = 32;
constexpr double two_to_32 = 4294967296.0;

// The paper's constants, which correct the estimate's bias.
double alpha(Size registers) {
  switch (registers) {
    case 16:
      return 0.673;
    case 32:
      return 0.697;
    case 64:
      return 0.709;
    default:
      return 0.7213 / (1.0 + 1.079 / static_cast<double>(registers));
  }
}

}  // namespace

extern "C" {

void initHyperLogLog(hyperLogLogState* cState, uint8 bwidth) {
  if (bwidth < 4 || bwidth > 16) elog(ERROR, "bit width must be between 4 and 16 inclusive");
  cState->registerWidth = bwidth;
  cState->nRegisters = Size{1} << bwidth;
  cState->arrSize = cState->nRegisters + 1;
  cState->hashesArr = static_cast<uint8*>(palloc0(cState->arrSize));
  const double registers = static_cast<double>(cState->nRegisters);
  cState->alphaMM = alpha(cState->nRegisters) * registers * registers;
}

// As many registers as the relative standard error, 1.04 / sqrt(registers), asks for.
void initHyperLogLogError(hyperLogLogState* cState, double error) {
  uint8 width = 4;
  while (width < 16 && 1.04 / std::sqrt(static_cast<double>(Size{1} << width)) > error) width++;
  initHyperLogLog(cState, width);
}

void addHyperLogLog(hyperLogLogState* cState, uint32 hash) {
  const int left = hash_bits - cState->registerWidth;
  const uint32 index = hash >> left;
  const uint32 rest = hash << cState->registerWidth;
  const int zeros = rest == 0 ? left : std::countl_zero(rest);
  const auto rank = static_cast<uint8>(zeros + 1);
  if (rank > cState->hashesArr[index]) cState->hashesArr[index] = rank;
}

double estimateHyperLogLog(hyperLogLogState* cState) {
  double sum = 0;
  Size empty = 0;
  for (Size i = 0; i < cState->nRegisters; i++) {
    sum += std::ldexp(1.0, -static_cast<int>(cState->hashesArr[i]));
    if (cState->hashesArr[i] == 0) empty++;
  }
  const double registers = static_cast<double>(cState->nRegisters);
  const double estimate = cState->alphaMM / sum;
  // Few values: counting the empty registers is better. Nearly all values: correct for collisions.
  if (estimate <= 2.5 * registers)
    return empty == 0 ? estimate : registers * std::log(registers / static_cast<double>(empty));
  if (estimate > two_to_32 / 30.0) return -two_to_32 * std::log(1.0 - estimate / two_to_32);
  return estimate;
}

void freeHyperLogLog(hyperLogLogState* cState) {
  Assert(cState->hashesArr != nullptr);
  pfree(cState->hashesArr);
}

}  // extern "C"
