// See the header for why this is a process's record lock.
//
// A clean exit unlinks the file while holding the lock; a host that opened it
// just before would then lock a file nobody else will ever see. So whoever gets
// the lock compares what it has open with what the name means now, and starts
// over if they differ.
#include "core/lock_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/data_directory.hpp"

namespace bgw {

namespace {

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = pread(fd, buffer, sizeof(buffer), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read lock file", path);
    if (got == 0 || text.size() > 64 * 1024) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

// Whatever can be understood of it: the holder may be writing it at this
// moment, or the disk was full.
LockFileContents parse(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  lines.resize(5);
  LockFileContents contents;
  contents.pid = static_cast<pid_t>(std::strtol(lines[0].c_str(), nullptr, 10));
  contents.data_directory = lines[1];
  contents.start_time = static_cast<std::time_t>(std::strtoll(lines[2].c_str(), nullptr, 10));
  contents.control_socket = lines[3];
  contents.version = lines[4];
  return contents;
}

std::string render(const LockFileContents& contents) {
  return std::to_string(contents.pid) + "\n" + contents.data_directory + "\n" +
         std::to_string(static_cast<long long>(contents.start_time)) + "\n" + contents.control_socket + "\n" +
         contents.version + "\n";
}

Result<void> write_contents(int fd, const std::string& path, const std::string& text) {
  if (ftruncate(fd, 0) != 0) return file_error("truncate lock file", path);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = pwrite(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (written == 0) errno = ENOSPC;
      return file_error("write lock file", path);
    }
    done += static_cast<std::size_t>(written);
  }
  if (fsync(fd) != 0) return file_error("write lock file", path);
  return {};
}

bool is_still_named(int fd, const std::string& path) {
  struct stat opened, named;
  return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

Error held_by(pid_t pid, const std::string& data_directory) {
  return Error{.message = std::string("lock file \"") + lock_file_name + "\" already exists",
               .sqlstate = "F0001",
               .hint = "Is another bgworkerd (PID " + std::to_string(pid) + ") running in data directory \"" +
                       data_directory + "\"?"};
}

}  // namespace

Result<LockFile> LockFile::acquire(const std::string& data_directory, const std::string& control_socket,
                                   const std::string& version) {
  const std::string path = data_directory + "/" + lock_file_name;
  for (int attempt = 0; attempt < 100; attempt++) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return file_error("create lock file", path);

    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(fd.get(), F_SETLK, &lock) != 0) {
      if (errno != EAGAIN && errno != EACCES) return file_error("lock file", path);
      struct flock holder = whole_file(F_WRLCK);
      if (fcntl(fd.get(), F_GETLK, &holder) != 0) return file_error("lock file", path);
      if (holder.l_type == F_UNLCK) continue;  // it has gone meanwhile
      pid_t pid = holder.l_pid;
      if (pid <= 0) {  // the holder is in another pid name space, or on another machine
        Result<std::string> text = read_all(fd.get(), path);
        if (text) pid = parse(*text).pid;
      }
      return held_by(pid, data_directory);
    }
    if (!is_still_named(fd.get(), path)) continue;

    Result<std::string> before = read_all(fd.get(), path);
    if (!before) return before.error();
    LockFile file;
    if (!before->empty()) file.left_behind_ = parse(*before);
    LockFileContents contents{.pid = getpid(),
                              .data_directory = data_directory,
                              .start_time = std::time(nullptr),
                              .control_socket = control_socket,
                              .version = version};
    Result<void> written = write_contents(fd.get(), path, render(contents));
    if (!written) return written.error();
    file.fd_ = std::move(fd);
    file.path_ = path;
    file.owner_ = getpid();
    return file;
  }
  return Error{.message = "could not lock file \"" + path + "\": it keeps being replaced", .sqlstate = "F0001"};
}

void LockFile::release() {
  if (fd_ && owner_ == getpid() && is_still_named(fd_.get(), path_)) unlink(path_.c_str());
  fd_.reset();
}

LockFile& LockFile::operator=(LockFile&& other) noexcept {
  if (this != &other) {
    release();
    fd_ = std::move(other.fd_);
    path_ = std::move(other.path_);
    owner_ = other.owner_;
    left_behind_ = std::move(other.left_behind_);
  }
  return *this;
}

LockFile::~LockFile() {
  release();
}

Result<std::optional<LockFileContents>> find_lock_holder(const std::string& data_directory) {
  const std::string path = data_directory + "/" + lock_file_name;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) {
    if (errno == ENOENT) return std::optional<LockFileContents>();
    const bool denied = errno == EACCES;
    Error error = file_error("open lock file", path);
    if (denied) error.hint = "Run this as the user that runs the host, or as root.";
    return error;
  }
  // A write lock conflicts with the read lock asked about, whatever this
  // descriptor was opened for.
  struct flock holder = whole_file(F_RDLCK);
  if (fcntl(fd.get(), F_GETLK, &holder) != 0) return file_error("read lock file", path);
  if (holder.l_type == F_UNLCK) return std::optional<LockFileContents>();
  Result<std::string> text = read_all(fd.get(), path);
  if (!text) return text.error();
  LockFileContents contents = parse(*text);
  if (holder.l_pid > 0) contents.pid = holder.l_pid;
  return std::optional<LockFileContents>(std::move(contents));
}

}  // namespace bgw
