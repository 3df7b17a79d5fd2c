// The connection of a backend. Reading waits on the process's latch and the socket, so that signals act at
// once. Writing blocks, but never longer than the client lives or the process is wanted.
//
// That the client has left is noticed by the kernel's SIGIO: the handler looks at the socket and, while a
// request is carried out, raises ClientConnectionLost as an interrupt. Between requests the end of the
// connection is nothing but the end of it. Runs in a backend only; `working` is written by ordinary code, read
// by the handler.
#include "postmaster/control_connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "bridge/critical.hpp"
#include "core/log.hpp"

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "tcop/tcopprot.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/wait_event.h"
}
#include "utils/elog_internal.hpp"

namespace bgw {

namespace {

constexpr std::size_t longest_request = 1024 * 1024;
constexpr int look_again_ms = 200;  // while writing: has the process been asked to end?

int connection = -1;
volatile std::sig_atomic_t working = false;

// Made once, never destroyed: the process leaves through proc_exit().
LineBuffer* lines = nullptr;
ControlRequest* request = nullptr;

bool client_has_left() {
  pollfd item{connection, 0, 0};
  return poll(&item, 1, 0) > 0 && (item.revents & (POLLHUP | POLLERR)) != 0;
}

void lose_client() {
  ClientConnectionLost = true;
  InterruptPending = true;
}

void on_socket_signal(int) {
  const int kept_errno = errno;
  if (working && client_has_left()) {
    lose_client();
    SetLatch(MyLatch);
  }
  errno = kept_errno;
}

void send_bytes(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(connection, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN || ProcDiePending || !PostmasterIsAlive()) {
      lose_client();
      return;
    }
    pollfd item{connection, POLLOUT, 0};
    poll(&item, 1, look_again_ms);
  }
}

const char* text_or_empty(const char* text) {
  return text ? text : "";
}

// A report for the client: the end of the request at ERROR and above, a notice below.
void send_report(const ErrorData* error) {
  CriticalScope critical;
  try {
    nlohmann::json fields{{"severity", error_severity(error->elevel)},
                          {"sqlstate", unpack_sql_state(error->sqlerrcode)},
                          {"message", error->message ? error->message : "missing error text"},
                          {"detail", text_or_empty(error->detail)},
                          {"hint", text_or_empty(error->hint)},
                          {"query", text_or_empty(error->internalquery)},
                          {"context", error->hide_ctx ? "" : text_or_empty(error->context)}};
    if (error->elevel >= ERROR)
      control_send({{"ok", false}, {"error", std::move(fields)}});
    else
      control_send({{"notice", std::move(fields)}});
  } catch (const std::exception&) {
    lose_client();  // no memory to say it with
  }
}

const nlohmann::json* field(const char* name) {
  if (request == nullptr) return nullptr;
  auto found = request->arguments.find(name);
  return found == request->arguments.end() ? nullptr : &*found;
}

enum class Taken { request, none, refused };

Taken take_request() noexcept {
  CriticalScope critical;
  try {
    std::optional<std::string> line = lines->next();
    if (!line) return Taken::none;
    Result<ControlRequest> parsed = parse_request(*line);
    if (parsed) {
      *request = std::move(*parsed);
      return Taken::request;
    }
    log(LogEntry{.message = "control connection: " + parsed.error().one_line()});
    control_send(error_reply(parsed.error()));
  } catch (const std::exception&) {
    lose_client();
  }
  return Taken::refused;
}

enum class Got { bytes, nothing_yet, end };

Got take_bytes() noexcept {
  char buffer[8192];
  const ssize_t got = recv(connection, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return Got::nothing_yet;
  if (got <= 0) return Got::end;
  CriticalScope critical;
  try {
    Result<void> added = lines->add({buffer, static_cast<std::size_t>(got)});
    if (added) return Got::bytes;
    log(LogEntry{.message = "control connection: " + added.error().one_line()});
    control_send(error_reply(added.error()));
  } catch (const std::exception&) {
    lose_client();
  }
  return Got::end;
}

}  // namespace

bool control_open(int connection_fd) noexcept {
  connection = connection_fd;
  lines = new LineBuffer(longest_request);
  request = new ControlRequest();
  Result<void> allowed = check_peer(connection_fd);
  if (!allowed) {
    log(LogEntry{.message = "control connection: " + allowed.error().one_line()});
    control_send(error_reply(allowed.error()));
    return false;
  }
  pqsignal(SIGIO, on_socket_signal);
  ::fcntl(connection, F_SETOWN, ::getpid());
  ::fcntl(connection, F_SETFL, ::fcntl(connection, F_GETFL) | O_ASYNC);
  send_message_to_frontend = send_report;
  whereToSendOutput = DestRemote;
  return true;
}

bool control_read_request() {
  for (;;) {
    switch (take_request()) {
      case Taken::request:
        return true;
      case Taken::refused:
        return false;
      case Taken::none:
        break;
    }
    const int woken = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
                                        connection, -1, WAIT_EVENT_CLIENT_READ);
    ResetLatch(MyLatch);
    // Nothing is being done that could be cancelled.
    QueryCancelPending = false;
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    if ((woken & WL_SOCKET_READABLE) != 0 && take_bytes() == Got::end) return false;
  }
}

void control_begin_work() noexcept {
  working = true;
  if (client_has_left()) lose_client();
}

void control_end_work() noexcept {
  working = false;
}

const char* control_op() noexcept {
  return request->op.c_str();
}

const char* control_text(const char* name) noexcept {
  const nlohmann::json* value = field(name);
  return value && value->is_string() ? value->get_ptr<const std::string*>()->c_str() : nullptr;
}

bool control_flag(const char* name) noexcept {
  const nlohmann::json* value = field(name);
  return value && value->is_boolean() && value->get<bool>();
}

long long control_number(const char* name, long long otherwise) noexcept {
  const nlohmann::json* value = field(name);
  return value && value->is_number_integer() ? value->get<long long>() : otherwise;
}

int control_list_length(const char* name) noexcept {
  const nlohmann::json* value = field(name);
  return value && value->is_array() ? static_cast<int>(value->size()) : 0;
}

const char* control_list_text(const char* name, int index) noexcept {
  const nlohmann::json* value = field(name);
  if (!value || !value->is_array() || static_cast<std::size_t>(index) >= value->size()) return nullptr;
  const nlohmann::json& member = (*value)[static_cast<std::size_t>(index)];
  return member.is_string() ? member.get_ptr<const std::string*>()->c_str() : nullptr;
}

void control_send(const nlohmann::json& line) noexcept {
  CriticalScope critical;
  try {
    send_bytes(to_line(line));
  } catch (const std::exception&) {
    lose_client();
  }
}

void control_send_progress(const char* what, const char* name, const char* value) noexcept {
  CriticalScope critical;
  try {
    control_send({{"progress", {{"what", what}, {name, value}}}});
  } catch (const std::exception&) {
    lose_client();
  }
}

}  // namespace bgw
