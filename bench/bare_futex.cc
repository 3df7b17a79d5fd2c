// The floor of a latch round trip: two processes waking each other through a futex in shared memory, nothing
// else. Prints "bench bare_futex_round_trip VALUE us".
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

struct Shared {
  std::atomic<int> word[2];
};

void wait_for(std::atomic<int>& word) {
  while (word.load(std::memory_order_acquire) == 0)
    ::syscall(SYS_futex, reinterpret_cast<int*>(&word), FUTEX_WAIT, 0, nullptr, nullptr, 0);
  word.store(0, std::memory_order_relaxed);
}

void wake(std::atomic<int>& word) {
  word.store(1, std::memory_order_release);
  ::syscall(SYS_futex, reinterpret_cast<int*>(&word), FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? std::atoi(argv[1]) : 20000;
  auto* shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (shared == MAP_FAILED) return 1;
  pid_t child = ::fork();
  if (child == 0) {
    for (int i = 0; i < rounds; i++) {
      wait_for(shared->word[1]);
      wake(shared->word[0]);
    }
    ::_exit(0);
  }
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; i++) {
    wake(shared->word[1]);
    wait_for(shared->word[0]);
  }
  std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  ::waitpid(child, nullptr, 0);
  std::printf("bench bare_futex_round_trip %.3f us\n", elapsed.count() / rounds);
  return 0;
}
