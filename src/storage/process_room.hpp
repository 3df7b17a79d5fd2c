// What the host keeps in shared memory for each process beside its PGPROC: a room per child slot, in which the parts of
// several files lie side by side. A new process writes to all of them at once; each page it comes to costs it a page
// fault, and each 2 MB of addresses a page table.
#pragma once

#include <csignal>

extern "C" {
#include "postgres.h"
#include "storage/pg_sema.h"
}

struct PGSemaphoreData {
  volatile int count;     // by anybody, atomically
  volatile int sleepers;  // by anybody, atomically
};

namespace bgw {

struct alignas(PG_CACHE_LINE_SIZE) ProcessRoom {
  volatile sig_atomic_t child_state;  // storage/pmsignal.cc
  PGSemaphoreData semaphore;          // storage/pg_sema.cc
  // utils/backend_status.cc has what follows.
};

// Makes as many as there are PGPROCs, each followed by its part for the status, all zero; `process_rooms_size` is the
// shared memory that takes, in bytes.
Size process_rooms_size();
void make_process_rooms();
Size status_part_size();  // in bytes; utils/backend_status.cc knows

// Where the process that will be number `number` finds its order when it begins; kLargestOrder bytes
// (postmaster/fork_server.hpp). Afterwards its activity is there, which nobody reads before the process has an entry.
void* order_part(int number) noexcept;  // utils/backend_status.cc

int process_room_count() noexcept;

// `number` is that of the PGPROC, from 0 on and below process_room_count(). Inside a room its part for the status is on
// a cache line of its own.
ProcessRoom& process_room(int number) noexcept;
inline char* status_part(int number) noexcept { return reinterpret_cast<char*>(&process_room(number) + 1); }

}  // namespace bgw
