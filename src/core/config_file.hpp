// The language of postgresql.conf: text in, settings and complaints out.
//
//   file    = { line }          a line is empty, a setting, or an include directive
//   setting = name [ "=" ] value
//   name    = identifier [ "." identifier ]
//   value   = identifier | number with unit letters | word of letters, digits and -._:/ | 'quoted string'
//
// `#` starts a comment. In a quoted string '' is a quote, and backslash escapes are \b \f \n \r \t, one to
// three octal digits, or the character itself. `include`, `include_if_exists` and `include_dir` are replaced by
// what they name; a relative name is relative to the file it stands in.
//
// Failure is data: the outcome lists what was understood and what was not, in the order of the text, and the
// caller decides what to log and what to apply.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace bgw {

struct ConfigItem {
  enum class Kind {
    setting,  // name, value, file, line
    error,    // message, summary, sqlstate, system_error; file and line say where, name and value are empty
    skipped,  // message: a file named by include_if_exists is not there; not an error
  };
  Kind kind = Kind::setting;
  std::string name;     // as written, not folded
  std::string value;    // unquoted
  std::string file;     // absolute path when the outermost file's is
  unsigned line = 0;    // from 1; 0 when unknown
  std::string message;  // what the log says
  std::string summary;  // the short form that a listing of the file's settings shows
  const char* sqlstate = "00000";
  int system_error = 0;  // errno when the operating system refused; then it decides the SQLSTATE
};

struct ConfigOutcome {
  bool ok = true;  // false: something is wrong, and nothing of it should be applied
  std::vector<ConfigItem> items;
};

struct ConfigReading {
  // Where relative names at depth 0 start from, when there is no including file.
  std::string base_directory;
  // Give up on a file after its first syntax error rather than after the hundredth: for a caller that will not
  // show them anyway.
  bool stop_at_first_error = false;
};

// How deep includes may nest.
inline constexpr int max_include_depth = 10;

// Reads `path`. `strict`: a file that cannot be opened is an error. `calling_file` and `calling_line`: the
// directive that asked for it, or empty and 0.
ConfigOutcome read_config_file(const std::string& path, bool strict, const std::string& calling_file,
                               unsigned calling_line, int depth, const ConfigReading& reading);

// Reads the files of `path` whose names end in ".conf" and do not start with a dot, in byte order of names.
ConfigOutcome read_config_directory(const std::string& path, const std::string& calling_file,
                                    unsigned calling_line, int depth, const ConfigReading& reading);

// Reads text that came from `file`.
ConfigOutcome read_config_text(std::string_view text, const std::string& file, int depth,
                               const ConfigReading& reading);

// The value of a quoted string, quotes included in `quoted`.
std::string unquote_config_value(std::string_view quoted);

// Writes any text without NUL bytes as a quoted string that reads back the same.
std::string quote_config_value(std::string_view value);

// Whether two names of settings are the same: ASCII letters compare without case, other bytes as they are.
bool same_setting_name(std::string_view a, std::string_view b);

}  // namespace bgw
