// Files, pipes, folders and descriptors that a transaction holds (storage/fd.h).
//
// Each is noted with the subtransaction that opened it. One that is left open is closed where its transaction
// ends or its subtransaction is rolled back, and at the latest before the process lets go of shared memory; a
// subtransaction that commits leaves them to its parent. At most a third of max_safe_fds may be held at a time; the rest is for
// virtual files (fd_virtual.cc), which give theirs up when one is wanted here. C style: errors may leave from anywhere. Only for
// the process's main thread.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "common/file_perm.h"
#include "common/file_utils.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
}

#include "port/start_data.hpp"
#include "storage/fd_parts.hpp"

extern "C" {
int max_files_per_process = 1000;
}

namespace bgw::files {
int allocated_count = 0;
int external_count = 0;
}  // namespace bgw::files

namespace {

using bgw::files::external_count;
int& held_count = bgw::files::allocated_count;

enum class Kind { file, pipe, folder, descriptor };

struct Held {
  Kind kind;
  SubTransactionId subid;
  union {
    FILE* stream;
    DIR* folder;
    int fd;
  };
};

constexpr int reserved_fds = 10;   // for what opens files without asking here: libraries, system()
constexpr int fewest_safe_fds = 48;

Held* held = nullptr;
int held_room = 0;
BGW_START_DATA int cleaned_pid = 0;  // the process that has asked for clean_up_at_exit() before it exits

int close_held(int i) {
  Held gone = held[i];
  held[i] = held[--held_count];
  switch (gone.kind) {
    case Kind::file:
      return fclose(gone.stream);
    case Kind::pipe:
      return pclose(gone.stream);
    case Kind::folder:
      return closedir(gone.folder);
    case Kind::descriptor:
      return close(gone.fd);
  }
  pg_unreachable();
}

void close_all_held() {
  while (held_count > 0) close_held(held_count - 1);
}

void clean_up_at_exit(int, Datum) {
  bgw::files::close_temporary_files(true);
  close_all_held();
}

// Before something is opened, so that noting it cannot fail any more. `doing` and `name` say what.
void make_room(const char* doing, const char* name) {
  InitTemporaryFileAccess();
  int most = Max(max_safe_fds, fewest_safe_fds) / 3;
  if (held_count >= most)
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("exceeded maxAllocatedDescs (%d) while trying to %s \"%s\"", most, doing, name)));
  bgw::files::release_lru_files();
  if (held_count < held_room) return;
  int room = Max(held_room * 2, 16);
  void* larger = realloc(held, static_cast<size_t>(room) * sizeof(Held));
  if (larger == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  held = static_cast<Held*>(larger);
  held_room = room;
}

Held* note(Kind kind) {
  Held* added = &held[held_count++];
  added->kind = kind;
  added->subid = GetCurrentSubTransactionId();
  return added;
}

int find(Kind kind, const void* what, int fd = -1) {
  for (int i = held_count; i-- > 0;) {
    if (held[i].kind != kind) continue;
    if (kind == Kind::descriptor ? held[i].fd == fd
        : kind == Kind::folder   ? held[i].folder == what
                                 : held[i].stream == what)
      return i;
  }
  return -1;
}

// Whether to try again what has just failed with errno.
using bgw::files::made_room_after_failure;

}  // namespace

extern "C" {

void InitTemporaryFileAccess(void) {
  if (cleaned_pid == MyProcPid) return;
  before_shmem_exit(clean_up_at_exit, 0);
  cleaned_pid = MyProcPid;
}

// After what the postmaster itself keeps open has been opened.
void set_max_safe_fds(void) {
  struct rlimit limit;
  int usable = max_files_per_process;
  int open_now = 0;
  DIR* listing = opendir("/proc/self/fd");
  if (listing != nullptr) {
    while (readdir(listing) != nullptr) open_now++;
    closedir(listing);
    open_now -= 3;  // . and .. and the listing's own
  }
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < static_cast<rlim_t>(usable))
    usable = static_cast<int>(limit.rlim_cur);
  max_safe_fds = usable - open_now - reserved_fds;
  if (max_safe_fds < fewest_safe_fds)
    ereport(FATAL, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("insufficient file descriptors available to start server process"),
                    errdetail("System allows %d, we need at least %d.", max_safe_fds + reserved_fds,
                              fewest_safe_fds + reserved_fds)));
  elog(DEBUG2, "max_safe_fds = %d, usable_fds = %d, already_open = %d", max_safe_fds, usable, open_now);
}

FILE* AllocateFile(const char* name, const char* mode) {
  make_room("open file", name);
  FILE* stream;
  do stream = fopen(name, mode);
  while (stream == nullptr && made_room_after_failure());
  if (stream != nullptr) note(Kind::file)->stream = stream;
  return stream;
}

int FreeFile(FILE* file) {
  int i = find(Kind::file, file);
  if (i >= 0) return close_held(i);
  elog(WARNING, "file passed to FreeFile was not obtained from AllocateFile");
  return fclose(file);
}

// The command must not inherit that SIGPIPE is ignored.
FILE* OpenPipeStream(const char* command, const char* mode) {
  make_room("execute command", command);
  FILE* stream;
  do {
    fflush(nullptr);
    pqsignal(SIGPIPE, SIG_DFL);
    errno = 0;
    stream = popen(command, mode);
    int why = errno;
    pqsignal(SIGPIPE, SIG_IGN);
    errno = why;
  } while (stream == nullptr && made_room_after_failure());
  if (stream != nullptr) note(Kind::pipe)->stream = stream;
  return stream;
}

int ClosePipeStream(FILE* file) {
  int i = find(Kind::pipe, file);
  if (i >= 0) return close_held(i);
  elog(WARNING, "file passed to ClosePipeStream was not obtained from OpenPipeStream");
  return pclose(file);
}

DIR* AllocateDir(const char* dirname) {
  make_room("open directory", dirname);
  DIR* folder;
  do folder = opendir(dirname);
  while (folder == nullptr && made_room_after_failure());
  if (folder != nullptr) note(Kind::folder)->folder = folder;
  return folder;
}

struct dirent* ReadDir(DIR* dir, const char* dirname) {
  return ReadDirExtended(dir, dirname, ERROR);
}

// Takes what AllocateDir() gave, null included, so that its callers need not look.
struct dirent* ReadDirExtended(DIR* dir, const char* dirname, int elevel) {
  if (dir == nullptr) {
    ereport(elevel, (errcode_for_file_access(), errmsg("could not open directory \"%s\": %m", dirname)));
    return nullptr;
  }
  errno = 0;
  struct dirent* entry = readdir(dir);
  if (entry == nullptr && errno != 0)
    ereport(elevel, (errcode_for_file_access(), errmsg("could not read directory \"%s\": %m", dirname)));
  return entry;
}

int FreeDir(DIR* dir) {
  if (dir == nullptr) return 0;
  int i = find(Kind::folder, dir);
  if (i >= 0) return close_held(i);
  elog(WARNING, "dir passed to FreeDir was not obtained from AllocateDir");
  return closedir(dir);
}

int BasicOpenFile(const char* fileName, int fileFlags) {
  return BasicOpenFilePerm(fileName, fileFlags, static_cast<mode_t>(pg_file_create_mode));
}

int BasicOpenFilePerm(const char* fileName, int fileFlags, mode_t fileMode) {
  int fd;
  do fd = open(fileName, fileFlags, fileMode);
  while (fd < 0 && made_room_after_failure());
  return fd;
}

int OpenTransientFile(const char* fileName, int fileFlags) {
  return OpenTransientFilePerm(fileName, fileFlags, static_cast<mode_t>(pg_file_create_mode));
}

int OpenTransientFilePerm(const char* fileName, int fileFlags, mode_t fileMode) {
  make_room("open file", fileName);
  int fd = BasicOpenFilePerm(fileName, fileFlags, fileMode);
  if (fd >= 0) note(Kind::descriptor)->fd = fd;
  return fd;
}

int CloseTransientFile(int fd) {
  int i = find(Kind::descriptor, nullptr, fd);
  if (i >= 0) return close_held(i);
  elog(WARNING, "fd passed to CloseTransientFile was not obtained from OpenTransientFile");
  return close(fd);
}

// Descriptors that somebody else keeps: at most a third of what the process may have.
bool AcquireExternalFD(void) {
  if (external_count < max_safe_fds / 3) {
    ReserveExternalFD();
    return true;
  }
  errno = EMFILE;
  return false;
}

void ReserveExternalFD(void) {
  bgw::files::release_lru_files();
  external_count++;
}

void ReleaseExternalFD(void) {
  if (external_count > 0) external_count--;
}

int MakePGDirectory(const char* directoryName) {
  return mkdir(directoryName, static_cast<mode_t>(pg_dir_create_mode));
}

void AtEOXact_Files(bool isCommit) {
  bgw::files::close_temporary_files(false);
  if (isCommit && held_count > 0)
    elog(WARNING, "%d temporary files and directories not closed at end-of-transaction", held_count);
  close_all_held();
  bgw::files::forget_temp_tablespaces();
}

void AtEOSubXact_Files(bool isCommit, SubTransactionId mySubid, SubTransactionId parentSubid) {
  for (int i = held_count; i-- > 0;) {
    if (held[i].subid != mySubid) continue;
    if (isCommit)
      held[i].subid = parentSubid;
    else
      close_held(i);
  }
}

// ---- folders as lists of names, and whole trees (port.h) ----

// The names in a folder, palloc'd, up to a null; nullptr with a WARNING if it cannot be opened.
char** pgfnames(const char* path) {
  DIR* dir = AllocateDir(path);
  if (dir == nullptr) {
    elog(WARNING, "could not open directory \"%s\": %m", path);
    return nullptr;
  }
  int count = 0, room = 16;
  char** names = static_cast<char**>(palloc(static_cast<size_t>(room) * sizeof(char*)));
  while (struct dirent* entry = ReadDirExtended(dir, path, WARNING)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (count + 1 == room)
      names = static_cast<char**>(repalloc(names, static_cast<size_t>(room *= 2) * sizeof(char*)));
    names[count++] = pstrdup(entry->d_name);
  }
  names[count] = nullptr;
  if (FreeDir(dir) != 0) elog(WARNING, "could not close directory \"%s\": %m", path);
  return names;
}

void pgfnames_cleanup(char** filenames) {
  for (char** name = filenames; *name != nullptr; name++) pfree(*name);
  pfree(filenames);
}

// True if all is gone. What cannot be removed is said in a WARNING, and the rest is removed all the same.
bool rmtree(const char* path, bool rmtopdir) {
  char** names = pgfnames(path);
  if (names == nullptr) return false;
  bool good = true;
  for (char** name = names; *name != nullptr; name++) {
    char* inside = psprintf("%s/%s", path, *name);
    struct stat status;
    if (lstat(inside, &status) != 0) {
      if (errno != ENOENT) {
        elog(WARNING, "could not stat file or directory \"%s\": %m", inside);
        good = false;
      }
    } else if (S_ISDIR(status.st_mode)) {
      good = rmtree(inside, true) && good;
    } else if (unlink(inside) != 0 && errno != ENOENT) {
      elog(WARNING, "could not remove file or directory \"%s\": %m", inside);
      good = false;
    }
    pfree(inside);
  }
  if (rmtopdir && rmdir(path) != 0) {
    elog(WARNING, "could not remove file or directory \"%s\": %m", path);
    good = false;
  }
  pgfnames_cleanup(names);
  return good;
}

}  // extern "C"
