// What a piece of work has cost the process, as texts for the log (utils/pg_rusage.h; ResetUsage() and
// ShowUsage() of tcop/tcopprot.h). C style.
#include <sys/resource.h>
#include <sys/time.h>

extern "C" {
#include "postgres.h"
#include "lib/stringinfo.h"
#include "tcop/tcopprot.h"
#include "utils/pg_rusage.h"
}

namespace {

PGRUsage shown_since;

struct timeval between(struct timeval from, struct timeval to) {
  struct timeval time;
  timersub(&to, &from, &time);
  return time;
}

int hundredths(struct timeval time) {
  return static_cast<int>(time.tv_usec / 10000);
}

void append_seconds(StringInfo text, struct timeval time, const char* what) {
  appendStringInfo(text, "%ld.%06ld s %s", static_cast<long>(time.tv_sec), static_cast<long>(time.tv_usec),
                   what);
}

}  // namespace

extern "C" {

void pg_rusage_init(PGRUsage* ru0) {
  getrusage(RUSAGE_SELF, &ru0->ru);
  gettimeofday(&ru0->tv, nullptr);
}

// In static memory, until the next call.
const char* pg_rusage_show(const PGRUsage* ru0) {
  static char text[100];
  PGRUsage now;
  pg_rusage_init(&now);
  struct timeval user = between(ru0->ru.ru_utime, now.ru.ru_utime);
  struct timeval system = between(ru0->ru.ru_stime, now.ru.ru_stime);
  struct timeval elapsed = between(ru0->tv, now.tv);
  snprintf(text, sizeof(text), "CPU: user: %d.%02d s, system: %d.%02d s, elapsed: %d.%02d s",
           static_cast<int>(user.tv_sec), hundredths(user), static_cast<int>(system.tv_sec), hundredths(system),
           static_cast<int>(elapsed.tv_sec), hundredths(elapsed));
  return text;
}

void ResetUsage(void) {
  pg_rusage_init(&shown_since);
}

void ShowUsage(const char* title) {
  PGRUsage now;
  pg_rusage_init(&now);
  const struct rusage &a = shown_since.ru, &b = now.ru;
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "! system usage stats:\n!\t");
  append_seconds(&text, between(a.ru_utime, b.ru_utime), "user, ");
  append_seconds(&text, between(a.ru_stime, b.ru_stime), "system, ");
  append_seconds(&text, between(shown_since.tv, now.tv), "elapsed\n!\t[");
  append_seconds(&text, b.ru_utime, "user, ");
  append_seconds(&text, b.ru_stime, "system total]\n");
  appendStringInfo(&text, "!\t%ld kB max resident size\n", b.ru_maxrss);
  appendStringInfo(&text, "!\t%ld/%ld [%ld/%ld] filesystem blocks in/out\n", b.ru_inblock - a.ru_inblock,
                   b.ru_oublock - a.ru_oublock, b.ru_inblock, b.ru_oublock);
  appendStringInfo(&text, "!\t%ld/%ld [%ld/%ld] page faults/reclaims, %ld [%ld] swaps\n",
                   b.ru_majflt - a.ru_majflt, b.ru_minflt - a.ru_minflt, b.ru_majflt, b.ru_minflt,
                   b.ru_nswap - a.ru_nswap, b.ru_nswap);
  appendStringInfo(&text, "!\t%ld [%ld] signals rcvd, %ld/%ld [%ld/%ld] messages rcvd/sent\n",
                   b.ru_nsignals - a.ru_nsignals, b.ru_nsignals, b.ru_msgrcv - a.ru_msgrcv,
                   b.ru_msgsnd - a.ru_msgsnd, b.ru_msgrcv, b.ru_msgsnd);
  appendStringInfo(&text, "!\t%ld/%ld [%ld/%ld] voluntary/involuntary context switches",
                   b.ru_nvcsw - a.ru_nvcsw, b.ru_nivcsw - a.ru_nivcsw, b.ru_nvcsw, b.ru_nivcsw);
  ereport(LOG, (errmsg_internal("%s", title), errdetail_internal("%s", text.data)));
  pfree(text.data);
}

}  // extern "C"
