// Following calls through a module's own code and data, breadth first, so that each path found is a shortest
// one.
//
// The graph's nodes are places: a function, or an object of data whose relocations point at functions. Too much
// is followed rather than too little: an address that is taken counts as a call, both sides of every branch are
// read, an object of unknown size lasts until the next place that code refers to. What a module computes at run
// time is not seen.
#include "bridge/module_calls.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <set>

#include "bridge/module_code.hpp"

namespace bgw {

namespace {

class Graph {
 public:
  Graph(const ElfFile& file, CodeReader reader) : file_(file), reader_(std::move(reader)) {
    for (const ElfSymbol& symbol : file_.symbols()) {
      if (!symbol.defined) continue;
      (symbol.function ? function_names_ : object_names_).emplace(symbol.address, symbol.name);
      if (symbol.exported) exported_.emplace(symbol.name, &symbol);
      if (!symbol.function) object_starts_.insert(symbol.address);
      if (!symbol.function && symbol.size > 0) object_sizes_[symbol.address] = symbol.size;
    }
    const auto& starts = file_.function_starts();
    for (std::size_t i = 0; i < starts.size(); i++) {
      const ElfSection* section = file_.section_of(starts[i]);
      if (section->name.starts_with(".plt")) continue;
      std::uint64_t end = section->address + section->size;
      if (i + 1 < starts.size() && starts[i + 1] < end) end = starts[i + 1];
      FunctionCode code = reader_.read(starts[i], end);
      for (const CodeReference& reference : code.references)
        if (reference.symbol.empty()) object_starts_.insert(reference.target);
      functions_.emplace(starts[i], std::move(code));
    }
    for (const auto& [place, code] : functions_)
      for (const CodeReference& reference : code.references)
        if (const std::uint64_t called = node_of(target_of(reference)); functions_.contains(called))
          callers_[called].insert(place);
  }

  const std::map<std::string, const ElfSymbol*>& exported() const { return exported_; }

  // Whether this looks like a worker's entry function: the module speaks of it by name elsewhere than in
  // itself, and does not call it. Its own name in its own code is only what error reports give as their place.
  bool is_named_and_not_called(const ElfSymbol& symbol) const {
    if (auto callers = callers_.find(symbol.address); callers != callers_.end())
      for (std::uint64_t caller : callers->second)
        if (caller != symbol.address) return false;
    const auto speaks_of_it = [&](const CodeReference& reference) {
      return reference.symbol.empty() && is_text(reference.target, symbol.name);
    };
    for (const auto& [place, code] : functions_) {
      if (is_part_of(place, symbol.address)) continue;
      if (std::any_of(code.references.begin(), code.references.end(), speaks_of_it) ||
          is_pieced_together(symbol.name, code.constants))
        return true;
    }
    return std::any_of(file_.relocations().begin(), file_.relocations().end(), [&](const auto& relocation) {
      return relocation.second.symbol.empty() && is_text(relocation.second.address, symbol.name);
    });
  }

  void follow(EntryPoint& entry, std::uint64_t start, const std::function<bool(const std::string&)>& wanted,
              const std::function<bool(const std::string&)>& never_called,
              std::set<std::string>& idle_hooks) const {
    std::map<std::uint64_t, std::uint64_t> reached_from{{start, start}};
    std::set<std::string> found;
    std::deque<std::uint64_t> todo{start};
    while (!todo.empty()) {
      const std::uint64_t node = todo.front();
      todo.pop_front();
      for (const CodeReference& reference : references_of(node)) {
        if (!reference.stored_in.empty() && never_called(reference.stored_in)) {
          if (const ElfSection* section = file_.section_of(target_of(reference)); section && section->code) {
            idle_hooks.insert(reference.stored_in);
            continue;
          }
        }
        const std::string symbol = imported_by(reference);
        if (!symbol.empty()) {
          if (wanted(symbol) && found.insert(symbol).second)
            entry.reaches.push_back({.name = symbol, .path = path_to(node, reached_from, symbol)});
          continue;
        }
        const std::uint64_t target = target_of(reference);
        const std::uint64_t next = node_of(target);
        if (next != 0 && reached_from.emplace(next, node).second) todo.push_back(next);
      }
    }
    std::sort(entry.reaches.begin(), entry.reaches.end(),
              [](const Reach& a, const Reach& b) { return a.name < b.name; });
  }

 private:
  bool is_text(std::uint64_t place, const std::string& text) const {
    const ElfSection* section = file_.section_of(place);
    return section && !section->code && file_.text(place) == text;
  }

  // A function itself, or a part of it that the compiler has put elsewhere: what only it leads to.
  bool is_part_of(std::uint64_t place, std::uint64_t function) const {
    if (place == function) return true;
    auto callers = callers_.find(place);
    return callers != callers_.end() && callers->second.size() == 1 && callers->second.contains(function);
  }

  // Whether constants of one function cover the whole of the text, each at a place where it fits. Pieces
  // shorter than four bytes count at the end only: they fit anywhere.
  static bool is_pieced_together(const std::string& name, const std::vector<std::string>& constants) {
    const std::size_t length = name.size();
    std::vector<bool> covered(length, false);
    bool any_long = false;
    for (const std::string& constant : constants) {
      for (std::size_t at = 0; at < length; at++) {
        // Beyond the end a constant has the terminating null.
        const std::size_t inside = std::min(constant.size(), length - at);
        if (name.compare(at, inside, constant, 0, inside) != 0) continue;
        const std::size_t beyond = constant.size() - inside;
        if (beyond > 0 && constant[inside] != '\0') continue;
        if (constant.size() < 4 && at + constant.size() < length) continue;
        any_long = any_long || inside >= 4;
        std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(at), inside, true);
      }
    }
    return any_long && std::find(covered.begin(), covered.end(), false) == covered.end();
  }

  // The name that a reference leads to, by the linkage table or the offset table; empty for what names nothing.
  std::string name_behind(const CodeReference& reference) const {
    return reference.symbol.empty() ? reader_.linkage_target(reference.target) : reference.symbol;
  }
  std::string imported_by(const CodeReference& reference) const {
    std::string name = name_behind(reference);
    return exported_.contains(name) ? "" : name;
  }
  // The place in the module that a reference leads to, 0 when it leads out of it.
  std::uint64_t target_of(const CodeReference& reference) const {
    const std::string name = name_behind(reference);
    if (name.empty()) return reference.target;
    auto own = exported_.find(name);
    return own == exported_.end() ? 0 : own->second->address;
  }

  std::uint64_t function_at(std::uint64_t address) const {
    auto after = functions_.upper_bound(address);
    return after == functions_.begin() ? 0 : std::prev(after)->first;
  }

  // The node that a place belongs to: its function, or the object itself; 0 for what leads nowhere.
  std::uint64_t node_of(std::uint64_t address) const {
    const ElfSection* section = file_.section_of(address);
    if (section == nullptr) return 0;
    return section->code ? function_at(address) : address;
  }

  std::vector<CodeReference> references_of(std::uint64_t node) const {
    if (auto function = functions_.find(node); function != functions_.end()) return function->second.references;
    std::vector<CodeReference> references;
    const ElfSection* section = file_.section_of(node);
    if (section == nullptr || section->code) return references;
    std::uint64_t end = section->address + section->size;
    // A place inside an object whose size is known lasts as long as that; else until the next place spoken of.
    auto object = object_sizes_.upper_bound(node);
    const bool known =
        object != object_sizes_.begin() && std::prev(object)->first + std::prev(object)->second > node;
    if (known)
      end = std::prev(object)->first + std::prev(object)->second;
    else if (auto next = object_starts_.upper_bound(node); next != object_starts_.end())
      end = std::min(end, *next);
    const auto& relocations = file_.relocations();
    for (auto it = relocations.lower_bound(node); it != relocations.end() && it->first < end; ++it)
      references.push_back({.symbol = it->second.symbol,
                            .target = it->second.symbol.empty() ? it->second.address : 0,
                            .stored_in = {}});
    return references;
  }

  std::string name_of(std::uint64_t node) const {
    for (const auto* names : {&function_names_, &object_names_})
      if (auto found = names->find(node); found != names->end()) return found->second;
    char text[32];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(node));
    return text;
  }

  std::vector<std::string> path_to(std::uint64_t node,
                                   const std::map<std::uint64_t, std::uint64_t>& reached_from,
                                   const std::string& last) const {
    std::vector<std::string> path{last};
    for (;;) {
      path.push_back(name_of(node));
      const std::uint64_t before = reached_from.at(node);
      if (before == node) break;
      node = before;
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

  const ElfFile& file_;
  CodeReader reader_;
  std::map<std::uint64_t, FunctionCode> functions_;
  std::map<std::uint64_t, std::set<std::uint64_t>> callers_;  // by function: the functions that refer to it
  std::map<std::uint64_t, std::string> function_names_, object_names_;
  std::map<std::string, const ElfSymbol*> exported_;
  std::set<std::uint64_t> object_starts_;
  std::map<std::uint64_t, std::uint64_t> object_sizes_;
};

}  // namespace

Result<ModuleCalls> follow_module_calls(const ElfFile& file,
                                        const std::function<bool(const std::string&)>& wanted,
                                        const std::function<bool(const std::string&)>& never_called) {
  auto reader = CodeReader::make(file);
  if (!reader) return reader.error();
  const Graph graph(file, std::move(*reader));

  std::vector<const ElfSymbol*> starts;
  const auto& exported = graph.exported();
  if (auto init = exported.find("_PG_init"); init != exported.end()) starts.push_back(init->second);
  for (const auto& [name, symbol] : exported)
    if (symbol->function && name.size() >= 4 && name != "_PG_init" && name != "Pg_magic_func" &&
        !name.starts_with("pg_finfo_") && !exported.contains("pg_finfo_" + name) &&
        graph.is_named_and_not_called(*symbol))
      starts.push_back(symbol);

  ModuleCalls calls;
  std::set<std::string> idle_hooks;
  for (const ElfSymbol* start : starts) {
    calls.entry_points.push_back({.name = start->name, .reaches = {}});
    graph.follow(calls.entry_points.back(), start->address, wanted, never_called, idle_hooks);
  }
  calls.idle_hooks.assign(idle_hooks.begin(), idle_hooks.end());
  return calls;
}

std::optional<std::uint64_t> find_returned_address(const ElfFile& file, std::uint64_t function) {
  auto reader = CodeReader::make(file);
  const ElfSection* section = file.section_of(function);
  if (!reader || section == nullptr) return std::nullopt;
  const auto& starts = file.function_starts();
  const auto next = std::upper_bound(starts.begin(), starts.end(), function);
  const std::uint64_t end =
      std::min(next == starts.end() ? UINT64_MAX : *next, section->address + section->size);
  std::set<std::uint64_t> places;
  for (const CodeReference& reference : reader->read(function, end).references) {
    const ElfSection* target = reference.symbol.empty() ? file.section_of(reference.target) : nullptr;
    if (target && !target->code) places.insert(reference.target);
  }
  if (places.size() != 1) return std::nullopt;
  return *places.begin();
}

}  // namespace bgw
