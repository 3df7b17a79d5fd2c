// Reading a shared library's file without loading it: the file is mapped, and nothing of it is run. Stateless
// but for the mapping; may be used by any process, not by signal handlers.
#include "port/elf_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "port/fd.hpp"

namespace bgw {

namespace {

// Encodings of pointers in .eh_frame_hdr; others than the linkers' own are not read.
constexpr unsigned char eh_pointer_pcrel_sdata4 = 0x1b;
constexpr unsigned char eh_pointer_udata4 = 0x03;
constexpr unsigned char eh_pointer_datarel_sdata4 = 0x3b;

constexpr std::uint32_t section_type_relr = 19;  // SHT_RELR, which elf.h does not have yet

bool is_relative(int machine, std::uint32_t type) {
  return machine == EM_X86_64 ? type == R_X86_64_RELATIVE : type == R_AARCH64_RELATIVE;
}

bool is_symbol_address(int machine, std::uint32_t type) {
  if (machine == EM_X86_64)
    return type == R_X86_64_64 || type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT;
  return type == R_AARCH64_ABS64 || type == R_AARCH64_GLOB_DAT || type == R_AARCH64_JUMP_SLOT;
}

template <class T>
T load(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

ElfFile::ElfFile(ElfFile&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      size_(other.size_),
      machine_(other.machine_),
      has_own_search_path_(other.has_own_search_path_),
      symbols_(std::move(other.symbols_)),
      needed_(std::move(other.needed_)),
      relocations_(std::move(other.relocations_)),
      sections_(std::move(other.sections_)),
      function_starts_(std::move(other.function_starts_)) {}

ElfFile::~ElfFile() {
  if (base_) ::munmap(const_cast<char*>(base_), size_);
}

template <class T>
const T* ElfFile::at(std::size_t offset, std::size_t count) const {
  if (offset > size_ || count > (size_ - offset) / sizeof(T) || offset % alignof(T) != 0) return nullptr;
  return reinterpret_cast<const T*>(base_ + offset);
}

std::string ElfFile::string_at(std::size_t offset) const {
  if (offset >= size_) return "";
  return std::string(base_ + offset, ::strnlen(base_ + offset, size_ - offset));
}

Result<ElfFile> ElfFile::open(const std::string& path) {
  auto fd = open_file(path.c_str(), O_RDONLY);
  if (!fd) return fd.error();
  struct stat info;
  if (::fstat(fd->get(), &info) < 0) return system_error("stat file \"" + path + "\"");
  const Error no_library{.message = "\"" + path + "\" is not a shared library"};
  if (!S_ISREG(info.st_mode) || info.st_size < static_cast<off_t>(sizeof(Elf64_Ehdr))) return no_library;
  ElfFile file;
  file.size_ = static_cast<std::size_t>(info.st_size);
  void* memory = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, fd->get(), 0);
  if (memory == MAP_FAILED) return system_error("map file \"" + path + "\"");
  file.base_ = static_cast<const char*>(memory);
  const auto* header = file.at<Elf64_Ehdr>(0);
  if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
      header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_type != ET_DYN)
    return no_library;
  if (auto done = file.read(path); !done) return done.error();
  return file;
}

Result<void> ElfFile::read(const std::string& path) {
  const auto* header = at<Elf64_Ehdr>(0);
  machine_ = header->e_machine;
  const auto* table = at<Elf64_Shdr>(header->e_shoff, header->e_shnum);
  if (table == nullptr || header->e_shnum == 0)
    return Error{.message = "\"" + path + "\" has no readable section table"};
  const std::size_t names = header->e_shstrndx < header->e_shnum ? table[header->e_shstrndx].sh_offset : size_;
  std::vector<std::string> dynamic_names;  // by index: relocations speak of these

  for (std::size_t i = 0; i < header->e_shnum; i++) {
    const Elf64_Shdr& section = table[i];
    const bool no_place =
        section.sh_type == SHT_NOBITS && (section.sh_flags & SHF_TLS);  // .tbss overlaps others
    if ((section.sh_flags & SHF_ALLOC) && !no_place) {
      const bool in_file = section.sh_type != SHT_NOBITS && at<char>(section.sh_offset, section.sh_size);
      sections_.push_back(
          {.name = string_at(names + section.sh_name),
           .address = section.sh_addr,
           .size = section.sh_size,
           .bytes = in_file ? reinterpret_cast<const unsigned char*>(base_ + section.sh_offset) : nullptr,
           .code = (section.sh_flags & SHF_EXECINSTR) != 0,
           .writable = (section.sh_flags & SHF_WRITE) != 0});
    }
    if (section.sh_link >= header->e_shnum) continue;
    const std::size_t strings = table[section.sh_link].sh_offset;
    if (section.sh_type == SHT_DYNSYM || section.sh_type == SHT_SYMTAB) {
      const bool exported = section.sh_type == SHT_DYNSYM;
      const std::size_t count = section.sh_size / sizeof(Elf64_Sym);
      const auto* entries = at<Elf64_Sym>(section.sh_offset, count);
      for (std::size_t s = 0; entries && s < count; s++) {
        const Elf64_Sym& entry = entries[s];
        std::string name = entry.st_name ? string_at(strings + entry.st_name) : "";
        if (exported) dynamic_names.push_back(name);
        const int type = ELF64_ST_TYPE(entry.st_info);
        const int binding = ELF64_ST_BIND(entry.st_info);
        const bool defined = entry.st_shndx != SHN_UNDEF;
        // Those that begin with a dollar sign mark what a section holds, on aarch64.
        if (name.empty() || name[0] == '$' || type == STT_SECTION || type == STT_FILE ||
            (binding == STB_LOCAL && !defined))
          continue;
        symbols_.push_back({.name = std::move(name),
                            .address = defined ? entry.st_value : 0,
                            .size = entry.st_size,
                            .defined = defined,
                            .function = type == STT_FUNC || type == STT_GNU_IFUNC,
                            .weak = binding == STB_WEAK,
                            .exported = exported});
      }
    } else if (section.sh_type == SHT_DYNAMIC) {
      const std::size_t count = section.sh_size / sizeof(Elf64_Dyn);
      const auto* entries = at<Elf64_Dyn>(section.sh_offset, count);
      for (std::size_t e = 0; entries && e < count; e++) {
        if (entries[e].d_tag == DT_NEEDED) needed_.push_back(string_at(strings + entries[e].d_un.d_val));
        if (entries[e].d_tag == DT_RPATH || entries[e].d_tag == DT_RUNPATH) has_own_search_path_ = true;
      }
    }
  }

  for (std::size_t i = 0; i < header->e_shnum; i++) {
    if (table[i].sh_type == section_type_relr) {
      const std::size_t count = table[i].sh_size / sizeof(std::uint64_t);
      read_packed_relocations(at<std::uint64_t>(table[i].sh_offset, count), count);
    }
    if (table[i].sh_type != SHT_RELA) continue;
    const std::size_t count = table[i].sh_size / sizeof(Elf64_Rela);
    const auto* entries = at<Elf64_Rela>(table[i].sh_offset, count);
    for (std::size_t r = 0; entries && r < count; r++) {
      const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(entries[r].r_info));
      const std::size_t symbol = ELF64_R_SYM(entries[r].r_info);
      const auto addend = static_cast<std::uint64_t>(entries[r].r_addend);
      if (is_relative(machine_, type))
        relocations_[entries[r].r_offset] = {.symbol = "", .address = addend};
      else if (is_symbol_address(machine_, type) && symbol < dynamic_names.size())
        relocations_[entries[r].r_offset] = {.symbol = dynamic_names[symbol], .address = addend};
    }
  }
  read_function_starts();
  return {};
}

// The packed form: an even word is a place; an odd one says by its other 63 bits which of the words that follow
// are places, too. The address stands in the place itself.
void ElfFile::read_packed_relocations(const std::uint64_t* words, std::size_t count) {
  const auto add = [this](std::uint64_t place) {
    if (const unsigned char* content = bytes(place, sizeof(std::uint64_t)))
      relocations_[place] = {.symbol = "", .address = load<std::uint64_t>(content)};
  };
  std::uint64_t next = 0;
  for (std::size_t i = 0; words && i < count; i++) {
    if ((words[i] & 1) == 0) {
      add(words[i]);
      next = words[i] + 8;
      continue;
    }
    for (unsigned bit = 1; bit < 64; bit++)
      if (words[i] >> bit & 1) add(next + 8 * (bit - 1));
    next += std::uint64_t{8} * 63;
  }
}

void ElfFile::read_function_starts() {
  for (const ElfSymbol& symbol : symbols_)
    if (symbol.defined && symbol.function) function_starts_.push_back(symbol.address);
  for (const ElfSection& section : sections_) {
    if (section.code) function_starts_.push_back(section.address);
    if (section.name != ".eh_frame_hdr" || section.bytes == nullptr || section.size < 12) continue;
    const unsigned char* at = section.bytes;
    if (at[0] != 1 || at[1] != eh_pointer_pcrel_sdata4 || at[2] != eh_pointer_udata4 ||
        at[3] != eh_pointer_datarel_sdata4)
      continue;
    const std::size_t count = std::min<std::size_t>(load<std::uint32_t>(at + 8), (section.size - 12) / 8);
    for (std::size_t i = 0; i < count; i++)
      function_starts_.push_back(section.address +
                                 static_cast<std::uint64_t>(std::int64_t{load<std::int32_t>(at + 12 + 8 * i)}));
  }
  std::erase_if(function_starts_, [this](std::uint64_t start) {
    const ElfSection* section = section_of(start);
    return section == nullptr || !section->code;
  });
  std::sort(function_starts_.begin(), function_starts_.end());
  function_starts_.erase(std::unique(function_starts_.begin(), function_starts_.end()), function_starts_.end());
}

const ElfSection* ElfFile::section_of(std::uint64_t address) const {
  for (const ElfSection& section : sections_)
    if (address >= section.address && address - section.address < section.size) return &section;
  return nullptr;
}

const unsigned char* ElfFile::bytes(std::uint64_t address, std::size_t size) const {
  const ElfSection* section = section_of(address);
  if (section == nullptr || section->bytes == nullptr || size > section->size - (address - section->address))
    return nullptr;
  return section->bytes + (address - section->address);
}

std::string_view ElfFile::text(std::uint64_t address) const {
  const ElfSection* section = section_of(address);
  if (section == nullptr || section->bytes == nullptr) return {};
  const std::size_t room = section->size - (address - section->address);
  const char* start = reinterpret_cast<const char*>(section->bytes + (address - section->address));
  const std::size_t length = ::strnlen(start, room);
  return length < room ? std::string_view(start, length) : std::string_view();
}

}  // namespace bgw
