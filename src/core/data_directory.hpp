// The host's data directory: what `bgworkerd --init` makes and what the start
// refuses to work in.
//
//   DIR/bgworkerd.conf       the settings
//   DIR/embedded.conf        the owner's settings for the embedded upstream, if any
//   DIR/BGWORKERD_VERSION    one line, the PostgreSQL major whose ABI the host that made it has
//   DIR/run/                 sockets: control.sock, the embedded upstream's
//   DIR/base/pgsql_tmp/      temporary files of workers, once there has been one
//   DIR/bgworkerd.pid        while a host runs (core/lock_file)
//   DIR/embedded/            the embedded upstream's cluster, once there is one (core/embedded_upstream)
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "core/result.hpp"

namespace bgw {

inline constexpr const char* config_file_name = "bgworkerd.conf";
inline constexpr const char* version_file_name = "BGWORKERD_VERSION";
inline constexpr const char* run_folder_name = "run";
inline constexpr const char* control_socket_name = "control.sock";

// Makes a data directory at `path`, or fills an existing empty one, owned by
// uid:gid with mode 0700, holding `sample_config_text` as bgworkerd.conf.
// Parents that do not exist are made as well. On failure whatever it made is
// removed again. Errors: exists and is not empty, exists and is not a
// directory, a system call's.
Result<void> init_data_directory(const std::string& path, uid_t uid, gid_t gid,
                                 std::string_view sample_config_text, int abi_major);

// Whether a host that runs as `uid` and has the ABI of `abi_major` may start in
// `path`. Makes run/ again if it is gone. The errors have the server's wording
// where the server has one.
Result<void> check_data_directory(const std::string& path, uid_t uid, int abi_major);

// Whether `path` looks like a data directory of bgworkerd at all; for tools
// that only want to talk to a host. Returns the absolute path, without symbolic
// links.
Result<std::string> find_data_directory(const std::string& path);

// The absolute path of the control socket of the host in `data_directory`.
// Error: longer than a socket address can hold (107 bytes).
Result<std::string> control_socket_path(const std::string& data_directory);

// Error with the server's wording when `path` is longer than a Unix-domain
// socket address can hold.
Result<void> check_socket_path_length(const std::string& path);

// The error of a system call that just failed, from errno: `could not WHAT
// "PATH": REASON`, with the SQLSTATE the server gives to that errno.
Error file_error(std::string_view what, const std::string& path);

}  // namespace bgw
