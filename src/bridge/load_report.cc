// Reports about modules when they are loaded for the first time in a host's life, by whichever process does
// that: the postmaster, which preloads before it has children, or a worker or another child that loads a
// library itself.
//
// Which libraries have been reported stands in a page that the postmaster maps before it forks and that all its
// children share; it survives a crash of one of them. An entry goes from 0 to a library's mark once, by compare
// and exchange, and never changes again. The page is looked at only by who really opens a library.
//
// The texts are made by C++ code that raises nothing, while no die() interrupts it, and kept on the heap, so
// that ereport() finds no object of automatic storage above it.
#include "bridge/load_report.hpp"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <vector>

#include "bridge/check_module.hpp"
#include "bridge/critical.hpp"
#include "bridge/symbols.hpp"

extern "C" {
#include "postgres.h"
}

namespace {

constexpr std::size_t most_paths_shown = 10;

// The libraries that have been reported, by their marks; what does not fit is not reported.
struct ReportedLibraries {
  static constexpr std::size_t most = 512;
  std::atomic<std::uint64_t> marks[most];
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
};

struct Line {
  std::string entry_point;
  std::string detail;  // paths, a line each
};

struct Hook {
  std::string name;
  void* const* variable;
  void* before;
};

ReportedLibraries* reported = nullptr;  // shared; null in programs that are no host

// A number for the file as it is now, never 0: a library that is replaced under its name is another one.
std::uint64_t mark_of(const struct stat& file) {
  std::uint64_t mark = 14695981039346656037U;  // FNV-1a over words
  for (auto word : {static_cast<std::uint64_t>(file.st_dev), static_cast<std::uint64_t>(file.st_ino),
                    static_cast<std::uint64_t>(file.st_mtim.tv_sec),
                    static_cast<std::uint64_t>(file.st_mtim.tv_nsec), static_cast<std::uint64_t>(file.st_size)})
    mark = (mark ^ word) * 1099511628211U;
  return mark | 1;
}

}  // namespace

// A module's _PG_init may load another one, so each load has its own.
struct LoadReport {
  std::vector<Line> lines;
  std::set<std::string> installed;  // hooks, by what the code shows
  std::vector<Hook> hooks;          // all that are never called
  std::string text;                 // the names of those to be reported
};

namespace {

LoadReport* begin_report(const char* path) noexcept {
  try {
    auto report = std::make_unique<LoadReport>();
    bgw::LoadFindings findings = bgw::what_loading_would_show(path);
    for (const bgw::EntryPoint& entry : findings.reaching_stubs) {
      Line line{.entry_point = entry.name, .detail = {}};
      for (std::size_t i = 0; i < entry.reaches.size() && i < most_paths_shown; i++)
        line.detail += (i ? "\n" : "") + bgw::path_text(entry.reaches[i]);
      if (entry.reaches.size() > most_paths_shown)
        line.detail += "\nand " + std::to_string(entry.reaches.size() - most_paths_shown) + " more";
      report->lines.push_back(std::move(line));
    }
    report->installed.insert(findings.idle_hooks.begin(), findings.idle_hooks.end());
    for (int i = 0; i < bgw_symbol_count; i++) {
      const char* name = bgw_symbols[i].name;
      if (!bgw::is_idle_hook(name)) continue;
      if (auto* variable = static_cast<void* const*>(dlsym(RTLD_DEFAULT, name)))
        report->hooks.push_back({.name = name, .variable = variable, .before = *variable});
    }
    return report.release();
  } catch (const std::exception&) {
    return nullptr;  // a report less; loading goes on
  }
}

void compare_hooks(LoadReport& report) noexcept {
  try {
    for (const Hook& hook : report.hooks)
      if (*hook.variable != hook.before) report.installed.insert(hook.name);
    for (const std::string& hook : report.installed) report.text += (report.text.empty() ? "" : ", ") + hook;
  } catch (const std::exception&) {
    report.text.clear();
  }
}

}  // namespace

void share_load_reports() {
  if (reported != nullptr) return;
  void* page =
      mmap(nullptr, sizeof(ReportedLibraries), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) ereport(FATAL, (errmsg("could not map a page to share with child processes: %m")));
  reported = new (page) ReportedLibraries();
}

bool claim_load_report(const struct stat& file) {
  if (reported == nullptr) return false;
  const std::uint64_t mark = mark_of(file);
  for (std::size_t i = 0; i < ReportedLibraries::most; i++) {
    auto& entry = reported->marks[(mark + i) % ReportedLibraries::most];
    std::uint64_t found = 0;
    if (entry.compare_exchange_strong(found, mark)) return true;
    if (found == mark) return false;
  }
  return false;
}

LoadReport* report_reached_stubs(const char* path) {
  bgw::enter_critical();
  LoadReport* report = begin_report(path);
  bgw::leave_critical();
  if (report == nullptr) return nullptr;
  for (const Line& line : report->lines)
    ereport(WARNING,
            (errmsg("\"%s\" of library \"%s\" can reach functions that are not available outside the server",
                    line.entry_point.c_str(), path),
             errdetail_internal("%s", line.detail.c_str())));
  return report;
}

void report_idle_hooks(LoadReport* report, const char* path) {
  bgw::enter_critical();
  compare_hooks(*report);
  bgw::leave_critical();
  if (!report->text.empty())
    ereport(LOG, (errmsg("hooks that library \"%s\" installs are never called outside the server: %s", path,
                         report->text.c_str())));
  bgw::enter_critical();
  delete report;
  bgw::leave_critical();
}
