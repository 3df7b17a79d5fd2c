// libFuzzer's entry to the readers: build/fuzz/bin/readers_fuzz test/fuzz/corpus -max_total_time=60
extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

#include "fuzz/readers.hpp"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  MemoryContextInit();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz_reader(data, size);
  return 0;
}
