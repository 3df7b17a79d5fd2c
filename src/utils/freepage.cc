// Runs of free pages in a piece of memory (utils/freepage.h), kept in the free pages themselves.
//
// Mechanism: a treap - a search tree by page number that is a heap by a priority hashed from that number -
// whose nodes lie in the first bytes of each run. A node knows the longest run below it, so the lowest run that
// is long enough is found by walking down once, and the longest of all is the root's answer.
//
// Invariants:
//  1. Runs do not touch: a run that is put back is joined with its neighbours.
//  2. Of a free page only the first bytes of a run's first page mean anything; the rest may be given to the
//  system
//     and read as zeros.
//  3. A node's `longest` is the maximum of its own and its children's lengths. `contiguous_pages` is the
//  root's.
//  4. Nodes point to each other by page number plus one, because every process may have the memory elsewhere;
//  the
//     server's own fields for its B-tree are used as far as they fit: btree_root names the root, btree_depth is
//     not used, singleton_* and the lists stay empty.
// The caller serialises all calls.
#include "utils/freepage_runs.hpp"

#include <algorithm>

extern "C" {
#include "lib/stringinfo.h"
#include "utils/memutils.h"
}

// A run's first bytes.
struct FreePageBtree {
  uint64 pages;
  uint64 longest;  // of this run and all below
  uint64 left;     // page number plus one, 0 for none
  uint64 right;
};

static_assert(sizeof(FreePageBtree) <= bgw::free_run_head);

namespace {

using Run = FreePageBtree;

char* base_of(FreePageManager* fpm) {
  return fpm_segment_base(fpm);
}

Run* node_at(char* base, uint64 link) {
  return link == 0 ? nullptr : reinterpret_cast<Run*>(base + FPM_PAGE_SIZE * (link - 1));
}

// Pages have no room for chance: a mix of the number's bits serves as well.
uint64 priority(uint64 link) {
  uint64 x = link * 0x9E3779B97F4A7C15ULL;
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93ULL;
  return x ^ x >> 32;
}

void update(char* base, Run* node) {
  uint64 longest = node->pages;
  if (Run* left = node_at(base, node->left)) longest = std::max(longest, left->longest);
  if (Run* right = node_at(base, node->right)) longest = std::max(longest, right->longest);
  node->longest = longest;
}

// Everything below `link` in two trees: runs before `at`, and the others.
void split(char* base, uint64 link, uint64 at, uint64* before, uint64* after) {
  Run* node = node_at(base, link);
  if (!node) {
    *before = *after = 0;
  } else if (link < at) {
    split(base, node->right, at, &node->right, after);
    *before = link;
    update(base, node);
  } else {
    split(base, node->left, at, before, &node->left);
    *after = link;
    update(base, node);
  }
}

// One tree of two, all of whose runs are in this order.
uint64 join(char* base, uint64 before, uint64 after) {
  if (before == 0 || after == 0) return before | after;
  if (priority(before) > priority(after)) {
    Run* node = node_at(base, before);
    node->right = join(base, node->right, after);
    update(base, node);
    return before;
  }
  Run* node = node_at(base, after);
  node->left = join(base, before, node->left);
  update(base, node);
  return after;
}

uint64 last_of(char* base, uint64 link) {
  for (Run* node; (node = node_at(base, link)) && node->right;) link = node->right;
  return link;
}
uint64 first_of(char* base, uint64 link) {
  for (Run* node; (node = node_at(base, link)) && node->left;) link = node->left;
  return link;
}

uint64 new_node(char* base, uint64 link, uint64 pages) {
  *node_at(base, link) = {pages, pages, 0, 0};
  return link;
}

// The root is found, and stored, as a relative pointer to its node.
uint64 root_of(FreePageManager* fpm) {
  return relptr_is_null(fpm->btree_root) ? 0 : relptr_offset(fpm->btree_root) / FPM_PAGE_SIZE + 1;
}
void set_root(FreePageManager* fpm, uint64 link) {
  char* base = base_of(fpm);
  Run* node = node_at(base, link);
  fpm->btree_root.relptr_off = node ? relptr_store_eval(base, reinterpret_cast<char*>(node)) : 0;
  fpm->contiguous_pages = node ? node->longest : 0;
}

void visit_below(char* base, uint64 link, bgw::FreeRunVisitor visitor, void* argument) {
  Run* node = node_at(base, link);
  if (!node) return;
  visit_below(base, node->left, visitor, argument);
  visitor(link - 1, node->pages, argument);
  visit_below(base, node->right, visitor, argument);
}

}  // namespace

namespace bgw {

void visit_free_runs(FreePageManager* fpm, FreeRunVisitor visitor, void* argument) {
  visit_below(base_of(fpm), root_of(fpm), visitor, argument);
}

void take_free_run(FreePageManager* fpm, Size first_page) {
  char* base = base_of(fpm);
  uint64 before, rest, found, after;
  split(base, root_of(fpm), first_page + 1, &before, &rest);
  split(base, rest, first_page + 2, &found, &after);
  Assert(found == first_page + 1);
  set_root(fpm, join(base, before, after));
}

}  // namespace bgw

extern "C" {

void FreePageManagerInitialize(FreePageManager* fpm, char* base) {
  memset(static_cast<void*>(fpm), 0, sizeof *fpm);
  fpm->self.relptr_off = relptr_store_eval(base, reinterpret_cast<char*>(fpm));
}

// The lowest run that is long enough gives its first pages.
bool FreePageManagerGet(FreePageManager* fpm, Size npages, Size* first_page) {
  char* base = base_of(fpm);
  uint64 link = root_of(fpm);
  Run* node = node_at(base, link);
  if (!node || npages == 0 || node->longest < npages) return false;
  for (;;) {
    Run* left = node_at(base, node->left);
    if (left && left->longest >= npages)
      link = node->left;
    else if (node->pages >= npages)
      break;
    else
      link = node->right;
    node = node_at(base, link);
  }
  const uint64 pages = node->pages;
  uint64 before, rest, found, after;
  split(base, root_of(fpm), link, &before, &rest);
  split(base, rest, link + 1, &found, &after);
  Assert(found == link);
  if (pages > npages) after = join(base, new_node(base, link + npages, pages - npages), after);
  set_root(fpm, join(base, before, after));
  *first_page = link - 1;
  return true;
}

void FreePageManagerPut(FreePageManager* fpm, Size first_page, Size npages) {
  if (npages == 0) return;
  char* base = base_of(fpm);
  uint64 link = first_page + 1;
  uint64 before, after, neighbour;
  split(base, root_of(fpm), link, &before, &after);
  const uint64 lower = last_of(base, before);
  if (lower && lower + node_at(base, lower)->pages == link) {
    npages += node_at(base, lower)->pages;
    link = lower;
    split(base, before, lower, &before, &neighbour);
  }
  const uint64 upper = first_of(base, after);
  if (upper && link + npages == upper) {
    npages += node_at(base, upper)->pages;
    split(base, after, upper + 1, &neighbour, &after);
  }
  set_root(fpm, join(base, join(base, before, new_node(base, link, npages)), after));
}

// The runs in words, palloc'd.
char* FreePageManagerDump(FreePageManager* fpm) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "longest run: %zu pages\n", static_cast<Size>(fpm->contiguous_pages));
  bgw::visit_free_runs(
      fpm,
      [](Size first, Size pages, void* argument) {
        appendStringInfo(static_cast<StringInfo>(argument), "pages %zu to %zu: %zu\n", first, first + pages - 1,
                         pages);
      },
      &text);
  return text.data;
}

}  // extern "C"
