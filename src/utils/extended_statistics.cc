// The types in which the upstream keeps what it knows of several columns together: pg_ndistinct, pg_dependencies, pg_mcv_list
// (utils/fmgrprotos.h). A value is a varlena of the bytes that the upstream stores; nobody can make one from text or from bytes.
#include <cstring>

extern "C" {
#include "postgres.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "statistics/statistics.h"
#include "utils/fmgrprotos.h"
}

namespace {

Datum refuse(const char* type) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot accept a value of type %s", type)));
  pg_unreachable();
}

// What is left to be read of a value.
struct Reader {
  const char* type;
  const char* at;
  Size left;

  template <class T>
  T next() {
    if (left < sizeof(T))
      ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("value of type %s ends too early", type)));
    T value;
    memcpy(&value, at, sizeof(T));
    at += sizeof(T);
    left -= sizeof(T);
    return value;
  }
};

// Of which version the value is has been checked, and the number of its items is what is read next.
Reader begin(const char* type, const bytea* value, uint32 magic, uint32 version) {
  Reader reader = {type, VARDATA_ANY(value), static_cast<Size>(VARSIZE_ANY_EXHDR(value))};
  const uint32 found_magic = reader.next<uint32>(), found_version = reader.next<uint32>();
  if (found_magic != magic || found_version != version)
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("value of type %s begins with %08x %u, not %08x %u", type,
                                                            found_magic, found_version, magic, version)));
  return reader;
}

void append_columns(StringInfo text, Reader* reader, int count, const char* before_last) {
  for (int i = 0; i < count; i++)
    appendStringInfo(text, "%s%d", i == 0 ? "\"" : (i == count - 1 ? before_last : ", "), reader->next<AttrNumber>());
  appendStringInfoString(text, "\": ");
}

}  // namespace

extern "C" {

Datum pg_ndistinct_out(PG_FUNCTION_ARGS) {
  Reader reader =
      begin("pg_ndistinct", PG_GETARG_BYTEA_PP(0), STATS_NDISTINCT_MAGIC, STATS_NDISTINCT_TYPE_BASIC);
  StringInfoData text;
  initStringInfo(&text);
  const uint32 items = reader.next<uint32>();
  for (uint32 i = 0; i < items; i++) {
    appendStringInfoString(&text, i == 0 ? "{" : ", ");
    const double distinct = reader.next<double>();
    append_columns(&text, &reader, reader.next<int>(), ", ");
    appendStringInfo(&text, "%d", static_cast<int>(distinct));
  }
  appendStringInfoString(&text, items == 0 ? "{}" : "}");
  PG_RETURN_CSTRING(text.data);
}

Datum pg_dependencies_out(PG_FUNCTION_ARGS) {
  Reader reader = begin("pg_dependencies", PG_GETARG_BYTEA_PP(0), STATS_DEPS_MAGIC, STATS_DEPS_TYPE_BASIC);
  StringInfoData text;
  initStringInfo(&text);
  const uint32 items = reader.next<uint32>();
  for (uint32 i = 0; i < items; i++) {
    appendStringInfoString(&text, i == 0 ? "{" : ", ");
    const double degree = reader.next<double>();
    append_columns(&text, &reader, reader.next<AttrNumber>(), " => ");
    appendStringInfo(&text, "%f", degree);
  }
  appendStringInfoString(&text, items == 0 ? "{}" : "}");
  PG_RETURN_CSTRING(text.data);
}

Datum pg_mcv_list_out(PG_FUNCTION_ARGS) {
  return byteaout(fcinfo);
}

#define ONLY_SENT(type)                        \
  Datum type##_in(PG_FUNCTION_ARGS) {          \
    return refuse(#type);                      \
  }                                            \
  Datum type##_recv(PG_FUNCTION_ARGS) {        \
    return refuse(#type);                      \
  }                                            \
  Datum type##_send(PG_FUNCTION_ARGS) {        \
    return byteasend(fcinfo);                  \
  }
ONLY_SENT(pg_ndistinct)
ONLY_SENT(pg_dependencies)
ONLY_SENT(pg_mcv_list)
#undef ONLY_SENT

}  // extern "C"
