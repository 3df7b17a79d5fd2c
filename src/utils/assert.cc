// What a module that was built with assertions calls when one fails: the process says so and aborts.
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

extern "C" {
#include "postgres.h"
}

extern "C" {

void ExceptionalCondition(const char* conditionName, const char* errorType, const char* fileName,
                          int lineNumber) {
  write_stderr("TRAP: %s(\"%s\", File: \"%s\", Line: %d, PID: %d)\n", errorType, conditionName, fileName,
               lineNumber, static_cast<int>(getpid()));
  fflush(stderr);
  abort();
}

}  // extern "C"
