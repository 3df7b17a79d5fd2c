// What the parts of storage/fd.h share. Include after postgres.h.
#pragma once

extern "C" {
#include "storage/fd.h"
#include "utils/resowner.h"
}

namespace bgw::files {

// ---- streams, folders and descriptors that a transaction holds (fd.cc)

extern int allocated_count;  // how many there are
extern int external_count;   // descriptors that somebody else keeps (AcquireExternalFD)

// ---- the pool of virtual files (fd_virtual.cc)

// Gives the kernel back the descriptor of the file that was used longest ago. False when none has one.
bool release_lru_file();
// The same, until there is room for one more kernel descriptor below max_safe_fds.
void release_lru_files();
// For a call that has just failed with errno EMFILE or ENFILE: says so in the log and gives a descriptor back.
// False, with errno as it was, when it failed for another reason or there is nothing to give back: it is not
// worth trying again.
bool made_room_after_failure();

// What becomes of a file beside being closed.
enum FileState : unsigned {
  file_delete_at_close = 1,
  file_close_at_eoxact = 2,
  file_counts_as_temporary = 4,  // towards temp_file_limit
};
void mark_file(File file, unsigned states);
// Closed, with a WARNING when it is not, by `owner`'s release. Room must have been made for it.
void own_file(File file, ResourceOwner owner);
// At the end of a transaction those that should not outlive it, at the end of the process all temporary files.
void close_temporary_files(bool at_exit);

// ---- temporary files (fd_temporary.cc)

// Says in the log that a temporary file has been removed, if log_temp_files asks for it.
void report_temporary_file(const char* path, off_t size);
void forget_temp_tablespaces();

}  // namespace bgw::files
