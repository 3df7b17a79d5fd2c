// How the control protocol is carried: the listening socket (postmaster), the serving of one connection
// (backend process), the asking (bgworkerctl). A backend serves one connection and may block; it ends when
// its peer goes, or when the descriptor it is told to watch becomes readable.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <thread>

#include "core/control_protocol.hpp"
#include "core/data_directory.hpp"

namespace bgw {

namespace {

// In a request or a reply of one line there is nothing that needs more.
constexpr std::size_t longest_request = 1024 * 1024;

constexpr int idle_interval_ms = 1000;

Result<sockaddr_un> address_of(const std::string& path) {
  Result<void> fits = check_socket_path_length(path);
  if (!fits) return fits.error();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Error socket_error(const char* what) {
  return Error{.message = std::string("could not ") + what + ": " + std::strerror(errno), .sqlstate = "08006"};
}

enum class Ready { yes, stopped, timeout };

// Waits until `fd` is ready or `stop_fd` is readable.
Ready wait_ready(int fd, short events, int stop_fd, int timeout_ms) {
  pollfd items[2] = {{fd, events, 0}, {stop_fd, POLLIN, 0}};
  for (;;) {
    const int found = poll(items, 2, timeout_ms);
    if (found < 0 && errno == EINTR) continue;
    if (found == 0) return Ready::timeout;
    if (items[1].revents != 0) return Ready::stopped;
    return Ready::yes;
  }
}

Result<bool> send_all(int fd, std::string_view text, int stop_fd) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      text.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return socket_error("send to control connection");
    if (wait_ready(fd, POLLOUT, stop_fd, -1) == Ready::stopped) return false;
  }
  return true;
}

nlohmann::json answer(const ControlRequest& request, const ControlHandler& handler) {
  try {
    return handler(request);
  } catch (const std::exception& exception) {
    return error_reply(Error{.message = "could not carry out \"" + request.op + "\": " + exception.what()});
  }
}

}  // namespace

Result<UniqueFd> listen_control_socket(const std::string& path) {
  Result<sockaddr_un> address = address_of(path);
  if (!address) return address.error();
  struct stat info;
  if (lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode))
      return Error{
          .message = "\"" + path + "\" exists but is not a socket", .sqlstate = "42809", .hint = "Remove it."};
    if (unlink(path.c_str()) != 0) return file_error("remove socket", path);
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return socket_error("create control socket");
  const mode_t before = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address));
  const int bind_error = errno;
  umask(before);
  errno = bind_error;
  if (bound != 0) return file_error("bind control socket", path);
  if (listen(fd.get(), 64) != 0) return file_error("listen on control socket", path);
  return fd;
}

Result<std::optional<UniqueFd>> accept_control_connection(int listening_fd) {
  for (;;) {
    UniqueFd fd(accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) return std::optional<UniqueFd>(std::move(fd));
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ECONNABORTED) return std::optional<UniqueFd>();
    return socket_error("accept control connection");
  }
}

Result<void> check_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return socket_error("get peer credentials");
  if (peer.uid == 0 || peer.uid == geteuid()) return {};
  return Error{.message = "permission denied to control this host",
               .sqlstate = "42501",
               .detail = "User ID " + std::to_string(peer.uid) + " is not the one that runs the host (" +
                         std::to_string(geteuid()) + ").",
               .hint = "Run this as the user that runs the host, or as root."};
}

Result<void> serve_control_connection(int fd, const ControlHandler& handler, int stop_fd) {
  Result<void> allowed = check_peer(fd);
  if (!allowed) {
    Result<bool> told = send_all(fd, to_line(error_reply(allowed.error())), stop_fd);
    return told ? allowed : Result<void>(told.error());
  }
  LineBuffer lines(longest_request);
  char buffer[8192];
  for (;;) {
    while (std::optional<std::string> line = lines.next()) {
      Result<ControlRequest> request = parse_request(*line);
      const nlohmann::json reply = request ? answer(*request, handler) : error_reply(request.error());
      Result<bool> sent = send_all(fd, to_line(reply), stop_fd);
      if (!sent) return sent.error();
      if (!*sent) return {};
      if (!request) return request.error();
    }
    if (wait_ready(fd, POLLIN, stop_fd, -1) == Ready::stopped) return {};
    const ssize_t got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return socket_error("receive from control connection");
    if (got == 0) return {};
    Result<void> added = lines.add({buffer, static_cast<std::size_t>(got)});
    if (!added) {
      Result<bool> told = send_all(fd, to_line(error_reply(added.error())), stop_fd);
      return told ? added : Result<void>(told.error());
    }
  }
}

Result<ControlClient> ControlClient::connect(const std::string& socket_path,
                                             std::chrono::milliseconds timeout) {
  Result<sockaddr_un> address = address_of(socket_path);
  if (!address) return address.error();
  const Clock::time_point end = Clock::now() + timeout;
  for (;;) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return socket_error("create socket");
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0)
      return ControlClient(std::move(fd));
    // A full queue of a Unix-domain socket cannot be waited for; only tried again.
    if ((errno == EAGAIN || errno == EINTR) && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      continue;
    }
    const int error_number = errno;
    Error error = file_error("connect to control socket", socket_path);
    error.sqlstate = "08001";
    if (error_number == EACCES || error_number == EPERM)
      error.hint = "Run this as the user that runs the host, or as root.";
    else if (error_number == ENOENT || error_number == ECONNREFUSED)
      error.hint = "The host is not running, or is still starting.";
    return error;
  }
}

Result<nlohmann::json> ControlClient::ask(const nlohmann::json& request, std::chrono::milliseconds timeout,
                                          const Interim& interim, const std::function<void()>& idle) {
  error_fields_ = nullptr;
  const bool limited = timeout.count() > 0;
  const Clock::time_point end = Clock::now() + timeout;
  const auto left = [&] {
    if (!limited) return -1;
    const auto time = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(time, 0, INT_MAX));
  };
  const Error late{.message = "the host did not answer within " + std::to_string(timeout.count()) + " ms",
                   .sqlstate = "57014",
                   .hint = "Look into its log."};
  const std::string text = to_line(request);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t sent = send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (wait_ready(fd_.get(), POLLOUT, -1, left()) == Ready::timeout) return late;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      break;  // it may have said why before it hung up
    } else if (errno != EINTR) {
      return socket_error("send to the host");
    }
  }
  char buffer[16384];
  for (;;) {
    while (std::optional<std::string> line = lines_.next()) {
      Result<nlohmann::json> reply = parse_reply(*line, &error_fields_);
      if (!reply || reply->contains("ok")) return reply;
      if (interim) interim(*reply);
    }
    const int time = left();
    if (wait_ready(fd_.get(), POLLIN, -1, time < 0 ? idle_interval_ms : std::min(time, idle_interval_ms)) ==
        Ready::timeout) {
      if (limited && left() == 0) return late;
      if (idle) idle();
      continue;
    }
    const ssize_t got = recv(fd_.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0 && errno != ECONNRESET) return socket_error("receive from the host");
    if (got <= 0)
      return Error{.message = "the host closed the connection without an answer",
                   .sqlstate = "08006",
                   .hint = "Look into its log."};
    Result<void> added = lines_.add({buffer, static_cast<std::size_t>(got)});
    if (!added) return added.error();
  }
}

}  // namespace bgw
