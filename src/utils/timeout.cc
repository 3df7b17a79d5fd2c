// Many time-outs over the one interval timer of a process (SIGALRM).
//
// Active time-outs are kept sorted by the time they fall due. The timer is set for the first of them; a signal
// that comes early, because the earlier one was given up meanwhile, is answered by setting the timer again.
// Ordinary code changes the list only with `alarm_enabled` off; the handler does nothing then, and the timer is
// set anew afterwards. Handlers of time-outs run inside the signal handler, with interrupts held off.
#include "port/clock.hpp"
#include "port/start_data.hpp"

#include <sys/time.h>

#include <atomic>
#include <csignal>

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timeout.h"
}

namespace {

struct Timeout {
  timeout_handler_proc handler;  // null: not registered
  volatile bool active;
  volatile bool indicator;  // has fired since it was enabled
  TimestampTz start_time;
  TimestampTz finish_time;
  int interval_ms;  // 0, or the time after which it comes again
};

Timeout timeouts[MAX_TIMEOUTS];
BGW_START_DATA bool initialized = false;

BGW_START_DATA volatile int active_count = 0;
volatile TimeoutId active[MAX_TIMEOUTS];  // by finish time, equal ones by id

BGW_START_DATA volatile sig_atomic_t alarm_enabled = false;

TimestampTz now() {
  return bgw::wall_clock_us() - static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

TimestampTz after_ms(TimestampTz start, int delay_ms) {
  return start + static_cast<int64>(delay_ms) * 1000;
}

// Keeps the handler out until schedule().
void hold_alarm() {
  alarm_enabled = false;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

void remove_at(int position) {
  timeouts[active[position]].active = false;
  for (int i = position + 1; i < active_count; i++) active[i - 1] = active[i];
  active_count = active_count - 1;
}

void remove(TimeoutId id) {
  for (int i = 0; i < active_count; i++)
    if (active[i] == id) {
      remove_at(i);
      return;
    }
}

void insert(TimeoutId id, TimestampTz start, TimestampTz finish, int interval_ms) {
  Timeout& timeout = timeouts[id];
  if (!timeout.handler) elog(FATAL, "timeout index %d out of range 0..%d", id, MAX_TIMEOUTS);
  if (timeout.active) remove(id);
  int position = 0;
  while (position < active_count &&
         (timeouts[active[position]].finish_time < finish ||
          (timeouts[active[position]].finish_time == finish && active[position] < id)))
    position++;
  for (int i = active_count; i > position; i--) active[i] = active[i - 1];
  active[position] = id;
  active_count = active_count + 1;
  timeout.active = true;
  timeout.indicator = false;
  timeout.start_time = start;
  timeout.finish_time = finish;
  timeout.interval_ms = interval_ms;
}

// Sets the timer for the first time-out and lets the handler work again.
void schedule(TimestampTz at) {
  if (active_count == 0) return;
  TimestampTz left = timeouts[active[0]].finish_time - at;
  // A timer of zero would never fire, and one that is past must fire at once.
  if (left < 1) left = 1;
  itimerval timer = {};
  timer.it_value.tv_sec = left / USECS_PER_SEC;
  timer.it_value.tv_usec = left % USECS_PER_SEC;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  alarm_enabled = true;
  if (setitimer(ITIMER_REAL, &timer, nullptr) != 0) {
    alarm_enabled = false;
    elog(FATAL, "could not enable SIGALRM timer: %m");
  }
}

void handle_alarm(SIGNAL_ARGS) {
  int kept_errno = errno;
  HOLD_INTERRUPTS();
  SetLatch(MyLatch);
  if (alarm_enabled) {
    alarm_enabled = false;
    TimestampTz at = now();
    while (active_count > 0 && timeouts[active[0]].finish_time <= at) {
      TimeoutId id = active[0];
      Timeout& timeout = timeouts[id];
      remove_at(0);
      timeout.indicator = true;
      timeout.handler();
      at = now();
      if (timeout.interval_ms > 0) {
        TimestampTz next = after_ms(timeout.finish_time, timeout.interval_ms);
        // Intervals that were slept through are skipped.
        if (next <= at) next = after_ms(at, timeout.interval_ms);
        // As in the server it counts as enabled anew: there is no indicator until it is over for good.
        insert(id, at, next, timeout.interval_ms);
      }
    }
    schedule(at);
  }
  RESUME_INTERRUPTS();
  errno = kept_errno;
}

}  // namespace

extern "C" {

// A child inherits its parent's list, but never its timer.
void InitializeTimeouts(void) {
  hold_alarm();
  active_count = 0;
  for (Timeout& timeout : timeouts)
    if (timeout.handler) timeout = {};  // nothing else is set without
  initialized = true;
  pqsignal(SIGALRM, handle_alarm);
}

TimeoutId RegisterTimeout(TimeoutId id, timeout_handler_proc handler) {
  Assert(initialized);
  hold_alarm();
  if (id >= USER_TIMEOUT) {
    // The caller takes what is free from there on.
    int free_id = USER_TIMEOUT;
    while (free_id < MAX_TIMEOUTS && timeouts[free_id].handler) free_id++;
    if (free_id >= MAX_TIMEOUTS)
      ereport(FATAL,
              (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("cannot add more timeout reasons")));
    id = static_cast<TimeoutId>(free_id);
  }
  timeouts[id].handler = handler;
  schedule(now());
  return id;
}

void reschedule_timeouts(void) {
  if (!initialized) return;
  hold_alarm();
  schedule(now());
}

void enable_timeout_after(TimeoutId id, int delay_ms) {
  hold_alarm();
  TimestampTz at = now();
  insert(id, at, after_ms(at, delay_ms), 0);
  schedule(at);
}

void enable_timeout_every(TimeoutId id, TimestampTz fin_time, int delay_ms) {
  hold_alarm();
  TimestampTz at = now();
  insert(id, at, fin_time, delay_ms);
  schedule(at);
}

void enable_timeout_at(TimeoutId id, TimestampTz fin_time) {
  hold_alarm();
  TimestampTz at = now();
  insert(id, at, fin_time, 0);
  schedule(at);
}

void enable_timeouts(const EnableTimeoutParams* params, int count) {
  hold_alarm();
  TimestampTz at = now();
  for (int i = 0; i < count; i++) {
    switch (params[i].type) {
      case TMPARAM_AFTER:
        insert(params[i].id, at, after_ms(at, params[i].delay_ms), 0);
        break;
      case TMPARAM_AT:
        insert(params[i].id, at, params[i].fin_time, 0);
        break;
      case TMPARAM_EVERY:
        insert(params[i].id, at, after_ms(at, params[i].delay_ms), params[i].delay_ms);
        break;
    }
  }
  schedule(at);
}

void disable_timeout(TimeoutId id, bool keep_indicator) {
  hold_alarm();
  if (timeouts[id].active) remove(id);
  if (!keep_indicator) timeouts[id].indicator = false;
  schedule(now());
}

void disable_timeouts(const DisableTimeoutParams* params, int count) {
  hold_alarm();
  for (int i = 0; i < count; i++) {
    if (timeouts[params[i].id].active) remove(params[i].id);
    if (!params[i].keep_indicator) timeouts[params[i].id].indicator = false;
  }
  schedule(now());
}

void disable_all_timeouts(bool keep_indicators) {
  hold_alarm();
  if (active_count > 0) {
    itimerval never = {};
    setitimer(ITIMER_REAL, &never, nullptr);
  }
  active_count = 0;
  for (Timeout& timeout : timeouts) {
    timeout.active = false;
    if (!keep_indicators) timeout.indicator = false;
  }
}

bool get_timeout_active(TimeoutId id) {
  return timeouts[id].active;
}

bool get_timeout_indicator(TimeoutId id, bool reset_indicator) {
  if (!timeouts[id].indicator) return false;
  if (reset_indicator) timeouts[id].indicator = false;
  return true;
}

TimestampTz get_timeout_start_time(TimeoutId id) {
  return timeouts[id].start_time;
}

TimestampTz get_timeout_finish_time(TimeoutId id) {
  return timeouts[id].finish_time;
}

}  // extern "C"
