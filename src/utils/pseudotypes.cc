// Types without values of their own: cstring, void, unknown, and those that only stand for others in the declaration of a function
// (utils/fmgrprotos.h).
extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "utils/fmgrprotos.h"
}

namespace {

Datum refuse(const char* what, const char* type) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot %s a value of type %s", what, type)));
  pg_unreachable();
}

}  // namespace

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

#define ACCEPTS_NOTHING(type)         \
  Datum type##_in(PG_FUNCTION_ARGS) { \
    return refuse("accept", #type);   \
  }
#define DISPLAYS_NOTHING(type)         \
  Datum type##_out(PG_FUNCTION_ARGS) { \
    return refuse("display", #type);   \
  }
#define STANDS_FOR_ANY(type) \
  ACCEPTS_NOTHING(type)      \
  DISPLAYS_NOTHING(type)
STANDS_FOR_ANY(any)
STANDS_FOR_ANY(trigger)
STANDS_FOR_ANY(event_trigger)
STANDS_FOR_ANY(language_handler)
STANDS_FOR_ANY(fdw_handler)
STANDS_FOR_ANY(table_am_handler)
STANDS_FOR_ANY(index_am_handler)
STANDS_FOR_ANY(tsm_handler)
STANDS_FOR_ANY(internal)
STANDS_FOR_ANY(anyelement)
STANDS_FOR_ANY(anynonarray)
STANDS_FOR_ANY(anycompatible)
STANDS_FOR_ANY(anycompatiblenonarray)
STANDS_FOR_ANY(pg_ddl_command)

// What stands for a kind of types is printed as all of the kind are.
#define PRINTS_AS(type, kind)          \
  ACCEPTS_NOTHING(type)                \
  Datum type##_out(PG_FUNCTION_ARGS) { \
    return kind##_out(fcinfo);         \
  }
PRINTS_AS(anyarray, array)
PRINTS_AS(anycompatiblearray, array)
PRINTS_AS(anyenum, enum)
PRINTS_AS(anyrange, range)
PRINTS_AS(anycompatiblerange, range)
PRINTS_AS(anymultirange, multirange)
PRINTS_AS(anycompatiblemultirange, multirange)

#define RECEIVES_NOTHING(type)          \
  Datum type##_recv(PG_FUNCTION_ARGS) { \
    return refuse("accept", #type);     \
  }
RECEIVES_NOTHING(anyarray)
RECEIVES_NOTHING(anycompatiblearray)
RECEIVES_NOTHING(pg_ddl_command)

Datum pg_ddl_command_send(PG_FUNCTION_ARGS) {
  return refuse("display", "pg_ddl_command");
}
Datum shell_in(PG_FUNCTION_ARGS) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot accept a value of a shell type")));
  pg_unreachable();
}
Datum shell_out(PG_FUNCTION_ARGS) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot display a value of a shell type")));
  pg_unreachable();
}

}  // extern "C"
