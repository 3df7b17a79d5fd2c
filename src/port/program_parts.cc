// Read from the program headers of the first object there is, which is the program.
#include "port/program_parts.hpp"

#include <link.h>

#include <cstdint>

namespace bgw {

namespace {

struct Wanted {
  bool (*is_it)(const ElfW(Phdr)& segment);
  ProgramPart found;
};

ProgramPart find(bool (*is_it)(const ElfW(Phdr)& segment)) noexcept {
  Wanted wanted{is_it, {}};
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* argument) {
        auto* wanted = static_cast<Wanted*>(argument);
        for (int i = 0; i < object->dlpi_phnum; i++) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[i];
          if (!wanted->is_it(segment)) continue;
          const std::uintptr_t start = object->dlpi_addr + segment.p_vaddr;
          const std::uintptr_t first_page = start / kPage * kPage;
          wanted->found = {reinterpret_cast<char*>(first_page), rounded_up(start + segment.p_memsz - first_page, kPage),
                           static_cast<off_t>(segment.p_offset - (start - first_page)),
                           start + segment.p_filesz - first_page};
        }
        return 1;
      },
      &wanted);
  return wanted.found;
}

}  // namespace

ProgramPart program_text() noexcept {
  return find([](const ElfW(Phdr)& segment) { return segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0; });
}

ProgramPart program_relocated_data() noexcept {
  return find([](const ElfW(Phdr)& segment) { return segment.p_type == PT_GNU_RELRO; });
}

ProgramPart program_initialised_data() noexcept {
  const ProgramPart relocated = program_relocated_data();
  ProgramPart data =
      find([](const ElfW(Phdr)& segment) { return segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0; });
  if (data.start != relocated.start || data.size_in_file <= relocated.size) return {};
  return {data.start + relocated.size, rounded_up(data.size_in_file - relocated.size, kPage)};
}

}  // namespace bgw
