// Which functions of the server a module can reach from its entry points, as far as its code shows.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "port/elf_file.hpp"

namespace bgw {

// A name that an entry point reaches, and how: the entry point first, the name last.
struct Reach {
  std::string name;
  std::vector<std::string> path;
};

struct EntryPoint {
  std::string name;            // "_PG_init", or a worker's entry function
  std::vector<Reach> reaches;  // by name
};

struct ModuleCalls {
  std::vector<EntryPoint> entry_points;  // _PG_init first, where there is one
  std::vector<std::string>
      idle_hooks;  // variables of `never_called` that a function reached stores a function into
};

// Follows calls, jumps and addresses taken from _PG_init and from each worker entry point. That is an exported
// function that other code or data of the module names in a text, that is not SQL-callable and that the module
// does not call. `wanted` says which imported names are looked for, `never_called` which imported variables
// hold hooks that nobody calls: a function that is only stored there is not followed. An Error when the code
// cannot be read.
Result<ModuleCalls> follow_module_calls(const ElfFile& file,
                                        const std::function<bool(const std::string&)>& wanted,
                                        const std::function<bool(const std::string&)>& never_called);

// The place that a function without arguments returns the address of, where its code refers to one place of
// data only.
std::optional<std::uint64_t> find_returned_address(const ElfFile& file, std::uint64_t function);

}  // namespace bgw
