// tid (storage/itemptr.h): where a row stands in its table, "(block,line)".
#include <cerrno>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "common/hashfn.h"
#include "storage/itemptr.h"
#include "utils/fmgrprotos.h"
}

namespace {

[[noreturn]] void syntax_error(const char* text) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", "tid", text)));
  pg_unreachable();
}

inline ItemPointer tid_of(FunctionCallInfo fcinfo, int argument) {
  return reinterpret_cast<ItemPointer>(PG_GETARG_POINTER(argument));
}

inline int compare(FunctionCallInfo fcinfo) {
  return ItemPointerCompare(tid_of(fcinfo, 0), tid_of(fcinfo, 1));
}

}  // namespace

extern "C" {

// A negative block wraps around, as any number does that strtoul() takes.
Datum tidin(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  // What stands before the parenthesis (or a comma instead of it) and behind the other one is passed over.
  const char* open = strpbrk(text, "(,)");
  if (open == nullptr || *open == ')') syntax_error(text);
  char* end;
  errno = 0;
  const unsigned long block = strtoul(open + 1, &end, 10);
  if (errno != 0 || *end != ',') syntax_error(text);
  if (block != static_cast<unsigned long>(static_cast<BlockNumber>(block)) &&
      block != static_cast<unsigned long>(static_cast<int32>(block)))
    syntax_error(text);
  errno = 0;
  const unsigned long offset = strtoul(end + 1, &end, 10);
  if (errno != 0 || *end != ')' || offset > PG_UINT16_MAX) syntax_error(text);
  ItemPointer result = static_cast<ItemPointer>(palloc(sizeof(ItemPointerData)));
  ItemPointerSet(result, static_cast<BlockNumber>(block), static_cast<OffsetNumber>(offset));
  PG_RETURN_POINTER(result);
}

Datum tidout(PG_FUNCTION_ARGS) {
  ItemPointer tid = tid_of(fcinfo, 0);
  PG_RETURN_CSTRING(
      psprintf("(%u,%u)", ItemPointerGetBlockNumberNoCheck(tid), ItemPointerGetOffsetNumberNoCheck(tid)));
}

Datum tideq(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) == 0);
}
Datum tidne(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) != 0);
}
Datum tidlt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) < 0);
}
Datum tidle(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) <= 0);
}
Datum tidgt(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) > 0);
}
Datum tidge(PG_FUNCTION_ARGS) {
  PG_RETURN_BOOL(compare(fcinfo) >= 0);
}
Datum bttidcmp(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(compare(fcinfo));
}
Datum tidlarger(PG_FUNCTION_ARGS) {
  PG_RETURN_POINTER(tid_of(fcinfo, compare(fcinfo) >= 0 ? 0 : 1));
}
Datum tidsmaller(PG_FUNCTION_ARGS) {
  PG_RETURN_POINTER(tid_of(fcinfo, compare(fcinfo) <= 0 ? 0 : 1));
}

// The structure's six bytes, without what a compiler might pad it with.
Datum hashtid(PG_FUNCTION_ARGS) {
  return hash_any(reinterpret_cast<unsigned char*>(tid_of(fcinfo, 0)),
                  sizeof(BlockIdData) + sizeof(OffsetNumber));
}
Datum hashtidextended(PG_FUNCTION_ARGS) {
  return hash_any_extended(reinterpret_cast<unsigned char*>(tid_of(fcinfo, 0)),
                           sizeof(BlockIdData) + sizeof(OffsetNumber), static_cast<uint64>(PG_GETARG_INT64(1)));
}

}  // extern "C"
