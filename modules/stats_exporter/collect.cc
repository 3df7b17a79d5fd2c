// Collecting: one pass over the views of a database, each in a transaction of its own, so that one that fails
// or takes too long costs the others nothing.
//
// A pass has a deadline and each statement a time-out. Both are kept by a timer of this process, which cancels
// the statement: the server does not enforce statement_timeout for background workers. The session's own
// statement_timeout is set too, for a host, whose statements the server runs as a client's. A view that fails
// keeps what was last collected of it, with the time of that.
#include "stats_exporter.hpp"

extern "C" {
#include "utils/timeout.h"
}

namespace stats_exporter {

namespace {

using steady = std::chrono::steady_clock;

volatile sig_atomic_t expired = 0;

void on_expiry() {
  expired = 1;
  bgworker::detail::on_sigint(SIGINT);  // cancels the statement that runs
}

// Cancels the statement that runs when the time is over.
class time_limit {
 public:
  explicit time_limit(milliseconds time) {
    static TimeoutId id = MAX_TIMEOUTS;
    const int ms = static_cast<int>(std::max<long long>(1, time.count()));
    bgworker::guarded([&] {
      if (id == MAX_TIMEOUTS) id = RegisterTimeout(USER_TIMEOUT, on_expiry);
      expired = 0;
      enable_timeout_after(id, ms);
    });
    id_ = id;
  }
  time_limit(const time_limit&) = delete;
  ~time_limit() {
    bgworker::detail::guarded_noexcept([this] { disable_timeout(id_, false); });
  }
  static bool over() { return expired; }

 private:
  TimeoutId id_;
};

// A view may have one definition for each range of versions.
std::string key_of(const definition& d) {
  return bgworker::format("{} {}", d.name, d.from_version);
}

metric_type type_of(const std::string& name, kind k) {
  // Names that dashboards know and that by the rules of the formats no counter or gauge may have.
  if (k == kind::counter) return name.ends_with("_total") ? metric_type::counter : metric_type::unknown;
  return name.ends_with("_count") || name.ends_with("_sum") ? metric_type::unknown : metric_type::gauge;
}

std::string statement(const definition& d) {
  std::string labels, values;
  for (const std::string& l : d.labels)
    labels += (labels.empty() ? "q." : ", q.") + bgworker::quoted_name(l) + "::pg_catalog.text";
  for (const column& c : d.values)
    values += (values.empty() ? "q." : ", q.") + bgworker::quoted_name(c.name) + "::pg_catalog.float8";
  return bgworker::format(
      "/* stats_exporter {} */ SELECT ARRAY[{}]::pg_catalog.text[], ARRAY[{}]::pg_catalog.float8[] FROM "
      "(\n{}\n) q",
      d.name, labels, values, d.sql);
}

std::vector<family> to_families(const definition& d, const std::string& database, std::vector<row>& rows) {
  std::vector<family> made;
  for (std::size_t c = 0; c < d.values.size(); ++c) {
    family f;
    f.name = d.name + "_" + d.values[c].name;
    f.help = d.values[c].help;
    f.type = type_of(f.name, d.values[c].kind);
    f.labels = d.labels;
    if (d.each_database) f.labels.insert(f.labels.begin(), "datname");
    for (const row& r : rows) {
      if (!r.values[c]) continue;
      sample s{r.labels, *r.values[c]};
      if (d.each_database) s.labels.insert(s.labels.begin(), database);
      f.samples.push_back(std::move(s));
    }
    made.push_back(std::move(f));
  }
  return made;
}

double seconds_since(steady::time_point start) {
  return std::chrono::duration<double>(steady::now() - start).count();
}

}  // namespace

bool collector::applies(bgworker::transaction& tx, const definition& d) {
  const int version = tx.value<int>("SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4");
  if (version < d.from_version || version >= d.below_version) return false;
  return d.requires_relation.empty() ||
         tx.value<bool>("SELECT pg_catalog.to_regclass($1) IS NOT NULL", d.requires_relation);
}

void collector::run_view(state& s, const collect_settings& settings, steady::time_point deadline) {
  const definition& d = *s.of;
  const auto start = steady::now();
  const auto left = std::chrono::duration_cast<milliseconds>(deadline - start);
  const milliseconds limit = std::min(settings.statement_timeout, left);
  s.last.ok = s.slow = false;
  s.tried = true;
  try {
    if (left <= milliseconds(0))
      throw bgworker::error("57014", bgworker::format("the pass was over after {}", settings.deadline));
    std::vector<row> rows;
    {
      time_limit timer(limit);
      bgworker::transaction tx(bgworker::access_mode::read_only);
      const std::string ms = std::to_string(std::max<long long>(1, limit.count()));
      tx.execute("SELECT pg_catalog.set_config('statement_timeout', $1, true)", ms);
      if (!applies(tx, d)) {
        s.tried = false;
        s.last = view{.name = d.name};
        return;
      }
      if (time_limit::over()) throw bgworker::error("time is over", "57014");
      auto found =
          tx.query<std::vector<std::optional<std::string>>, std::vector<std::optional<double>>>(statement(d));
      rows.reserve(found.size());
      for (auto [labels, values] : found) {
        row r;
        for (auto& l : labels) r.labels.push_back(l ? std::move(*l) : std::string());
        r.values = std::move(values);
        rows.push_back(std::move(r));
      }
      tx.commit();
    }
    rows = s.bounds.choose(d, std::move(rows), static_cast<std::size_t>(d.top ? d.top : settings.top),
                           settings.top_hold, steady::now());
    s.last.families = to_families(d, database_, rows);
    s.last.others = s.bounds.others();
    s.last.at = clock::now();
    s.last.ok = true;
    if (std::exchange(s.complained, false)) bgworker::log("stats_exporter: \"{}\" is collected again", d.name);
  } catch (bgworker::error& e) {
    if (self_.stopping()) throw;
    s.slow = e.cancelled();
    if (!std::exchange(s.complained, true)) {
      if (s.slow && time_limit::over())
        e.with_detail(bgworker::format("It was cancelled after {}.", limit))
            .with_hint("Consider stats_exporter.statement_timeout and stats_exporter.deadline.");
      bgworker::log_error(e.add_context(
          bgworker::format("stats_exporter collected \"{}\" of database \"{}\"", d.name, database_)));
    }
  }
  s.last.seconds = seconds_since(start);
}

void collector::read_queries(const std::string& path) {
  try {
    if (path.empty()) {
      for (const definition& d : custom_) states_.erase(key_of(d));
      custom_.clear();
      custom_text_.clear();
    } else {
      std::optional<std::string> text = read_file(path);
      if (!text)
        throw bgworker::error("58P01",
                              bgworker::format("stats_exporter.queries: there is no file \"{}\"", path));
      if (*text == custom_text_ && path == custom_path_) return;  // as it was: so is what came of it
      custom_text_ = *text;
      custom_path_ = path;
      std::vector<definition> parsed = parse_definitions(*text, path, own_definitions());
      // What is no longer defined as it was begins anew.
      for (const definition& d : custom_) states_.erase(key_of(d));
      custom_ = std::move(parsed);
    }
    custom_failed_ = false;
  } catch (const bgworker::error& e) {
    if (!std::exchange(custom_failed_, true)) bgworker::log_error(e);
  }
}

void collector::run(const collect_settings& settings) {
  const auto start = steady::now();
  const auto deadline = start + settings.deadline;
  read_queries(settings.queries);

  std::vector<state*> order;
  const auto add = [&](const definition& d) {
    if (index_ != 0 && !d.each_database) return;
    state& s = states_[key_of(d)];
    s.of = &d;
    s.last.name = d.name;
    order.push_back(&s);
  };
  for (const definition& d : own_definitions()) add(d);
  for (const definition& d : custom_) add(d);
  std::stable_partition(order.begin(), order.end(), [](const state* s) { return !s->slow; });

  pass p;
  p.database = database_;
  for (state* s : order) {
    run_view(*s, settings, deadline);
    if (s->tried) p.views.push_back(s->last);
  }
  if (!settings.queries.empty())
    p.views.push_back({.name = "queries", .ok = !custom_failed_, .at = clock::now()});
  p.seconds = seconds_since(start);
  p.at = clock::now();
  publish(index_, p);
}

}  // namespace stats_exporter
