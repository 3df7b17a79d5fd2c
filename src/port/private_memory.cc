// Pools of small blocks, on mappings marked MADV_DONTFORK.
#include "port/private_memory.hpp"

#include <sys/mman.h>

#include <new>

namespace bgw {

namespace {

constexpr std::size_t kFirstMapping = 256 * 1024;  // bytes; each further one is larger

class Mappings : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t) override {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    ::madvise(at, bytes, MADV_DONTFORK);
    return at;
  }
  void do_deallocate(void* at, std::size_t bytes, std::size_t) override { ::munmap(at, bytes); }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

std::pmr::memory_resource& private_memory() {
  // Never destroyed: what lives in it may be used until the very end.
  static auto* mappings = new Mappings;
  static auto* carved = new std::pmr::monotonic_buffer_resource(kFirstMapping, mappings);
  static auto* pools = new std::pmr::unsynchronized_pool_resource(carved);
  return *pools;
}

}  // namespace bgw
