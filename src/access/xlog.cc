// Whether the upstream replays or accepts writes, as the monitor last saw it; no session is needed.
extern "C" {
#include "postgres.h"
#include "access/xlog.h"
}

#include "postmaster/upstream.hpp"

extern "C" bool RecoveryInProgress(void) {
  return bgw_upstream_in_recovery();
}
