// The cumulative statistics system, which the host does not have: the upstream counts what is done there.
// Reports are accepted and dropped, so that modules that make them go on.
extern "C" {
#include "postgres.h"
#include "pgstat.h"
}

extern "C" {

Size StatsShmemSize(void) {
  return 0;
}
void StatsShmemInit(void) {}
void pgstat_initialize(void) {}
void pgstat_restore_stats(void) {}
void pgstat_discard_stats(void) {}
void pgstat_before_server_shutdown(int code, Datum arg) {}

// Zero: nothing is left to be reported later.
long pgstat_report_stat(bool force) {
  return 0;
}
void pgstat_force_next_flush(void) {}
void pgstat_clear_snapshot(void) {}
void pgstat_reset_counters(void) {}
void pgstat_reset(PgStat_Kind kind, Oid dboid, Oid objectid) {}
void pgstat_reset_of_kind(PgStat_Kind kind) {}
bool pgstat_have_entry(PgStat_Kind kind, Oid dboid, Oid objoid) {
  return false;
}

void pgstat_report_archiver(const char* xlog, bool failed) {}
void pgstat_report_bgwriter(void) {}
void pgstat_report_checkpointer(void) {}
void pgstat_report_autovac(Oid dboid) {}
void pgstat_report_recovery_conflict(int reason) {}
void pgstat_report_deadlock(void) {}
void pgstat_report_checksum_failures_in_db(Oid dboid, int failurecount) {}
void pgstat_report_checksum_failure(void) {}
void pgstat_report_connect(Oid dboid) {}
void pgstat_report_wal(bool force) {}

void AtEOXact_PgStat(bool isCommit, bool parallel) {}
void AtEOSubXact_PgStat(bool isCommit, int nestDepth) {}

}  // extern "C"
