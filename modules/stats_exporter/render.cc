// What was collected, as text: Prometheus's text format, OpenMetrics, CSV, JSON lines.
//
// Families of one name from several databases become one. A series that is there already is left out and
// counted: a scraper refuses a whole answer for it. Bytes that are not UTF-8 are shown as \xNN.
#include "stats_exporter.hpp"

#include <charconv>
#include <cmath>
#include <ctime>
#include <set>

namespace stats_exporter {

namespace {

// Length of the UTF-8 character at the beginning of s, 0 if there is none.
std::size_t character(std::string_view s) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = byte(0);
  const std::size_t n = c < 0x80                ? 1
                        : c >= 0xC2 && c < 0xE0 ? 2
                        : c >= 0xE0 && c < 0xF0 ? 3
                        : c >= 0xF0 && c < 0xF5 ? 4
                                                : 0;
  if (n == 0 || n > s.size()) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xC0) != 0x80) return 0;
  if ((c == 0xE0 && byte(1) < 0xA0) || (c == 0xED && byte(1) > 0x9F) || (c == 0xF0 && byte(1) < 0x90) ||
      (c == 0xF4 && byte(1) > 0x8F))
    return 0;
  return n;
}

// Appends the text with each character put through `escape`, which returns nullptr for those that stay.
template <class F>
void escaped(std::string& out, std::string_view s, F escape) {
  while (!s.empty()) {
    const std::size_t n = character(s);
    if (n == 0) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02X", static_cast<unsigned char>(s[0]));
      for (const char* h = hex; *h; ++h)
        if (const char* e = escape(*h))
          out += e;
        else
          out += *h;
      s.remove_prefix(1);
      continue;
    }
    const char* e = n == 1 ? escape(s[0]) : nullptr;
    if (e)
      out += e;
    else
      out += s.substr(0, n);
    s.remove_prefix(n);
  }
}

const char* in_label(char c) {
  return c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : nullptr;
}
const char* in_help(char c) {
  return c == '\\' ? "\\\\" : c == '\n' ? "\\n" : nullptr;
}
const char* in_json(char c) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      if (static_cast<unsigned char>(c) >= 0x20) return nullptr;
      static char text[8];
      std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned char>(c));
      return text;
  }
}

std::string number(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  char text[40];
  // Whole numbers as such, which people read more easily than 1e+06.
  const bool whole = v == std::floor(v) && std::abs(v) < 1e15;
  const auto end = whole ? std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(v)).ptr
                         : std::to_chars(text, text + sizeof text, v).ptr;
  return std::string(text, end);
}

const char* type_name(metric_type t, bool openmetrics) {
  switch (t) {
    case metric_type::gauge:
      return "gauge";
    case metric_type::counter:
      return "counter";
    case metric_type::unknown:
      break;
  }
  return openmetrics ? "unknown" : "untyped";
}

std::string json_labels(const family& f, const sample& s) {
  std::string out = "{";
  for (std::size_t i = 0; i < f.labels.size(); ++i) {
    if (i) out += ',';
    out += '"' + f.labels[i] + "\":\"";
    escaped(out, s.labels[i], in_json);
    out += '"';
  }
  return out + '}';
}

// A family as it is shown, which may come from several databases.
struct merged {
  const family* first;
  std::vector<const family*> parts;
};

class renderer {
 public:
  renderer(format as, clock::time_point now) : as_(as) {
    if (as == format::csv || as == format::json) {
      const std::time_t seconds = clock::to_time_t(now);
      const auto ms = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
      std::tm utc;
      gmtime_r(&seconds, &utc);
      char text[64];
      const std::size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
      std::snprintf(text + n, sizeof text - n, ".%03dZ", static_cast<int>(ms));
      time_ = text;
    }
    if (as == format::csv) out_ = csv_head;
  }

  void add(const merged& m) {
    std::set<std::vector<std::string>> seen;
    bool headed = false;
    for (const family* part : m.parts)
      for (const sample& s : part->samples) {
        if (part->labels != m.first->labels || !seen.insert(s.labels).second) {
          ++dropped_;
          continue;
        }
        if (!std::exchange(headed, true)) head(*m.first);
        line(*m.first, s);
      }
  }
  void add(const family& f) { add(merged{&f, {&f}}); }

  std::int64_t dropped() const { return dropped_; }
  std::string finish() {
    if (as_ == format::openmetrics) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  void head(const family& f) {
    if (as_ == format::csv || as_ == format::json) return;
    std::string_view name = f.name;
    if (as_ == format::openmetrics && f.type == metric_type::counter) name.remove_suffix(6);  // _total
    out_ += "# HELP ";
    out_ += name;
    out_ += ' ';
    escaped(out_, f.help, as_ == format::openmetrics ? in_label : in_help);
    out_ += "\n# TYPE ";
    out_ += name;
    out_ += ' ';
    out_ += type_name(f.type, as_ == format::openmetrics);
    out_ += '\n';
  }

  void line(const family& f, const sample& s) {
    if (as_ == format::json) {
      out_ += "{\"time\":\"" + time_ + "\",\"name\":\"" + f.name + "\",\"type\":\"" + type_name(f.type, true) +
              "\",\"labels\":" + json_labels(f, s) +
              ",\"value\":" + (std::isfinite(s.value) ? number(s.value) : "null") + "}\n";
      return;
    }
    if (as_ == format::csv) {
      out_ += time_ + ',' + f.name + ',' + type_name(f.type, true) + ",\"";
      for (char c : json_labels(f, s)) {
        if (c == '"') out_ += '"';
        out_ += c;
      }
      out_ += "\"," + number(s.value) + '\n';
      return;
    }
    out_ += f.name;
    if (!f.labels.empty()) {
      out_ += '{';
      for (std::size_t i = 0; i < f.labels.size(); ++i) {
        if (i) out_ += ',';
        out_ += f.labels[i];
        out_ += "=\"";
        escaped(out_, s.labels[i], in_label);
        out_ += '"';
      }
      out_ += '}';
    }
    out_ += ' ';
    out_ += number(s.value);
    out_ += '\n';
  }

  format as_;
  std::string time_, out_;
  std::int64_t dropped_ = 0;
};

double seconds_between(clock::time_point from, clock::time_point to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

}  // namespace

std::string render(const gathered& g, format as, clock::time_point now) {
  const std::vector<std::string> by_view{"collector", "datname"}, by_database{"datname"};
  family up{"pg_up", "1 while every database is collected in time.", metric_type::gauge, {}, {}};
  family success{"pg_scrape_collector_success",
                 "Whether the view was collected at the last try.",
                 metric_type::gauge,
                 by_view,
                 {}};
  family took{
      "pg_scrape_collector_duration_seconds", "How long the last try took.", metric_type::gauge, by_view, {}};
  family age{
      "pg_stats_exporter_age_seconds", "Age of what is shown of the view.", metric_type::gauge, by_view, {}};
  family others{"pg_stats_exporter_others",
                "How many are in the rest, whose labels are _other.",
                metric_type::gauge,
                by_view,
                {}};
  family pass_age{"pg_stats_exporter_pass_age_seconds",
                  "Time since the last pass ended.",
                  metric_type::gauge,
                  by_database,
                  {}};
  family pass_took{"pg_exporter_last_scrape_duration_seconds",
                   "How long the last pass took.",
                   metric_type::gauge,
                   by_database,
                   {}};
  family failed{"pg_exporter_last_scrape_error",
                "Whether a view failed in the last pass.",
                metric_type::gauge,
                by_database,
                {}};

  std::map<std::string, merged> families;
  bool all = true;
  for (reader* r : g.readers) {
    const pass* p = r->last();
    if (p == nullptr) {
      all = false;
      continue;
    }
    if (now - p->at > g.fresh) all = false;
    pass_age.samples.push_back({{p->database}, seconds_between(p->at, now)});
    pass_took.samples.push_back({{p->database}, p->seconds});
    bool error = false;
    for (const view& v : p->views) {
      const std::vector<std::string> labels{v.name, p->database};
      error = error || !v.ok;
      success.samples.push_back({labels, v.ok ? 1.0 : 0.0});
      took.samples.push_back({labels, v.seconds});
      if (v.at == clock::time_point()) continue;
      age.samples.push_back({labels, seconds_between(v.at, now)});
      if (v.others > 0) others.samples.push_back({labels, static_cast<double>(v.others)});
      if (g.stale_after.count() > 0 && now - v.at > g.stale_after) continue;
      for (const family& f : v.families) {
        merged& m = families.try_emplace(f.name, merged{&f, {}}).first->second;
        m.parts.push_back(&f);
      }
    }
    failed.samples.push_back({{p->database}, error ? 1.0 : 0.0});
  }
  up.samples.push_back({{}, all ? 1.0 : 0.0});

  renderer out(as, now);
  for (const auto& [name, m] : families) out.add(m);
  for (const family* f : {&up, &failed, &pass_took, &success, &took, &age, &pass_age, &others}) out.add(*f);
  out.add(family{"pg_stats_exporter_dropped_series",
                 "Series left out because they were there already.",
                 metric_type::gauge,
                 {},
                 {{{}, static_cast<double>(out.dropped())}}});
  out.add(family{"pg_stats_exporter_http_requests_total",
                 "Requests answered since the worker was started.",
                 metric_type::counter,
                 {},
                 {{{}, static_cast<double>(g.requests)}}});
  for (const family& f : own_process()) out.add(f);
  return out.finish();
}

}  // namespace stats_exporter
