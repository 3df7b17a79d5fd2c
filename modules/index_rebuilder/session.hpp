// A session of the worker's own, over libpq: for statements that must not run inside a transaction.
#pragma once

#include <memory>

#include <bgworker/bgworker.hpp>
#include <libpq-fe.h>

namespace index_rebuilder {

class session {
 public:
  // Opens a session to the server and database that the worker's own transactions go to. `connection` is a
  // libpq connection string; empty: the host's upstream, or in a server its own first socket. Error 08001 when
  // it cannot be opened, 55000 when it leads to another server. No transaction may be open.
  session(bgworker::worker& self, const std::string& connection);

  // Runs a statement to its end, and returns the first field of its first row, or an empty text. What the
  // server refuses is thrown with its fields. When the worker is to stop, or after `limit` (0: none), the
  // statement is cancelled, the answer not waited for, and error 57014 thrown; the session is then of no use
  // any more. No transaction may be open: a statement that runs CONCURRENTLY waits for all that are.
  std::string run(const std::string& statement, std::chrono::milliseconds limit = {});

 private:
  struct finish {
    void operator()(PGconn* c) const { PQfinish(c); }
    void operator()(PGresult* r) const { PQclear(r); }
  };
  [[noreturn]] void give_up(const char* why);
  [[noreturn]] void lost();

  bgworker::worker& self_;
  std::unique_ptr<PGconn, finish> connection_;
};

// Whether this process belongs to a bgworkerd and not to the server itself.
bool in_host();

}  // namespace index_rebuilder
