// Forks and waits. The child's part runs the server's own steps in the server's order.
#include "support/children.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>

#include "port/process.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/memutils.h"
}

namespace bgw_test {

namespace {

std::map<pid_t, int>& slots() {
  static auto* map = new std::map<pid_t, int>;  // outlives every exit handler
  return *map;
}

void call(void* main) {
  (*static_cast<const std::function<void()>*>(main))();
}

}  // namespace

void become_postmaster() {
  static bool done = false;
  if (done) return;
  done = true;
  IsPostmasterEnvironment = true;
  InitStandaloneProcess("unit_tests");
  PostmasterPid = MyProcPid;
  MaxConnections = 20;
  InitializeMaxBackends();
  CreateSharedMemoryAndSemaphores();
}

pid_t start_child(const std::function<void()>& main) {
  become_postmaster();
  std::fflush(nullptr);
  const int slot = AssignPostmasterChildSlot();
  const pid_t pid = fork();
  if (pid < 0) std::abort();
  if (pid > 0) {
    slots()[pid] = slot;
    return pid;
  }
  MyPMChildSlot = slot;
  IsBackgroundWorker = true;
  MyBackendType = B_BG_WORKER;
  InitPostmasterChild();
  InitProcess();
  call(const_cast<std::function<void()>*>(&main));
  proc_exit(0);
}

bool Ended::exited_with(int code) const {
  return in_time && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool Ended::killed_by(int signal_number) const {
  return in_time && WIFSIGNALED(status) && WTERMSIG(status) == signal_number;
}

Ended wait_for_child(pid_t pid, double seconds) {
  Ended ended;
  auto descriptor = bgw::pidfd_open(pid);
  pollfd entry = {.fd = descriptor ? descriptor->get() : -1, .events = POLLIN, .revents = 0};
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    if (poll(&entry, 1, static_cast<int>(left.count())) > 0) {
      ended.in_time = true;
      break;
    }
  }
  if (!ended.in_time) kill(pid, SIGKILL);
  while (waitpid(pid, &ended.status, 0) < 0 && errno == EINTR) {
  }
  auto slot = slots().find(pid);
  if (slot != slots().end()) {
    ended.clean = ReleasePostmasterChildSlot(slot->second);
    slots().erase(slot);
  }
  return ended;
}

void* shared_bytes(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

struct SharedLog::Page {
  std::atomic<std::size_t> used;
  char text[65536];
};

SharedLog::SharedLog() : page_(shared_value<Page>()) {}

void SharedLog::add(const std::string& line) {
  const std::string entry = line + "|";
  std::size_t at = page_->used.fetch_add(entry.size());
  if (at + entry.size() < sizeof page_->text) std::memcpy(page_->text + at, entry.data(), entry.size());
}

std::string SharedLog::text() const {
  std::string text(page_->text, page_->used.load());
  if (!text.empty()) text.pop_back();
  return text;
}

bool becomes_true(const std::function<bool()>& condition, double seconds) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return condition();
    timespec pause = {.tv_sec = 0, .tv_nsec = 1'000'000};
    nanosleep(&pause, nullptr);
  }
  return true;
}

std::uint64_t test_seed() {
  std::uint64_t seed = static_cast<std::uint64_t>(std::time(nullptr));
  if (const char* given = std::getenv("BGW_TEST_SEED")) seed = std::strtoull(given, nullptr, 10);
  printf("seed %llu (BGW_TEST_SEED sets it)\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace bgw_test
