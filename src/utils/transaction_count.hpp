// How many transactions each process has ended, for who watches it: one counter per PGPROC beside the backend
// status. Written by its owner only, without a lock; read by anybody at any time.
#pragma once

#include <cstdint>

namespace bgw {

// A transaction of this process has been committed or rolled back. Nothing happens before pgstat_beinit().
void count_transaction() noexcept;

// Of the process that has the PGPROC of this number now; 0 for a number that is none.
std::uint64_t transactions_of(int process_number) noexcept;

}  // namespace bgw
