// What the default SIGTERM handler of a worker does, and what becomes of it when it comes at a bad moment.
//
// The handler may arrive anywhere. When no host code is interrupted by it (critical_depth is zero) it ends the
// process right there. Otherwise it leaves exit_deferred, and whoever brings the count to zero ends it. A host
// wait with the count above zero (the session's socket wait) comes back as interrupted when the note is left.
#include "bridge/critical.hpp"
#include "bridge/die.hpp"
#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
}

namespace bgw {

BGW_START_DATA volatile std::sig_atomic_t critical_depth = 0;
BGW_START_DATA volatile std::sig_atomic_t critical_floor = 0;
BGW_START_DATA volatile std::sig_atomic_t exit_deferred = 0;

void act_on_deferred_exit() {
  exit_deferred = 0;
  PG_SETMASK(&BlockSig);
  ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN),
                  errmsg("terminating background worker \"%s\" due to administrator command",
                         MyBgworkerEntry ? MyBgworkerEntry->bgw_type : "")));
  pg_unreachable();
}

}  // namespace bgw

extern "C" void bgw_die_handler_body(void) {
  int kept_errno = errno;
  if (bgw::critical_depth == 0) bgw::act_on_deferred_exit();
  bgw::exit_deferred = 1;
  errno = kept_errno;
}
