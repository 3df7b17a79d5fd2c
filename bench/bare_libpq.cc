// What a careful client gets without bgworkerd: BEGIN, the statement, COMMIT, one after the other on one libpq
// connection. Prints "bench bare_libpq_transaction VALUE us".
//
// usage: bare_libpq CONNINFO ROUNDS STATEMENT
#include <libpq-fe.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

bool run(PGconn* connection, const char* statement, ExecStatusType expected) {
  PGresult* result = PQexec(connection, statement);
  bool good = PQresultStatus(result) == expected;
  if (!good) std::fprintf(stderr, "%s: %s", statement, PQerrorMessage(connection));
  PQclear(result);
  return good;
}

bool transaction(PGconn* connection, const char* statement) {
  return run(connection, "BEGIN", PGRES_COMMAND_OK) && run(connection, statement, PGRES_TUPLES_OK) &&
         run(connection, "COMMIT", PGRES_COMMAND_OK);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  PGconn* connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection));
    return 1;
  }
  int rounds = std::atoi(argv[2]);
  for (int i = 0; i < 200; i++)
    if (!transaction(connection, argv[3])) return 1;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; i++)
    if (!transaction(connection, argv[3])) return 1;
  std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("bench bare_libpq_transaction %.3f us\n", elapsed.count() / rounds);
  PQfinish(connection);
  return 0;
}
