// Plain ANSI sequences on the alternate screen, which every terminal of these days has. What was on the screen
// and how the keyboard was set come back however the program ends: signals that end or stop it are blocked and
// read from a descriptor, between two drawings; a crash goes through a handler that does the same by system
// calls.
#include "terminal.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bgworkerctl {

using bgw::Error;
using bgw::Result;

namespace {

constexpr std::string_view enter_screen = "\033[?1049h\033[?25l\033[?7l";
constexpr std::string_view leave_screen = "\033[?7h\033[?25h\033[?1049l";
constexpr int read_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
constexpr int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

termios before;  // of standard input; written once, before the handler is there

void put(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the terminal is gone, of which wait() hears
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void enter() {
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  put(enter_screen);
}

void leave() noexcept {
  put(leave_screen);
  tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

// SA_RESETHAND: the second time it does what it does without us.
void crashed(int signal) {
  leave();
  raise(signal);
}

}  // namespace

bool Terminal::usable() {
  const char* kind = std::getenv("TERM");
  return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 && kind != nullptr && *kind != '\0' &&
         std::strcmp(kind, "dumb") != 0;
}

Result<Terminal> Terminal::take_over() {
  if (tcgetattr(STDIN_FILENO, &before) != 0)
    return Error{.message = std::string("could not read the terminal's settings: ") + std::strerror(errno),
                 .sqlstate = "58000",
                 .hint = "Use --once where there is no terminal."};
  sigset_t set;
  sigemptyset(&set);
  for (int signal : read_signals) sigaddset(&set, signal);
  bgw::UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals)
    return Error{.message = std::string("could not create signalfd: ") + std::strerror(errno),
                 .sqlstate = "53000"};
  sigprocmask(SIG_BLOCK, &set, nullptr);
  struct sigaction action {};
  action.sa_handler = crashed;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (int signal : crash_signals) sigaction(signal, &action, nullptr);
  enter();
  return Terminal(std::move(signals));
}

Terminal::Terminal(Terminal&& other) noexcept
    : signals_(std::move(other.signals_)), keys_(std::move(other.keys_)), owner_(other.owner_) {
  other.owner_ = false;
}

Terminal::~Terminal() {
  if (!owner_) return;
  leave();
  for (int signal : crash_signals) ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  for (int signal : read_signals) sigaddset(&set, signal);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

Terminal::Size Terminal::size() const {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

void Terminal::draw(const std::vector<std::string>& lines) {
  const std::size_t rows = size().rows;
  std::string text = "\033[H";
  for (std::size_t i = 0; i < lines.size() && i < rows; i++) {
    if (i > 0) text += "\r\n";
    text += lines[i] + "\033[0m\033[K";
  }
  if (lines.size() < rows) text += "\r\n\033[J";
  put(text);
}

Terminal::Event Terminal::take_signal() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != static_cast<ssize_t>(sizeof(info))) return {};
  const int signal = static_cast<int>(info.ssi_signo);
  if (signal == SIGWINCH) return {What::resized, 0};
  if (signal != SIGTSTP) return {What::ended, signal};
  leave();
  raise(SIGSTOP);
  enter();
  return {What::resized, 0};
}

std::optional<int> Terminal::take_key() {
  static constexpr std::pair<std::string_view, int> sequences[] = {
      {"\033[A", key_up},   {"\033[B", key_down},     {"\033OA", key_up},
      {"\033OB", key_down}, {"\033[5~", key_page_up}, {"\033[6~", key_page_down}};
  while (!keys_.empty()) {
    for (const auto& [sequence, key] : sequences)
      if (keys_.starts_with(sequence)) {
        keys_.erase(0, sequence.size());
        return key;
      }
    const char first = keys_[0];
    if (first == '\033' && keys_.size() > 1) {
      // A key that nobody here knows: the sequence ends with its first letter or tilde.
      std::size_t end = 2;
      while (end < keys_.size() && (keys_[end] < '@' || keys_[end] > '~')) end++;
      keys_.erase(0, end + 1);
      continue;
    }
    keys_.erase(0, 1);
    return static_cast<unsigned char>(first);
  }
  return {};
}

Terminal::Event Terminal::wait(int milliseconds) {
  if (std::optional<int> key = take_key()) return {What::key, *key};
  pollfd both[2] = {{signals_.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  if (poll(both, 2, milliseconds) <= 0) return {};
  if (both[0].revents != 0) return take_signal();
  char buffer[256];
  const ssize_t got = read(STDIN_FILENO, buffer, sizeof(buffer));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  if (got <= 0) return {What::ended, 0};
  keys_.append(buffer, static_cast<std::size_t>(got));
  if (std::optional<int> key = take_key()) return {What::key, *key};
  return {};
}

}  // namespace bgworkerctl
