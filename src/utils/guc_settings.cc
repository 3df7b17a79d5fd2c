// The host's settings: every parameter that is known without any module.
//
// Two kinds. Those that the host acts on have a line in the sample configuration file. Those marked "local"
// exist so that modules asking for a parameter of the server get an answer, and so that what sessions need can
// be set here: they have the server's names, types and defaults, are not in the sample (GUC_NOT_IN_SAMPLE), and
// do not change how the upstream works. docs/configuration.md has every one of either kind; a test says so.
#include <climits>
#include <cstring>

#include "bridge/critical.hpp"
#include "core/conninfo.hpp"
#include "core/libpq_library.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/variable.h"
#include "common/string.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/bytea.h"
#include "utils/elog.h"
#include "utils/float.h"
#include "utils/ps_status.h"
#include "utils/rls.h"
#include "utils/varlena.h"
}

char* upstream_conninfo = nullptr;
char* embedded_bindir = nullptr;
char* host_user = nullptr;
char* wake_channels = nullptr;
int prepare_threshold = 2;
bool statement_savepoints = true;
int upstream_timeout = 30000;

// Settings of which only the value counts.
static char* data_directory = nullptr;
static char* server_version_string = nullptr;
static int server_version_num = PG_VERSION_NUM;
static char* server_encoding_string = nullptr;
static char* client_encoding_string = nullptr;
char* role_string = nullptr;
static char* timezone_string = nullptr;
static char* log_timezone_string = nullptr;
static char* datestyle_string = nullptr;
static char* lc_collate_string = nullptr;
static char* lc_ctype_string = nullptr;
static int block_size = BLCKSZ;
static int wal_block_size = XLOG_BLCKSZ;
static int max_identifier_length = NAMEDATALEN - 1;
static int max_function_args = FUNC_MAX_ARGS;
static int max_index_keys = INDEX_MAX_KEYS;
static bool integer_datetimes = true;
static bool debug_assertions = false;

static constexpr int known = GUC_NOT_IN_SAMPLE;
static constexpr int preset = GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE;
static constexpr int largest_slot_count = 0x3FFFF;

// --- hooks ------------------------------------------------------------------------------------------------

static const config_enum_entry server_levels[] = {
    {"debug5", DEBUG5, false}, {"debug4", DEBUG4, false}, {"debug3", DEBUG3, false},
    {"debug2", DEBUG2, false}, {"debug1", DEBUG1, false}, {"debug", DEBUG2, true},
    {"info", INFO, false},     {"notice", NOTICE, false}, {"warning", WARNING, false},
    {"error", ERROR, false},   {"log", LOG, false},       {"fatal", FATAL, false},
    {"panic", PANIC, false},   {nullptr, 0, false}};

static const config_enum_entry client_levels[] = {
    {"debug5", DEBUG5, false},   {"debug4", DEBUG4, false}, {"debug3", DEBUG3, false},
    {"debug2", DEBUG2, false},   {"debug1", DEBUG1, false}, {"debug", DEBUG2, true},
    {"log", LOG, false},         {"info", INFO, true},      {"notice", NOTICE, false},
    {"warning", WARNING, false}, {"error", ERROR, false},   {nullptr, 0, false}};

// A connection string that libpq cannot read would only be found out by the monitor, which cannot give up.
static bool check_upstream(char** newval, void** extra, GucSource source) {
  // A child without libpq has no session and reads the setting only because the whole file is read again: what
  // the postmaster thinks of the same file counts.
  if (IsUnderPostmaster && !bgw::libpq_is_loaded()) return true;
  char problem[256];
  bgw::enter_critical();
  bool valid = bgw::conninfo_is_valid(*newval, problem, sizeof problem);
  bgw::leave_critical();
  if (!valid) GUC_check_errdetail("%s", problem);
  return valid;
}

static const config_enum_entry verbosities[] = {{"terse", PGERROR_TERSE, false},
                                                {"default", PGERROR_DEFAULT, false},
                                                {"verbose", PGERROR_VERBOSE, false},
                                                {nullptr, 0, false}};

static const config_enum_entry isolation_levels[] = {{"serializable", XACT_SERIALIZABLE, false},
                                                     {"repeatable read", XACT_REPEATABLE_READ, false},
                                                     {"read committed", XACT_READ_COMMITTED, false},
                                                     {"read uncommitted", XACT_READ_UNCOMMITTED, false},
                                                     {nullptr, 0, false}};

static const config_enum_entry commit_levels[] = {{"local", SYNCHRONOUS_COMMIT_LOCAL_FLUSH, false},
                                                  {"remote_write", SYNCHRONOUS_COMMIT_REMOTE_WRITE, false},
                                                  {"remote_apply", SYNCHRONOUS_COMMIT_REMOTE_APPLY, false},
                                                  {"on", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, false},
                                                  {"off", SYNCHRONOUS_COMMIT_OFF, false},
                                                  {"true", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, true},
                                                  {"false", SYNCHRONOUS_COMMIT_OFF, true},
                                                  {"yes", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, true},
                                                  {"no", SYNCHRONOUS_COMMIT_OFF, true},
                                                  {"1", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, true},
                                                  {"0", SYNCHRONOUS_COMMIT_OFF, true},
                                                  {nullptr, 0, false}};

static const config_enum_entry bytea_formats[] = {
    {"escape", BYTEA_OUTPUT_ESCAPE, false}, {"hex", BYTEA_OUTPUT_HEX, false}, {nullptr, 0, false}};

static const config_enum_entry interval_styles[] = {{"postgres", INTSTYLE_POSTGRES, false},
                                                    {"postgres_verbose", INTSTYLE_POSTGRES_VERBOSE, false},
                                                    {"sql_standard", INTSTYLE_SQL_STANDARD, false},
                                                    {"iso_8601", INTSTYLE_ISO_8601, false},
                                                    {nullptr, 0, false}};

// A list of places; the host writes to stderr, as plain text, as JSON, or both.
static bool check_log_destination(char** newval, void** extra, GucSource source) {
  int places = 0;
  // The default must come up before anything else does, and needs no splitting.
  if (strcmp(*newval, "stderr") == 0) {
    places = LOG_DESTINATION_STDERR;
  } else {
    char* text = pstrdup(*newval);
    List* words = NIL;
    if (!SplitIdentifierString(text, ',', &words)) {
      GUC_check_errdetail("List syntax is invalid.");
      return false;
    }
    ListCell* cell;
    foreach (cell, words) {
      const char* word = static_cast<const char*>(lfirst(cell));
      if (pg_strcasecmp(word, "stderr") == 0) {
        places |= LOG_DESTINATION_STDERR;
      } else if (pg_strcasecmp(word, "jsonlog") == 0) {
        places |= LOG_DESTINATION_JSONLOG;
      } else {
        if (pg_strcasecmp(word, "csvlog") == 0 || pg_strcasecmp(word, "syslog") == 0) {
          GUC_check_errdetail("A host has no destination \"%s\".", word);
          GUC_check_errhint("Available destinations: stderr, jsonlog. Both go to standard error.");
        } else {
          GUC_check_errdetail("Unrecognized key word: \"%s\".", word);
          GUC_check_errhint("Available destinations: stderr, jsonlog.");
        }
        return false;
      }
    }
    list_free(words);
    pfree(text);
  }
  *extra = guc_allocate(sizeof(int));
  *static_cast<int*>(*extra) = places;
  return true;
}

static void assign_log_destination(const char* newval, void* extra) {
  Log_destination = *static_cast<int*>(extra);
}

static bool check_identifier_list(char** newval, void** extra, GucSource source) {
  if (**newval == '\0') return true;
  char* text = pstrdup(*newval);
  List* names = NIL;
  const bool good = SplitIdentifierString(text, ',', &names);
  list_free(names);
  pfree(text);
  if (!good) GUC_check_errdetail("List syntax is invalid.");
  return good;
}

// Names that show up in process titles and on the upstream are kept to printable ASCII.
static bool make_printable(char** newval, void** extra, GucSource source) {
  pg_clean_ascii(*newval);
  return true;
}

static void assign_application_name(const char* newval, void* extra) {
  pgstat_report_appname(newval);
}

// --- the table
// ------------------------------------------------------------------------------------------------

config_bool bgw_bool_settings[] = {
    {.gen = {.name = "restart_after_crash",
             .context = PGC_SIGHUP,
             .group = ERROR_HANDLING_OPTIONS,
             .short_desc = "Reinitialize the host after a worker crashes."},
     .variable = &restart_after_crash,
     .boot_val = true},
    {.gen = {.name = "bgworkerd.statement_savepoints",
             .context = PGC_USERSET,
             .group = CUSTOM_OPTIONS,
             .short_desc = "Let a caught error leave the transaction usable, by a savepoint before each statement."},
     .variable = &statement_savepoints,
     .boot_val = true},
    {.gen = {.name = "remove_temp_files_after_crash",
             .context = PGC_SIGHUP,
             .group = DEVELOPER_OPTIONS,
             .short_desc = "Remove workers' temporary files after a worker crashes."},
     .variable = &remove_temp_files_after_crash,
     .boot_val = true},
    {.gen = {.name = "exit_on_error",
             .context = PGC_USERSET,
             .group = ERROR_HANDLING_OPTIONS,
             .short_desc = "End the worker on any error."},
     .variable = &ExitOnAnyError,
     .boot_val = false},
    {.gen = {.name = "update_process_title",
             .context = PGC_SUSET,
             .group = PROCESS_TITLE,
             .short_desc = "Let the process title show what a worker does."},
     .variable = &update_process_title,
     .boot_val = true},
    {.gen = {.name = "track_activities",
             .context = PGC_SUSET,
             .group = STATS_CUMULATIVE,
             .short_desc = "Collect what each worker is running, and since when."},
     .variable = &pgstat_track_activities,
     .boot_val = true},
    // local
    {.gen = {.name = "default_transaction_read_only",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Default read-only status of new transactions.",
             .flags = known},
     .variable = &DefaultXactReadOnly,
     .boot_val = false},
    {.gen = {.name = "default_transaction_deferrable",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Default deferrable status of new transactions.",
             .flags = known},
     .variable = &DefaultXactDeferrable,
     .boot_val = false},
    {.gen = {.name = "row_security",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Apply row security policies.",
             .flags = known},
     .variable = &row_security,
     .boot_val = true},
    {.gen = {.name = "check_function_bodies",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Check routine bodies when routines are created.",
             .flags = known},
     .variable = &check_function_bodies,
     .boot_val = true},
    {.gen = {.name = "standard_conforming_strings",
             .context = PGC_USERSET,
             .group = COMPAT_OPTIONS_PREVIOUS,
             .short_desc = "Take backslashes in plain string literals literally.",
             .flags = known},
     .variable = &standard_conforming_strings,
     .boot_val = true},
    {.gen = {.name = "integer_datetimes",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Dates and times are integers.",
             .flags = preset},
     .variable = &integer_datetimes,
     .boot_val = true},
    {.gen = {.name = "debug_assertions",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "The headers that the host was built with have assertions on.",
             .flags = preset},
     .variable = &debug_assertions,
     .boot_val = false},
    {},
};

config_int bgw_int_settings[] = {
    {.gen = {.name = "max_worker_processes",
             .context = PGC_POSTMASTER,
             .group = RESOURCES_ASYNCHRONOUS,
             .short_desc = "Maximum number of workers registered at one time."},
     .variable = &max_worker_processes,
     .boot_val = 8,
     .min = 0,
     .max = largest_slot_count},
    {.gen = {.name = "spare_worker_processes",
             .context = PGC_SIGHUP,
             .group = RESOURCES_ASYNCHRONOUS,
             .short_desc = "Processes kept ready so that a worker starts without a fork; 0 makes none."},
     .variable = &spare_worker_processes,
     .boot_val = 4,
     .min = 0,
     .max = 64},
    {.gen = {.name = "max_parallel_workers",
             .context = PGC_USERSET,
             .group = RESOURCES_ASYNCHRONOUS,
             .short_desc = "Maximum number of workers of the parallel class running at one time."},
     .variable = &max_parallel_workers,
     .boot_val = 8,
     .min = 0,
     .max = 1024},
    {.gen = {.name = "bgworkerd.prepare_threshold",
             .context = PGC_SIGHUP,
             .group = CUSTOM_OPTIONS,
             .short_desc = "How often a statement is run before it is prepared on the upstream."},
     .variable = &prepare_threshold,
     .boot_val = 2,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "bgworkerd.upstream_timeout",
             .context = PGC_SIGHUP,
             .group = CUSTOM_OPTIONS,
             .short_desc = "How long a connected upstream may be silent before it counts as gone.",
             .flags = GUC_UNIT_MS},
     .variable = &upstream_timeout,
     .boot_val = 30000,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "track_activity_query_size",
             .context = PGC_POSTMASTER,
             .group = STATS_CUMULATIVE,
             .short_desc = "Memory kept for the text of each worker's current activity.",
             .flags = GUC_UNIT_BYTE},
     .variable = &pgstat_track_activity_query_size,
     .boot_val = 1024,
     .min = 100,
     .max = 1048576},
    {.gen = {.name = "max_files_per_process",
             .context = PGC_POSTMASTER,
             .group = RESOURCES_KERNEL,
             .short_desc = "Kernel descriptors that a worker may have; files beyond are closed and opened again."},
     .variable = &max_files_per_process,
     .boot_val = 1000,
     .min = 64,
     .max = INT_MAX},
    {.gen = {.name = "temp_file_limit",
             .context = PGC_SUSET,
             .group = RESOURCES_DISK,
             .short_desc = "Size of all temporary files of a worker; -1 sets no limit.",
             .flags = GUC_UNIT_KB},
     .variable = &temp_file_limit,
     .boot_val = -1,
     .min = -1,
     .max = INT_MAX},
    {.gen = {.name = "log_temp_files",
             .context = PGC_SUSET,
             .group = LOGGING_WHAT,
             .short_desc = "Log temporary files of this size and more when they are removed; -1 logs none.",
             .flags = GUC_UNIT_KB},
     .variable = &log_temp_files,
     .boot_val = -1,
     .min = -1,
     .max = INT_MAX},
    {.gen = {.name = "max_stack_depth",
             .context = PGC_SUSET,
             .group = RESOURCES_MEM,
             .short_desc = "Maximum stack depth of a process.",
             .flags = GUC_UNIT_KB},
     .variable = &max_stack_depth,
     .boot_val = 100,
     .min = 100,
     .max = MAX_KILOBYTES,
     .check_hook = check_max_stack_depth,
     .assign_hook = assign_max_stack_depth},
    // local
    {.gen = {.name = "max_connections",
             .context = PGC_POSTMASTER,
             .group = CONN_AUTH_SETTINGS,
             .short_desc = "Maximum number of sessions; the host has none of its own.",
             .flags = known},
     .variable = &MaxConnections,
     .boot_val = 100,
     .min = 1,
     .max = largest_slot_count},
    {.gen = {.name = "work_mem",
             .context = PGC_USERSET,
             .group = RESOURCES_MEM,
             .short_desc = "Memory for one sort or hash of a query.",
             .flags = GUC_UNIT_KB | known},
     .variable = &work_mem,
     .boot_val = 4096,
     .min = 64,
     .max = MAX_KILOBYTES},
    {.gen = {.name = "maintenance_work_mem",
             .context = PGC_USERSET,
             .group = RESOURCES_MEM,
             .short_desc = "Memory for one maintenance operation.",
             .flags = GUC_UNIT_KB | known},
     .variable = &maintenance_work_mem,
     .boot_val = 65536,
     .min = 1024,
     .max = MAX_KILOBYTES},
    {.gen = {.name = "statement_timeout",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Longest time a statement may take.",
             .flags = GUC_UNIT_MS | known},
     .variable = &StatementTimeout,
     .boot_val = 0,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "lock_timeout",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Longest time to wait for a lock.",
             .flags = GUC_UNIT_MS | known},
     .variable = &LockTimeout,
     .boot_val = 0,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "idle_in_transaction_session_timeout",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Longest time a session may idle inside a transaction.",
             .flags = GUC_UNIT_MS | known},
     .variable = &IdleInTransactionSessionTimeout,
     .boot_val = 0,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "idle_session_timeout",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Longest time a session may idle outside a transaction.",
             .flags = GUC_UNIT_MS | known},
     .variable = &IdleSessionTimeout,
     .boot_val = 0,
     .min = 0,
     .max = INT_MAX},
    {.gen = {.name = "deadlock_timeout",
             .context = PGC_SUSET,
             .group = LOCK_MANAGEMENT,
             .short_desc = "Time to wait for a lock before looking for a deadlock.",
             .flags = GUC_UNIT_MS | known},
     .variable = &DeadlockTimeout,
     .boot_val = 1000,
     .min = 1,
     .max = INT_MAX},
    {.gen = {.name = "extra_float_digits",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_LOCALE,
             .short_desc = "Digits shown of floating-point numbers.",
             .flags = known},
     .variable = &extra_float_digits,
     .boot_val = 1,
     .min = -15,
     .max = 3},
    {.gen = {.name = "server_version_num",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Version of the server whose modules the host runs, as a number.",
             .flags = preset},
     .variable = &server_version_num,
     .boot_val = PG_VERSION_NUM,
     .min = PG_VERSION_NUM,
     .max = PG_VERSION_NUM},
    {.gen = {.name = "block_size",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Size of a disk block.",
             .flags = preset},
     .variable = &block_size,
     .boot_val = BLCKSZ,
     .min = BLCKSZ,
     .max = BLCKSZ},
    {.gen = {.name = "wal_block_size",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Size of a block of the write-ahead log.",
             .flags = preset},
     .variable = &wal_block_size,
     .boot_val = XLOG_BLCKSZ,
     .min = XLOG_BLCKSZ,
     .max = XLOG_BLCKSZ},
    {.gen = {.name = "max_identifier_length",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Longest identifier.",
             .flags = preset},
     .variable = &max_identifier_length,
     .boot_val = NAMEDATALEN - 1,
     .min = NAMEDATALEN - 1,
     .max = NAMEDATALEN - 1},
    {.gen = {.name = "max_function_args",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Largest number of arguments of a function.",
             .flags = preset},
     .variable = &max_function_args,
     .boot_val = FUNC_MAX_ARGS,
     .min = FUNC_MAX_ARGS,
     .max = FUNC_MAX_ARGS},
    {.gen = {.name = "max_index_keys",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Largest number of columns of an index.",
             .flags = preset},
     .variable = &max_index_keys,
     .boot_val = INDEX_MAX_KEYS,
     .min = INDEX_MAX_KEYS,
     .max = INDEX_MAX_KEYS},
    {},
};

config_real bgw_real_settings[] = {
    // local
    {.gen = {.name = "hash_mem_multiplier",
             .context = PGC_USERSET,
             .group = RESOURCES_MEM,
             .short_desc = "Multiple of work_mem for hash tables.",
             .flags = known},
     .variable = &hash_mem_multiplier,
     .boot_val = 2.0,
     .min = 1.0,
     .max = 1000.0},
    {},
};

config_string bgw_string_settings[] = {
    {.gen = {.name = "shared_preload_libraries",
             .context = PGC_POSTMASTER,
             .group = CLIENT_CONN_PRELOAD,
             .short_desc = "Modules to load when the host starts.",
             .flags = GUC_LIST_INPUT | GUC_LIST_QUOTE | GUC_SUPERUSER_ONLY},
     .variable = &shared_preload_libraries_string,
     .boot_val = ""},
    {.gen = {.name = "dynamic_library_path",
             .context = PGC_SUSET,
             .group = CLIENT_CONN_OTHER,
             .short_desc = "Where modules named without a folder are looked for.",
             .flags = GUC_SUPERUSER_ONLY},
     .variable = &Dynamic_library_path,
     .boot_val = "$libdir"},
    {.gen = {.name = "upstream",
             .context = PGC_SIGHUP,
             .group = CONN_AUTH_SETTINGS,
             .short_desc = "Connection string or URI of the server that workers' sessions go to.",
             .flags = GUC_SUPERUSER_ONLY},
     .variable = &upstream_conninfo,
     .boot_val = "",
     .check_hook = check_upstream},
    {.gen = {.name = "embedded_bindir",
             .context = PGC_POSTMASTER,
             .group = FILE_LOCATIONS,
             .short_desc = "Folder with the programs of the embedded upstream."},
     .variable = &embedded_bindir,
     .boot_val = BGW_PG_BINDIR},
    {.gen = {.name = "user",
             .context = PGC_POSTMASTER,
             .group = CONN_AUTH_AUTH,
             .short_desc = "Who the host runs as when it is started as root."},
     .variable = &host_user,
     .boot_val = "postgres"},
    {.gen = {.name = "bgworkerd.wake_channels",
             .context = PGC_SIGHUP,
             .group = CUSTOM_OPTIONS,
             .short_desc = "Notification channels that every worker's session listens on.",
             .flags = GUC_LIST_INPUT},
     .variable = &wake_channels,
     .boot_val = "",
     .check_hook = check_identifier_list},
    {.gen = {.name = "log_line_prefix",
             .context = PGC_SIGHUP,
             .group = LOGGING_WHAT,
             .short_desc = "What each line of the log starts with."},
     .variable = &Log_line_prefix,
     .boot_val = "%m [%p] "},
    {.gen = {.name = "log_destination",
             .context = PGC_SIGHUP,
             .group = LOGGING_WHERE,
             .short_desc = "The form of the log on standard error.",
             .flags = GUC_LIST_INPUT},
     .variable = &Log_destination_string,
     .boot_val = "stderr",
     .check_hook = check_log_destination,
     .assign_hook = assign_log_destination},
    {.gen = {.name = "log_timezone",
             .context = PGC_SIGHUP,
             .group = LOGGING_WHAT,
             .short_desc = "Time zone of the log's time stamps."},
     .variable = &log_timezone_string,
     .boot_val = "GMT",
     .check_hook = check_log_timezone,
     .assign_hook = assign_log_timezone,
     .show_hook = show_log_timezone},
    {.gen = {.name = "cluster_name",
             .context = PGC_POSTMASTER,
             .group = PROCESS_TITLE,
             .short_desc = "Name of this host, shown in process titles.",
             .flags = GUC_IS_NAME},
     .variable = &cluster_name,
     .boot_val = "",
     .check_hook = make_printable},
    // local
    {.gen = {.name = "application_name",
             .context = PGC_USERSET,
             .group = LOGGING_WHAT,
             .short_desc = "Application name of the session.",
             .flags = GUC_IS_NAME | GUC_REPORT | known},
     .variable = &application_name,
     .boot_val = "",
     .check_hook = make_printable,
     .assign_hook = assign_application_name},
    {.gen = {.name = "role",
             .context = PGC_USERSET,
             .group = UNGROUPED,
             .short_desc = "Role that statements run as.",
             .flags = GUC_IS_NAME | GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE |
                      GUC_DISALLOW_IN_FILE | known},
     .variable = &role_string,
     .boot_val = "none",
     .check_hook = check_role,
     .assign_hook = assign_role,
     .show_hook = show_role},
    {.gen = {.name = "search_path",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Schemas in which names without a schema are looked for.",
             .flags = GUC_LIST_INPUT | GUC_LIST_QUOTE | GUC_EXPLAIN | known},
     .variable = &namespace_search_path,
     .boot_val = "\"$user\", public"},
    {.gen = {.name = "TimeZone",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_LOCALE,
             .short_desc = "Time zone in which time stamps are shown and read.",
             .flags = GUC_REPORT | known},
     .variable = &timezone_string,
     .boot_val = "GMT",
     .check_hook = check_timezone,
     .assign_hook = assign_timezone,
     .show_hook = show_timezone},
    {.gen = {.name = "DateStyle",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_LOCALE,
             .short_desc = "Format of dates and times.",
             .flags = GUC_LIST_INPUT | GUC_REPORT | known},
     .variable = &datestyle_string,
     .boot_val = "ISO, MDY",
     .check_hook = check_datestyle,
     .assign_hook = assign_datestyle},
    {.gen = {.name = "client_encoding",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_LOCALE,
             .short_desc = "Character encoding of the session.",
             .flags = GUC_IS_NAME | GUC_REPORT | known},
     .variable = &client_encoding_string,
     .boot_val = "UTF8"},
    {.gen = {.name = "server_encoding",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Character encoding in which modules see text.",
             .flags = GUC_IS_NAME | GUC_REPORT | preset},
     .variable = &server_encoding_string,
     .boot_val = "UTF8"},
    {.gen = {.name = "lc_collate",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Collation order of the host's own comparisons.",
             .flags = GUC_REPORT | preset},
     .variable = &lc_collate_string,
     .boot_val = "C"},
    {.gen = {.name = "lc_ctype",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Character classes of the host's own functions.",
             .flags = GUC_REPORT | preset},
     .variable = &lc_ctype_string,
     .boot_val = "C"},
    {.gen = {.name = "server_version",
             .context = PGC_INTERNAL,
             .group = PRESET_OPTIONS,
             .short_desc = "Version of the server whose modules the host runs.",
             .flags = GUC_REPORT | preset},
     .variable = &server_version_string,
     .boot_val = PG_VERSION},
    {.gen = {.name = "data_directory",
             .context = PGC_POSTMASTER,
             .group = FILE_LOCATIONS,
             .short_desc = "The host's data directory, as given to -D.",
             .flags = GUC_SUPERUSER_ONLY | preset},
     .variable = &data_directory,
     .boot_val = nullptr},
    {.gen = {.name = "config_file",
             .context = PGC_POSTMASTER,
             .group = FILE_LOCATIONS,
             .short_desc = "The host's configuration file.",
             .flags = GUC_SUPERUSER_ONLY | preset},
     .variable = &ConfigFileName,
     .boot_val = nullptr},
    {},
};

config_enum bgw_enum_settings[] = {
    {.gen = {.name = "log_min_messages",
             .context = PGC_SUSET,
             .group = LOGGING_WHEN,
             .short_desc = "Least severe level that is logged."},
     .variable = &log_min_messages,
     .boot_val = WARNING,
     .options = server_levels},
    {.gen = {.name = "log_min_error_statement",
             .context = PGC_SUSET,
             .group = LOGGING_WHEN,
             .short_desc = "Least severe level at which the statement is logged with the message."},
     .variable = &log_min_error_statement,
     .boot_val = ERROR,
     .options = server_levels},
    {.gen = {.name = "log_error_verbosity",
             .context = PGC_SUSET,
             .group = LOGGING_WHAT,
             .short_desc = "How much of a message is logged."},
     .variable = &Log_error_verbosity,
     .boot_val = PGERROR_DEFAULT,
     .options = verbosities},
    // local
    {.gen = {.name = "client_min_messages",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Least severe level that is sent to a client.",
             .flags = known},
     .variable = &client_min_messages,
     .boot_val = NOTICE,
     .options = client_levels},
    {.gen = {.name = "default_transaction_isolation",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Isolation level of new transactions.",
             .flags = known},
     .variable = &DefaultXactIsoLevel,
     .boot_val = XACT_READ_COMMITTED,
     .options = isolation_levels},
    {.gen = {.name = "synchronous_commit",
             .context = PGC_USERSET,
             .group = WAL_SETTINGS,
             .short_desc = "How safe a commit is when it is confirmed.",
             .flags = known},
     .variable = &synchronous_commit,
     .boot_val = SYNCHRONOUS_COMMIT_ON,
     .options = commit_levels},
    {.gen = {.name = "bytea_output",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_STATEMENT,
             .short_desc = "Format in which bytea values are shown.",
             .flags = known},
     .variable = &bytea_output,
     .boot_val = BYTEA_OUTPUT_HEX,
     .options = bytea_formats},
    {.gen = {.name = "IntervalStyle",
             .context = PGC_USERSET,
             .group = CLIENT_CONN_LOCALE,
             .short_desc = "Format in which intervals are shown.",
             .flags = GUC_REPORT | known},
     .variable = &IntervalStyle,
     .boot_val = INTSTYLE_POSTGRES,
     .options = interval_styles},
    {},
};
