// Changing who the postmaster is. Entered once, at start, before there is any
// child or thread.
//
// Invariant on success: neither the real, the effective nor the saved user is
// root, and none of root's groups is left, so there is no way back for whatever
// a module does later.
#include "core/run_as.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace bgw {

namespace {

Result<UserIdentity> from_passwd(int error, const passwd* found, const std::string& what) {
  if (error != 0)
    return Error{.message = "could not look up " + what + ": " + std::strerror(error), .sqlstate = "58000"};
  if (found == nullptr)
    return Error{.message = what + " does not exist",
                 .sqlstate = "22023",
                 .hint = "Set \"user\" to an existing account other than root."};
  return UserIdentity{.uid = found->pw_uid,
                      .gid = found->pw_gid,
                      .name = found->pw_name,
                      .home = found->pw_dir ? found->pw_dir : "/"};
}

// Calls one of the re-entrant look-ups with as much space as it asks for.
template <class Lookup>
Result<UserIdentity> look_up(const std::string& what, Lookup lookup) {
  std::vector<char> space(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error;
  while ((error = lookup(&entry, space.data(), space.size(), &found)) == ERANGE && space.size() < (1u << 20))
    space.resize(space.size() * 2);
  return from_passwd(error, found, what);
}

Error cannot_switch(const std::string& name, const char* call) {
  const int error = errno;
  return Error{.message = "could not switch to user \"" + name + "\": " + call + ": " + std::strerror(error),
               .sqlstate = "42501",
               .hint = "Start the host as that user instead of root."};
}

}  // namespace

Result<UserIdentity> look_up_user(const std::string& name) {
  Result<UserIdentity> user =
      look_up("user \"" + name + "\"", [&](passwd* entry, char* space, std::size_t size, passwd** found) {
        return getpwnam_r(name.c_str(), entry, space, size, found);
      });
  if (user && user->uid == 0)
    return Error{.message = "user \"" + name + "\" is root: the host must not run as root",
                 .sqlstate = "42501",
                 .hint = "Set \"user\" to an unprivileged account, such as postgres."};
  return user;
}

Result<UserIdentity> look_up_user(uid_t uid) {
  return look_up("user ID " + std::to_string(uid),
                 [uid](passwd* entry, char* space, std::size_t size, passwd** found) {
                   return getpwuid_r(uid, entry, space, size, found);
                 });
}

Result<UserIdentity> current_user() {
  return look_up_user(geteuid());
}

Result<UserIdentity> run_as(const std::string& name) {
  umask(077);
  if (geteuid() != 0) {
    if (getuid() != geteuid())
      return Error{.message = "bgworkerd: real and effective user IDs must match", .sqlstate = "42501"};
    Result<UserIdentity> user = current_user();
    // An account without a name (a container's arbitrary user ID) can run the
    // host all the same.
    if (!user)
      return UserIdentity{.uid = geteuid(), .gid = getegid(), .name = std::to_string(geteuid()), .home = "/"};
    return user;
  }

  Result<UserIdentity> user = look_up_user(name);
  if (!user) return user;
  if (initgroups(user->name.c_str(), user->gid) != 0) return cannot_switch(name, "initgroups");
  if (setresgid(user->gid, user->gid, user->gid) != 0) return cannot_switch(name, "setgid");
  if (setresuid(user->uid, user->uid, user->uid) != 0) return cannot_switch(name, "setuid");
  if (setuid(0) == 0 || geteuid() == 0 || getuid() == 0)
    return Error{.message = "could not give up root's rights for good", .sqlstate = "42501"};

  // The kernel forbids core dumps and hides /proc/PID of a process that has
  // changed its user; the host has no secret of root's to hide, and its crashes
  // must be as easy to study as when started by the user itself.
  prctl(PR_SET_DUMPABLE, 1);
  setenv("HOME", user->home.c_str(), 1);
  setenv("USER", user->name.c_str(), 1);
  setenv("LOGNAME", user->name.c_str(), 1);
  unsetenv("XDG_RUNTIME_DIR");
  return user;
}

}  // namespace bgw
