// The settings of one process in a stretch of memory, for another to take over (utils/guc.h), as a module does
// that starts workers which shall work as it does.
//
// What the postmaster fixes is the same in both and is left out, as is whatever stands at its default. Each of
// the others is its name and value, zero-terminated, then a Fixed. Only a host of the same build reads it. C
// style.
#include <cstring>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "utils/guc_tables.h"
}

namespace {

// Copied byte for byte: what follows texts is not aligned.
struct Fixed {
  GucSource source;
  GucContext context;
  Oid role;
  int source_line;
  bool has_file;  // its name, zero-terminated, follows
};

bool is_fixed(const config_generic* record) {
  return record->context == PGC_POSTMASTER || record->context == PGC_INTERNAL ||
         guc_compare_names(record->name, "role") == 0;
}

// In `buffer`, or where the string is; "" for a string that was never set.
const char* value_of(const config_generic* record, char* buffer, size_t size) {
  if (record->vartype == PGC_REAL) {
    // All digits, unlike what is shown.
    snprintf(buffer, size, "%.17g", guc_current(record).realval);
    return buffer;
  }
  const char* text = guc_plain_text(record, guc_current(record), buffer, size);
  return text != nullptr ? text : "";
}

// `at` == nullptr: only counts. Returns the bytes it takes.
Size write_record(const config_generic* record, char* at, Size room) {
  char buffer[64];
  const char* value = value_of(record, buffer, sizeof(buffer));
  Size name_size = strlen(record->name) + 1, value_size = strlen(value) + 1;
  Fixed fixed = {record->source, record->scontext, record->srole, record->sourceline,
                 record->sourcefile != nullptr};
  Size file_size = fixed.has_file ? strlen(record->sourcefile) + 1 : 0;
  Size total = name_size + value_size + sizeof(fixed) + file_size;
  if (at == nullptr) return total;
  if (total > room) elog(ERROR, "not enough space to serialize GUC state");
  at = static_cast<char*>(memcpy(at, record->name, name_size)) + name_size;
  at = static_cast<char*>(memcpy(at, value, value_size)) + value_size;
  at = static_cast<char*>(memcpy(at, &fixed, sizeof(fixed))) + sizeof(fixed);
  if (fixed.has_file) memcpy(at, record->sourcefile, file_size);
  return total;
}

bool is_written(const config_generic* record) {
  return !is_fixed(record) && record->source != PGC_S_DEFAULT;
}

// To what it would be if nobody had ever set it.
void make_default(config_generic* record) {
  guc_drop_stack(record);
  config_var_value value = {guc_boot_value(record), nullptr};
  if (!guc_check(record, &value, PGC_S_DEFAULT, ERROR)) elog(ERROR, "failed to initialize %s", record->name);
  guc_assign(record, value);
  guc_set_reset(record, value);
  record->source = record->reset_source = PGC_S_DEFAULT;
  record->scontext = record->reset_scontext = PGC_INTERNAL;
  guc_set_source_file(record, nullptr, 0);
}

struct Setting {
  const char* name;
  const char* value;
};

void say_setting(void* arg) {
  const Setting* setting = static_cast<const Setting*>(arg);
  if (setting->name != nullptr)
    errcontext("while setting parameter \"%s\" to \"%s\"", setting->name, setting->value);
}

}  // namespace

extern "C" {

Size EstimateGUCStateSpace(void) {
  Size total = sizeof(Size);
  for (int i = 0; i < guc_record_count; ++i)
    if (is_written(guc_records[i])) total += write_record(guc_records[i], nullptr, 0);
  return total;
}

// ERROR if `maxsize` is too little.
void SerializeGUCState(Size maxsize, char* start_address) {
  if (maxsize < sizeof(Size)) elog(ERROR, "not enough space to serialize GUC state");
  Size used = sizeof(Size);
  for (int i = 0; i < guc_record_count; ++i)
    if (is_written(guc_records[i])) used += write_record(guc_records[i], start_address + used, maxsize - used);
  Size length = used - sizeof(Size);
  memcpy(start_address, &length, sizeof(length));
}

// Everything else goes back to its default. Not within a transaction that has changed settings.
void RestoreGUCState(void* gucstate) {
  for (int i = 0; i < guc_record_count; ++i)
    if (!is_fixed(guc_records[i])) make_default(guc_records[i]);

  Size length;
  memcpy(&length, gucstate, sizeof(length));
  const char* at = static_cast<const char*>(gucstate) + sizeof(length);
  const char* end = at + length;
  Setting setting = {};
  ErrorContextCallback context;
  context.callback = say_setting;
  context.arg = &setting;
  context.previous = error_context_stack;
  error_context_stack = &context;
  while (at < end) {
    setting.name = at;
    setting.value = at + strlen(at) + 1;
    at = setting.value + strlen(setting.value) + 1;
    Fixed fixed;
    memcpy(&fixed, at, sizeof(fixed));
    at += sizeof(fixed);
    if (set_config_option_ext(setting.name, setting.value, fixed.context, fixed.source, fixed.role,
                              GUC_ACTION_SET, true, ERROR, true) <= 0)
      ereport(ERROR,
              (errcode(ERRCODE_INTERNAL_ERROR), errmsg("parameter \"%s\" could not be set", setting.name)));
    if (fixed.has_file) {
      config_generic* record = guc_find(setting.name, true, false, ERROR);
      guc_set_source_file(record, at, fixed.source_line);
      at += strlen(at) + 1;
    }
    setting = {};
  }
  error_context_stack = context.previous;
}

}  // extern "C"
