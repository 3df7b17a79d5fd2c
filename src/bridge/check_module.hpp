// `bgworkerd --check`: what a module imports, what stands behind each name in this host, and what its entry
// points reach.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bridge/module_calls.hpp"
#include "core/result.hpp"

namespace bgw {

// What is known of a module's file without loading it. Lists are sorted by name.
struct ModuleCheck {
  std::string module;  // as it was asked for
  std::string path;
  std::string error;                      // not empty: why it cannot be loaded here, or cannot be read
  std::vector<std::string> implemented;   // functions of the server that the host implements
  std::vector<std::string> stubs;         // functions that raise an error when called
  std::vector<std::string> variables;     // variables that the host keeps up to date
  std::vector<std::string> placeholders;  // variables that keep the server's initial value
  std::vector<std::string> unknown;       // found nowhere
  std::string unread;  // not empty: why the code could not be followed, so that entry_points is empty
  std::vector<EntryPoint> entry_points;
  std::vector<std::string> idle_hooks;  // hooks that an entry point installs and that the host never calls

  // It loads, and no entry point reaches a stub. Where the code could not be followed, it imports no stub.
  bool good() const;
  std::string verdict() const;  // one line
};

// Reads the file. A name without a slash is looked for in the distribution's module folder.
ModuleCheck check_module(const std::string& module);

// What there is to be said about a file that is about to be loaded.
struct LoadFindings {
  std::vector<EntryPoint> reaching_stubs;  // only entry points that reach one
  std::vector<std::string> idle_hooks;     // as in ModuleCheck
};

// Empty, and quickly so, for a module that imports neither a stub nor a hook that is never called, or cannot be
// read.
LoadFindings what_loading_would_show(const std::string& path);

// "a -> b -> c"
std::string path_text(const Reach& reach);

// Whether a name of the server's is a hook variable that this host never calls.
bool is_idle_hook(const std::string& name);

// Prints a report for each module on standard output, as JSON if asked. Returns the exit status: 0 when all are
// good.
int check_modules(const std::vector<std::string>& modules, bool as_json);

}  // namespace bgw
