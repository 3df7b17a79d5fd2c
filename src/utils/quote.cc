// quote_ident() and its kin as the server's fmgr functions; the quoting itself is builtins_text.cc's.
extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "utils/builtins.h"
}

extern "C" {

Datum quote_ident(PG_FUNCTION_ARGS) {
  char* name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  PG_RETURN_TEXT_P(cstring_to_text(quote_identifier(name)));
}

Datum quote_literal(PG_FUNCTION_ARGS) {
  char* value = text_to_cstring(PG_GETARG_TEXT_PP(0));
  PG_RETURN_TEXT_P(cstring_to_text(quote_literal_cstr(value)));
}

Datum quote_nullable(PG_FUNCTION_ARGS) {
  if (PG_ARGISNULL(0)) PG_RETURN_TEXT_P(cstring_to_text("NULL"));
  return quote_literal(fcinfo);
}

}  // extern "C"
