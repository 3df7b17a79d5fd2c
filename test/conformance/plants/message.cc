// Plants another wording of one message, the refused restart interval, in whatever host preloads this library.
#include <dlfcn.h>
#include <unistd.h>

#include <cstring>
#include <string>

extern "C" ssize_t write(int fd, const void* data, size_t size) {
  static auto* next = reinterpret_cast<ssize_t (*)(int, const void*, size_t)>(dlsym(RTLD_NEXT, "write"));
  constexpr const char* kWord = "invalid restart interval";
  constexpr const char* kOther = "unusual restart interval";
  static_assert(std::char_traits<char>::length(kWord) == std::char_traits<char>::length(kOther));
  if (fd != STDERR_FILENO) return next(fd, data, size);
  std::string text(static_cast<const char*>(data), size);
  for (auto at = text.find(kWord); at != std::string::npos; at = text.find(kWord))
    text.replace(at, std::strlen(kWord), kOther);
  return next(fd, text.data(), text.size());
}
