// The time-outs that belong to a session: registered when a process gets one, for enable_timeout_after() and
// its kin.
#pragma once

namespace bgw {

// Once in a process, after InitializeTimeouts().
void register_session_timeouts();

}  // namespace bgw
