// Text input and output of boolean, the integers, and the identifiers that are integers (oid, xid, xid8,
// cid). The three transaction identifiers are read without any complaint, as the server reads them.
// C style throughout (no destructors): every input function may raise an error.
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "postgres.h"
#include "access/transam.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/xid8.h"
}

namespace {

[[noreturn]] void invalid_syntax(const char* type_name, const char* text) {
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", type_name, text)));
  pg_unreachable();
}

// The C library reads a sign here, so -1 is the largest oid; what is neither that nor 32 bits is refused.
Oid read_oid(const char* text) {
  errno = 0;
  char* end;
  unsigned long value = strtoul(text, &end, 10);
  if (end == text || (errno != 0 && errno != ERANGE)) invalid_syntax("oid", text);
  bool out_of_range = errno == ERANGE;
  const char* rest = end;
  while (isspace(static_cast<unsigned char>(*rest))) rest++;
  if (!out_of_range && *rest != '\0') invalid_syntax("oid", text);
  Oid result = static_cast<Oid>(value);
  if (value != result && value != static_cast<unsigned long>(static_cast<int>(result))) out_of_range = true;
  if (out_of_range)
    ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                    errmsg("value \"%s\" is out of range for type %s", text, "oid")));
  return result;
}

char* unsigned_text(uint64 value) {
  char* text = static_cast<char*>(palloc(21));
  snprintf(text, 21, UINT64_FORMAT, value);
  return text;
}

}  // namespace

extern "C" {

Datum boolin(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  const char* first = text;
  while (isspace(static_cast<unsigned char>(*first))) first++;
  size_t length = strlen(first);
  while (length > 0 && isspace(static_cast<unsigned char>(first[length - 1]))) length--;
  bool result;
  if (!parse_bool_with_len(first, length, &result)) invalid_syntax("boolean", text);
  PG_RETURN_BOOL(result);
}

Datum boolout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(pstrdup(PG_GETARG_BOOL(0) ? "t" : "f"));
}

Datum int2in(PG_FUNCTION_ARGS) {
  PG_RETURN_INT16(pg_strtoint16(PG_GETARG_CSTRING(0)));
}
Datum int4in(PG_FUNCTION_ARGS) {
  PG_RETURN_INT32(pg_strtoint32(PG_GETARG_CSTRING(0)));
}
Datum int8in(PG_FUNCTION_ARGS) {
  PG_RETURN_INT64(pg_strtoint64(PG_GETARG_CSTRING(0)));
}

Datum int2out(PG_FUNCTION_ARGS) {
  char* text = static_cast<char*>(palloc(7));
  pg_itoa(PG_GETARG_INT16(0), text);
  PG_RETURN_CSTRING(text);
}

Datum int4out(PG_FUNCTION_ARGS) {
  char* text = static_cast<char*>(palloc(12));
  pg_ltoa(PG_GETARG_INT32(0), text);
  PG_RETURN_CSTRING(text);
}

Datum int8out(PG_FUNCTION_ARGS) {
  char* text = static_cast<char*>(palloc(21));
  pg_lltoa(PG_GETARG_INT64(0), text);
  PG_RETURN_CSTRING(text);
}

Datum oidin(PG_FUNCTION_ARGS) {
  PG_RETURN_OID(read_oid(PG_GETARG_CSTRING(0)));
}
Datum oidout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(unsigned_text(PG_GETARG_OID(0)));
}

Datum xidin(PG_FUNCTION_ARGS) {
  PG_RETURN_TRANSACTIONID(static_cast<TransactionId>(strtoul(PG_GETARG_CSTRING(0), nullptr, 0)));
}
Datum xidout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(unsigned_text(PG_GETARG_TRANSACTIONID(0)));
}

Datum cidin(PG_FUNCTION_ARGS) {
  PG_RETURN_UINT32(static_cast<CommandId>(strtoul(PG_GETARG_CSTRING(0), nullptr, 0)));
}
Datum cidout(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(unsigned_text(PG_GETARG_UINT32(0)));
}

Datum xid8in(PG_FUNCTION_ARGS) {
  PG_RETURN_FULLTRANSACTIONID(FullTransactionIdFromU64(strtoull(PG_GETARG_CSTRING(0), nullptr, 0)));
}
Datum xid8out(PG_FUNCTION_ARGS) {
  PG_RETURN_CSTRING(unsigned_text(U64FromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(0))));
}
Datum xid8toxid(PG_FUNCTION_ARGS) {
  PG_RETURN_TRANSACTIONID(XidFromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(0)));
}
}
