// The guard against running out of stack: declared in miscadmin.h and tcop/tcopprot.h. The base is set once per
// process; code that recurses asks check_stack_depth().
#include <sys/resource.h>

#include <climits>

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
}

namespace {

char* stack_base = nullptr;

}  // namespace

extern "C" {

int max_stack_depth = 2048;  // kB: the server's choice where the kernel's limit allows it

pg_stack_base_t set_stack_base(void) {
  pg_stack_base_t before = stack_base;
  stack_base = static_cast<char*>(__builtin_frame_address(0));
  return before;
}

void restore_stack_base(pg_stack_base_t base) {
  stack_base = base;
}

bool stack_is_too_deep(void) {
  if (!stack_base) return false;
  long depth = stack_base - static_cast<char*>(__builtin_frame_address(0));
  if (depth < 0) depth = -depth;
  return depth > max_stack_depth * 1024L;
}

void check_stack_depth(void) {
  if (!stack_is_too_deep()) return;
  ereport(ERROR,
          (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("stack depth limit exceeded"),
           errhint("Increase the configuration parameter \"max_stack_depth\" (currently %dkB), after ensuring "
                   "the platform's stack depth limit is adequate.",
                   max_stack_depth)));
}

long get_stack_depth_rlimit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) < 0) return -1;
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > static_cast<rlim_t>(LONG_MAX)) return LONG_MAX;
  return static_cast<long>(limit.rlim_cur);
}

bool check_max_stack_depth(int* newval, void** extra, GucSource source) {
  long limit = get_stack_depth_rlimit();
  if (limit <= 0 || *newval * 1024L <= limit - STACK_DEPTH_SLOP) return true;
  GUC_check_errdetail("\"max_stack_depth\" must not exceed %ldkB.", (limit - STACK_DEPTH_SLOP) / 1024L);
  GUC_check_errhint("Increase the platform's stack depth limit via \"ulimit -s\" or local equivalent.");
  return false;
}

void assign_max_stack_depth(int newval, void* extra) {}  // the variable itself is what is looked at

}  // extern "C"
