// Reading the system's compiled time zone files (TZif, RFC 8536). The 64-bit data block is used where the
// file has one, and the POSIX rule behind it. Names are looked up without regard to case, one folder at a
// time, so that no name leads out of the zone folder. Raises nothing: a file that is no TZif file, or is
// damaged, is no zone.
#include <dirent.h>
#include <strings.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "utils/timezone_internal.hpp"

namespace bgw {
namespace {

constexpr const char* kZoneFolder = "/usr/share/zoneinfo";
constexpr size_t kLargestFile = 1 << 20;

struct DirCloser {
  void operator()(DIR* d) const { closedir(d); }
};
struct FileCloser {
  void operator()(FILE* f) const { fclose(f); }
};

// The entry of `folder` that is `wanted` in any case. Names that begin with a dot are never found.
bool find_entry(const std::string& folder, std::string_view wanted, std::string* found) {
  if (wanted.empty() || wanted[0] == '.') return false;
  std::unique_ptr<DIR, DirCloser> dir(opendir(folder.c_str()));
  if (!dir) return false;
  while (dirent* entry = readdir(dir.get())) {
    if (strlen(entry->d_name) == wanted.size() &&
        strncasecmp(entry->d_name, wanted.data(), wanted.size()) == 0) {
      *found = entry->d_name;
      return true;
    }
  }
  return false;
}

bool find_file(std::string_view name, std::string* path, std::string* canonical) {
  *path = kZoneFolder;
  canonical->clear();
  while (true) {
    size_t slash = name.find('/');
    std::string entry;
    if (!find_entry(*path, name.substr(0, slash), &entry)) return false;
    *path += "/" + entry;
    if (!canonical->empty()) canonical->push_back('/');
    *canonical += entry;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool read_whole(const std::string& path, std::string* data) {
  std::unique_ptr<FILE, FileCloser> file(fopen(path.c_str(), "rbe"));
  if (!file) return false;
  char buffer[4096];
  size_t n;
  while ((n = fread(buffer, 1, sizeof buffer, file.get())) > 0) {
    data->append(buffer, n);
    if (data->size() > kLargestFile) return false;
  }
  return ferror(file.get()) == 0;
}

struct Header {
  char version;
  size_t utc_flags, standard_flags, leaps, times, types, characters;
  size_t block_size(size_t time_size) const {
    return times * time_size + times + types * 6 + characters + leaps * (time_size + 4) + standard_flags +
           utc_flags;
  }
};

class TzifReader {
 public:
  explicit TzifReader(std::string_view data) : data_(data) {}

  bool header(Header* h) {
    if (data_.size() < 44 || data_.substr(0, 4) != "TZif") return false;
    h->version = data_[4];
    data_.remove_prefix(20);
    h->utc_flags = integer(4);
    h->standard_flags = integer(4);
    h->leaps = integer(4);
    h->times = integer(4);
    h->types = integer(4);
    h->characters = integer(4);
    return h->types > 0 && h->types <= 256 && h->times < kLargestFile && h->characters < kLargestFile &&
           h->leaps < kLargestFile;
  }

  bool has(size_t n) const { return data_.size() >= n; }
  void skip(size_t n) { data_.remove_prefix(n); }
  std::string_view rest() const { return data_; }

  int64_t integer(size_t size) {
    uint64_t value = (data_[0] & 0x80) ? ~uint64_t{0} : 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | static_cast<unsigned char>(data_[i]);
    data_.remove_prefix(size);
    return static_cast<int64_t>(value);
  }
  unsigned char byte() {
    unsigned char b = static_cast<unsigned char>(data_[0]);
    data_.remove_prefix(1);
    return b;
  }

 private:
  std::string_view data_;
};

bool parse_block(TzifReader* in, const Header& h, size_t time_size, pg_tz* zone) {
  for (size_t i = 0; i < h.times; i++) zone->transition_times.push_back(in->integer(time_size));
  for (size_t i = 0; i < h.times; i++) {
    unsigned char type = in->byte();
    if (type >= h.types) return false;
    zone->transition_types.push_back(type);
  }
  for (size_t i = 1; i < h.times; i++)
    if (zone->transition_times[i] <= zone->transition_times[i - 1]) return false;
  for (size_t i = 0; i < h.types; i++) {
    LocalTimeType type;
    type.gmtoff = static_cast<int32_t>(in->integer(4));
    type.isdst = in->byte() != 0;
    type.abbreviation = in->byte();
    if (type.abbreviation >= static_cast<int>(h.characters)) return false;
    zone->types.push_back(type);
  }
  zone->abbreviations.assign(in->rest().substr(0, h.characters));
  zone->abbreviations.push_back('\0');
  in->skip(h.characters + h.leaps * (time_size + 4) + h.standard_flags + h.utc_flags);
  zone->has_leap_seconds = h.leaps > 0;
  return true;
}

bool parse_tzif(std::string_view data, pg_tz* zone) {
  TzifReader in(data);
  Header h;
  if (!in.header(&h)) return false;
  size_t time_size = 4;
  if (h.version >= '2') {
    if (!in.has(h.block_size(4))) return false;
    in.skip(h.block_size(4));
    if (!in.header(&h)) return false;
    time_size = 8;
  }
  if (!in.has(h.block_size(time_size)) || !parse_block(&in, h, time_size, zone)) return false;
  std::string_view footer = in.rest();
  if (time_size == 8 && footer.size() > 2 && footer[0] == '\n') {
    std::string rule(footer.substr(1, footer.find('\n', 1) - 1));
    zone->has_rule = parse_zone_rule(rule.c_str(), &zone->rule, &zone->types, &zone->abbreviations);
    // Some files end with a transition from a type to itself, where the rule begins; the server does not know it either.
    auto& types = zone->transition_types;
    while (zone->has_rule && types.size() > 1 && types.back() == types[types.size() - 2]) {
      types.pop_back();
      zone->transition_times.pop_back();
    }
  }
  return true;
}

}  // namespace

bool load_zone_file(const char* name, pg_tz* zone, std::string* canonical) {
  std::string path, data;
  return find_file(name, &path, canonical) && read_whole(path, &data) && parse_tzif(data, zone);
}

}  // namespace bgw
