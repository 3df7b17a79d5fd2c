// The time of day in which repairs may begin: "HH:MM-HH:MM", from its first minute on and up to its last, which
// does not belong to it; it may span midnight. Empty: always.
#include "index_rebuilder.hpp"

namespace index_rebuilder {

namespace {

struct window {
  int from, to;  // minutes of the day
};

std::optional<int> minute_of(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t i : {0, 1, 3, 4})
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
  const int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
  if (hour > 24 || minute > 59 || (hour == 24 && minute != 0)) return std::nullopt;
  return hour * 60 + minute;
}

std::optional<window> parse(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const auto from = minute_of(text.substr(0, 5)), to = minute_of(text.substr(6));
  if (!from || !to || *from == *to) return std::nullopt;
  return window{*from, *to};
}

}  // namespace

const char* refuse_window(const std::string_view& text) {
  return text.empty() || parse(text) ? nullptr : "It is HH:MM-HH:MM with two different times, or empty.";
}

bool in_window(std::string_view text) {
  const auto w = parse(text);
  if (!w) return true;
  bgworker::transaction tx(bgworker::access_mode::read_only);
  const int now =
      tx.value<int>(OWN "SELECT (extract(hour FROM localtime) * 60 + extract(minute FROM localtime))::int");
  tx.commit();
  return w->from < w->to ? now >= w->from && now < w->to : now >= w->from || now < w->to;
}

}  // namespace index_rebuilder
