// Making and checking the data directory. Blocking file system calls, made by
// the command line's --init, by the postmaster before its event loop runs, and
// by bgworkerctl; never from a signal handler.
#include "core/data_directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "port/fd.hpp"

namespace bgw {

namespace {

const char* sqlstate_of_errno(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
    case EROFS:
      return "42501";
    case ENOENT:
      return "58P01";
    case EEXIST:
      return "58P02";
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return "42809";
    case ENOSPC:
      return "53100";
    case ENFILE:
    case EMFILE:
      return "53000";
    default:
      return error == EIO ? "58030" : "XX000";
  }
}

std::string strip_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// The names in a directory but for "." and "..".
Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  if (!directory) return file_error("open directory", path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return file_error("read directory", path);
  return names;
}

Result<void> write_file(const std::string& path, std::string_view text, uid_t uid, gid_t gid) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return file_error("create file", path);
  while (!text.empty()) {
    const ssize_t written = write(fd.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      if (written == 0) errno = ENOSPC;
      return file_error("write to file", path);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (geteuid() == 0 && fchown(fd.get(), uid, gid) != 0) return file_error("change owner of", path);
  if (fsync(fd.get()) != 0) return file_error("fsync file", path);
  return {};
}

Result<void> make_folder(const std::string& path, uid_t uid, gid_t gid) {
  if (mkdir(path.c_str(), 0700) != 0) return file_error("create directory", path);
  if (geteuid() == 0 && lchown(path.c_str(), uid, gid) != 0) return file_error("change owner of", path);
  return {};
}

// Makes what is missing above `path`; what it makes belongs to uid:gid, so that
// a path like ~/a/b works.
Result<void> make_parents(const std::string& path, uid_t uid, gid_t gid, std::vector<std::string>& made) {
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    struct stat info;
    if (stat(parent.c_str(), &info) == 0) continue;
    if (errno != ENOENT) return file_error("access directory", parent);
    Result<void> done = make_folder(parent, uid, gid);
    if (!done) return done;
    made.push_back(parent);
  }
  return {};
}

Result<void> sync_directory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return file_error("open directory", path);
  if (fsync(fd.get()) != 0 && errno != EINVAL) return file_error("fsync directory", path);
  return {};
}

Result<void> fill(const std::string& path, uid_t uid, gid_t gid, std::string_view config, int abi_major) {
  Result<void> done = make_folder(path + "/" + run_folder_name, uid, gid);
  if (done) done = write_file(path + "/" + config_file_name, config, uid, gid);
  // The version last: what has it is complete.
  if (done) done = write_file(path + "/" + version_file_name, std::to_string(abi_major) + "\n", uid, gid);
  if (done) done = sync_directory(path);
  return done;
}

Result<std::string> read_version(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return file_error("open file", path);
  char text[64];
  const ssize_t got = read(fd.get(), text, sizeof(text));
  if (got < 0) return file_error("read file", path);
  std::string version(text, static_cast<std::size_t>(got));
  return version.substr(0, version.find_first_of(" \t\r\n"));
}

Error not_a_data_directory(const std::string& path) {
  return Error{.message = "directory \"" + path + "\" is not a bgworkerd data directory",
               .sqlstate = "58P01",
               .detail = std::string("File \"") + version_file_name + "\" is missing.",
               .hint = "Make one with \"bgworkerd --init -D " + path + "\", or name another one with -D."};
}

}  // namespace

Error file_error(std::string_view what, const std::string& path) {
  const int error = errno;
  return Error{.message = "could not " + std::string(what) + " \"" + path + "\": " + std::strerror(error),
               .sqlstate = sqlstate_of_errno(error),
               .hint = error == ENOSPC ? "Free disk space and try again." : ""};
}

Result<void> init_data_directory(const std::string& given, uid_t uid, gid_t gid,
                                 std::string_view sample_config_text, int abi_major) {
  if (given.empty())
    return Error{.message = "no data directory given", .sqlstate = "22023", .hint = "Name one with -D."};
  const std::string path = strip_trailing_slashes(given);
  std::vector<std::string> made;  // outermost first
  bool existed = false;
  Result<void> done;

  struct stat info;
  if (stat(path.c_str(), &info) == 0) {
    existed = true;
    if (!S_ISDIR(info.st_mode))
      return Error{.message = "\"" + path + "\" exists but is not a directory",
                   .sqlstate = "42809",
                   .hint = "Choose another path for the data directory."};
    Result<std::vector<std::string>> names = list_directory(path);
    if (!names) return names.error();
    if (!names->empty()) {
      const bool ours = access((path + "/" + version_file_name).c_str(), F_OK) == 0;
      return Error{.message = "directory \"" + path + "\" exists but is not empty",
                   .sqlstate = "58P02",
                   .detail = ours ? "It already is a bgworkerd data directory." : "",
                   .hint = ours ? "Start the host with \"bgworkerd -D " + path + "\"."
                                : "Either remove or empty the directory \"" + path +
                                      "\", or run bgworkerd --init with an argument "
                                      "other than \"" +
                                      path + "\"."};
    }
    if (geteuid() != 0 && info.st_uid != geteuid())
      return Error{.message = "directory \"" + path + "\" belongs to another user",
                   .sqlstate = "42501",
                   .hint =
                       "Choose a path of your own, or run bgworkerd --init "
                       "as its owner."};
    if (geteuid() == 0 && chown(path.c_str(), uid, gid) != 0) return file_error("change owner of", path);
    if (chmod(path.c_str(), 0700) != 0) return file_error("change permissions of directory", path);
  } else if (errno != ENOENT) {
    return file_error("access directory", path);
  } else {
    done = make_parents(path, uid, gid, made);
    if (done) {
      done = make_folder(path, uid, gid);
      if (done) made.push_back(path);
    }
  }
  if (done) done = fill(path, uid, gid, sample_config_text, abi_major);
  if (!done) {
    // Only what this call made goes away again; the directory was empty, so
    // these names are ours.
    if (existed || (!made.empty() && made.back() == path)) {
      unlink((path + "/" + version_file_name).c_str());
      unlink((path + "/" + config_file_name).c_str());
      rmdir((path + "/" + run_folder_name).c_str());
    }
    for (std::size_t i = made.size(); i-- > 0;) rmdir(made[i].c_str());
  }
  return done;
}

Result<void> check_data_directory(const std::string& path, uid_t uid, int abi_major) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT)
      return Error{.message = "data directory \"" + path + "\" does not exist",
                   .sqlstate = "58P01",
                   .hint = "Make one with \"bgworkerd --init -D " + path + "\"."};
    const int error = errno;
    return Error{.message = "could not read permissions of directory \"" + path + "\": " + std::strerror(error),
                 .sqlstate = sqlstate_of_errno(error)};
  }
  if (!S_ISDIR(info.st_mode))
    return Error{.message = "specified data directory \"" + path + "\" is not a directory",
                 .sqlstate = "55000"};
  if (info.st_uid != uid)
    return Error{.message = "data directory \"" + path + "\" has wrong ownership",
                 .sqlstate = "55000",
                 .hint =
                     "The server must be started by the user that owns the "
                     "data directory."};
  if ((info.st_mode & (S_IWGRP | S_IRWXO)) != 0)
    return Error{.message = "data directory \"" + path + "\" has invalid permissions",
                 .sqlstate = "55000",
                 .detail = "Permissions should be u=rwx (0700) or u=rwx,g=rx (0750)."};

  const std::string version_file = path + "/" + version_file_name;
  Result<std::string> version = read_version(version_file);
  if (!version) return access(version_file.c_str(), F_OK) != 0 ? not_a_data_directory(path) : version.error();
  if (*version != std::to_string(abi_major))
    return Error{.message = "data directory \"" + path + "\" is not compatible with this bgworkerd",
                 .sqlstate = "22023",
                 .detail = "The data directory was made by a host for PostgreSQL " + *version +
                           ", and this one is for PostgreSQL " + std::to_string(abi_major) + ".",
                 .hint =
                     "Make another data directory and take the settings "
                     "over; modules must be those built for "
                     "PostgreSQL " +
                     std::to_string(abi_major) + "."};

  const std::string run = path + "/" + run_folder_name;
  if (mkdir(run.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return file_error("create directory", run);
  if (lstat(run.c_str(), &info) != 0) return file_error("access directory", run);
  if (!S_ISDIR(info.st_mode) || info.st_uid != uid)
    return Error{.message = "\"" + run + "\" is not a directory of the user that runs the host",
                 .sqlstate = "55000",
                 .hint = "Remove it; the host makes it again."};
  // Whoever can reach the sockets commands the host, whatever the data
  // directory's own group may read.
  if ((info.st_mode & 077) != 0 && chmod(run.c_str(), 0700) != 0)
    return file_error("change permissions of directory", run);
  return {};
}

Result<std::string> find_data_directory(const std::string& path) {
  std::unique_ptr<char, void (*)(void*)> absolute(realpath(path.c_str(), nullptr), std::free);
  if (!absolute) {
    if (errno == ENOENT)
      return Error{.message = "directory \"" + path + "\" does not exist",
                   .sqlstate = "58P01",
                   .hint =
                       "Name the host's data directory with -D, or make "
                       "one with \"bgworkerd --init\"."};
    return file_error("access directory", path);
  }
  struct stat info;
  if (stat(absolute.get(), &info) != 0) return file_error("access directory", path);
  if (!S_ISDIR(info.st_mode))
    return Error{.message = "\"" + path + "\" is not a directory", .sqlstate = "42809"};
  const std::string version_file = std::string(absolute.get()) + "/" + version_file_name;
  if (access(version_file.c_str(), F_OK) != 0) {
    if (errno == ENOENT) return not_a_data_directory(path);
    Error error = file_error("access directory", path);
    error.hint = "Run this as the user that runs the host, or as root.";
    return error;
  }
  return std::string(absolute.get());
}

Result<void> check_socket_path_length(const std::string& path) {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() <= longest) return {};
  return Error{.message = "Unix-domain socket path \"" + path + "\" is too long (maximum " +
                          std::to_string(longest) + " bytes)",
               .sqlstate = "22023",
               .hint = "Use a data directory with a shorter path."};
}

Result<std::string> control_socket_path(const std::string& data_directory) {
  std::string path = data_directory + "/" + run_folder_name + "/" + control_socket_name;
  Result<void> fits = check_socket_path_length(path);
  if (!fits) return fits.error();
  return path;
}

}  // namespace bgw
