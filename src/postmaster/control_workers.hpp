// What a backend answers about workers, and does to them. C style: every function but the first may raise.
#pragma once

#include "postmaster/control_backend.hpp"

namespace bgw {

// Sends the answers to "status" and "ps".
void control_status(const ControlBackendFacts& facts) noexcept;
void control_ps(const ControlBackendFacts& facts);

// Registers the dynamic worker that the request describes and waits until it has started, or, if asked to,
// ended.
void control_launch();

// Ends the worker that the request's "worker" names, for good; waits for it if asked to.
void control_terminate();

// Sets the latch of the worker that the request's "worker" names.
void control_wake();

}  // namespace bgw
