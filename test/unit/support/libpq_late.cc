// The functions of libpq that tests call, each of which loads the library when it is first called. It brings
// some thirty others into a process: most tests have no use for it, and each is a process of its own and forks
// more.
#include <dlfcn.h>
#include <libpq-fe.h>

#include <cstdio>
#include <cstdlib>

namespace {

template <typename Function>
Function* late(const char* name) {
  static void* const library = dlopen(BGW_LIBPQ_SONAME, RTLD_NOW);
  void* const found = library != nullptr ? dlsym(library, name) : nullptr;
  if (found == nullptr) {
    fprintf(stderr, "%s of " BGW_LIBPQ_SONAME ": %s\n", name, dlerror());
    abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace

#define LATE(result, name, parameters, arguments)              \
  result name parameters {                                     \
    static auto* const function = late<decltype(name)>(#name); \
    return function arguments;                                 \
  }

LATE(void, PQclear, (PGresult * result), (result))
LATE(PGconn*, PQconnectdb, (const char* conninfo), (conninfo))
LATE(char*, PQerrorMessage, (const PGconn* connection), (connection))
LATE(PGresult*, PQexec, (PGconn * connection, const char* statement), (connection, statement))
LATE(PGresult*, PQexecParams,
     (PGconn * connection, const char* statement, int count, const Oid* types, const char* const* values,
      const int* lengths, const int* formats, int format),
     (connection, statement, count, types, values, lengths, formats, format))
LATE(void, PQfinish, (PGconn * connection), (connection))
LATE(int, PQfmod, (const PGresult* result, int field), (result, field))
LATE(char*, PQfname, (const PGresult* result, int field), (result, field))
LATE(Oid, PQftype, (const PGresult* result, int field), (result, field))
LATE(int, PQgetisnull, (const PGresult* result, int row, int field), (result, row, field))
LATE(int, PQgetlength, (const PGresult* result, int row, int field), (result, row, field))
LATE(char*, PQgetvalue, (const PGresult* result, int row, int field), (result, row, field))
LATE(int, PQnfields, (const PGresult* result), (result))
LATE(int, PQntuples, (const PGresult* result), (result))
LATE(PGPing, PQping, (const char* conninfo), (conninfo))
LATE(char*, PQresultErrorField, (const PGresult* result, int field), (result, field))
LATE(ExecStatusType, PQresultStatus, (const PGresult* result), (result))
LATE(ConnStatusType, PQstatus, (const PGconn* connection), (connection))
