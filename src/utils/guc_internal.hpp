// What the parts of the settings machinery (guc*.cc) share, and what the rest of the host calls.
//
// A setting is one of the server's own records (utils/guc_tables.h): modules may look at them. Each record has
// a current value, which is the C variable it belongs to, a value that RESET would give, and a stack of values
// to go back to. A value that lives outside a number is a malloc'd string; besides it there may be a malloc'd
// "extra" that the check hook made for the assign hook. The same string or extra may stand in several of these
// places at once; it is freed when the last one lets go (guc_release).
//
// Hooks are module code and may raise errors, so everything here is written in C style: no frame that calls
// them owns anything through a destructor. Single-threaded; not for signal handlers.
#pragma once

#include "core/units.hpp"

extern "C" {
#include "postgres.h"

#include "utils/guc.h"
#include "utils/guc_tables.h"
}

// --- start-up and reload: for the postmaster ------------------------------------------------------------

// Reads the configuration of the host whose data directory is `data_dir`: DATADIR/bgworkerd.conf, with
// `overrides` ("NAME=VALUE", as given to -c) taking precedence over it. Any fault in either is reported as the
// server reports it, ending in FATAL. False: there is no such file to read, which has been said on stderr in
// one line.
bool bgw_load_configuration(const char* data_dir, const char* const* overrides, int n);

// What the postmaster does with the files on SIGHUP: applies what has changed and may change, and says so in
// the log.
void bgw_reload_configuration();

// --- the host's own settings that the server has no variable for (guc_settings.cc) ------------------------

extern char* upstream_conninfo;     // upstream: libpq connection string or URI; empty: embedded
extern char* embedded_bindir;       // embedded_bindir: folder with initdb and postgres
extern int spare_worker_processes;  // spare_worker_processes: how many are kept ready
extern char* host_user;          // user: who the host runs as when started as root
extern int upstream_timeout;     // bgworkerd.upstream_timeout, ms: silence after which the upstream is gone; 0: never
extern int prepare_threshold;    // bgworkerd.prepare_threshold: the execution that is prepared; 0: never
extern bool statement_savepoints; // bgworkerd.statement_savepoints: a failed statement leaves its transaction usable
extern char* role_string;        // role: what SET ROLE has set
extern char* wake_channels;      // bgworkerd.wake_channels: comma-separated channel names

// The host's settings, ended by a record whose name is nullptr.
extern config_bool bgw_bool_settings[];
extern config_int bgw_int_settings[];
extern config_real bgw_real_settings[];
extern config_string bgw_string_settings[];
extern config_enum bgw_enum_settings[];

// --- the table of settings (guc_table.cc) -------------------------------------------------------------------

// Orders names as the table does: without ASCII case. Negative, zero or positive.
int guc_compare_names(const char* a, const char* b);

// The record called `name`, or nullptr. With `create_placeholders` an unknown name with a prefix makes one.
// When there is none, an error of level `elevel` is reported unless `silent`.
config_generic* guc_find(const char* name, bool create_placeholders, bool silent, int elevel);

// Whether `name` could be a module's parameter: two or more identifiers with dots between.
bool guc_is_custom_name(const char* name);

// The records, sorted by name.
extern config_generic** guc_records;
extern int guc_record_count;

// --- values (guc_value.cc) ----------------------------------------------------------------------------------

// A string of GUC's own, as hooks expect to be able to free(). ERROR 53200 when memory is out.
char* guc_strdup(const char* text);
void* guc_allocate(size_t size);
void guc_free(void* memory);

config_var_val guc_current(const config_generic* record);
config_var_val guc_boot_value(const config_generic* record);
config_var_val guc_reset_value(const config_generic* record);
void* guc_reset_extra(const config_generic* record);
bool guc_same(const config_generic* record, config_var_val a, config_var_val b);

// Makes `value` the current one, after the assign hook has been told; or the one to reset to. The place's
// former content is released.
void guc_assign(config_generic* record, config_var_value value);
void guc_set_reset(config_generic* record, config_var_value value);

// Frees the string and extra of `value` unless some place of the record still holds them.
void guc_release(config_generic* record, config_var_value value);

// Runs the check hook, which may change the value. False: refused, and reported at `elevel`; a string then is
// palloc'd, not to be released.
bool guc_check(config_generic* record, config_var_value* value, GucSource source, int elevel);

// Turns text into a checked value. False: it is not one, and that was reported at `elevel`. `name` is the setting's as the
// caller spells it.
bool guc_parse(config_generic* record, const char* name, const char* text, GucSource source, int elevel,
               config_var_value* value);

// The unit that a record's flags name.
bgw::BaseUnit guc_base_unit(int flags);

// The value as SHOW prints it, palloc'd; `use_units` false: the number as it is kept.
char* guc_show(config_generic* record, bool use_units);

// The value as it is kept, without unit and without asking the show hook; nullptr for a string that was never
// set. `buffer` is for what has to be written out.
const char* guc_plain_text(const config_generic* record, config_var_val value, char* buffer, size_t size);

// --- going back at the end of a transaction (guc_stack.cc)
// ----------------------------------------------------

// Remembers the current value before a change that the running transaction or function call may undo.
void guc_push(config_generic* record, GucAction action);

// Forgets the remembered values without going back.
void guc_drop_stack(config_generic* record);

// Where the current value of a setting comes from, when that is a file. `file` may be nullptr.
void guc_set_source_file(config_generic* record, const char* file, int line);
