#include "core/session.hpp"
extern "C" {
#include "postgres.h"
}
#include "bridge/worker_session.hpp"
__attribute__((weak)) void bgw_connect_worker(const char*, const char*, Oid, Oid, uint32) {
  ereport(FATAL, (errmsg("connections are not built in yet")));
}
