// The unit tests' main function: brings up the parts of the host that every process of it has before any
// module code runs, then runs the tests. The process plays the postmaster; tests that need a child fork one.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

namespace {

// A suite that cannot be set up fails. Googletest would go on to say that its tests were skipped, and that is what CTest
// would read.
class SetUpFailures : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.fatally_failed() || ::testing::UnitTest::GetInstance()->current_test_info() != nullptr) return;
    fprintf(stderr, "%s:%d: a test suite cannot be set up: %s\n", result.file_name(), result.line_number(),
                 result.message());
    std::_Exit(EXIT_FAILURE);
  }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new SetUpFailures);
  MemoryContextInit();
  return RUN_ALL_TESTS();
}
