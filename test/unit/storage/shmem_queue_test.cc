// A queue in shared memory is a ring whose head is no element: it agrees with a list under insertions at any
// place and deletions, and an element knows whether it is in one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <random>
#include <vector>

extern "C" {
#include "postgres.h"
#include "storage/shmem.h"
}

namespace {

struct Element {
  int number;
  SHM_QUEUE links;
};

Element* next(const SHM_QUEUE* queue, const SHM_QUEUE* at) {
  return reinterpret_cast<Element*>(SHMQueueNext(queue, at, offsetof(Element, links)));
}
Element* previous(const SHM_QUEUE* queue, const SHM_QUEUE* at) {
  return reinterpret_cast<Element*>(SHMQueuePrev(queue, at, offsetof(Element, links)));
}

TEST(ShmemQueue, AgreesWithAList) {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(atoi(given)) : std::random_device()();
  SCOPED_TRACE(testing::Message() << "BGW_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  Element elements[20];
  SHM_QUEUE queue;
  SHMQueueInit(&queue);
  EXPECT_TRUE(SHMQueueEmpty(&queue));
  EXPECT_EQ(next(&queue, &queue), nullptr);
  for (int i = 0; i < 20; i++) {
    elements[i].number = i;
    SHMQueueElemInit(&elements[i].links);
    EXPECT_TRUE(SHMQueueIsDetached(&elements[i].links));
  }
  std::vector<int> expected;
  for (int step = 0; step < 2000; step++) {
    int number = static_cast<int>(random() % 20);
    Element* element = &elements[number];
    auto place = std::find(expected.begin(), expected.end(), number);
    ASSERT_EQ(SHMQueueIsDetached(&element->links), place == expected.end());
    if (place != expected.end()) {
      expected.erase(place);
      SHMQueueDelete(&element->links);
    } else {
      size_t at = random() % (expected.size() + 1);  // before this one; the head is behind the last
      SHM_QUEUE* other = at == expected.size() ? &queue : &elements[expected[at]].links;
      if (random() % 2) {
        SHMQueueInsertBefore(other, &element->links);
        expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(at), number);
      } else {
        SHMQueueInsertAfter(other, &element->links);
        size_t behind = at == expected.size() ? 0 : at + 1;
        expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(behind), number);
      }
    }
    std::vector<int> forward, backward;
    for (Element* e = next(&queue, &queue); e != nullptr; e = next(&queue, &e->links))
      forward.push_back(e->number);
    for (Element* e = previous(&queue, &queue); e != nullptr; e = previous(&queue, &e->links))
      backward.push_back(e->number);
    std::reverse(backward.begin(), backward.end());
    ASSERT_EQ(forward, expected);
    ASSERT_EQ(backward, expected);
    ASSERT_EQ(SHMQueueEmpty(&queue), expected.empty());
  }
}

}  // namespace
