// Memory contexts give, resize and take back memory without ever mixing two chunks up; resetting and deleting
// runs callbacks once, in the server's order, from the leaves up; requests that cannot be met are the
// server's errors.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

namespace {

class MemutilsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = CurrentMemoryContext;
    context_ = AllocSetContextCreate(TopMemoryContext, "test", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(context_);
  }
  void TearDown() override {
    MemoryContextSwitchTo(before_);
    MemoryContextDelete(context_);
  }
  MemoryContext context_ = nullptr;
  MemoryContext before_ = nullptr;
};

using bgw_test::Caught;
using bgw_test::caught;

TEST_F(MemutilsTest, RandomUseNeverMixesChunksUp) {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(atoi(given)) : std::random_device()();
  SCOPED_TRACE(testing::Message() << "BGW_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  struct Item {
    unsigned char* data;
    size_t size;
    unsigned char fill;
  };
  std::vector<Item> items;
  MemoryContext contexts[3] = {context_, AllocSetContextCreate(context_, "small", ALLOCSET_SMALL_SIZES),
                               GenerationContextCreate(context_, "generation", 0, 1024, 64 * 1024)};
  auto check = [](const Item& item, size_t upto) {
    for (size_t i = 0; i < upto; ++i)
      if (item.data[i] != item.fill) return false;
    return true;
  };
  auto pick_size = [&] {
    switch (random() % 10) {
      case 0:
        return static_cast<size_t>(random() % 100000);
      case 1:
        return static_cast<size_t>(8180 + random() % 30);
      default:
        return static_cast<size_t>(random() % 700);
    }
  };
  for (int step = 0; step < 40000; ++step) {
    unsigned action = random() % 8;
    if (items.empty() || action < 4) {
      Item item;
      item.size = pick_size();
      item.fill = static_cast<unsigned char>(random());
      MemoryContext in = contexts[random() % 3];
      item.data = static_cast<unsigned char*>(MemoryContextAlloc(in, item.size));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(item.data) % 16, 0u);
      ASSERT_EQ(GetMemoryChunkContext(item.data), in);
      ASSERT_TRUE(MemoryContextContains(in, item.data));
      ASSERT_GE(GetMemoryChunkSpace(item.data), item.size);
      memset(item.data, item.fill, item.size);
      items.push_back(item);
      continue;
    }
    size_t at = random() % items.size();
    Item& item = items[at];
    ASSERT_TRUE(check(item, item.size)) << "at step " << step;
    if (action < 6) {
      size_t size = pick_size();
      item.data = static_cast<unsigned char*>(repalloc(item.data, size));
      ASSERT_TRUE(check(item, std::min(size, item.size))) << "after repalloc at step " << step;
      item.size = size;
      memset(item.data, item.fill, size);
    } else {
      pfree(item.data);
      items[at] = items.back();
      items.pop_back();
    }
  }
  for (const Item& item : items) ASSERT_TRUE(check(item, item.size));
}

TEST_F(MemutilsTest, FreedMemoryIsUsedAgainAndResetGivesBack) {
  Size start = MemoryContextMemAllocated(context_, false);
  for (int round = 0; round < 1000; ++round) {
    void* a = palloc(300);
    void* b = palloc(100000);
    pfree(a);
    pfree(b);
  }
  EXPECT_EQ(MemoryContextMemAllocated(context_, false), start);
  for (int i = 0; i < 10000; ++i) palloc(1000);
  EXPECT_GT(MemoryContextMemAllocated(context_, false), 10000u * 1000);
  EXPECT_FALSE(MemoryContextIsEmpty(context_));
  MemoryContextReset(context_);
  EXPECT_EQ(MemoryContextMemAllocated(context_, false), start);
  EXPECT_TRUE(MemoryContextIsEmpty(context_));
}

TEST_F(MemutilsTest, AStringThatGrowsStaysWhereItIsWhenItCan) {
  char* text = static_cast<char*>(palloc(64));
  char* grown = static_cast<char*>(repalloc(text, 4000));
  EXPECT_EQ(text, grown);
}

TEST_F(MemutilsTest, ZeroedAndDuplicated) {
  char* dirty = static_cast<char*>(palloc(500));
  memset(dirty, 'x', 500);
  pfree(dirty);
  char* clean = static_cast<char*>(palloc0(500));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(clean[i], 0);
  EXPECT_STREQ(pstrdup("abc"), "abc");
  EXPECT_STREQ(pnstrdup("abcdef", 3), "abc");
  EXPECT_STREQ(pnstrdup("ab", 30), "ab");
  EXPECT_STREQ(pchomp("line\n\n"), "line");
  EXPECT_STREQ(pchomp("\n"), "");
  EXPECT_EQ(palloc_extended(static_cast<Size>(1) << 46, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM), nullptr);
}

std::string calls;
void note(void* arg) {
  calls += static_cast<const char*>(arg);
}
MemoryContextCallback* callback(MemoryContext in, const char* name) {
  auto* cb = static_cast<MemoryContextCallback*>(MemoryContextAlloc(in, sizeof(MemoryContextCallback)));
  cb->func = note;
  cb->arg = const_cast<char*>(name);
  MemoryContextRegisterResetCallback(in, cb);
  return cb;
}

TEST_F(MemutilsTest, CallbacksRunOnceLastFirstAndLeavesFirst) {
  MemoryContext parent = AllocSetContextCreate(context_, "parent", ALLOCSET_SMALL_SIZES);
  MemoryContext child = AllocSetContextCreate(parent, "child", ALLOCSET_SMALL_SIZES);
  MemoryContext leaf = AllocSetContextCreate(child, "leaf", ALLOCSET_SMALL_SIZES);
  callback(parent, "1");
  callback(parent, "2");
  callback(child, "3");
  callback(leaf, "4");
  calls.clear();
  MemoryContextResetChildren(parent);
  EXPECT_EQ(calls, "43");
  callback(leaf, "5");
  callback(child, "6");
  calls.clear();
  MemoryContextReset(parent);
  EXPECT_EQ(calls, "5621");
  EXPECT_EQ(parent->firstchild, nullptr);
  calls.clear();
  MemoryContextReset(parent);
  EXPECT_EQ(calls, "");
  MemoryContextDelete(parent);
}

TEST_F(MemutilsTest, TheTreeCanBeMovedAboutAndDeletedWhenDeep) {
  MemoryContext a = AllocSetContextCreate(context_, "a", ALLOCSET_SMALL_SIZES);
  MemoryContext b = AllocSetContextCreate(context_, "b", ALLOCSET_SMALL_SIZES);
  MemoryContext c = AllocSetContextCreate(a, "c", ALLOCSET_SMALL_SIZES);
  EXPECT_EQ(MemoryContextGetParent(c), a);
  MemoryContextSetParent(c, b);
  EXPECT_EQ(a->firstchild, nullptr);
  EXPECT_EQ(b->firstchild, c);
  Size all = MemoryContextMemAllocated(context_, true);
  MemoryContextDelete(a);
  EXPECT_LT(MemoryContextMemAllocated(context_, true), all);
  MemoryContext at = c;
  for (int depth = 0; depth < 20000; ++depth) at = AllocSetContextCreate(at, "deep", ALLOCSET_SMALL_SIZES);
  MemoryContextDeleteChildren(context_);
  EXPECT_EQ(context_->firstchild, nullptr);
}

TEST_F(MemutilsTest, RequestsThatCannotBeMetAreTheServersErrors) {
  Caught error = caught([](void*) { palloc(static_cast<Size>(1) << 30); });
  EXPECT_TRUE(error.raised);
  EXPECT_EQ(error.message, "invalid memory alloc request size 1073741824");
  EXPECT_EQ(error.sqlstate, "XX000");

  error = caught([](void*) { mul_size(SIZE_MAX, 2); });
  EXPECT_EQ(error.message, "invalid memory allocation request size 18446744073709551615 * 2");
  EXPECT_EQ(error.sqlstate, "54000");

  testing::internal::CaptureStderr();
  error = caught([](void*) { MemoryContextAllocHuge(CurrentMemoryContext, static_cast<Size>(1) << 46); });
  std::string report = testing::internal::GetCapturedStderr();
  EXPECT_EQ(error.message, "out of memory");
  EXPECT_EQ(error.sqlstate, "53200");
  EXPECT_EQ(error.detail, "Failed on request of size 70368744177664 in memory context \"test\".");
  EXPECT_NE(report.find("TopMemoryContext: "), std::string::npos);
  // The youngest child comes first; the oldest may be beyond the hundred that are shown.
  EXPECT_NE(report.find("\n  test: 8192 total in 1 blocks; "), std::string::npos) << report;
  EXPECT_NE(report.find("Grand total: "), std::string::npos);
}

TEST_F(MemutilsTest, FreeingTwiceIsAnErrorNotCorruption) {
  void* pointer = palloc(40);
  pfree(pointer);
  Caught error = caught([](void* arg) { pfree(arg); }, pointer);
  EXPECT_TRUE(error.raised);
}

TEST_F(MemutilsTest, SlabsGiveOneSizeOnly) {
  MemoryContext slab = SlabContextCreate(context_, "slab", SLAB_DEFAULT_BLOCK_SIZE, 72);
  EXPECT_TRUE(IsA(slab, SlabContext));
  for (int i = 0; i < 1000; ++i) memset(MemoryContextAlloc(slab, 72), i, 72);
  Caught error = caught([](void* in) { MemoryContextAlloc(static_cast<MemoryContext>(in), 80); }, slab);
  EXPECT_EQ(error.message, "unexpected alloc chunk size 80 (expected 72)");
}

TEST_F(MemutilsTest, ASmallContextIsOneAllocationOfTheSizeAskedFor) {
  MemoryContext small = AllocSetContextCreate(context_, "small", ALLOCSET_SMALL_SIZES);
  EXPECT_EQ(MemoryContextMemAllocated(small, false), 1024u);
  EXPECT_TRUE(MemoryContextIsEmpty(small));
  MemoryContextSetIdentifier(small, "x");
  EXPECT_STREQ(small->ident, "x");
}

}  // namespace
