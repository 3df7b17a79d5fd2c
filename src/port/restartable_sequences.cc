#include "port/restartable_sequences.hpp"

#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bgw {

void leave_restartable_sequences() noexcept {
  if (__rseq_size == 0) return;
  constexpr unsigned kRegisteredSize = 32;  // whatever of it is in use, the first form of the structure is registered
  auto* area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  ::syscall(SYS_rseq, area, kRegisteredSize, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

}  // namespace bgw
