// Whether this process has libpq, for code that makes no calls to it: see libpq.hpp for why it is not linked.
#pragma once

namespace bgw {

// Loads libpq unless this process has it. A libpq that cannot be loaded ends the process with a message on
// stderr and exit code 1: nothing that needs a session can go on. Not for signal handlers.
void load_libpq() noexcept;

bool libpq_is_loaded() noexcept;

}  // namespace bgw
