// Copy, map anew, copy back. In between the variables are all zero: no signal may come, and nothing is called that has any.
#include "port/joined_data.hpp"

#include <sys/mman.h>

#include <csignal>

#include "port/program_parts.hpp"
#include "port/small_copies.hpp"
#include "port/system_call.hpp"

namespace bgw {

namespace {

ProgramPart joined;

// On x86-64 no function of the C library is called, and no variable looked at, before the content is back.
[[gnu::noinline]] bool replace(char* data, std::size_t size, char* copy) noexcept {
  copy_in_place(copy, data, size);
  const long got = system_call(SYS_mmap, address(data), static_cast<long>(size), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (got != address(data)) return false;
  copy_in_place(data, copy, size);
  return true;
}

}  // namespace

bool join_program_data() noexcept {
#if defined(__x86_64__)
  const ProgramPart data = program_initialised_data();
  if (data.size == 0) return false;
  void* copy = ::mmap(nullptr, data.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) return false;
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const bool done = replace(data.start, data.size, static_cast<char*>(copy));
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::munmap(copy, data.size);
  if (done) joined = data;
  return done;
#else
  return false;
#endif
}

bool in_joined_data(const void* variable) noexcept {
  const char* at = static_cast<const char*>(variable);
  return at >= joined.start && at < joined.start + joined.size;
}

}  // namespace bgw
