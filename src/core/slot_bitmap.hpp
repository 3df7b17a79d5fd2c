// A set of slot numbers in shared memory, in which finding and taking members costs the same however large it
// is.
//
// Three levels of 64-bit words: a bit of a leaf is a slot; a bit of a word above says that the word below it
// may have a bit set. Any process may enter it at any moment, without a lock.
//
// Invariants:
//  1. Whoever sets a leaf's bit sets the bits above it afterwards, from the bottom up; so once add() has
//     returned, a search from the top finds the slot.
//  2. A bit above is cleared before the word below is looked at (take_all) or, when the word below was found
//     empty, is set again if it then is not (remove_hint). A bit set above nothing is harmless; a leaf's bit
//     with nothing above it lasts only until its add() returns.
//  3. Nothing here is trusted: numbers found are below capacity by construction, but may mean nothing.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bgw {

class SlotBitmap {
 public:
  static constexpr int kCapacity = 64 * 64 * 64;

  // Memory for slots 0 to `slots` - 1; zero bytes are the empty set.
  static constexpr std::size_t size_for(int slots) {
    std::size_t leaves = words(static_cast<std::size_t>(slots));
    return (1 + words(leaves) + leaves) * sizeof(Word);
  }

  SlotBitmap() = default;
  // `memory` is zero-filled, aligned for 64-bit words, and size_for(slots) bytes long.
  SlotBitmap(void* memory, int slots)
      : top_(static_cast<Word*>(memory)),
        middle_(top_ + 1),
        leaves_(middle_ + words(words(static_cast<std::size_t>(slots)))),
        slots_(slots) {}

  void add(int slot) {
    auto at = static_cast<std::size_t>(slot);
    leaves_[at >> 6].fetch_or(bit(at), std::memory_order_acq_rel);
    middle_[at >> 12].fetch_or(bit(at >> 6), std::memory_order_acq_rel);
    top_->fetch_or(bit(at >> 12), std::memory_order_acq_rel);
  }

  bool contains(int slot) const {
    auto at = static_cast<std::size_t>(slot);
    return leaves_[at >> 6].load(std::memory_order_acquire) & bit(at);
  }

  // Takes out one slot; false if it was not in.
  bool remove(int slot) {
    auto at = static_cast<std::size_t>(slot);
    std::uint64_t before = leaves_[at >> 6].fetch_and(~bit(at), std::memory_order_acq_rel);
    if ((before & ~bit(at)) == 0) remove_hint(at >> 6);
    return before & bit(at);
  }

  // The lowest member, or -1. One remover at a time; others may add.
  int lowest() {
    for (;;) {
      std::uint64_t tops = top_->load(std::memory_order_acquire) & valid_top();
      if (tops == 0) return -1;
      auto i = static_cast<std::size_t>(std::countr_zero(tops));
      std::uint64_t middles = middle_[i].load(std::memory_order_acquire) & valid_middle(i);
      if (middles == 0) {
        clear_top(i);
        continue;
      }
      std::size_t leaf = i * 64 + static_cast<std::size_t>(std::countr_zero(middles));
      std::uint64_t members = leaves_[leaf].load(std::memory_order_acquire) & valid_leaf(leaf);
      if (members == 0) {
        remove_hint(leaf);
        continue;
      }
      return static_cast<int>(leaf * 64 + static_cast<std::size_t>(std::countr_zero(members)));
    }
  }

  // Takes out every member, lowest first, and calls visit(slot) for each. The cost is that of the members.
  template <class Visit>
  void take_all(Visit visit) {
    std::uint64_t tops = top_->exchange(0, std::memory_order_acq_rel) & valid_top();
    for (; tops; tops &= tops - 1) {
      auto i = static_cast<std::size_t>(std::countr_zero(tops));
      std::uint64_t middles = middle_[i].exchange(0, std::memory_order_acq_rel) & valid_middle(i);
      for (; middles; middles &= middles - 1) {
        std::size_t leaf = i * 64 + static_cast<std::size_t>(std::countr_zero(middles));
        std::uint64_t members = leaves_[leaf].exchange(0, std::memory_order_acq_rel) & valid_leaf(leaf);
        for (; members; members &= members - 1)
          visit(static_cast<int>(leaf * 64 + static_cast<std::size_t>(std::countr_zero(members))));
      }
    }
  }

 private:
  using Word = std::atomic<std::uint64_t>;
  static_assert(Word::is_always_lock_free && sizeof(Word) == 8);

  static constexpr std::size_t words(std::size_t bits) { return (bits + 63) / 64; }
  static constexpr std::uint64_t bit(std::size_t at) { return std::uint64_t{1} << (at & 63); }
  // The bits of word number `word` on a level that has `count` bits in all.
  static constexpr std::uint64_t valid(std::size_t word, std::size_t count) {
    std::size_t left = count - word * 64;
    return left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
  }
  std::uint64_t valid_leaf(std::size_t leaf) const { return valid(leaf, static_cast<std::size_t>(slots_)); }
  std::uint64_t valid_middle(std::size_t i) const { return valid(i, words(static_cast<std::size_t>(slots_))); }
  std::uint64_t valid_top() const { return valid(0, words(words(static_cast<std::size_t>(slots_)))); }

  void clear_top(std::size_t i) {
    top_->fetch_and(~bit(i), std::memory_order_acq_rel);
    if (middle_[i].load(std::memory_order_acquire) & valid_middle(i))
      top_->fetch_or(bit(i), std::memory_order_acq_rel);
  }

  void remove_hint(std::size_t leaf) {
    std::size_t i = leaf >> 6;
    middle_[i].fetch_and(~bit(leaf), std::memory_order_acq_rel);
    if (leaves_[leaf].load(std::memory_order_acquire) & valid_leaf(leaf))
      middle_[i].fetch_or(bit(leaf), std::memory_order_acq_rel);
    else if ((middle_[i].load(std::memory_order_acquire) & valid_middle(i)) == 0)
      clear_top(i);
  }

  Word* top_ = nullptr;
  Word* middle_ = nullptr;
  Word* leaves_ = nullptr;
  int slots_ = 0;
};

}  // namespace bgw
