// What pmsignal.cc offers to the host's own files beyond the server's interface (storage/pmsignal.h).
#pragma once

namespace bgw {

// In the postmaster: how many children may be given a slot now. A child that has ended holds its slot until it is reaped.
int free_child_slots() noexcept;

// The highest slot number there is.
int child_slot_count() noexcept;

// In a child whose SIGPWR has its handler already: asks the kernel to send it when the postmaster ends. 0, or an errno.
int request_postmaster_death_signal() noexcept;

}  // namespace bgw
