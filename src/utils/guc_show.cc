// Settings as rows of text: what a listing of all of them shows, and the words for contexts, sources, types and
// groups. Any process may enter, not from signal handlers.
#include <cstring>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/guc_tables.h"

const char* const GucContext_Names[] = {"internal", "postmaster", "sighup", "superuser-backend",
                                        "backend",  "superuser",  "user"};

const char* const GucSource_Names[] = {"default",
                                       "default",
                                       "environment variable",
                                       "configuration file",
                                       "command line",
                                       "global",
                                       "database",
                                       "user",
                                       "database user",
                                       "client",
                                       "override",
                                       "interactive",
                                       "test",
                                       "session"};

const char* const config_type_names[] = {"bool", "integer", "real", "string", "enum"};

const char* const config_group_names[] = {"Ungrouped",
                                          "File Locations",
                                          "Connections and Authentication / Connection Settings",
                                          "Connections and Authentication / Authentication",
                                          "Connections and Authentication / SSL",
                                          "Resource Usage / Memory",
                                          "Resource Usage / Disk",
                                          "Resource Usage / Kernel Resources",
                                          "Resource Usage / Cost-Based Vacuum Delay",
                                          "Resource Usage / Background Writer",
                                          "Resource Usage / Asynchronous Behavior",
                                          "Write-Ahead Log / Settings",
                                          "Write-Ahead Log / Checkpoints",
                                          "Write-Ahead Log / Archiving",
                                          "Write-Ahead Log / Recovery",
                                          "Write-Ahead Log / Archive Recovery",
                                          "Write-Ahead Log / Recovery Target",
                                          "Replication / Sending Servers",
                                          "Replication / Primary Server",
                                          "Replication / Standby Servers",
                                          "Replication / Subscribers",
                                          "Query Tuning / Planner Method Configuration",
                                          "Query Tuning / Planner Cost Constants",
                                          "Query Tuning / Genetic Query Optimizer",
                                          "Query Tuning / Other Planner Options",
                                          "Reporting and Logging / Where to Log",
                                          "Reporting and Logging / When to Log",
                                          "Reporting and Logging / What to Log",
                                          "Reporting and Logging / Process Title",
                                          "Statistics / Monitoring",
                                          "Statistics / Cumulative Query and Index Statistics",
                                          "Autovacuum",
                                          "Client Connection Defaults / Statement Behavior",
                                          "Client Connection Defaults / Locale and Formatting",
                                          "Client Connection Defaults / Shared Library Preloading",
                                          "Client Connection Defaults / Other Defaults",
                                          "Lock Management",
                                          "Version and Platform Compatibility / Previous PostgreSQL Versions",
                                          "Version and Platform Compatibility / Other Platforms and Clients",
                                          "Error Handling",
                                          "Preset Options",
                                          "Customized Options",
                                          "Developer Options",
                                          nullptr};
}

static_assert(lengthof(GucContext_Names) == PGC_USERSET + 1);
static_assert(lengthof(GucSource_Names) == PGC_S_SESSION + 1);
static_assert(lengthof(config_type_names) == PGC_ENUM + 1);
static_assert(lengthof(config_group_names) == DEVELOPER_OPTIONS + 2);

// The shown options of an enum as an array literal: {"a","b c"}; with none shown the server has an empty one.
static char* options_literal(const config_enum* conf) {
  StringInfoData text;
  initStringInfo(&text);
  const char* separator = "{\"";
  for (const config_enum_entry* entry = conf->options; entry->name != nullptr; ++entry) {
    if (entry->hidden) continue;
    appendStringInfo(&text, "%s%s", separator, entry->name);
    separator = "\",\"";
  }
  appendStringInfoString(&text, *separator == '{' ? "{\"\"}" : "\"}");
  return text.data;
}

static char* text_of(const config_generic* record, config_var_val value) {
  char buffer[64];
  const char* text = guc_plain_text(record, value, buffer, sizeof buffer);
  return text != nullptr ? pstrdup(text) : nullptr;
}

// Fills the seventeen columns of one row; absent ones are nullptr.
extern "C" void GetConfigOptionByNum(int varnum, const char** values, bool* noshow) {
  Assert(varnum >= 0 && varnum < guc_record_count);
  config_generic* record = guc_records[varnum];
  if (noshow != nullptr) *noshow = (record->flags & GUC_NO_SHOW_ALL) != 0;

  const bool has_unit = (record->flags & GUC_UNIT) != 0;
  values[0] = record->name;
  values[1] = guc_show(record, false);
  values[2] = has_unit ? bgw::unit_name(guc_base_unit(record->flags)) : nullptr;
  values[3] = config_group_names[record->group];
  values[4] = record->short_desc;
  values[5] = record->long_desc;
  values[6] = GucContext_Names[record->context];
  values[7] = config_type_names[record->vartype];
  values[8] = GucSource_Names[record->source];
  values[9] = values[10] = values[11] = nullptr;
  if (record->vartype == PGC_INT) {
    const auto conf = reinterpret_cast<const config_int*>(record);
    values[9] = psprintf("%d", conf->min);
    values[10] = psprintf("%d", conf->max);
  } else if (record->vartype == PGC_REAL) {
    const auto conf = reinterpret_cast<const config_real*>(record);
    values[9] = psprintf("%g", conf->min);
    values[10] = psprintf("%g", conf->max);
  } else if (record->vartype == PGC_ENUM) {
    values[11] = options_literal(reinterpret_cast<const config_enum*>(record));
  }
  if (record->vartype == PGC_STRING) {
    const char* boot = reinterpret_cast<const config_string*>(record)->boot_val;
    values[12] = boot != nullptr ? pstrdup(boot) : nullptr;
  } else {
    values[12] = text_of(record, guc_boot_value(record));
  }
  values[13] = text_of(record, guc_reset_value(record));
  const bool from_file = record->source == PGC_S_FILE;
  values[14] = from_file ? record->sourcefile : nullptr;
  values[15] = from_file ? psprintf("%d", record->sourceline) : nullptr;
  values[16] = (record->status & GUC_PENDING_RESTART) != 0 ? "t" : "f";
}
