// json (utils/fmgrprotos.h, utils/json.h): text that has been checked, and dates and times as it has them.
#include <cstring>

#include "utils/json_parser.hpp"

extern "C" {
#include "postgres.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/timestamp.h"
}

namespace {

void encode_date(char* text, DateADT date) {
  if (DATE_NOT_FINITE(date)) {
    EncodeSpecialDate(date, text);
    return;
  }
  pg_tm tm = {};
  j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
  EncodeDateOnly(&tm, USE_XSD_DATES, text);
}

// `with_zone`: in that of `tzp`, seconds west of UTC, or in the session's if that is null.
void encode_timestamp(char* text, Timestamp timestamp, bool with_zone, const int* tzp) {
  int tz = 0;
  if (tzp != nullptr) {
    tz = *tzp;
    // Wraps where it overflows, as the server's does: infinity in a zone is out of range there.
    timestamp = static_cast<Timestamp>(static_cast<uint64>(timestamp) -
                                       static_cast<uint64>(static_cast<Timestamp>(tz) * USECS_PER_SEC));
  }
  if (TIMESTAMP_NOT_FINITE(timestamp)) {
    EncodeSpecialTimestamp(timestamp, text);
    return;
  }
  pg_tm tm = {};
  fsec_t fsec;
  const char* zone = nullptr;
  bool session = with_zone && tzp == nullptr;
  if (timestamp2tm(timestamp, session ? &tz : nullptr, &tm, &fsec, session ? &zone : nullptr, nullptr) != 0)
    ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
  if (with_zone && tzp != nullptr) tm.tm_isdst = 1;  // so that the zone is shown
  EncodeDateTime(&tm, fsec, with_zone, tz, zone, USE_XSD_DATES, text);
}

}  // namespace

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

// The form of ISO 8601, in `buf` or, if that is null, palloc'd.
char* JsonEncodeDateTime(char* buf, Datum value, Oid typid, const int* tzp) {
  if (buf == nullptr) buf = static_cast<char*>(palloc(MAXDATELEN + 1));
  pg_tm tm = {};
  fsec_t fsec;
  int tz = 0;
  switch (typid) {
    case DATEOID:
      encode_date(buf, DatumGetDateADT(value));
      break;
    case TIMEOID:
      time2tm(DatumGetTimeADT(value), &tm, &fsec);
      EncodeTimeOnly(&tm, fsec, false, 0, USE_XSD_DATES, buf);
      break;
    case TIMETZOID:
      timetz2tm(DatumGetTimeTzADTP(value), &tm, &fsec, &tz);
      EncodeTimeOnly(&tm, fsec, true, tz, USE_XSD_DATES, buf);
      break;
    case TIMESTAMPOID:
      encode_timestamp(buf, DatumGetTimestamp(value), false, nullptr);
      break;
    case TIMESTAMPTZOID:
      encode_timestamp(buf, DatumGetTimestampTz(value), true, tzp);
      break;
    default:
      elog(ERROR, "unknown jsonb value datetime type oid %u", typid);
  }
  return buf;
}

}  // extern "C"
