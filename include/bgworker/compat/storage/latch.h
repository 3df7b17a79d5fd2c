/*
 * Latches as sources of the 9.3 to 9.6 generation use them: WaitLatch with three arguments, WaitLatchOrSocket with four.
 *
 * The wait event, which came with 10, is the one for extensions. A wait that says nothing of the postmaster's death,
 * which today's server does not allow, ends the process with it. Calls with today's arguments go through as they are.
 * InitializeLatchSupport, which some called before their own InitLatch, has nothing left to do.
 */
#ifndef BGWORKER_COMPAT_STORAGE_LATCH_H
#define BGWORKER_COMPAT_STORAGE_LATCH_H

#include_next "storage/latch.h"
#include "bgworker_compat_arguments.h"
#include "utils/wait_event.h"

/* Latches were passed as volatile. */
static inline int
bgworker_compat_wait_events(int events)
{
	return (events & (WL_POSTMASTER_DEATH | WL_EXIT_ON_PM_DEATH)) != 0 ? events : events | WL_EXIT_ON_PM_DEATH;
}

static inline int
bgworker_compat_wait3(volatile Latch *latch, int events, long timeout)
{
	return WaitLatch((Latch *) latch, bgworker_compat_wait_events(events), timeout, PG_WAIT_EXTENSION);
}

static inline int
bgworker_compat_wait4(volatile Latch *latch, int events, long timeout, uint32 wait_event_info)
{
	return WaitLatch((Latch *) latch, events, timeout, wait_event_info);
}

static inline int
bgworker_compat_wait_socket4(volatile Latch *latch, int events, pgsocket sock, long timeout)
{
	return WaitLatchOrSocket((Latch *) latch, bgworker_compat_wait_events(events), sock, timeout, PG_WAIT_EXTENSION);
}

static inline int
bgworker_compat_wait_socket5(volatile Latch *latch, int events, pgsocket sock, long timeout, uint32 wait_event_info)
{
	return WaitLatchOrSocket((Latch *) latch, events, sock, timeout, wait_event_info);
}

#define WaitLatch(...) \
	BGWORKER_COMPAT_FIFTH(__VA_ARGS__, bgworker_compat_wait4, bgworker_compat_wait3, , )(__VA_ARGS__)
#define WaitLatchOrSocket(...) \
	BGWORKER_COMPAT_SIXTH(__VA_ARGS__, bgworker_compat_wait_socket5, bgworker_compat_wait_socket4, , )(__VA_ARGS__)
/* Every process has latches from its start, and a second time would take them from those that it has. */
#define InitializeLatchSupport() ((void) 0)
#define SetLatch(latch) SetLatch((Latch *) (latch))
#define ResetLatch(latch) ResetLatch((Latch *) (latch))

#endif
