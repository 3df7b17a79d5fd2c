// Comparing the host's functions with what a real server answers: each case is an SQL expression for the
// server and a call for the host; both give a text or an error.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "support/private_server.hpp"

extern "C" {
#include "postgres.h"
#include "fmgr.h"
}

namespace bgw_test {

// One value, or the error that making it raised: "ok: TEXT", "null", or "error: SQLSTATE: MESSAGE".
using Answer = std::string;

// The host's text of `value` as type T prints it: in(text) and out again; in takes a typmod.
struct TypeFunctions {
  const char* sql_name;
  PGFunction in, out;
};

// A call of at most three arguments. Arguments are texts read by `in` functions, the result printed by `out`.
struct HostCall {
  PGFunction function = nullptr;  // null: print the first argument
  PGFunction out = nullptr;
  struct Argument {
    PGFunction in;
    std::string text;
    int typmod = -1;
  };
  std::vector<Argument> arguments;
};

Answer host_answer(const HostCall& call);

struct Case {
  std::string expression;  // for the server, without the cast to text
  HostCall call;
};

class BesideServer {
 public:
  BesideServer();
  void set(const std::string& name, const std::string& value);  // on the server
  // Compares all cases; reports the first few that differ as failures of the running test.
  void compare(const std::vector<Case>& cases, const std::string& what);
  // The same with answers that the host has already given, one for each expression.
  void compare(const std::vector<std::string>& expressions, const std::vector<Answer>& host,
               const std::string& what);
  PGconn* connection() { return connection_.get(); }

 private:
  PrivateServer server_;
  Connection connection_;
};

// The seed of this run: BGW_TEST_SEED, or a fixed one, because nonsense text now and then finds a corner that
// differs and that should be found on purpose, not in somebody else's change. Printed.
unsigned comparison_seed();

// An SQL literal.
std::string sql_literal(const std::string& text);

}  // namespace bgw_test
