// What the process that answers uses itself, by the names that exporters of every kind have for it.
#include "stats_exporter.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

namespace stats_exporter {

std::vector<family> own_process() {
  std::vector<family> made;
  const auto add = [&](const char* name, const char* help, metric_type type, double value) {
    made.push_back(family{name, help, type, {}, {{{}, value}}});
  };
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + t.tv_usec / 1e6; };
    add("process_cpu_seconds_total", "CPU time used by the process that answers, in seconds.",
        metric_type::counter, seconds(used.ru_utime) + seconds(used.ru_stime));
  }
  if (FILE* f = fopen("/proc/self/statm", "re")) {
    long total = 0, resident = 0;
    const int read = fscanf(f, "%ld %ld", &total, &resident);
    fclose(f);
    const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
    if (read == 2) {
      add("process_virtual_memory_bytes", "Address space of the process that answers, in bytes.",
          metric_type::gauge, static_cast<double>(total) * page);
      add("process_resident_memory_bytes",
          "Memory of the process that answers, in bytes, what it shares included.", metric_type::gauge,
          static_cast<double>(resident) * page);
    }
  }
  if (DIR* folder = opendir("/proc/self/fd")) {
    int count = -1;  // the one that reads the folder
    while (const dirent* entry = readdir(folder))
      if (entry->d_name[0] != '.') ++count;
    closedir(folder);
    add("process_open_fds", "Files and sockets that the process that answers has open.", metric_type::gauge,
        count);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    add("process_max_fds", "How many files and sockets the process that answers may have open.",
        metric_type::gauge, static_cast<double>(limit.rlim_cur));
  return made;
}

}  // namespace stats_exporter
