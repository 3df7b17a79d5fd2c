// What the host keeps in shared memory for each process beside its PGPROC: a room per child slot, in which the parts of
// several files lie side by side. A process that comes to one comes to others soon; each page it comes to costs it a page
// fault, and each 2 MB of addresses a page table. A process that only begins, and waits, comes to none.
#pragma once

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
  PGSemaphoreData semaphore;  // storage/pg_sema.cc
  // utils/backend_status.cc has what follows.
};

// Makes as many as there are PGPROCs, each followed by its part for the status, all zero; `process_rooms_size` is the
// shared memory that takes, in bytes.
Size process_rooms_size();
void make_process_rooms();
Size status_part_size();  // in bytes; utils/backend_status.cc knows

int process_room_count() noexcept;

// As many as make_process_rooms() would make now.
int wanted_process_rooms();

// `number` is that of the PGPROC, from 0 on and below process_room_count(). Inside a room its part for the status is on
// a cache line of its own.
ProcessRoom& process_room(int number) noexcept;
inline char* status_part(int number) noexcept { return reinterpret_cast<char*>(&process_room(number) + 1); }

}  // namespace bgw
