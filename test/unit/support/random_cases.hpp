// Generated cases for tests beside a server: a source of random texts, and what a C function makes of one case.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "support/beside_server.hpp"
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

namespace bgw_test {

class Random {
 public:
  explicit Random(unsigned seed) : random_(seed) {}
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  const char* one_of(const std::vector<const char*>& all) {
    return all[static_cast<size_t>(below(static_cast<int>(all.size())))];
  }
  std::string pieces(const std::vector<const char*>& all, int most) {
    std::string text;
    for (int i = below(most + 1); i > 0; i--) text += one_of(all);
    return text;
  }

 private:
  std::mt19937 random_;
};

// Runs a function that gives a palloc'd text, or nullptr for NULL. It holds no C++ object when it raises.
template <typename Argument>
Answer answer_of(char* (*function)(Argument*), Argument* argument) {
  struct Frame {
    char* (*function)(Argument*);
    Argument* argument;
    char* text;
  } frame{function, argument, nullptr};
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "case", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(context);
  Caught error = caught(
      [](void* it) {
        Frame* frame = static_cast<Frame*>(it);
        frame->text = frame->function(frame->argument);
      },
      &frame);
  Answer answer = error.raised            ? "error: " + error.sqlstate + ": " + error.message
                  : frame.text == nullptr ? "null"
                                          : std::string("ok: ") + frame.text;
  MemoryContextSwitchTo(before);
  MemoryContextDelete(context);
  return answer;
}

}  // namespace bgw_test
