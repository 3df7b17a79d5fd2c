// Reads /proc. The proportional share of memory (PSS) is told to the process's user and root only, and by
// kernels built for it; without it what is resident has to do, which counts shared memory once per process.
#include "process_usage.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "port/fd.hpp"

namespace bgworkerctl {

namespace {

// The whole file; empty when it cannot be read.
std::string contents(pid_t pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  bgw::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  while (fd) {
    const ssize_t got = read(fd.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return "";
    if (got == 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

// The times stand in the 14th and 15th field; the second one, the name, may hold blanks and brackets.
std::optional<double> cpu_seconds(const std::string& stat) {
  const std::size_t end_of_name = stat.rfind(')');
  if (end_of_name == std::string::npos) return {};
  unsigned long user = 0, system = 0;
  if (std::sscanf(stat.c_str() + end_of_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                  &system) != 2)
    return {};
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessUsage usage_of(pid_t pid) {
  ProcessUsage usage;
  if (pid <= 0) return usage;
  usage.cpu_seconds = cpu_seconds(contents(pid, "stat"));
  const std::string rollup = contents(pid, "smaps_rollup");
  if (const std::size_t found = rollup.find("\nPss:"); found != std::string::npos) {
    usage.memory = std::strtoull(rollup.c_str() + found + 5, nullptr, 10) * 1024;
  } else {
    unsigned long total = 0, resident = 0;
    if (std::sscanf(contents(pid, "statm").c_str(), "%lu %lu", &total, &resident) == 2) {
      usage.memory = static_cast<std::uint64_t>(resident) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
      usage.shared_counted_whole = true;
    }
  }
  return usage;
}

}  // namespace bgworkerctl
