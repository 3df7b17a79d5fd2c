// Pure text; counts code points as columns, which is right for names and messages in most scripts and at
// worst leaves a line a little short or long.
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bgworkerctl {

namespace {

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// The first `width` columns, the last of them an ellipsis if something was cut off.
std::string cut(const std::string& text, std::size_t width) {
  if (display_width(text) <= width) return text;
  std::string result;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (!continues(text[i]) && ++used >= width) break;
    result.push_back(text[i]);
  }
  return width == 0 ? "" : result + "…";
}

constexpr std::size_t gap = 2;

std::size_t total(const std::vector<std::size_t>& widths, const std::vector<bool>& shown) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < widths.size(); i++)
    if (shown[i]) sum += widths[i] + gap;
  return sum < gap ? 0 : sum - gap;
}

}  // namespace

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string printable(const std::string& text) {
  std::string result;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t' || c == '\r')
      result.push_back(' ');
    else
      result.push_back(byte < 0x20 || byte == 0x7F ? '?' : c);
  }
  return result;
}

std::string short_duration(double seconds) {
  char text[32];
  if (seconds < 0) seconds = 0;
  if (seconds < 9.95)
    std::snprintf(text, sizeof(text), "%.1f s", seconds);
  else if (seconds < 120)
    std::snprintf(text, sizeof(text), "%.0f s", seconds);
  else if (seconds < 7200)
    std::snprintf(text, sizeof(text), "%.0f min", std::floor(seconds / 60));
  else if (seconds < 172800)
    std::snprintf(text, sizeof(text), "%.0f h", std::floor(seconds / 3600));
  else
    std::snprintf(text, sizeof(text), "%.0f d", std::floor(seconds / 86400));
  return text;
}

std::string render_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& given,
                         std::size_t width) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : given) {
    rows.emplace_back();
    for (std::size_t i = 0; i < columns.size(); i++)
      rows.back().push_back(i < row.size() ? printable(row[i]) : "");
  }
  std::vector<std::size_t> widths;
  std::vector<bool> shown(columns.size(), true);
  for (std::size_t i = 0; i < columns.size(); i++) {
    std::size_t widest = 0;
    for (const auto& row : rows) widest = std::max(widest, display_width(row[i]));
    if (widest == 0 && columns[i].keep > 0) shown[i] = false;
    widths.push_back(std::max(widest, display_width(columns[i].title)));
  }

  // Too wide: first what can be shortened is, the widest most; then whole columns go.
  const auto shorten = [&] {
    while (total(widths, shown) > width) {
      std::size_t best = columns.size();
      for (std::size_t i = 0; i < columns.size(); i++) {
        const std::size_t least = std::max(columns[i].shortest, display_width(columns[i].title));
        if (shown[i] && columns[i].shortest > 0 && widths[i] > least &&
            (best == columns.size() || widths[i] > widths[best]))
          best = i;
      }
      if (best == columns.size()) return false;
      widths[best]--;
    }
    return true;
  };
  while (width > 0) {
    const std::vector<std::size_t> natural = widths;
    if (shorten()) break;
    std::size_t least = columns.size();
    for (std::size_t i = 0; i < columns.size(); i++)
      if (shown[i] && columns[i].keep > 0 && (least == columns.size() || columns[i].keep < columns[least].keep))
        least = i;
    if (least == columns.size()) break;
    shown[least] = false;
    widths = natural;
  }

  std::string text;
  const auto put = [&](const std::vector<std::string>& cells) {
    std::string line;
    bool first = true;
    for (std::size_t i = 0; i < columns.size(); i++) {
      if (!shown[i]) continue;
      if (!first) line.append(gap, ' ');
      first = false;
      const std::string cell = cut(cells[i], widths[i]);
      const std::string blanks(widths[i] - std::min(widths[i], display_width(cell)), ' ');
      line += columns[i].right ? blanks + cell : cell + blanks;
    }
    if (width > 0) line = cut(line, width);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  std::vector<std::string> titles;
  for (const Column& column : columns) titles.push_back(column.title);
  put(titles);
  for (const auto& row : rows) put(row);
  return text;
}

}  // namespace bgworkerctl
