// The default SIGTERM handler's body, for the file that installs the handler (postmaster/bgworker.cc).
#pragma once

extern "C" {

// Ends the worker with FATAL 57P01 now, or, when host code is interrupted that must not be left half-way, notes
// that it is to end as soon as that code is done. For signal handlers of a worker.
void bgw_die_handler_body(void);
}
