// Workers by control connection: listing them, waking them, starting and ending them.
//
// A worker is named by its name, its pid or its handle, in this order: who gives a worker the name "123" gets
// the worker of that name. What is looked at is the status page, which only the postmaster writes, and the
// processes' own entries in shared memory (latch, wait event, activity). Runs in a backend only.
#include "postmaster/control_workers.hpp"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <unordered_map>

#include "bridge/critical.hpp"
#include "core/monitor.hpp"
#include "core/status_page.hpp"
#include "core/worker_slots.hpp"
#include "port/process.hpp"
#include "postmaster/control_connection.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/wait_event.h"
}
#include "bridge/error.hpp"
#include "bridge/type_io.hpp"
#include "postmaster/call_declaration.hpp"
#include "postmaster/upstream.hpp"
#include "utils/activity_text.hpp"
#include "utils/transaction_count.hpp"

// As the registering side defines it, whose business it is: a handle can be had for any slot and generation.
struct BackgroundWorkerHandle {
  int slot;
  uint64 generation;
};

namespace bgw {

namespace {

using Activities = std::unordered_map<pid_t, std::string_view>;

std::string exit_text(const WorkerStatusRow& row) {
  if (!row.has_exited) return "";
  if (row.exit_by_signal) return "signal " + std::to_string(row.exit_code) + ": " + pg_strsignal(row.exit_code);
  return "exit code " + std::to_string(row.exit_code);
}

const char* start_time_text(int start_time) {
  switch (static_cast<StartWhen>(start_time)) {
    case StartWhen::postmaster_start:
      return "postmaster start";
    case StartWhen::consistent_state:
      return "consistent state";
    case StartWhen::recovery_finished:
      return "recovery finished";
  }
  return "unknown";
}

PGPROC* process_of(const WorkerStatusRow& row) {
  if (row.pid == 0 || row.child_slot < 1 || row.child_slot > static_cast<int>(ProcGlobal->allProcCount))
    return nullptr;
  return &ProcGlobal->allProcs[row.child_slot - 1];
}

std::uint64_t generation_of(int slot) {
  return SlotWord::from(StatusPage::published_slots()->each()[slot].now.load(std::memory_order_acquire))
      .generation;
}

std::string handle_text(int slot, std::uint64_t generation) {
  return worker_handle_text(slot, generation, StatusPage::reset_count());
}

WorkerRow row_of(int slot, const WorkerStatusRow& from, const Activities& activities) {
  WorkerRow row;
  row.slot = slot;
  row.generation = generation_of(slot);
  row.handle = handle_text(slot, row.generation);
  row.dynamic = from.is_dynamic != 0;
  row.name = from.name;
  row.type = from.type;
  row.pid = from.pid;
  row.state = std::string(to_string(static_cast<WorkerState>(from.state)));
  if (from.flags & BGWORKER_SHMEM_ACCESS) row.flags.push_back("shmem");
  if (from.flags & BGWORKER_BACKEND_DATABASE_CONNECTION) row.flags.push_back("database");
  if (from.flags & BGWORKER_CLASS_PARALLEL) row.flags.push_back("parallel");
  row.start_time = start_time_text(from.start_time);
  row.restart_time = from.restart_seconds;
  row.starts = static_cast<long long>(from.starts);
  row.last_exit = exit_text(from);
  row.since = static_cast<double>(from.since_us) / 1e6;
  row.library = from.library;
  row.function = from.function;
  if (PGPROC* process = process_of(from)) {
    const volatile uint32& shown = process->wait_event_info;
    uint32 event = shown;
    const char* type = pgstat_get_wait_event_type(event);
    const char* name = pgstat_get_wait_event(event);
    row.wait_event_type = type ? type : "";
    row.wait_event = name ? name : "";
    if (auto found = activities.find(from.pid); found != activities.end()) row.activity = found->second;
    row.transactions = transactions_of(from.child_slot - 1);
  }
  return row;
}

HostStatus host_status(const ControlBackendFacts& facts) {
  HostStatus status;
  status.pid = StatusPage::postmaster_pid();
  status.started = static_cast<double>(StatusPage::started_us()) / 1e6;
  status.state = host_running;
  status.version = BGW_VERSION;
  status.abi = BGW_PG_VERSION_TEXT;
  status.data_directory = facts.data_directory;
  for (auto& [slot, row] : StatusPage::workers()) {
    status.workers++;
    status.running += row.pid != 0;
  }
  status.max_worker_processes = max_worker_processes;
  UpstreamStatus upstream = StatusPage::upstream();
  switch (upstream.level) {
    case UpstreamLevel::none:
      status.upstream_state = upstream_state_name(UpstreamState::unreachable);
      status.upstream_reason = facts.upstream_reason;
      break;
    case UpstreamLevel::consistent:
      status.upstream_state = upstream_state_name(UpstreamState::hot_standby);
      break;
    case UpstreamLevel::read_write:
      status.upstream_state = upstream_state_name(UpstreamState::read_write);
      break;
  }
  status.upstream = without_password(bgw_upstream_conninfo());
  status.upstream_version = upstream.server_version;
  status.embedded = bgw_upstream_is_embedded();
  return status;
}

template <class Compose>
void send_composed(Compose compose) noexcept {
  CriticalScope critical;
  try {
    control_send(compose());
  } catch (const std::exception& exception) {
    control_send(error_reply(Error{.message = exception.what(), .sqlstate = "53200"}));
  }
}

// The snapshot of activities has been taken: what is called here looks at it and allocates nothing.
void send_ps(const ControlBackendFacts& facts, int entries) noexcept {
  send_composed([&] {
    Activities activities;
    for (int i = 1; i <= entries; i++) {
      const PgBackendStatus& entry = pgstat_fetch_stat_local_beentry(i)->backendStatus;
      if (entry.st_activity_raw[0] != '\0')
        activities.emplace(entry.st_procpid,
                           std::string_view(entry.st_activity_raw, whole_characters(entry.st_activity_raw)));
    }
    std::vector<WorkerRow> rows;
    for (auto& [slot, row] : StatusPage::workers()) rows.push_back(row_of(slot, row, activities));
    return ps_reply(host_status(facts), rows);
  });
}

// The worker that the request means; no destructor.
struct FoundWorker {
  int slot;
  std::uint64_t generation;
  WorkerStatusRow row;
};

std::string describe(const FoundWorker& worker) {
  return "\"" + std::string(worker.row.name) + "\" (" +
         (worker.row.pid != 0 ? "PID " + std::to_string(worker.row.pid) : std::string("not running")) +
         ", handle " + handle_text(worker.slot, worker.generation) + ")";
}

// The generation belongs to the row's worker when the row is still the same after the generation was read.
std::vector<FoundWorker> all_workers() {
  std::vector<FoundWorker> all;
  for (const auto& [slot, row] : StatusPage::workers()) {
    FoundWorker worker{slot, generation_of(slot), row};
    std::optional<WorkerStatusRow> again = StatusPage::worker(slot);
    if (again && std::strcmp(again->name, row.name) == 0 && again->since_us == row.since_us) {
      all.push_back(worker);
    } else if (again) {
      worker.generation = generation_of(slot);
      worker.row = *again;
      all.push_back(worker);
    }
  }
  return all;
}

Result<FoundWorker> find_named_worker(const char* who) {
  const std::vector<FoundWorker> workers = all_workers();
  std::vector<const FoundWorker*> found;
  for (const FoundWorker& worker : workers)
    if (std::strcmp(worker.row.name, who) == 0) found.push_back(&worker);
  if (found.empty()) {
    for (const FoundWorker& worker : workers)
      if ((worker.row.pid != 0 && std::to_string(worker.row.pid) == who) ||
          handle_text(worker.slot, worker.generation) == who)
        found.push_back(&worker);
  }
  if (found.empty())
    return Error{.message = "worker \"" + std::string(who) + "\" does not exist",
                 .sqlstate = "42704",
                 .detail = "No registered worker has this name, PID or handle.",
                 .hint = "\"bgworkerctl ps\" lists the workers."};
  if (found.size() > 1) {
    std::string list;
    for (const FoundWorker* worker : found) {
      if (list.size() > 400) {
        list += ", ...";
        break;
      }
      list += (list.empty() ? "" : ", ") + describe(*worker);
    }
    return Error{.message = "worker name \"" + std::string(who) + "\" is not unique",
                 .sqlstate = "42725",
                 .detail = std::to_string(found.size()) + " workers have it: " + list + ".",
                 .hint = "Name one of them by its PID or handle."};
  }
  return *found[0];
}

Result<FoundWorker> find_requested_worker() noexcept {
  CriticalScope critical;
  const char* who = control_text("worker");
  if (who == nullptr || *who == '\0')
    return Error{
        .message = "no worker is named", .sqlstate = "22023", .hint = "Give a name, a PID or a handle."};
  return find_named_worker(who);
}

FoundWorker requested_worker() {
  return value_or_raise([] { return find_requested_worker(); });
}

void send_worker(const FoundWorker* worker) noexcept {
  send_composed([&] {
    return nlohmann::json{{"ok", true},
                          {"name", worker->row.name},
                          {"pid", worker->row.pid},
                          {"handle", handle_text(worker->slot, worker->generation)}};
  });
}

// --- launch --------------------------------------------------------------------------------------------------

// A text for one of the fixed fields of a BackgroundWorker.
void copy_field(char* to, Size room, const char* what, const char* text) {
  if (strlen(text) >= room)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s \"%s\" is too long", what, text),
                    errdetail("It has %zu bytes; there is room for %zu.", strlen(text), room - 1)));
  strlcpy(to, text, room);
}

const char* required_text(const char* name) {
  const char* text = control_text(name);
  if (text == nullptr || *text == '\0')
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("no %s is given", name)));
  return text;
}

// bgw_main_arg is one Datum: what it holds must be all of the value.
Datum main_argument(const char* written) {
  CallArgument argument = read_call_argument(written);
  Oid type = INT4OID;
  int32 typmod = -1;
  if (argument.text == nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the argument of a worker cannot be NULL")));
  if (argument.type_name != nullptr)
    parseTypeString(argument.type_name, &type, &typmod, false);
  else
    type = guess_literal_type(argument.text);
  const TypeInfo* info = find_type(type);
  if (info == nullptr || !info->constructible || !info->typbyval)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("a value of type %s cannot be the argument of a worker", format_type_be(type)),
                    errdetail("bgw_main_arg holds values of types that are passed by value: \"%s\" is not one.",
                              written),
                    errhint("Pass texts with --extra.")));
  Datum value;
  type_from_text(info, InvalidOid, typmod, argument.text, strlen(argument.text), &value);
  return value;
}

void set_extra(BackgroundWorker* worker, const char* extra) {
  if (strncmp(extra, "\\x", 2) != 0) {
    copy_field(worker->bgw_extra, BGW_EXTRALEN, "extra", extra);
    return;
  }
  bytea* bytes = DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(extra)));
  const Size length = VARSIZE_ANY_EXHDR(bytes);
  if (length > BGW_EXTRALEN)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("extra is too long"),
                    errdetail("It has %zu bytes; there is room for %d.", length, BGW_EXTRALEN)));
  memcpy(worker->bgw_extra, VARDATA_ANY(bytes), length);
}

BgWorkerStartTime start_time_of(const char* text, bool database) {
  if (text == nullptr) return database ? BgWorkerStart_RecoveryFinished : BgWorkerStart_PostmasterStart;
  if (strcmp(text, "postmaster") == 0) return BgWorkerStart_PostmasterStart;
  if (strcmp(text, "consistent") == 0) return BgWorkerStart_ConsistentState;
  if (strcmp(text, "recovery-finished") == 0) return BgWorkerStart_RecoveryFinished;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid start time \"%s\"", text),
                  errhint("Use postmaster, consistent or recovery-finished.")));
  pg_unreachable();
}

BackgroundWorker* requested_definition() {
  auto* worker = static_cast<BackgroundWorker*>(palloc0(sizeof(BackgroundWorker)));
  const char* function = required_text("function");
  const char* name = control_text("name");
  const bool database = control_flag("database");
  copy_field(worker->bgw_library_name, sizeof worker->bgw_library_name, "library", required_text("library"));
  copy_field(worker->bgw_function_name, sizeof worker->bgw_function_name, "function", function);
  copy_field(worker->bgw_name, sizeof worker->bgw_name, "name", name && *name ? name : function);
  if (const char* type = control_text("type"))
    copy_field(worker->bgw_type, sizeof worker->bgw_type, "type", type);
  worker->bgw_flags = BGWORKER_SHMEM_ACCESS | (database ? BGWORKER_BACKEND_DATABASE_CONNECTION : 0);
  worker->bgw_start_time = start_time_of(control_text("start_time"), database);
  const long long restart = control_number("restart", -1);
  worker->bgw_restart_time = restart < 0 ? BGW_NEVER_RESTART : static_cast<int>(Min(restart, PG_INT32_MAX));
  if (const char* arg = control_text("arg")) worker->bgw_main_arg = main_argument(arg);
  if (const char* extra = control_text("extra")) set_extra(worker, extra);
  worker->bgw_notify_pid = MyProcPid;
  return worker;
}

void send_launched(const char* name, const BackgroundWorkerHandle* handle, pid_t pid, bool last) noexcept {
  send_composed([&] {
    nlohmann::json fields{
        {"name", name}, {"pid", pid}, {"handle", handle_text(handle->slot, handle->generation)}};
    if (last) {
      fields["ok"] = true;
      return fields;
    }
    fields["what"] = "started";
    return nlohmann::json{{"progress", std::move(fields)}};
  });
}

void send_registered(const BackgroundWorkerHandle* handle) noexcept {
  send_composed([&] {
    return nlohmann::json{
        {"progress", {{"what", "registered"}, {"handle", handle_text(handle->slot, handle->generation)}}}};
  });
}

// Whether the slot still holds the handle's worker, with a process or without.
bool is_registered(const BackgroundWorkerHandle* handle) {
  const SlotWord word =
      SlotWord::from(StatusPage::published_slots()->each()[handle->slot].now.load(std::memory_order_acquire));
  return word.generation == handle->generation && word.pid != SlotWord::kUnused;
}

// The process that was started last for the handle's worker; 0: none, or no longer known.
pid_t last_pid_of(const BackgroundWorkerHandle* handle) {
  const SlotWord word = SlotWord::from(
      StatusPage::published_slots()->each()[handle->slot].last_started.load(std::memory_order_acquire));
  if (word.generation != handle->generation || word.pid <= 0 || word.pid > SlotWord::kHighestPid) return 0;
  return word.pid;
}

[[noreturn]] void postmaster_is_gone() {
  ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster has ended")));
  pg_unreachable();
}

// Not all workers that are ended here tell us when they are gone, only those that we have launched. The
// process's end is waited for; the postmaster's word, which follows at once, is looked out for.
void wait_for_end(BackgroundWorkerHandle* handle) {
  constexpr long look_again_ms = 2;
  // Freed by the kernel with the backend, should an interrupt end the request here: a raise closes no C++
  // scope.
  pid_t pid, awaited = 0;
  int process = -1;
  while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED || is_registered(handle)) {
    if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STARTED && pid != awaited) {
      if (process >= 0) close(process);
      Result<UniqueFd> opened = pidfd_open(pid);
      process = opened ? opened->release() : -1;
      awaited = pid;
      continue;  // it may have been another process's number already
    }
    if (process >= 0) {
      (void)WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, process, -1,
                              WAIT_EVENT_BGWORKER_SHUTDOWN);
      pollfd ended = {.fd = process, .events = POLLIN, .revents = 0};
      if (poll(&ended, 1, 0) > 0) {
        close(process);
        process = -1;
      }
    } else {
      (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, look_again_ms,
                      WAIT_EVENT_BGWORKER_SHUTDOWN);
    }
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
  if (process >= 0) close(process);
}

}  // namespace

void control_launch() {
  BackgroundWorker* worker = requested_definition();
  char* name = pstrdup(worker->bgw_name);
  BackgroundWorkerHandle* handle;
  if (!RegisterDynamicBackgroundWorker(worker, &handle))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("could not register background worker \"%s\"", name),
                    errhint("Consider increasing the configuration parameter \"max_worker_processes\".")));
  send_registered(handle);
  pid_t pid = 0;
  switch (WaitForBackgroundWorkerStartup(handle, &pid)) {
    case BGWH_STARTED:
      break;
    case BGWH_POSTMASTER_DIED:
      postmaster_is_gone();
    case BGWH_NOT_YET_STARTED:
    case BGWH_STOPPED:
      // A worker that is over before anybody could look at it was started all the same.
      pid = last_pid_of(handle);
      if (pid != 0) break;
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("could not start background process"),
                      errhint("More details may be available in the server log.")));
  }
  if (control_flag("wait")) {
    send_launched(name, handle, pid, false);
    if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED) postmaster_is_gone();
  }
  send_launched(name, handle, pid, true);
}

void control_terminate() {
  FoundWorker worker = requested_worker();
  auto* handle = static_cast<BackgroundWorkerHandle*>(palloc(sizeof(BackgroundWorkerHandle)));
  *handle = {worker.slot, worker.generation};
  TerminateBackgroundWorker(handle);
  if (control_flag("wait")) wait_for_end(handle);
  send_worker(&worker);
}

void control_status(const ControlBackendFacts& facts) noexcept {
  send_composed([&] { return status_reply(host_status(facts)); });
}

void control_ps(const ControlBackendFacts& facts) {
  pgstat_clear_backend_activity_snapshot();
  send_ps(facts, pgstat_fetch_stat_numbackends());
}

void control_wake() {
  FoundWorker worker = requested_worker();
  PGPROC* process = process_of(worker.row);
  if (process == nullptr || process->pid != worker.row.pid)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("worker \"%s\" is not running", worker.row.name),
                    errhint("A worker can be woken only while it has a process; \"bgworkerctl ps\" shows its "
                            "state.")));
  SetLatch(&process->procLatch);
  send_worker(&worker);
}

}  // namespace bgw
