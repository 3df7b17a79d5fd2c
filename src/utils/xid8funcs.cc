// pg_snapshot and, the same under an older name, txid_snapshot: which transactions had ended at some moment, as
// "xmin:xmax:list of those in between that had not".
//
// The structure is the server's; no header of it declares it. The transactions are in rising order, each once.
#include <algorithm>
#include <cstdlib>

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/xid8.h"
}

namespace {

struct Snapshot {
  int32 vl_len_;
  uint32 nxip;
  uint64 xmin;  // all before it had ended
  uint64 xmax;  // none from it on had begun
  uint64 xip[FLEXIBLE_ARRAY_MEMBER];
};
static_assert(offsetof(Snapshot, xip) == 24);

inline Size size_for(uint32 count) {
  return offsetof(Snapshot, xip) + count * sizeof(uint64);
}

inline Snapshot* snapshot_of(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<Snapshot*>(PG_GETARG_VARLENA_P(argument));
}

inline uint64 read_xid(const char** at) {
  char* end;
  const uint64 xid = strtoull(*at, &end, 10);
  *at = end;
  return xid;
}

// Nullptr if the text is none.
Snapshot* read_snapshot(const char* text) {
  uint32 room = 1;
  for (const char* c = text; *c != '\0'; c++) room += *c == ',';
  Snapshot* snapshot = static_cast<Snapshot*>(palloc0(size_for(room)));
  snapshot->xmin = read_xid(&text);
  if (*text++ != ':') return nullptr;
  snapshot->xmax = read_xid(&text);
  if (*text++ != ':') return nullptr;
  if (snapshot->xmin == 0 || snapshot->xmax == 0 || snapshot->xmax < snapshot->xmin) return nullptr;
  uint64 last = 0;
  while (*text != '\0') {
    const uint64 xid = read_xid(&text);
    if (xid < snapshot->xmin || xid >= snapshot->xmax || xid < last) return nullptr;
    if (xid != last) snapshot->xip[snapshot->nxip++] = xid;
    last = xid;
    if (*text == ',')
      text++;
    else if (*text != '\0')
      return nullptr;
  }
  SET_VARSIZE(snapshot, size_for(snapshot->nxip));
  return snapshot;
}

// Nullptr if the message holds none.
Snapshot* receive_snapshot(StringInfo message) {
  const int32 count = static_cast<int32>(pq_getmsgint(message, 4));
  if (count < 0 || static_cast<Size>(count) > (MaxAllocSize - offsetof(Snapshot, xip)) / sizeof(uint64)) return nullptr;
  const uint64 xmin = static_cast<uint64>(pq_getmsgint64(message)), xmax = static_cast<uint64>(pq_getmsgint64(message));
  if (xmin == 0 || xmax == 0 || xmax < xmin) return nullptr;
  const uint32 room = Min(static_cast<uint32>(count), static_cast<uint32>(message->len - message->cursor) / 8 + 1);
  Snapshot* snapshot = static_cast<Snapshot*>(palloc0(size_for(room)));
  snapshot->xmin = xmin;
  snapshot->xmax = xmax;
  uint64 last = 0;
  for (int32 i = 0; i < count; i++) {
    const uint64 xid = static_cast<uint64>(pq_getmsgint64(message));
    if (xid < last || xid < xmin || xid >= xmax) return nullptr;
    if (xid != last) snapshot->xip[snapshot->nxip++] = xid;
    last = xid;
  }
  SET_VARSIZE(snapshot, size_for(snapshot->nxip));
  return snapshot;
}

}  // namespace

extern "C" {

Datum pg_snapshot_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  Snapshot* snapshot = read_snapshot(text);
  if (snapshot == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                    errmsg("invalid input syntax for type %s: \"%s\"", "pg_snapshot", text)));
  PG_RETURN_POINTER(snapshot);
}

Datum pg_snapshot_out(PG_FUNCTION_ARGS) {
  const Snapshot* snapshot = snapshot_of(fcinfo, 0);
  StringInfoData out;
  initStringInfo(&out);
  appendStringInfo(&out, UINT64_FORMAT ":" UINT64_FORMAT ":", snapshot->xmin, snapshot->xmax);
  for (uint32 i = 0; i < snapshot->nxip; i++)
    appendStringInfo(&out, "%s" UINT64_FORMAT, i > 0 ? "," : "", snapshot->xip[i]);
  PG_RETURN_CSTRING(out.data);
}

// How many transactions, the bounds, and these.
Datum pg_snapshot_recv(PG_FUNCTION_ARGS) {
  Snapshot* snapshot = receive_snapshot(reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0)));
  if (snapshot == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("invalid external pg_snapshot data")));
  PG_RETURN_POINTER(snapshot);
}
Datum pg_snapshot_send(PG_FUNCTION_ARGS) {
  const Snapshot* snapshot = snapshot_of(fcinfo, 0);
  StringInfoData out;
  pq_begintypsend(&out);
  pq_sendint32(&out, snapshot->nxip);
  pq_sendint64(&out, snapshot->xmin);
  pq_sendint64(&out, snapshot->xmax);
  for (uint32 i = 0; i < snapshot->nxip; i++) pq_sendint64(&out, snapshot->xip[i]);
  PG_RETURN_BYTEA_P(pq_endtypsend(&out));
}

Datum pg_snapshot_xmin(PG_FUNCTION_ARGS) {
  PG_RETURN_DATUM(UInt64GetDatum(snapshot_of(fcinfo, 0)->xmin));
}
Datum pg_snapshot_xmax(PG_FUNCTION_ARGS) {
  PG_RETURN_DATUM(UInt64GetDatum(snapshot_of(fcinfo, 0)->xmax));
}

Datum pg_visible_in_snapshot(PG_FUNCTION_ARGS) {
  const uint64 xid = DatumGetUInt64(PG_GETARG_DATUM(0));
  const Snapshot* snapshot = snapshot_of(fcinfo, 1);
  if (xid < snapshot->xmin) PG_RETURN_BOOL(true);
  if (xid >= snapshot->xmax) PG_RETURN_BOOL(false);
  PG_RETURN_BOOL(!std::binary_search(snapshot->xip, snapshot->xip + snapshot->nxip, xid));
}

}  // extern "C"
