// Tables for a terminal: columns as wide as they need to be, narrower when the terminal is.
#pragma once

#include <string>
#include <vector>

namespace bgworkerctl {

struct Column {
  std::string title;
  bool right = false;        // numbers
  int keep = 0;              // when the table is too wide, columns go in the order of this: 0 never goes
  std::size_t shortest = 0;  // may be cut down to this width before any column goes; 0: not cut
};

// One line per row after the line of titles, each ending in a newline and free of trailing blanks. `width`
// is the terminal's, 0 for no limit. A column that is empty in all rows is left out if it may go at all.
std::string render_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows,
                         std::size_t width);

// How many columns of the terminal a text takes; `text` with control characters made visible, one line.
std::size_t display_width(const std::string& text);
std::string printable(const std::string& text);

// "0.4 s", "12 s", "5 min", "3 h", "2 d".
std::string short_duration(double seconds);

}  // namespace bgworkerctl
