// The embedded upstream makes its cluster once and whole, is reachable only through its socket, comes back when
// it dies, stops when asked, and is never left running: not even when its parent is killed.
#include "core/embedded_upstream.hpp"

#include "core/data_directory.hpp"
#include "core/process_support.hpp"

using namespace bgw_test;
using bgw::EmbeddedUpstream;

namespace {

using State = EmbeddedUpstream::State;

bgw::EmbeddedOptions options_in(const std::string& folder) {
  return {.data_directory = folder,
          .bindir = BGW_PG_BINDIR,
          .max_connections = 20,
          .backoff = {.first = 20ms, .cap = 200ms}};
}

// What the postmaster's loop does: collects exits and starts again what is due.
void turn(EmbeddedUpstream& upstream) {
  int status;
  if (upstream.pid() != 0 && waitpid(upstream.pid(), &status, WNOHANG) == upstream.pid()) {
    bgw::Result<void> handled = upstream.on_exit(status, Clock::now());
    if (!handled) bgw::log({.level = bgw::LogLevel::error, .message = handled.error().one_line()});
  }
  if (upstream.next_start() && *upstream.next_start() <= Clock::now()) {
    bgw::Result<pid_t> started = upstream.start();
    EXPECT_TRUE(started) << started.error().one_line();
  }
}

std::string ask(const EmbeddedUpstream& upstream, const std::string& sql) {
  CommandResult result =
      run_command(BGW_PG_BINDIR "/psql -XAtqw -d \"" + upstream.conninfo() + "\" -c \"" + sql + "\"");
  while (!result.output.empty() && result.output.back() == '\n') result.output.pop_back();
  return result.output;
}

bool wait_until_ready(EmbeddedUpstream& upstream) {
  return wait_for(
      [&] {
        turn(upstream);
        return upstream.state() == State::running && ask(upstream, "SELECT 1") == "1";
      },
      60s);
}

void stop(EmbeddedUpstream& upstream, EmbeddedUpstream::StopMode mode = EmbeddedUpstream::StopMode::fast) {
  upstream.stop(mode);
  EXPECT_TRUE(wait_for([&] {
    turn(upstream);
    return upstream.state() == State::stopped;
  }));
}

}  // namespace

TEST(EmbeddedUpstream, LivesItsWholeLife) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    setenv("PGPORT", "1", 1);  // must not lead it astray
    setenv("PGDATA", "/nowhere", 1);
    EmbeddedUpstream upstream(options_in(folder.path()));
    // A cluster that an earlier initdb left half made.
    ASSERT_EQ(mkdir((folder / "embedded.new").c_str(), 0700), 0);
    write_file(folder / "embedded.new/PG_VERSION", "15\n");

    bgw::Result<pid_t> started = upstream.start();
    ASSERT_TRUE(started) << started.error().one_line();
    EXPECT_EQ(upstream.state(), State::making);
    EXPECT_FALSE(exists(upstream.cluster_directory()));
    ASSERT_TRUE(wait_until_ready(upstream)) << log.all();
    EXPECT_EQ(log.count("removing half-made embedded upstream"), 1);
    EXPECT_FALSE(exists(folder / "embedded.new"));
    EXPECT_EQ(getpgid(upstream.pid()), upstream.pid());

    EXPECT_EQ(ask(upstream, "SHOW listen_addresses"), "");
    EXPECT_EQ(ask(upstream, "SHOW max_connections"), "20");
    EXPECT_EQ(ask(upstream, "SHOW server_encoding"), "UTF8");
    EXPECT_EQ(ask(upstream, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "t");
    EXPECT_EQ(
        ask(upstream, "SELECT count(*) FROM pg_hba_file_rules WHERE type <> 'local' OR error IS NOT NULL"),
        "0");
    EXPECT_EQ(mode_of(folder / "run/.s.PGSQL.5432"), 0700u);
    EXPECT_EQ(mode_of(folder / "run"), 0700u);
    EXPECT_EQ(ask(upstream, "CREATE TABLE kept AS SELECT 42 AS x; SELECT x FROM kept"), "42");

    // Dies of itself: started again, and what was committed is there.
    const pid_t first = upstream.pid();
    ASSERT_EQ(kill(first, SIGKILL), 0);
    ASSERT_TRUE(wait_for([&] {
      turn(upstream);
      return upstream.pid() != first;
    }));
    ASSERT_TRUE(wait_until_ready(upstream)) << log.all();
    EXPECT_NE(upstream.pid(), first);
    EXPECT_GE(log.count("was terminated by signal 9: Killed; restarting it"), 1);
    EXPECT_EQ(ask(upstream, "SELECT x FROM kept"), "42");

    const pid_t second = upstream.pid();
    stop(upstream);
    EXPECT_TRUE(is_gone(second));
    EXPECT_EQ(upstream.pid(), 0);
    EXPECT_FALSE(upstream.next_start());
    EXPECT_FALSE(exists(folder / "embedded/postmaster.pid"));

    // The second start makes nothing.
    started = upstream.start();
    ASSERT_TRUE(started);
    EXPECT_EQ(upstream.state(), State::running);
    ASSERT_TRUE(wait_until_ready(upstream));
    EXPECT_EQ(ask(upstream, "SELECT x FROM kept"), "42");
    stop(upstream, EmbeddedUpstream::StopMode::immediate);
  });
}

TEST(EmbeddedUpstream, DoesNotOutliveItsParent) {
  TempFolder folder;
  run_unprivileged([&] {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t parent = fork_running([&] {
      LogCapture log;
      EmbeddedUpstream upstream(options_in(folder.path()));
      ASSERT_TRUE(upstream.start());
      ASSERT_TRUE(wait_until_ready(upstream));
      const pid_t pid = upstream.pid();
      ASSERT_EQ(write(ends[1], &pid, sizeof(pid)), static_cast<ssize_t>(sizeof(pid)));
      for (;;) pause();
    });
    pid_t server = 0;
    close(ends[1]);
    ASSERT_EQ(read(ends[0], &server, sizeof(server)), static_cast<ssize_t>(sizeof(server)));
    ASSERT_FALSE(is_gone(server));
    ASSERT_EQ(kill(parent, SIGKILL), 0);
    wait_for_exit(parent);
    EXPECT_TRUE(wait_for([&] { return is_gone(server); }));
  });
}

TEST(EmbeddedUpstream, CanBeStoppedWhileItIsMade) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    EmbeddedUpstream upstream(options_in(folder.path()));
    ASSERT_TRUE(upstream.start());
    ASSERT_EQ(upstream.state(), State::making);
    const pid_t initdb = upstream.pid();
    stop(upstream);
    EXPECT_TRUE(is_gone(initdb));
    EXPECT_FALSE(exists(upstream.cluster_directory()));
    // Nothing of that stands in the way of the next start.
    ASSERT_TRUE(upstream.start());
    EXPECT_EQ(upstream.state(), State::making);
    ASSERT_TRUE(wait_until_ready(upstream)) << log.all();
    stop(upstream);
  });
}

TEST(EmbeddedUpstream, AFailingInitdbIsToldAndTriedAgain) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    bgw::EmbeddedOptions options = options_in(folder.path());
    options.bindir = folder / "bin";
    ASSERT_EQ(mkdir(options.bindir.c_str(), 0700), 0);
    write_file(folder / "bin/initdb", "#!/bin/sh\nexit 3\n");
    ASSERT_EQ(chmod((folder / "bin/initdb").c_str(), 0700), 0);
    EmbeddedUpstream upstream(options);
    bgw::Result<pid_t> started = upstream.start();
    ASSERT_TRUE(started) << started.error().one_line();
    bgw::Result<void> handled = upstream.on_exit(wait_for_exit(upstream.pid()), Clock::now());
    ASSERT_FALSE(handled);
    EXPECT_EQ(handled.error().message, "could not make embedded upstream in \"" + (folder / "embedded") + "\"");
    EXPECT_NE(handled.error().detail.find("exited with exit code 3"), std::string::npos)
        << handled.error().detail;
    EXPECT_EQ(upstream.state(), State::waiting);
    ASSERT_TRUE(upstream.next_start());
    EXPECT_LE(*upstream.next_start(), Clock::now() + 200ms);
    upstream.stop(EmbeddedUpstream::StopMode::fast);
    EXPECT_EQ(upstream.state(), State::stopped);
    EXPECT_FALSE(upstream.next_start());
  });
}

TEST(EmbeddedUpstream, WhatCannotWorkIsRefusedWithTheReason) {
  TempFolder folder;
  run_unprivileged([&] {
    LogCapture log;
    bgw::EmbeddedOptions options = options_in(folder.path());
    options.bindir = "/nowhere";
    bgw::Result<pid_t> started = EmbeddedUpstream(options).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message, "could not execute \"/nowhere/initdb\": No such file or directory");
    EXPECT_NE(started.error().hint.find("embedded_bindir"), std::string::npos);

    started = EmbeddedUpstream(options_in(folder / std::string(100, 'l'))).start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("is too long (maximum 107 bytes)"), std::string::npos);

    started = EmbeddedUpstream(options_in(folder / "a,b")).start();
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().detail.find("comma"), std::string::npos);

    ASSERT_EQ(mkdir((folder / "embedded").c_str(), 0700), 0);
    started = EmbeddedUpstream(options_in(folder.path())).start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message, "\"" + (folder / "embedded") + "\" is not a database cluster directory");
  });
}

TEST(EmbeddedUpstream, RootIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  TempFolder folder;
  bgw::Result<pid_t> started = EmbeddedUpstream(options_in(folder.path())).start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().message, "the embedded upstream cannot be run by root");
}

TEST(EmbeddedUpstream, QuotesItsSocketFolder) {
  EmbeddedUpstream upstream(options_in("/a b'c\\d"));
  EXPECT_EQ(upstream.conninfo(), "host='/a b\\'c\\\\d/run' port=5432 user=postgres dbname=postgres");
}
