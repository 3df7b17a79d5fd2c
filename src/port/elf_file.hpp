// A shared library's file, read without loading it: symbols, relocations, libraries it needs, where its
// functions begin.
//
// 64-bit little-endian files only, which is what the supported machines have. Everything read is checked
// against the file's size, so a damaged file gives fewer answers or an Error, never a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace bgw {

struct ElfSymbol {
  std::string name;
  std::uint64_t address = 0;  // 0 for what must come from elsewhere
  std::uint64_t size = 0;     // bytes, 0 where not told
  bool defined = false;
  bool function = false;
  bool weak = false;
  bool exported = false;  // in the dynamic symbol table
};

// What the loader writes into one word: the address of a symbol, or of a place in the library itself.
struct ElfRelocation {
  std::string symbol;  // empty: the library's own `address`
  std::uint64_t address = 0;
};

struct ElfSection {
  std::string name;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  const unsigned char* bytes = nullptr;  // nullptr for what has no place in the file, such as .bss
  bool code = false;
  bool writable = false;
};

class ElfFile {
 public:
  // An Error for what cannot be read or is no shared library.
  static Result<ElfFile> open(const std::string& path);
  ElfFile(ElfFile&& other) noexcept;
  ElfFile& operator=(ElfFile&&) = delete;
  ~ElfFile();

  int machine() const { return machine_; }  // EM_X86_64, ...
  const std::vector<ElfSymbol>& symbols() const { return symbols_; }
  const std::vector<std::string>& needed() const { return needed_; }
  bool has_own_search_path() const { return has_own_search_path_; }  // DT_RPATH or DT_RUNPATH
  const std::map<std::uint64_t, ElfRelocation>& relocations() const { return relocations_; }  // by place
  const std::vector<ElfSection>& sections() const { return sections_; }  // those that are loaded
  // Where functions begin, ascending: from the symbols, and from the unwind table, which a stripped file has
  // too.
  const std::vector<std::uint64_t>& function_starts() const { return function_starts_; }

  const ElfSection* section_of(std::uint64_t address) const;
  // `size` bytes of the file's content at an address; nullptr where there are none.
  const unsigned char* bytes(std::uint64_t address, std::size_t size) const;
  // The null-terminated text at an address; empty where there is none.
  std::string_view text(std::uint64_t address) const;

 private:
  ElfFile() = default;
  template <class T>
  const T* at(std::size_t offset, std::size_t count = 1) const;
  std::string string_at(std::size_t offset) const;
  Result<void> read(const std::string& path);
  void read_packed_relocations(const std::uint64_t* words, std::size_t count);
  void read_function_starts();

  const char* base_ = nullptr;
  std::size_t size_ = 0;
  int machine_ = 0;
  bool has_own_search_path_ = false;
  std::vector<ElfSymbol> symbols_;
  std::vector<std::string> needed_;
  std::map<std::uint64_t, ElfRelocation> relocations_;
  std::vector<ElfSection> sections_;
  std::vector<std::uint64_t> function_starts_;
};

}  // namespace bgw
