// The monitor says what the upstream is doing, once per change, and soon: on a real primary and a real
// streaming standby; and it is held up neither by a host that does not answer nor by a postmaster that dies.
#include "core/monitor.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "core/embedded_upstream.hpp"
#include "core/process_support.hpp"
#include "port/fd.hpp"

using namespace bgw_test;
using bgw::EmbeddedUpstream;
using bgw::Monitor;
using bgw::UpstreamReport;
using bgw::UpstreamState;

namespace {

// Drives a monitor and keeps what it reports.
class Watcher {
 public:
  explicit Watcher(bgw::MonitorOptions options)
      : monitor(std::move(options), [this](const UpstreamReport& report) { reports.push_back(report); }) {}

  void turn() {
    const Monitor::Wait wait = monitor.wait();
    pollfd item{wait.fd, wait.events, 0};
    int timeout = 20;
    if (wait.until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wait.until - Clock::now()).count();
      timeout = static_cast<int>(std::clamp<long long>(left, 0, 20));
    }
    const int found = poll(&item, 1, timeout);
    monitor.step(found > 0 ? item.revents : 0, Clock::now());
  }
  bool wait_until(UpstreamState state, std::chrono::milliseconds limit = 60s) {
    const Clock::time_point end = Clock::now() + limit;
    while (monitor.current().state != state) {
      if (Clock::now() > end) return false;
      turn();
    }
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    const Clock::time_point end = Clock::now() + time;
    while (Clock::now() < end) turn();
  }

  std::vector<UpstreamReport> reports;
  Monitor monitor;
};

bgw::MonitorOptions quick(const std::string& conninfo) {
  bgw::MonitorOptions options;
  options.conninfo = conninfo;
  options.backoff = {.first = 20ms, .cap = 100ms};
  return options;
}

// A private server, run by this process; makes its cluster if there is none in `folder`.
class Server {
 public:
  explicit Server(const std::string& folder)
      : upstream({.data_directory = folder, .bindir = BGW_PG_BINDIR, .max_connections = 20}) {}
  ~Server() { stop(EmbeddedUpstream::StopMode::immediate); }
  void start() {
    // Made here and without fsync, because initdb's own way takes seconds on a busy disk.
    const std::string cluster = upstream.cluster_directory();
    if (!exists(cluster)) {
      const CommandResult made =
          run_command(BGW_PG_BINDIR "/initdb -N -A trust -U postgres -E UTF8 --locale=C -D " + cluster);
      ASSERT_EQ(made.code, 0) << made.output;
      std::ofstream(cluster + "/postgresql.conf", std::ios::app) << "fsync = off\n";
    }
    bgw::Result<pid_t> started = upstream.start();
    ASSERT_TRUE(started) << started.error().one_line();
  }
  void stop(EmbeddedUpstream::StopMode mode) {
    if (upstream.pid() == 0) return;
    upstream.stop(mode);
    bgw::Result<void> handled = upstream.on_exit(wait_for_exit(upstream.pid()), Clock::now());
    EXPECT_TRUE(handled);
  }
  CommandResult psql(const std::string& sql) {
    return run_command(BGW_PG_BINDIR "/psql -XAtqw -d \"" + upstream.conninfo() + "\" -c \"" + sql + "\"");
  }
  EmbeddedUpstream upstream;
};

// A TCP port that takes connections and never answers.
class DeafPort {
 public:
  DeafPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd_.get(), 10) != 0 ||
        getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
      std::abort();
    port = ntohs(address.sin_port);
  }
  int port = 0;

 private:
  bgw::UniqueFd fd_;
};

std::string states(const std::vector<UpstreamReport>& reports) {
  std::string text;
  UpstreamState last = UpstreamState::unknown;
  for (const UpstreamReport& report : reports) {
    if (report.state == last) continue;
    last = report.state;
    text += std::string(text.empty() ? "" : ", ") + bgw::upstream_state_name(report.state);
  }
  return text;
}

}  // namespace

TEST(Monitor, FollowsAServerThroughStopStartAndLostSession) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    Server server(folder.path());
    Watcher watcher(quick(server.upstream.conninfo()));
    ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable));
    EXPECT_NE(std::string(watcher.monitor.current().reason).find("No such file or directory"),
              std::string::npos)
        << watcher.monitor.current().reason;
    // Many tries, one line.
    watcher.run_for(500ms);
    EXPECT_EQ(log.count("upstream is unreachable"), 1) << log.all();
    EXPECT_EQ(watcher.reports.size(), 1u);

    server.start();
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write)) << log.all();
    EXPECT_EQ(log.count("upstream is accepting connections (read-write)"), 1);
    UpstreamReport up = watcher.monitor.current();
    EXPECT_EQ(up.server_version_num / 10000, 15);
    EXPECT_GT(up.backend_pid, 0);
    EXPECT_NE(up.system_identifier, 0u);
    EXPECT_EQ(up.incarnation, 1u);
    EXPECT_STREQ(up.reason, "");
    EXPECT_FALSE(watcher.monitor.wait().until) << "a primary is not to be polled";

    // Only the monitor's own session ends: that is no news about the upstream.
    ASSERT_EQ(server.psql("SELECT pg_terminate_backend(" + std::to_string(up.backend_pid) + ")").output, "t\n");
    const std::size_t before = watcher.reports.size();
    EXPECT_TRUE(wait_for([&] {
      watcher.turn();
      return watcher.monitor.current().backend_pid != up.backend_pid;
    }));
    EXPECT_EQ(watcher.monitor.current().state, UpstreamState::read_write);
    EXPECT_EQ(watcher.monitor.current().incarnation, 1u);
    EXPECT_EQ(watcher.reports.size(), before + 1);
    EXPECT_EQ(log.count("upstream is"), 2 + log.count("starting up")) << log.all();

    // A restart is noticed at once, both ways, and told apart from the life before.
    server.stop(EmbeddedUpstream::StopMode::fast);
    ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable)) << log.all();
    server.start();
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write));
    EXPECT_EQ(watcher.monitor.current().incarnation, 2u);

    // The server's crash, too.
    server.stop(EmbeddedUpstream::StopMode::immediate);
    ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable)) << log.all();
    server.start();
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write));
    EXPECT_EQ(watcher.monitor.current().incarnation, 3u);
    EXPECT_EQ(states(watcher.reports),
              "unreachable, read-write, unreachable, read-write, unreachable, read-write");
  });
}

TEST(Monitor, SeesACrashOfOneServerProcessAsALossOfTheUpstream) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    Server server(folder.path());
    server.start();
    Watcher watcher(quick(server.upstream.conninfo()));
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write));
    // Every session ends when one process of the server crashes, while the server's start time stays the same.
    const pid_t victim = std::atoi(
        server.psql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").output.c_str());
    ASSERT_GT(victim, 0);
    ASSERT_EQ(kill(victim, SIGKILL), 0);
    ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable)) << log.all();
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write)) << log.all();
    EXPECT_EQ(watcher.monitor.current().incarnation, 2u);
  });
}

TEST(Monitor, SeesAStandbyAndItsPromotion) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    const std::string first = folder / "1", second = folder / "2";
    ASSERT_EQ(mkdir(first.c_str(), 0700) | mkdir(second.c_str(), 0700), 0);
    ASSERT_EQ(mkdir((second + "/run").c_str(), 0700), 0);
    Server primary(first), standby(second);
    primary.start();
    ASSERT_TRUE(wait_for([&] { return primary.psql("SELECT 1").code == 0; }));
    const CommandResult copied =
        run_command(BGW_PG_BINDIR "/pg_basebackup -d \"" + primary.upstream.conninfo() + "\" -D " +
                    standby.upstream.cluster_directory() + " -R -c fast -N");
    ASSERT_EQ(copied.code, 0) << copied.output;
    standby.start();

    Watcher watcher(quick(standby.upstream.conninfo()));
    ASSERT_TRUE(watcher.wait_until(UpstreamState::hot_standby)) << log.all();
    const std::uint32_t incarnation = watcher.monitor.current().incarnation;
    const std::size_t before = watcher.reports.size();
    watcher.run_for(1200ms);
    EXPECT_EQ(watcher.reports.size(), before) << "asked twice, nothing changed";

    // A list of hosts with the standby first: the primary is found.
    const std::string list = "host=" + standby.upstream.run_directory() + "," +
                             primary.upstream.run_directory() +
                             " user=postgres target_session_attrs=read-write";
    Watcher picky(quick(list));
    ASSERT_TRUE(picky.wait_until(UpstreamState::read_write)) << log.all();
    EXPECT_EQ(picky.monitor.current().system_identifier, watcher.monitor.current().system_identifier);

    const CommandResult promoted = standby.psql("SELECT pg_promote()");
    ASSERT_EQ(promoted.output, "t\n");
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write));
    EXPECT_EQ(watcher.monitor.current().incarnation, incarnation);
    EXPECT_EQ(watcher.reports.size(), before + 1) << "the same session, promoted: nothing in between";
    EXPECT_EQ(log.count("upstream is a hot standby"), 1);

    // Failover: the primary goes, the other host of the list has taken over, and workers are told of both.
    const std::uint32_t life = picky.monitor.current().incarnation;
    const std::size_t told = picky.reports.size();
    primary.stop(EmbeddedUpstream::StopMode::fast);
    ASSERT_TRUE(wait_for([&] {
      picky.turn();
      return picky.monitor.current().state == UpstreamState::read_write &&
             picky.monitor.current().incarnation > life;
    })) << log.all();
    EXPECT_EQ(states({picky.reports.begin() + static_cast<long>(told), picky.reports.end()}),
              "unreachable, read-write");
  });
}

TEST(Monitor, IsNotHeldUpByAHostThatDoesNotAnswer) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    DeafPort deaf;
    bgw::MonitorOptions options =
        quick("host=127.0.0.1 user=postgres sslmode=disable port=" + std::to_string(deaf.port));
    options.connect_deadline = 200ms;
    Watcher watcher(options);
    const Clock::time_point begin = Clock::now();
    ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable));
    EXPECT_GE(Clock::now() - begin, 200ms);
    EXPECT_STREQ(watcher.monitor.current().reason, "no connection within 0.2 s");

    // In a list, the ones behind it get their turn.
    Server server(folder.path());
    server.start();
    watcher.monitor.set_conninfo("host=127.0.0.1," + server.upstream.run_directory() +
                                     " user=postgres sslmode=disable port=" + std::to_string(deaf.port) +
                                     ",5432",
                                 Clock::now());
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write)) << log.all();
  });
}

TEST(Monitor, SaysWhyItCannotConnect) {
  LogCapture log;
  Watcher malformed(quick("host=x nonsense=1"));
  ASSERT_TRUE(malformed.wait_until(UpstreamState::unreachable));
  EXPECT_STREQ(malformed.monitor.current().reason, "invalid connection option \"nonsense\"");
  EXPECT_EQ(log.count("upstream is unreachable: invalid connection option \"nonsense\""), 1);
  Watcher closed(quick("host=127.0.0.1 port=1"));
  ASSERT_TRUE(closed.wait_until(UpstreamState::unreachable));
  EXPECT_NE(std::string(closed.monitor.current().reason).find("Connection refused"), std::string::npos);

  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    Server server(folder.path());
    server.start();
    Watcher watcher(quick(server.upstream.conninfo()));
    ASSERT_TRUE(watcher.wait_until(UpstreamState::read_write));
    watcher.monitor.set_conninfo("host=" + server.upstream.run_directory() + " user=postgres dbname=absent",
                                 Clock::now());
    EXPECT_EQ(watcher.monitor.current().state, UpstreamState::unreachable);
    ASSERT_TRUE(wait_for([&] {
      watcher.turn();
      return log.count("database \"absent\" does not exist") == 1;
    })) << log.all();
    EXPECT_EQ(log.count("3D000"), 0) << log.all();
    // No database named: postgres, and where there is none, template1.
    ASSERT_EQ(run_command(BGW_PG_BINDIR "/psql -Xqw -d \"host=" + server.upstream.run_directory() +
                          " user=postgres dbname=template1\" -c 'DROP DATABASE postgres'")
                  .code,
              0);
    watcher.monitor.set_conninfo("host=" + server.upstream.run_directory() + " user=postgres", Clock::now());
    EXPECT_TRUE(watcher.wait_until(UpstreamState::read_write)) << log.all();
  });
}

TEST(Monitor, AnEmbeddedUpstreamThatIsBeingMadeIsNoTrouble) {
  LogCapture log;
  bgw::MonitorOptions options = bgw::embedded_monitor_options("host=/nowhere");
  options.expected_within = 300ms;
  Watcher watcher(options);
  ASSERT_TRUE(watcher.wait_until(UpstreamState::unreachable));
  watcher.run_for(100ms);
  EXPECT_EQ(log.count("upstream"), 0) << log.all();
  ASSERT_TRUE(wait_for([&] {
    watcher.turn();
    return log.count("upstream is unreachable") > 0;
  }));
}

namespace {

// A monitor in a process of its own, whose "postmaster" is another process.
struct MonitorChild {
  pid_t pid = 0;
  int reports = -1;
  MonitorChild(const std::string& conninfo, int postmaster_fd, std::vector<pid_t> children) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    reports = ends[0];
    pid = fork_running([&] {
      close(ends[0]);
      bgw::set_log_sink([](const bgw::LogEntry&) noexcept {});
      bgw::MonitorProcess process;
      process.options = quick(conninfo);
      process.report_fd = ends[1];
      process.postmaster_fd = postmaster_fd;
      process.remaining_children = [&] { return children; };
      process.grace = 300ms;
      process.reload = [] {
        return bgw::MonitorProcess::Settings{.conninfo = "host=127.0.0.1 port=1", .patience = {}};
      };
      _exit(bgw::run_monitor(process));
    });
    close(ends[1]);
  }
  ~MonitorChild() { close(reports); }
  UpstreamReport next() const {
    UpstreamReport report;
    pollfd item{reports, POLLIN, 0};
    EXPECT_EQ(poll(&item, 1, 60'000), 1);
    EXPECT_EQ(read(reports, &report, sizeof(report)), static_cast<ssize_t>(sizeof(report)));
    return report;
  }
};

}  // namespace

TEST(MonitorProcess, ReportsReloadsAndEndsWhenTold) {
  for (const auto& [signal, status] : {std::pair(SIGTERM, 0), std::pair(SIGQUIT, 2)}) {
    MonitorChild monitor("host=/nowhere", -1, {});
    UpstreamReport report = monitor.next();
    EXPECT_EQ(report.state, UpstreamState::unreachable);
    EXPECT_NE(std::string(report.reason).find("/nowhere"), std::string::npos);
    ASSERT_EQ(kill(monitor.pid, SIGINT), 0);  // is the postmaster's business
    ASSERT_EQ(kill(monitor.pid, SIGHUP), 0);
    EXPECT_NE(std::string(monitor.next().reason).find("Connection refused"), std::string::npos);
    ASSERT_EQ(kill(monitor.pid, signal), 0);
    const int ended = wait_for_exit(monitor.pid);
    ASSERT_TRUE(WIFEXITED(ended));
    EXPECT_EQ(WEXITSTATUS(ended), status);
  }
}

TEST(MonitorProcess, EndsTheChildrenThatStayWhenThePostmasterDies) {
  const pid_t postmaster = fork_running([] {
    for (;;) pause();
  });
  const int postmaster_fd = static_cast<int>(syscall(SYS_pidfd_open, postmaster, 0u));
  ASSERT_GE(postmaster_fd, 0);
  const auto stubborn_child = [] {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    for (;;) pause();
  };
  const pid_t stubborn = fork_running(stubborn_child), stopped = fork_running(stubborn_child),
              good = fork_running([&] {
                pollfd item{postmaster_fd, POLLIN, 0};
                poll(&item, 1, -1);
                _exit(0);
              });
  ASSERT_EQ(kill(stopped, SIGSTOP), 0);
  MonitorChild monitor("host=/nowhere", postmaster_fd, {stubborn, stopped, good, getpid() + 4'000'000});
  EXPECT_EQ(monitor.next().state, UpstreamState::unreachable);

  const Clock::time_point begin = Clock::now();
  ASSERT_EQ(kill(postmaster, SIGKILL), 0);
  const int monitor_end = wait_for_exit(monitor.pid);
  EXPECT_GE(Clock::now() - begin, 300ms) << "they were given no time";
  ASSERT_TRUE(WIFEXITED(monitor_end));
  EXPECT_EQ(WEXITSTATUS(monitor_end), 1);
  for (pid_t pid : {stubborn, stopped}) {
    const int end = wait_for_exit(pid);
    EXPECT_TRUE(WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL) << std::hex << end;
  }
  const int end = wait_for_exit(good);
  EXPECT_TRUE(WIFEXITED(end)) << "was killed though it went by itself";
  wait_for_exit(postmaster);
  close(postmaster_fd);
}

TEST(MonitorProcess, NobodyLeftMeansNoWait) {
  const Clock::time_point begin = Clock::now();
  EXPECT_EQ(bgw::guard_children_after_death([] { return std::vector<pid_t>(); }, 60s), 0);
  EXPECT_LT(Clock::now() - begin, 30s);
}
