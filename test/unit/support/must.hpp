// A condition that a child of a test insists on: when it does not hold, the child says where and ends with
// status 9.
#pragma once

#include <unistd.h>

#include <cstdio>

#define MUST(condition)                                                       \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      _exit(9);                                                               \
    }                                                                         \
  } while (0)
