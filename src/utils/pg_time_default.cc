// Which time zone a new configuration starts with: the system's, as initdb would find it.
//
// Called by `bgworkerd --init` only. What is named must be a zone that the setting would take; where nothing is,
// the name is empty and the setting keeps its default.
#include <climits>
#include <cstdlib>
#include <fstream>
#include <string>

extern "C" {
#include "postgres.h"
#include "pgtime.h"
}

#include "utils/timezone_internal.hpp"

namespace {

bool is_zone(const std::string& name) {
  if (name.empty()) return false;
  pg_tz* zone = pg_tzset(name.c_str());
  return zone != nullptr && pg_tz_acceptable(zone);
}

// "Europe/Berlin" of "/usr/share/zoneinfo/Europe/Berlin": the longest end of the path that is a zone.
std::string zone_of_path(std::string path) {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/')) {
    path.erase(0, slash + 1);
    if (is_zone(path)) return path;
  }
  return {};
}

}  // namespace

namespace bgw {

std::string system_zone_name() {
  const char* given = std::getenv("TZ");
  if (given != nullptr && is_zone(given)) return given;
  char* resolved = realpath("/etc/localtime", nullptr);
  const std::string path = resolved != nullptr ? resolved : "";
  free(resolved);
  // A copy instead of a link tells no name; the file next to it does.
  std::string name = path != "/etc/localtime" ? zone_of_path(path) : std::string();
  if (name.empty()) {
    std::ifstream file("/etc/timezone");
    std::getline(file, name);
  }
  return is_zone(name) ? name : std::string();
}

}  // namespace bgw
