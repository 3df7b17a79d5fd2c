// What ipc.cc offers to the host's own files beyond the server's interface.
#pragma once

extern "C" {
#include "postgres.h"
#include "storage/ipc.h"
}

namespace bgw {

// Like on_shmem_exit(), for what must not be lost or left half-way when SIGTERM comes while the process is leaving: once
// taken off the list, the callback is run to its end in a critical section (bridge/critical.hpp). It does not wait.
void on_shmem_exit_whole(pg_on_exit_callback function, Datum arg);

}  // namespace bgw
