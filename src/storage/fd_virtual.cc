// The pool of virtual files (storage/fd.h): any number of open files on a bounded number of kernel descriptors.
//
// A File is an index into the pool. A file that has a kernel descriptor stands in a ring, the latest used
// first; when another descriptor is wanted and the process has max_safe_fds of them, the file that was used
// longest ago gives its own up, and opens again, without creating or truncating, when it is used next. Entry 0
// is the ring's head and no file. Positions are the caller's: all reading and writing says where.
//
// Invariants: an entry is free if and only if it has no name; it is in the ring if and only if fd >= 0;
// temporary_size is the sum of `size` over the files that count as temporary. C style: errors may leave from
// anywhere. Only for the process's main thread. SIGTERM may end the process between any two steps, and then
// closes what is here: what it must not find half done is done in critical sections.
#include "bridge/critical.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include "common/file_perm.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/resowner_private.h"
#include "utils/wait_event.h"
}

#include "storage/fd_parts.hpp"

extern "C" {
int max_safe_fds = 48;  // until set_max_safe_fds() has looked
int temp_file_limit = -1;
}

namespace {

constexpr int closed = -1;

struct VirtualFile {
  char* name;  // nullptr: a free entry
  int fd;
  int flags;  // to open it again with
  mode_t mode;
  unsigned states;  // FileState
  ResourceOwner owner;
  off_t size;         // of one that counts as temporary, as far as it was written here
  File newer, older;  // the ring
  File next_free;     // 0: the last
};

VirtualFile* pool = nullptr;
int pool_size = 0;
File first_free = 0;
int open_count = 0;  // of kernel descriptors
uint64 temporary_size = 0;
bool any_close_at_eoxact = false;

VirtualFile* look_up(File file) {
  if (file <= 0 || file >= pool_size || pool[file].name == nullptr)
    elog(ERROR, "virtual file descriptor %d is not open", file);
  return &pool[file];
}

// How bad it is that closing failed: of a file that is to last, what was written may be lost.
int level_of_failed_close(const VirtualFile* entry) {
  return (entry->states & bgw::files::file_counts_as_temporary) ? LOG : data_sync_elevel(LOG);
}

void leave_ring(VirtualFile* entry) {
  pool[entry->newer].older = entry->older;
  pool[entry->older].newer = entry->newer;
}

void enter_ring(File file) {
  VirtualFile* entry = &pool[file];
  entry->newer = 0;
  entry->older = pool[0].older;
  pool[entry->older].newer = file;
  pool[0].older = file;
}

void give_up_descriptor(File file) {
  VirtualFile* entry = &pool[file];
  bgw::enter_critical();
  leave_ring(entry);
  int fd = entry->fd;
  entry->fd = closed;
  open_count--;
  bool done = close(fd) == 0;
  bgw::leave_critical();
  if (!done) elog(level_of_failed_close(entry), "could not close file \"%s\": %m", entry->name);
}

void take_descriptor(File file, int fd) {
  bgw::enter_critical();
  pool[file].fd = fd;
  enter_ring(file);
  open_count++;
  bgw::leave_critical();
}

// Opens the file again if it has given its descriptor up. Returns the descriptor, or -1 with errno.
int use(File file) {
  VirtualFile* entry = look_up(file);
  if (entry->fd == closed) {
    bgw::files::release_lru_files();
    int fd = BasicOpenFilePerm(entry->name, entry->flags, entry->mode);
    if (fd < 0) return -1;
    take_descriptor(file, fd);
  } else if (pool[0].older != file) {
    bgw::enter_critical();
    leave_ring(entry);
    enter_ring(file);
    bgw::leave_critical();
  }
  return pool[file].fd;
}

void grow() {
  int size = Max(pool_size * 2, 32);
  bgw::enter_critical();
  void* larger = realloc(pool, static_cast<size_t>(size) * sizeof(VirtualFile));
  if (larger != nullptr) {
    pool = static_cast<VirtualFile*>(larger);
    memset(static_cast<void*>(pool + pool_size), 0,
           static_cast<size_t>(size - pool_size) * sizeof(VirtualFile));
    for (File file = size - 1; file >= Max(pool_size, 1); file--) {
      pool[file].fd = closed;
      pool[file].next_free = first_free;
      first_free = file;
    }
    pool_size = size;
  }
  bgw::leave_critical();
  if (larger == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

void count_size(VirtualFile* entry, off_t size) {
  temporary_size += static_cast<uint64>(size) - static_cast<uint64>(entry->size);
  entry->size = size;
}

}  // namespace

namespace bgw::files {

bool release_lru_file() {
  if (open_count == 0) return false;
  give_up_descriptor(pool[0].newer);
  return true;
}

void release_lru_files() {
  while (open_count + allocated_count + external_count >= max_safe_fds)
    if (!release_lru_file()) break;
}

bool made_room_after_failure() {
  if (errno != EMFILE && errno != ENFILE) return false;
  int why = errno;
  ereport(LOG,
          (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("out of file descriptors: %m; release and retry")));
  bool room = release_lru_file();
  errno = why;
  return room;
}

void mark_file(File file, unsigned states) {
  look_up(file)->states |= states;
  if (states & file_close_at_eoxact) any_close_at_eoxact = true;
}

void own_file(File file, ResourceOwner owner) {
  ResourceOwnerRememberFile(owner, file);
  look_up(file)->owner = owner;
}

void close_temporary_files(bool at_exit) {
  if (!at_exit && !any_close_at_eoxact) return;
  for (File file = 1; file < pool_size; file++) {
    VirtualFile* entry = &pool[file];
    if (entry->name == nullptr) continue;
    if (at_exit) {
      if (entry->states & (file_delete_at_close | file_close_at_eoxact)) FileClose(file);
    } else if (entry->states & file_close_at_eoxact) {
      // Its owner has closed it before, unless it had been detached from it.
      elog(WARNING, "temporary file %s not closed at end-of-transaction", entry->name);
      FileClose(file);
    }
  }
  any_close_at_eoxact = false;
}

}  // namespace bgw::files

using namespace bgw::files;

extern "C" {

void InitFileAccess(void) {
  if (pool_size == 0) grow();
}

void closeAllVfds(void) {
  while (release_lru_file()) {
  }
}

File PathNameOpenFile(const char* fileName, int fileFlags) {
  return PathNameOpenFilePerm(fileName, fileFlags, static_cast<mode_t>(pg_file_create_mode));
}

File PathNameOpenFilePerm(const char* fileName, int fileFlags, mode_t fileMode) {
  if (first_free == 0) grow();
  bgw::enter_critical();
  char* name = strdup(fileName);
  bgw::leave_critical();
  if (name == nullptr) ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  release_lru_files();
  int fd = BasicOpenFilePerm(fileName, fileFlags, fileMode);
  if (fd < 0) {
    int why = errno;
    bgw::enter_critical();
    free(name);
    bgw::leave_critical();
    errno = why;
    return -1;
  }
  bgw::enter_critical();
  File file = first_free;
  VirtualFile* entry = &pool[file];
  first_free = entry->next_free;
  *entry = VirtualFile{};
  entry->name = name;
  entry->fd = closed;
  entry->flags = fileFlags & ~(O_CREAT | O_TRUNC | O_EXCL);
  entry->mode = fileMode;
  take_descriptor(file, fd);
  bgw::leave_critical();
  return file;
}

// A temporary file is removed with it. Failures are only logged: the caller is done with the file.
void FileClose(File file) {
  VirtualFile* entry = look_up(file);
  if (entry->fd != closed) give_up_descriptor(file);
  if (entry->states & file_counts_as_temporary) count_size(entry, 0);
  if (entry->states & file_delete_at_close) {
    // First: should it fail in between, it is not tried again.
    entry->states &= ~static_cast<unsigned>(file_delete_at_close);
    struct stat status;
    int stat_errno = stat(entry->name, &status) == 0 ? 0 : errno;
    if (unlink(entry->name) != 0)
      ereport(LOG, (errcode_for_file_access(), errmsg("could not delete file \"%s\": %m", entry->name)));
    if (stat_errno == 0) {
      report_temporary_file(entry->name, status.st_size);
    } else {
      errno = stat_errno;
      ereport(LOG, (errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", entry->name)));
    }
  }
  if (entry->owner != nullptr) ResourceOwnerForgetFile(entry->owner, file);
  bgw::enter_critical();
  free(entry->name);
  *entry = VirtualFile{};
  entry->fd = closed;
  entry->next_free = first_free;
  first_free = file;
  bgw::leave_critical();
}

// 0, or the number of the error.
int FilePrefetch(File file, off_t offset, int amount, uint32 wait_event_info) {
  int fd = use(file);
  if (fd < 0) return errno;
  pgstat_report_wait_start(wait_event_info);
  int result = posix_fadvise(fd, offset, amount, POSIX_FADV_WILLNEED);
  pgstat_report_wait_end();
  return result;
}

void FileWriteback(File file, off_t offset, off_t nbytes, uint32 wait_event_info) {
  look_up(file);
  if (nbytes <= 0) return;
  int fd = use(file);
  if (fd < 0) return;
  pgstat_report_wait_start(wait_event_info);
  pg_flush_data(fd, offset, nbytes);
  pgstat_report_wait_end();
}

int FileRead(File file, char* buffer, int amount, off_t offset, uint32 wait_event_info) {
  int fd = use(file);
  if (fd < 0) return -1;
  ssize_t got;
  do {
    pgstat_report_wait_start(wait_event_info);
    got = pread(fd, buffer, static_cast<size_t>(amount), offset);
    pgstat_report_wait_end();
  } while (got < 0 && errno == EINTR);
  return static_cast<int>(got);
}

// Less than `amount` with errno ENOSPC if the kernel does not say why it wrote less.
int FileWrite(File file, char* buffer, int amount, off_t offset, uint32 wait_event_info) {
  int fd = use(file);
  if (fd < 0) return -1;
  bool counts = (pool[file].states & file_counts_as_temporary) != 0;
  if (counts && temp_file_limit >= 0 && offset + amount > pool[file].size) {
    uint64 total = temporary_size + static_cast<uint64>(offset + amount - pool[file].size);
    if (total > static_cast<uint64>(temp_file_limit) * 1024)
      ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                      errmsg("temporary file size exceeds temp_file_limit (%dkB)", temp_file_limit)));
  }
  ssize_t written;
  do {
    errno = 0;
    pgstat_report_wait_start(wait_event_info);
    written = pwrite(fd, buffer, static_cast<size_t>(amount), offset);
    pgstat_report_wait_end();
  } while (written < 0 && errno == EINTR);
  if (written != amount && errno == 0) errno = ENOSPC;
  if (written >= 0 && counts && offset + written > pool[file].size) count_size(&pool[file], offset + written);
  return static_cast<int>(written);
}

int FileSync(File file, uint32 wait_event_info) {
  int fd = use(file);
  if (fd < 0) return -1;
  pgstat_report_wait_start(wait_event_info);
  int result = pg_fsync(fd);
  pgstat_report_wait_end();
  return result;
}

off_t FileSize(File file) {
  int fd = use(file);
  return fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
}

int FileTruncate(File file, off_t offset, uint32 wait_event_info) {
  int fd = use(file);
  if (fd < 0) return -1;
  pgstat_report_wait_start(wait_event_info);
  int result = ftruncate(fd, offset);
  pgstat_report_wait_end();
  VirtualFile* entry = &pool[file];
  if (result == 0 && (entry->states & file_counts_as_temporary) && entry->size > offset)
    count_size(entry, offset);
  return result;
}

// The pool's own copy, until the file is closed.
char* FilePathName(File file) {
  return look_up(file)->name;
}

// -1 while the file has given its descriptor up.
int FileGetRawDesc(File file) {
  return look_up(file)->fd;
}
int FileGetRawFlags(File file) {
  return look_up(file)->flags;
}
mode_t FileGetRawMode(File file) {
  return look_up(file)->mode;
}

}  // extern "C"
