// libpq's own parser decides what a connection string is. Called where settings are checked; no exception and
// no object with a destructor, because its caller may be left by a jump.
#include "core/conninfo.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "core/libpq.hpp"

namespace bgw {

namespace {

bool parse(const char* text, char* problem, std::size_t size) noexcept {
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

// The child's answer: its exit status, 0 for valid, and what it wrote.
bool parse_in_child(const char* text, char* problem, std::size_t size) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return parse(text, problem, size);
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) {
    char reason[1024] = "";
    bool valid = parse(text, reason, sizeof reason);
    [[maybe_unused]] ssize_t written = ::write(ends[1], reason, std::strlen(reason));
    ::_exit(valid ? 0 : 1);
  }
  ::close(ends[1]);
  std::size_t length = 0;
  while (pid > 0 && length + 1 < size) {
    ssize_t got = ::read(ends[0], problem + length, size - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
  }
  problem[length] = '\0';
  ::close(ends[0]);
  if (pid < 0) return parse(text, problem, size);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0 && length == 0) std::snprintf(problem, size, "it could not be read");
  return status == 0;
}

}  // namespace

bool conninfo_is_valid(const char* text, char* problem, std::size_t size) noexcept {
  if (*text == '\0') return true;
  return libpq_is_loaded() ? parse(text, problem, size) : parse_in_child(text, problem, size);
}

void conninfo_database(const char* text, char* database, std::size_t size) noexcept {
  std::snprintf(database, size, "postgres");
  PQconninfoOption* options = PQconninfoParse(text, nullptr);
  for (const char* keyword : {"user", "dbname"})
    for (PQconninfoOption* option = options; option != nullptr && option->keyword != nullptr; option++)
      if (std::strcmp(option->keyword, keyword) == 0 && option->val != nullptr && option->val[0] != '\0')
        std::snprintf(database, size, "%s", option->val);
  PQconninfoFree(options);
}

}  // namespace bgw
