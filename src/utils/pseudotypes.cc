// Types without values of their own: cstring, void, unknown (utils/fmgrprotos.h).
extern "C" {
#include "postgres.h"
#include "utils/fmgrprotos.h"
}

extern "C" {

Datum cstring_in(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(PG_GETARG_CSTRING(0)));
}
Datum cstring_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(PG_GETARG_CSTRING(0)));
}
Datum void_in(PG_FUNCTION_ARGS) {
  PG_RETURN_VOID();
}
Datum void_out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(""));
}
Datum unknownin(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(PG_GETARG_CSTRING(0)));
}
Datum unknownout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(PG_GETARG_CSTRING(0)));
}

}  // extern "C"
