// Where the upstream is and how it does: see upstream.hpp. The state comes from the status page, which the
// postmaster writes; the connection string from the settings, or from the embedded cluster.
#include "postmaster/upstream.hpp"

#include "core/status_page.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/xlog.h"
#include "utils/memutils.h"
}

namespace {

const char* embedded_conninfo = "";

}  // namespace

extern "C" {

bool bgw_upstream_is_embedded(void) {
  return upstream_conninfo == nullptr || upstream_conninfo[0] == '\0';
}

const char* bgw_upstream_conninfo(void) {
  return bgw_upstream_is_embedded() ? embedded_conninfo : upstream_conninfo;
}

bool bgw_upstream_in_recovery(void) {
  return bgw::StatusPage::upstream().in_recovery;
}

void bgw_set_embedded_conninfo(const char* conninfo) {
  embedded_conninfo = MemoryContextStrdup(TopMemoryContext, conninfo);
}
}
