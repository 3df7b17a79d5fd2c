// Writing files so that they are there after a crash (storage/fd.h, common/file_utils.h): syncing, renaming,
// removing. The upstream's setting fsync is of its own files; a module's are always synced. C style.
#include <cerrno>
#include <climits>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include "common/file_utils.h"
#include "storage/fd.h"
}

namespace {

int report(int elevel, const char* what, const char* name) {
  ereport(elevel, (errcode_for_file_access(), errmsg("could not %s file \"%s\": %m", what, name)));
  return -1;
}

// The change of a name is in its folder.
int fsync_folder_of(const char* name, int elevel) {
  char folder[MAXPGPATH];
  strlcpy(folder, name, MAXPGPATH);
  get_parent_directory(folder);
  if (folder[0] == '\0') strlcpy(folder, ".", MAXPGPATH);
  return fsync_fname_ext(folder, true, false, elevel);
}

}  // namespace

extern "C" {

bool data_sync_retry = false;

// What was not synced may have been dropped from memory, so that trying again would find nothing wrong.
int data_sync_elevel(int elevel) {
  return data_sync_retry ? elevel : PANIC;
}

int pg_fsync_no_writethrough(int fd) {
  int done;
  do done = fsync(fd);
  while (done != 0 && errno == EINTR);
  return done;
}

int pg_fsync(int fd) {
  return pg_fsync_no_writethrough(fd);
}

int pg_fsync_writethrough(int fd) {
  errno = ENOSYS;
  return -1;
}

int pg_fdatasync(int fd) {
  int done;
  do done = fdatasync(fd);
  while (done != 0 && errno == EINTR);
  return done;
}

void pg_flush_data(int fd, off_t offset, off_t amount) {
  if (sync_file_range(fd, offset, amount, SYNC_FILE_RANGE_WRITE) != 0 && errno != ENOSYS)
    ereport(WARNING, (errcode_for_file_access(), errmsg("could not flush dirty data: %m")));
}

int pg_truncate(const char* path, off_t length) {
  int done;
  do done = truncate(path, length);
  while (done != 0 && errno == EINTR);
  return done;
}

// Until all is written; the number of bytes, or -1.
ssize_t pg_pwritev_with_retry(int fd, const struct iovec* iov, int iovcnt, off_t offset) {
  ssize_t sum = 0;
  size_t skipped = 0;  // of the first part
  while (iovcnt > 0) {
    ssize_t part = skipped == 0 ? pwritev(fd, iov, Min(iovcnt, IOV_MAX), offset)
                                : pwrite(fd, static_cast<const char*>(iov->iov_base) + skipped,
                                         iov->iov_len - skipped, offset);
    if (part < 0) return -1;
    sum += part;
    offset += part;
    skipped += static_cast<size_t>(part);
    while (iovcnt > 0 && skipped >= iov->iov_len) {
      skipped -= iov->iov_len;
      iov++;
      iovcnt--;
    }
  }
  return sum;
}

void fsync_fname(const char* fname, bool isdir) {
  (void)fsync_fname_ext(fname, isdir, false, data_sync_elevel(ERROR));
}

// A folder that cannot be opened or synced on this file system counts as synced.
int fsync_fname_ext(const char* fname, bool isdir, bool ignore_perm, int elevel) {
  int fd = OpenTransientFile(fname, isdir ? O_RDONLY : O_RDWR);
  if (fd < 0) {
    if (isdir && (errno == EISDIR || errno == EACCES)) return 0;
    if (ignore_perm && errno == EACCES) return 0;
    return report(elevel, "open", fname);
  }
  if (pg_fsync(fd) != 0 && !(isdir && (errno == EBADF || errno == EINVAL))) {
    int why = errno;
    (void)CloseTransientFile(fd);
    errno = why;
    return report(elevel, "fsync", fname);
  }
  return CloseTransientFile(fd) == 0 ? 0 : report(elevel, "close", fname);
}

// The old file first, so that the new name never leads to less than was written; what the name led to before is
// synced as well, so that it is one of the two after a crash.
int durable_rename(const char* oldfile, const char* newfile, int elevel) {
  if (fsync_fname_ext(oldfile, false, false, elevel) != 0) return -1;
  if (access(newfile, F_OK) == 0) {
    if (fsync_fname_ext(newfile, false, false, elevel) != 0) return -1;
  } else if (errno != ENOENT) {
    return report(elevel, "open", newfile);
  }
  if (rename(oldfile, newfile) < 0) {
    ereport(elevel, (errcode_for_file_access(),
                     errmsg("could not rename file \"%s\" to \"%s\": %m", oldfile, newfile)));
    return -1;
  }
  if (fsync_fname_ext(newfile, false, false, elevel) != 0) return -1;
  return fsync_folder_of(newfile, elevel);
}

// Fails if the new name is taken.
int durable_rename_excl(const char* oldfile, const char* newfile, int elevel) {
  if (fsync_fname_ext(oldfile, false, false, elevel) != 0) return -1;
  if (link(oldfile, newfile) < 0) {
    ereport(elevel,
            (errcode_for_file_access(), errmsg("could not link file \"%s\" to \"%s\": %m", oldfile, newfile)));
    return -1;
  }
  unlink(oldfile);
  if (fsync_fname_ext(newfile, false, false, elevel) != 0) return -1;
  return fsync_folder_of(newfile, elevel);
}

int durable_unlink(const char* fname, int elevel) {
  if (unlink(fname) < 0) return report(elevel, "remove", fname);
  return fsync_folder_of(fname, elevel);
}

PGFileType get_dirent_type(const char* path, const struct dirent* de, bool look_through_symlinks, int elevel) {
  switch (de->d_type) {
    case DT_REG:
      return PGFILETYPE_REG;
    case DT_DIR:
      return PGFILETYPE_DIR;
    case DT_LNK:
      if (!look_through_symlinks) return PGFILETYPE_LNK;
      break;
    default:
      break;
  }
  struct stat status;
  if ((look_through_symlinks ? stat(path, &status) : lstat(path, &status)) < 0) {
    (void)report(elevel, "stat", path);
    return PGFILETYPE_ERROR;
  }
  if (S_ISREG(status.st_mode)) return PGFILETYPE_REG;
  if (S_ISDIR(status.st_mode)) return PGFILETYPE_DIR;
  return S_ISLNK(status.st_mode) ? PGFILETYPE_LNK : PGFILETYPE_UNKNOWN;
}

}  // extern "C"
