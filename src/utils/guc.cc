// utils/guc.h: setting a parameter, with all the rules about who may and when, and reading one.
//
// A change goes through in this order: find the record, refuse by context, refuse by source, parse and check,
// and only then assign; a refusal leaves everything as it was. Any process may enter, not from signal handlers.
#include <cstring>

#include "port/start_data.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc_tables.h"

// The variables that the header declares and the settings' table or the log uses.
bool check_function_bodies = true;
int log_min_error_statement = ERROR;
int log_min_messages = WARNING;
int client_min_messages = NOTICE;
BGW_START_DATA char* cluster_name = nullptr;
char* ConfigFileName = nullptr;
BGW_START_DATA char* application_name = nullptr;
}

namespace {

enum class Verdict {
  allowed,
  only_if_unchanged,  // a reload may repeat the value, not change it
  ignored,            // silently: a running process keeps what it started with
  refused,            // and reported
};

}  // namespace

static Verdict cannot_change(int elevel, const char* format, const char* name) {
  ereport(elevel, (errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM), errmsg(format, name)));
  return Verdict::refused;
}

// May somebody in `context` change the record at this time? There are no rights to check: whoever can run code
// in this process has the host's own.
static Verdict judge(const config_generic* record, const char* name, GucContext context, GucSource source, bool is_reload,
                     int elevel) {
  switch (record->context) {
    case PGC_INTERNAL:
      if (context == PGC_INTERNAL) return Verdict::allowed;
      return cannot_change(elevel, "parameter \"%s\" cannot be changed", name);
    case PGC_POSTMASTER:
      if (context == PGC_POSTMASTER) return Verdict::allowed;
      if (context == PGC_SIGHUP) return Verdict::only_if_unchanged;
      return cannot_change(elevel, "parameter \"%s\" cannot be changed without restarting the server",
                           name);
    case PGC_SIGHUP:
      if (context == PGC_SIGHUP || context == PGC_POSTMASTER) return Verdict::allowed;
      return cannot_change(elevel, "parameter \"%s\" cannot be changed now", name);
    case PGC_SU_BACKEND:
    case PGC_BACKEND:
      if (context == PGC_SIGHUP) return IsUnderPostmaster && !is_reload ? Verdict::ignored : Verdict::allowed;
      if (context == PGC_POSTMASTER || context == PGC_BACKEND || context == PGC_SU_BACKEND ||
          source == PGC_S_CLIENT)
        return Verdict::allowed;
      return cannot_change(elevel, "parameter \"%s\" cannot be set after connection start", name);
    case PGC_SUSET:
    case PGC_USERSET:
      return Verdict::allowed;
  }
  pg_unreachable();
}

// The level at which a refusal is reported when the caller leaves it open.
static int default_level(GucSource source) {
  switch (source) {
    case PGC_S_DEFAULT:
    case PGC_S_FILE:
      // In a child the postmaster has said it already.
      return IsUnderPostmaster ? DEBUG3 : LOG;
    case PGC_S_GLOBAL:
    case PGC_S_DATABASE:
    case PGC_S_USER:
    case PGC_S_DATABASE_USER:
      return WARNING;
    default:
      return ERROR;
  }
}

// `value` becomes the one to reset to, here and wherever a lower or equal source stands on the stack.
static void make_default(config_generic* record, config_var_value value, GucContext context, GucSource source,
                         Oid role) {
  if (record->reset_source <= source) {
    guc_set_reset(record, value);
    record->reset_source = source;
    record->reset_scontext = context;
    record->reset_srole = role;
  }
  for (GucStack* entry = record->stack; entry != nullptr; entry = entry->prev) {
    if (entry->source > source) continue;
    const config_var_value before = entry->prior;
    entry->prior = value;
    entry->source = source;
    entry->scontext = context;
    entry->srole = role;
    guc_release(record, before);
  }
}

extern "C" int set_config_option_ext(const char* name, const char* value, GucContext context, GucSource source,
                                     Oid srole, GucAction action, bool changeVal, int elevel, bool is_reload) {
  if (elevel == 0) elevel = default_level(source);

  config_generic* record = guc_find(name, true, false, elevel);
  if (record == nullptr) return 0;

  const Verdict verdict = judge(record, name, context, source, is_reload, elevel);
  if (verdict == Verdict::refused) return 0;
  // What is only to be checked is checked all the same.
  if (verdict == Verdict::ignored && changeVal) return -1;

  const bool becomes_default =
      changeVal && source <= PGC_S_OVERRIDE && (value != nullptr || source == PGC_S_DEFAULT);
  if (record->source > source) {
    if (changeVal && !becomes_default) {
      elog(DEBUG3, "\"%s\": setting ignored because previous source is higher priority", name);
      return -1;
    }
    // Not now, but perhaps as the value to go back to.
    changeVal = false;
  }

  config_var_value wanted = {};
  if (value != nullptr) {
    if (!guc_parse(record, name, value, source, elevel, &wanted)) return 0;
  } else if (source == PGC_S_DEFAULT) {
    wanted.val = guc_boot_value(record);
    if (!guc_check(record, &wanted, source, elevel)) return 0;
  } else {
    wanted = {guc_reset_value(record), guc_reset_extra(record)};
    source = record->reset_source;
    context = record->reset_scontext;
    srole = record->reset_srole;
  }

  if (verdict == Verdict::only_if_unchanged) {
    const bool same = guc_same(record, guc_current(record), wanted.val);
    guc_release(record, wanted);
    if (same) {
      record->status &= ~GUC_PENDING_RESTART;
      return -1;
    }
    record->status |= GUC_PENDING_RESTART;
    cannot_change(elevel, "parameter \"%s\" cannot be changed without restarting the server", name);
    return 0;
  }

  if (changeVal) {
    if (!becomes_default) guc_push(record, action);
    guc_assign(record, wanted);
    record->source = source;
    record->scontext = context;
    record->srole = srole;
  }
  if (becomes_default) make_default(record, wanted, context, source, srole);
  guc_release(record, wanted);
  return changeVal ? 1 : -1;
}

extern "C" int set_config_option(const char* name, const char* value, GucContext context, GucSource source,
                                 GucAction action, bool changeVal, int elevel, bool is_reload) {
  // There is one role here: the host's own.
  return set_config_option_ext(name, value, context, source, BOOTSTRAP_SUPERUSERID, action, changeVal, elevel,
                               is_reload);
}

extern "C" void SetConfigOption(const char* name, const char* value, GucContext context, GucSource source) {
  (void)set_config_option(name, value, context, source, GUC_ACTION_SET, true, 0, false);
}

void guc_set_source_file(config_generic* record, const char* file, int line) {
  char* copy = file != nullptr ? guc_strdup(file) : nullptr;
  guc_free(record->sourcefile);
  record->sourcefile = copy;
  record->sourceline = line;
}

extern "C" void ResetAllOptions(void) {
  for (int i = 0; i < guc_record_count; ++i) {
    config_generic* record = guc_records[i];
    if (record->context != PGC_SUSET && record->context != PGC_USERSET) continue;
    if ((record->flags & GUC_NO_RESET_ALL) != 0 || record->source <= PGC_S_OVERRIDE) continue;
    const config_var_value reset = {guc_reset_value(record), guc_reset_extra(record)};
    guc_push(record, GUC_ACTION_SET);
    guc_assign(record, reset);
    record->source = record->reset_source;
    record->scontext = record->reset_scontext;
    record->srole = record->reset_srole;
  }
}

// --- reading
// --------------------------------------------------------------------------------------------------

const char* guc_plain_text(const config_generic* record, config_var_val value, char* buffer, size_t size) {
  switch (record->vartype) {
    case PGC_BOOL:
      return value.boolval ? "on" : "off";
    case PGC_INT:
      snprintf(buffer, size, "%d", value.intval);
      return buffer;
    case PGC_REAL:
      snprintf(buffer, size, "%g", value.realval);
      return buffer;
    case PGC_STRING:
      return value.stringval;
    case PGC_ENUM:
      return config_enum_lookup_by_value(reinterpret_cast<config_enum*>(const_cast<config_generic*>(record)),
                                         value.enumval);
  }
  pg_unreachable();
}

extern "C" const char* GetConfigOption(const char* name, bool missing_ok, bool restrict_privileged) {
  static char buffer[256];
  const config_generic* record = guc_find(name, false, missing_ok, ERROR);
  return record != nullptr ? guc_plain_text(record, guc_current(record), buffer, sizeof buffer) : nullptr;
}

extern "C" const char* GetConfigOptionResetString(const char* name) {
  static char buffer[256];
  const config_generic* record = guc_find(name, false, false, ERROR);
  return guc_plain_text(record, guc_reset_value(record), buffer, sizeof buffer);
}

extern "C" int GetConfigOptionFlags(const char* name, bool missing_ok) {
  const config_generic* record = guc_find(name, false, missing_ok, ERROR);
  return record != nullptr ? record->flags : 0;
}

extern "C" char* GetConfigOptionByName(const char* name, const char** varname, bool missing_ok) {
  config_generic* record = guc_find(name, false, missing_ok, ERROR);
  if (varname != nullptr) *varname = record != nullptr ? record->name : nullptr;
  return record != nullptr ? guc_show(record, true) : nullptr;
}

extern "C" void ParseLongOption(const char* string, char** name, char** value) {
  const size_t length = std::strcspn(string, "=");
  *name = pnstrdup(string, length);
  *value = string[length] == '=' ? pstrdup(string + length + 1) : nullptr;
  for (char* p = *name; *p != '\0'; ++p)
    if (*p == '-') *p = '_';
}

// A worker's parameters are reported to nobody, and travel to no parallel worker.
extern "C" void BeginReportingGUCOptions(void) {}
extern "C" void ReportChangedGUCOptions(void) {}
