// The unit tests' main function: brings up the parts of the host that every process of it has before any
// module code runs, then runs the tests. The process plays the postmaster; tests that need a child fork one.
#include <gtest/gtest.h>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  MemoryContextInit();
  return RUN_ALL_TESTS();
}
