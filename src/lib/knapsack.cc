// The knapsack problem with whole weights (lib/knapsack.h): which items, each at most once, are worth most
// together and not too heavy. Dynamic programming over the weights.
//
// Invariant: after the first i items, best[w] is the greatest value of those of weight at most w, and taken[i *
// (max + 1) + w] says whether that needs item i.
extern "C" {
#include "postgres.h"
#include "lib/knapsack.h"
#include "nodes/bitmapset.h"
#include "utils/memutils.h"
}

extern "C" {

// `item_values` may be null: then every item is worth 1.
Bitmapset* DiscreteKnapsack(int max_weight, int num_items, int* item_weights, double* item_values) {
  Assert(max_weight >= 0);
  Assert(num_items > 0 && item_weights);
  MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "knapsack", ALLOCSET_SMALL_SIZES);
  const Size width = static_cast<Size>(max_weight) + 1;
  auto* best = static_cast<double*>(MemoryContextAllocZero(scratch, width * sizeof(double)));
  auto* taken = static_cast<bool*>(MemoryContextAllocExtended(scratch, width * static_cast<Size>(num_items),
                                                              MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
  for (int item = 0; item < num_items; item++) {
    const int weight = item_weights[item];
    const double value = item_values ? item_values[item] : 1;
    // From the heaviest down, so that this item is not counted twice.
    for (int w = max_weight; w >= weight; w--) {
      const double with = best[w - weight] + value;
      if (with <= best[w]) continue;
      best[w] = with;
      taken[static_cast<Size>(item) * width + static_cast<Size>(w)] = true;
    }
  }
  Bitmapset* chosen = nullptr;
  int left = max_weight;
  for (int item = num_items; item-- > 0;)
    if (taken[static_cast<Size>(item) * width + static_cast<Size>(left)]) {
      chosen = bms_add_member(chosen, item);
      left -= item_weights[item];
    }
  MemoryContextDelete(scratch);
  return chosen;
}

}  // extern "C"
