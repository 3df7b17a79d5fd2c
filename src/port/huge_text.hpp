// The program's own machine code in huge pages.
//
// Of a file's pages that a process maps, the kernel gives a forked child none: the child takes a page fault for every
// 64 kB of code that it comes to, and has page tables of its own for them. Anonymous huge pages are handed to the child
// with its address space, one entry of the table for 2 MB, and cost it neither.
#pragma once

namespace bgw {

// Copies the program's code into huge pages and puts them in its place; processes forked from then on share them. For a
// process with one thread. False, and nothing changed, where that cannot be had: the administrator has switched
// transparent huge pages off, the system has none to give or is older than Linux 6.1, it lets nobody make memory
// executable, or the program is not linked on boundaries of huge pages.
bool text_into_huge_pages() noexcept;

// Where that has been done, gives back to the program's file what lies behind the first huge page. The host's own code is
// in that one; the others, a table entry and a spare page table more for every fork, hold libpg_query and the C++ library.
// For the ancestor of processes that do without them, and come to their pages one by one if they do not.
void later_text_back_to_file() noexcept;

}  // namespace bgw
