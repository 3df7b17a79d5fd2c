// Making and dropping the shared region: between ipci.cc, which decides when, and shmem.cc, which knows its
// head. For the postmaster only, while it has no children.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace bgw {

// Maps a zero-filled region of `size` bytes (FATAL if that fails) and prepares its head. InitShmemAccess()
// makes it the region that the process uses.
void* make_shared_region(Size size);

// Unmaps the region in use, if there is one. Every pointer into it is invalid from then on.
void drop_shared_region();

}  // namespace bgw

extern "C" {

// After a crash, when no child is left: drops the region, makes a new one of the same size with everything in
// its first state, and calls shmem_startup_hook again.
void bgw_reset_shared_memory(void);
}
