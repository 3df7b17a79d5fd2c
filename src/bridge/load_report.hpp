// What the log says about a preloaded module: entry points that reach stubs, hooks that are never called.
#pragma once

// For the loader, in C style: both may raise. `path` is the module's file.

// WARNING for each entry point that reaches a function which the host does not have. To be called before the
// module's _PG_init, which may be stopped by one.
void report_reached_stubs(const char* path);

// The hook variables that the host never calls, as they are now.
void remember_idle_hooks();

// LOG naming those that have changed since: the module has installed them.
void report_idle_hooks(const char* path);
