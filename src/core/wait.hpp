// What a wait for a socket can come to: the word between the session, which asks for the wait, and whoever can
// wait without becoming deaf to signals and latches (core/wait.hpp).
#pragma once

namespace bgw {

enum class WaitOutcome {
  ready,        // the descriptor is ready for one of the events asked for (or has an error or hang-up)
  timeout,      // the time is over
  interrupted,  // an interrupt is pending (InterruptPending, exit_deferred): the caller must act on it
};

}  // namespace bgw
