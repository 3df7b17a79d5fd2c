// The end of all dynamic shared memory in a crash reset: between ipci.cc, which decides when, and dsm.cc.
#pragma once

namespace bgw {

// For the postmaster, when no child is left: forgets the segments and lets their memory go.
void drop_dynamic_shared_memory();

}  // namespace bgw
