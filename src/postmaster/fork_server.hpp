// The fork server: a copy of the postmaster that makes spare processes, and workers while many are to be started.
//
// A fork copies the page tables and descriptors of the process that forks, and leaves it to take a page fault
// for each page that it writes next. The postmaster has a descriptor and some memory for each worker, so its
// forks grow dearer with each, and it has better things to do meanwhile. The fork server has one socket,
// however many workers there are, and what it makes are the postmaster's children, not its own.
//
// Invariants:
//  1. A fork server is a copy of the postmaster as it was, with the settings and the shared memory of that moment. It is
//     retired (its requests end) at every reload, reset and shutdown, and made anew when next needed.
//  2. Every process that it has made is announced to the postmaster before the next is made, and nothing else is said:
//     one message for each process asked for, in order. A retired server answers what it had been asked and ends.
//  3. A spare learns what it is to become, and its slot, from the postmaster alone, over a pipe that no other process
//     has the writing end of. One whose fork server dies reads the end of that pipe, and ends.
//  4. A worker that was ordered has its order with it and begins at once, perhaps before it is announced: what it asks of
//     the postmaster is looked at after all that were ordered have been announced.
//  5. The kernel notes the pid of each new process in the MadeNote before that process begins. A process that a dying
//     fork server has made and not announced is the last one it made, answers the first request without an answer, and is
//     known by the note.
//  6. Memory that forks copy is written by a fork server before it is at work and not after: what it writes is on a stack
//     that they do not copy, in shared memory, or the kernel's. Otherwise each such page would be copied twice for
//     every process: for the server when it writes, and for the process when that does. So an order waits for its
//     process in a file without a name, at a place of the process's own, and is read from there like from a pipe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <utility>

#include "port/fd.hpp"

namespace bgw {

// What the fork server says of one process that it was asked for.
struct Announcement {
  pid_t pid = 0;        // 0: none could be made,
  int error = 0;        // for this errno
  UniqueFd pidfd;       // close-on-exec
  UniqueFd order_pipe;  // of a spare: the end to write its order to, close-on-exec
};

// Where the kernel notes the pid of the process that a fork server made last: memory of the postmaster that the fork server
// shares and nobody else has.
class MadeNote {
 public:
  static Result<MadeNote> create();
  MadeNote(MadeNote&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  MadeNote& operator=(MadeNote&&) = delete;
  ~MadeNote();

  // In a process just forked, or in the one that forked it: the processes that it will fork do not get the memory.
  void keep_from_children() noexcept;
  pid_t* address() const { return at_; }
  pid_t last() const { return *static_cast<volatile pid_t*>(at_); }  // 0: none yet

 private:
  explicit MadeNote(pid_t* at) : at_(at) {}
  pid_t* at_;
};

// What the processes do that a fork server makes; none of the first three returns.
struct ForkedMains {
  void (*spare)(int order_fd, void* order);  // waits for its order on the pipe, and has kLargestOrder bytes for it
  void (*ordered)(void* order);              // begins; the order stays where it is for the process's life
  void (*raised)();                          // comes instead of the rest of either (bridge/entry.hpp)
  int (*number)(const void* order);          // of the process that it is for, from 0 on: no two living ones have the same
  std::size_t order_size;                    // in bytes, more than an int and at most kLargestOrder
};
inline constexpr std::size_t kLargestOrder = 640;  // in bytes: what a new process is told where it is made

// In the fork server: answers requests on `socket` until the postmaster ends them.
[[noreturn]] void run_fork_server(int socket, const ForkedMains& mains, pid_t* note);

// In the postmaster: asks for `count` spares; false when the server is gone or has too much to do.
bool request_spares(int socket, int count) noexcept;

// In the postmaster: orders one process that is to begin with these bytes (ForkedMains::order_size); false as above.
bool request_ordered(int socket, const void* order, std::size_t size) noexcept;

// In the postmaster: the next announcement, if one has come. Sets *ended when none will come any more.
std::optional<Announcement> read_announcement(int socket, bool* ended) noexcept;

}  // namespace bgw
