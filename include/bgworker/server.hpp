// The server's own headers, after the C++ standard ones and without the macros that break C++.
//
// A file that needs more of the server includes its header inside extern "C", after this one.
//
// Of the standard headers only what the SDK itself is made of is here, because reading them is most of what
// compiling a small worker costs. A worker that sorts, or has atomics or smart pointers, includes their
// headers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// Durations, clocks and their literals. The whole of <chrono> has calendars and streams too, and takes longer
// to read than everything else here together.
#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h>
#else
#include <chrono>
#endif

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wregister"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
extern "C" {
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "fmgr.h"
// libpq.h would pull in the headers of GSSAPI and OpenSSL for fields that the SDK does not touch.
#pragma push_macro("ENABLE_GSS")
#pragma push_macro("USE_OPENSSL")
#undef ENABLE_GSS
#undef USE_OPENSSL
#include "libpq/libpq.h"
#pragma pop_macro("USE_OPENSSL")
#pragma pop_macro("ENABLE_GSS")
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
}
#pragma GCC diagnostic pop

#if PG_VERSION_NUM < 150000
#error "the SDK needs the server headers of PostgreSQL 15 or newer"
#endif

// port.h and c.h replace these by macros; in C++ the names belong to the standard library and to the reader.
#undef printf
#undef fprintf
#undef sprintf
#undef snprintf
#undef vprintf
#undef vfprintf
#undef vsprintf
#undef vsnprintf
#undef strerror
#undef strerror_r
#undef gettext
#undef dgettext
#undef ngettext
#undef dngettext
#undef bind
#undef connect
#undef accept
#undef listen
#undef select
#undef send
#undef recv
#undef socket
#undef rename
#undef unlink
#undef open
#undef stat
#undef _
#undef Min
#undef Max
#undef Abs
#undef Trap
#undef Unused
#undef DAY
#undef HOUR
#undef MINUTE
#undef MONTH
#undef SECOND
#undef YEAR

// Modules are loaded with RTLD_GLOBAL: without this, two modules built with different versions of the SDK would
// share whichever copy of an inline function or variable came first.
#define BGWORKER_LOCAL __attribute__((visibility("hidden")))
