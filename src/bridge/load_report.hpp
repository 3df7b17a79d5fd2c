// What the log says about a module when a host loads it first: entry points that reach stubs, hooks that are
// never called.
#pragma once

#include <sys/stat.h>

// For the loader, in C style: all may raise. `path` is the module's file.

// Makes room for what has been reported. For the postmaster, before it has children: programs that do not call
// this report nothing.
void share_load_reports();

// Whether this library is yet to be reported; true once in a host's life, for whoever asks first.
bool claim_load_report(const struct stat& file);

// What is remembered between the two halves of a report.
struct LoadReport;

// WARNING for each entry point that reaches a function which the host does not have. To be called before the
// module's _PG_init, which may be stopped by one. Remembers the hook variables that the host never calls, as
// they are now; nullptr when there is no memory for that. A report whose other half never comes is lost memory,
// and no more.
LoadReport* report_reached_stubs(const char* path);

// LOG naming the hooks that an entry point installs, as far as the module's code shows, and those that have
// changed since report_reached_stubs(). Ends the report.
void report_idle_hooks(LoadReport* report, const char* path);
