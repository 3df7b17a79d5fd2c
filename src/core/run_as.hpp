// The host never runs as root: a postmaster started by root becomes the user of
// the `user` setting first.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/result.hpp"

namespace bgw {

struct UserIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
  std::string home;
};

// The account named `name`. Errors: no such user; it is root.
Result<UserIdentity> look_up_user(const std::string& name);

// The account with this user ID.
Result<UserIdentity> look_up_user(uid_t uid);

// The account this process runs as (effective user).
Result<UserIdentity> current_user();

// As root: becomes the user `name` for good (groups, uid, gid, HOME, USER,
// LOGNAME) and returns who that is. As anyone else: changes no identity and
// ignores `name`. Sets the umask to 077 in both cases. Call it before any child
// is forked and before any thread is started. Errors: see look_up_user; real
// and effective user differ; the switch is refused, or could be undone.
Result<UserIdentity> run_as(const std::string& name);

}  // namespace bgw
