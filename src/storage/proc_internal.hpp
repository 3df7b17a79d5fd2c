// What proc.cc offers to the host's own files beyond the server's interface (storage/proc.h).
#pragma once

namespace bgw {

// In the postmaster, of a child that has ended or never begun: whether the PGPROC of this number is free, as after an
// orderly exit. It is afterwards.
bool give_back_for(int number) noexcept;

}  // namespace bgw
