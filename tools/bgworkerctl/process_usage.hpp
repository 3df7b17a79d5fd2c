// What a process costs, as the kernel tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace bgworkerctl {

// Empty where the kernel refuses to tell, or the process is gone.
struct ProcessUsage {
  std::optional<double> cpu_seconds;    // user and system time since its start
  std::optional<std::uint64_t> memory;  // bytes: its proportional share, or what is resident
  bool shared_counted_whole = false;    // memory is what is resident: shared pages count in whole
};

ProcessUsage usage_of(pid_t pid);

}  // namespace bgworkerctl
