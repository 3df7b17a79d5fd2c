// Configuration files: the server's interface to the parser of core/config_file.hpp, and applying what it read.
//
// The parser works on C++ objects; what it found is first copied into palloc'd items, its objects are gone
// before anything is reported or any hook runs. The postmaster logs what it finds at LOG; every other process
// reads the same files, finds the same, and keeps quiet (DEBUG2).
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bridge/critical.hpp"
#include "core/config_file.hpp"
#include "core/data_directory.hpp"
#include "port/clock.hpp"

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include <sys/stat.h>

#include "miscadmin.h"
#include "utils/elog.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
}

// --- from the parser's items to the server's list
// ----------------------------------------------------------------

namespace {

// What is to be logged about an item, and the list entry for it, or nullptr when it has none.
struct Finding {
  char* message;  // nullptr: nothing to log
  int sqlstate;
  int system_error;
  bool always;  // at LOG, whatever the caller's level
  ConfigVariable* variable;
  Finding* next;
};

}  // namespace

static char* copy(const std::string& text) {
  return pnstrdup(text.c_str(), text.size());
}

static Finding* convert(const bgw::ConfigItem& item) {
  using Kind = bgw::ConfigItem::Kind;
  auto finding = static_cast<Finding*>(palloc0(sizeof(Finding)));
  if (item.kind != Kind::setting) {
    const char* state = item.sqlstate;
    finding->message = copy(item.message);
    finding->sqlstate = MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
    finding->system_error = item.system_error;
    finding->always = item.kind == Kind::skipped;
    if (item.summary.empty()) return finding;
  }
  auto variable = static_cast<ConfigVariable*>(palloc0(sizeof(ConfigVariable)));
  if (item.kind == Kind::setting) {
    variable->name = copy(item.name);
    variable->value = copy(item.value);
  } else {
    variable->errmsg = copy(item.summary);
    variable->ignore = true;
  }
  if (!item.file.empty()) variable->filename = copy(item.file);
  variable->sourceline = static_cast<int>(item.line);
  finding->variable = variable;
  return finding;
}

// Copies the outcome; the caller's C++ scope ends right after.
static bool convert_all(const bgw::ConfigOutcome& outcome, Finding** findings) {
  Finding** end = findings;
  for (const bgw::ConfigItem& item : outcome.items) {
    *end = convert(item);
    end = &(*end)->next;
  }
  return outcome.ok;
}

static bgw::ConfigReading reading_for(int elevel) {
  return {.base_directory = DataDir != nullptr ? DataDir : "", .stop_at_first_error = elevel <= DEBUG1};
}

// Logs the findings in order and appends their entries to the list. `ok` is passed through.
static bool take(bool ok, Finding* findings, int elevel, ConfigVariable** head_p, ConfigVariable** tail_p) {
  for (; findings != nullptr; findings = findings->next) {
    if (ConfigVariable* variable = findings->variable) {
      (*head_p == nullptr ? *head_p : (*tail_p)->next) = variable;
      *tail_p = variable;
    }
    if (findings->message == nullptr) continue;
    errno = findings->system_error;
    ereport(findings->always ? LOG : elevel,
            (findings->system_error != 0 ? errcode_for_file_access() : errcode(findings->sqlstate),
             errmsg_internal("%s", findings->message)));
  }
  return ok;
}

extern "C" bool ParseConfigFile(const char* config_file, bool strict, const char* calling_file,
                                int calling_lineno, int depth, int elevel, ConfigVariable** head_p,
                                ConfigVariable** tail_p) {
  Finding* findings = nullptr;
  bool ok;
  bgw::enter_critical();
  {
    ok = convert_all(bgw::read_config_file(config_file, strict, calling_file != nullptr ? calling_file : "",
                                           static_cast<unsigned>(calling_lineno), depth, reading_for(elevel)),
                     &findings);
  }
  bgw::leave_critical();
  return take(ok, findings, elevel, head_p, tail_p);
}

extern "C" bool ParseConfigDirectory(const char* includedir, const char* calling_file, int calling_lineno,
                                     int depth, int elevel, ConfigVariable** head_p, ConfigVariable** tail_p) {
  Finding* findings = nullptr;
  bool ok;
  bgw::enter_critical();
  {
    ok = convert_all(
        bgw::read_config_directory(includedir, calling_file != nullptr ? calling_file : "",
                                   static_cast<unsigned>(calling_lineno), depth, reading_for(elevel)),
        &findings);
  }
  bgw::leave_critical();
  return take(ok, findings, elevel, head_p, tail_p);
}

extern "C" bool ParseConfigFp(FILE* fp, const char* config_file, int depth, int elevel, ConfigVariable** head_p,
                              ConfigVariable** tail_p) {
  Finding* findings = nullptr;
  bool ok;
  bgw::enter_critical();
  {
    std::string text;
    char buffer[8192];
    while (const size_t got = std::fread(buffer, 1, sizeof buffer, fp)) text.append(buffer, got);
    ok = convert_all(bgw::read_config_text(text, config_file, depth, reading_for(elevel)), &findings);
  }
  bgw::leave_critical();
  return take(ok, findings, elevel, head_p, tail_p);
}

extern "C" void FreeConfigVariables(ConfigVariable* list) {
  while (list != nullptr) {
    ConfigVariable* next = list->next;
    for (char* text : {list->name, list->value, list->errmsg, list->filename})
      if (text != nullptr) pfree(text);
    pfree(list);
    list = next;
  }
}

extern "C" char* DeescapeQuotedString(const char* s) {
  bgw::enter_critical();
  char* result = copy(bgw::unquote_config_value(s));
  bgw::leave_critical();
  return result;
}

// --- applying
// ---------------------------------------------------------------------------------------------------------

// Marks the settings that the file has, drops repetitions, and refuses the whole file over a name that is none.
// Only earlier entries of the very same spelling count as repetitions. False: a bad name.
static bool match_names(ConfigVariable* list, int elevel) {
  bool ok = true;
  for (int i = 0; i < guc_record_count; ++i) guc_records[i]->status &= ~GUC_IS_IN_FILE;
  for (ConfigVariable* item = list; item != nullptr; item = item->next) {
    if (item->ignore) continue;
    // An unknown module's parameter gets its placeholder when it is applied, not before.
    config_generic* record = guc_find(item->name, false, true, elevel);
    if (record != nullptr) {
      if ((record->status & GUC_IS_IN_FILE) != 0) {
        for (ConfigVariable* earlier = list; earlier != item; earlier = earlier->next)
          if (!earlier->ignore && std::strcmp(earlier->name, item->name) == 0) earlier->ignore = true;
      }
      record->status |= GUC_IS_IN_FILE;
    } else if (!guc_is_custom_name(item->name)) {
      ereport(elevel, (errcode(ERRCODE_UNDEFINED_OBJECT),
                       errmsg("unrecognized configuration parameter \"%s\" in file \"%s\" line %d", item->name,
                              item->filename, item->sourceline)));
      item->errmsg = pstrdup("unrecognized configuration parameter");
      ok = false;
    }
  }
  return ok;
}

// What the file set before and no longer sets goes back to its default, if it may. False: something may not.
static bool drop_removed(GucContext context, int elevel) {
  bool ok = true;
  for (int i = 0; i < guc_record_count; ++i) {
    config_generic* record = guc_records[i];
    if (record->reset_source != PGC_S_FILE || (record->status & GUC_IS_IN_FILE) != 0) continue;
    if (record->context < PGC_SIGHUP) {
      record->status |= GUC_PENDING_RESTART;
      ereport(elevel,
              (errcode(ERRCODE_CANT_CHANGE_RUNTIME_PARAM),
               errmsg("parameter \"%s\" cannot be changed without restarting the server", record->name)));
      ok = false;
      continue;
    }
    // The file's claim on the value ends everywhere, so that the default may take its place.
    record->reset_source = PGC_S_DEFAULT;
    if (record->source == PGC_S_FILE) record->source = PGC_S_DEFAULT;
    for (GucStack* entry = record->stack; entry != nullptr; entry = entry->prev)
      if (entry->source == PGC_S_FILE) entry->source = PGC_S_DEFAULT;
    if (set_config_option(record->name, nullptr, context, PGC_S_DEFAULT, GUC_ACTION_SET, true, 0, false) > 0) {
      guc_set_source_file(record, nullptr, 0);
      ereport(elevel,
              (errmsg("parameter \"%s\" removed from configuration file, reset to default", record->name)));
    }
  }
  return ok;
}

static const char* text_of(const char* name) {
  const char* text = GetConfigOption(name, true, false);
  return text != nullptr ? text : "";
}

// False: the value was refused, which has been reported.
static bool apply(ConfigVariable* item, GucContext context, int elevel) {
  // Only the postmaster tells about changes: every other process would say the same again.
  const bool tell = context == PGC_SIGHUP && !IsUnderPostmaster;
  char* before = tell ? pstrdup(text_of(item->name)) : nullptr;

  const int result =
      set_config_option(item->name, item->value, context, PGC_S_FILE, GUC_ACTION_SET, true, 0, false);
  if (result == 0) {
    item->errmsg = pstrdup("setting could not be applied");
    return false;
  }
  item->applied = true;
  if (result > 0 && tell && std::strcmp(before, text_of(item->name)) != 0)
    ereport(elevel, (errmsg("parameter \"%s\" changed to \"%s\"", item->name, item->value)));
  if (config_generic* record = guc_find(item->name, false, true, elevel))
    guc_set_source_file(record, item->filename, item->sourceline);
  return true;
}

// The server's time stamps count from 2000, the system's from 1970.
static constexpr int64 unix_to_server_epoch_us =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

extern "C" void ProcessConfigFile(GucContext context) {
  // A process that was never given a file has nothing to read again.
  if (ConfigFileName == nullptr) return;

  const int elevel = IsUnderPostmaster ? DEBUG2 : LOG;
  MemoryContext work =
      AllocSetContextCreate(CurrentMemoryContext, "config file processing", ALLOCSET_DEFAULT_SIZES);
  MemoryContext caller = MemoryContextSwitchTo(work);

  ConfigVariable* head = nullptr;
  ConfigVariable* tail = nullptr;
  const char* faulty_file = ConfigFileName;
  bool applying = false;
  bool ok = ParseConfigFile(ConfigFileName, true, nullptr, 0, 0, elevel, &head, &tail);
  if (ok) {
    ok = match_names(head, elevel);
    if (!ok) {
      for (const ConfigVariable* item = head; item != nullptr; item = item->next)
        if (item->errmsg != nullptr && item->filename != nullptr) faulty_file = item->filename;
    }
  }
  if (ok) {
    applying = true;
    ok = drop_removed(context, elevel);
    for (ConfigVariable* item = head; item != nullptr; item = item->next) {
      if (item->ignore || apply(item, context, elevel)) continue;
      ok = false;
      faulty_file = item->filename;
    }
    PgReloadTime = bgw::wall_clock_us() - unix_to_server_epoch_us;
  }

  if (!ok) {
    if (context == PGC_POSTMASTER)
      ereport(FATAL, (errcode(ERRCODE_CONFIG_FILE_ERROR),
                      errmsg("configuration file \"%s\" contains errors", faulty_file)));
    else if (applying)
      ereport(elevel, (errcode(ERRCODE_CONFIG_FILE_ERROR),
                       errmsg("configuration file \"%s\" contains errors; unaffected changes were applied",
                              faulty_file)));
    else
      ereport(elevel,
              (errcode(ERRCODE_CONFIG_FILE_ERROR),
               errmsg("configuration file \"%s\" contains errors; no changes were applied", faulty_file)));
  }

  MemoryContextSwitchTo(caller);
  MemoryContextDelete(work);
}

// --- start-up
// -----------------------------------------------------------------------------------------------------------

extern "C" bool SelectConfigFiles(const char* userDoption, const char* progname) {
  char* directory = make_absolute_path(userDoption);
  if (directory == nullptr) return false;
  canonicalize_path(directory);

  char* file = psprintf("%s/%s", directory, bgw::config_file_name);
  struct stat status;
  if (stat(file, &status) != 0) {
    const char* reason = strerror(errno);
    fprintf(stderr, "%s: could not access the server configuration file \"%s\": %s\n", progname, file, reason);
    pfree(file);
    return false;
  }
  SetConfigOption("data_directory", directory, PGC_POSTMASTER, PGC_S_OVERRIDE);
  SetConfigOption("config_file", file, PGC_POSTMASTER, PGC_S_OVERRIDE);
  pfree(file);
  if (DataDir == nullptr) DataDir = guc_strdup(directory);
  std::free(directory);

  ProcessConfigFile(PGC_POSTMASTER);
  return true;
}

bool bgw_load_configuration(const char* data_dir, const char* const* overrides, int n) {
  InitializeGUCOptions();
  for (int i = 0; i < n; ++i) {
    char* name;
    char* value;
    ParseLongOption(overrides[i], &name, &value);
    if (value == nullptr)
      ereport(FATAL, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("-c %s requires a value", overrides[i])));
    SetConfigOption(name, value, PGC_POSTMASTER, PGC_S_ARGV);
    pfree(name);
    pfree(value);
  }
  return SelectConfigFiles(data_dir, "bgworkerd");
}

void bgw_reload_configuration() {
  ProcessConfigFile(PGC_SIGHUP);
}
