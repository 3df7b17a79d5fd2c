// The program's variables as one mapping.
//
// Those with initial values lie in a private mapping of the program's file, the others in anonymous memory behind it. Both
// hold memory of the process's own, and each such mapping costs every fork some objects in the kernel.
#pragma once

namespace bgw {

// Puts anonymous memory, of the same content, in place of the file's mapping; the kernel joins it to what is behind. For a
// process with one thread, not itself a fork of another (the kernel would not join). False, and nothing changed, where that
// cannot be had.
bool join_program_data() noexcept;

// Whether this variable lies in memory that has been joined, and so is anonymous.
bool in_joined_data(const void* variable) noexcept;

}  // namespace bgw
