// The first steps of a child of the postmaster: from fork() to the point where its own life begins. Runs
// with all signals blocked; allocates nothing; errors of the steps leave the child less guarded but alive,
// except the loss of its parent, after which it ends.
#include "core/event_loop.hpp"
#include "core/status_page.hpp"
#include "port/system_call.hpp"
#include "postmaster/child.hpp"
#include "storage/pmsignal_internal.hpp"

#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>

extern "C" {
#include "postgres.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "postmaster/postmaster.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
}

namespace bgw {

namespace {

void begin_as_child(int child_slot) noexcept {
  EventLoop::close_private_descriptors();
  MyPMChildSlot = child_slot;
  IsUnderPostmaster = true;
  StatusPage::protect_in_child();
  InitPostmasterChild();
}

}  // namespace

void begin_as_child_of_fork_server() noexcept {
  EventLoop::close_private_descriptors();
  identify_process();
  on_exit_reset();
  InitLatch(MyLatch);
  system_call(SYS_setsid);
  request_postmaster_death_signal();
}

pid_t fork_child(int child_slot) noexcept {
  std::fflush(nullptr);
  pid_t pid = ::fork();
  if (pid == 0) begin_as_child(child_slot);
  return pid;
}

}  // namespace bgw
