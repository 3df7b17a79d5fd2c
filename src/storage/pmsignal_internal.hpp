// The postmaster's own view of the children's slots (storage/pmsignal.h).
#pragma once

namespace bgw {

// How many children may be given a slot now. A child that has ended holds its slot until it is reaped.
int free_child_slots() noexcept;

// The highest slot number there is.
int child_slot_count() noexcept;

}  // namespace bgw
