// Copying and clearing a few hundred bytes without the C library's functions for it.
//
// For what every process does when it starts: each of those functions is on a page of its own, which a new process would
// come to for this alone. The compiler would make a call to them of a plain loop.
#pragma once

#include <cstddef>
#include <cstring>

namespace bgw {

// `size` in bytes; the two must not overlap.
inline void copy_in_place(void* to, const void* from, std::size_t size) noexcept {
#if defined(__x86_64__)
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
  std::memcpy(to, from, size);
#endif
}

// `size` in bytes.
inline void clear_in_place(void* at, std::size_t size) noexcept {
#if defined(__x86_64__)
  asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(0) : "memory");
#else
  std::memset(at, 0, size);
#endif
}

}  // namespace bgw
