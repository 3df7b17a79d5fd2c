// Starting up: settings, identity, lock, modules, shared memory, and then the event loop.
//
// The order is fixed by what each step needs: the settings name the user to become; only that user may own
// the data directory; the lock is taken before anything in it is touched; modules are loaded before shared
// memory is sized, because they ask for some; signals are blocked first of all, so that a request to stop
// that arrives meanwhile is acted on as soon as the loop runs. A step that fails raises FATAL, which ends the
// process with status 1.
#include "postmaster/postmaster_main.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/data_directory.hpp"
#include "core/event_loop.hpp"
#include "core/lock_file.hpp"
#include "core/run_as.hpp"
#include "core/sample_config.hpp"
#include "core/status_page.hpp"
#include "port/huge_text.hpp"
#include "port/joined_data.hpp"
#include "port/shared_relocations.hpp"
#include "postmaster/postmaster.hpp"

#include "bridge/error.hpp"
#include "utils/guc_internal.hpp"
extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/ps_status.h"
}
#include "postmaster/upstream.hpp"
#include "storage/pmsignal_internal.hpp"
#include "utils/timezone_internal.hpp"

const char* progname = "bgworkerd";

namespace bgw {

namespace {

// Sessions of the embedded upstream beside those of the workers: monitor, tools, people.
constexpr int kEmbeddedSpareSessions = 24;
constexpr int kEmbeddedMaxSessions = 1000;

// Taken through the event loop. Children of the postmaster, and modules, send it SIGUSR1 and SIGUSR2 as they
// would the server; neither means anything to it yet, and neither may end it.
const std::vector<int> kHostSignals{SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

// Never destroyed: the process leaves through exit(), and children inherit them.
LockFile* lock_file = nullptr;
EventLoop* event_loop = nullptr;

[[noreturn]] void fail(const Error& error) {
  raise_at(FATAL, keep(error));
}

template <class T>
T take(Result<T> result) {
  if (!result) fail(result.error());
  return std::move(*result);
}
void take(Result<void> result) {
  if (!result) fail(result.error());
}

// The last thing of all that a postmaster does; a start that fails comes here too.
void release_lock_file(int code, Datum arg) {
  if (lock_file == nullptr || !lock_file->held()) return;
  lock_file->release();
  ereport(LOG, (errmsg("database system is shut down")));
}

// The name of the account that owns the data directory is the only one that may read its settings: a link
// planted there must not make root read a file for its owner.
class AsOwnerOf {
 public:
  explicit AsOwnerOf(const std::string& directory) {
    struct stat info;
    if (::geteuid() != 0 || ::stat(directory.c_str(), &info) != 0 || info.st_uid == 0) return;
    switched_ = ::setegid(info.st_gid) == 0 && ::seteuid(info.st_uid) == 0;
  }
  ~AsOwnerOf() {
    if (switched_ && (::seteuid(0) != 0 || ::setegid(0) != 0)) std::abort();
  }
  AsOwnerOf(const AsOwnerOf&) = delete;
  AsOwnerOf& operator=(const AsOwnerOf&) = delete;

 private:
  bool switched_ = false;
};

void load_settings(const std::string& directory, const std::vector<std::string>& settings) {
  std::vector<const char*> overrides;
  for (const std::string& setting : settings) overrides.push_back(setting.c_str());
  AsOwnerOf owner(directory);
  bgw_load_configuration(directory.c_str(), overrides.data(), static_cast<int>(overrides.size()));
}

// One descriptor per child, and one per open file of a module.
void raise_descriptor_limit() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void become_ready(const std::string& data_directory, const std::string& control_socket) {
  ereport(LOG, (errmsg("starting bgworkerd %s (module ABI of %s)", BGW_VERSION, BGW_PG_VERSION_TEXT)));
  if (const auto& left = lock_file->left_behind())
    ereport(LOG, (errmsg("a host with PID %d was not shut down properly", static_cast<int>(left->pid))));

  // Nobody else works in this folder now.
  if (MakePGDirectory("base") < 0 && errno != EEXIST)
    ereport(FATAL, (errcode_for_file_access(), errmsg("could not create directory \"base\": %m")));
  RemovePgTempFiles();

  // Before the first fork; without these, starts take a little longer.
  text_into_huge_pages();
  relocations_into_shared_pages();
  join_program_data();
  process_shared_preload_libraries();
  InitializeMaxBackends();
  process_shmem_requests();
  CreateSharedMemoryAndSemaphores();
  take(StatusPage::create(max_worker_processes, child_slot_count()));

  auto* postmaster = new Postmaster(
      *event_loop, PostmasterOptions{
                       .data_directory = data_directory,
                       .control_socket = control_socket,
                       .embedded_bindir = embedded_bindir && *embedded_bindir ? embedded_bindir : BGW_PG_BINDIR,
                       .embedded_max_connections =
                           std::min(max_worker_processes + kEmbeddedSpareSessions, kEmbeddedMaxSessions)});
  take(event_loop->open(kHostSignals,
                        [postmaster](int signal_number) { postmaster->on_signal(signal_number); }));
  set_max_safe_fds();
  take(postmaster->start());
  ereport(LOG, (errmsg("bgworkerd is ready")));
  take(event_loop->run());
  proc_exit(postmaster->exit_status());
}

}  // namespace

void postmaster_main(const CommandLine& command_line) {
  sigset_t mask;
  sigemptyset(&mask);
  for (int signal_number : kHostSignals) sigaddset(&mask, signal_number);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTTIN, SIG_IGN);
  ::signal(SIGTTOU, SIG_IGN);

  event_loop = new EventLoop();
  lock_file = new LockFile();
  std::string directory = take(find_data_directory(command_line.data_directory));
  load_settings(directory, command_line.settings);
  UserIdentity identity = take(run_as(host_user ? host_user : "postgres"));
  take(check_data_directory(directory, identity.uid, PG_VERSION_NUM / 10000));
  SetDataDir(directory.c_str());
  ChangeToDataDir();
  raise_descriptor_limit();

  on_proc_exit(release_lock_file, 0);
  std::string control_socket = take(control_socket_path(directory));
  *lock_file = take(LockFile::acquire(directory, control_socket, BGW_VERSION));
  PostmasterPid = MyProcPid;
  become_ready(directory, control_socket);
  std::abort();  // not reached: become_ready() leaves through proc_exit()
}

int initialize_data_directory(const CommandLine& command_line) {
  std::string user = "postgres";
  for (const std::string& setting : command_line.settings)
    if (setting.starts_with("user=")) user = setting.substr(5);
  auto identity = ::geteuid() == 0 ? look_up_user(user) : current_user();
  if (!identity) {
    fprintf(stderr, "bgworkerd: %s\n", identity.error().one_line().c_str());
    return 1;
  }
  auto made = init_data_directory(command_line.data_directory, identity->uid, identity->gid,
                                  sample_config(system_zone_name()), PG_VERSION_NUM / 10000);
  if (!made) {
    fprintf(stderr, "bgworkerd: %s\n", made.error().one_line().c_str());
    return 1;
  }
  printf(
      "Made the data directory %s, owned by %s.\n\nEdit %s/%s, then start the host:\n\n    bgworkerd -D %s\n",
      command_line.data_directory.c_str(), identity->name.c_str(), command_line.data_directory.c_str(),
      config_file_name, command_line.data_directory.c_str());
  return 0;
}

}  // namespace bgw
