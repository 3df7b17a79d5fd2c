// A JSON text, checked and taken apart: shared by json_in, which only checks, and jsonb_in, which builds.
#pragma once

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
}

namespace bgw {

enum class JsonScalar { null, boolean_true, boolean_false, number, string };

// What the parser tells, in the order of the text. Any may be nullptr. Calls may raise errors.
struct JsonEvents {
  void* state;
  void (*begin_object)(void* state);
  void (*end_object)(void* state);
  void (*begin_array)(void* state);
  void (*end_array)(void* state);
  // With escapes resolved; the text is only valid during the call.
  void (*key)(void* state, const char* text, int len);
  void (*scalar)(void* state, JsonScalar kind, const char* text, int len);
};

// Raises the server's errors for text that is not JSON. With `resolve` escape sequences are decoded (and what
// cannot be decoded is an error); without, they are only checked for their form, and no event but structure is
// useful.
void parse_json(const char* text, int len, bool resolve, const JsonEvents* events);

}  // namespace bgw
