// Runs the session on behalf of C code: starts an operation, serves interrupts while it waits, reports what
// the upstream said, and raises what went wrong.
//
// While libpq works, the process counts itself critical; between two steps it does not, so that a SIGTERM
// with the default handler acts at once. The exit callback then cancels what is under way. A query cancel
// stops the statement first and waits for it to have stopped, so that the session is usable when the error is
// caught. Results outlive the call in the memory context of the caller, through a reset callback.
#include <new>
#include <optional>

#include "bridge/wait.hpp"

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
}

#include "bridge/catalog_lookup.hpp"
#include "bridge/critical.hpp"
#include "bridge/server_message.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"
#include "bridge/worker_session_internal.hpp"
#include "utils/guc_internal.hpp"

namespace bgw {

namespace {

Session* session = nullptr;

// The role that statements run as on the upstream; InvalidOid: not known, must be set before the next one.
Oid remote_user = InvalidOid;

// The worker's own role was taken by SET ROLE when it connected.
bool became_by_role = false;

constexpr int exit_cancel_limit_ms = 30;  // the same when the process is about to end
constexpr int exit_drain_limit_ms = 200;  // for the answer to what was not waited for, then
constexpr int drain_limit_ms = 5000;      // for a cancelled statement to stop

enum class Start { run, prepare, describe, outside, commit };

Request make_request(const BgwRun* run) {
  Request request;
  request.text = run->text;
  request.types.assign(run->argtypes, run->argtypes + run->nargs);
  if (run->values) {
    request.values.reserve(static_cast<std::size_t>(run->nargs));
    for (int i = 0; i < run->nargs; ++i) {
      const bool binary = run->binary_lengths && run->binary_lengths[i] >= 0;
      if (!run->values[i])
        request.values.emplace_back();
      else if (binary)
        request.values.emplace_back(std::in_place, run->values[i], static_cast<std::size_t>(run->binary_lengths[i]));
      else
        request.values.emplace_back(std::in_place, run->values[i]);
      if (binary) {
        request.binary.resize(static_cast<std::size_t>(run->nargs));
        request.binary[static_cast<std::size_t>(i)] = true;
      }
    }
  }
  request.preparable = run->preparable;
  request.want_prepared = run->want_prepared;
  request.read_only = run->read_only;
  request.binary_rows = run->binary_rows;
  request.row_limit = run->row_limit;
  request.limit_by_cursor = run->limit_by_cursor;
  request.drops_prepared = run->drops_prepared;
  request.changes_names = run->changes_names;
  request.no_savepoint = run->no_savepoint;
  if (XactIsoLevel != DefaultXactIsoLevel) {
    request.transaction.isolation = XactIsoLevel == XACT_SERIALIZABLE      ? "SERIALIZABLE"
                                    : XactIsoLevel == XACT_REPEATABLE_READ ? "REPEATABLE READ"
                                                                           : "READ COMMITTED";
  }
  // In recovery every transaction is read only, and the upstream knows that itself.
  if (XactReadOnly != DefaultXactReadOnly && !(XactReadOnly && RecoveryInProgress()))
    request.transaction.read_only = XactReadOnly;
  if (XactDeferrable != DefaultXactDeferrable) request.transaction.deferrable = XactDeferrable;
  return request;
}

Step start_step(const BgwRun* run, Start start) noexcept {
  CriticalScope critical;
  session->set_statement_savepoints(statement_savepoints);
  switch (start) {
    case Start::run:
      return session->execute(make_request(run));
    case Start::prepare:
      return session->prepare(make_request(run));
    case Start::describe:
      return session->describe(make_request(run));
    case Start::outside: {
      std::vector<Request> one;
      one.push_back(make_request(run));
      return session->execute_outside(std::move(one));
    }
    case Start::commit:
      return session->commit();
  }
  return Step::done;
}

Step start_batch(const BgwRun* run, int rows, const char* const* values) noexcept {
  CriticalScope critical;
  session->set_statement_savepoints(statement_savepoints);
  std::vector<std::vector<std::optional<std::string>>> batch(static_cast<std::size_t>(rows));
  for (auto& row : batch) {
    row.reserve(static_cast<std::size_t>(run->nargs));
    for (int i = 0; i < run->nargs; ++i, ++values)
      row.push_back(*values ? std::optional<std::string>(*values) : std::nullopt);
  }
  return session->execute_batch(make_request(run), std::move(batch));
}

Step resume_step() noexcept {
  CriticalScope critical;
  return session->resume();
}

void stop_statement() noexcept {
  CriticalScope critical;
  session->stop(drain_limit_ms);
}

std::optional<BgwMessage> next_notice() noexcept {
  CriticalScope critical;
  std::optional<ServerMessage> notice = session->pop_notice();
  if (!notice) return std::nullopt;
  return bgw_keep_message(*notice);
}

BgwMessage keep_failure(Failure::Kind* kind) noexcept {
  CriticalScope critical;
  *kind = session->failure()->kind;
  return bgw_keep_message(session->failure()->message);
}

struct RowsHolder {
  MemoryContextCallback callback;
  alignas(RowSet) unsigned char rows[sizeof(RowSet)];
};

void free_rows(void* argument) {
  CriticalScope critical;
  static_cast<RowSet*>(argument)->~RowSet();
}

const RowSet* adopt_rows(RowsHolder* holder) noexcept {
  CriticalScope critical;
  RowSet* rows = new (holder->rows) RowSet(session->take_rows());
  holder->callback.func = free_rows;
  holder->callback.arg = rows;
  MemoryContextRegisterResetCallback(CurrentMemoryContext, &holder->callback);
  return rows;
}

void close_at_exit() noexcept {
  CriticalScope critical;
  if (session->under_way()) {
    if (!session->committing()) session->cancel(exit_cancel_limit_ms);
  } else {
    // A COMMIT or ROLLBACK that was sent and not waited for: its failure is to be told, and a server whose
    // answer nobody takes logs a broken pipe.
    session->drain(exit_drain_limit_ms);
  }
  watch_session_socket(-1, nullptr);
  session->close();
}

}  // namespace

Session* worker_session() noexcept {
  return session;
}

void install_worker_session(Session* ready, bool by_role) noexcept {
  session = ready;
  became_by_role = by_role;
}

void session_serve_interrupt() {
  check_deferred_exit();
  if (!InterruptPending) return;
  if (QueryCancelPending && !ProcDiePending && session->under_way() && !session->committing()) stop_statement();
  CHECK_FOR_INTERRUPTS();
}

void session_report_notices() {
  if (!session->has_notices()) return;
  while (std::optional<BgwMessage> notice = next_notice()) bgw_report_message(notice->elevel, &*notice, 0);
}

void session_wait(Step step) {
  while (step == Step::interrupted) {
    session_serve_interrupt();
    step = resume_step();
  }
}

void session_raise_failure(int position_offset) {
  Failure::Kind kind;
  BgwMessage message = keep_failure(&kind);
  bgw_report_message(kind == Failure::Kind::statement ? ERROR : FATAL, &message, position_offset);
}

void session_at_exit() {
  if (!session) return;
  close_at_exit();
  session_report_notices();
}

namespace {

// Brings the session to where a new operation may begin.
void make_ready() {
  if (!session)
    ereport(FATAL, (errcode(ERRCODE_INTERNAL_ERROR),
                    errmsg("cannot read pg_class without having selected a database")));
  if (session->under_way()) stop_statement();
}

void must_be_in_transaction(const char* complaint) {
  if (session->in_transaction()) return;
  ereport(FATAL, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg_internal("%s", complaint),
                  errhint("Call StartTransactionCommand() first.")));
}

// Notifications that came with the answer to a statement or a COMMIT: the socket will not become readable for
// them again.
void announce_notifications() {
  if (!session->has_notifications() || !MyLatch) return;
  (void)session->take_notifications();
  notifyInterruptPending = true;
  SetLatch(MyLatch);
}

void conclude(int position_offset) {
  announce_notifications();
  if (session->failure()) remote_user = InvalidOid;
  follow_reported_settings();
  session_report_notices();
  if (session->failure()) session_raise_failure(position_offset);
  check_deferred_exit();
}

// Statements must run as the role that the module has switched to, not as the session's.
void follow_user() {
  Oid wanted = GetUserId();
  if (remote_user == wanted || !session->in_transaction()) return;
  char text[16];
  snprintf(text, sizeof(text), "%u", wanted);
  const char* value = text;
  Oid type = 26;  // oid
  BgwRun run = {};
  run.text =
      "SELECT pg_catalog.set_config('role', (SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1)::text, "
      "true)";
  run.nargs = 1;
  run.argtypes = &type;
  run.values = &value;
  run.preparable = true;
  run.read_only = true;
  session_wait(start_step(&run, Start::run));
  conclude(0);
  remote_user = wanted;
}

void consume_notifications() noexcept {
  if (!session) return;
  CriticalScope critical;
  if (session->take_notifications() > 0 && MyLatch) {
    notifyInterruptPending = true;
    SetLatch(MyLatch);
  }
  if (!session->connected()) watch_session_socket(-1, nullptr);
}

void clear_rows_of_commit() noexcept {
  CriticalScope critical;
  RowSet gone = session->take_rows();
}

}  // namespace

}  // namespace bgw

using namespace bgw;

extern "C" {

bool bgw_have_session(void) {
  return session != nullptr;
}

const RowSet* bgw_session_run(const BgwRun* run, bool* too_many) {
  make_ready();
  must_be_in_transaction("a statement was run outside a transaction");
  RowsHolder* holder = static_cast<RowsHolder*>(palloc(sizeof(RowsHolder)));
  follow_user();
  if (!run->read_only) bgw_forget_lookups();
  session_wait(start_step(run, Start::run));
  conclude(run->position_offset);
  if (too_many) *too_many = session->too_many();
  return adopt_rows(holder);
}

uint64 bgw_session_run_batch(const BgwRun* run, int rows, const char* const* values) {
  make_ready();
  must_be_in_transaction("a statement was run outside a transaction");
  follow_user();
  bgw_forget_lookups();
  session_wait(start_batch(run, rows, values));
  conclude(run->position_offset);
  return session->batch_affected();
}

void bgw_session_prepare(const BgwRun* run) {
  make_ready();
  must_be_in_transaction("a statement was prepared outside a transaction");
  follow_user();
  session_wait(start_step(run, Start::prepare));
  conclude(run->position_offset);
}

bool bgw_session_doomed(void) { return session == nullptr || session->doomed(); }

const RowSet* bgw_session_describe(const BgwRun* run) {
  make_ready();
  must_be_in_transaction("a statement was described outside a transaction");
  RowsHolder* holder = static_cast<RowsHolder*>(palloc(sizeof(RowsHolder)));
  follow_user();
  session_wait(start_step(run, Start::describe));
  conclude(run->position_offset);
  return adopt_rows(holder);
}

const RowSet* bgw_session_lookup(const char* text, int nargs, const Oid* argtypes, const char* const* values) {
  if (!session) return nullptr;
  BgwRun run = {};
  run.text = text;
  run.nargs = nargs;
  run.argtypes = argtypes;
  run.values = values;
  run.preparable = true;
  run.read_only = true;
  if (session->in_transaction()) return bgw_session_run(&run, nullptr);
  make_ready();
  RowsHolder* holder = static_cast<RowsHolder*>(palloc(sizeof(RowsHolder)));
  session_wait(start_step(&run, Start::outside));
  conclude(0);
  return adopt_rows(holder);
}

void bgw_session_begin(void) {
  if (!session) return;
  bgw_forget_lookups();
  types_may_have_changed();
  CriticalScope critical;
  session->begin();
  remote_user = GetOuterUserId();
}

void bgw_session_begin_sub(void) {
  if (!session) return;
  CriticalScope critical;
  session->begin_sub();
}

void bgw_session_release_sub(void) {
  if (!session) return;
  CriticalScope critical;
  session->release_sub();
}

void bgw_session_rollback_sub(void) {
  if (!session) return;
  bgw_forget_lookups();
  types_may_have_changed();
  // With the process ending, nothing is rolled back piecemeal: bgw_session_rollback() or the exit follows.
  if (proc_exit_inprogress && session->under_way()) return;
  if (session->under_way()) stop_statement();
  CriticalScope critical;
  session->rollback_sub();
  if (remote_user != GetOuterUserId()) remote_user = InvalidOid;
}

void bgw_session_rollback(void) {
  if (!session) return;
  bgw_forget_lookups();
  CriticalScope critical;
  // With the process ending, nobody waits for a statement to stop: the connection goes.
  if (session->under_way()) {
    if (proc_exit_inprogress) {
      if (!session->committing()) session->cancel(exit_cancel_limit_ms);
      session->close();
    } else {
      session->stop(drain_limit_ms);
    }
  }
  session->rollback();
}

void bgw_session_commit(void) {
  if (!session) return;
  bgw_forget_lookups();
  if (session->under_way()) stop_statement();
  // A commit is not cancelled half-way. Only the end of the process interrupts the wait for its outcome.
  InterruptHoldoffCount = InterruptHoldoffCount + 1;
  Step step = start_step(nullptr, Start::commit);
  while (step == Step::interrupted) {
    check_deferred_exit();
    step = resume_step();
  }
  InterruptHoldoffCount = InterruptHoldoffCount - 1;
  clear_rows_of_commit();
  conclude(0);
}

void bgw_session_role_changed(void) {
  // Without a role the upstream goes back to whom it was connected as, which may not be whom the worker is.
  remote_user = OidIsValid(GetCurrentRoleId()) || !became_by_role ? GetUserId() : InvalidOid;
}

void bgw_session_watch_notifications(void) {
  if (session && session->connected()) watch_session_socket(session->socket(), consume_notifications);
}

void bgw_session_keep_notifications(void) {
  if (session) session->keep_notifications();
  bgw_session_watch_notifications();
}

bool bgw_session_next_notification(char** channel, char** payload, int* sender) {
  char* place = nullptr;
  std::size_t channel_size = 0, payload_size = 0;
  {
    CriticalScope critical;
    // One statement between others may have taken notifications in without waking anybody.
    if (session && session->connected()) (void)session->take_notifications();
    Notification one;
    if (!session || !session->pop_notification(one)) return false;
    channel_size = one.channel.size() + 1;
    payload_size = one.payload.size() + 1;
    place = static_cast<char*>(
        MemoryContextAllocExtended(CurrentMemoryContext, channel_size + payload_size, MCXT_ALLOC_NO_OOM));
    if (place) {
      memcpy(place, one.channel.c_str(), channel_size);
      memcpy(place + channel_size, one.payload.c_str(), payload_size);
      *sender = one.sender;
    }
  }
  if (place == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  *channel = place;
  *payload = place + channel_size;
  return true;
}

}  // extern "C"
