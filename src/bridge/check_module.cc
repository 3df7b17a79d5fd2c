// Reading a module's imports without loading it: the ELF dynamic symbol table, held against the host's own
// table of names and against the libraries that the module itself names. Nothing of the module is run.
#include "bridge/check_module.hpp"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "bridge/symbols.hpp"
#include "core/result.hpp"
#include "port/fd.hpp"

namespace bgw {

namespace {

struct Imports {
  std::vector<std::string> names;   // undefined symbols that must be found at load
  std::vector<std::string> needed;  // libraries it is linked with
};

// A read-only view of a file; every access is checked against its size.
class ElfFile {
 public:
  static Result<ElfFile> open(const std::string& path) {
    auto fd = open_file(path.c_str(), O_RDONLY);
    if (!fd) return fd.error();
    struct stat info;
    if (::fstat(fd->get(), &info) < 0) return system_error("stat file \"" + path + "\"");
    if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(sizeof(ElfW(Ehdr))))
      return Error{.message = "\"" + path + "\" is not a shared library"};
    ElfFile file;
    file.size_ = static_cast<std::size_t>(info.st_size);
    void* memory = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd->get(), 0);
    if (memory == MAP_FAILED) return system_error("map file \"" + path + "\"");
    file.base_ = static_cast<const char*>(memory);
    const auto* header = file.at<ElfW(Ehdr)>(0);
    if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_type != ET_DYN)
      return Error{.message = "\"" + path + "\" is not a shared library"};
    return file;
  }
  ElfFile(ElfFile&& other) noexcept : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}
  ElfFile& operator=(ElfFile&&) = delete;
  ~ElfFile() {
    if (base_) ::munmap(const_cast<char*>(base_), size_);
  }

  template <class T>
  const T* at(std::size_t offset, std::size_t count = 1) const {
    if (offset > size_ || count > (size_ - offset) / sizeof(T)) return nullptr;
    return reinterpret_cast<const T*>(base_ + offset);
  }
  std::string text(std::size_t offset) const {
    if (offset >= size_) return "";
    return std::string(base_ + offset, ::strnlen(base_ + offset, size_ - offset));
  }

 private:
  ElfFile() = default;
  const char* base_ = nullptr;
  std::size_t size_ = 0;
};

Result<Imports> read_imports(const std::string& path) {
  auto file = ElfFile::open(path);
  if (!file) return file.error();
  const auto* header = file->at<ElfW(Ehdr)>(0);
  const auto* sections = file->at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  if (sections == nullptr) return Error{.message = "\"" + path + "\" has no readable section table"};

  Imports imports;
  for (std::size_t i = 0; i < header->e_shnum; i++) {
    const ElfW(Shdr)& section = sections[i];
    if (section.sh_link >= header->e_shnum) continue;
    std::size_t strings = sections[section.sh_link].sh_offset;
    if (section.sh_type == SHT_DYNSYM) {
      std::size_t count = section.sh_size / sizeof(ElfW(Sym));
      const auto* symbols = file->at<ElfW(Sym)>(section.sh_offset, count);
      for (std::size_t s = 0; symbols && s < count; s++)
        if (symbols[s].st_shndx == SHN_UNDEF && symbols[s].st_name != 0 &&
            ELF64_ST_BIND(symbols[s].st_info) == STB_GLOBAL)
          imports.names.push_back(file->text(strings + symbols[s].st_name));
    } else if (section.sh_type == SHT_DYNAMIC) {
      std::size_t count = section.sh_size / sizeof(ElfW(Dyn));
      const auto* entries = file->at<ElfW(Dyn)>(section.sh_offset, count);
      for (std::size_t e = 0; entries && e < count; e++)
        if (entries[e].d_tag == DT_NEEDED)
          imports.needed.push_back(file->text(strings + entries[e].d_un.d_val));
    }
  }
  std::sort(imports.names.begin(), imports.names.end());
  return imports;
}

const bgw_symbol* find_symbol(const std::string& name) {
  const bgw_symbol* end = bgw_symbols + bgw_symbol_count;
  const bgw_symbol* found = std::lower_bound(
      bgw_symbols, end, name, [](const bgw_symbol& symbol, const std::string& n) { return symbol.name < n; });
  return found != end && found->name == name ? found : nullptr;
}

std::string find_module(const std::string& module) {
  if (module.find('/') != std::string::npos) return module;
  std::string path = std::string(BGW_PG_PKGLIBDIR) + "/" + module;
  return ::access(path.c_str(), F_OK) == 0 ? path : path + ".so";
}

void print_list(const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::printf("  %s:\n", title);
  for (const std::string& name : names) std::printf("    %s\n", name.c_str());
}

bool check_module(const std::string& module) {
  std::string path = find_module(module);
  auto imports = read_imports(path);
  if (!imports) {
    std::printf("%s: cannot be checked: %s\n", module.c_str(), imports.error().one_line().c_str());
    return false;
  }
  std::vector<void*> libraries;
  for (const std::string& library : imports->needed)
    if (void* handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL)) libraries.push_back(handle);

  std::vector<std::string> implemented, stubs, placeholders, missing;
  for (const std::string& name : imports->names) {
    if (const bgw_symbol* symbol = find_symbol(name)) {
      switch (symbol->kind) {
        case BgwSymbolKind::function:
        case BgwSymbolKind::variable:
          implemented.push_back(name);
          break;
        case BgwSymbolKind::stub:
          stubs.push_back(name);
          break;
        case BgwSymbolKind::placeholder:
          placeholders.push_back(name);
          break;
      }
      continue;
    }
    bool elsewhere = ::dlsym(RTLD_DEFAULT, name.c_str()) != nullptr ||
                     std::any_of(libraries.begin(), libraries.end(),
                                 [&](void* library) { return ::dlsym(library, name.c_str()) != nullptr; });
    if (!elsewhere) missing.push_back(name);
  }
  for (void* library : libraries) ::dlclose(library);

  std::printf(
      "%s: %s: %zu server names implemented, %zu not available outside the server, %zu variables without "
      "meaning here, %zu unknown\n",
      module.c_str(), missing.empty() ? "loads" : "does not load", implemented.size(), stubs.size(),
      placeholders.size(), missing.size());
  print_list("implemented", implemented);
  print_list("not available outside the server (an error when called)", stubs);
  print_list("variables that keep the server's initial value", placeholders);
  print_list("unknown to this host", missing);
  return missing.empty() && stubs.empty();
}

}  // namespace

int check_modules(const std::vector<std::string>& modules) {
  bool all = true;
  for (const std::string& module : modules) all = check_module(module) && all;
  return all ? 0 : 1;
}

}  // namespace bgw
