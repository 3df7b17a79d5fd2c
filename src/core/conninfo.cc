// libpq's own parser decides what a connection string is. Called where settings are checked; no exception and
// no object with a destructor, because its caller may be left by a jump.
#include "core/conninfo.hpp"

#include <libpq-fe.h>

#include <cstdio>
#include <cstring>

namespace bgw {

bool conninfo_is_valid(const char* text, char* problem, std::size_t size) noexcept {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(text, &message);
  if (options != nullptr) {
    PQconninfoFree(options);
    return true;
  }
  std::snprintf(problem, size, "%s", message ? message : "out of memory");
  PQfreemem(message);
  std::size_t length = std::strlen(problem);
  while (length > 0 && problem[length - 1] == '\n') problem[--length] = '\0';
  return false;
}

}  // namespace bgw
