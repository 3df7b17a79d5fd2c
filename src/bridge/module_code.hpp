// What the machine code of a module's functions refers to: calls, jumps, addresses taken, texts written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "port/elf_file.hpp"

namespace bgw {

// One reference out of a function: to a name that the loader looks up, or to a place in the module itself.
struct CodeReference {
  std::string symbol;        // empty: the place `target`
  std::uint64_t target = 0;  // code or data
  std::string stored_in;     // the imported variable that this address is stored into and nowhere else
};

struct FunctionCode {
  std::vector<CodeReference> references;
  // Constants of at least one byte that the function loads or stores, in order: the pieces that a compiler
  // makes of a short text which is copied.
  std::vector<std::string> constants;
};

// Disassembles with capstone, which is loaded when the first of these is made and left loaded.
class CodeReader {
 public:
  // An Error for a machine other than x86-64 and aarch64, or when capstone cannot be loaded.
  static Result<CodeReader> make(const ElfFile& file);
  CodeReader(CodeReader&&) noexcept;
  CodeReader& operator=(CodeReader&&) = delete;
  ~CodeReader();

  // Reads the instructions from `start` up to `end`; what is no instruction is skipped.
  FunctionCode read(std::uint64_t start, std::uint64_t end) const;

  // The name behind an entry of the procedure linkage table; empty when `address` is none.
  std::string linkage_target(std::uint64_t address) const;

 private:
  struct State;
  explicit CodeReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace bgw
