// What the registration side of background workers (bgworker.cc) gives to the postmaster (postmaster.cc).
#pragma once

extern "C" {
#include "postgres.h"
#include "postmaster/bgworker.h"
}

namespace bgw {

// The statically registered workers, in the order of registration. Kept for the postmaster's life; children
// inherit them. `index` from 0 to registered_worker_count() - 1.
int registered_worker_count();
BackgroundWorker* registered_worker(int index);

// In a fresh child, with signals blocked and MyPMChildSlot assigned: becomes the worker, runs its entry
// function, and ends the process.
[[noreturn]] void run_background_worker(BackgroundWorker* worker);

}  // namespace bgw
