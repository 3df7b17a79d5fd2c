// Loading libpq: see libpq.hpp. The library stays loaded until the process ends.
#include "core/libpq.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>

namespace bgw {

namespace {

void* library = nullptr;

[[noreturn]] void cannot_load() noexcept {
  const char* reason = dlerror();
  std::fprintf(stderr, "bgworkerd: could not load libpq: %s\n", reason ? reason : "unknown reason");
  std::fprintf(stderr, "bgworkerd: install PostgreSQL's client library (Debian package libpq5)\n");
  std::fflush(stderr);
  ::_exit(1);
}

}  // namespace

void load_libpq() noexcept {
  if (library != nullptr) return;
  // Global, as if the program were linked with it: a module may call libpq without naming it as its own
  // library.
  void* handle = dlopen(BGW_LIBPQ_SONAME, RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr) cannot_load();
#define BGW_FIND_LIBPQ_FUNCTION(name)                                              \
  name.address_ = reinterpret_cast<decltype(name.address_)>(dlsym(handle, #name)); \
  if (name.address_ == nullptr) cannot_load();
  BGW_LIBPQ_FUNCTIONS(BGW_FIND_LIBPQ_FUNCTION)
#undef BGW_FIND_LIBPQ_FUNCTION
  library = handle;
}

bool libpq_is_loaded() noexcept {
  return library != nullptr;
}

}  // namespace bgw
