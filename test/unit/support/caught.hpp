// Calling something that may raise an ERROR, from a test full of C++ objects.
#pragma once

#include <string>

namespace bgw_test {

struct Caught {
  bool raised = false;
  int elevel = 0;
  std::string sqlstate;  // five characters
  std::string message, detail, hint, context;
};

// Runs function(argument); an ERROR is caught, copied and flushed. The function must hold no C++ object with a
// destructor when it raises.
Caught caught(void (*function)(void*), void* argument = nullptr);

}  // namespace bgw_test
