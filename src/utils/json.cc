// json (utils/fmgrprotos.h): text that has been checked.
#include <cstring>

#include "utils/json_parser.hpp"

extern "C" {
#include "postgres.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
}

extern "C" {

Datum json_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  const int len = static_cast<int>(strlen(text));
  const bgw::JsonEvents nothing = {};
  bgw::parse_json(text, len, false, &nothing);
  PG_RETURN_TEXT_P(cstring_to_text_with_len(text, len));
}

Datum json_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

}  // extern "C"
