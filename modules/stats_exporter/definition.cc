// The format of views: SQL with comments before each statement that say what its columns are. The module's own
// views (views.cc) and the user's file are written in it.
//
//   -- metric: NAME               begins a view; its metrics are named NAME_COLUMN
//   -- label: COLUMN …            columns that tell rows apart
//   -- gauge: COLUMN Help         a number that goes up and down; sums make sense
//   -- counter: COLUMN Help       a number that only grows
//   -- value: COLUMN Help         a number of which sums make no sense (an age, a moment)
//   -- each database              collected in all databases, not only in the first
//   -- versions: FROM-BELOW       servers it is for, as server_version_num; either may be left out
//   -- requires: RELATION         skipped where there is no such table or view
//   -- top: N                     how many rows have a place of their own, instead of stats_exporter.top
//   -- rank: COLUMN               the value that decides which; the first one by default
//   SELECT …
#include "stats_exporter.hpp"

#include <charconv>

namespace stats_exporter {

namespace {

std::string_view trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t\r");
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

// The first word, taken off the rest.
std::string_view word(std::string_view& rest) {
  rest = trimmed(rest);
  const auto end = std::min(rest.find_first_of(" \t"), rest.size());
  const auto found = rest.substr(0, end);
  rest = trimmed(rest.substr(end));
  return found;
}

bool is_name(std::string_view s) {
  if (s.empty() || (s[0] >= '0' && s[0] <= '9')) return false;
  return std::all_of(s.begin(), s.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_tag(std::string_view s) {
  return s.empty() || is_name(s);
}

// Where the statement ends: before the semicolon after which there are only spaces and comments, if there is
// one.
std::size_t end_of_statement(std::string_view sql) {
  std::size_t end = sql.npos;
  const auto skip_to = [&](std::size_t from, std::string_view what) {
    const auto found = sql.find(what, from);
    return found == sql.npos ? sql.size() : found + what.size();
  };
  for (std::size_t i = 0; i < sql.size();) {
    const std::string_view rest = sql.substr(i);
    if (rest.starts_with("--")) {
      i = skip_to(i, "\n");
      continue;
    }
    if (rest.starts_with("/*")) {
      i = skip_to(i + 2, "*/");
      continue;
    }
    const char c = rest[0];
    if (c == ';') {
      if (end == sql.npos) end = i;
      ++i;
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
      continue;
    }
    end = sql.npos;
    if (c == '\'' || c == '"') {
      i = skip_to(i + 1, rest.substr(0, 1));
    } else if (c == '$' && rest.find('$', 1) != rest.npos && is_tag(rest.substr(1, rest.find('$', 1) - 1))) {
      const std::string_view tag = rest.substr(0, rest.find('$', 1) + 1);
      i = skip_to(i + tag.size(), tag);
    } else {
      ++i;
    }
  }
  return std::min(end, sql.size());
}

struct parser {
  const std::string& where;
  int line = 0;

  [[noreturn]] void refuse(const std::string& why, int at = 0) const {
    throw bgworker::error("F0000", bgworker::format("{}, line {}: {}", where, at ? at : line, why));
  }

  int number(std::string_view text, std::string_view what, int low) const {
    int n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || end != text.data() + text.size() || n < low)
      refuse(bgworker::format("{} \"{}\" is not a number from {} on", what, text, low));
    return n;
  }

  std::string name(std::string_view text, const char* what) const {
    if (!is_name(text))
      refuse(bgworker::format("{} \"{}\" is not made of letters, digits and underscores", what, text));
    return std::string(text);
  }

  void value(definition& d, kind k, std::string_view rest) const {
    column c{name(word(rest), "column"), {}, k};
    c.help = rest.empty() ? bgworker::format("{} of {}", c.name, d.name) : std::string(rest);
    if (k != kind::counter && c.name.ends_with("_total"))
      refuse(bgworker::format("\"{}\" is not a counter, hence its name must not end in _total", c.name));
    for (std::string_view end : {"_bucket", "_created", "_info"})
      if (c.name.ends_with(end)) refuse(bgworker::format("the name of \"{}\" must not end in {}", c.name, end));
    d.values.push_back(std::move(c));
  }

  // Whether the line says something of a view. What looks like it and is not known is refused.
  bool directive(definition& d, std::string& rank, std::string_view text) const {
    if (!text.starts_with("--")) return false;
    text = trimmed(text.substr(2));
    if (text == "each database") {
      d.each_database = true;
      return true;
    }
    const auto colon = text.find(':');
    if (colon == text.npos || !is_name(text.substr(0, colon))) return false;
    const std::string_view key = text.substr(0, colon);
    std::string_view rest = trimmed(text.substr(colon + 1));
    if (key == "label") {
      while (!rest.empty()) {
        d.labels.push_back(name(word(rest), "label"));
        if (d.labels.back().starts_with("__") || d.labels.back() == "le" || d.labels.back() == "quantile")
          refuse(bgworker::format("label \"{}\" is reserved", d.labels.back()));
      }
    } else if (key == "gauge") {
      value(d, kind::gauge, rest);
    } else if (key == "counter") {
      value(d, kind::counter, rest);
    } else if (key == "value") {
      value(d, kind::value, rest);
    } else if (key == "versions") {
      const auto dash = rest.find('-');
      if (dash == rest.npos) refuse(bgworker::format("versions \"{}\" is not FROM-BELOW", rest));
      if (dash > 0) d.from_version = number(rest.substr(0, dash), "version", 0);
      if (dash + 1 < rest.size()) d.below_version = number(rest.substr(dash + 1), "version", 0);
    } else if (key == "requires") {
      d.requires_relation = rest;
    } else if (key == "top") {
      d.top = number(rest, "top", 1);
    } else if (key == "rank") {
      rank = rest;
    } else {
      refuse(bgworker::format(
          "\"{}\" is none of metric, label, gauge, counter, value, versions, requires, top, rank", key));
    }
    return true;
  }

  void finish(definition& d, const std::string& rank) const {
    d.sql.resize(end_of_statement(d.sql));
    while (!d.sql.empty() && std::isspace(static_cast<unsigned char>(d.sql.back()))) d.sql.pop_back();
    if (d.sql.empty()) refuse(bgworker::format("metric \"{}\" has no statement", d.name), d.line);
    if (d.values.empty())
      refuse(bgworker::format("metric \"{}\" has no gauge, counter or value", d.name), d.line);
    std::vector<std::string_view> names(d.labels.begin(), d.labels.end());
    for (const column& c : d.values) names.push_back(c.name);
    if (d.each_database) names.push_back("datname");
    std::sort(names.begin(), names.end());
    if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
      refuse(bgworker::format("metric \"{}\" has column \"{}\" twice", d.name, *twice), d.line);
    if (rank.empty()) return;
    const auto by =
        std::find_if(d.values.begin(), d.values.end(), [&](const column& c) { return c.name == rank; });
    if (by == d.values.end())
      refuse(bgworker::format("metric \"{}\" has no value \"{}\" to rank by", d.name, rank), d.line);
    d.rank = static_cast<std::size_t>(by - d.values.begin());
  }
};

}  // namespace

std::vector<definition> parse_definitions(std::string_view text, const std::string& where,
                                          std::span<const definition> taken) {
  parser p{where};
  std::vector<definition> found;
  std::string rank;
  while (!text.empty()) {
    ++p.line;
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view bare = trimmed(line);
    if (bare.starts_with("--") && trimmed(bare.substr(2)).starts_with("metric:")) {
      if (!found.empty()) p.finish(found.back(), rank);
      rank.clear();
      definition d;
      d.name = p.name(trimmed(bare.substr(bare.find(':') + 1)), "metric");
      d.line = p.line;
      const auto same = [&](const definition& other) { return other.name == d.name; };
      if (std::any_of(taken.begin(), taken.end(), same) || d.name.starts_with("pg_stats_exporter") ||
          d.name == "pg_scrape_collector" || d.name == "pg_exporter")
        p.refuse(bgworker::format("metric \"{}\" is one of stats_exporter's own", d.name));
      if (std::any_of(found.begin(), found.end(),
                      [&](const definition& o) {
                        return same(o) && o.from_version < d.below_version && d.from_version < o.below_version;
                      }) &&
          where != "stats_exporter")
        p.refuse(bgworker::format("metric \"{}\" is there twice", d.name));
      found.push_back(std::move(d));
    } else if (found.empty()) {
      if (!bare.empty() && !bare.starts_with("--"))
        p.refuse("a statement without \"-- metric: NAME\" before it");
    } else if (!found.back().sql.empty() ||
               (!bare.empty() && !p.directive(found.back(), rank, bare) && !bare.starts_with("--"))) {
      found.back().sql.append(line).push_back('\n');
    }
  }
  if (!found.empty()) p.finish(found.back(), rank);
  return found;
}

}  // namespace stats_exporter
