// Reads postgresql.conf's language: a scanner by longest match, and a line parser that resumes after the end
// of a bad line. Keeps no state between calls; allocates, so callers in worker processes count themselves into
// a critical section.
#include "core/config_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "port/fd.hpp"

namespace bgw {

namespace {

constexpr int max_syntax_errors = 100;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_octal(char c) {
  return c >= '0' && c <= '7';
}
bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool starts_name(char c) {
  return is_ascii_letter(c) || c == '_' || (c & 0x80) != 0;
}
bool continues_name(char c) {
  return starts_name(c) || is_digit(c);
}
bool continues_word(char c) {
  return continues_name(c) || std::strchr("-._:/", c) != nullptr;
}

enum class Token { end_of_file, end_of_line, name, qualified_name, word, integer, real, string, equals, other };

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Token next() {
    for (;;) {
      if (at_ == text_.size()) {
        token_ = {};
        return Token::end_of_file;
      }
      const char c = text_[at_];
      if (c == '\n') {
        take(1);
        ++line_;
        return Token::end_of_line;
      }
      if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      return scan(c);
    }
  }

  std::string_view token() const { return token_; }
  unsigned line() const { return line_; }  // of the next character

 private:
  char peek(std::size_t offset) const { return at_ + offset < text_.size() ? text_[at_ + offset] : '\0'; }

  template <class Predicate>
  std::size_t run(std::size_t from, Predicate accepts) const {
    while (at_ + from < text_.size() && accepts(text_[at_ + from])) ++from;
    return from;
  }

  void take(std::size_t length) {
    token_ = text_.substr(at_, length);
    at_ += length;
  }

  Token scan(char c) {
    if (starts_name(c)) return scan_name_or_word();
    if (c == '\'') {
      if (const std::size_t length = string_length()) {
        take(length);
        return Token::string;
      }
    } else if (is_digit(c) || c == '-' || c == '+' || c == '.') {
      const std::size_t integer = integer_length();
      const std::size_t real = real_length();
      if (integer > 0 && integer >= real) {
        take(integer);
        return Token::integer;
      }
      if (real > 0) {
        take(real);
        return Token::real;
      }
    }
    take(1);
    return c == '=' ? Token::equals : Token::other;
  }

  Token scan_name_or_word() {
    const std::size_t plain = run(1, continues_name);
    // Two parts at most: a name of three can be set by SET, but not in a file.
    std::size_t qualified = plain;
    if (peek(plain) == '.' && starts_name(peek(plain + 1))) qualified = run(plain + 2, continues_name);
    const std::size_t word = run(1, [](char c) { return c != '\0' && continues_word(c); });
    take(word);
    if (plain == word) return Token::name;
    return qualified == word ? Token::qualified_name : Token::word;
  }

  // The longest closed quoted string here, or 0. A doubled quote may turn out to be the end after all, when
  // what follows it is never closed.
  std::size_t string_length() const {
    std::size_t closed = 0;
    for (std::size_t i = 1; at_ + i < text_.size();) {
      const char c = text_[at_ + i];
      if (c == '\n') break;
      if (c == '\\') {
        if (at_ + i + 1 >= text_.size() || text_[at_ + i + 1] == '\n') break;
        i += 2;
      } else if (c == '\'') {
        closed = ++i;
        if (peek(i) != '\'') break;
        ++i;
      } else {
        ++i;
      }
    }
    return closed;
  }

  std::size_t sign_length() const { return peek(0) == '-' || peek(0) == '+' ? 1 : 0; }

  // A decimal or hexadecimal number and the letters after it.
  std::size_t integer_length() const {
    const std::size_t start = sign_length();
    std::size_t end = run(start, is_digit);
    if (end == start) return 0;
    end = run(end, is_ascii_letter);
    if (peek(start) == '0' && peek(start + 1) == 'x' && is_hex(peek(start + 2)))
      end = std::max(end, run(run(start + 2, is_hex), is_ascii_letter));
    return end;
  }

  // A number with a point; it may have an exponent, but no unit.
  std::size_t real_length() const {
    std::size_t end = run(sign_length(), is_digit);
    if (peek(end) != '.') return 0;
    end = run(end + 1, is_digit);
    if (peek(end) == 'e' || peek(end) == 'E') {
      std::size_t digits = end + 1;
      if (peek(digits) == '-' || peek(digits) == '+') ++digits;
      if (is_digit(peek(digits))) end = run(digits, is_digit);
    }
    return end;
  }

  std::string_view text_;
  std::string_view token_;
  std::size_t at_ = 0;
  unsigned line_ = 1;
};

std::string absolute_location(const std::string& path, const std::string& calling_file,
                              const std::string& base) {
  std::filesystem::path location = path;
  if (location.is_relative()) {
    const std::filesystem::path start =
        calling_file.empty() ? std::filesystem::path(base) : std::filesystem::path(calling_file).parent_path();
    location = start / location;
  }
  std::string text = location.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

void complain(ConfigOutcome& outcome, std::string message, std::string summary, const std::string& file,
              unsigned line, const char* sqlstate, int system_error = 0) {
  outcome.ok = false;
  outcome.items.push_back({.kind = ConfigItem::Kind::error,
                           .name = {},
                           .value = {},
                           .file = file,
                           .line = line,
                           .message = std::move(message),
                           .summary = std::move(summary),
                           .sqlstate = sqlstate,
                           .system_error = system_error});
}

void absorb(ConfigOutcome& outcome, ConfigOutcome part) {
  if (!part.ok) outcome.ok = false;
  std::move(part.items.begin(), part.items.end(), std::back_inserter(outcome.items));
}

constexpr const char* invalid_parameter_value = "22023";
constexpr const char* program_limit_exceeded = "54000";
constexpr const char* syntax_error = "42601";

// Appends the whole of the file; 0, or the errno of the read that failed.
int append_all(int fd, std::string& text) {
  char buffer[8192];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return 0;
    if (got > 0)
      text.append(buffer, static_cast<std::size_t>(got));
    else if (errno != EINTR)
      return errno;
  }
}

// The line parser for one file.
class FileParser {
 public:
  FileParser(std::string_view text, const std::string& file, int depth, const ConfigReading& reading)
      : scanner_(text), file_(file), depth_(depth), reading_(reading) {}

  ConfigOutcome parse() {
    for (Token token = scanner_.next(); token != Token::end_of_file; token = scanner_.next()) {
      if (token == Token::end_of_line) continue;
      if (line(token)) {
        if (at_end_) break;
        continue;
      }
      if (!recover()) break;
    }
    return std::move(outcome_);
  }

 private:
  // Parses the line that starts with `token` to its end. False: `last_` is the token that does not fit.
  bool line(Token token) {
    last_ = token;
    if (token != Token::name && token != Token::qualified_name) return false;
    const std::string name(scanner_.token());

    last_ = scanner_.next();
    if (last_ == Token::equals) last_ = scanner_.next();
    std::string value;
    switch (last_) {
      case Token::string:
        value = unquote_config_value(scanner_.token());
        break;
      case Token::name:
      case Token::word:
      case Token::integer:
      case Token::real:
        value = scanner_.token();
        break;
      case Token::qualified_name:
      case Token::equals:
      case Token::other:
      case Token::end_of_line:
      case Token::end_of_file:
        return false;
    }

    unsigned number = scanner_.line();
    last_ = scanner_.next();
    if (last_ != Token::end_of_line && last_ != Token::end_of_file) return false;
    at_end_ = last_ == Token::end_of_file;
    accept(name, value, number);
    return true;
  }

  void accept(const std::string& name, const std::string& value, unsigned number) {
    if (same_setting_name(name, "include_dir"))
      absorb(outcome_, read_config_directory(value, file_, number, depth_ + 1, reading_));
    else if (same_setting_name(name, "include_if_exists"))
      absorb(outcome_, read_config_file(value, false, file_, number, depth_ + 1, reading_));
    else if (same_setting_name(name, "include"))
      absorb(outcome_, read_config_file(value, true, file_, number, depth_ + 1, reading_));
    else
      outcome_.items.push_back({.name = name, .value = value, .file = file_, .line = number});
  }

  // Reports the bad line and goes to the next. False: the file is over, or not worth going on with.
  bool recover() {
    if (last_ == Token::end_of_line || last_ == Token::end_of_file) {
      // The scanner has counted the line end that it met; at the end of the file there was none, and the number
      // is one less than the line's, as the server's is.
      const unsigned number = scanner_.line() - 1;
      complain(outcome_, fmt::format("syntax error in file \"{}\" line {}, near end of line", file_, number),
               "syntax error", file_, number, syntax_error);
    } else {
      const unsigned number = scanner_.line();
      complain(outcome_,
               fmt::format("syntax error in file \"{}\" line {}, near token \"{}\"", file_, number,
                           scanner_.token()),
               "syntax error", file_, number, syntax_error);
    }
    ++errors_;
    if (errors_ >= max_syntax_errors || reading_.stop_at_first_error) {
      // Said once, and not one of the errors that a listing shows.
      outcome_.items.push_back(
          {.kind = ConfigItem::Kind::error,
           .name = {},
           .value = {},
           .file = {},
           .line = 0,
           .message = fmt::format("too many syntax errors found, abandoning file \"{}\"", file_),
           .summary = {},
           .sqlstate = program_limit_exceeded});
      return false;
    }
    while (last_ != Token::end_of_line && last_ != Token::end_of_file) last_ = scanner_.next();
    return last_ != Token::end_of_file;
  }

  Scanner scanner_;
  const std::string& file_;
  int depth_;
  const ConfigReading& reading_;
  ConfigOutcome outcome_;
  Token last_ = Token::end_of_file;
  bool at_end_ = false;
  int errors_ = 0;
};

char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

ConfigOutcome read_config_text(std::string_view text, const std::string& file, int depth,
                               const ConfigReading& reading) {
  return FileParser(text, file, depth, reading).parse();
}

ConfigOutcome read_config_file(const std::string& path, bool strict, const std::string& calling_file,
                               unsigned calling_line, int depth, const ConfigReading& reading) {
  ConfigOutcome outcome;
  if (is_blank(path)) {
    complain(outcome, fmt::format("empty configuration file name: \"{}\"", path),
             "empty configuration file name", calling_file, calling_line, invalid_parameter_value);
    return outcome;
  }
  if (depth > max_include_depth) {
    complain(outcome,
             fmt::format("could not open configuration file \"{}\": maximum nesting depth exceeded", path),
             "nesting depth exceeded", calling_file, calling_line, program_limit_exceeded);
    return outcome;
  }
  const std::string location = absolute_location(path, calling_file, reading.base_directory);
  if (location == calling_file) {
    complain(outcome, fmt::format("configuration file recursion in \"{}\"", calling_file),
             "configuration file recursion", calling_file, calling_line, invalid_parameter_value);
    return outcome;
  }
  const UniqueFd file(::open(location.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    const int error = errno;
    if (strict)
      complain(outcome,
               fmt::format("could not open configuration file \"{}\": {}", location, std::strerror(error)),
               fmt::format("could not open file \"{}\"", location), calling_file, calling_line,
               invalid_parameter_value, error);
    else
      outcome.items.push_back({.kind = ConfigItem::Kind::skipped,
                               .name = {},
                               .value = {},
                               .file = {},
                               .line = 0,
                               .message = fmt::format("skipping missing configuration file \"{}\"", location)});
    return outcome;
  }
  std::string text;
  if (const int error = append_all(file.get(), text)) {
    complain(outcome,
             fmt::format("could not read configuration file \"{}\": {}", location, std::strerror(error)),
             fmt::format("could not read file \"{}\"", location), location, 1, invalid_parameter_value, error);
    return outcome;
  }
  return read_config_text(text, location, depth, reading);
}

ConfigOutcome read_config_directory(const std::string& path, const std::string& calling_file,
                                    unsigned calling_line, int depth, const ConfigReading& reading) {
  ConfigOutcome outcome;
  if (is_blank(path)) {
    complain(outcome, fmt::format("empty configuration directory name: \"{}\"", path),
             "empty configuration directory name", calling_file, calling_line, invalid_parameter_value);
    return outcome;
  }
  const std::string directory = absolute_location(path, calling_file, reading.base_directory);
  DIR* listing = ::opendir(directory.c_str());
  if (listing == nullptr) {
    const int error = errno;
    complain(outcome,
             fmt::format("could not open configuration directory \"{}\": {}", directory, std::strerror(error)),
             fmt::format("could not open directory \"{}\"", directory), calling_file, calling_line,
             invalid_parameter_value, error);
    return outcome;
  }
  std::vector<std::string> files;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (name.size() < 6 || name.front() == '.' || !name.ends_with(".conf")) continue;
    const std::string file = absolute_location(std::string(name), directory + "/.", {});
    struct stat status;
    if (::stat(file.c_str(), &status) != 0) {
      const int error = errno;
      complain(outcome, fmt::format("could not stat file \"{}\": {}", file, std::strerror(error)),
               fmt::format("could not stat file \"{}\"", file), calling_file, calling_line,
               invalid_parameter_value, error);
      break;
    }
    if (!S_ISDIR(status.st_mode)) files.push_back(file);
  }
  ::closedir(listing);
  if (!outcome.ok) return outcome;

  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    absorb(outcome, read_config_file(file, true, calling_file, calling_line, depth, reading));
    if (!outcome.ok) break;
  }
  return outcome;
}

std::string unquote_config_value(std::string_view quoted) {
  quoted.remove_prefix(1);
  quoted.remove_suffix(1);
  std::string value;
  for (std::size_t i = 0; i < quoted.size(); ++i) {
    char c = quoted[i];
    if (c == '\'' && i + 1 < quoted.size() && quoted[i + 1] == '\'') {
      ++i;
    } else if (c == '\\' && i + 1 < quoted.size()) {
      c = quoted[++i];
      switch (c) {
        case 'b':
          c = '\b';
          break;
        case 'f':
          c = '\f';
          break;
        case 'n':
          c = '\n';
          break;
        case 'r':
          c = '\r';
          break;
        case 't':
          c = '\t';
          break;
        default:
          if (is_octal(c)) {
            unsigned code = 0;
            for (std::size_t end = std::min(i + 3, quoted.size()); i < end && is_octal(quoted[i]); ++i)
              code = code * 8 + static_cast<unsigned>(quoted[i] - '0');
            --i;
            c = static_cast<char>(code);
          }
          break;
      }
    }
    value.push_back(c);
  }
  return value;
}

std::string quote_config_value(std::string_view value) {
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\n') {
      quoted += "\\n";
      continue;
    }
    if (c == '\'' || c == '\\') quoted.push_back(c);
    quoted.push_back(c);
  }
  quoted.push_back('\'');
  return quoted;
}

bool same_setting_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace bgw
