// The process around the monitor's state machine: one poll() over the connection and a signalfd. Signals are
// blocked but while libpq may be looking up a name, when SIGTERM and SIGQUIT end the process from their
// handler: there is nothing to put in order.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "core/log.hpp"
#include "core/monitor.hpp"
#include "port/fd.hpp"

namespace bgw {

namespace {

static_assert(sizeof(UpstreamReport) <= PIPE_BUF, "a report must be written and read in one piece");

constexpr int quit_status = 2;

extern "C" void end_monitor(int signal) {
  _exit(signal == SIGQUIT ? quit_status : 0);
}

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

void send_report(int fd, const UpstreamReport& report) {
  // A postmaster that is gone is the guardian's business.
  while (write(fd, &report, sizeof(report)) < 0 && errno == EINTR) continue;
}

int timeout_of(const Monitor::Wait& wait, Monitor::Clock::time_point now) {
  if (!wait.until) return -1;
  if (*wait.until <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wait.until - now).count();
  return static_cast<int>(std::min<long long>(left, INT_MAX));
}

}  // namespace

int run_monitor(const MonitorProcess& process) {
  // It stays when the postmaster dies, to guard the others' end, whatever its start-up asked for.
  prctl(PR_SET_PDEATHSIG, 0);
  set_handler(SIGINT, SIG_IGN);
  set_handler(SIGPIPE, SIG_IGN);
  set_handler(SIGUSR2, SIG_IGN);
  set_handler(SIGALRM, SIG_IGN);
  set_handler(SIGTERM, end_monitor);
  set_handler(SIGQUIT, end_monitor);
  sigset_t wanted, urgent;
  sigemptyset(&wanted);
  for (int signal : {SIGHUP, SIGTERM, SIGQUIT, SIGUSR1}) sigaddset(&wanted, signal);
  sigemptyset(&urgent);
  sigaddset(&urgent, SIGTERM);
  sigaddset(&urgent, SIGQUIT);
  sigprocmask(SIG_SETMASK, &wanted, nullptr);
  UniqueFd signals(signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) {
    log({.level = LogLevel::error, .message = "could not create signal descriptor of the monitor"});
    return 1;
  }

  std::optional<Guardian> guardian;
  if (process.postmaster_fd >= 0)
    guardian.emplace(process.postmaster_fd, process.remaining_children, process.grace);

  Monitor monitor(process.options,
                  [&](const UpstreamReport& report) { send_report(process.report_fd, report); });
  for (;;) {
    const Monitor::Wait wait = monitor.wait();
    pollfd items[2] = {{signals.get(), POLLIN, 0}, {wait.fd, wait.events, 0}};
    const int found = poll(items, 2, timeout_of(wait, Monitor::Clock::now()));
    if (found < 0 && errno != EINTR) return 1;

    signalfd_siginfo info;
    while (read(signals.get(), &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
      switch (info.ssi_signo) {
        case SIGTERM:
          return 0;
        case SIGQUIT:
          return quit_status;
        case SIGHUP:
          if (process.reload) {
            MonitorProcess::Settings settings = process.reload();
            monitor.set_patience(settings.patience, Monitor::Clock::now());
            monitor.set_conninfo(std::move(settings.conninfo), Monitor::Clock::now());
          }
          break;
        case SIGUSR1:
          monitor.retry_now(Monitor::Clock::now());
          break;
        default:
          break;
      }
    }
    // set_conninfo() may have changed what there is to wait for; an answer about the old socket is stale then.
    const short revents = found > 0 && monitor.wait().fd == wait.fd ? items[1].revents : 0;
    sigprocmask(SIG_UNBLOCK, &urgent, nullptr);
    monitor.step(revents, Monitor::Clock::now());
    sigprocmask(SIG_BLOCK, &urgent, nullptr);
  }
}

}  // namespace bgw
