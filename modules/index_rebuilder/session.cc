// The libpq session. Everything is asynchronous: what is waited for is the socket or the latch, whichever comes
// first, so that a SIGTERM ends the wait at once; the statement that runs is then cancelled on the server.
//
// Where the session leads to is compared with the worker's own: the start time of the server must be the same.
#include "session.hpp"

#include "index_rebuilder.hpp"

namespace index_rebuilder {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

// A SQLSTATE that came as text.
bgworker::sqlstate state_of(const char* text) {
  if (text == nullptr || std::strlen(text) != 5) return bgworker::sqlstate("XX000");
  return bgworker::sqlstate::of(MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]));
}

std::string trimmed(const char* message) {
  std::string text(message ? message : "");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

bgworker::error error_of(const PGresult* r) {
  const auto field = [&](int which) {
    const char* text = PQresultErrorField(r, which);
    return std::string(text ? text : "");
  };
  std::string message = field(PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = trimmed(PQresultErrorMessage(r));
  return {state_of(PQresultErrorField(r, PG_DIAG_SQLSTATE)), message, field(PG_DIAG_MESSAGE_DETAIL),
          field(PG_DIAG_MESSAGE_HINT)};
}

const char* setting(const char* name) {
  return bgworker::guarded([&] { return GetConfigOption(name, true, false); });
}

// The first of the folders that a server has sockets in.
std::string first_folder(std::string_view list) {
  std::string_view first = list.substr(0, std::min(list.find(','), list.size()));
  while (!first.empty() && (first.front() == ' ' || first.front() == '"')) first.remove_prefix(1);
  while (!first.empty() && (first.back() == ' ' || first.back() == '"')) first.remove_suffix(1);
  return first.empty() ? "localhost" : std::string(first);
}

struct own_session {
  std::string database, user, encoding, started, folders, port;
};

own_session look_at_own(bool embedded) {
  bgworker::transaction tx;
  own_session o;
  auto [database, user, encoding, started] =
      tx.query<std::string, std::string, std::string, std::string>(
            OWN
            "SELECT current_database()::text, session_user::text, current_setting('client_encoding'),"
            " extract(epoch FROM pg_postmaster_start_time())::text")
          .front();
  o = {database, user, encoding, started, {}, {}};
  if (embedded) {
    auto [folders, port] =
        tx.query<std::string, std::string>(
              OWN "SELECT current_setting('unix_socket_directories'), current_setting('port')")
            .front();
    o.folders = folders;
    o.port = port;
  }
  tx.commit();
  return o;
}

}  // namespace

bool in_host() {
  return setting("upstream") != nullptr;
}

session::session(bgworker::worker& self, const std::string& connection) : self_(self) {
  const char* upstream = setting("upstream");
  std::string base = connection;
  if (base.empty() && upstream) base = upstream;
  const bool embedded = base.empty() && upstream;
  own_session own = look_at_own(embedded);
  if (base.empty() && !embedded) {
    const char* folders = setting("unix_socket_directories");
    const char* port = setting("port");
    own.folders = folders ? folders : "";
    own.port = port ? port : "";
  }
  std::vector<const char*> names, values;
  const auto add = [&](const char* name, const std::string& value) {
    names.push_back(name);
    values.push_back(value.c_str());
  };
  const std::string name = "index_rebuilder";
  const std::string folder = first_folder(own.folders);
  // Later ones win: a connection string of its own may name another user, never another database.
  if (!connection.empty()) add("user", own.user);
  if (!base.empty()) add("dbname", base);
  if (connection.empty()) add("user", own.user);
  add("dbname", own.database);
  if (base.empty()) {
    add("host", folder);
    add("port", own.port);
  }
  add("application_name", name);
  add("client_encoding", own.encoding);
  names.push_back(nullptr);
  values.push_back(nullptr);

  connection_.reset(PQconnectStartParams(names.data(), values.data(), base.empty() ? 0 : 1));
  if (!connection_) throw std::bad_alloc();
  PGconn* c = connection_.get();
  const auto failed = [&](const std::string& why) -> bgworker::error {
    return {"08001",
            "index_rebuilder could not open a session of its own: " + why,
            {},
            "Set index_rebuilder.connection, or let the role connect as the server's pg_hba.conf says."};
  };
  PQsetNoticeProcessor(
      c, [](void*, const char*) {}, nullptr);
  const auto deadline = steady::now() + 30s;
  PostgresPollingStatusType state =
      PQstatus(c) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) throw failed(trimmed(PQerrorMessage(c)));
    const auto left = deadline - steady::now();
    if (left <= 0s) throw failed("no answer for 30 seconds");
    const bool writes = state == PGRES_POLLING_WRITING;
    const auto why = self_.wait(left, {.fd = PQsocket(c), .read = !writes, .write = writes});
    if (!why) throw bgworker::error("57014", "the worker is being stopped");
    if (why.readable() || why.writable()) state = PQconnectPoll(c);
  }
  if (PQsetnonblocking(c, 1) != 0) throw failed(trimmed(PQerrorMessage(c)));
  if (run("SELECT extract(epoch FROM pg_postmaster_start_time())::text") != own.started)
    throw bgworker::error("55000",
                          "index_rebuilder.connection leads to another server than the worker's own session",
                          {}, "Name the same server as the worker's session goes to.");
}

void session::give_up(const char* why) {
  if (PGcancel* cancel = PQgetCancel(connection_.get())) {
    char message[256];
    if (!PQcancel(cancel, message, sizeof message))
      bgworker::log(bgworker::level::warning, "index_rebuilder could not cancel its statement: {}",
                    trimmed(message));
    PQfreeCancel(cancel);
  }
  throw bgworker::error("57014", why);
}

void session::lost() {
  throw bgworker::error("08006",
                        "index_rebuilder lost its session: " + trimmed(PQerrorMessage(connection_.get())));
}

std::string session::run(const std::string& statement, std::chrono::milliseconds limit) {
  PGconn* c = connection_.get();
  if (!PQsendQuery(c, (OWN + statement).c_str())) lost();
  const auto deadline = limit > 0ms ? steady::now() + limit : steady::time_point::max();
  std::optional<bgworker::error> refused;
  std::string field;
  for (;;) {
    for (;;) {
      const int unsent = PQflush(c);
      if (unsent < 0) lost();
      if (unsent == 0 && !PQisBusy(c)) break;
      const bgworker::socket_wait on{.fd = PQsocket(c), .read = true, .write = unsent > 0};
      const auto why = limit > 0ms ? self_.wait(std::max(deadline - steady::now(), steady::duration(0)), on)
                                   : self_.wait(on);
      if (!why) give_up("the worker is being stopped");
      if (steady::now() >= deadline) give_up("the server did not answer in time");
      if (why.readable() && !PQconsumeInput(c)) lost();
    }
    const std::unique_ptr<PGresult, finish> r(PQgetResult(c));
    if (!r) break;
    switch (PQresultStatus(r.get())) {
      case PGRES_TUPLES_OK:
        if (PQntuples(r.get()) > 0 && PQnfields(r.get()) > 0) field = PQgetvalue(r.get(), 0, 0);
        break;
      case PGRES_COMMAND_OK:
      case PGRES_EMPTY_QUERY:
        break;
      default:
        if (!refused) refused = error_of(r.get());
    }
  }
  if (refused) throw *refused;
  return field;
}

}  // namespace index_rebuilder
