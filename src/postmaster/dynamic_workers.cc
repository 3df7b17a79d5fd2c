// What the postmaster does with the requests of its children for workers, and whom it tells what became of
// them.
//
// The requests arrive through the slot ledger (core/worker_slots.hpp), which hands over private copies; this
// file checks each and makes a worker of it, or not. Signals to registrants go to living workers and backends
// of this host only, whatever a request says. Runs in the postmaster only.
#include <csignal>
#include <cstring>

#include "postmaster/postmaster.hpp"

extern "C" {
#include "postgres.h"
#include "storage/pmsignal.h"
}
#include "postmaster/bgworker_private.hpp"

namespace bgw {

namespace {

// Whatever the bytes are: at most one less than the field holds, and nothing that could upset a terminal or a
// log reader. `from` and `to` are BGW_MAXLEN bytes.
void copy_harmless(char* to, const char* from) {
  int i = 0;
  for (; i < BGW_MAXLEN - 1 && from[i] != '\0'; i++) {
    auto byte = static_cast<unsigned char>(from[i]);
    bool harmless = (byte >= 32 && byte <= 127) || byte == '\n' || byte == '\r' || byte == '\t';
    to[i] = harmless ? from[i] : '?';
  }
  std::memset(to + i, 0, static_cast<std::size_t>(BGW_MAXLEN - i));
}

StartWhen start_when(BgWorkerStartTime time) {
  switch (time) {
    case BgWorkerStart_PostmasterStart:
      return StartWhen::postmaster_start;
    case BgWorkerStart_ConsistentState:
      return StartWhen::consistent_state;
    case BgWorkerStart_RecoveryFinished:
      return StartWhen::recovery_finished;
  }
  return StartWhen::recovery_finished;
}

std::shared_ptr<BackgroundWorker> copy_of(const BackgroundWorker& definition) {
  return std::allocate_shared<BackgroundWorker>(
      std::pmr::polymorphic_allocator<BackgroundWorker>(&private_memory()), definition);
}

WorkerSpec spec_of(std::shared_ptr<BackgroundWorker> definition, bool is_static) {
  WorkerSpec spec;
  spec.name = definition->bgw_name;
  spec.type = definition->bgw_type;
  spec.start_when = start_when(definition->bgw_start_time);
  if (definition->bgw_restart_time != BGW_NEVER_RESTART)
    spec.restart_after = std::chrono::seconds(definition->bgw_restart_time);
  spec.needs_database = (definition->bgw_flags & BGWORKER_BACKEND_DATABASE_CONNECTION) != 0;
  spec.is_parallel = (definition->bgw_flags & BGWORKER_CLASS_PARALLEL) != 0;
  spec.is_static = is_static;
  spec.flags = definition->bgw_flags;
  spec.notify_pid = definition->bgw_notify_pid;
  spec.definition = std::move(definition);
  return spec;
}

}  // namespace

SlotLedger::Actions Postmaster::slot_actions() {
  return {
      .registered = [this](int slot, const void* definition,
                           bool terminated) { return worker_registered(slot, definition, terminated); },
      .refused =
          [this](const void* definition) {
            notify(static_cast<const BackgroundWorker*>(definition)->bgw_notify_pid);
          },
      .terminate = [this](WorkerRegistry::Worker& worker) { terminate_worker(worker); },
      .damaged =
          [](int count) {
            ereport(LOG, (errmsg_plural("put right %d damaged background worker slot in shared memory",
                                        "put right %d damaged background worker slots in shared memory",
                                        static_cast<unsigned long>(count), count),
                          errhint("A module has written where it must not; a restart gives it clean memory.")));
          },
      .is_parallel =
          [](const void* definition) {
            return (static_cast<const BackgroundWorker*>(definition)->bgw_flags & BGWORKER_CLASS_PARALLEL) != 0;
          }};
}

void Postmaster::add_static_workers() {
  ledger_.reset(attach_worker_slots());
  for (int i = 0; i < registered_worker_count(); i++) {
    auto definition = copy_of(*registered_worker(i));
    WorkerRegistry::Worker& worker = registry_.add(spec_of(std::move(definition), true), -1);
    if (!ledger_.place(worker)) elog(FATAL, "no slot for background worker \"%s\"", worker.spec.name.c_str());
    publish(worker);
  }
  forget_registrations();
  registry_.set_observer([this](const WorkerRegistry::Worker& worker) {
    publish(worker);
    if (worker.state == WorkerState::running) notify(worker.spec.notify_pid);
  });
}

// After a reset: new slots, from the first on, in the order of registration.
void Postmaster::place_workers_anew() {
  ledger_.reset(attach_worker_slots());
  StatusPage::clear_workers();
  std::vector<WorkerRegistry::Worker*> workers;
  registry_.for_each([&](WorkerRegistry::Worker& worker) { workers.push_back(&worker); });
  for (auto worker = workers.rbegin(); worker != workers.rend(); ++worker) {
    if (!ledger_.place(**worker))
      elog(FATAL, "no slot for background worker \"%s\"", (*worker)->spec.name.c_str());
    publish(**worker);
  }
}

// A SIGUSR1 from a child, perhaps from one that was ordered and is not known yet (end_start_pass() calls this again).
void Postmaster::slots_changed() {
  if (orders_outstanding_ > 0) {
    slots_postponed_ = true;
    return;
  }
  (void)CheckPostmasterSignal(PMSIGNAL_BACKGROUND_WORKER_CHANGE);
  ledger_.take_changes(WorkerRegistry::Clock::now());
  start_workers();
}

WorkerRegistry::Worker* Postmaster::worker_registered(int slot, const void* request, bool terminated) {
  if (terminated || phase_ != Phase::running) return nullptr;
  const auto* asked = static_cast<const BackgroundWorker*>(request);
  auto definition = copy_of(*asked);
  copy_harmless(definition->bgw_name, asked->bgw_name);
  copy_harmless(definition->bgw_type, asked->bgw_type);
  copy_harmless(definition->bgw_library_name, asked->bgw_library_name);
  copy_harmless(definition->bgw_function_name, asked->bgw_function_name);
  // The registrant has checked it; somebody may have written over it since.
  if (!check_definition(definition.get(), LOG)) return nullptr;
  if (!may_be_notified(definition->bgw_notify_pid)) {
    elog(DEBUG1, "worker notification PID %ld is not valid", static_cast<long>(definition->bgw_notify_pid));
    definition->bgw_notify_pid = 0;
  }
  ereport(DEBUG1, (errmsg_internal("registering background worker \"%s\"", definition->bgw_name)));
  return &registry_.add(spec_of(std::move(definition), false), slot);
}

// What a process of the worker gets as MyBgworkerEntry; private memory, so a fork has to take a copy along.
BackgroundWorker* Postmaster::definition_of(WorkerRegistry::Worker& worker) {
  worker.spec.definition->bgw_notify_pid = worker.spec.notify_pid;
  return worker.spec.definition.get();
}

void Postmaster::terminate_worker(WorkerRegistry::Worker& worker) {
  if (!registry_.terminate(worker)) {
    ::kill(worker.pid, SIGTERM);
    return;
  }
  pid_t waiter = worker.spec.notify_pid;
  forget_worker(worker);
  notify(waiter);
}

bool Postmaster::may_be_notified(pid_t pid) const {
  auto found = children_.find(pid);
  if (found == children_.end()) return false;
  const Child& child = found->second;
  return child.kind == ChildKind::backend || (child.kind == ChildKind::worker && child.worker != nullptr);
}

void Postmaster::notify(pid_t pid) const {
  if (pid != 0 && may_be_notified(pid)) ::kill(pid, SIGUSR1);
}

// No worker is started any more: who waits for one that never was is told so.
void Postmaster::drop_unstarted_workers() {
  for (WorkerRegistry::Worker* worker : registry_.unstarted_with_waiter()) {
    pid_t waiter = worker->spec.notify_pid;
    forget_worker(*worker);
    notify(waiter);
  }
}

}  // namespace bgw
