// Sets of small non-negative integers. The empty set is NULL, or an object without a bit: a function that
// changes a set in place keeps the object, since callers of that kind may go on using it.
#include <bit>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
}

namespace {

constexpr int kBits = BITS_PER_BITMAPWORD;

int word_of(int x) {
  return x / kBits;
}
bitmapword bit_of(int x) {
  return static_cast<bitmapword>(1) << (x % kBits);
}
Size size_of(int words) {
  return offsetof(Bitmapset, words) + static_cast<Size>(words) * sizeof(bitmapword);
}

void refuse_negative(int x) {
  if (x < 0) elog(ERROR, "negative bitmapset member not allowed");
}

// A set may be shorter than another: what it lacks is zero.
bitmapword word_at(const Bitmapset* set, int index) {
  return set && index < set->nwords ? set->words[index] : 0;
}
int words_of(const Bitmapset* set) {
  return set ? set->nwords : 0;
}
int longer(const Bitmapset* a, const Bitmapset* b) {
  return Max(words_of(a), words_of(b));
}

Bitmapset* new_set(int words) {
  Bitmapset* set = static_cast<Bitmapset*>(palloc0(size_of(words)));
  set->nwords = words;
  return set;
}

Bitmapset* grown(Bitmapset* set, int words) {
  if (!set) return new_set(words);
  if (set->nwords >= words) return set;
  set = static_cast<Bitmapset*>(repalloc(set, size_of(words)));
  for (int i = set->nwords; i < words; ++i) set->words[i] = 0;
  set->nwords = words;
  return set;
}

// A new set made word by word; NULL if it has no member.
template <class Operation>
Bitmapset* combined(const Bitmapset* a, const Bitmapset* b, Operation operation) {
  int words = 0;
  for (int i = 0; i < longer(a, b); ++i)
    if (operation(word_at(a, i), word_at(b, i)) != 0) words = i + 1;
  if (words == 0) return nullptr;
  Bitmapset* set = new_set(words);
  for (int i = 0; i < words; ++i) set->words[i] = operation(word_at(a, i), word_at(b, i));
  return set;
}

}  // namespace

extern "C" {

Bitmapset* bms_copy(const Bitmapset* a) {
  if (!a) return nullptr;
  Bitmapset* copy = static_cast<Bitmapset*>(palloc(size_of(a->nwords)));
  memcpy(copy, a, size_of(a->nwords));
  return copy;
}

bool bms_equal(const Bitmapset* a, const Bitmapset* b) {
  return bms_compare(a, b) == 0;
}

// An order for sorting: by the largest member in which the sets differ.
int bms_compare(const Bitmapset* a, const Bitmapset* b) {
  for (int i = longer(a, b); i-- > 0;) {
    bitmapword left = word_at(a, i), right = word_at(b, i);
    if (left != right) return left > right ? 1 : -1;
  }
  return 0;
}

Bitmapset* bms_make_singleton(int x) {
  refuse_negative(x);
  Bitmapset* set = new_set(word_of(x) + 1);
  set->words[word_of(x)] = bit_of(x);
  return set;
}

void bms_free(Bitmapset* a) {
  if (a) pfree(a);
}

Bitmapset* bms_union(const Bitmapset* a, const Bitmapset* b) {
  return combined(a, b, [](bitmapword x, bitmapword y) { return x | y; });
}
Bitmapset* bms_intersect(const Bitmapset* a, const Bitmapset* b) {
  return combined(a, b, [](bitmapword x, bitmapword y) { return x & y; });
}
Bitmapset* bms_difference(const Bitmapset* a, const Bitmapset* b) {
  return combined(a, b, [](bitmapword x, bitmapword y) { return x & ~y; });
}

bool bms_is_subset(const Bitmapset* a, const Bitmapset* b) {
  return !bms_nonempty_difference(a, b);
}

BMS_Comparison bms_subset_compare(const Bitmapset* a, const Bitmapset* b) {
  bool a_in_b = bms_is_subset(a, b), b_in_a = bms_is_subset(b, a);
  if (a_in_b) return b_in_a ? BMS_EQUAL : BMS_SUBSET1;
  return b_in_a ? BMS_SUBSET2 : BMS_DIFFERENT;
}

bool bms_is_member(int x, const Bitmapset* a) {
  refuse_negative(x);
  return (word_at(a, word_of(x)) & bit_of(x)) != 0;
}

// How many members are smaller than x; -1 if x is none.
int bms_member_index(Bitmapset* a, int x) {
  if (!bms_is_member(x, a)) return -1;
  int count = std::popcount(a->words[word_of(x)] & (bit_of(x) - 1));
  for (int i = 0; i < word_of(x); ++i) count += std::popcount(a->words[i]);
  return count;
}

bool bms_overlap(const Bitmapset* a, const Bitmapset* b) {
  for (int i = 0; i < longer(a, b); ++i)
    if (word_at(a, i) & word_at(b, i)) return true;
  return false;
}

bool bms_overlap_list(const Bitmapset* a, const struct List* b) {
  ListCell* cell;
  foreach (cell, b)
    if (bms_is_member(lfirst_int(cell), a)) return true;
  return false;
}

bool bms_nonempty_difference(const Bitmapset* a, const Bitmapset* b) {
  for (int i = 0; i < words_of(a); ++i)
    if (a->words[i] & ~word_at(b, i)) return true;
  return false;
}

int bms_singleton_member(const Bitmapset* a) {
  int member = -1;
  if (bms_is_empty(a)) elog(ERROR, "bitmapset is empty");
  if (!bms_get_singleton_member(a, &member)) elog(ERROR, "bitmapset has multiple members");
  return member;
}

// False, and nothing stored, unless there is exactly one member.
bool bms_get_singleton_member(const Bitmapset* a, int* member) {
  if (bms_membership(a) != BMS_SINGLETON) return false;
  *member = bms_next_member(a, -1);
  return true;
}

int bms_num_members(const Bitmapset* a) {
  int count = 0;
  for (int i = 0; i < words_of(a); ++i) count += std::popcount(a->words[i]);
  return count;
}

BMS_Membership bms_membership(const Bitmapset* a) {
  int first = bms_next_member(a, -1);
  if (first < 0) return BMS_EMPTY_SET;
  return bms_next_member(a, first) < 0 ? BMS_SINGLETON : BMS_MULTIPLE;
}

bool bms_is_empty(const Bitmapset* a) {
  return bms_next_member(a, -1) < 0;
}

Bitmapset* bms_add_member(Bitmapset* a, int x) {
  refuse_negative(x);
  a = grown(a, word_of(x) + 1);
  a->words[word_of(x)] |= bit_of(x);
  return a;
}

Bitmapset* bms_del_member(Bitmapset* a, int x) {
  refuse_negative(x);
  if (word_of(x) < words_of(a)) a->words[word_of(x)] &= ~bit_of(x);
  return a;
}

Bitmapset* bms_add_members(Bitmapset* a, const Bitmapset* b) {
  if (!a) return bms_copy(b);
  a = grown(a, words_of(b));
  for (int i = 0; i < words_of(b); ++i) a->words[i] |= b->words[i];
  return a;
}

Bitmapset* bms_add_range(Bitmapset* a, int lower, int upper) {
  if (upper < lower) return a;
  refuse_negative(lower);
  a = grown(a, word_of(upper) + 1);
  for (int i = word_of(lower); i <= word_of(upper); ++i) {
    bitmapword mask = ~static_cast<bitmapword>(0);
    if (i == word_of(lower)) mask &= ~(bit_of(lower) - 1);
    if (i == word_of(upper)) mask &= (bit_of(upper) - 1) | bit_of(upper);
    a->words[i] |= mask;
  }
  return a;
}

Bitmapset* bms_int_members(Bitmapset* a, const Bitmapset* b) {
  if (a && !b) {
    pfree(a);
    return nullptr;
  }
  for (int i = 0; i < words_of(a); ++i) a->words[i] &= word_at(b, i);
  return a;
}

Bitmapset* bms_del_members(Bitmapset* a, const Bitmapset* b) {
  for (int i = 0; i < words_of(a); ++i) a->words[i] &= ~word_at(b, i);
  return a;
}

// The union; uses up both.
Bitmapset* bms_join(Bitmapset* a, Bitmapset* b) {
  if (!a) return b;
  if (!b || a == b) return a;
  if (a->nwords < b->nwords) {
    Bitmapset* swapped = a;
    a = b;
    b = swapped;
  }
  a = bms_add_members(a, b);
  pfree(b);
  return a;
}

// Takes the smallest member out; -1 if there is none.
int bms_first_member(Bitmapset* a) {
  int first = bms_next_member(a, -1);
  if (first < 0) return -1;
  bms_del_member(a, first);
  return first;
}

// The smallest member beyond prevbit, -2 if there is none. Start with -1.
int bms_next_member(const Bitmapset* a, int prevbit) {
  int from = prevbit + 1;
  for (int i = word_of(from); i < words_of(a); ++i) {
    bitmapword word = a->words[i];
    if (i == word_of(from)) word &= ~(bit_of(from) - 1);
    if (word) return i * kBits + std::countr_zero(word);
  }
  return -2;
}

// The largest member below prevbit, -2 if there is none. Start with -1 for "from the end".
int bms_prev_member(const Bitmapset* a, int prevbit) {
  if (!a || prevbit == 0) return -2;
  int from = prevbit == -1 ? a->nwords * kBits - 1 : prevbit - 1;
  for (int i = Min(word_of(from), a->nwords - 1); i >= 0; --i) {
    bitmapword word = a->words[i];
    if (i == word_of(from)) word &= (bit_of(from) - 1) | bit_of(from);
    if (word) return i * kBits + (kBits - 1 - std::countl_zero(word));
  }
  return -2;
}

// Equal sets have equal values, however long their arrays are.
uint32 bms_hash_value(const Bitmapset* a) {
  int words = words_of(a);
  while (words > 0 && a->words[words - 1] == 0) words--;
  if (words == 0) return 0;
  return DatumGetUInt32(
      hash_any(reinterpret_cast<const unsigned char*>(a->words), words * static_cast<int>(sizeof(bitmapword))));
}

// For hash tables whose key is a pointer to a set.
uint32 bitmap_hash(const void* key, Size keysize) {
  return bms_hash_value(*static_cast<const Bitmapset* const*>(key));
}

int bitmap_match(const void* key1, const void* key2, Size keysize) {
  return !bms_equal(*static_cast<const Bitmapset* const*>(key1), *static_cast<const Bitmapset* const*>(key2));
}

}  // extern "C"
