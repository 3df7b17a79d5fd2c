// A PostgreSQL cluster of a test's own: made in a temporary folder, reached by a unix socket in it alone,
// run by the current user (by `postgres` when that is root), stopped and removed with the object,
// by the process that made it.
#pragma once

#include <libpq-fe.h>
#include <sys/types.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace bgw_test {

struct ConnectionCloser {
  void operator()(PGconn* c) const { PQfinish(c); }
};
using Connection = std::unique_ptr<PGconn, ConnectionCloser>;

class PrivateServer {
 public:
  // `settings`: "name=value" pairs for the server's command line. Aborts the process with a message when the
  // cluster cannot be made or does not answer within 30 seconds.
  explicit PrivateServer(const std::vector<std::string>& settings = {});
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  std::string conninfo(const std::string& database = "postgres") const;
  Connection connect(const std::string& database = "postgres") const;
  pid_t pid() const { return pid_; }
  const std::string& folder() const { return folder_; }

  void stop();   // fast shutdown, and wait
  void start();  // again, on the same data

 private:
  void end(int signal);

  std::vector<std::string> settings_;
  std::string folder_;
  pid_t pid_ = -1;
  pid_t owner_ = getpid();
};

// Runs one statement; fails the running test, and returns an empty string, when it fails. The first value.
std::string query(PGconn* connection, const std::string& statement);

}  // namespace bgw_test
