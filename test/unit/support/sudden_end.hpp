// Ending a worker at a chosen instruction of what it does: the default SIGTERM handler comes there and nowhere
// else.
#pragma once

#include <cstdint>
#include <functional>

namespace bgw_test {

// False where the processor's single steps are not known to these tests.
bool can_single_step();

// What is done again and again, each time by a new child that is ended somewhere else in it.
struct SuddenEnd {
  std::function<void(int round)> before = [](int) {};  // in the child, before the first counted instruction
  std::function<void(int round)> action;               // in the child; what SIGTERM comes into
  std::function<void(int round)> after = [](int) {};   // in the test's own process, when the child is gone
};

// Counts the instructions of `action` once, then lets it be ended at each of them, or at `most_rounds` drawn
// from the seed when there are more (BGW_TEST_ROUNDS, a number, makes it so many times more). Each child must
// have left in order, with exit status 1, or 0 where SIGTERM came too late for it. Reports failures through
// GoogleTest and stops at the first.
void end_everywhere(const SuddenEnd& what, int most_rounds, std::uint64_t seed);

}  // namespace bgw_test
