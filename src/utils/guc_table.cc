// The table of settings: records sorted by name, placeholders for parameters whose module is not loaded (yet),
// reserved prefixes, and the definition of modules' parameters.
//
// Invariants: names in the table are unique without case; every record in it has been initialised, so its
// variable holds a checked value. Entered by the postmaster before forking, and by any process afterwards for
// itself.
#include <cstdlib>
#include <cstring>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/guc_tables.h"
}

config_generic** guc_records = nullptr;
int guc_record_count = 0;

static int record_capacity = 0;

static char** reserved_prefixes = nullptr;
static int reserved_prefix_count = 0;

// --- names --------------------------------------------------------------------------------------------------

static char fold(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int guc_compare_names(const char* a, const char* b) {
  for (; *a != '\0' && *b != '\0'; ++a, ++b)
    if (fold(*a) != fold(*b)) return fold(*a) - fold(*b);
  return *a != '\0' ? 1 : (*b != '\0' ? -1 : 0);
}

bool guc_is_custom_name(const char* name) {
  bool dotted = false;
  bool at_start = true;
  for (const char* p = name; *p != '\0'; ++p) {
    const bool letter = (fold(*p) >= 'a' && fold(*p) <= 'z') || *p == '_' || IS_HIGHBIT_SET(*p);
    if (*p == GUC_QUALIFIER_SEPARATOR) {
      if (at_start) return false;
      dotted = true;
      at_start = true;
    } else if (letter || (!at_start && ((*p >= '0' && *p <= '9') || *p == '$'))) {
      at_start = false;
    } else {
      return false;
    }
  }
  return dotted && !at_start;
}

static bool in_class(const char* name, const char* prefix) {
  const size_t length = std::strlen(prefix);
  return std::strncmp(name, prefix, length) == 0 && name[length] == GUC_QUALIFIER_SEPARATOR;
}

// --- the array ----------------------------------------------------------------------------------------------

// Index of the first record whose name is not before `name`.
static int lower_bound(const char* name) {
  int low = 0;
  int high = guc_record_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (guc_compare_names(guc_records[middle]->name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static config_generic* look_up(const char* name) {
  const int at = lower_bound(name);
  return at < guc_record_count && guc_compare_names(guc_records[at]->name, name) == 0 ? guc_records[at]
                                                                                      : nullptr;
}

static void insert(config_generic* record) {
  const int at = lower_bound(record->name);
  if (guc_record_count == record_capacity) {
    const int capacity = record_capacity > 0 ? record_capacity * 2 : 128;
    auto grown = static_cast<config_generic**>(guc_allocate(sizeof(config_generic*) * capacity));
    if (guc_record_count > 0) std::memcpy(grown, guc_records, sizeof(config_generic*) * guc_record_count);
    config_generic** before = guc_records;
    guc_records = grown;
    record_capacity = capacity;
    guc_free(before);
  }
  std::memmove(guc_records + at + 1, guc_records + at, sizeof(config_generic*) * (guc_record_count - at));
  guc_records[at] = record;
  ++guc_record_count;
}

static void remove_at(int at) {
  std::memmove(guc_records + at, guc_records + at + 1, sizeof(config_generic*) * (guc_record_count - at - 1));
  --guc_record_count;
}

extern "C" struct config_generic** get_guc_variables(void) {
  return guc_records;
}
extern "C" int GetNumConfigOptions(void) {
  return guc_record_count;
}

// --- initial values
// -------------------------------------------------------------------------------------------

// FATAL: what a module's own default must not be.
static void refuse_boot_value(const config_generic* record, config_var_val value) {
  switch (record->vartype) {
    case PGC_BOOL:
      elog(FATAL, "failed to initialize %s to %d", record->name, static_cast<int>(value.boolval));
      break;
    case PGC_INT:
      elog(FATAL, "failed to initialize %s to %d", record->name, value.intval);
      break;
    case PGC_REAL:
      elog(FATAL, "failed to initialize %s to %g", record->name, value.realval);
      break;
    case PGC_STRING:
      elog(FATAL, "failed to initialize %s to \"%s\"", record->name, value.stringval ? value.stringval : "");
      break;
    case PGC_ENUM:
      elog(FATAL, "failed to initialize %s to %d", record->name, value.enumval);
      break;
  }
}

// Gives the record its boot value. What the variable held before belongs to whoever declared it.
static void initialise(config_generic* record) {
  record->status = 0;
  record->source = record->reset_source = PGC_S_DEFAULT;
  record->scontext = record->reset_scontext = PGC_INTERNAL;
  record->srole = record->reset_srole = BOOTSTRAP_SUPERUSERID;
  record->stack = nullptr;
  record->extra = nullptr;
  record->last_reported = nullptr;
  record->sourcefile = nullptr;
  record->sourceline = 0;

  config_var_value value = {guc_boot_value(record), nullptr};
  if (!guc_check(record, &value, PGC_S_DEFAULT, LOG)) refuse_boot_value(record, value.val);
  if (record->vartype == PGC_STRING) {
    auto conf = reinterpret_cast<config_string*>(record);
    conf->reset_val = nullptr;
    // The assign hook may look at the variable: it still has what the module gave it.
    if (conf->assign_hook != nullptr) conf->assign_hook(value.val.stringval, value.extra);
    *conf->variable = value.val.stringval;
    record->extra = value.extra;
    conf->reset_val = value.val.stringval;
    conf->reset_extra = value.extra;
    return;
  }
  guc_assign(record, value);
  guc_set_reset(record, value);
}

template <class Record>
static void add_all(Record* settings, config_type type) {
  for (; settings->gen.name != nullptr; ++settings) {
    if (look_up(settings->gen.name) != nullptr) continue;
    settings->gen.vartype = type;
    insert(&settings->gen);
  }
}

extern "C" void build_guc_variables(void) {
  add_all(bgw_bool_settings, PGC_BOOL);
  add_all(bgw_int_settings, PGC_INT);
  add_all(bgw_real_settings, PGC_REAL);
  add_all(bgw_string_settings, PGC_STRING);
  add_all(bgw_enum_settings, PGC_ENUM);
}

// The defaults that depend on where the process runs.
static void set_dynamic_defaults() {
  const long limit_kB = get_stack_depth_rlimit() / 1024;
  const long reserve_kB = STACK_DEPTH_SLOP / 1024;
  if (limit_kB <= reserve_kB + 100) return;
  char text[16];
  snprintf(text, sizeof text, "%ld", Min(limit_kB - reserve_kB, 2048L));
  SetConfigOption("max_stack_depth", text, PGC_POSTMASTER, PGC_S_DYNAMIC_DEFAULT);
}

extern "C" void InitializeGUCOptions(void) {
  if (guc_record_count > 0) return;
  build_guc_variables();
  for (int i = 0; i < guc_record_count; ++i) initialise(guc_records[i]);
  set_dynamic_defaults();
}

// --- placeholders and prefixes
// ----------------------------------------------------------------------------------

static config_generic* add_placeholder(const char* name) {
  // The record, and after it the variable it stands for.
  const size_t size = sizeof(config_string) + sizeof(char*);
  auto conf = static_cast<config_string*>(std::memset(guc_allocate(size), 0, size));
  config_generic* record = &conf->gen;
  record->name = guc_strdup(name);
  record->context = PGC_USERSET;
  record->group = CUSTOM_OPTIONS;
  record->short_desc = "GUC placeholder variable";
  record->flags = GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_CUSTOM_PLACEHOLDER;
  record->vartype = PGC_STRING;
  conf->variable = reinterpret_cast<char**>(conf + 1);
  initialise(record);
  record->srole = record->reset_srole = InvalidOid;  // nobody has set it yet
  insert(record);
  return record;
}

static void free_placeholder(config_generic* record) {
  auto conf = reinterpret_cast<config_string*>(record);
  guc_drop_stack(record);
  char* current = *conf->variable;
  if (current != conf->reset_val) guc_free(conf->reset_val);
  guc_free(current);
  guc_free(record->sourcefile);
  guc_free(const_cast<char*>(record->name));
  guc_free(record);
}

config_generic* guc_find(const char* name, bool create_placeholders, bool silent, int elevel) {
  if (config_generic* record = look_up(name)) return record;

  static const char* const renamed[][2] = {{"sort_mem", "work_mem"}, {"vacuum_mem", "maintenance_work_mem"}};
  for (const auto& [before, now] : renamed)
    if (guc_compare_names(name, before) == 0) return guc_find(now, false, silent, elevel);

  if (create_placeholders && std::strchr(name, GUC_QUALIFIER_SEPARATOR) != nullptr) {
    if (!guc_is_custom_name(name)) {
      if (!silent)
        ereport(
            elevel,
            (errcode(ERRCODE_INVALID_NAME), errmsg("invalid configuration parameter name \"%s\"", name),
             errdetail("Custom parameter names must be two or more simple identifiers separated by dots.")));
      return nullptr;
    }
    for (int i = 0; i < reserved_prefix_count; ++i) {
      if (!in_class(name, reserved_prefixes[i])) continue;
      if (!silent)
        ereport(elevel,
                (errcode(ERRCODE_INVALID_NAME), errmsg("invalid configuration parameter name \"%s\"", name),
                 errdetail("\"%s\" is a reserved prefix.", reserved_prefixes[i])));
      return nullptr;
    }
    return add_placeholder(name);
  }

  if (!silent)
    ereport(elevel,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("unrecognized configuration parameter \"%s\"", name)));
  return nullptr;
}

extern "C" void MarkGUCPrefixReserved(const char* className) {
  for (int i = 0; i < guc_record_count;) {
    config_generic* record = guc_records[i];
    if ((record->flags & GUC_CUSTOM_PLACEHOLDER) == 0 || !in_class(record->name, className)) {
      ++i;
      continue;
    }
    ereport(WARNING, (errcode(ERRCODE_INVALID_NAME),
                      errmsg("invalid configuration parameter name \"%s\", removing it", record->name),
                      errdetail("\"%s\" is now a reserved prefix.", className)));
    remove_at(i);
    free_placeholder(record);
  }

  const size_t size = sizeof(char*) * (reserved_prefix_count + 1);
  auto grown = static_cast<char**>(guc_allocate(size));
  if (reserved_prefix_count > 0) std::memcpy(grown, reserved_prefixes, sizeof(char*) * reserved_prefix_count);
  grown[reserved_prefix_count] = guc_strdup(className);
  guc_free(reserved_prefixes);
  reserved_prefixes = grown;
  ++reserved_prefix_count;
}

// --- modules' parameters
// ------------------------------------------------------------------------------------------

// Sets `record` from one of the placeholder's values. A value that the real parameter does not take is left
// out, with a warning, and the one before stays.
static void take_over(const config_generic* record, const char* text, GucContext context, GucSource source,
                      Oid role, GucAction action) {
  (void)set_config_option_ext(record->name, text, context, source, role, action, true, WARNING, false);
}

// Repeats on `record` the history that led the placeholder to `text`: first what lies below on its stack, then
// this entry, at the nest level at which it was made.
static void repeat_history(config_generic* record, const config_string* placeholder, const GucStack* entry,
                           const char* text, GucContext context, GucSource source, Oid role) {
  if (entry == nullptr) {
    const config_generic* gen = &placeholder->gen;
    const bool is_reset_value = text == placeholder->reset_val && context == gen->reset_scontext &&
                                source == gen->reset_source && role == gen->reset_srole;
    if (text == nullptr || is_reset_value) return;
    // Set and committed in this session: it stays, so there is nothing to go back to.
    take_over(record, text, context, source, role, GUC_ACTION_SET);
    guc_drop_stack(record);
    return;
  }

  repeat_history(record, placeholder, entry->prev, entry->prior.val.stringval, entry->scontext, entry->source,
                 entry->srole);
  const GucStack* before = record->stack;
  switch (entry->state) {
    case GUC_SAVE:
      take_over(record, text, context, source, role, GUC_ACTION_SAVE);
      break;
    case GUC_SET:
      take_over(record, text, context, source, role, GUC_ACTION_SET);
      break;
    case GUC_LOCAL:
      take_over(record, text, context, source, role, GUC_ACTION_LOCAL);
      break;
    case GUC_SET_LOCAL:
      take_over(record, entry->masked.val.stringval, entry->masked_scontext, PGC_S_SESSION, entry->masked_srole,
                GUC_ACTION_SET);
      take_over(record, text, context, source, role, GUC_ACTION_LOCAL);
      break;
  }
  if (record->stack != before) record->stack->nest_level = entry->nest_level;
}

// Puts a complete, not yet initialised record into the table, in a placeholder's stead if there is one. That
// the name is free otherwise has been checked by new_custom().
static void define(config_generic* record) {
  config_generic* existing = look_up(record->name);
  if (existing == nullptr) {
    initialise(record);
    insert(record);
    return;
  }
  initialise(record);
  guc_records[lower_bound(record->name)] = record;

  auto placeholder = reinterpret_cast<config_string*>(existing);
  if (placeholder->reset_val != nullptr)
    take_over(record, placeholder->reset_val, existing->reset_scontext, existing->reset_source,
              existing->reset_srole, GUC_ACTION_SET);
  repeat_history(record, placeholder, existing->stack, *placeholder->variable, existing->scontext,
                 existing->source, existing->srole);
  if (existing->sourcefile != nullptr) guc_set_source_file(record, existing->sourcefile, existing->sourceline);
  free_placeholder(existing);
}

// A zeroed record of the type, with the fields that every type has.
template <class Record>
static Record* new_custom(const char* name, const char* short_desc, const char* long_desc, GucContext context,
                          int flags, config_type type) {
  // Fatal, not an error: the module has most likely hooked itself in already and cannot be left half loaded.
  if (context == PGC_POSTMASTER && !process_shared_preload_libraries_in_progress)
    elog(FATAL, "cannot create PGC_POSTMASTER variables after startup");
  if ((flags & GUC_LIST_QUOTE) != 0) elog(FATAL, "extensions cannot define GUC_LIST_QUOTE variables");
  // Before anything is allocated: who catches this error must have lost nothing.
  const config_generic* existing = look_up(name);
  if (existing != nullptr && (existing->flags & GUC_CUSTOM_PLACEHOLDER) == 0)
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("attempt to redefine parameter \"%s\"", name)));

  auto conf = static_cast<Record*>(std::memset(guc_allocate(sizeof(Record)), 0, sizeof(Record)));
  conf->gen.name = guc_strdup(name);
  conf->gen.context = context;
  conf->gen.group = CUSTOM_OPTIONS;
  conf->gen.short_desc = short_desc;
  conf->gen.long_desc = long_desc;
  conf->gen.flags = flags;
  conf->gen.vartype = type;
  return conf;
}

extern "C" void DefineCustomBoolVariable(const char* name, const char* short_desc, const char* long_desc,
                                         bool* valueAddr, bool bootValue, GucContext context, int flags,
                                         GucBoolCheckHook check_hook, GucBoolAssignHook assign_hook,
                                         GucShowHook show_hook) {
  auto conf = new_custom<config_bool>(name, short_desc, long_desc, context, flags, PGC_BOOL);
  conf->variable = valueAddr;
  conf->boot_val = conf->reset_val = bootValue;
  conf->check_hook = check_hook;
  conf->assign_hook = assign_hook;
  conf->show_hook = show_hook;
  define(&conf->gen);
}

extern "C" void DefineCustomIntVariable(const char* name, const char* short_desc, const char* long_desc,
                                        int* valueAddr, int bootValue, int minValue, int maxValue,
                                        GucContext context, int flags, GucIntCheckHook check_hook,
                                        GucIntAssignHook assign_hook, GucShowHook show_hook) {
  auto conf = new_custom<config_int>(name, short_desc, long_desc, context, flags, PGC_INT);
  conf->variable = valueAddr;
  conf->boot_val = conf->reset_val = bootValue;
  conf->min = minValue;
  conf->max = maxValue;
  conf->check_hook = check_hook;
  conf->assign_hook = assign_hook;
  conf->show_hook = show_hook;
  define(&conf->gen);
}

extern "C" void DefineCustomRealVariable(const char* name, const char* short_desc, const char* long_desc,
                                         double* valueAddr, double bootValue, double minValue, double maxValue,
                                         GucContext context, int flags, GucRealCheckHook check_hook,
                                         GucRealAssignHook assign_hook, GucShowHook show_hook) {
  auto conf = new_custom<config_real>(name, short_desc, long_desc, context, flags, PGC_REAL);
  conf->variable = valueAddr;
  conf->boot_val = conf->reset_val = bootValue;
  conf->min = minValue;
  conf->max = maxValue;
  conf->check_hook = check_hook;
  conf->assign_hook = assign_hook;
  conf->show_hook = show_hook;
  define(&conf->gen);
}

extern "C" void DefineCustomStringVariable(const char* name, const char* short_desc, const char* long_desc,
                                           char** valueAddr, const char* bootValue, GucContext context,
                                           int flags, GucStringCheckHook check_hook,
                                           GucStringAssignHook assign_hook, GucShowHook show_hook) {
  auto conf = new_custom<config_string>(name, short_desc, long_desc, context, flags, PGC_STRING);
  conf->variable = valueAddr;
  conf->boot_val = bootValue;
  conf->check_hook = check_hook;
  conf->assign_hook = assign_hook;
  conf->show_hook = show_hook;
  define(&conf->gen);
}

extern "C" void DefineCustomEnumVariable(const char* name, const char* short_desc, const char* long_desc,
                                         int* valueAddr, int bootValue, const struct config_enum_entry* options,
                                         GucContext context, int flags, GucEnumCheckHook check_hook,
                                         GucEnumAssignHook assign_hook, GucShowHook show_hook) {
  auto conf = new_custom<config_enum>(name, short_desc, long_desc, context, flags, PGC_ENUM);
  conf->variable = valueAddr;
  conf->boot_val = conf->reset_val = bootValue;
  conf->options = options;
  conf->check_hook = check_hook;
  conf->assign_hook = assign_hook;
  conf->show_hook = show_hook;
  define(&conf->gen);
}
