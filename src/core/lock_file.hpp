// One host per data directory: DIR/bgworkerd.pid, locked for as long as the
// host lives.
//
// The lock is a record lock of the process (fcntl F_SETLK), not flock() and not
// an open-file-description lock: those belong to the open file, which every
// forked child shares, so that a worker outliving a killed postmaster would
// keep the next one out. A record lock belongs to the process that took it, a
// child never has it, and the kernel names the holder to whoever asks. Its
// known trap is that closing *any* descriptor of the file in the holding
// process drops the lock; therefore only this class opens the file in the
// postmaster, and find_lock_holder() must not be called there.
//
// What the file says is for people and for bgworkerctl; whether a host runs is
// decided by the lock alone, so a file left behind by a crash is simply taken
// over.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>

#include "core/result.hpp"
#include "port/fd.hpp"

namespace bgw {

inline constexpr const char* lock_file_name = "bgworkerd.pid";

// The file's lines, in this order.
struct LockFileContents {
  pid_t pid = 0;
  std::string data_directory;
  std::time_t start_time = 0;  // seconds since the epoch
  std::string control_socket;
  std::string version;
};

class LockFile {
 public:
  LockFile() = default;
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&& other) noexcept;
  // Releases in the process that acquired it; a forked copy only closes its
  // descriptor.
  ~LockFile();

  // Takes the lock and writes the file. Error F0001 with the server's wording
  // when another host holds it. `data_directory` must be absolute. Call it in
  // the process that is going to be the postmaster: the lock does not survive a
  // fork.
  static Result<LockFile> acquire(const std::string& data_directory, const std::string& control_socket,
                                  const std::string& version);

  // Removes the file and gives the lock up, at a clean exit. Does nothing in a
  // forked child.
  void release();

  bool held() const { return static_cast<bool>(fd_); }
  // What a host that did not end cleanly had left in the file.
  const std::optional<LockFileContents>& left_behind() const { return left_behind_; }

 private:
  UniqueFd fd_;
  std::string path_;
  pid_t owner_ = 0;
  std::optional<LockFileContents> left_behind_;
};

// The host that holds the lock of `data_directory`, if any; the pid is the
// kernel's word, the rest is what the file says. For other processes than the
// holder.
Result<std::optional<LockFileContents>> find_lock_holder(const std::string& data_directory);

}  // namespace bgw
