// bgworkerctl top: the workers of a host, live in the terminal, or frame by frame for scripts.
//
// One thread: looks at the host when the interval is over, and waits for keys and signals in between. The host
// may come and go; what is shown then is that it is down.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "options.hpp"
#include "table.hpp"
#include "terminal.hpp"
#include "top_frame.hpp"

namespace bgworkerctl {

using bgw::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds look_limit{2000};
// The second look, which brings the first rates, comes soon.
constexpr double first_interval = 0.5;
constexpr double shortest_interval = 0.1;
constexpr double longest_interval = 3600;

constexpr const char* help_lines[] = {
    "q        quit",
    "c m t    sort by CPU, memory, transactions per second",
    "n r p    sort by name, restarts, PID",
    "space    pause, and go on",
    "+ -      a longer, a shorter interval",
    "d        type the interval in seconds, then Enter",
    "up down  scroll by one worker, with page up and page down by a screen",
    "h        this help; any key leaves it",
    "",
    "RESTARTS  how many times it was started again",
    "MEMORY    its share of what is in memory; <: what is in memory, shared pages in whole",
    "TRANS/S   transactions committed and rolled back by its connection to the upstream",
    "-         not known yet, or the system refuses to tell",
};

milliseconds as_time(double seconds) {
  return milliseconds(static_cast<long long>(seconds * 1000));
}

// What the keys change.
struct View {
  double interval;
  TopOrder order = TopOrder::cpu;
  bool paused = false;
  bool help = false;
  std::optional<std::string> typed;  // the interval, while it is being typed
  std::string message;               // shown until the next key
  std::size_t first = 0;             // worker on the first line
  bool quit = false;
};

std::string interval_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", seconds);
  return text;
}

void type_key(View& view, int key) {
  std::string& typed = *view.typed;
  if (key == '\r' || key == '\n') {
    char* end = nullptr;
    const double seconds = std::strtod(typed.c_str(), &end);
    if (!typed.empty() && *end == '\0' && seconds >= shortest_interval && seconds <= longest_interval)
      view.interval = seconds;
    else if (!typed.empty())
      view.message = "\"" + typed + "\" is no interval: from 0.1 to 3600 seconds";
    view.typed.reset();
  } else if (key == '\033') {
    view.typed.reset();
  } else if ((key == 0x7F || key == '\b') && !typed.empty()) {
    typed.pop_back();
  } else if (((key >= '0' && key <= '9') || key == '.') && typed.size() < 8) {
    typed.push_back(static_cast<char>(key));
  }
}

void press(View& view, int key, std::size_t page) {
  view.message.clear();
  if (view.typed) return type_key(view, key);
  if (view.help && key != 'q') {
    view.help = false;
    return;
  }
  switch (key) {
    case 'q':
    case 'Q':
      view.quit = true;
      break;
    case 'c':
      view.order = TopOrder::cpu;
      break;
    case 'm':
      view.order = TopOrder::memory;
      break;
    case 't':
      view.order = TopOrder::transactions;
      break;
    case 'n':
      view.order = TopOrder::name;
      break;
    case 'r':
      view.order = TopOrder::restarts;
      break;
    case 'p':
      view.order = TopOrder::pid;
      break;
    case ' ':
      view.paused = !view.paused;
      break;
    case '+':
      view.interval = std::min(longest_interval, view.interval * 2);
      break;
    case '-':
      view.interval = std::max(shortest_interval, view.interval / 2);
      break;
    case 'd':
      view.typed.emplace();
      break;
    case 'h':
    case '?':
      view.help = true;
      break;
    case Terminal::key_up:
      view.first -= std::min<std::size_t>(view.first, 1);
      break;
    case Terminal::key_down:
      view.first += 1;
      break;
    case Terminal::key_page_up:
      view.first -= std::min(view.first, page);
      break;
    case Terminal::key_page_down:
      view.first += page;
      break;
    default:
      break;
  }
}

std::string cut_to(std::string text, std::size_t width) {
  if (display_width(text) <= width) return text;
  while (display_width(text) > width) text.pop_back();
  return text;
}

// Lines above and below the workers: two of the host, an empty one, the titles; the one of messages.
constexpr std::size_t other_lines = 5;

std::size_t page_of(Terminal::Size size) {
  return size.rows > other_lines ? size.rows - other_lines : 1;
}

void show(Terminal& terminal, TopFrame& frame, View& view) {
  const Terminal::Size size = terminal.size();
  std::vector<std::string> lines;
  if (view.help) {
    for (const char* line : help_lines) lines.push_back(cut_to(line, size.columns));
    terminal.draw(lines);
    return;
  }
  sort_workers(frame.workers, view.order);
  TopText text = top_text(frame, size.columns);
  for (const std::string& line : text.head) lines.push_back(cut_to(line, size.columns));
  lines.emplace_back();
  if (!text.titles.empty()) {
    std::string titles = text.titles;
    titles.append(size.columns - std::min(size.columns, display_width(titles)), ' ');
    lines.push_back("\033[7m" + titles);
  } else if (frame.trouble.empty()) {
    lines.emplace_back("no workers are registered");
  }
  const std::size_t page = page_of(size);
  view.first = std::min(view.first, text.workers.size() - std::min(text.workers.size(), page));
  const std::size_t end = std::min(text.workers.size(), view.first + page);
  for (std::size_t i = view.first; i < end; i++) lines.push_back(text.workers[i]);
  if (lines.size() < size.rows) {
    lines.resize(size.rows - 1);
    std::string last = "every " + interval_text(view.interval) + ", by " + order_name(view.order) +
                       (view.paused ? ", paused" : "") + "; h: help, q: quit";
    if (text.workers.size() > page)
      last = "workers " + std::to_string(view.first + 1) + " to " + std::to_string(end) + " of " +
             std::to_string(text.workers.size()) + "; " + last;
    if (!view.message.empty()) last = view.message;
    if (view.typed) last = "interval in seconds: " + *view.typed + "_";
    lines.push_back(cut_to(last, size.columns));
  }
  terminal.draw(lines);
}

// Returns the signal that ended it, 0 if none did.
Result<int> run_live(TopWatch& watch, double interval) {
  Result<Terminal> terminal = Terminal::take_over();
  if (!terminal) return terminal.error();
  View view{.interval = interval, .typed = {}, .message = {}};
  TopFrame frame = watch.look(look_limit);
  Clock::time_point looked = Clock::now();
  double next = std::min(interval, first_interval);
  show(*terminal, frame, view);
  while (!view.quit) {
    const Clock::time_point due = looked + as_time(next);
    const auto left = std::chrono::duration_cast<milliseconds>(due - Clock::now()).count();
    if (!view.paused && left <= 0) {
      frame = watch.look(look_limit);
      looked = Clock::now();
      next = view.interval;
    }
    const Terminal::Event event =
        terminal->wait(view.paused ? -1 : static_cast<int>(std::clamp<long long>(left, 0, 60'000)));
    if (event.what == Terminal::What::ended) return event.value;
    if (event.what == Terminal::What::key) {
      press(view, event.value, page_of(terminal->size()));
      next = view.interval;
    }
    show(*terminal, frame, view);
  }
  return 0;
}

int run_batch(TopWatch& watch, const Options& options) {
  // Rates need two looks.
  (void)watch.look(look_limit);
  for (int frames = 0; options.frames == 0 || frames < options.frames; frames++) {
    std::this_thread::sleep_for(as_time(options.interval));
    TopFrame frame = watch.look(look_limit);
    sort_workers(frame.workers, TopOrder::cpu);
    if (options.as_json) {
      std::cout << top_json(frame).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
    } else {
      const TopText text = top_text(frame, options.wide ? 0 : terminal_width());
      for (const std::string& line : text.head) std::cout << line << "\n";
      std::cout << "\n";
      if (!text.titles.empty()) std::cout << text.titles << "\n";
      for (const std::string& line : text.workers) std::cout << line << "\n";
      std::cout << (options.frames == 1 ? "" : "\n") << std::flush;
    }
    if (!std::cout) return failure;
    if (options.frames == 1 && !frame.trouble.empty()) return failure;
  }
  return success;
}

}  // namespace

int run_top(const Options& options) {
  const bool live = options.frames < 0 && !options.as_json && Terminal::usable();
  Result<std::string> directory = data_directory(options);
  if (!directory) {
    complain(directory.error());
    return no_data_directory;
  }
  TopWatch watch(*directory);
  if (!live) {
    Options batch = options;
    batch.frames = std::max(options.frames, 0);
    if (batch.frames == 0) return run_batch(watch, batch);
    return with_host(options,
                     [&](const std::string&, const bgw::LockFileContents&) { return run_batch(watch, batch); });
  }
  Result<int> ended = run_live(watch, options.interval);
  if (!ended) {
    complain(ended.error());
    return failure;
  }
  if (*ended != 0) {
    // The terminal is as it was: who waits for this program learns what ended it.
    signal(*ended, SIG_DFL);
    raise(*ended);
  }
  return success;
}

}  // namespace bgworkerctl
