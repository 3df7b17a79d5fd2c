// Memory that forks do not copy: for what a process keeps for itself and its children never look at.
#pragma once

#include <memory_resource>

namespace bgw {

// The process's private memory, made of whole mappings that a child does not have at all: a child that follows a
// pointer into it dies of SIGSEGV. What is in it costs a fork nothing, however much it is, and is not write-protected by
// one. Grows as needed and never shrinks; for one thread.
std::pmr::memory_resource& private_memory();

}  // namespace bgw
