// The progress of a long command, shown in the process's status entry (utils/backend_status.cc): written by the
// owner only, under the entry's change count.
extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
}

namespace {

bool is_reporting() {
  return MyBEEntry && pgstat_track_activities;
}

}  // namespace

extern "C" {

void pgstat_progress_start_command(ProgressCommandType cmdtype, Oid relid) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!is_reporting()) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_progress_command = cmdtype;
  entry->st_progress_command_target = relid;
  for (volatile int64& param : entry->st_progress_param) param = 0;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_progress_update_param(int index, int64 val) {
  volatile PgBackendStatus* entry = MyBEEntry;
  Assert(index >= 0 && index < PGSTAT_NUM_PROGRESS_PARAM);
  if (!is_reporting()) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_progress_param[index] = val;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_progress_update_multi_param(int nparam, const int* index, const int64* val) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!is_reporting() || nparam == 0) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  for (int i = 0; i < nparam; i++) entry->st_progress_param[index[i]] = val[i];
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_progress_end_command(void) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!is_reporting() || entry->st_progress_command == PROGRESS_COMMAND_INVALID) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_progress_command = PROGRESS_COMMAND_INVALID;
  entry->st_progress_command_target = InvalidOid;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

}  // extern "C"
