// What the registration side of background workers (bgworker.cc) gives to the postmaster (postmaster.cc).
#pragma once

#include "core/worker_slots.hpp"

extern "C" {
#include "postgres.h"
#include "postmaster/bgworker.h"
}

namespace bgw {

// The statically registered workers, in the order of registration, until they are forgotten: the postmaster keeps
// copies where children do not pay for them. `index` from 0 to registered_worker_count() - 1.
int registered_worker_count();
BackgroundWorker* registered_worker(int index);
void forget_registrations();

// The checks that static and dynamic registration share, in the server's order; what is wrong is reported at
// `elevel`. An empty bgw_type is filled in, in the caller's own struct, as the server does.
bool check_definition(BackgroundWorker* worker, int elevel);

// Postmaster, once shared memory and the status page are there, and after each reset: makes the slots known to
// this process and the children it makes from now on.
SlotRequests attach_worker_slots();

// For a fork server: the workers that it makes, all with a database or all without, begin with the dispositions of signals
// that a worker has, and need not install them.
void install_handlers_of_workers(bool database);

// In a fresh child, with signals blocked and MyPMChildSlot assigned: becomes the worker, runs its entry
// function, and ends the process. `entry` is that function where it is known already; it is looked up otherwise.
[[noreturn]] void run_background_worker(BackgroundWorker* worker, bgworker_main_type entry = nullptr);

// What that does when the entry function raises an ERROR that nobody catches: reports it and leaves.
[[noreturn]] void end_worker_by_error();

}  // namespace bgw
