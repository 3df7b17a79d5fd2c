// Property: what is put into a table of contents is found by its key in every place the memory is mapped at,
// chunks never overlap, and an estimate is always enough.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "support/caught.hpp"
#include "support/children.hpp"

extern "C" {
#include "postgres.h"
#include "storage/shm_toc.h"
}

using bgw_test::caught;

TEST(ShmToc, EstimatesAreExactlyEnough) {
  std::mt19937_64 random(bgw_test::test_seed());
  for (int round = 0; round < 200; round++) {
    std::vector<Size> sizes(random() % 20 + 1);
    shm_toc_estimator estimator;
    shm_toc_initialize_estimator(&estimator);
    for (Size& size : sizes) {
      size = random() % 3000;
      shm_toc_estimate_chunk(&estimator, size);
    }
    shm_toc_estimate_keys(&estimator, sizes.size());
    const Size total = shm_toc_estimate(&estimator);
    auto* memory = static_cast<char*>(std::aligned_alloc(64, TYPEALIGN(64, total)));
    shm_toc* toc = shm_toc_create(0xABCD, memory, total);
    EXPECT_EQ(shm_toc_attach(0xABCE, memory), nullptr);
    std::vector<char*> chunks;
    for (std::size_t i = 0; i < sizes.size(); i++) {
      chunks.push_back(static_cast<char*>(shm_toc_allocate(toc, sizes[i])));
      EXPECT_EQ(reinterpret_cast<uintptr_t>(chunks[i]) % ALIGNOF_BUFFER, 0u);
      memset(chunks[i], static_cast<int>(i), sizes[i]);
    }
    for (std::size_t i = 0; i < sizes.size(); i++) shm_toc_insert(toc, i * 3, chunks[i]);
    EXPECT_LT(shm_toc_freespace(toc), 64u);

    // The same bytes elsewhere.
    auto* other = static_cast<char*>(std::aligned_alloc(64, TYPEALIGN(64, total)));
    memcpy(other, memory, total);
    shm_toc* attached = shm_toc_attach(0xABCD, other);
    ASSERT_NE(attached, nullptr);
    for (std::size_t i = 0; i < sizes.size(); i++) {
      auto* found = static_cast<char*>(shm_toc_lookup(attached, i * 3, false));
      ASSERT_EQ(found - other, chunks[i] - memory);
      for (Size at = 0; at < sizes[i]; at++) ASSERT_EQ(found[at], static_cast<char>(i));
    }
    std::free(memory);
    std::free(other);
  }
}

TEST(ShmToc, WhatDoesNotFitOrIsNotThereIsRefused) {
  alignas(64) static char memory[1024];
  static shm_toc* toc = shm_toc_create(1, memory, sizeof memory);
  auto full = caught([](void*) {
    for (;;) (void)shm_toc_allocate(toc, 100);
  });
  EXPECT_EQ(full.message, "out of shared memory");
  EXPECT_EQ(full.sqlstate, "53200");
  EXPECT_TRUE(caught([](void*) { (void)shm_toc_allocate(toc, SIZE_MAX - 3); }).raised);
  auto entries = caught([](void*) {
    for (uint64 key = 0;; key++) shm_toc_insert(toc, key, memory + 512);
  });
  EXPECT_EQ(entries.message, "out of shared memory");
  EXPECT_EQ(shm_toc_lookup(toc, 999, true), nullptr);
  auto missing = caught([](void*) { (void)shm_toc_lookup(toc, 999, false); });
  EXPECT_TRUE(missing.message.starts_with("could not find key 999 in shm TOC at ")) << missing.message;
}
