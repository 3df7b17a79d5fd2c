// Judging a module without loading it: its imports, held against the host's own table of names and against the
// libraries that the module itself names; and what its code reaches. Nothing of the module is run.
#include "bridge/check_module.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <nlohmann/json.hpp>

#include "bridge/symbols.hpp"
#include "port/elf_file.hpp"

extern "C" {
#include "postgres.h"
#include "fmgr.h"
}

namespace bgw {

namespace {

#if defined(__x86_64__)
constexpr int this_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr int this_machine = EM_AARCH64;
#endif

const bgw_symbol* find_symbol(const std::string& name) {
  const bgw_symbol* end = bgw_symbols + bgw_symbol_count;
  const bgw_symbol* found = std::lower_bound(
      bgw_symbols, end, name, [](const bgw_symbol& symbol, const std::string& n) { return symbol.name < n; });
  return found != end && found->name == name ? found : nullptr;
}

bool is_stub(const std::string& name) {
  const bgw_symbol* symbol = find_symbol(name);
  return symbol != nullptr && symbol->kind == BgwSymbolKind::stub;
}

std::string find_module(const std::string& module) {
  if (module.find('/') != std::string::npos) return module;
  std::string path = std::string(BGW_PG_PKGLIBDIR) + "/" + module;
  return ::access(path.c_str(), F_OK) == 0 ? path : path + ".so";
}

// The libraries that the module names, open for as long as this lives.
class NeededLibraries {
 public:
  explicit NeededLibraries(const ElfFile& file) {
    for (const std::string& library : file.needed()) {
      if (void* handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL))
        handles_.push_back(handle);
      else if (!file.has_own_search_path())
        missing_.push_back(library);
    }
  }
  NeededLibraries(const NeededLibraries&) = delete;
  NeededLibraries& operator=(const NeededLibraries&) = delete;
  ~NeededLibraries() {
    for (void* handle : handles_) ::dlclose(handle);
  }
  const std::vector<std::string>& missing() const { return missing_; }
  bool have(const std::string& name) const {
    return ::dlsym(RTLD_DEFAULT, name.c_str()) != nullptr ||
           std::any_of(handles_.begin(), handles_.end(),
                       [&](void* library) { return ::dlsym(library, name.c_str()) != nullptr; });
  }

 private:
  std::vector<void*> handles_;
  std::vector<std::string> missing_;
};

// What is wrong with the magic block, as far as the file shows it: the block is what the magic function refers
// to.
std::string magic_complaint(const ElfFile& file) {
  const ElfSymbol* function = nullptr;
  for (const ElfSymbol& symbol : file.symbols())
    if (symbol.defined && symbol.function && symbol.name == PG_MAGIC_FUNCTION_NAME_STRING) function = &symbol;
  if (function == nullptr) return "it has no magic block: it does not use PG_MODULE_MAGIC";
  const std::optional<std::uint64_t> place = find_returned_address(file, function->address);
  const unsigned char* bytes = place ? file.bytes(*place, sizeof(Pg_magic_struct)) : nullptr;
  if (bytes == nullptr) return "";
  Pg_magic_struct theirs;
  std::memcpy(&theirs, bytes, sizeof theirs);
  static const Pg_magic_struct ours = PG_MODULE_MAGIC_DATA;
  if (theirs.version != ours.version) {
    const int major = theirs.version / 100;
    const std::string version = theirs.version >= 1000
                                    ? std::to_string(major)
                                    : std::to_string(major) + "." + std::to_string(theirs.version % 100);
    return "it is made for version " + version + " of the server, not for " +
           std::to_string(ours.version / 100);
  }
  if (std::memcmp(&theirs, &ours, sizeof ours) != 0) return "its magic block is not that of this host's server";
  return "";
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void sort_imports(const ElfFile& file, const NeededLibraries& libraries, ModuleCheck& check) {
  std::vector<std::string> names;
  for (const ElfSymbol& symbol : file.symbols())
    if (!symbol.defined && symbol.exported && !symbol.weak) names.push_back(symbol.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (std::string& name : names) {
    const bgw_symbol* symbol = find_symbol(name);
    if (symbol == nullptr) {
      if (!libraries.have(name)) check.unknown.push_back(std::move(name));
      continue;
    }
    switch (symbol->kind) {
      case BgwSymbolKind::function:
        check.implemented.push_back(std::move(name));
        break;
      case BgwSymbolKind::stub:
        check.stubs.push_back(std::move(name));
        break;
      case BgwSymbolKind::variable:
        check.variables.push_back(std::move(name));
        break;
      case BgwSymbolKind::placeholder:
        check.placeholders.push_back(std::move(name));
        break;
    }
  }
}

std::string counted(std::size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

void print_list(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  printf("  %s:\n", title);
  for (const std::string& name : names) printf("    %s\n", name.c_str());
}

void print_text(const ModuleCheck& check) {
  printf("%s: %s\n", check.module.c_str(), check.verdict().c_str());
  print_list("not found anywhere", check.unknown);
  for (const EntryPoint& entry : check.entry_points) {
    if (entry.reaches.empty()) {
      printf("  %s reaches no stub\n", entry.name.c_str());
      continue;
    }
    printf("  %s reaches:\n", entry.name.c_str());
    for (const Reach& reach : entry.reaches) printf("    %s\n", path_text(reach).c_str());
  }
  print_list("hooks that it installs and that are never called here", check.idle_hooks);
  print_list("stubs (an error when called)", check.stubs);
  print_list("implemented", check.implemented);
  print_list("variables", check.variables);
  print_list("variables that keep the server's initial value", check.placeholders);
}

nlohmann::json as_json_value(const ModuleCheck& check) {
  nlohmann::json entries = nlohmann::json::array();
  for (const EntryPoint& entry : check.entry_points) {
    nlohmann::json reaches = nlohmann::json::array();
    for (const Reach& reach : entry.reaches) reaches.push_back({{"stub", reach.name}, {"path", reach.path}});
    entries.push_back({{"name", entry.name}, {"reaches", std::move(reaches)}});
  }
  return {{"module", check.module},
          {"path", check.path},
          {"ok", check.good()},
          {"verdict", check.verdict()},
          {"loads", check.error.empty()},
          {"error", check.error},
          {"code_not_followed", check.unread},
          {"imports",
           {{"implemented", check.implemented},
            {"stubs", check.stubs},
            {"variables", check.variables},
            {"placeholders", check.placeholders},
            {"unknown", check.unknown}}},
          {"entry_points", std::move(entries)},
          {"hooks_never_called", check.idle_hooks}};
}

}  // namespace

bool is_idle_hook(const std::string& name) {
  // Hooks into function calls exist here, too, because the server's headers use them; nothing calls them.
  if (name == "fmgr_hook" || name == "needs_fmgr_hook") return true;
  if (name.find("_hook") == name.npos) return false;
  const bgw_symbol* symbol = find_symbol(name);
  return symbol != nullptr && symbol->kind == BgwSymbolKind::placeholder;
}

std::string path_text(const Reach& reach) {
  std::string text;
  for (const std::string& step : reach.path) text += (text.empty() ? "" : " -> ") + step;
  return text;
}

bool ModuleCheck::good() const {
  if (!error.empty()) return false;
  if (!unread.empty()) return stubs.empty();
  return std::all_of(entry_points.begin(), entry_points.end(),
                     [](const EntryPoint& entry) { return entry.reaches.empty(); });
}

std::string ModuleCheck::verdict() const {
  if (!error.empty()) return "does not load: " + error;
  const std::string imports = "loads; " + counted(stubs.size(), "stub", "stubs") + " among " +
                              counted(implemented.size() + stubs.size(), "function", "functions") +
                              " of the server";
  if (stubs.empty()) return imports;
  if (!unread.empty()) return imports + "; which of them are reached is not known: " + unread;
  std::vector<std::string> reaching;
  for (const EntryPoint& entry : entry_points)
    if (!entry.reaches.empty()) reaching.push_back(entry.name);
  if (reaching.empty())
    return imports + ", none reached by " + (entry_points.empty() ? "an entry point" : "its entry points");
  return imports + ", reached by " + joined(reaching);
}

ModuleCheck check_module(const std::string& module) {
  ModuleCheck check;
  check.module = module;
  check.path = find_module(module);
  auto file = ElfFile::open(check.path);
  if (!file) {
    check.error = file.error().one_line();
    return check;
  }
  if (file->machine() != this_machine) {
    check.error = "it is made for another machine";
    return check;
  }
  const NeededLibraries libraries(*file);
  sort_imports(*file, libraries, check);
  if (!libraries.missing().empty())
    check.error = "libraries that it needs are not found: " + joined(libraries.missing());
  else if (!check.unknown.empty())
    check.error = counted(check.unknown.size(), "name that it imports is", "names that it imports are") +
                  " not found: " + joined(check.unknown);
  else
    check.error = magic_complaint(*file);

  auto calls = follow_module_calls(*file, is_stub, is_idle_hook);
  if (!calls) {
    check.unread = calls.error().one_line();
    return check;
  }
  check.entry_points = std::move(calls->entry_points);
  check.idle_hooks = std::move(calls->idle_hooks);
  return check;
}

LoadFindings what_loading_would_show(const std::string& path) {
  auto file = ElfFile::open(path);
  if (!file || file->machine() != this_machine) return {};
  if (std::none_of(file->symbols().begin(), file->symbols().end(), [](const ElfSymbol& symbol) {
        return !symbol.defined && (is_stub(symbol.name) || is_idle_hook(symbol.name));
      }))
    return {};
  auto calls = follow_module_calls(*file, is_stub, is_idle_hook);
  if (!calls) return {};
  std::erase_if(calls->entry_points, [](const EntryPoint& entry) { return entry.reaches.empty(); });
  return {.reaching_stubs = std::move(calls->entry_points), .idle_hooks = std::move(calls->idle_hooks)};
}

int check_modules(const std::vector<std::string>& modules, bool as_json) {
  bool all = true;
  nlohmann::json values = nlohmann::json::array();
  for (const std::string& module : modules) {
    const ModuleCheck check = check_module(module);
    all = all && check.good();
    if (as_json)
      values.push_back(as_json_value(check));
    else
      print_text(check);
  }
  if (as_json) printf("%s\n", values.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return all ? 0 : 1;
}

}  // namespace bgw
