// The last words of a worker: what its exit status is going to be.
//
// The kernel takes longer over the end of a process than anything else in a restart takes. A worker whose last
// exit handler has run will never run code of a module again: it says so, with its status, and the postmaster
// need not wait for the kernel to go on. (Threads that a module has left running go on until _exit(),
// microseconds later.)
//
// Invariants:
//  1. A worker's last words are sent after every exit callback, its own and the libraries', and after it has
//  closed
//     its descriptors: sockets it listened on and locks on files are free before its successor starts.
//  2. Nobody can speak for another: the kernel attaches the sender's pid, and the postmaster takes it from
//  there.
//  3. Only the ends that are no crash, 0 and 1, are believed. The status that the process is reaped with
//  decides: if
//     it is another one, the worker has crashed, whatever it had said.
//  4. Words sent before a process ended are read before it is reaped (the postmaster drains the socket first),
//  so they
//     cannot be taken for those of a later process with the same pid.
//  5. Words may be lost (a full socket, a module that has closed every descriptor): the worker's end is then
//  noticed
//     when it is reaped, as that of any child.
#pragma once

#include <sys/types.h>

#include <optional>

#include "core/result.hpp"

namespace bgw {

struct LastWords {
  pid_t pid;   // 0: some child has shut the socket down, nothing will come any more
  int status;  // 0..255
};

// In the postmaster, once, before any child exists. Returns the descriptor to watch; it stays open for good.
Result<int> open_last_words();

// In the postmaster: the next last words that have come, if any.
std::optional<LastWords> read_last_words() noexcept;

// In a worker's very last exit handler: closes the process's descriptors (but the standard ones) and speaks.
void say_last_words(int status) noexcept;

}  // namespace bgw
