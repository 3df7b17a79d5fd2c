// The arguments of a call as the parser would pass them: each with its type, literals without one read as what
// the declaration wants, polymorphic parameters resolved, VARIADIC ones collected. C style; everything is
// palloc'd in the current memory context and everything may raise. Include after postgres.h.
#pragma once

#include "bridge/type_io.hpp"
#include "postmaster/call_declaration.hpp"

namespace bgw {

struct PassedArgument {
  Oid type;
  int32 typmod;
  Datum value;
  bool isnull;
};

struct PassedArguments {
  int count;
  PassedArgument* args;
  bool variadic;      // the last one is an array: collected, or given with VARIADIC
  CallResult result;  // `declared`'s, with the types that the arguments decide in the place of polymorphic ones
};

// `declared` may be nullptr: then literals have the type that they look like. Raises the server's error when
// the arguments of polymorphic parameters do not agree.
PassedArguments read_call_arguments(const CallDeclaration* declared, const CallArgument* given, int count);

// A type whose values can be built in this process; raises ERROR 0A000, naming it, for any other.
const TypeInfo* usable_type(Oid type);

}  // namespace bgw
