// A backend: the child that serves one control connection. It reads the status page and the shared memory of
// the modules' side (wait events, activity) and writes to neither.
#include "postmaster/control_backend.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <csignal>
#include <cstring>

#include "core/control_protocol.hpp"
#include "core/log.hpp"
#include "core/monitor.hpp"
#include "core/status_page.hpp"
#include "port/process.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/backend_status.h"
#include "utils/ps_status.h"
#include "utils/wait_event.h"
}
#include "postmaster/bgworker_private.hpp"
#include "postmaster/upstream.hpp"

namespace bgw {

namespace {

std::string state_text(const WorkerStatusRow& row) {
  return std::string(to_string(static_cast<WorkerState>(row.state)));
}

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

WorkerRow row_of(int slot, const WorkerStatusRow& from) {
  WorkerRow row;
  row.slot = slot;
  row.name = from.name;
  row.type = from.type;
  row.pid = from.pid;
  row.state = state_text(from);
  if (from.flags & BGWORKER_SHMEM_ACCESS) row.flags.push_back("shmem");
  if (from.flags & BGWORKER_BACKEND_DATABASE_CONNECTION) row.flags.push_back("database");
  if (from.flags & BGWORKER_CLASS_PARALLEL) row.flags.push_back("parallel");
  row.start_time = start_time_text(from.start_time);
  row.restart_time = from.restart_seconds;
  row.starts = static_cast<long long>(from.starts);
  row.last_exit = exit_text(from);
  row.since = static_cast<double>(from.since_us) / 1e6;
  if (from.pid != 0 && from.child_slot > 0) {
    const volatile uint32& shown = ProcGlobal->allProcs[from.child_slot - 1].wait_event_info;
    uint32 event = shown;
    const char* type = pgstat_get_wait_event_type(event);
    const char* name = pgstat_get_wait_event(event);
    row.wait_event_type = type ? type : "";
    row.wait_event = name ? name : "";
    const char* activity = pgstat_get_backend_current_activity(from.pid, false);
    row.activity = activity && activity[0] != '<' ? activity : "";
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

nlohmann::json answer(const ControlRequest& request, const ControlBackendFacts& facts) {
  if (request.op == "status") return status_reply(host_status(facts));
  if (request.op == "ps") {
    std::vector<WorkerRow> rows;
    for (auto& [slot, row] : StatusPage::workers()) rows.push_back(row_of(slot, row));
    return ps_reply(host_status(facts), rows);
  }
  return error_reply(Error{.message = "unknown operation \"" + request.op + "\"",
                           .sqlstate = "0A000",
                           .hint = "Use a bgworkerctl of the same version as the host."});
}

// Readable when the backend is to end: SIGTERM, or the postmaster's death.
UniqueFd open_stop_descriptor() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  UniqueFd set(::epoll_create1(EPOLL_CLOEXEC));
  int signals = ::signalfd(-1, &mask, SFD_CLOEXEC);
  auto postmaster = pidfd_open(StatusPage::postmaster_pid());
  epoll_event event{};
  event.events = EPOLLIN;
  if (signals >= 0) ::epoll_ctl(set.get(), EPOLL_CTL_ADD, signals, &event);
  if (postmaster) ::epoll_ctl(set.get(), EPOLL_CTL_ADD, postmaster->release(), &event);
  return set;
}

void serve(int connection_fd, const ControlBackendFacts& facts) {
  UniqueFd stop = open_stop_descriptor();
  auto served = serve_control_connection(
      connection_fd, [&facts](const ControlRequest& request) { return answer(request, facts); }, stop.get());
  if (!served) log(LogEntry{.message = "control connection: " + served.error().one_line()});
}

}  // namespace

void serve_control_backend(int connection_fd, const ControlBackendFacts& facts) {
  MyBackendType = B_BACKEND;
  SetProcessingMode(NormalProcessing);
  init_ps_display("backend");
  InitProcess();
  serve(connection_fd, facts);
  proc_exit(0);
}

}  // namespace bgw
