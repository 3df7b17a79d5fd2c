// Wait sets: several sockets, a latch and the postmaster's life, waited for together and again and again.
//
// The sockets of a set are in an epoll instance that is made with the first of them. The latch and the
// postmaster are not: sleeping is latch.cc's business, which polls the epoll descriptor along with its own, or
// uses the futex when the set has no socket. The instance belongs to the process that made it.
//
// Entered by the owner, outside signal handlers. A set is one chunk of the memory context given for it.
#include "port/clock.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "storage/wait.hpp"

extern "C" {
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"
}

struct WaitEventSet {
  int count;                // entries in use
  int capacity;             // entries there is room for
  int epoll_fd;             // -1 while there is no socket
  int latch_position;       // -1 for none
  Latch* latch;             // null also while the latch entry is switched off
  int postmaster_position;  // -1 for none
  bool exit_on_postmaster_death;
  epoll_event* ready;  // `capacity` of them
  WaitEvent events[FLEXIBLE_ARRAY_MEMBER];
};

namespace {

uint32_t epoll_bits(uint32 events) {
  uint32_t bits = 0;
  if (events & WL_SOCKET_READABLE) bits |= EPOLLIN;
  if (events & WL_SOCKET_WRITEABLE) bits |= EPOLLOUT;
  if (events & WL_SOCKET_CLOSED) bits |= EPOLLRDHUP;
  return bits | EPOLLERR | EPOLLHUP;
}

// An error or hang-up shows as whatever was asked for, so that the caller's next read or write meets it.
uint32 socket_bits(uint32 wanted, uint32_t bits) {
  uint32 events = 0;
  if ((wanted & WL_SOCKET_READABLE) && (bits & (EPOLLIN | EPOLLERR | EPOLLHUP))) events |= WL_SOCKET_READABLE;
  if ((wanted & WL_SOCKET_WRITEABLE) && (bits & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
    events |= WL_SOCKET_WRITEABLE;
  if ((wanted & WL_SOCKET_CLOSED) && (bits & (EPOLLRDHUP | EPOLLERR | EPOLLHUP))) events |= WL_SOCKET_CLOSED;
  return events;
}

void tell_epoll(WaitEventSet* set, int operation, const WaitEvent& event) {
  epoll_event wanted = {};
  wanted.events = epoll_bits(event.events);
  wanted.data.u32 = static_cast<uint32_t>(event.pos);
  if (epoll_ctl(set->epoll_fd, operation, event.fd, &wanted) < 0)
    ereport(ERROR, (errcode_for_socket_access(), errmsg("%s() failed: %m", "epoll_ctl()")));
}

// Fills in the sockets that are ready now.
int collect_sockets(WaitEventSet* set, WaitEvent* occurred, int room) {
  if (set->epoll_fd < 0) return 0;
  int limit = room < set->capacity ? room : set->capacity;
  int ready = epoll_wait(set->epoll_fd, set->ready, limit, 0);
  if (ready < 0) {
    if (errno == EINTR) return 0;
    ereport(ERROR, (errcode_for_socket_access(), errmsg("%s() failed: %m", "epoll_wait()")));
  }
  int returned = 0;
  for (int i = 0; i < ready; i++) {
    const WaitEvent& event = set->events[set->ready[i].data.u32];
    uint32 events = socket_bits(event.events, set->ready[i].events);
    if (events == 0) continue;
    occurred[returned] = event;
    occurred[returned].events = events;
    returned++;
  }
  return returned;
}

int return_one(const WaitEvent& event, uint32 events, WaitEvent* occurred) {
  occurred[0] = event;
  occurred[0].fd = PGINVALID_SOCKET;
  occurred[0].events = events;
  return 1;
}

}  // namespace

extern "C" {

WaitEventSet* CreateWaitEventSet(MemoryContext context, int nevents) {
  const Size head = MAXALIGN(offsetof(WaitEventSet, events) + sizeof(WaitEvent) * nevents);
  char* chunk = static_cast<char*>(MemoryContextAllocZero(context, head + sizeof(epoll_event) * nevents));
  WaitEventSet* set = reinterpret_cast<WaitEventSet*>(chunk);
  set->capacity = nevents;
  set->epoll_fd = -1;
  set->latch_position = -1;
  set->postmaster_position = -1;
  set->ready = reinterpret_cast<epoll_event*>(chunk + head);
  return set;
}

void FreeWaitEventSet(WaitEventSet* set) {
  if (set->epoll_fd >= 0) close(set->epoll_fd);
  pfree(set);
}

int AddWaitEventToSet(WaitEventSet* set, uint32 events, pgsocket fd, Latch* latch, void* user_data) {
  Assert(set->count < set->capacity);
  if (events == WL_EXIT_ON_PM_DEATH) {
    events = WL_POSTMASTER_DEATH;
    set->exit_on_postmaster_death = true;
  }
  if (latch) {
    if (latch->owner_pid != MyProcPid) elog(ERROR, "cannot wait on a latch owned by another process");
    if (set->latch) elog(ERROR, "cannot wait on more than one latch");
    if ((events & WL_LATCH_SET) != WL_LATCH_SET) elog(ERROR, "latch events only support being set");
  } else if (events & WL_LATCH_SET) {
    elog(ERROR, "cannot wait on latch without a specified latch");
  }
  if (fd == PGINVALID_SOCKET && (events & WL_SOCKET_MASK))
    elog(ERROR, "cannot wait on socket event without a socket");

  WaitEvent& event = set->events[set->count];
  event = {};
  event.pos = set->count;
  event.fd = fd;
  event.events = events;
  event.user_data = user_data;
  set->count++;

  if (events == WL_LATCH_SET) {
    set->latch = latch;
    set->latch_position = event.pos;
    event.fd = PGINVALID_SOCKET;
  } else if (events == WL_POSTMASTER_DEATH) {
    set->postmaster_position = event.pos;
    event.fd = PGINVALID_SOCKET;
  } else {
    if (set->epoll_fd < 0) {
      set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
      if (set->epoll_fd < 0) elog(ERROR, "epoll_create1 failed: %m");
    }
    tell_epoll(set, EPOLL_CTL_ADD, event);
  }
  return event.pos;
}

void ModifyWaitEvent(WaitEventSet* set, int pos, uint32 events, Latch* latch) {
  Assert(pos >= 0 && pos < set->count);
  WaitEvent& event = set->events[pos];
  // A wait in a loop often "changes" its events to what they are.
  if (events == event.events && (!(event.events & WL_LATCH_SET) || set->latch == latch)) return;
  if ((event.events & WL_LATCH_SET) && events != event.events) elog(ERROR, "cannot modify latch event");
  if (event.events & WL_POSTMASTER_DEATH) elog(ERROR, "cannot modify postmaster death event");

  event.events = events;
  if (events == WL_LATCH_SET) {
    if (latch && latch->owner_pid != MyProcPid) elog(ERROR, "cannot wait on a latch owned by another process");
    set->latch = latch;
    return;
  }
  tell_epoll(set, EPOLL_CTL_MOD, event);
}

int WaitEventSetWait(WaitEventSet* set, long timeout, WaitEvent* occurred_events, int nevents,
                     uint32 wait_event_info) {
  Assert(nevents > 0);
  const std::int64_t deadline_ns = bgw::deadline_after_ms(timeout);
  const bool watch_postmaster = IsUnderPostmaster && set->postmaster_position >= 0;
  int returned = 0;

  pgstat_report_wait_start(wait_event_info);
  for (bool over = false; !over && returned == 0;) {
    bgw::WakeReason reason;
    if (set->epoll_fd < 0) {
      reason = bgw::sleep_on_latch(set->latch, deadline_ns, watch_postmaster);
    } else {
      pollfd descriptors[1 + bgw::extra_descriptors];
      descriptors[0] = {.fd = set->epoll_fd, .events = POLLIN, .revents = 0};
      reason = bgw::sleep_on_descriptors(set->latch, deadline_ns, watch_postmaster, descriptors, 1);
    }
    switch (reason) {
      case bgw::WakeReason::latch:
        returned = return_one(set->events[set->latch_position], WL_LATCH_SET, occurred_events);
        break;
      case bgw::WakeReason::postmaster_death:
        if (set->exit_on_postmaster_death) {
          pgstat_report_wait_end();
          proc_exit(1);
        }
        returned = return_one(set->events[set->postmaster_position], WL_POSTMASTER_DEATH, occurred_events);
        break;
      case bgw::WakeReason::descriptor:
        // Nothing, if another holder of the socket was faster: sleep on.
        returned = collect_sockets(set, occurred_events, nevents);
        break;
      case bgw::WakeReason::timeout:
        over = true;
        break;
    }
  }
  pgstat_report_wait_end();
  return returned;
}

int WaitLatchOrSocket(Latch* latch, int wakeEvents, pgsocket sock, long timeout, uint32 wait_event_info) {
  if (wakeEvents & WL_LATCH_SET) {
    if (!latch) elog(ERROR, "cannot wait on latch without a specified latch");
    if (latch->owner_pid != MyProcPid) elog(ERROR, "cannot wait on a latch owned by another process");
  } else {
    latch = nullptr;
  }
  const uint32 wanted = static_cast<uint32>(wakeEvents) & WL_SOCKET_MASK;
  if (wanted && sock == PGINVALID_SOCKET) elog(ERROR, "cannot wait on socket event without a socket");

  const std::int64_t deadline_ns = wakeEvents & WL_TIMEOUT ? bgw::deadline_after_ms(timeout) : bgw::no_deadline;
  const bool watch_postmaster = IsUnderPostmaster && (wakeEvents & (WL_POSTMASTER_DEATH | WL_EXIT_ON_PM_DEATH));

  // One poll does here what the server makes a wait set for.
  static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP &&
                EPOLLRDHUP == POLLRDHUP);
  pollfd descriptors[1 + bgw::extra_descriptors];
  bgw::WakeReason reason;
  pgstat_report_wait_start(wait_event_info);
  if (wanted) {
    descriptors[0] = {.fd = sock, .events = static_cast<short>(epoll_bits(wanted)), .revents = 0};
    reason = bgw::sleep_on_descriptors(latch, deadline_ns, watch_postmaster, descriptors, 1);
  } else {
    reason = bgw::sleep_on_latch(latch, deadline_ns, watch_postmaster);
  }
  pgstat_report_wait_end();

  switch (reason) {
    case bgw::WakeReason::latch:
      return WL_LATCH_SET;
    case bgw::WakeReason::postmaster_death:
      if (wakeEvents & WL_EXIT_ON_PM_DEATH) proc_exit(1);
      return WL_POSTMASTER_DEATH;
    case bgw::WakeReason::descriptor:
      if (descriptors[0].revents & POLLNVAL) {
        errno = EBADF;
        ereport(ERROR, (errcode_for_socket_access(), errmsg("%s() failed: %m", "epoll_ctl()")));
      }
      return static_cast<int>(socket_bits(wanted, static_cast<uint32_t>(descriptors[0].revents)));
    case bgw::WakeReason::timeout:
      break;
  }
  return WL_TIMEOUT;
}

int GetNumRegisteredWaitEvents(WaitEventSet* set) {
  return set->count;
}

bool WaitEventSetCanReportClosed(void) {
  return true;
}

}  // extern "C"
