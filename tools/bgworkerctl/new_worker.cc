// Writes the folder of a new worker: texts with @NAME@, @SDK@ and @BIN@ in them. What they need (the SDK's
// headers, the programs) is looked for beside this program first, as in an installation, and in the source tree
// it was built from.
#include "new_worker.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include "host.hpp"

namespace bgworkerctl {
namespace {

namespace fs = std::filesystem;

constexpr const char* makefile_text =
    R"text(# @NAME@: a background worker, for the server that PG_CONFIG names and for bgworkerd of the same major.
#
#   make          builds @NAME@.so
#   make try      runs it in a bgworkerd of its own, with a private PostgreSQL server, until Ctrl-C
#   make test     runs it there and checks that it works
WORKER = @NAME@
BGWORKER_SDK ?= @SDK@
BGWORKER_BIN ?= @BIN@
include $(BGWORKER_SDK)/bgworker/worker.mk

.PHONY: try test
try: all
	@BGWORKER_BIN="$(BGWORKER_BIN)" ./run try
test: all
	@BGWORKER_BIN="$(BGWORKER_BIN)" ./run test
)text";

constexpr const char* source_text =
    R"text(// @NAME@: a background worker. At an interval it counts the sessions of the database and writes the number to the log.
#include <bgworker/bgworker.hpp>

using namespace std::chrono_literals;

static bgworker::parameter<std::chrono::seconds> interval{{
    .name = "@NAME@.interval", .description = "Time between two rounds.", .standard = 10s, .min = 1s, .max = 24h}};
static bgworker::parameter<std::string_view> database{{
    .name = "@NAME@.database", .description = "Database to connect to.", .standard = "postgres",
    .when = bgworker::changes::at_start}};

// The worker. Objects are destroyed however it ends; an error ends it, and it is started again after ten seconds.
static void run(bgworker::worker& self) {
  self.connect(database);
  do {
    bgworker::transaction tx;
    for (auto [state, sessions] : tx.query<std::string_view, std::int64_t>(
             "SELECT coalesce(state, 'background'), count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 1"))
      bgworker::log("@NAME@: {} sessions are {}", sessions, state);
    tx.commit();
  } while (self.sleep(interval));  // false when the worker is to stop; a reload is taken over meanwhile
}

BGWORKER_MODULE(module) {
  module.add<run>(bgworker::verified({.name = "@NAME@", .restart = 10s}));
}
)text";

constexpr const char* run_text = R"text(#!/bin/sh
# Runs @NAME@ in a bgworkerd of its own, in a temporary folder: `./run try` until Ctrl-C, `./run test` until it has worked.
set -eu
cd "$(dirname "$0")"
bin=${BGWORKER_BIN:-@BIN@}
folder=$(mktemp -d /tmp/@NAME@.XXXXXX)
chmod 755 "$folder"
mkdir "$folder/lib"
cp @NAME@.so "$folder/lib/"
chmod -R a+rX "$folder/lib"
# Started by root, the host becomes the user postgres, who must be able to make its files.
as=
if [ "$(id -u)" = 0 ]; then
  chown postgres "$folder"
  as="setpriv --reuid=postgres --regid=postgres --init-groups"
fi

host=
clean_up() {
  [ -z "$host" ] || { kill -TERM "$host" 2>/dev/null && wait "$host" || true; }
  rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

$as "$bin/bgworkerd" --init -D "$folder/data" >/dev/null
cat >>"$folder/data/bgworkerd.conf" <<END
shared_preload_libraries = '@NAME@'
dynamic_library_path = '$folder/lib:\$libdir'
@NAME@.interval = 1s
END

if [ "$1" = try ]; then
  echo "The host's data directory is $folder/data; Ctrl-C stops it."
  $as "$bin/bgworkerd" -D "$folder/data"
  exit
fi

$as "$bin/bgworkerd" -D "$folder/data" >"$folder/log" 2>&1 &
host=$!
tries=0
while [ "$tries" -lt 600 ]; do
  # Twice: it goes on after its first sleep.
  if [ "$(grep -c '@NAME@: [0-9]* sessions are active' "$folder/log")" -ge 2 ]; then
    if grep -v 'embedded:' "$folder/log" | grep -qE 'ERROR:|FATAL:|PANIC:|terminated by signal'; then break; fi
    echo "ok: @NAME@ works"
    exit 0
  fi
  kill -0 "$host" 2>/dev/null || break
  tries=$((tries + 1))
  sleep 0.1
done
echo "not ok: @NAME@ does not do what it should; the log:" >&2
cat "$folder/log" >&2
exit 1
)text";

constexpr const char* readme_text = R"text(# @NAME@

A background worker for PostgreSQL and bgworkerd: counts the sessions of the database and writes the number to the log.

| parameter | default | meaning |
| --- | --- | --- |
| `@NAME@.interval` | `10s` | time between two rounds, 1 s to 1 day; taken over on reload |
| `@NAME@.database` | `postgres` | database to connect to; needs a restart |

    make          # builds @NAME@.so; PG_CONFIG=... for another server than the one on the path
    make try      # runs it in a bgworkerd of its own until Ctrl-C
    make test     # runs it there and checks that it works

To use it, put the module into `shared_preload_libraries`, of bgworkerd (with its folder in `dynamic_library_path`) or of
a PostgreSQL server (after `make install`): the same file runs in both.
)text";

std::string filled(std::string text, const std::pair<std::string, std::string> (&values)[3]) {
  for (const auto& [place, value] : values)
    for (std::size_t at = text.find(place); at != std::string::npos; at = text.find(place, at + value.size()))
      text.replace(at, place.size(), value);
  return text;
}

int refuse(const std::string& message, const std::string& hint, int code) {
  complain(bgw::Error{.message = message, .sqlstate = "22023", .hint = hint});
  return code;
}

}  // namespace

int write_new_worker(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 40 && !(name[0] >= '0' && name[0] <= '9') &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                    });
  if (!good)
    return refuse("\"" + name + "\" cannot be the name of a worker",
                  "Use lower-case letters, digits and underscores, a letter first, at most 40 in all.", usage);

  std::error_code problem;
  const fs::path bin = fs::read_symlink("/proc/self/exe", problem).parent_path();
  fs::path sdk = (bin / ".." / "include").lexically_normal();
  if (!fs::exists(sdk / "bgworker" / "worker.mk")) sdk = BGW_SOURCE_INCLUDE;
  if (!fs::exists(sdk / "bgworker" / "worker.mk"))
    return refuse("the SDK's headers are neither beside this program nor in \"" + sdk.string() + "\"",
                  "Install bgworkerd as a whole: make install.", failure);

  const fs::path folder = name;
  if (!fs::create_directory(folder, problem)) {
    if (!problem)
      return refuse("\"" + name + "\" exists already", "Choose another name, or another folder to be in.",
                    failure);
    return refuse("could not create folder \"" + name + "\": " + problem.message(), "", failure);
  }
  const std::pair<std::string, std::string> values[3] = {
      {"@NAME@", name}, {"@SDK@", sdk.string()}, {"@BIN@", bin.string()}};
  const std::pair<std::string, const char*> files[] = {
      {"Makefile", makefile_text}, {name + ".cc", source_text}, {"run", run_text}, {"README.md", readme_text}};
  for (const auto& [file, text] : files) {
    std::ofstream out(folder / file);
    out << filled(text, values);
    if (!out.flush()) return refuse("could not write \"" + (folder / file).string() + "\"", "", failure);
  }
  fs::permissions(folder / "run", fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add, problem);
  std::cout << "Wrote " << name << "/: Makefile, " << name << ".cc, run, README.md. Next:\n"
            << "    cd " << name << "\n    make test\n    make try\n";
  return success;
}

}  // namespace bgworkerctl
