// Sets of 64-bit integers that are added in ascending order (lib/integerset.h), kept small.
//
// Mechanism. Members collect in a buffer; each full buffer becomes a block: its first member, and the distances
// from each to the next, in as many bits as the largest distance of the block needs. A directory of blocks, by
// first member, is searched by halves.
//
// Invariants: members of a block are ascending, those of a later block greater, those in the buffer the
// greatest. A block never changes. Everything lies in a memory context of the set's own, a child of the current
// one, so that the set ends with its maker's context; there is no function that ends it alone.
#include <algorithm>
#include <bit>

extern "C" {
#include "postgres.h"
#include "lib/integerset.h"
#include "utils/memutils.h"
}

namespace {

constexpr int block_members = 256;

struct Block {
  uint64 first;
  uint64* words;  // the distances, `width` bits each, the first in the lowest bits
  int width;
};

}  // namespace

struct IntegerSet {
  MemoryContext context;
  uint64 memory;  // bytes taken so far
  uint64 count;
  uint64 highest;
  Block* blocks;
  uint64 block_count;
  uint64 block_room;
  uint64 buffer[block_members];
  int buffered;
  bool iterating;
  uint64 next_block;  // of the iteration: the one to unpack next
  uint64 unpacked[block_members];
  int unpacked_count;
  int next_unpacked;
};

namespace {

void* allocate(IntegerSet* set, Size size) {
  void* memory = MemoryContextAlloc(set->context, size);
  set->memory += GetMemoryChunkSpace(memory);
  return memory;
}

uint64 distance_at(const Block& block, int number) {
  if (block.width == 0) return 0;
  const uint64 bit = static_cast<uint64>(number) * static_cast<uint64>(block.width);
  const uint64 low = bit % 64;
  uint64 value = block.words[bit / 64] >> low;
  if (low + static_cast<uint64>(block.width) > 64) value |= block.words[bit / 64 + 1] << (64 - low);
  return block.width == 64 ? value : value & ((uint64{1} << block.width) - 1);
}

void put_distance(Block& block, int number, uint64 distance) {
  const uint64 bit = static_cast<uint64>(number) * static_cast<uint64>(block.width);
  const uint64 low = bit % 64;
  block.words[bit / 64] |= distance << low;
  if (low + static_cast<uint64>(block.width) > 64) block.words[bit / 64 + 1] |= distance >> (64 - low);
}

void add_to_directory(IntegerSet* set, const Block& block) {
  if (set->block_count == set->block_room) {
    const uint64 room = Max(set->block_room * 2, 16);
    Block* before = set->blocks;
    set->blocks =
        static_cast<Block*>(MemoryContextAllocHuge(set->context, static_cast<Size>(room) * sizeof(Block)));
    set->memory += GetMemoryChunkSpace(set->blocks);
    if (before) {
      memcpy(set->blocks, before, static_cast<Size>(set->block_count) * sizeof(Block));
      set->memory -= GetMemoryChunkSpace(before);
      pfree(before);
    }
    set->block_room = room;
  }
  set->blocks[set->block_count++] = block;
}

// Distances are stored less one: they are never zero.
void pack_buffer(IntegerSet* set) {
  uint64 largest = 0;
  for (int i = 1; i < block_members; i++) largest = std::max(largest, set->buffer[i] - set->buffer[i - 1] - 1);
  Block block = {set->buffer[0], nullptr, static_cast<int>(std::bit_width(largest))};
  const Size words = (static_cast<Size>(block_members - 1) * static_cast<Size>(block.width) + 63) / 64;
  if (words > 0) {
    block.words = static_cast<uint64*>(allocate(set, words * sizeof(uint64)));
    memset(block.words, 0, words * sizeof(uint64));
    for (int i = 1; i < block_members; i++) put_distance(block, i - 1, set->buffer[i] - set->buffer[i - 1] - 1);
  }
  add_to_directory(set, block);
  set->buffered = 0;
}

void unpack(const Block& block, uint64* members) {
  members[0] = block.first;
  for (int i = 1; i < block_members; i++) members[i] = members[i - 1] + distance_at(block, i - 1) + 1;
}

}  // namespace

extern "C" {

IntegerSet* intset_create(void) {
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "integer set", ALLOCSET_DEFAULT_SIZES);
  auto* set = static_cast<IntegerSet*>(MemoryContextAllocZero(context, sizeof(IntegerSet)));
  set->context = context;
  set->memory = GetMemoryChunkSpace(set);
  return set;
}

void intset_add_member(IntegerSet* intset, uint64 x) {
  if (intset->iterating) elog(ERROR, "cannot add new values to integer set while iteration is in progress");
  if (intset->count > 0 && x <= intset->highest) elog(ERROR, "cannot add value to integer set out of order");
  if (intset->buffered == block_members) pack_buffer(intset);
  intset->buffer[intset->buffered++] = x;
  intset->highest = x;
  intset->count++;
}

bool intset_is_member(IntegerSet* intset, uint64 x) {
  if (intset->buffered > 0 && x >= intset->buffer[0])
    return std::binary_search(intset->buffer, intset->buffer + intset->buffered, x);
  const Block* end = intset->blocks + intset->block_count;
  const Block* after = std::upper_bound(static_cast<const Block*>(intset->blocks), end, x,
                                        [](uint64 value, const Block& block) { return value < block.first; });
  if (after == intset->blocks) return false;
  const Block& block = after[-1];
  uint64 member = block.first;
  for (int i = 0; member < x && i < block_members - 1; i++) member += distance_at(block, i) + 1;
  return member == x;
}

uint64 intset_num_entries(IntegerSet* intset) {
  return intset->count;
}

uint64 intset_memory_usage(IntegerSet* intset) {
  return intset->memory;
}

void intset_begin_iterate(IntegerSet* intset) {
  intset->iterating = true;
  intset->next_block = 0;
  intset->unpacked_count = intset->next_unpacked = 0;
}

bool intset_iterate_next(IntegerSet* intset, uint64* next) {
  if (intset->next_unpacked == intset->unpacked_count) {
    if (intset->next_block < intset->block_count) {
      unpack(intset->blocks[intset->next_block], intset->unpacked);
      intset->unpacked_count = block_members;
    } else if (intset->next_block == intset->block_count && intset->buffered > 0) {
      memcpy(intset->unpacked, intset->buffer, static_cast<Size>(intset->buffered) * sizeof(uint64));
      intset->unpacked_count = intset->buffered;
    } else {
      intset->iterating = false;
      *next = 0;  // callers that look all the same find nothing
      return false;
    }
    intset->next_block++;
    intset->next_unpacked = 0;
  }
  *next = intset->unpacked[intset->next_unpacked++];
  return true;
}

}  // extern "C"
