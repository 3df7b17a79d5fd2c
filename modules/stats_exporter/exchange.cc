// Handing a pass over from the worker that collects to the one that answers: a file that is replaced at once.
//
// The file is in pg_stat_tmp of the data directory, which base backups leave out. It outlives both workers, so
// that the last good pass is served while one of them is started again. One line each, fields separated by
// tabs: the pass, then its views, each with its families, each with its samples.
#include "stats_exporter.hpp"

#include <bgworker/names.hpp>

#include <charconv>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stats_exporter {

namespace {

constexpr const char* folder = "pg_stat_tmp";
constexpr std::string_view format_version = "stats_exporter 1";

std::string file_of(int index) {
  return bgworker::format("{}/stats_exporter.{}", folder, index);
}

[[noreturn]] void fail(const char* doing, const std::string& path) {
  const int code = errno;
  throw bgworker::error("58030",
                        bgworker::format("could not {} file \"{}\": {}", doing, path, std::strerror(code)));
}

void add(std::string& out, std::string_view text) {
  out.push_back('\t');
  for (char c : text) {
    if (c == '\t' || c == '\n' || c == '\\') out.push_back('\\');
    out.push_back(c == '\t' ? 't' : c == '\n' ? 'n' : c);
  }
}
void add(std::string& out, double v) {
  char text[40];
  out.push_back('\t');
  out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}
void add(std::string& out, std::int64_t v) {
  add(out, std::string_view(std::to_string(v)));
}
void add(std::string& out, clock::time_point t) {
  add(out, std::int64_t(std::chrono::duration_cast<milliseconds>(t.time_since_epoch()).count()));
}

// The fields of a line, one after the other.
class fields {
 public:
  explicit fields(std::string_view line) : rest_(line) {}
  bool more() const { return !done_; }
  std::string text() {
    const auto end = std::min(rest_.find('\t'), rest_.size());
    std::string out;
    for (std::size_t i = 0; i < end; ++i) {
      char c = rest_[i];
      if (c == '\\' && i + 1 < end) c = rest_[++i] == 't' ? '\t' : rest_[i] == 'n' ? '\n' : rest_[i];
      out.push_back(c);
    }
    done_ = end == rest_.size();
    rest_.remove_prefix(done_ ? end : end + 1);
    return out;
  }
  template <class T>
  T number() {
    const std::string s = text();
    T v{};
    std::from_chars(s.data(), s.data() + s.size(), v);
    return v;
  }
  clock::time_point time() { return clock::time_point(milliseconds(number<std::int64_t>())); }

 private:
  std::string_view rest_;
  bool done_ = false;
};

pass read_pass(std::string_view text) {
  pass p;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    fields f(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string what = f.text();
    if (what == "P") {
      p.database = f.text();
      p.at = f.time();
      p.seconds = f.number<double>();
    } else if (what == "V") {
      view v;
      v.name = f.text();
      v.ok = f.number<int>() != 0;
      v.at = f.time();
      v.seconds = f.number<double>();
      v.others = f.number<std::int64_t>();
      p.views.push_back(std::move(v));
    } else if (what == "F" && !p.views.empty()) {
      family made;
      made.name = f.text();
      made.help = f.text();
      made.type = static_cast<metric_type>(f.number<int>());
      while (f.more()) made.labels.push_back(f.text());
      p.views.back().families.push_back(std::move(made));
    } else if (what == "S" && !p.views.empty() && !p.views.back().families.empty()) {
      family& of = p.views.back().families.back();
      sample s{{}, f.number<double>()};
      while (f.more()) s.labels.push_back(f.text());
      if (s.labels.size() == of.labels.size()) of.samples.push_back(std::move(s));
    }
  }
  return p;
}

}  // namespace

void replace_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string made = path + ".new";
  descriptor file(::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (file.get() < 0) fail("create", made);
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", made);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  // Whatever the umask, which is strict in a server.
  if (::fchmod(file.get(), mode) != 0) fail("change the mode of", made);
  if (::rename(made.c_str(), path.c_str()) != 0) fail("rename", made);
}

std::optional<std::string> read_file(const std::string& path) {
  descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::nullopt;
    fail("open", path);
  }
  std::string text;
  char part[65536];
  for (;;) {
    const ssize_t n = ::read(file.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) return text;
    text.append(part, static_cast<std::size_t>(n));
  }
}

void publish(int index, const pass& p) {
  if (::mkdir(folder, 0700) != 0 && errno != EEXIST) fail("create", folder);
  std::string out(format_version);
  out += "\nP";
  add(out, std::string_view(p.database));
  add(out, p.at);
  add(out, p.seconds);
  for (const view& v : p.views) {
    out += "\nV";
    add(out, std::string_view(v.name));
    add(out, std::int64_t(v.ok));
    add(out, v.at);
    add(out, v.seconds);
    add(out, v.others);
    for (const family& f : v.families) {
      out += "\nF";
      add(out, std::string_view(f.name));
      add(out, std::string_view(f.help));
      add(out, std::int64_t(f.type));
      for (const std::string& l : f.labels) add(out, std::string_view(l));
      for (const sample& s : f.samples) {
        out += "\nS";
        add(out, s.value);
        for (const std::string& l : s.labels) add(out, std::string_view(l));
      }
    }
  }
  out += '\n';
  replace_file(file_of(index), out, 0600);
}

const pass* reader::last() {
  struct stat now;
  const std::string path = file_of(index_);
  if (::stat(path.c_str(), &now) != 0) return pass_ ? &*pass_ : nullptr;
  const std::array<std::int64_t, 4> seen{static_cast<std::int64_t>(now.st_ino), now.st_mtim.tv_sec,
                                         now.st_mtim.tv_nsec, now.st_size};
  if (seen != seen_) {
    if (const auto text = read_file(path); text && text->starts_with(format_version)) {
      pass p = read_pass(*text);
      if (p.database == database_)  // or it was left by an earlier configuration
        pass_ = std::move(p);
    }
    seen_ = seen;
  }
  return pass_ ? &*pass_ : nullptr;
}

std::vector<std::string> split_databases(std::string_view list) {
  auto names = bgworker::read_names(list);
  if (!names)
    throw bgworker::error("22023", "stats_exporter.databases must be a list of names, separated by commas, in double quotes where "
                                   "a name has a comma");
  if (names->empty()) throw bgworker::error("22023", "stats_exporter.databases names no database");
  for (auto one = names->begin(); one != names->end(); ++one) {
    if (one->empty() || one->size() >= NAMEDATALEN)
      throw bgworker::error("22023", bgworker::format("stats_exporter.databases: \"{}\" is no database's name", *one));
    if (std::find(names->begin(), one, *one) != one)
      throw bgworker::error("22023", bgworker::format("stats_exporter.databases: \"{}\" is there twice", *one));
  }
  return *std::move(names);
}

}  // namespace stats_exporter
