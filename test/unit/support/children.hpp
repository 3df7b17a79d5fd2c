// Children for the tests: real processes, forked and set up as the postmaster sets up its workers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>

namespace bgw_test {

// Makes the test process a postmaster: its identity, masks, latch and shared memory. Does nothing the second
// time.
void become_postmaster();

// Starts a child with a slot, a PGPROC and its signals blocked, as a worker finds itself; it runs `main` and
// leaves with proc_exit(0). `main` may raise: uncaught, that ends the child with status 1.
pid_t start_child(const std::function<void()>& main);

struct Ended {
  bool in_time = false;  // false: had to be killed
  int status = 0;        // as of waitpid()
  bool clean = false;    // its slot said that it left in order

  bool exited_with(int code) const;
  bool killed_by(int signal_number) const;
};

// Waits for the child, at most `seconds`; a child that is late is killed.
Ended wait_for_child(pid_t pid, double seconds = 60);

inline Ended run_child(const std::function<void()>& main) {
  return wait_for_child(start_child(main));
}

// Memory that the test and its children share, zero at first. Lives until the process ends.
void* shared_bytes(std::size_t size);
template <class T>
T* shared_value() {
  return static_cast<T*>(shared_bytes(sizeof(T)));
}

// A log that several processes write lines to and the test reads.
class SharedLog {
 public:
  SharedLog();
  void add(const std::string& line);
  std::string text() const;  // lines joined by '|'

 private:
  struct Page;
  Page* page_;
};

// Looks every millisecond until the condition holds; false after `seconds`.
bool becomes_true(const std::function<bool()>& condition, double seconds = 60);

// The seed of a random test: BGW_TEST_SEED, or the clock. Printed.
std::uint64_t test_seed();

}  // namespace bgw_test
