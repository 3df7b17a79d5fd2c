// See beside_server.hpp. The server evaluates a whole list of expressions in one statement, through a function
// that turns an error into a text.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "support/caught.hpp"
#include "support/beside_server.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
}

namespace bgw_test {
namespace {

struct Frame {
  const HostCall* call;
  Datum result;
  bool is_null;
  char* text;
};

void run_call(void* argument) {
  Frame* frame = static_cast<Frame*>(argument);
  const HostCall& call = *frame->call;
  Datum values[3] = {0, 0, 0};
  int n = static_cast<int>(call.arguments.size());
  for (int i = 0; i < n; i++)
    values[i] = DirectFunctionCall3(call.arguments[i].in, CStringGetDatum(call.arguments[i].text.c_str()),
                                    ObjectIdGetDatum(InvalidOid), Int32GetDatum(call.arguments[i].typmod));
  frame->is_null = false;
  frame->result = values[0];
  if (call.function != nullptr) {
    LOCAL_FCINFO(fcinfo, 3);
    InitFunctionCallInfoData(*fcinfo, nullptr, static_cast<short>(n), InvalidOid, nullptr, nullptr);
    for (int i = 0; i < n; i++) {
      fcinfo->args[i].value = values[i];
      fcinfo->args[i].isnull = false;
    }
    frame->result = call.function(fcinfo);
    frame->is_null = fcinfo->isnull;
  }
  if (!frame->is_null) frame->text = DatumGetCString(DirectFunctionCall1(call.out, frame->result));
}

}  // namespace

Answer host_answer(const HostCall& call) {
  MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "case", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(context);
  Frame frame{&call, 0, false, nullptr};
  Caught caught_error = caught(run_call, &frame);
  Answer answer;
  if (caught_error.raised)
    answer = "error: " + caught_error.sqlstate + ": " + caught_error.message;
  else if (frame.is_null)
    answer = "null";
  else if (call.out == boolout)  // the cast to text prints a boolean in full
    answer = frame.text[0] == 't' ? "ok: true" : "ok: false";
  else
    answer = std::string("ok: ") + frame.text;
  MemoryContextSwitchTo(before);
  MemoryContextDelete(context);
  return answer;
}

BesideServer::BesideServer() : connection_(server_.connect()) {
  query(connection_.get(),
        "create function try_eval(e text) returns text language plpgsql as $$ declare r text; s text; m text; "
        "begin execute 'select (' || e || ')::text' into r; return coalesce('ok: ' || r, 'null'); "
        "exception when others then get stacked diagnostics s = returned_sqlstate, m = message_text; "
        "return 'error: ' || s || ': ' || m; end $$");
}

void BesideServer::set(const std::string& name, const std::string& value) {
  query(connection_.get(), "set " + name + " = " + sql_literal(value));
}

void BesideServer::compare(const std::vector<Case>& cases, const std::string& what) {
  std::vector<std::string> expressions;
  std::vector<Answer> host;
  for (const Case& c : cases) {
    expressions.push_back(c.expression);
    host.push_back(host_answer(c.call));
  }
  compare(expressions, host, what);
}

void BesideServer::compare(const std::vector<std::string>& expressions, const std::vector<Answer>& host,
                           const std::string& what) {
  std::string list;
  for (const std::string& expression : expressions) list += (list.empty() ? "" : ",") + sql_literal(expression);
  std::string statement =
      "select try_eval(e) from unnest(array[" + list + "]) with ordinality u(e, n) order by n";
  PGresult* result = PQexec(connection_.get(), statement.c_str());
  ASSERT_EQ(PQresultStatus(result), PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  ASSERT_EQ(PQntuples(result), static_cast<int>(expressions.size()));
  int different = 0, most = getenv("BGW_TEST_ALL") ? 1000 : 10;
  for (size_t i = 0; i < expressions.size(); i++) {
    std::string server = PQgetvalue(result, static_cast<int>(i), 0);
    if (host[i] != server && ++different <= most)
      ADD_FAILURE() << what << ": " << expressions[i] << "\n  server " << server << "\n  host   " << host[i];
  }
  EXPECT_EQ(different, 0) << what << ": " << expressions.size() << " cases";
  PQclear(result);
}

unsigned comparison_seed() {
  const char* given = getenv("BGW_TEST_SEED");
  unsigned seed = given ? static_cast<unsigned>(strtoul(given, nullptr, 10)) : 20000101;
  printf("BGW_TEST_SEED=%u\n", seed);
  return seed;
}

std::string sql_literal(const std::string& text) {
  std::string out = "'";
  bool backslash = text.find('\\') != std::string::npos;
  for (char c : text) {
    if (c == '\'' || c == '\\') out.push_back(c);
    out.push_back(c);
  }
  return (backslash ? " E" : "") + out + "'";
}

}  // namespace bgw_test
