// commands/variable.h: the check, assign and show hooks of time zones, date styles and the role. Hooks run wherever
// settings change; what a check hook found out travels to the assign hook in a malloc'd "extra".
#include <cstdlib>
#include <cstring>

#include "core/session.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "commands/variable.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/acl.h"
#include "utils/varlena.h"
}

#include "bridge/worker_session.hpp"

namespace {

struct DateSetting {
  int style;
  int order;
};

// A word of DateStyle, or the start of one, and what it decides; -1: nothing.
struct DateWord {
  const char* word;
  bool prefix;
  int style;
  int order;
};

constexpr DateWord date_words[] = {
    {"ISO", false, USE_ISO_DATES, -1},          {"SQL", false, USE_SQL_DATES, -1},
    {"POSTGRES", true, USE_POSTGRES_DATES, -1}, {"GERMAN", false, USE_GERMAN_DATES, DATEORDER_DMY},
    {"YMD", false, -1, DATEORDER_YMD},          {"DMY", false, -1, DATEORDER_DMY},
    {"EURO", true, -1, DATEORDER_DMY},          {"MDY", false, -1, DATEORDER_MDY},
    {"US", false, -1, DATEORDER_MDY},           {"NONEURO", true, -1, DATEORDER_MDY},
};

}  // namespace

static bool word_matches(const DateWord& known, const char* word) {
  return known.prefix ? pg_strncasecmp(word, known.word, strlen(known.word)) == 0
                      : pg_strcasecmp(word, known.word) == 0;
}

// The boot value's words are known without splitting, so that settings can come up before everything else.
static bool is_default_style(const char* text) {
  return strcmp(text, "ISO, MDY") == 0;
}

static bool conflicting_styles() {
  GUC_check_errdetail("Conflicting \"datestyle\" specifications.");
  return false;
}

// Merges the words of `text` into `setting`. GERMAN implies an order that an explicit one overrules.
static bool parse_date_style(const char* text, DateSetting* setting) {
  char* copy = pstrdup(text);
  List* words = NIL;
  if (!SplitIdentifierString(copy, ',', &words)) {
    GUC_check_errdetail("List syntax is invalid.");
    return false;
  }
  bool have_style = false;
  bool have_order = false;
  ListCell* cell;
  foreach (cell, words) {
    const char* word = static_cast<const char*>(lfirst(cell));
    const DateWord* found = nullptr;
    for (const DateWord& known : date_words)
      if (word_matches(known, word)) found = &known;
    if (found != nullptr && found->style >= 0) {
      if (have_style && setting->style != found->style) return conflicting_styles();
      setting->style = found->style;
      have_style = true;
      if (found->order >= 0 && !have_order) setting->order = found->order;
    } else if (found != nullptr) {
      if (have_order && setting->order != found->order) return conflicting_styles();
      setting->order = found->order;
      have_order = true;
    } else if (pg_strcasecmp(word, "DEFAULT") == 0) {
      DateSetting reset = *setting;
      const char* value = GetConfigOptionResetString("datestyle");
      if (is_default_style(value))
        reset = {USE_ISO_DATES, DATEORDER_MDY};
      else if (!parse_date_style(value, &reset))
        return false;
      if (!have_style) setting->style = reset.style;
      if (!have_order) setting->order = reset.order;
    } else {
      GUC_check_errdetail("Unrecognized key word: \"%s\".", word);
      return false;
    }
  }
  list_free(words);
  pfree(copy);
  return true;
}

static const char* style_name(int style) {
  switch (style) {
    case USE_ISO_DATES:
      return "ISO";
    case USE_SQL_DATES:
      return "SQL";
    case USE_GERMAN_DATES:
      return "German";
    default:
      return "Postgres";
  }
}

static const char* order_name(int order) {
  return order == DATEORDER_YMD ? "YMD" : (order == DATEORDER_DMY ? "DMY" : "MDY");
}

extern "C" bool check_datestyle(char** newval, void** extra, GucSource source) {
  DateSetting setting = {DateStyle, DateOrder};
  if (is_default_style(*newval)) {
    setting = {USE_ISO_DATES, DATEORDER_MDY};
  } else {
    if (!parse_date_style(*newval, &setting)) return false;
    char canonical[32];
    snprintf(canonical, sizeof canonical, "%s, %s", style_name(setting.style), order_name(setting.order));
    guc_free(*newval);
    *newval = nullptr;
    *newval = guc_strdup(canonical);
  }
  *extra = guc_allocate(sizeof(DateSetting));
  *static_cast<DateSetting*>(*extra) = setting;
  return true;
}

extern "C" void assign_datestyle(const char* newval, void* extra) {
  const auto setting = static_cast<const DateSetting*>(extra);
  DateStyle = setting->style;
  DateOrder = setting->order;
}

// A zone by name or POSIX specification, or nullptr. With `numbers`, also hours east of Greenwich.
static pg_tz* find_zone(const char* text, bool numbers) {
  if (numbers) {
    char* end;
    const double hours = std::strtod(text, &end);
    // Zones are named west of Greenwich, as POSIX does.
    if (end != text && *end == '\0') {
      constexpr double a_week = 168;  // more than any zone; what is out of range is refused by pg_tzset_offset
      if (!(hours > -a_week && hours < a_week)) return nullptr;
      return pg_tzset_offset(static_cast<long>(-hours * SECS_PER_HOUR));
    }
  }
  return pg_tzset(text);
}

static bool check_zone(const char* text, void** extra, bool numbers) {
  pg_tz* zone = find_zone(text, numbers);
  if (zone == nullptr) return false;
  if (!pg_tz_acceptable(zone)) {
    GUC_check_errmsg("time zone \"%s\" appears to use leap seconds", text);
    GUC_check_errdetail("PostgreSQL does not support leap seconds.");
    return false;
  }
  *extra = guc_allocate(sizeof(pg_tz*));
  *static_cast<pg_tz**>(*extra) = zone;
  return true;
}

extern "C" bool check_timezone(char** newval, void** extra, GucSource source) {
  return check_zone(*newval, extra, true);
}

extern "C" void assign_timezone(const char* newval, void* extra) {
  session_timezone = *static_cast<pg_tz**>(extra);
}

extern "C" const char* show_timezone(void) {
  const char* name = session_timezone != nullptr ? pg_get_timezone_name(session_timezone) : nullptr;
  return name != nullptr ? name : "unknown";
}

extern "C" bool check_log_timezone(char** newval, void** extra, GucSource source) {
  return check_zone(*newval, extra, false);
}

extern "C" void assign_log_timezone(const char* newval, void* extra) {
  log_timezone = *static_cast<pg_tz**>(extra);
}

extern "C" const char* show_log_timezone(void) {
  const char* name = log_timezone != nullptr ? pg_get_timezone_name(log_timezone) : nullptr;
  return name != nullptr ? name : "unknown";
}

namespace {

struct RoleSetting {
  Oid oid;  // InvalidOid: none
};

}  // namespace

extern "C" bool check_role(char** newval, void** extra, GucSource source) {
  RoleSetting setting = {InvalidOid};
  if (strcmp(*newval, "none") != 0) {
    if (!bgw_have_session()) {
      GUC_check_errmsg("cannot set role \"%s\" without a database session", *newval);
      return false;
    }
    setting.oid = get_role_oid(*newval, true);
    if (!OidIsValid(setting.oid)) {
      GUC_check_errcode(ERRCODE_UNDEFINED_OBJECT);
      GUC_check_errmsg("role \"%s\" does not exist", *newval);
      return false;
    }
  }
  *extra = guc_allocate(sizeof(RoleSetting));
  *static_cast<RoleSetting*>(*extra) = setting;
  return true;
}

extern "C" void assign_role(const char* newval, void* extra) {
  SetCurrentRoleId(static_cast<const RoleSetting*>(extra)->oid, false);
}

extern "C" const char* show_role(void) {
  return OidIsValid(GetCurrentRoleId()) && role_string != nullptr ? role_string : "none";
}
