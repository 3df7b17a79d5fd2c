// A small HTTP responder on the worker's own wait loop: one thread, nothing blocks, everything is bounded.
//
// Header libraries for HTTP answer each connection in a thread of its own, which a process of the server must
// not have: its signal handling, memory and errors know one thread. All sockets are in one epoll instance, and
// that is the one descriptor the worker waits for. A connection goes reading → writing → draining → closed; the
// last waits for the client's end, so that closing does not take the answer back. Each answers one request.
#include "stats_exporter.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <netinet/in.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace stats_exporter {

namespace {

constexpr std::size_t longest_request = 8192;
constexpr std::size_t longest_drain = 1 << 20;

struct address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

const char* reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

// ADDRESS:PORT with an address in numbers; names would have to be looked up, which can take long.
std::optional<address> parse_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string host(text.substr(0, colon));
  const std::string_view port_text = text.substr(colon + 1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || end != port_text.data() + port_text.size() || port == 0 || port > 65535)
    return std::nullopt;
  address made;
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&made.storage);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(static_cast<uint16_t>(port));
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &in6->sin6_addr) != 1)
      return std::nullopt;
    made.size = sizeof *in6;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&made.storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(static_cast<uint16_t>(port));
    if (host != "*" && ::inet_pton(AF_INET, host.c_str(), &in->sin_addr) != 1) return std::nullopt;
    made.size = sizeof *in;
  }
  return made;
}

// Calls f with each entry of a list; stops when it returns false.
template <class F>
bool each(std::string_view list, F f) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!f(one)) return false;
  }
  return true;
}

// The value of a header, empty when it is not there. `head` has the lines after the request line.
std::string_view header(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const auto end = std::min(head.find('\n'), head.size());
    std::string_view line = head.substr(0, end);
    head.remove_prefix(std::min(end + 1, head.size()));
    if (line.size() > name.size() && line[name.size()] == ':' &&
        strncasecmp(line.data(), name.data(), name.size()) == 0) {
      line.remove_prefix(name.size() + 1);
      while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
      return line;
    }
  }
  return {};
}

}  // namespace

descriptor::~descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

const char* refuse_addresses(const std::string_view& list) {
  return each(list, [](std::string_view one) { return parse_address(one).has_value(); })
             ? nullptr
             : "Each address is ADDRESS:PORT, [IPv6 ADDRESS]:PORT or *:PORT, in numbers, separated by commas.";
}

http_server::http_server(handler answer, void* of)
    : answer_(answer), of_(of), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_.get() < 0)
    throw bgworker::error(bgworker::format("epoll_create1 failed: {}", std::strerror(errno)));
}

void http_server::listen(std::string_view addresses) {
  listeners_.clear();
  listening_ = true;
  std::vector<descriptor> made;
  each(addresses, [&](std::string_view one) {
    const auto where = parse_address(one);
    const auto fail = [&](const char* what) {
      const int code = errno;
      throw bgworker::error(
          "08000", bgworker::format("stats_exporter could not {} {}: {}", what, one, std::strerror(code)), {},
          "Is something else listening there? stats_exporter.listen says where to.");
    };
    if (!where) {
      errno = EINVAL;
      fail("understand address");
    }
    descriptor s(::socket(where->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (s.get() < 0) fail("make a socket for");
    const int on = 1;
    ::setsockopt(s.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where->storage.ss_family == AF_INET6) ::setsockopt(s.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(s.get(), reinterpret_cast<const sockaddr*>(&where->storage), where->size) != 0) fail("bind");
    if (::listen(s.get(), 16) != 0) fail("listen on");
    made.push_back(std::move(s));
    return true;
  });
  for (const descriptor& s : made) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = s.get();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, s.get(), &e) != 0)
      throw bgworker::error(bgworker::format("epoll_ctl failed: {}", std::strerror(errno)));
  }
  listeners_ = std::move(made);
}

void http_server::watch_listeners(bool on) {
  if (on == listening_) return;
  listening_ = on;
  for (const descriptor& s : listeners_) {
    epoll_event e{};
    if (on) e.events = EPOLLIN;
    e.data.fd = s.get();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, s.get(), &e);
  }
}

std::optional<std::chrono::steady_clock::time_point> http_server::next_deadline() const {
  std::optional<std::chrono::steady_clock::time_point> first;
  for (const auto& [fd, c] : connections_)
    if (!first || c.deadline < *first) first = c.deadline;
  return first;
}

void http_server::accept_some(int listener, const http_settings& s) {
  while (connections_.size() < static_cast<std::size_t>(s.connections)) {
    descriptor socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) return;  // nobody is waiting, or gave up meanwhile
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = socket.get();
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &e) != 0) continue;
    connection c;
    c.deadline = std::chrono::steady_clock::now() + s.timeout;
    const int fd = socket.get();
    c.socket = std::move(socket);
    connections_.emplace(fd, std::move(c));
  }
}

void http_server::begin(connection& c, const response& r, bool with_body) {
  c.out = bgworker::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{}Connection: "
      "close\r\n\r\n",
      r.status, reason(r.status), r.type, r.body.size(), r.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (with_body) c.out += r.body;
  c.state = connection::writing;
  c.request.clear();
  ++answered_;
  epoll_event e{};
  e.events = EPOLLOUT;
  e.data.fd = c.socket.get();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, c.socket.get(), &e);
}

// Answers the request if it is whole, or cannot become one. False: not yet.
bool http_server::answer(connection& c) {
  const auto plain = [&](int status, const char* why) {
    begin(c, {status, "text/plain; charset=utf-8", std::string(why) + "\n"}, true);
    return true;
  };
  std::string_view all = c.request;
  const auto crlf = all.find("\r\n\r\n"), lf = all.find("\n\n");
  const auto end = std::min(crlf, lf);
  if (end == all.npos) return all.size() >= longest_request && plain(431, "The request is longer than 8 kB.");
  all = all.substr(0, end);
  const auto line_end = std::min(all.find('\n'), all.size());
  std::string_view line = all.substr(0, line_end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  all.remove_prefix(std::min(line_end + 1, all.size()));
  const auto first = line.find(' '), second = line.rfind(' ');
  if (first == line.npos || second == first) return plain(400, "The first line is not METHOD PATH VERSION.");
  const std::string_view method = line.substr(0, first), version = line.substr(second + 1);
  std::string_view path = line.substr(first + 1, second - first - 1);
  if (!version.starts_with("HTTP/")) return plain(400, "The first line is not METHOD PATH VERSION.");
  if (!version.starts_with("HTTP/1.")) return plain(505, "HTTP/1.0 and HTTP/1.1 are spoken here.");
  if (method != "GET" && method != "HEAD") return plain(405, "GET and HEAD are answered here.");
  const auto mark = std::min(path.find('?'), path.size());
  const std::string_view query = path.substr(std::min(mark + 1, path.size()));
  path = path.substr(0, mark);
  response r;
  try {
    r = answer_(of_, path, query, header(all, "Accept"));
  } catch (const bgworker::error& e) {
    bgworker::log_error(e);
    r = {500, "text/plain; charset=utf-8", "The answer could not be made; the log says why.\n"};
  }
  begin(c, r, method == "GET");
  return true;
}

bool http_server::advance(connection& c) {
  char part[4096];
  while (c.state == connection::reading) {
    const ssize_t n =
        ::recv(c.socket.get(), part, std::min(sizeof part, longest_request - c.request.size()), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) return false;
    c.request.append(part, static_cast<std::size_t>(n));
    answer(c);
  }
  while (c.state == connection::writing) {
    const ssize_t n = ::send(c.socket.get(), c.out.data() + c.sent, c.out.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    c.sent += static_cast<std::size_t>(n);
    if (c.sent < c.out.size()) continue;
    c.out = {};
    c.state = connection::draining;
    ::shutdown(c.socket.get(), SHUT_WR);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = c.socket.get();
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, c.socket.get(), &e);
  }
  while (c.drained < longest_drain) {
    const ssize_t n = ::recv(c.socket.get(), part, sizeof part, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) return false;
    c.drained += static_cast<std::size_t>(n);
  }
  return false;
}

void http_server::serve(const http_settings& s) {
  epoll_event events[64];
  const int n = ::epoll_wait(epoll_.get(), events, 64, 0);
  for (int i = 0; i < n; ++i) {
    const int fd = events[i].data.fd;
    if (const auto it = connections_.find(fd); it != connections_.end()) {
      if (!advance(it->second)) connections_.erase(it);
    } else {
      accept_some(fd, s);
    }
  }
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(connections_, [&](const auto& entry) { return entry.second.deadline <= now; });
  watch_listeners(connections_.size() < static_cast<std::size_t>(s.connections));
}

}  // namespace stats_exporter
