// What worker_session.cc and worker_connect.cc share. Include after postgres.h.
#pragma once

#include "core/session.hpp"

namespace bgw {

// Makes `ready` the worker's session; it is never destroyed, only closed.
void install_worker_session(Session* ready) noexcept;

// Acts on what interrupted a wait; may raise or end the process.
void session_serve_interrupt();

// Waits until the operation is done, serving interrupts. May raise or end the process.
void session_wait(Step step);

// Writes what the upstream said below ERROR to the log.
void session_report_notices();

// Raises the session's failure: ERROR, or FATAL if the connection is gone.
void session_raise_failure(int position_offset);

// Cancels what is under way and closes the connection.
void session_at_exit() noexcept;

}  // namespace bgw
