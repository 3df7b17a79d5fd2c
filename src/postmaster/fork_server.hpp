// The fork server: a copy of the postmaster that makes the spare processes.
//
// A fork copies the page tables and descriptors of the process that forks, and leaves it to take a page fault
// for each page that it writes next. The postmaster has a descriptor and some memory for each worker, so its
// forks grow dearer with each, and it has better things to do meanwhile. The fork server has one socket,
// however many workers there are, and what it makes are the postmaster's children, not its own.
//
// Invariants:
//  1. A fork server is a copy of the postmaster as it was, with the settings and the shared memory of that
//  moment. It is
//     retired (its requests end) at every reload, reset and shutdown, and made anew when next needed.
//  2. Every process that it has made is announced to the postmaster before the next is made, and nothing else
//  is said:
//     one message for each process asked for, in order. A retired server answers what it had been asked and
//     ends.
//  3. A spare learns what it is to become, and its slot, from the postmaster alone, over a pipe that no other
//  process
//     has the writing end of. A spare whose announcement is lost with a dying fork server reads the end of that
//     pipe and ends; the postmaster finds it among its children (find_strange_children).
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "port/fd.hpp"

namespace bgw {

// What the fork server says of one process that it was asked for.
struct SpareAnnouncement {
  pid_t pid = 0;        // 0: none could be made,
  int error = 0;        // for this errno
  UniqueFd pidfd;       // close-on-exec
  UniqueFd order_pipe;  // the end to write its order to, close-on-exec
};

// What a spare does with its pipe; does not return.
using SpareMain = void (*)(int order_fd);

// In the fork server: answers requests on `socket` until the postmaster ends them.
[[noreturn]] void run_fork_server(int socket, SpareMain spare_main);

// In the postmaster: asks for `count` processes; false when the server is gone.
bool request_spares(int socket, int count) noexcept;

// In the postmaster: the next announcement, if one has come. Sets *ended when none will come any more.
std::optional<SpareAnnouncement> read_announcement(int socket, bool* ended) noexcept;

// The pids of this process's children (from /proc; empty where the kernel does not tell).
std::vector<pid_t> children_of_this_process();

}  // namespace bgw
