// What worker_session.cc and worker_connect.cc share. Include after postgres.h.
#pragma once

#include <string>

#include "core/session.hpp"

namespace bgw {

// Makes `ready` the worker's session; it is never destroyed, only closed. `by_role`: it became the worker's by SET
// ROLE.
void install_worker_session(Session* ready, bool by_role) noexcept;

// Acts on what interrupted a wait; may raise or end the process.
void session_serve_interrupt();

// Waits until the operation is done, serving interrupts. May raise or end the process.
void session_wait(Step step);

// Writes what the upstream said below ERROR to the log.
void session_report_notices();

// Raises the session's failure: ERROR, or FATAL if the connection is gone.
void session_raise_failure(int position_offset);

// Cancels what is under way, takes the answer to what was not waited for, and closes the connection. Writes
// what the upstream said below ERROR to the log.
void session_at_exit();

// Settings of the upstream's session as it last reported them (session_settings.cc).
struct ReportedSettings {
  char date_style[64], interval_style[64], time_zone[256];
};
void read_reported_settings(const Session& from, ReportedSettings* reported) noexcept;

// A statement that puts the session, or only the transaction, into the state that the host needs: no timeouts,
// output that it can read.
std::string session_set_up_text(const Session& session, bool transaction_only);

// The encoding of the session's text becomes this process's: the database's, or behind a pooler in transaction mode the
// connection's.
void take_encoding(const Session& session, bool transaction_only);

// How values are printed by this process is how the session printed them before it was set up.
void begin_following_settings(const Session& session, const ReportedSettings* reported);

// Takes over what the upstream has reported since the last call. Cheap if there is nothing.
void follow_reported_settings();

}  // namespace bgw
