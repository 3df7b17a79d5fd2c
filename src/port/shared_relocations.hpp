// The program's relocated data as a file's pages.
//
// Read-only data that holds pointers is filled in when the program is loaded, so its pages are the process's own: every
// fork copies the page table entries of each, some hundred, whether the child comes to them or not. Of a file's pages a
// forked child is given none before it comes to them.
#pragma once

namespace bgw {

// Puts a file without a name, of the same content, in place of the program's relocated data; processes forked from then
// on share it. For a process with one thread. False, and nothing changed, where that cannot be had.
bool relocations_into_shared_pages() noexcept;

}  // namespace bgw
