// The end of the children when the postmaster is gone.
//
// Every child notices the postmaster's death by itself and goes. One that does not (stopped, in a loop of
// its own with signals blocked) is ended by the monitor, after a grace. Children are held by pidfd from the
// moment of the death on, so that a pid given to a stranger meanwhile is never signalled.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace bgw {

using ChildrenFunction = std::function<std::vector<pid_t>()>;

// Call when the postmaster has just died. Gives the children `grace` to go, then sends SIGKILL to those left
// (and to their process groups where they lead one), and asks `children` again until none is left, for ten
// rounds at most. Returns how many it had to kill.
int guard_children_after_death(const ChildrenFunction& children, std::chrono::milliseconds grace);

// A thread that waits for the postmaster's death, guards the children's end, and then ends the process with
// status 1. A thread, because the monitor's own one may be held up in a name look-up for half a minute.
// The thread takes no signal, logs nothing and allocates; `children` runs in it.
class Guardian {
 public:
  // `postmaster_fd`: a pidfd of the postmaster, or the read end of a pipe that only it holds open.
  Guardian(int postmaster_fd, ChildrenFunction children, std::chrono::milliseconds grace);
  ~Guardian();  // ends the thread; blocks while it is guarding
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bgw
