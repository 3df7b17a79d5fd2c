// Values of settings: reading and storing them in a record of any type, parsing, checking, showing, and
// freeing.
//
// One function per operation, with the five types as cases, over the server's value union. Hooks are called
// from guc_check, guc_assign and guc_show only. Not for signal handlers.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "bridge/critical.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/guc_tables.h"

char* GUC_check_errmsg_string = nullptr;
char* GUC_check_errdetail_string = nullptr;
char* GUC_check_errhint_string = nullptr;
}

static_assert(bgw::block_bytes == BLCKSZ && bgw::wal_block_bytes == XLOG_BLCKSZ);

static int check_error_code;

extern "C" void GUC_check_errcode(int sqlerrcode) {
  check_error_code = sqlerrcode;
}

static config_bool* as_bool(const config_generic* record) {
  return reinterpret_cast<config_bool*>(const_cast<config_generic*>(record));
}
static config_int* as_int(const config_generic* record) {
  return reinterpret_cast<config_int*>(const_cast<config_generic*>(record));
}
static config_real* as_real(const config_generic* record) {
  return reinterpret_cast<config_real*>(const_cast<config_generic*>(record));
}
static config_string* as_string(const config_generic* record) {
  return reinterpret_cast<config_string*>(const_cast<config_generic*>(record));
}
static config_enum* as_enum(const config_generic* record) {
  return reinterpret_cast<config_enum*>(const_cast<config_generic*>(record));
}

// --- memory ---------------------------------------------------------------------------------------------

// malloc, because check hooks replace values with free() and strdup() of their own.
void* guc_allocate(size_t size) {
  bgw::enter_critical();
  void* memory = std::malloc(size > 0 ? size : 1);
  bgw::leave_critical();
  if (memory == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  return memory;
}

char* guc_strdup(const char* text) {
  const size_t size = std::strlen(text) + 1;
  return static_cast<char*>(std::memcpy(guc_allocate(size), text, size));
}

void guc_free(void* memory) {
  bgw::enter_critical();
  std::free(memory);
  bgw::leave_critical();
}

// --- the places of a record -------------------------------------------------------------------------------

config_var_val guc_current(const config_generic* record) {
  config_var_val value = {};
  switch (record->vartype) {
    case PGC_BOOL:
      value.boolval = *as_bool(record)->variable;
      break;
    case PGC_INT:
      value.intval = *as_int(record)->variable;
      break;
    case PGC_REAL:
      value.realval = *as_real(record)->variable;
      break;
    case PGC_STRING:
      value.stringval = *as_string(record)->variable;
      break;
    case PGC_ENUM:
      value.enumval = *as_enum(record)->variable;
      break;
  }
  return value;
}

config_var_val guc_boot_value(const config_generic* record) {
  config_var_val value = {};
  switch (record->vartype) {
    case PGC_BOOL:
      value.boolval = as_bool(record)->boot_val;
      break;
    case PGC_INT:
      value.intval = as_int(record)->boot_val;
      break;
    case PGC_REAL:
      value.realval = as_real(record)->boot_val;
      break;
    case PGC_STRING:
      if (as_string(record)->boot_val != nullptr) value.stringval = guc_strdup(as_string(record)->boot_val);
      break;
    case PGC_ENUM:
      value.enumval = as_enum(record)->boot_val;
      break;
  }
  return value;
}

config_var_val guc_reset_value(const config_generic* record) {
  config_var_val value = {};
  switch (record->vartype) {
    case PGC_BOOL:
      value.boolval = as_bool(record)->reset_val;
      break;
    case PGC_INT:
      value.intval = as_int(record)->reset_val;
      break;
    case PGC_REAL:
      value.realval = as_real(record)->reset_val;
      break;
    case PGC_STRING:
      value.stringval = as_string(record)->reset_val;
      break;
    case PGC_ENUM:
      value.enumval = as_enum(record)->reset_val;
      break;
  }
  return value;
}

static void** reset_extra_place(const config_generic* record) {
  switch (record->vartype) {
    case PGC_BOOL:
      return &as_bool(record)->reset_extra;
    case PGC_INT:
      return &as_int(record)->reset_extra;
    case PGC_REAL:
      return &as_real(record)->reset_extra;
    case PGC_STRING:
      return &as_string(record)->reset_extra;
    case PGC_ENUM:
      return &as_enum(record)->reset_extra;
  }
  pg_unreachable();
}

void* guc_reset_extra(const config_generic* record) {
  return *reset_extra_place(record);
}

bool guc_same(const config_generic* record, config_var_val a, config_var_val b) {
  switch (record->vartype) {
    case PGC_BOOL:
      return a.boolval == b.boolval;
    case PGC_INT:
      return a.intval == b.intval;
    case PGC_REAL:
      return a.realval == b.realval;
    case PGC_STRING:
      if (a.stringval == nullptr || b.stringval == nullptr) return a.stringval == b.stringval;
      return std::strcmp(a.stringval, b.stringval) == 0;
    case PGC_ENUM:
      return a.enumval == b.enumval;
  }
  pg_unreachable();
}

void guc_release(config_generic* record, config_var_value value) {
  if (value.extra != nullptr) {
    bool held = value.extra == record->extra || value.extra == guc_reset_extra(record);
    for (const GucStack* entry = record->stack; entry != nullptr && !held; entry = entry->prev)
      held = value.extra == entry->prior.extra || value.extra == entry->masked.extra;
    if (!held) guc_free(value.extra);
  }
  if (record->vartype == PGC_STRING && value.val.stringval != nullptr) {
    char* text = value.val.stringval;
    bool held = text == *as_string(record)->variable || text == as_string(record)->reset_val;
    for (const GucStack* entry = record->stack; entry != nullptr && !held; entry = entry->prev)
      held = text == entry->prior.val.stringval || text == entry->masked.val.stringval;
    if (!held) guc_free(text);
  }
}

void guc_assign(config_generic* record, config_var_value value) {
  const config_var_value before = {guc_current(record), record->extra};
  switch (record->vartype) {
    case PGC_BOOL: {
      config_bool* conf = as_bool(record);
      if (conf->assign_hook != nullptr) conf->assign_hook(value.val.boolval, value.extra);
      *conf->variable = value.val.boolval;
      break;
    }
    case PGC_INT: {
      config_int* conf = as_int(record);
      if (conf->assign_hook != nullptr) conf->assign_hook(value.val.intval, value.extra);
      *conf->variable = value.val.intval;
      break;
    }
    case PGC_REAL: {
      config_real* conf = as_real(record);
      if (conf->assign_hook != nullptr) conf->assign_hook(value.val.realval, value.extra);
      *conf->variable = value.val.realval;
      break;
    }
    case PGC_STRING: {
      config_string* conf = as_string(record);
      if (conf->assign_hook != nullptr) conf->assign_hook(value.val.stringval, value.extra);
      *conf->variable = value.val.stringval;
      break;
    }
    case PGC_ENUM: {
      config_enum* conf = as_enum(record);
      if (conf->assign_hook != nullptr) conf->assign_hook(value.val.enumval, value.extra);
      *conf->variable = value.val.enumval;
      break;
    }
  }
  record->extra = value.extra;
  guc_release(record, before);
}

void guc_set_reset(config_generic* record, config_var_value value) {
  const config_var_value before = {guc_reset_value(record), guc_reset_extra(record)};
  switch (record->vartype) {
    case PGC_BOOL:
      as_bool(record)->reset_val = value.val.boolval;
      break;
    case PGC_INT:
      as_int(record)->reset_val = value.val.intval;
      break;
    case PGC_REAL:
      as_real(record)->reset_val = value.val.realval;
      break;
    case PGC_STRING:
      as_string(record)->reset_val = value.val.stringval;
      break;
    case PGC_ENUM:
      as_enum(record)->reset_val = value.val.enumval;
      break;
  }
  *reset_extra_place(record) = value.extra;
  guc_release(record, before);
}

// --- checking -----------------------------------------------------------------------------------------------

static bool run_check_hook(config_generic* record, config_var_value* value, GucSource source) {
  switch (record->vartype) {
    case PGC_BOOL:
      return as_bool(record)->check_hook(&value->val.boolval, &value->extra, source);
    case PGC_INT:
      return as_int(record)->check_hook(&value->val.intval, &value->extra, source);
    case PGC_REAL:
      return as_real(record)->check_hook(&value->val.realval, &value->extra, source);
    case PGC_STRING:
      return as_string(record)->check_hook(&value->val.stringval, &value->extra, source);
    case PGC_ENUM:
      return as_enum(record)->check_hook(&value->val.enumval, &value->extra, source);
  }
  pg_unreachable();
}

static bool has_check_hook(const config_generic* record) {
  switch (record->vartype) {
    case PGC_BOOL:
      return as_bool(record)->check_hook != nullptr;
    case PGC_INT:
      return as_int(record)->check_hook != nullptr;
    case PGC_REAL:
      return as_real(record)->check_hook != nullptr;
    case PGC_STRING:
      return as_string(record)->check_hook != nullptr;
    case PGC_ENUM:
      return as_enum(record)->check_hook != nullptr;
  }
  pg_unreachable();
}

// The message about a value that a hook refused without saying why.
static int refusal_message(const config_generic* record, config_var_val value) {
  switch (record->vartype) {
    case PGC_BOOL:
      return errmsg("invalid value for parameter \"%s\": %d", record->name, static_cast<int>(value.boolval));
    case PGC_INT:
      return errmsg("invalid value for parameter \"%s\": %d", record->name, value.intval);
    case PGC_REAL:
      return errmsg("invalid value for parameter \"%s\": %g", record->name, value.realval);
    case PGC_STRING:
      return errmsg("invalid value for parameter \"%s\": \"%s\"", record->name,
                    value.stringval != nullptr ? value.stringval : "");
    case PGC_ENUM:
      return errmsg("invalid value for parameter \"%s\": \"%s\"", record->name,
                    config_enum_lookup_by_value(as_enum(record), value.enumval));
  }
  pg_unreachable();
}

bool guc_check(config_generic* record, config_var_value* value, GucSource source, int elevel) {
  if (!has_check_hook(record)) return true;

  check_error_code = ERRCODE_INVALID_PARAMETER_VALUE;
  GUC_check_errmsg_string = nullptr;
  GUC_check_errdetail_string = nullptr;
  GUC_check_errhint_string = nullptr;
  if (run_check_hook(record, value, source)) return true;

  if (record->vartype == PGC_STRING && value->val.stringval != nullptr) {
    // Reporting may jump: keep the text for it where the jump cleans up.
    char* text = pstrdup(value->val.stringval);
    guc_free(value->val.stringval);
    value->val.stringval = text;
  }
  ereport(elevel,
          (errcode(check_error_code),
           GUC_check_errmsg_string != nullptr ? errmsg_internal("%s", GUC_check_errmsg_string)
                                              : refusal_message(record, value->val),
           GUC_check_errdetail_string != nullptr ? errdetail_internal("%s", GUC_check_errdetail_string) : 0,
           GUC_check_errhint_string != nullptr ? errhint("%s", GUC_check_errhint_string) : 0));
  // The hook's texts live in the error context, and are used up.
  FlushErrorState();
  return false;
}

// --- text
// -----------------------------------------------------------------------------------------------------

bgw::BaseUnit guc_base_unit(int flags) {
  switch (flags & GUC_UNIT) {
    case GUC_UNIT_BYTE:
      return bgw::BaseUnit::byte;
    case GUC_UNIT_KB:
      return bgw::BaseUnit::kilobyte;
    case GUC_UNIT_BLOCKS:
      return bgw::BaseUnit::block;
    case GUC_UNIT_XBLOCKS:
      return bgw::BaseUnit::wal_block;
    case GUC_UNIT_MB:
      return bgw::BaseUnit::megabyte;
    case GUC_UNIT_MS:
      return bgw::BaseUnit::millisecond;
    case GUC_UNIT_S:
      return bgw::BaseUnit::second;
    case GUC_UNIT_MIN:
      return bgw::BaseUnit::minute;
    case 0:
      return bgw::BaseUnit::none;
    default:
      elog(ERROR, "unrecognized GUC units value: %d", flags & GUC_UNIT);
  }
  pg_unreachable();
}

static const char* fault_hint(bgw::NumberFault fault, bgw::BaseUnit unit) {
  switch (fault) {
    case bgw::NumberFault::none:
    case bgw::NumberFault::malformed:
      return nullptr;
    case bgw::NumberFault::unknown_unit:
      return bgw::units_hint(unit);
    case bgw::NumberFault::too_large:
      return "Value exceeds integer range.";
  }
  return nullptr;
}

extern "C" bool parse_int(const char* value, int* result, int flags, const char** hintmsg) {
  const bgw::BaseUnit unit = guc_base_unit(flags);
  const bgw::ParsedNumber<int> parsed = bgw::parse_integer(value, unit);
  if (result != nullptr) *result = parsed.value;
  if (hintmsg != nullptr) *hintmsg = fault_hint(parsed.fault, unit);
  return parsed.fault == bgw::NumberFault::none;
}

extern "C" bool parse_real(const char* value, double* result, int flags, const char** hintmsg) {
  const bgw::BaseUnit unit = guc_base_unit(flags);
  const bgw::ParsedNumber<double> parsed = bgw::parse_number(value, unit);
  if (result != nullptr) *result = parsed.value;
  if (hintmsg != nullptr) *hintmsg = fault_hint(parsed.fault, unit);
  return parsed.fault == bgw::NumberFault::none;
}

extern "C" const char* config_enum_lookup_by_value(struct config_enum* record, int val) {
  for (const config_enum_entry* entry = record->options; entry != nullptr && entry->name != nullptr; ++entry)
    if (entry->val == val) return entry->name;
  elog(ERROR, "could not find enum option %d for %s", val, record->gen.name);
  pg_unreachable();
}

extern "C" bool config_enum_lookup_by_name(struct config_enum* record, const char* value, int* retval) {
  for (const config_enum_entry* entry = record->options; entry != nullptr && entry->name != nullptr; ++entry) {
    if (pg_strcasecmp(value, entry->name) == 0) {
      *retval = entry->val;
      return true;
    }
  }
  *retval = 0;
  return false;
}

// "Available values: a, b, c.", palloc'd; hidden spellings are left out. "Available values." if all are.
static char* available_values(const config_enum* conf) {
  size_t size = sizeof "Available values: .";
  for (const config_enum_entry* entry = conf->options; entry->name != nullptr; ++entry)
    size += std::strlen(entry->name) + 2;
  char* text = static_cast<char*>(palloc(size));
  strlcpy(text, "Available values", size);
  const char* separator = ": ";
  for (const config_enum_entry* entry = conf->options; entry->name != nullptr; ++entry) {
    if (entry->hidden) continue;
    strlcat(text, separator, size);
    strlcat(text, entry->name, size);
    separator = ", ";
  }
  strlcat(text, ".", size);
  return text;
}

static bool invalid_value(const char* name, const char* text, int elevel, const char* hint) {
  ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                   errmsg("invalid value for parameter \"%s\": \"%s\"", name, text),
                   hint != nullptr ? errhint("%s", hint) : 0));
  return false;
}

bool guc_parse(config_generic* record, const char* name, const char* text, GucSource source, int elevel,
               config_var_value* value) {
  *value = {};
  const char* hint = nullptr;
  const char* unit = (record->flags & GUC_UNIT) != 0 ? bgw::unit_name(guc_base_unit(record->flags)) : nullptr;
  switch (record->vartype) {
    case PGC_BOOL:
      if (!parse_bool(text, &value->val.boolval)) {
        ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                         errmsg("parameter \"%s\" requires a Boolean value", name)));
        return false;
      }
      break;
    case PGC_INT: {
      const config_int* conf = as_int(record);
      if (!parse_int(text, &value->val.intval, record->flags, &hint))
        return invalid_value(name, text, elevel, hint);
      if (value->val.intval < conf->min || value->val.intval > conf->max) {
        ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                         errmsg("%d%s%s is outside the valid range for parameter \"%s\" (%d .. %d)",
                                value->val.intval, unit != nullptr ? " " : "", unit != nullptr ? unit : "",
                                name, conf->min, conf->max)));
        return false;
      }
      break;
    }
    case PGC_REAL: {
      const config_real* conf = as_real(record);
      if (!parse_real(text, &value->val.realval, record->flags, &hint))
        return invalid_value(name, text, elevel, hint);
      if (value->val.realval < conf->min || value->val.realval > conf->max) {
        ereport(elevel, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                         errmsg("%g%s%s is outside the valid range for parameter \"%s\" (%g .. %g)",
                                value->val.realval, unit != nullptr ? " " : "", unit != nullptr ? unit : "",
                                name, conf->min, conf->max)));
        return false;
      }
      break;
    }
    case PGC_STRING:
      value->val.stringval = guc_strdup(text);
      if ((record->flags & GUC_IS_NAME) != 0)
        truncate_identifier(value->val.stringval, static_cast<int>(std::strlen(text)), true);
      break;
    case PGC_ENUM:
      if (!config_enum_lookup_by_name(as_enum(record), text, &value->val.enumval)) {
        char* options = available_values(as_enum(record));
        invalid_value(name, text, elevel, options);
        pfree(options);
        return false;
      }
      break;
  }
  return guc_check(record, value, source, elevel);
}

static char* duplicate(const char* text) {
  return pstrdup(text != nullptr ? text : "");
}

char* guc_show(config_generic* record, bool use_units) {
  const config_var_val value = guc_current(record);
  const bgw::BaseUnit unit = use_units ? guc_base_unit(record->flags) : bgw::BaseUnit::none;
  switch (record->vartype) {
    case PGC_BOOL:
      if (as_bool(record)->show_hook != nullptr) return duplicate(as_bool(record)->show_hook());
      return duplicate(value.boolval ? "on" : "off");
    case PGC_INT: {
      if (as_int(record)->show_hook != nullptr) return duplicate(as_int(record)->show_hook());
      bgw::ShownNumber<std::int64_t> shown = {value.intval, ""};
      if (value.intval > 0) shown = bgw::in_largest_unit(static_cast<std::int64_t>(value.intval), unit);
      return psprintf(INT64_FORMAT "%s", shown.value, shown.unit);
    }
    case PGC_REAL: {
      if (as_real(record)->show_hook != nullptr) return duplicate(as_real(record)->show_hook());
      bgw::ShownNumber<double> shown = {value.realval, ""};
      if (value.realval > 0) shown = bgw::in_largest_unit(value.realval, unit);
      return psprintf("%g%s", shown.value, shown.unit);
    }
    case PGC_STRING:
      if (as_string(record)->show_hook != nullptr) return duplicate(as_string(record)->show_hook());
      return duplicate(value.stringval);
    case PGC_ENUM:
      if (as_enum(record)->show_hook != nullptr) return duplicate(as_enum(record)->show_hook());
      return duplicate(config_enum_lookup_by_value(as_enum(record), value.enumval));
  }
  pg_unreachable();
}
