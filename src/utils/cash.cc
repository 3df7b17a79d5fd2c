// money (utils/cash.h): an int8 that counts the currency's smallest unit. How it is printed is the business of
// the upstream's lc_monetary, a locale that need not exist here.
//
// So the upstream is asked to print the largest value and its opposite: what stands before, between and behind
// the digits is then known for every value. The answer holds until a statement may have changed lc_monetary
// (bgw_forget_lookups). Text from a module is read by the upstream. Without a session it is the form of
// the C locale.
#include <cstdlib>
#include <cstring>
#include <string_view>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/fmgrprotos.h"
}

#include "bridge/type_io.hpp"
#include "bridge/worker_session.hpp"
#include "utils/cash_format.hpp"

namespace bgw {
namespace {

constexpr int most_digits = 19;  // of the largest value
constexpr const char* largest_digits = "9223372036854775807";

struct Format {
  uint64 scale;  // units in 1
  int least_digits;
  char printed[2][128];  // the largest value and its opposite; what follows points into these
  std::string_view before[2], behind[2];
  std::string_view between[most_digits];  // [i]: to the left of the i-th digit from the right, 0 the last
};

Format format;
uint64 asked_generation;  // when `format` was asked for; 0: it is the C locale's
uint64 generation = 1;

// Takes the printed values apart. False: their digits are not to be told from what stands around them.
bool learn_format(Format* into, uint64 scale, const char* largest, const char* opposite) {
  if (scale == 0 || strlcpy(into->printed[0], largest, sizeof(into->printed[0])) >= sizeof(into->printed[0]) ||
      strlcpy(into->printed[1], opposite, sizeof(into->printed[1])) >= sizeof(into->printed[1]))
    return false;
  into->scale = scale;
  into->least_digits = 1;
  for (; scale > 1; scale /= 10) into->least_digits++;
  if (into->least_digits > most_digits) return false;
  for (int sign = 0; sign < 2; sign++) {
    const std::string_view text = into->printed[sign];
    std::size_t digits = 0, first = 0, last = 0;
    for (std::size_t at = 0; at < text.size(); at++) {
      if (text[at] < '0' || text[at] > '9') continue;
      if (digits == most_digits || text[at] != largest_digits[digits]) return false;
      if (digits == 0)
        first = at;
      else if (sign == 0)
        into->between[most_digits - 1 - digits] = text.substr(last + 1, at - last - 1);
      digits++;
      last = at;
    }
    if (digits != most_digits) return false;
    into->before[sign] = text.substr(0, first);
    into->behind[sign] = text.substr(last + 1);
  }
  return into->before[0] != into->before[1] || into->behind[0] != into->behind[1];
}

const Format* c_format() {
  static Format c;
  if (c.scale == 0) (void)learn_format(&c, 100, "$92,233,720,368,547,758.07", "-$92,233,720,368,547,758.07");
  return &c;
}

bool can_ask() {
  return bgw_have_session() && IsTransactionState();
}

const Format* current_format() {
  if (!can_ask()) return asked_generation != 0 ? &format : c_format();
  if (asked_generation == generation) return &format;
  const RowSet* rows = bgw_session_lookup(
      "SELECT f, pg_catalog.cash_mul_int8(u, 9223372036854775807)::pg_catalog.text,"
      " pg_catalog.cash_mul_int8(u, -9223372036854775807)::pg_catalog.text"
      " FROM (SELECT f, pg_catalog.cash_div_int8(pg_catalog.money(1), f) AS u"
      " FROM (SELECT ('x' OPERATOR(pg_catalog.||) pg_catalog.encode(pg_catalog.cash_send(pg_catalog.money(1)),"
      " 'hex'))::pg_catalog.\"bit\"(64)::pg_catalog.int8 AS f OFFSET 0) a) b",
      0, nullptr, nullptr);
  asked_generation = 0;
  if (!learn_format(&format, strtoull(rows->value(0, 0), nullptr, 10), rows->value(0, 1), rows->value(0, 2)))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("values of type money printed as \"%s\" cannot be read", rows->value(0, 1)),
                    errhint("Set lc_monetary to another locale, or cast to numeric in the statement.")));
  asked_generation = generation;
  return &format;
}

// True if that is how the value would have been printed.
bool read_printed(const Format* how, std::string_view text, Cash* out) {
  for (int sign = 0; sign < 2; sign++) {
    std::string_view rest = text;
    if (!rest.starts_with(how->before[sign])) continue;
    rest.remove_prefix(how->before[sign].size());
    if (!rest.ends_with(how->behind[sign])) continue;
    rest.remove_suffix(how->behind[sign].size());
    uint64 value = 0, worth = 1;
    int digits = 0;
    for (; digits < most_digits && !rest.empty(); digits++, worth *= 10) {
      if (digits > 0) {
        if (!rest.ends_with(how->between[digits - 1])) break;
        rest.remove_suffix(how->between[digits - 1].size());
        if (rest.empty()) break;
      }
      const char c = rest.back();
      if (c < '0' || c > '9') break;
      value += static_cast<uint64>(c - '0') * worth;
      rest.remove_suffix(1);
    }
    if (!rest.empty() || digits < how->least_digits) continue;
    const uint64 limit = static_cast<uint64>(PG_INT64_MAX) + static_cast<uint64>(sign);
    if (value > limit) continue;
    *out = static_cast<Cash>(sign == 0 ? value : 0 - value);
    return true;
  }
  return false;
}

// As the upstream reads it, with its errors.
Cash read_by_upstream(const char* text) {
  if (!can_ask())
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("%s needs a transaction of a database session", "money"),
                    errdetail("How it is read is the business of the session's lc_monetary.")));
  const Oid argument = TEXTOID;
  const RowSet* rows = bgw_session_lookup("SELECT $1::pg_catalog.money::pg_catalog.text", 1, &argument, &text);
  const char* printed = pstrdup(rows->value(0, 0));
  Cash value;
  for (int attempt = 0; attempt < 2; attempt++) {
    if (read_printed(current_format(), printed, &value)) return value;
    money_format_may_have_changed();
  }
  ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                  errmsg("invalid input syntax for type %s: \"%s\"", "money", text)));
  pg_unreachable();
}

// Sums and products wrap around, as the server's do.
inline Cash sum(Cash a, Cash b) {
  return static_cast<Cash>(static_cast<uint64>(a) + static_cast<uint64>(b));
}
inline Cash product(Cash a, int64 b) {
  return static_cast<Cash>(static_cast<uint64>(a) * static_cast<uint64>(b));
}
Cash quotient(Cash a, int64 b) {
  if (b == 0) ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("division by zero")));
  return b == -1 ? product(a, -1) : a / b;
}

}  // namespace

void money_format_may_have_changed() noexcept {
  generation++;
}

}  // namespace bgw

using namespace bgw;

extern "C" {

Datum cash_in(PG_FUNCTION_ARGS) {
  const char* text = PG_GETARG_CSTRING(0);
  Cash value;
  if (trusted_text && read_printed(current_format(), text, &value)) PG_RETURN_CASH(value);
  PG_RETURN_CASH(read_by_upstream(text));
}

Datum cash_out(PG_FUNCTION_ARGS) {
  const Cash value = PG_GETARG_CASH(0);
  const Format* how = current_format();
  const int sign = value < 0;
  uint64 left = sign ? 0 - static_cast<uint64>(value) : static_cast<uint64>(value);
  char reversed[most_digits];
  int digits = 0;
  for (; left > 0 || digits < how->least_digits; left /= 10)
    reversed[digits++] = static_cast<char>('0' + left % 10);
  StringInfoData out;
  initStringInfo(&out);
  auto append = [&out](std::string_view part) {
    appendBinaryStringInfo(&out, part.data(), static_cast<int>(part.size()));
  };
  append(how->before[sign]);
  for (int i = digits - 1; i >= 0; i--) {
    appendStringInfoChar(&out, reversed[i]);
    if (i > 0) append(how->between[i - 1]);
  }
  append(how->behind[sign]);
  PG_RETURN_CSTRING(out.data);
}

Datum cash_recv(PG_FUNCTION_ARGS) {
  PG_RETURN_CASH(pq_getmsgint64(reinterpret_cast<StringInfo>(PG_GETARG_POINTER(0))));
}

Datum cash_send(PG_FUNCTION_ARGS) {
  StringInfoData buf;
  pq_begintypsend(&buf);
  pq_sendint64(&buf, static_cast<uint64>(PG_GETARG_CASH(0)));
  PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

#define COMPARISON(name, op)                                \
  Datum name(PG_FUNCTION_ARGS) {                            \
    PG_RETURN_BOOL(PG_GETARG_CASH(0) op PG_GETARG_CASH(1)); \
  }
COMPARISON(cash_eq, ==)
COMPARISON(cash_ne, !=)
COMPARISON(cash_lt, <)
COMPARISON(cash_le, <=)
COMPARISON(cash_gt, >)
COMPARISON(cash_ge, >=)
#undef COMPARISON

Datum cash_cmp(PG_FUNCTION_ARGS) {
  const Cash a = PG_GETARG_CASH(0), b = PG_GETARG_CASH(1);
  PG_RETURN_INT32(a > b ? 1 : a < b ? -1 : 0);
}

Datum cash_pl(PG_FUNCTION_ARGS) {
  PG_RETURN_CASH(sum(PG_GETARG_CASH(0), PG_GETARG_CASH(1)));
}

Datum cash_mi(PG_FUNCTION_ARGS) {
  PG_RETURN_CASH(sum(PG_GETARG_CASH(0), product(PG_GETARG_CASH(1), -1)));
}

#define WITH_INTEGER(bits, get)                          \
  Datum cash_mul_int##bits(PG_FUNCTION_ARGS) {           \
    PG_RETURN_CASH(product(PG_GETARG_CASH(0), get(1)));  \
  }                                                      \
  Datum int##bits##_mul_cash(PG_FUNCTION_ARGS) {         \
    PG_RETURN_CASH(product(PG_GETARG_CASH(1), get(0)));  \
  }                                                      \
  Datum cash_div_int##bits(PG_FUNCTION_ARGS) {           \
    PG_RETURN_CASH(quotient(PG_GETARG_CASH(0), get(1))); \
  }
WITH_INTEGER(2, PG_GETARG_INT16)
WITH_INTEGER(4, PG_GETARG_INT32)
WITH_INTEGER(8, PG_GETARG_INT64)
#undef WITH_INTEGER

Datum cashlarger(PG_FUNCTION_ARGS) {
  PG_RETURN_CASH(Max(PG_GETARG_CASH(0), PG_GETARG_CASH(1)));
}

Datum cashsmaller(PG_FUNCTION_ARGS) {
  PG_RETURN_CASH(Min(PG_GETARG_CASH(0), PG_GETARG_CASH(1)));
}

}  // extern "C"
