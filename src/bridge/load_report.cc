// Reports about modules while the postmaster preloads them; entered by it alone, before it has children.
//
// The texts are made by C++ code that raises nothing and kept in static storage, so that ereport() finds no
// object of automatic storage above it.
#include "bridge/load_report.hpp"

#include <dlfcn.h>

#include <exception>
#include <string>
#include <vector>

#include "bridge/check_module.hpp"
#include "bridge/symbols.hpp"

extern "C" {
#include "postgres.h"
}

namespace {

constexpr std::size_t most_paths_shown = 10;

struct Line {
  std::string entry_point;
  std::string detail;  // paths, a line each
};

struct Hook {
  std::string name;
  void* const* variable;
  void* before;
};

std::vector<Line> lines;
std::vector<Hook> hooks;
std::string changed;

void collect_lines(const char* path) noexcept {
  lines.clear();
  try {
    for (const bgw::EntryPoint& entry : bgw::entry_points_reaching_stubs(path)) {
      Line line{.entry_point = entry.name, .detail = {}};
      for (std::size_t i = 0; i < entry.reaches.size() && i < most_paths_shown; i++)
        line.detail += (i ? "\n" : "") + bgw::path_text(entry.reaches[i]);
      if (entry.reaches.size() > most_paths_shown)
        line.detail += "\nand " + std::to_string(entry.reaches.size() - most_paths_shown) + " more";
      lines.push_back(std::move(line));
    }
  } catch (const std::exception&) {
    lines.clear();  // a report less; loading goes on
  }
}

void collect_hooks() noexcept {
  try {
    if (hooks.empty())
      for (int i = 0; i < bgw_symbol_count; i++) {
        const char* name = bgw_symbols[i].name;
        if (!bgw::is_idle_hook(name)) continue;
        if (void* variable = dlsym(RTLD_DEFAULT, name))
          hooks.push_back({.name = name, .variable = static_cast<void* const*>(variable), .before = nullptr});
      }
  } catch (const std::exception&) {
    hooks.clear();
  }
  for (Hook& hook : hooks) hook.before = *hook.variable;
}

void collect_changed() noexcept {
  changed.clear();
  try {
    for (const Hook& hook : hooks)
      if (*hook.variable != hook.before) changed += (changed.empty() ? "" : ", ") + hook.name;
  } catch (const std::exception&) {
    changed.clear();
  }
}

}  // namespace

void report_reached_stubs(const char* path) {
  collect_lines(path);
  for (const Line& line : lines)
    ereport(WARNING,
            (errmsg("\"%s\" of library \"%s\" can reach functions that are not available outside the server",
                    line.entry_point.c_str(), path),
             errdetail_internal("%s", line.detail.c_str())));
}

void remember_idle_hooks() {
  collect_hooks();
}

void report_idle_hooks(const char* path) {
  collect_changed();
  if (!changed.empty())
    ereport(LOG, (errmsg("hooks that library \"%s\" has installed are never called outside the server: %s",
                         path, changed.c_str())));
}
