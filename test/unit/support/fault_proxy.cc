// See fault_proxy.hpp. A message is a type byte and a length that counts itself; a client's first message has
// no type.
#include "support/fault_proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

namespace bgw_test {

namespace {

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::abort();
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    ssize_t n = ::send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

struct Direction {
  int from, to;
  bool is_client;
  bool typed;  // messages begin with a type byte
  bool swallow = false;
  int count = 0;
  std::string pending = {};

  // Takes the first whole message out of `pending`.
  std::optional<std::string> next() {
    std::size_t head = typed ? 5 : 4;
    if (pending.size() < head) return std::nullopt;
    std::uint32_t length;
    std::memcpy(&length, pending.data() + head - 4, 4);
    std::size_t size = ntohl(length) + head - 4;
    if (pending.size() < size) return std::nullopt;
    std::string message = pending.substr(0, size);
    pending.erase(0, size);
    typed = true;
    return message;
  }
};

}  // namespace

FaultProxy::FaultProxy(std::string target) : target_(std::move(target)) {
  char name[] = "/tmp/bgw_proxy_XXXXXX";
  if (!mkdtemp(name)) give_up("mkdtemp");
  folder_ = name;
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = address_of(folder_ + "/.s.PGSQL.5432");
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) give_up("bind");
  if (::listen(listener_, 8) != 0) give_up("listen");
  if (::pipe(wake_) != 0) give_up("pipe");
  thread_ = std::thread([this] { serve(); });
}

FaultProxy::~FaultProxy() {
  ::close(wake_[1]);
  thread_.join();
  ::close(wake_[0]);
  ::close(listener_);
  std::filesystem::remove_all(folder_);
}

void FaultProxy::arm(Fault fault) {
  std::lock_guard<std::mutex> lock(mutex_);
  fired_ = false;
  fault_ = fault;
}

void FaultProxy::serve() {
  for (;;) {
    pollfd waits[2] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    ::poll(waits, 2, -1);
    if (waits[1].revents) return;
    int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) continue;
    converse(client);
    ::close(client);
  }
}

void FaultProxy::converse(int client) {
  int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = address_of(target_);
  if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) give_up("connect");
  Fault fault;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    fault = fault_;
  }
  Direction directions[2] = {{.from = client, .to = server, .is_client = true, .typed = false},
                             {.from = server, .to = client, .is_client = false, .typed = true}};
  bool counting = fault.from_start, open = true;
  std::vector<char> buffer(65536);
  while (open) {
    pollfd waits[3] = {{client, POLLIN, 0}, {server, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    ::poll(waits, 3, -1);
    if (waits[2].revents) break;
    for (int d = 0; d < 2 && open; ++d) {
      if (!waits[d].revents) continue;
      Direction& way = directions[d];
      ssize_t n = ::read(way.from, buffer.data(), buffer.size());
      if (n <= 0) {
        open = false;
        break;
      }
      way.pending.append(buffer.data(), static_cast<std::size_t>(n));
      while (open) {
        std::optional<std::string> message = way.next();
        if (!message) break;
        bool hit = counting && way.is_client == fault.from_client && way.count == fault.at &&
                   fault.kind != Fault::Kind::none;
        if (counting) way.count++;
        std::size_t size = message->size();
        if (hit) {
          fired_ = true;
          switch (fault.kind) {
            case Fault::Kind::none:
              break;
            case Fault::Kind::cut:
              size = 0;
              open = false;
              break;
            case Fault::Kind::truncate:
              size /= 2;
              open = false;
              break;
            case Fault::Kind::delay:
              std::this_thread::sleep_for(std::chrono::milliseconds(20));
              break;
            case Fault::Kind::half_open:
              way.swallow = true;
              break;
          }
        }
        if (!way.swallow && !write_all(way.to, message->data(), size)) open = false;
        if (!way.is_client && (*message)[0] == 'Z') counting = true;
      }
    }
  }
  ::close(server);
}

}  // namespace bgw_test
