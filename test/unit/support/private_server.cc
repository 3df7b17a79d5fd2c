// See private_server.hpp. The server is a child of the test: it is told to end when the test's process dies,
// so that no failure leaves one behind.
#include "support/private_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

namespace bgw_test {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  fprintf(stderr, "private server: %s\n", why.c_str());
  abort();
}

// A child that runs `arguments` as an ordinary user, its output appended to `log`.
pid_t spawn(const std::vector<std::string>& arguments, const std::string& log, int input = -1) {
  std::vector<char*> argv;
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  passwd* user = geteuid() == 0 ? getpwnam("postgres") : nullptr;
  pid_t pid = fork();
  if (pid != 0) return pid;
  if (user != nullptr &&
      (initgroups(user->pw_name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
    _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGQUIT);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (fd >= 0) {
    dup2(fd, 1);
    dup2(fd, 2);
  }
  int standard_input = input >= 0 ? input : open("/dev/null", O_RDONLY);
  if (standard_input >= 0) dup2(standard_input, 0);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

PrivateServer::PrivateServer(const std::vector<std::string>& settings) : settings_(settings) {
  // In memory where there is room: making and deleting the files is most of what a test costs elsewhere.
  struct statvfs shm;
  bool roomy = statvfs("/dev/shm", &shm) == 0 && shm.f_bavail * shm.f_frsize >= 4ULL << 30;
  char pattern[64];
  std::snprintf(pattern, sizeof pattern, "%s/bgw-test-pg-XXXXXX", roomy ? "/dev/shm" : "/tmp");
  if (mkdtemp(pattern) == nullptr) give_up("no temporary folder");
  folder_ = pattern;
  if (geteuid() == 0) {
    passwd* user = getpwnam("postgres");
    if (user == nullptr || chown(pattern, user->pw_uid, user->pw_gid) != 0) give_up("no user postgres");
  }
  // The archive is opened here: who unpacks it may not be allowed into the build folder.
  int archive = open(BGW_CLUSTER_TEMPLATE, O_RDONLY | O_CLOEXEC);
  if (archive < 0) give_up("no " BGW_CLUSTER_TEMPLATE "; build the target cluster_template");
  pid_t pid = spawn({"/usr/bin/tar", "-C", folder_, "--one-top-level=data", "--no-same-owner", "-xpf", "-"},
                    folder_ + "/log", archive);
  close(archive);
  int status = -1;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ||
      chmod((folder_ + "/data").c_str(), 0700) != 0)
    give_up("unpacking failed, see " + folder_ + "/log");
  start();
}

PrivateServer::~PrivateServer() {
  // A child of the test that leaves by exit() destroys its copy of what lives as long as the process.
  if (getpid() != owner_) return;
  // What it would write down in order is deleted.
  end(SIGQUIT);
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PrivateServer::start() {
  std::vector<std::string> arguments{
      BGW_PG_BINDIR "/postgres", "-D", folder_ + "/data", "-k", folder_,          "-c",
      "listen_addresses=",       "-c", "fsync=off",       "-c", "autovacuum=off", "-c",
      "max_connections=20"};
  for (const std::string& setting : settings_) {
    arguments.push_back("-c");
    arguments.push_back(setting);
  }
  pid_ = spawn(arguments, folder_ + "/log");
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (PQping(conninfo().c_str()) != PQPING_OK) {
    int status;
    if (waitpid(pid_, &status, WNOHANG) == pid_) give_up("the server ended, see " + folder_ + "/log");
    if (std::chrono::steady_clock::now() > deadline) give_up("the server does not answer");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void PrivateServer::stop() { end(SIGINT); }

void PrivateServer::end(int signal) {
  if (pid_ <= 0) return;
  kill(pid_, signal);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int status;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) kill(pid_, SIGQUIT);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  pid_ = -1;
}

std::string PrivateServer::conninfo(const std::string& database) const {
  return "host=" + folder_ + " user=postgres dbname=" + database;
}

Connection PrivateServer::connect(const std::string& database) const {
  Connection connection(PQconnectdb(conninfo(database).c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) ADD_FAILURE() << PQerrorMessage(connection.get());
  return connection;
}

std::string query(PGconn* connection, const std::string& statement) {
  PGresult* result = PQexec(connection, statement.c_str());
  std::string value;
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    ADD_FAILURE() << statement << ": " << PQerrorMessage(connection);
  else if (status == PGRES_TUPLES_OK && PQntuples(result) > 0 && PQnfields(result) > 0)
    value = PQgetvalue(result, 0, 0);
  PQclear(result);
  return value;
}

}  // namespace bgw_test
