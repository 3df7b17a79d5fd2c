// Spare processes: made before they are needed, so that starting a worker is a hand-over and not a fork.
//
// A spare has done everything that all children do first and sleeps in read() on a pipe of its own. Its order
// is its slot and the whole registration of the worker it is to become, so what is handed over need not have
// existed when it was made. Closing the pipe dismisses it; so does the postmaster's death, which closes the
// pipe too.
//
// There are two kinds: spares for workers that asked for a database have libpq loaded (core/libpq.hpp); the others
// have not, and are forked, started and ended in less than half the time. The postmaster itself never loads it.
//
// Spares are made by fork servers (fork_server.hpp), one for each kind. A few are kept waiting; when many workers are to be
// started, as many are asked for as can be used, and each is handed its order as it comes. Without a fork
// server, or with spare_worker_processes = 0, the postmaster forks workers itself.
//
// A spare is a copy of the postmaster as it was: with settings of that moment, and attached to the shared
// memory of that moment. Spares are therefore dismissed at every reload, reset and shutdown. They hold no slot
// and touch nothing in shared memory, so that the death of an idle one, however it comes, is no crash.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "core/libpq_library.hpp"
#include "postmaster/fork_server.hpp"
#include "postmaster/postmaster.hpp"
#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/ps_status.h"
}
#include "postmaster/bgworker_private.hpp"
#include "postmaster/child.hpp"

int spare_worker_processes = 4;

namespace bgw {

namespace {

constexpr std::chrono::seconds kAfterADeath{1};  // before the next spare is made when one died on its own
constexpr int kMostRequested = 32;            // spares on their way at the same time
constexpr std::chrono::seconds kPatience{1};  // with a fork server that was asked and says nothing
constexpr std::chrono::milliseconds kStrayDelay{100};
constexpr int kStrayTries = 20;

struct Order {
  int slot;
  BackgroundWorker worker;
};
// Smaller than PIPE_BUF and into an empty pipe: written whole, or not at all.
static_assert(sizeof(Order) <= 4096);

[[noreturn]] void wait_for_order(int order_fd) {
  static Order order;
  init_ps_display("spare");
  auto* at = reinterpret_cast<char*>(&order);
  for (size_t have = 0; have < sizeof order;) {
    ssize_t got = ::read(order_fd, at + have, sizeof order - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) ::_exit(0);  // dismissed
    have += static_cast<size_t>(got);
  }
  ::close(order_fd);
  MyPMChildSlot = order.slot;
  run_background_worker(&order.worker);
}

}  // namespace

// Gives the worker to a spare; false when there is none to take it.
bool Postmaster::hand_over(WorkerRegistry::Worker& worker) {
  SparePool& pool = pool_for(worker);
  pool.wanted = true;
  while (!pool.waiting.empty()) {
    Child& spare = children_.at(pool.waiting.back());
    pool.waiting.pop_back();
    Order order{AssignPostmasterChildSlot(), *definition_of(worker)};
    ssize_t written = ::write(spare.order_pipe.get(), &order, sizeof order);
    spare.order_pipe.reset();
    if (written != static_cast<ssize_t>(sizeof order)) {
      ReleasePostmasterChildSlot(order.slot);
      continue;  // it is dead; its end is reported yet
    }
    spare.kind = ChildKind::worker;
    spare.worker = &worker;
    spare.slot = order.slot;
    StatusPage::set_child_pid(spare.slot, spare.pid);
    registry_.started(worker, spare.pid);
    return true;
  }
  return false;
}

// --- asking the fork servers ---------------------------------------------------------------------------------

bool Postmaster::start_fork_server(SparePool& pool) {
  if (pool.fork_server != 0) return true;
  if (EventLoop::Clock::now() < pool.fork_server_not_before) return false;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return false;
  UniqueFd its_end(ends[0]);
  UniqueFd our_end(EventLoop::make_private(ends[1]));
  pool.fork_server_not_before = EventLoop::Clock::now() + kAfterADeath;
  pid_t pid = fork_child(0);
  if (pid == 0) {
    init_ps_display("fork server");
    if (pool.database) load_libpq();
    run_fork_server(its_end.get(), wait_for_order);
  }
  if (pid < 0 || !add_child(ChildKind::fork_server, pid, 0)) return false;
  if (!loop_.watch(our_end.get(), [this, pid] { on_announcements(pid); })) {
    ::kill(pid, SIGKILL);
    return false;
  }
  fork_servers_.emplace(pid, ForkServer{.pool = pool, .socket = std::move(our_end)});
  pool.fork_server = pid;
  pool.fork_server_not_before = {};
  return true;
}

void Postmaster::ask_for_spares(SparePool& pool, int count) {
  ForkServer& server = fork_servers_.at(pool.fork_server);
  if (count <= 0 || !request_spares(server.socket.get(), count)) return;
  server.outstanding += count;
  watch_fork_server(pool);
}

// One that was asked and says nothing for a while is stopped or stuck: workers must not wait for it.
void Postmaster::watch_fork_server(SparePool& pool) {
  if (pool.patience_timer != 0) return;
  pool.patience_timer = loop_.call_after(kPatience, [this, &pool, pid = pool.fork_server, seen = pool.announcements] {
    pool.patience_timer = 0;
    if (pool.fork_server == 0 || fork_servers_.at(pool.fork_server).outstanding == 0) return;
    if (pid != pool.fork_server || seen != pool.announcements) return watch_fork_server(pool);
    ereport(LOG, (errmsg("fork server process (PID %d) does not answer", static_cast<int>(pid)),
                  errdetail("It is killed, and made anew.")));
    ::kill(pid, SIGKILL);
  });
}

// Whether spares are on their way for the workers that wait to be started; if not, the caller forks.
bool Postmaster::await_spares(SparePool& pool) {
  if (spare_worker_processes == 0) return false;
  int waiting = static_cast<int>(std::min<std::size_t>(registry_.startable(pool.database), kMostRequested));
  int outstanding = pool.fork_server != 0 ? fork_servers_.at(pool.fork_server).outstanding : 0;
  if (outstanding == 0 && waiting < 2) return false;
  if (!start_fork_server(pool)) return false;
  if (outstanding <= waiting / 2) ask_for_spares(pool, waiting - outstanding);
  return fork_servers_.at(pool.fork_server).outstanding > 0;
}

void Postmaster::on_announcements(pid_t server_pid) {
  bool ended = false;
  for (;;) {
    auto found = fork_servers_.find(server_pid);
    if (found == fork_servers_.end()) return;
    ForkServer& server = found->second;
    auto spare = read_announcement(server.socket.get(), &ended);
    if (!spare) {
      if (ended) loop_.unwatch(server.socket.get());  // its exit follows
      break;
    }
    server.pool.announcements++;
    server.outstanding--;
    take_spare(server.pool, std::move(*spare), server_pid == server.pool.fork_server);
  }
  start_workers();
  // Some may have been asked for by workers that a spare kept waiting has served meanwhile, or that are gone.
  for (SparePool& pool : pools_)
    while (pool.waiting.size() > static_cast<std::size_t>(spare_worker_processes)) {
      children_.at(pool.waiting.back()).order_pipe.reset();
      pool.waiting.pop_back();
    }
}

void Postmaster::take_spare(SparePool& pool, SpareAnnouncement spare, bool wanted) {
  if (spare.pid == 0) {
    errno = spare.error;
    if (WorkerRegistry::Worker* worker = wanted ? registry_.next_to_start() : nullptr) {
      ereport(LOG, (errmsg("could not fork worker process: %m")));
      start_failed(*worker);
    }
    pause_refill();
    return;
  }
  pid_t pid = spare.pid;
  if (!add_child(ChildKind::spare, pid, 0, nullptr, std::move(spare.pidfd))) return;
  if (!wanted || phase_ != Phase::running || shutdown_ != Shutdown::none) return;  // its pipe is closed: dismissed
  children_.at(pid).order_pipe = std::move(spare.order_pipe);
  pool.waiting.push_back(pid);
}

void Postmaster::retire_fork_server(SparePool& pool) {
  if (pool.fork_server == 0) return;
  ::shutdown(fork_servers_.at(pool.fork_server).socket.get(), SHUT_WR);
  pool.fork_server = 0;
}

void Postmaster::fork_server_exited(const Child& child, WorkerExit exit) {
  on_announcements(child.pid);
  auto found = fork_servers_.find(child.pid);
  if (found == fork_servers_.end()) return;
  SparePool& pool = found->second.pool;
  loop_.unwatch(found->second.socket.get());
  fork_servers_.erase(found);
  if (child.pid == pool.fork_server) {
    pool.fork_server = 0;
    pool.fork_server_not_before = EventLoop::Clock::now() + kAfterADeath;
    pause_refill();
    if (phase_ == Phase::running) log_child_exit(LOG, "fork server process", child.pid, exit, false);
  }
  if (exit.by_signal || exit.code != 0)
    loop_.call_after(kStrayDelay, [this] { find_strange_children(kStrayTries); });
}

// A spare that a dying fork server had made but not announced ends by itself; it only has to be reaped.
void Postmaster::find_strange_children(int tries) {
  bool more = false;
  for (pid_t pid : children_of_this_process())
    if (!children_.contains(pid) && ::waitpid(pid, nullptr, WNOHANG) == 0) more = true;
  if (more && tries > 1) loop_.call_after(kStrayDelay, [this, tries] { find_strange_children(tries - 1); });
}

// --- the few that wait -----------------------------------------------------------------------------------------

void Postmaster::refill_spares() {
  for (SparePool& pool : pools_)
    if (pool.wanted) refill(pool);
}

void Postmaster::refill(SparePool& pool) {
  if (pool.refill_queued || phase_ != Phase::running || shutdown_ != Shutdown::none) return;
  auto wanted = static_cast<std::size_t>(spare_worker_processes);
  if (pool.waiting.size() >= wanted) return;
  pool.refill_queued = true;
  auto refill = [this, &pool] {
    pool.refill_queued = false;
    if (phase_ != Phase::running || shutdown_ != Shutdown::none || !start_fork_server(pool)) return;
    int coming = static_cast<int>(pool.waiting.size()) + fork_servers_.at(pool.fork_server).outstanding;
    int taken = static_cast<int>(std::min<std::size_t>(registry_.startable(pool.database), kMostRequested));
    ask_for_spares(pool, spare_worker_processes + taken - coming);
  };
  loop_.call_soon(std::move(refill));
}

void Postmaster::pause_refill() {
  loop_.call_after(kAfterADeath, [this] { refill_spares(); });
}

void Postmaster::dismiss_spares() {
  for (SparePool& pool : pools_) {
    for (pid_t pid : pool.waiting) children_.at(pid).order_pipe.reset();
    pool.waiting.clear();
    retire_fork_server(pool);
  }
}

void Postmaster::spare_exited(const Child& child, WorkerExit exit) {
  std::size_t was_waiting = 0;
  for (SparePool& pool : pools_) was_waiting += std::erase(pool.waiting, child.pid);
  if (was_waiting == 0) return;  // dismissed
  log_child_exit(LOG, "spare process", child.pid, exit, false);
  pause_refill();
}

}  // namespace bgw
