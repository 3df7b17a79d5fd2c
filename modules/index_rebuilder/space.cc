// Whether there is room for an index that is to be rebuilt.
//
// The new index is built beside the old one, after a sort that may need as much again: twice the size that is
// expected. An invalid index may be empty because its build had only begun; it is expected to be as large as
// its table, which few indexes are. Free space can be seen when the folder of the tablespace is on this machine
// and the worker's user may look at it. That it is the server's folder and not another one of the same name is
// known by the system identifier in its control file. Where it cannot be seen, a limit on the size takes its
// place.
#include "index_rebuilder.hpp"

#include "session.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace index_rebuilder {

namespace {

std::string megabytes(std::int64_t bytes) {
  return bgworker::format("{} MB", (bytes + (1 << 20) - 1) >> 20);
}

// What the control file of a data directory says, or why it cannot be read.
struct identity {
  std::uint64_t value = 0;
  std::string problem;
};
identity read_identity(const std::string& data_directory) {
  identity found;
  const int fd = ::open((data_directory + "/global/pg_control").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    found.problem = bgworker::format("folder {} cannot be looked at from here", data_directory);
    return found;
  }
  if (::read(fd, &found.value, sizeof found.value) != static_cast<ssize_t>(sizeof found.value))
    found.problem = bgworker::format("folder {} has no control file", data_directory);
  ::close(fd);
  return found;
}

}  // namespace

std::string lack_of_space(bgworker::transaction& tx, const finding& f, const space_rules& rules,
                          std::string& how) {
  auto [expected, location, reported, identifier] =
      tx.query<std::int64_t, std::string, std::optional<std::string>, std::string>(
            OWN
            "SELECT greatest(pg_relation_size(c.oid), CASE WHEN $2 THEN 0 ELSE pg_relation_size($3::oid) END),"
            " pg_tablespace_location(CASE c.reltablespace WHEN 0 THEN d.dattablespace ELSE c.reltablespace "
            "END),"
            " (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'),"
            " (SELECT system_identifier::text FROM pg_control_system())"
            " FROM pg_catalog.pg_class c, pg_catalog.pg_database d WHERE c.oid = $1::oid AND d.datname ="
            " current_database()",
            f.index, f.valid, f.table)
          .front();
  const std::int64_t needed = 2 * expected;
  // In the server the folder is known even to a role that may not ask for it.
  const std::optional<std::string> data_directory = in_host() ? reported : std::optional<std::string>(DataDir);
  std::string blind;
  std::int64_t available = 0;
  std::string folder;
  if (!data_directory) {
    blind = "the role may not see data_directory";
  } else if (const identity id = read_identity(*data_directory); !id.problem.empty()) {
    blind = id.problem;
  } else if (std::to_string(id.value) != identifier) {
    blind = bgworker::format("folder {} here is another server's", *data_directory);
  } else {
    folder = location.empty() ? *data_directory + "/base" : location;
    struct statvfs s;
    if (::statvfs(folder.c_str(), &s) != 0)
      blind = bgworker::format("folder {} cannot be looked at from here", folder);
    else
      available = static_cast<std::int64_t>(s.f_bavail) * static_cast<std::int64_t>(s.f_frsize);
  }
  if (blind.empty()) {
    const std::int64_t reserve = static_cast<std::int64_t>(rules.reserve.count) * 1024;
    how = bgworker::format("{} free in {}", megabytes(available), folder);
    if (available >= needed + reserve) return {};
    return bgworker::format("{}, but {} and index_rebuilder.disk_reserve of {} are needed", how,
                            megabytes(needed), megabytes(reserve));
  }
  const std::int64_t limit = static_cast<std::int64_t>(rules.blind_limit.count) * 1024;
  how = bgworker::format("free space not known: {}", blind);
  if (expected <= limit) return {};
  return bgworker::format("{}; {} are expected, more than index_rebuilder.blind_limit of {}", how,
                          megabytes(expected), megabytes(limit));
}

}  // namespace index_rebuilder
