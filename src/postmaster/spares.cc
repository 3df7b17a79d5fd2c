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
// Spares are made by fork servers (fork_server.hpp), one for each kind. A few are kept waiting. When more workers are to be
// started than there are spares, their fork server is given the orders and makes the workers themselves: that saves each the
// pipe, and the sleep before the order comes. Without a fork server, or with spare_worker_processes = 0, the postmaster
// forks workers itself.
//
// A spare is a copy of the postmaster as it was: with settings of that moment, and attached to the shared
// memory of that moment. Spares are therefore dismissed at every reload, reset and shutdown. They hold no slot
// and touch nothing in shared memory, so that the death of an idle one, however it comes, is no crash.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "bridge/loader.hpp"
#include "core/libpq_library.hpp"
#include "postmaster/fork_server.hpp"
#include "postmaster/postmaster.hpp"
#include "storage/process_room.hpp"
#include "utils/guc_internal.hpp"
#include "utils/process_title.hpp"

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
constexpr std::size_t kMostRequested = 32;    // processes on their way at the same time
constexpr std::chrono::seconds kPatience{5};  // with a fork server that was asked and says nothing; a busy machine can stall one

struct Order {
  int slot;
  bgworker_main_type entry;  // where the postmaster knows it: then the worker need not look for it
  BackgroundWorker worker;
};
// Smaller than PIPE_BUF and into an empty pipe: written whole, or not at all.
static_assert(sizeof(Order) <= std::min<size_t>(4096, kLargestOrder));

Order order_for(const BackgroundWorker& worker) {
  void* entry = bgw_find_preloaded_function(worker.bgw_library_name, worker.bgw_function_name);
  return {AssignPostmasterChildSlot(), reinterpret_cast<bgworker_main_type>(entry), worker};
}

void carry_out(void* text) {
  auto* order = static_cast<Order*>(text);
  MyPMChildSlot = order->slot;
  run_background_worker(&order->worker, order->entry);
}

void* place_of(const void* order) { return order_part(static_cast<const Order*>(order)->slot - 1); }

void wait_for_order(int order_fd, void* order) {
  init_ps_display("spare");
  for (size_t have = 0; have < sizeof(Order);) {
    ssize_t got = ::read(order_fd, static_cast<char*>(order) + have, sizeof(Order) - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) ::_exit(0);  // dismissed
    have += static_cast<size_t>(got);
  }
  ::close(order_fd);
  carry_out(order);
}

}  // namespace

// Gives the worker to a spare; false when there is none to take it.
bool Postmaster::hand_over(WorkerRegistry::Worker& worker) {
  SparePool& pool = pool_for(worker);
  pool.wanted = true;
  while (!pool.waiting.empty()) {
    Child& spare = children_.at(pool.waiting.back());
    pool.waiting.pop_back();
    Order order = order_for(*definition_of(worker));
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
  auto note = MadeNote::create();
  if (!note) return false;
  pool.fork_server_not_before = EventLoop::Clock::now() + kAfterADeath;
  pid_t pid = fork_child(0);
  note->keep_from_children();
  if (pid == 0) {
    keep_title_at_hand();
    init_ps_display("fork server");
    if (pool.database) load_libpq();
    install_handlers_of_workers(pool.database);
    run_fork_server(its_end.get(), {.spare = wait_for_order, .ordered = carry_out, .place = place_of, .order_size = sizeof(Order)},
                    note->address());
  }
  if (pid < 0 || !add_child(ChildKind::fork_server, pid, 0)) return false;
  if (!loop_.watch(our_end.get(), [this, pid] { on_announcements(pid); })) {
    ::kill(pid, SIGKILL);
    return false;
  }
  fork_servers_.emplace(pid, ForkServer{.pool = pool, .socket = std::move(our_end), .note = std::move(*note)});
  pool.fork_server = pid;
  pool.fork_server_not_before = {};
  return true;
}

void Postmaster::ask_for_spares(SparePool& pool, int count) {
  ForkServer& server = fork_servers_.at(pool.fork_server);
  if (count <= 0 || !request_spares(server.socket.get(), count)) return;
  expect(server, std::vector<Request>(static_cast<std::size_t>(count)));
}

void Postmaster::expect(ForkServer& server, const std::vector<Request>& requests) {
  if (server.outstanding.empty()) server.silent_since = EventLoop::Clock::now();
  server.outstanding.insert(server.outstanding.end(), requests.begin(), requests.end());
  watch_fork_servers();
}

// One that was asked and says nothing for a while is stopped or stuck: workers must not wait for it, even if it is
// retired.
void Postmaster::watch_fork_servers() {
  if (patience_timer_ != 0) return;
  patience_timer_ = loop_.call_after(kPatience, [this] {
    patience_timer_ = 0;
    for (auto& [pid, server] : fork_servers_) {
      if (server.outstanding.empty()) continue;
      watch_fork_servers();
      if (EventLoop::Clock::now() - server.silent_since < kPatience) continue;
      ereport(LOG, (errmsg("fork server process (PID %d) does not answer", static_cast<int>(pid)),
                    errdetail("It is killed, and made anew.")));
      ::kill(pid, SIGKILL);
    }
  });
}

// Has a fork server make the worker's process, unless the caller had better fork itself: there are no fork servers, or this
// worker is the only one.
Postmaster::Ordered Postmaster::order(WorkerRegistry::Worker& worker) {
  SparePool& pool = pool_for(worker);
  if (spare_worker_processes == 0) return Ordered::no;
  std::size_t outstanding = pool.fork_server != 0 ? fork_servers_.at(pool.fork_server).outstanding.size() : 0;
  if (outstanding == 0 && registry_.startable(pool.database) < 2) return Ordered::no;
  if (outstanding >= kMostRequested) return Ordered::no_room;
  if (!start_fork_server(pool)) return Ordered::no;
  ForkServer& server = fork_servers_.at(pool.fork_server);
  Order text = order_for(*definition_of(worker));
  if (!request_ordered(server.socket.get(), &text, sizeof text)) {
    ReleasePostmasterChildSlot(text.slot);
    return outstanding > 0 ? Ordered::no_room : Ordered::no;
  }
  announce_start(worker);
  pool.wanted = true;
  registry_.ordered(worker);
  orders_outstanding_++;
  expect(server, {{&worker, text.slot}});
  return Ordered::yes;
}

void Postmaster::on_announcements(pid_t server_pid) {
  bool ended = false;
  for (;;) {
    auto found = fork_servers_.find(server_pid);
    if (found == fork_servers_.end()) return;
    ForkServer& server = found->second;
    auto process = read_announcement(server.socket.get(), &ended);
    if (!process) {
      if (ended) loop_.unwatch(server.socket.get());  // its exit follows
      break;
    }
    server.silent_since = EventLoop::Clock::now();
    if (process->pid != 0) server.last_announced = process->pid;
    take(server, std::move(*process), server_pid == server.pool.fork_server);
  }
  start_workers();
  if (phase_ != Phase::running) {
    end_start_pass();
    advance();
  }
  // Some may have been asked for by workers that a spare kept waiting has served meanwhile, or that are gone.
  for (SparePool& pool : pools_)
    while (pool.waiting.size() > static_cast<std::size_t>(spare_worker_processes)) {
      children_.at(pool.waiting.back()).order_pipe.reset();
      pool.waiting.pop_back();
    }
}

// The answer to the first of its requests.
void Postmaster::take(ForkServer& server, Announcement process, bool present) {
  const Request request = server.outstanding.front();
  server.outstanding.pop_front();
  if (request.worker != nullptr)
    take_ordered(request, std::move(process), present);
  else
    take_spare(server.pool, std::move(process), present);
}

// An ordered worker has a process, or none. What was wished of it since it was ordered is done now.
void Postmaster::take_ordered(const Request& request, Announcement process, bool current_settings) {
  WorkerRegistry::Worker& worker = *request.worker;
  if (process.pid == 0) {
    errno = process.error;
    ereport(LOG, (errmsg("could not fork worker process: %m")));
    ReleasePostmasterChildSlot(request.slot);
    order_failed(request);
    return;
  }
  if (!add_child(ChildKind::worker, process.pid, request.slot, &worker, std::move(process.pidfd))) {
    order_failed(request);
    return;
  }
  orders_outstanding_--;
  registry_.started(worker, process.pid);
  const Child& child = children_.at(process.pid);
  if (phase_ != Phase::running) {
    const bool quit = phase_ == Phase::resetting || abnormal_ || shutdown_ == Shutdown::immediate;
    signal_child(child, quit ? SIGQUIT : SIGTERM);
  } else if (worker.terminate) {
    ::kill(child.pid, SIGTERM);
  } else if (worker.stopped_for_upstream) {
    signal_child(child, SIGTERM);
  } else if (!current_settings) {
    ::kill(child.pid, SIGHUP);
  }
}

void Postmaster::order_failed(const Request& request) {
  orders_outstanding_--;
  if (request.worker->terminate || shutdown_ != Shutdown::none) {
    pid_t waiter = request.worker->spec.notify_pid;
    forget_worker(*request.worker);
    notify(waiter);
  } else {
    start_failed(*request.worker);
  }
}

// Of a fork server that is dead: what it had made and not come to announce is taken all the same, and its orders are given
// to another.
void Postmaster::give_up_requests(ForkServer& server) {
  const pid_t last = server.note.last();
  if (!server.outstanding.empty() && last != 0 && last != server.last_announced)
    take(server, {.pid = last}, false);
  for (auto request = server.outstanding.rbegin(); request != server.outstanding.rend(); ++request) {
    if (request->worker == nullptr) continue;
    ReleasePostmasterChildSlot(request->slot);
    if (request->worker->terminate) {
      order_failed(*request);
    } else {
      orders_outstanding_--;
      registry_.not_started(*request->worker);
    }
  }
  if (shutdown_ != Shutdown::none) drop_unstarted_workers();
}

void Postmaster::take_spare(SparePool& pool, Announcement spare, bool wanted) {
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
  give_up_requests(found->second);
  fork_servers_.erase(found);
  if (child.pid == pool.fork_server) {
    pool.fork_server = 0;
    pool.fork_server_not_before = EventLoop::Clock::now() + kAfterADeath;
    pause_refill();
    if (phase_ == Phase::running) log_child_exit(LOG, "fork server process", child.pid, exit, false);
  }
  if (phase_ != Phase::running) end_start_pass();
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
    // Not while workers wait that its fork server will be asked for first.
    if (phase_ != Phase::running || shutdown_ != Shutdown::none || registry_.startable(pool.database) > 1) return;
    if (!start_fork_server(pool)) return;
    const auto& requests = fork_servers_.at(pool.fork_server).outstanding;
    auto coming = std::ranges::count_if(requests, [](const Request& request) { return request.worker == nullptr; });
    ask_for_spares(pool, spare_worker_processes - static_cast<int>(pool.waiting.size()) - static_cast<int>(coming));
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
