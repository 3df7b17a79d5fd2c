// The C library's registration for restartable sequences, rseq(2).
#pragma once

namespace bgw {

// Takes the calling thread's registration back, for it and for the processes it will fork. With it the kernel writes to
// the thread's memory each time it goes on on a processor, and just after a fork such a write costs the copy of a page.
// What the C library does with the registration, sched_getcpu(), works without it. Nothing happens if there is none.
void leave_restartable_sequences() noexcept;

}  // namespace bgw
