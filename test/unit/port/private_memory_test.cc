// Private memory is there, is used again, and is not there in a child.
#include "port/private_memory.hpp"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <list>

namespace {

TEST(PrivateMemory, IsNotInAChild) {
  auto& memory = bgw::private_memory();
  auto* bytes = static_cast<char*>(memory.allocate(3 * 4096));
  std::memset(bytes, 7, 3 * 4096);
  pid_t pid = fork();
  if (pid == 0) {
    auto page = reinterpret_cast<std::uintptr_t>(bytes) & ~std::uintptr_t{4095};
    unsigned char resident;
    _exit(mincore(reinterpret_cast<void*>(page), 4096, &resident) == -1 && errno == ENOMEM ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(bytes[3 * 4096 - 1], 7);
  memory.deallocate(bytes, 3 * 4096);
}

TEST(PrivateMemory, IsUsedAgain) {
  std::pmr::list<std::uint64_t> numbers(&bgw::private_memory());
  for (int i = 0; i < 1000; i++) numbers.push_back(1);
  std::uint64_t* one = &numbers.back();
  numbers.pop_back();
  numbers.push_back(2);
  EXPECT_EQ(one, &numbers.back());
}

}  // namespace
