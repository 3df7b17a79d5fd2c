// What each process shows of its doings: its kind, since when it runs, what it runs now.
//
// One entry per PGPROC, in its room (storage/process_room.hpp), written by its owner only, under the protocol of the header: the
// change count is odd while the entry is being changed, and a reader whose copy saw it odd or moving copies
// again. An entry's strings lie behind it, so that a new process touches few pages. The postmaster, which must
// not trust what it finds there, computes the place of a dead child's activity itself and copies printable
// characters only.
#include "port/clock.hpp"
#include "port/start_data.hpp"

#include <atomic>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

#include "postmaster/fork_server.hpp"
#include "storage/ipc_parts.hpp"
#include "storage/process_room.hpp"
#include "utils/activity_text.hpp"
#include "utils/transaction_count.hpp"

namespace {

// In the room of each PGPROC; its activity, of `activity_size` bytes, follows it. A string's last byte is always 0.
struct alignas(PG_CACHE_LINE_SIZE) Status {
  PgBackendStatus entry;
  char appname[NAMEDATALEN];
  // A line of its own: its owner writes it at every transaction's end. By the process that has the entry; set
  // to 0 by the next one.
  alignas(PG_CACHE_LINE_SIZE) std::atomic<std::uint64_t> transactions_ended;
};
BGW_START_DATA int my_number = -1;  // of the room that has MyBEEntry

// How many there are and how long an activity is, as it was when they were made.
int entry_count = 0;
BGW_START_DATA Size activity_size = 0;

// The reader's copy of all entries in use, kept until pgstat_clear_backend_activity_snapshot().
LocalPgBackendStatus* snapshot = nullptr;
int snapshot_count = 0;
MemoryContext snapshot_context = nullptr;

TimestampTz current_timestamp() {
  return bgw::wall_clock_us() - static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

Status& status(int number) {
  return *reinterpret_cast<Status*>(bgw::status_part(number));
}
PgBackendStatus& entry_of(int number) {
  return status(number).entry;
}
char* activity_of(int number) {
  return reinterpret_cast<char*>(&status(number) + 1);
}
char* appname_of(int number) {
  return status(number).appname;
}

void leave_entry(int code, Datum arg) {
  volatile PgBackendStatus* entry = MyBEEntry;
  MyBEEntry = nullptr;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_procpid = 0;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

// Copies an entry that is in use, strings included; false if it is not in use.
bool copy_entry(int number, PgBackendStatus* copy, char* appname, char* activity) {
  volatile PgBackendStatus* entry = &entry_of(number);
  for (;;) {
    int before, after;
    pgstat_begin_read_activity(entry, before);
    int pid = entry->st_procpid;
    if (pid > 0) {
      memcpy(static_cast<void*>(copy), const_cast<PgBackendStatus*>(entry), sizeof(PgBackendStatus));
      memcpy(appname, appname_of(number), NAMEDATALEN);
      memcpy(activity, activity_of(number), activity_size);
    }
    pgstat_end_read_activity(entry, after);
    if (pgstat_read_activity_complete(before, after)) {
      if (pid <= 0) return false;
      copy->st_appname = appname;
      copy->st_activity_raw = activity;
      return true;
    }
    CHECK_FOR_INTERRUPTS();
  }
}

void take_snapshot() {
  if (snapshot) return;
  if (!snapshot_context)
    snapshot_context = AllocSetContextCreate(TopMemoryContext, "Backend Status Snapshot", ALLOCSET_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(snapshot_context);
  LocalPgBackendStatus* copies =
      static_cast<LocalPgBackendStatus*>(palloc0(sizeof(LocalPgBackendStatus) * (entry_count + 1)));
  char* strings = static_cast<char*>(palloc(NAMEDATALEN + activity_size));
  int count = 0;
  for (int i = 0; i < entry_count; i++) {
    if (!copy_entry(i, &copies[count].backendStatus, strings, strings + NAMEDATALEN)) continue;
    count++;
    strings = static_cast<char*>(palloc(NAMEDATALEN + activity_size));
  }
  MemoryContextSwitchTo(before);
  snapshot = copies;
  snapshot_count = count;
}

void copy_printable(char* to, const char* from, int size) {
  int i = 0;
  for (; i < size - 1 && from[i]; i++) {
    unsigned char c = static_cast<unsigned char>(from[i]);
    bool printable = (c >= 32 && c < 127) || c == '\n' || c == '\r' || c == '\t';
    to[i] = printable ? from[i] : '?';
  }
  to[i] = '\0';
}

}  // namespace

namespace bgw {

Size status_part_size() {
  return add_size(sizeof(Status), Max(Size{kLargestOrder}, static_cast<Size>(pgstat_track_activity_query_size)));
}

void* order_part(int number) noexcept { return activity_of(number); }

void count_transaction() noexcept {
  if (!MyBEEntry) return;
  std::atomic<std::uint64_t>& ended = status(my_number).transactions_ended;
  ended.store(ended.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

std::uint64_t transactions_of(int process_number) noexcept {
  if (process_number < 0 || process_number >= entry_count) return 0;
  return status(process_number).transactions_ended.load(std::memory_order_relaxed);
}

std::size_t whole_characters(const char* stored) noexcept {
  const Size length = strlen(stored);
  Size whole = 0;
  while (whole < length) {
    Size next = whole + static_cast<Size>(pg_utf_mblen(reinterpret_cast<const unsigned char*>(stored) + whole));
    if (next > length) break;
    whole = next;
  }
  return whole;
}

}  // namespace bgw

extern "C" {

bool pgstat_track_activities = true;
int pgstat_track_activity_query_size = 1024;
BGW_START_DATA PgBackendStatus* MyBEEntry = nullptr;

// Of the rooms, with what else is in them.
Size BackendStatusShmemSize(void) {
  return bgw::process_rooms_size();
}

void CreateSharedBackendStatus(void) {
  entry_count = bgw::process_room_count();
  activity_size = static_cast<Size>(pgstat_track_activity_query_size);
  for (int i = 0; i < entry_count; i++) {
    entry_of(i).st_appname = appname_of(i);
    entry_of(i).st_activity_raw = activity_of(i);
  }
  // A snapshot of the memory before a reset is of no use to anybody.
  snapshot = nullptr;
}

// Takes this process's entry. May be called again: the entry is kept.
void pgstat_beinit(void) {
  if (MyBEEntry || !MyProc) return;
  my_number = MyProc->pgprocno;
  MyBEEntry = &entry_of(my_number);
  bgw::on_shmem_exit_whole(leave_entry, static_cast<Datum>(0));
}

// Fills the entry in. May be called again, once more is known (the database and the role of a session).
void pgstat_bestart(void) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!entry) return;
  const int number = my_number;
  const bool is_new = entry->st_procpid != MyProcPid;
  const TimestampTz now = current_timestamp();
  if (is_new) status(number).transactions_ended.store(0, std::memory_order_relaxed);

  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_procpid = MyProcPid;
  entry->st_backendType = MyBackendType;
  entry->st_proc_start_timestamp = MyStartTimestamp;
  if (is_new) {
    entry->st_activity_start_timestamp = 0;
    entry->st_state_start_timestamp = now;
    entry->st_xact_start_timestamp = 0;
    entry->st_state = STATE_UNDEFINED;
    entry->st_progress_command = PROGRESS_COMMAND_INVALID;
    entry->st_progress_command_target = InvalidOid;
    entry->st_query_id = 0;
    memset(const_cast<SockAddr*>(&entry->st_clientaddr), 0, sizeof entry->st_clientaddr);
    activity_of(number)[0] = activity_of(number)[activity_size - 1] = '\0';
    appname_of(number)[0] = '\0';
  }
  entry->st_databaseid = MyProc ? MyProc->databaseId : InvalidOid;
  entry->st_userid = MyProc ? MyProc->roleId : InvalidOid;
  entry->st_clienthostname = nullptr;
  entry->st_ssl = false;
  entry->st_gss = false;
  entry->st_appname = appname_of(number);
  entry->st_activity_raw = activity_of(number);
  PGSTAT_END_WRITE_ACTIVITY(entry);

  if (application_name) pgstat_report_appname(application_name);
}

void pgstat_report_activity(BackendState state, const char* cmd_str) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!entry) return;

  if (!pgstat_track_activities) {
    if (entry->st_state == STATE_DISABLED) return;
    PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
    entry->st_state = STATE_DISABLED;
    entry->st_state_start_timestamp = 0;
    entry->st_activity_raw[0] = '\0';
    entry->st_activity_start_timestamp = 0;
    entry->st_xact_start_timestamp = 0;
    entry->st_query_id = 0;
    PGSTAT_END_WRITE_ACTIVITY(entry);
    return;
  }

  // All that could take time or fail comes before the change.
  const TimestampTz started = GetCurrentStatementStartTimestamp();
  const TimestampTz now = current_timestamp();
  Size length = 0;
  if (cmd_str) length = Min(strlen(cmd_str), activity_size - 1);

  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_state = state;
  entry->st_state_start_timestamp = now;
  if (state == STATE_RUNNING) entry->st_query_id = 0;
  if (cmd_str) {
    memcpy(entry->st_activity_raw, cmd_str, length);
    entry->st_activity_raw[length] = '\0';
    entry->st_activity_start_timestamp = started;
  }
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_report_query_id(uint64 query_id, bool force) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!entry || !pgstat_track_activities) return;
  // The first statement of a string keeps its place unless told otherwise.
  if (entry->st_query_id != 0 && !force) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_query_id = query_id;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_report_appname(const char* appname) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!entry) return;
  Size length = strnlen(appname, NAMEDATALEN - 1);
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  memcpy(entry->st_appname, appname, length);
  entry->st_appname[length] = '\0';
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_report_xact_timestamp(TimestampTz tstamp) {
  volatile PgBackendStatus* entry = MyBEEntry;
  if (!pgstat_track_activities || !entry) return;
  PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
  entry->st_xact_start_timestamp = tstamp;
  PGSTAT_END_WRITE_ACTIVITY(entry);
}

void pgstat_report_tempfile(size_t filesize) {}  // temporary files are the upstream's

uint64 pgstat_get_my_query_id(void) {
  return MyBEEntry ? MyBEEntry->st_query_id : 0;
}

void pgstat_clear_backend_activity_snapshot(void) {
  if (snapshot_context) MemoryContextReset(snapshot_context);
  snapshot = nullptr;
  snapshot_count = 0;
}

int pgstat_fetch_stat_numbackends(void) {
  take_snapshot();
  return snapshot_count;
}

LocalPgBackendStatus* pgstat_fetch_stat_local_beentry(int beid) {
  take_snapshot();
  if (beid < 1 || beid > snapshot_count) return nullptr;
  return &snapshot[beid - 1];
}

PgBackendStatus* pgstat_fetch_stat_beentry(int beid) {
  LocalPgBackendStatus* local = pgstat_fetch_stat_local_beentry(beid);
  return local ? &local->backendStatus : nullptr;
}

const char* pgstat_get_backend_current_activity(int pid, bool checkUser) {
  take_snapshot();
  for (int i = 0; i < snapshot_count; i++) {
    PgBackendStatus* entry = &snapshot[i].backendStatus;
    if (entry->st_procpid != pid) continue;
    if (entry->st_activity_raw[0] == '\0') return "<command string not enabled>";
    return pgstat_clip_activity(entry->st_activity_raw);
  }
  return "<backend information not available>";
}

// For the postmaster: trusts nothing that the dead child may have scribbled on. A worker that never connected
// has an activity for the tools to show, but in the server it would have none to die in.
const char* pgstat_get_crashed_backend_activity(int pid, char* buffer, int buflen) {
  if (entry_count == 0) return nullptr;
  for (int i = 0; i < entry_count; i++) {
    if (entry_of(i).st_procpid != pid) continue;
    const char* activity = activity_of(i);
    if (activity[0] == '\0' || !OidIsValid(entry_of(i).st_userid)) return nullptr;
    copy_printable(buffer, activity, Min(buflen, static_cast<int>(activity_size)));
    return buffer;
  }
  return nullptr;
}

char* pgstat_clip_activity(const char* raw_activity) {
  char* text = pnstrdup(raw_activity, activity_size - 1);
  text[bgw::whole_characters(text)] = '\0';
  return text;
}

}  // extern "C"
