// Files that others read: one that is replaced, for the node-exporter's text collector, and ones that grow.
#include "stats_exporter.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stats_exporter {

void write_text_file(const std::string& path, const std::string& content) {
  replace_file(path, content, 0644);
}

void append_to_file(const std::string& path, std::string_view content, std::string_view head,
                    std::int64_t rotate_bytes) {
  const auto fail = [&](const char* doing) {
    const int code = errno;
    throw bgworker::error("58030",
                          bgworker::format("could not {} file \"{}\": {}", doing, path, std::strerror(code)));
  };
  const auto open = [&] {
    descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (file.get() < 0) fail("open");
    return file;
  };
  descriptor file = open();
  struct stat now;
  if (::fstat(file.get(), &now) != 0) fail("examine");
  if (now.st_size > 0 && now.st_size + static_cast<std::int64_t>(content.size()) > rotate_bytes) {
    if (::rename(path.c_str(), (path + ".old").c_str()) != 0) fail("rename");
    file = open();
    now.st_size = 0;
  }
  if (now.st_size > 0 && content.starts_with(head)) content.remove_prefix(head.size());
  const off_t before = now.st_size;
  while (!content.empty()) {
    const ssize_t n = ::write(file.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int code = errno;
      (void)!::ftruncate(file.get(), before);  // no half of a line stays
      errno = code;
      fail("write");
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace stats_exporter
