// random() and its kin, seeded in each process as the server's processes are, but when the first number is drawn.
//
// The C library's generator would otherwise go on in each process from where the postmaster had it, and all would draw the
// same. To seed it at every start would cost each process the copy of two pages for numbers that few ever draw. The
// program's functions of these names stand before the C library's for every library in the process, and call those.
#include <dlfcn.h>
#include <sys/random.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
}

namespace {

template <class Function>
Function* of_the_c_library(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

struct Generator {
  decltype(::random)* random = of_the_c_library<decltype(::random)>("random");
  decltype(::rand)* rand = of_the_c_library<decltype(::rand)>("rand");
  decltype(::srandom)* srandom = of_the_c_library<decltype(::srandom)>("srandom");
  decltype(::initstate)* initstate = of_the_c_library<decltype(::initstate)>("initstate");
  decltype(::setstate)* setstate = of_the_c_library<decltype(::setstate)>("setstate");
};

const Generator& generator() {
  static const Generator found;
  return found;
}
// Looked up in the postmaster already, so that no process has to.
[[maybe_unused]] const Generator& looked_up = generator();

int seeded_for = 0;  // the MyProcPid of the process that last did

void seed_once() {
  if (seeded_for == MyProcPid) return;
  seeded_for = MyProcPid;
  unsigned seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != static_cast<ssize_t>(sizeof seed))
    seed = static_cast<unsigned>(MyProcPid) ^ static_cast<unsigned>(time(nullptr));
  generator().srandom(seed);
}

}  // namespace

extern "C" {

long random() noexcept {
  seed_once();
  return generator().random();
}

int rand() noexcept {
  seed_once();
  return generator().rand();
}

void srandom(unsigned seed) noexcept {
  seeded_for = MyProcPid;
  generator().srandom(seed);
}

void srand(unsigned seed) noexcept { srandom(seed); }

char* initstate(unsigned seed, char* state, size_t size) noexcept {
  seed_once();  // what is left behind may be come back to
  return generator().initstate(seed, state, size);
}

char* setstate(char* state) noexcept {
  seed_once();
  return generator().setstate(state);
}

}  // extern "C"
