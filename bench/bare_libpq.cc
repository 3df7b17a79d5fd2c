// What a careful client gets without bgworkerd: BEGIN, the statement, COMMIT, one after the other on one libpq
// connection. Prints "bench bare_libpq_transaction VALUE us".
//
// usage: bare_libpq CONNINFO ROUNDS STATEMENT [--setup SQL] [--argument] [--savepoints] [--together] [--warmup N]
//
// --argument: the statement has a parameter $1, the round's number, and is prepared once. --savepoints: one
// transaction for all rounds, each statement between SAVEPOINT and RELEASE. --together: one transaction for all
// rounds, and nothing between the statements.
#include <libpq-fe.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

bool good(PGconn* connection, PGresult* result, const char* statement) {
  ExecStatusType status = PQresultStatus(result);
  bool fine = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
  if (!fine) std::fprintf(stderr, "%s: %s", statement, PQerrorMessage(connection));
  PQclear(result);
  return fine;
}

bool run(PGconn* connection, const char* statement) {
  return good(connection, PQexec(connection, statement), statement);
}

struct Options {
  const char* statement = "";
  const char* setup = "";
  bool argument = false, savepoints = false, together = false;
  int rounds = 1, warmup = 200;
};

bool one_statement(PGconn* connection, const Options& options, int round) {
  if (!options.argument) return run(connection, options.statement);
  std::string number = std::to_string(round);
  const char* value = number.c_str();
  return good(connection, PQexecPrepared(connection, "measured", 1, &value, nullptr, nullptr, 0),
              options.statement);
}

bool one_round(PGconn* connection, const Options& options, int round) {
  if (options.savepoints)
    return run(connection, "SAVEPOINT s") && one_statement(connection, options, round) &&
           run(connection, "RELEASE s");
  if (options.together) return one_statement(connection, options, round);
  return run(connection, "BEGIN") && one_statement(connection, options, round) && run(connection, "COMMIT");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  Options options;
  options.rounds = std::atoi(argv[2]);
  options.statement = argv[3];
  for (int i = 4; i < argc; i++) {
    if (std::strcmp(argv[i], "--argument") == 0) {
      options.argument = true;
    } else if (std::strcmp(argv[i], "--savepoints") == 0) {
      options.savepoints = true;
    } else if (std::strcmp(argv[i], "--together") == 0) {
      options.together = true;
    } else if (std::strcmp(argv[i], "--setup") == 0 && i + 1 < argc) {
      options.setup = argv[++i];
    } else if (std::strcmp(argv[i], "--warmup") == 0 && i + 1 < argc) {
      options.warmup = std::atoi(argv[++i]);
    } else {
      return 2;
    }
  }
  PGconn* connection = PQconnectdb(argv[1]);
  if (PQstatus(connection) != CONNECTION_OK) {
    std::fprintf(stderr, "%s", PQerrorMessage(connection));
    return 1;
  }
  const Oid int4 = 23;
  if (options.setup[0] != '\0' && !run(connection, options.setup)) return 1;
  if (options.argument && !good(connection, PQprepare(connection, "measured", options.statement, 1, &int4),
                                options.statement))
    return 1;
  const bool one_transaction = options.savepoints || options.together;
  if (one_transaction && !run(connection, "BEGIN")) return 1;
  for (int i = 0; i < options.warmup; i++)
    if (!one_round(connection, options, i)) return 1;
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < options.rounds; i++)
    if (!one_round(connection, options, options.warmup + i)) return 1;
  std::chrono::duration<double, std::micro> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("bench bare_libpq_transaction %.3f us\n", elapsed.count() / options.rounds);
  if (one_transaction && !run(connection, "COMMIT")) return 1;
  PQfinish(connection);
  return 0;
}
