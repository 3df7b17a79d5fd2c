// What is known of a function that is to be called: its arguments' types and its result's. C style; everything
// is palloc'd in the current memory context and everything may raise. Include after postgres.h.
#pragma once

extern "C" {
#include "access/tupdesc.h"
}

namespace bgw {

struct CallResult {
  bool known;     // false: the result cannot be looked at
  bool set;       // SETOF, TABLE
  Oid type;       // RECORDOID, a named row type, VOIDOID, or a scalar
  int32 typmod;   // of a scalar
  TupleDesc row;  // of a composite result whose columns are known
};

// An argument as it was written on the command line.
struct CallArgument {
  const char* written;    // nullptr: NULL
  const char* type_name;  // nullptr: a bare literal
  const char* text;       // nullptr: NULL
  bool variadic;          // "VARIADIC " stood before it: an array for the VARIADIC parameter
};

// "TYPE:VALUE" (the type begins with a letter or a quote), "NULL", "NULL::TYPE", or a bare literal; before any
// of them may stand "VARIADIC ".
CallArgument read_call_argument(const char* written);

// The type that a bare literal has by itself: that of the SQL constant, bool for true and false, else text.
Oid guess_literal_type(const char* text);

// "void", "TYPE", "SETOF TYPE", "TABLE(name type, ...)", "[SETOF] RECORD(name type, ...)", "[SETOF] RECORD".
CallResult read_call_result(const char* written);

// A function as CREATE FUNCTION declared it in the session's database.
struct CallDeclaration {
  Oid function;
  const char* name;
  int nargs;      // the declared ones that a call has
  Oid* argtypes;  // of `nargs`
  bool strict;
  bool variadic;      // the last argument is an array that VARIADIC collects
  bool variadic_any;  // VARIADIC "any": any number of arguments of any types follow
  CallResult result;
};

// Looks the function up by library and symbol, and picks the one that takes these arguments. nullptr when none
// is declared in this database; raises when some are but none, or more than one, takes the arguments.
CallDeclaration* look_up_declaration(const char* module, const char* function, int nargs,
                                     const CallArgument* args);

// A default value's text, as the upstream computes it for argument `number` (from 0); nullptr: NULL.
char* default_argument_text(Oid function, int number);

// The type of a default value as it is written, for an argument that is declared polymorphic.
Oid default_argument_type(Oid function, int number);

}  // namespace bgw
