// The text of the sample configuration file. Kept as text, because a person reads it; a unit test compares
// names and defaults with the table of settings.
#include "core/sample_config.hpp"

#include "core/config_file.hpp"

namespace bgw {

namespace {

constexpr const char* before_bindir = R"conf(# Configuration of bgworkerd.
#
# This file has the form of postgresql.conf:
#
#   name = value
#
# The "=" is optional. Text with anything but letters, digits and -._:/ is quoted: 'it''s'. A comment starts
# with "#". The lines below that start with "#name" show the defaults; remove the "#" to change one. When a
# setting appears twice the last line counts. Modules' own parameters go here too: module.parameter = value.
#
# Units:  B  = bytes            us  = microseconds
#         kB = kilobytes        ms  = milliseconds
#         MB = megabytes        s   = seconds
#         GB = gigabytes        min = minutes
#         TB = terabytes        h   = hours
#                               d   = days
#
# Changes take effect when the host receives SIGHUP, unless a comment says "change requires restart". The command
# line, "-c name=value", takes precedence over this file. docs/configuration.md explains every setting.


# --- UPSTREAM: where the workers' sessions go -----------------------------------------------------------

#upstream = ''                          # connection string or URI, for example
                                        # 'host=db.example.org dbname=app user=worker' or
                                        # 'postgresql://worker@db.example.org/app';
                                        # '' = a private server inside the data directory
#embedded_bindir = )conf";

constexpr const char* after_bindir = R"conf(
                                        # folder with initdb and postgres, for the private server
                                        # (change requires restart); settings of that server go into
                                        # the file embedded.conf beside this one
#bgworkerd.prepare_threshold = 2        # the run of a statement at which it is prepared on the
                                        # upstream; 0 = never, for transaction poolers
#bgworkerd.statement_savepoints = on    # an error that a worker catches leaves its transaction usable
#bgworkerd.upstream_timeout = 30s       # how long a connected upstream may be silent before it counts
                                        # as gone; 0 = as long as the network lets it
#bgworkerd.wake_channels = ''           # NOTIFY channels that every worker's session listens on,
                                        # separated by commas; a notification sets its latch


# --- MODULES AND WORKERS --------------------------------------------------------------------------------

#shared_preload_libraries = ''          # modules to load at start, separated by commas
                                        # (change requires restart)
#dynamic_library_path = '$libdir'       # where modules are looked for, separated by colons;
                                        # $libdir = the server's folder for modules
#max_worker_processes = 8               # 0-262143 registered workers (change requires restart)
#spare_worker_processes = 4             # 0-64 processes kept ready, so that a start needs no fork; 0 = none
#max_parallel_workers = 8               # 0-1024 workers of the parallel class
#user = 'postgres'                      # who to become when started as root
                                        # (change requires restart)
#restart_after_crash = on               # start over after a worker crashes; off = stop instead
#remove_temp_files_after_crash = on     # and remove the workers' temporary files
#exit_on_error = off                    # let any error end the worker
#max_stack_depth = 2MB                  # 100kB or more; lower where "ulimit -s" is
#max_files_per_process = 1000           # 64 or more descriptors that a worker may have; its files
                                        # beyond are closed and opened again (change requires restart)
#temp_file_limit = -1                   # in kB, of all temporary files of a worker; -1 = no limit


# --- LOGGING --------------------------------------------------------------------------------------------

#log_destination = 'stderr'             # stderr, jsonlog, or both separated by a comma; both go to
                                        # standard error
#log_min_messages = warning             # debug5, debug4, debug3, debug2, debug1, info, notice,
                                        # warning, error, log, fatal, panic
#log_min_error_statement = error        # the same; the statement is logged too from here on
#log_error_verbosity = default          # terse, default, or verbose
#log_line_prefix = '%m [%p] '           # %m = time with milliseconds, %t = time, %n = time as
                                        # seconds since 1970, %p = process, %b = kind of process,
                                        # %a = application name, %u = user, %d = database,
                                        # %e = SQLSTATE, %c = session, %l = line number in the
                                        # session, %s = session start, %q = end here outside
                                        # sessions, %% = %
#log_temp_files = -1                    # in kB: log temporary files of this size and more when they
                                        # are removed; 0 = all, -1 = none
#log_timezone = 'GMT'


# --- WHAT IS SHOWN ABOUT WORKERS ------------------------------------------------------------------------

#cluster_name = ''                      # part of process titles (change requires restart)
#update_process_title = on
#track_activities = on                  # what each worker runs, and since when
#track_activity_query_size = 1kB        # 100B-1MB kept of it (change requires restart)


# --- OTHER FILES ----------------------------------------------------------------------------------------

#include_dir = 'conf.d'                 # files of this folder whose names end in .conf
#include_if_exists = 'local.conf'       # a file that need not be there
#include = 'special.conf'               # a file that must be there


# --- MODULES' OWN PARAMETERS ----------------------------------------------------------------------------

)conf";

}  // namespace

std::string sample_config(std::string_view log_timezone) {
  std::string text = before_bindir + quote_config_value(BGW_PG_BINDIR) + after_bindir;
  if (!log_timezone.empty()) {
    constexpr std::string_view commented = "#log_timezone = 'GMT'";
    text.replace(text.find(commented), commented.size(),
                 "log_timezone = " + quote_config_value(std::string(log_timezone)));
  }
  return text;
}

}  // namespace bgw
