// Temporary files (storage/fd.h): files of the pool that go with their transaction or process, in
// base/pgsql_tmp of the host's data directory, and files and folders with names of their own that several
// workers share there.
//
// What a crash leaves behind is removed when the host starts, and after a crash of one worker if
// remove_temp_files_after_crash says so. There are no tablespaces here: a module may choose some, and since
// their folders are not there, its files are made in the default one. C style, as fd_virtual.cc.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include "catalog/catversion.h"
#include "catalog/pg_tablespace_d.h"
#include "common/file_utils.h"
#include "common/pg_prng.h"
#include "common/relpath.h"
#include "miscadmin.h"
#include "postmaster/postmaster.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/resowner_private.h"
}

#include "storage/fd_parts.hpp"

extern "C" {
int log_temp_files = -1;
bool remove_temp_files_after_crash = true;
}

namespace {

long temporary_count = 0;  // that this process has made: the latter part of their names

// What PrepareTempTablespaces() would have read from the setting: the transaction's, in the caller's memory.
const Oid* temp_tablespaces = nullptr;
int temp_tablespace_count = -1;  // not chosen in this transaction
int next_temp_tablespace = 0;

void register_temporary(File file) {
  bgw::files::own_file(file, CurrentResourceOwner);
  bgw::files::mark_file(file, bgw::files::file_close_at_eoxact);
}

void make_room_in_owner() {
  if (CurrentResourceOwner == nullptr)
    elog(ERROR, "a temporary file of a transaction needs a resource owner, and there is none");
  ResourceOwnerEnlargeFiles(CurrentResourceOwner);
}

// 0 or less, with errno, if it cannot be made and that is no error.
File open_in_tablespace(Oid tablespace, bool error) {
  char folder[MAXPGPATH], path[MAXPGPATH];
  TempTablespacePath(folder, tablespace);
  if (snprintf(path, sizeof(path), "%s/%s%d.%ld", folder, PG_TEMP_FILE_PREFIX, MyProcPid, temporary_count++) >=
      static_cast<int>(sizeof(path)))
    elog(ERROR, "path of a temporary file is too long: \"%s\"", folder);
  constexpr int flags = O_RDWR | O_CREAT | O_TRUNC;
  File file = PathNameOpenFile(path, flags);
  if (file <= 0) {
    // Perhaps it is the first there.
    (void)MakePGDirectory(folder);
    file = PathNameOpenFile(path, flags);
    if (file <= 0 && error) elog(ERROR, "could not create temporary file \"%s\": %m", path);
  }
  return file;
}

// What a walk through a folder of temporary files removes; what cannot be removed is logged.
void remove_tree_of_temporary_files(const char* path) {
  DIR* dir = AllocateDir(path);
  while (struct dirent* entry = ReadDirExtended(dir, path, LOG)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char inside[MAXPGPATH * 2];
    snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
    switch (get_dirent_type(inside, entry, false, LOG)) {
      case PGFILETYPE_REG:
        (void)PathNameDeleteTemporaryFile(inside, false);
        break;
      case PGFILETYPE_DIR:
        remove_tree_of_temporary_files(inside);
        break;
      default:
        break;
    }
  }
  FreeDir(dir);
  if (rmdir(path) != 0 && errno != ENOENT)
    ereport(LOG, (errcode_for_file_access(), errmsg("could not remove directory \"%s\": %m", path)));
}

// Past the digits at `text`, of which there must be one; nullptr if there is none.
const char* past_number(const char* text) {
  size_t digits = strspn(text, "0123456789");
  return digits > 0 ? text + digits : nullptr;
}

}  // namespace

namespace bgw::files {

void report_temporary_file(const char* path, off_t size) {
  if (log_temp_files < 0 || size / 1024 < log_temp_files) return;
  ereport(LOG, (errmsg("temporary file: path \"%s\", size %lu", path, static_cast<unsigned long>(size))));
}

void forget_temp_tablespaces() {
  temp_tablespaces = nullptr;
  temp_tablespace_count = -1;
}

}  // namespace bgw::files

using namespace bgw::files;

extern "C" {

// ---- without names that matter

// Removed when it is closed: by the caller, with the transaction unless interXact, or with the process.
File OpenTemporaryFile(bool interXact) {
  if (!interXact) make_room_in_owner();
  File file = 0;
  if (temp_tablespace_count > 0 && !interXact) {
    Oid chosen = GetNextTempTableSpace();
    if (OidIsValid(chosen)) file = open_in_tablespace(chosen, false);
  }
  if (file <= 0)
    file = open_in_tablespace(OidIsValid(MyDatabaseTableSpace) ? MyDatabaseTableSpace : DEFAULTTABLESPACE_OID,
                              true);
  mark_file(file, file_delete_at_close | file_counts_as_temporary);
  if (!interXact) register_temporary(file);
  return file;
}

// ---- with names, in folders: removed by name, and not when they are closed

// 0 or less, with errno, if it cannot be made and error_on_failure is false.
File PathNameCreateTemporaryFile(const char* path, bool error_on_failure) {
  make_room_in_owner();
  File file = PathNameOpenFile(path, O_RDWR | O_CREAT | O_TRUNC);
  if (file <= 0) {
    if (error_on_failure)
      ereport(ERROR, (errcode_for_file_access(), errmsg("could not create temporary file \"%s\": %m", path)));
    return file;
  }
  mark_file(file, file_counts_as_temporary);
  register_temporary(file);
  return file;
}

// 0 or less if there is no such file. What is written to it does not count towards temp_file_limit.
File PathNameOpenTemporaryFile(const char* path, int mode) {
  make_room_in_owner();
  File file = PathNameOpenFile(path, mode);
  if (file <= 0) {
    if (errno != ENOENT)
      ereport(ERROR, (errcode_for_file_access(), errmsg("could not open temporary file \"%s\": %m", path)));
    return file;
  }
  register_temporary(file);
  return file;
}

// False if there was none, or if it could not be removed and error_on_failure is false.
bool PathNameDeleteTemporaryFile(const char* path, bool error_on_failure) {
  struct stat status;
  int stat_errno = stat(path, &status) == 0 ? 0 : errno;
  if (stat_errno == ENOENT) return false;
  if (unlink(path) < 0) {
    if (errno != ENOENT)
      ereport(error_on_failure ? ERROR : LOG,
              (errcode_for_file_access(), errmsg("could not unlink temporary file \"%s\": %m", path)));
    return false;
  }
  if (stat_errno == 0) {
    report_temporary_file(path, status.st_size);
  } else {
    errno = stat_errno;
    ereport(LOG, (errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", path)));
  }
  return true;
}

// It may be there already; the folder it is in is made as well.
void PathNameCreateTemporaryDir(const char* basedir, const char* directory) {
  if (MakePGDirectory(directory) == 0 || errno == EEXIST) return;
  if (MakePGDirectory(basedir) < 0 && errno != EEXIST)
    ereport(ERROR,
            (errcode_for_file_access(), errmsg("cannot create temporary directory \"%s\": %m", basedir)));
  if (MakePGDirectory(directory) < 0 && errno != EEXIST)
    ereport(ERROR,
            (errcode_for_file_access(), errmsg("cannot create temporary subdirectory \"%s\": %m", directory)));
}

// With all that is in it. It need not be there.
void PathNameDeleteTemporaryDir(const char* dirname) {
  struct stat status;
  if (stat(dirname, &status) != 0 && errno == ENOENT) return;
  remove_tree_of_temporary_files(dirname);
}

// `path` has MAXPGPATH bytes.
void TempTablespacePath(char* path, Oid tablespace) {
  if (tablespace == InvalidOid || tablespace == DEFAULTTABLESPACE_OID || tablespace == GLOBALTABLESPACE_OID)
    snprintf(path, MAXPGPATH, "base/%s", PG_TEMP_FILES_DIR);
  else
    snprintf(path, MAXPGPATH, "pg_tblspc/%u/%s/%s", tablespace, TABLESPACE_VERSION_DIRECTORY,
             PG_TEMP_FILES_DIR);
}

// ---- which tablespaces

// The array stays the caller's and must last until the transaction ends. With several, files are spread over
// them, beginning with any.
void SetTempTablespaces(Oid* tableSpaces, int numSpaces) {
  Assert(numSpaces >= 0);
  temp_tablespaces = tableSpaces;
  temp_tablespace_count = numSpaces;
  next_temp_tablespace =
      numSpaces > 1
          ? static_cast<int>(pg_prng_uint64_range(&pg_global_prng_state, 0, static_cast<uint64>(numSpaces - 1)))
          : 0;
}

bool TempTablespacesAreSet(void) {
  return temp_tablespace_count >= 0;
}

int GetTempTablespaces(Oid* tableSpaces, int numSpaces) {
  int count = Min(temp_tablespace_count, numSpaces);
  for (int i = 0; i < count; i++) tableSpaces[i] = temp_tablespaces[i];
  return count;
}

Oid GetNextTempTableSpace(void) {
  if (temp_tablespace_count <= 0) return InvalidOid;
  if (++next_temp_tablespace >= temp_tablespace_count) next_temp_tablespace = 0;
  return temp_tablespaces[next_temp_tablespace];
}

// ---- what was left behind

void RemovePgTempFiles(void) {
  char folder[MAXPGPATH];
  TempTablespacePath(folder, DEFAULTTABLESPACE_OID);
  RemovePgTempFilesInDir(folder, true, false);
}

// Only what is named like a temporary file, unless unlink_all.
void RemovePgTempFilesInDir(const char* tmpdirname, bool missing_ok, bool unlink_all) {
  DIR* dir = AllocateDir(tmpdirname);
  if (dir == nullptr && errno == ENOENT && missing_ok) return;
  while (struct dirent* entry = ReadDirExtended(dir, tmpdirname, LOG)) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    char path[MAXPGPATH * 2];
    snprintf(path, sizeof(path), "%s/%s", tmpdirname, entry->d_name);
    if (!unlink_all && strncmp(entry->d_name, PG_TEMP_FILE_PREFIX, strlen(PG_TEMP_FILE_PREFIX)) != 0) {
      ereport(LOG, (errmsg("unexpected file found in temporary-files directory: \"%s\"", path)));
      continue;
    }
    PGFileType type = get_dirent_type(path, entry, false, LOG);
    if (type == PGFILETYPE_DIR) {
      RemovePgTempFilesInDir(path, false, true);
      if (rmdir(path) < 0)
        ereport(LOG, (errcode_for_file_access(), errmsg("could not remove directory \"%s\": %m", path)));
    } else if (type != PGFILETYPE_ERROR && unlink(path) < 0) {
      ereport(LOG, (errcode_for_file_access(), errmsg("could not remove file \"%s\": %m", path)));
    }
  }
  FreeDir(dir);
}

// t, a backend's number, _, a file's number; perhaps a fork's name after _, and a segment's number after a dot.
bool looks_like_temp_rel_name(const char* name) {
  if (*name != 't') return false;
  const char* rest = past_number(name + 1);
  if (rest == nullptr || *rest != '_') return false;
  rest = past_number(rest + 1);
  if (rest == nullptr) return false;
  if (*rest == '_') {
    int length = forkname_chars(rest + 1, nullptr);
    if (length <= 0) return false;
    rest += 1 + length;
  }
  if (*rest == '.') {
    rest = past_number(rest + 1);
    if (rest == nullptr) return false;
  }
  return *rest == '\0';
}

}  // extern "C"
