// The settings of the upstream's session and the variables of the same name in this process.
//
// The host needs the session to print values in one form whatever the worker's own settings are, so it sets
// DateStyle and the like there once, and keeps the worker's values in its own variables, by which it prints.
// Afterwards the upstream reports each change of TimeZone, DateStyle and IntervalStyle (SET, set_config(), a
// function, the end of a transaction); what differs from the last report is taken over. A change made by
// SET LOCAL is undone here with the transaction, and by the upstream's next report once more, to the same
// value.
#include <cstring>
#include <string>

#include "utils/timezone_internal.hpp"

extern "C" {
#include "postgres.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/memutils.h"
}

#include "bridge/critical.hpp"
#include "bridge/worker_session.hpp"
#include "bridge/worker_session_internal.hpp"
#include "utils/guc_internal.hpp"

namespace bgw {

namespace {

ReportedSettings seen;

std::string quote_text(std::string_view text) {
  std::string quoted = "E'";
  for (char c : text) {
    if (c == '\'' || c == '\\') quoted.push_back(c);
    quoted.push_back(c);
  }
  return quoted + "'";
}

const char* message_threshold() {
  // LOG is below NOTICE for a client: without this, RAISE LOG would not reach the worker's log.
  switch (log_min_messages) {
    case DEBUG5:
      return "debug5";
    case DEBUG4:
      return "debug4";
    case DEBUG3:
      return "debug3";
    case DEBUG2:
      return "debug2";
    case DEBUG1:
      return "debug1";
    default:
      return "log";
  }
}

void copy_reported(char* to, std::size_t size, const char* value) {
  strlcpy(to, value != nullptr ? value : "", size);
}

bool is_iso(const char* date_style) {
  return strncmp(date_style, "ISO", 3) == 0;
}

const char* order_words(const char* date_style) {
  const char* comma = strchr(date_style, ',');
  return comma != nullptr ? comma + 1 + strspn(comma + 1, " ") : "MDY";
}

const char* style_word() {
  return DateStyle == USE_SQL_DATES        ? "SQL"
         : DateStyle == USE_GERMAN_DATES   ? "German"
         : DateStyle == USE_POSTGRES_DATES ? "Postgres"
                                           : "ISO";
}

void set_here(const char* name, const char* value, GucAction action) {
  (void)set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, action, true, DEBUG1, false);
}

void follow_time_zone(const char* zone, GucAction action) {
  if (zone[0] == '\0') return;
  set_here("TimeZone", zone, action);
}

bool changed(const Session& session, const char* name, const char* last) noexcept {
  const char* now = session.reported(name);
  return now != nullptr && strcmp(now, last) != 0;
}

}  // namespace

void read_reported_settings(const Session& from, ReportedSettings* r) noexcept {
  CriticalScope critical;
  copy_reported(r->date_style, sizeof(r->date_style), from.reported("DateStyle"));
  copy_reported(r->interval_style, sizeof(r->interval_style), from.reported("IntervalStyle"));
  copy_reported(r->time_zone, sizeof(r->time_zone), from.reported("TimeZone"));
}

std::string session_set_up_text(const Session& session, bool transaction_only) {
  int version = session.server_version();
  std::string date_style = session.parameter("DateStyle");
  std::size_t comma = date_style.find(", ");
  std::string order = comma == std::string::npos ? "" : date_style.substr(comma);
  std::string text = "SELECT ";
  auto set = [&](const char* name, const std::string& value) {
    if (text.size() > 7) text += ", ";
    text.append("pg_catalog.set_config('")
        .append(name)
        .append("', ")
        .append(quote_text(value))
        .append(transaction_only ? ", true)" : ", false)");
  };
  set("statement_timeout", "0");
  if (version >= 90600) set("idle_in_transaction_session_timeout", "0");
  if (version >= 140000) set("idle_session_timeout", "0");
  set("DateStyle", "ISO" + order);
  set("IntervalStyle", "postgres");
  set("extra_float_digits", version >= 120000 ? "1" : "3");
  set("bytea_output", "hex");
  set("client_min_messages", message_threshold());
  std::string encoding = session.parameter("server_encoding");
  if (!transaction_only && !encoding.empty() && encoding != session.parameter("client_encoding"))
    set("client_encoding", encoding);
  return text;
}

void begin_following_settings(const Session& session, const ReportedSettings* r) {
  const struct {
    const char* name;
    const char* value;
  } settings[] = {
      {"DateStyle", r->date_style}, {"IntervalStyle", r->interval_style}, {"TimeZone", r->time_zone}};
  for (const auto& s : settings)
    if (s.value[0] != '\0')
      (void)set_config_option(s.name, s.value, PGC_SUSET, PGC_S_DATABASE_USER, GUC_ACTION_SET, true, WARNING,
                              false);
  if (r->time_zone[0] != '\0' && !bgw_set_session_timezone(r->time_zone))
    ereport(WARNING,
            (errmsg("time zone \"%s\" of the upstream session is not known to the host", r->time_zone)));
  read_reported_settings(session, &seen);
}

void take_encoding(const Session& session, bool transaction_only) {
  char name[NAMEDATALEN];
  {
    CriticalScope critical;
    // The set-up has made the two the same, where it could.
    copy_reported(name, sizeof name, session.reported(transaction_only ? "client_encoding" : "server_encoding"));
  }
  const int encoding = name[0] != '\0' ? pg_valid_server_encoding(name) : -1;
  if (encoding < 0) {
    ereport(WARNING, (errmsg("encoding \"%s\" of the upstream session is not known to the host", name),
                      errhint("Text is taken for \"%s\".", GetDatabaseEncodingName())));
    return;
  }
  SetDatabaseEncoding(encoding);
  SetMessageEncoding(encoding);
  SetConfigOption("server_encoding", pg_encoding_to_char(encoding), PGC_INTERNAL, PGC_S_DYNAMIC_DEFAULT);
  SetConfigOption("client_encoding", pg_encoding_to_char(encoding), PGC_BACKEND, PGC_S_DYNAMIC_DEFAULT);
}

void follow_reported_settings() {
  const Session* session = worker_session();
  if (session == nullptr || !session->connected()) return;
  bool zone = changed(*session, "TimeZone", seen.time_zone);
  bool date = changed(*session, "DateStyle", seen.date_style);
  bool interval = changed(*session, "IntervalStyle", seen.interval_style);
  if (!zone && !date && !interval) return;
  ReportedSettings before = seen;
  read_reported_settings(*session, &seen);
  if (zone) follow_time_zone(seen.time_zone, GUC_ACTION_SET);
  if (date) {
    // Between one ISO form and another only the order can have been meant.
    const char* style = is_iso(before.date_style) && is_iso(seen.date_style) ? style_word() : seen.date_style;
    char wanted[sizeof(seen.date_style) * 2];
    snprintf(wanted, sizeof(wanted), "%.*s, %s", static_cast<int>(strcspn(style, ",")), style,
             order_words(seen.date_style));
    set_here("DateStyle", wanted, GUC_ACTION_SET);
  }
  if (interval) set_here("IntervalStyle", seen.interval_style, GUC_ACTION_SET);
}

}  // namespace bgw

using namespace bgw;

extern "C" {

void bgw_session_follow_settings(bool local) {
  const Session* session = worker_session();
  if (session == nullptr || !session->connected()) return;
  read_reported_settings(*session, &seen);
  follow_time_zone(seen.time_zone, local ? GUC_ACTION_LOCAL : GUC_ACTION_SET);
}

void bgw_session_set_up_again(void) {
  const Session* session = worker_session();
  struct Text {
    static char* make(const Session& s) noexcept {
      CriticalScope critical;
      return pstrdup(session_set_up_text(s, prepare_threshold == 0).c_str());
    }
  };
  BgwRun run = {};
  run.text = Text::make(*session);
  (void)bgw_session_run(&run, nullptr);
}

}  // extern "C"
