// Both ends of the talk between the postmaster and its fork server, and the server's life. The server allocates
// nothing and holds no descriptor of a spare for longer than it takes to hand it over.
#include "postmaster/fork_server.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/event_loop.hpp"
#include "postmaster/child.hpp"

namespace bgw {

namespace {

struct Answer {
  pid_t pid;
  int error;
};

constexpr std::size_t kDescriptors = 2;  // of an answer: the pidfd and the order pipe

// Sends one answer, waiting for room; false when the postmaster is gone.
bool answer(int socket, Answer text, const int* descriptors) noexcept {
  iovec data{&text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptors != nullptr) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(kDescriptors * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors, kDescriptors * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof text);
}

bool make_spare(int socket, SpareMain spare_main) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return answer(socket, {0, errno}, nullptr);
  ends[1] = EventLoop::make_private(ends[1]);  // the new process closes what is private
  int pidfd = -1;
  pid_t pid = fork_child_of_postmaster(&pidfd);
  if (pid == 0) spare_main(ends[0]);
  int error = errno;
  ::close(ends[0]);
  int descriptors[kDescriptors] = {pidfd, ends[1]};
  bool sent = pid < 0 ? answer(socket, {0, error}, nullptr) : answer(socket, {pid, 0}, descriptors);
  ::close(ends[1]);
  if (pidfd >= 0) ::close(pidfd);
  return sent;
}

}  // namespace

void run_fork_server(int socket, SpareMain spare_main) {
  socket = EventLoop::make_private(socket);
  for (;;) {
    int wanted = 0;
    ssize_t got = ::recv(socket, &wanted, sizeof wanted, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != static_cast<ssize_t>(sizeof wanted)) ::_exit(0);  // retired
    while (wanted-- > 0)
      if (!make_spare(socket, spare_main)) ::_exit(0);
  }
}

bool request_spares(int socket, int count) noexcept {
  return ::send(socket, &count, sizeof count, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(sizeof count);
}

std::optional<SpareAnnouncement> read_announcement(int socket, bool* ended) noexcept {
  Answer text{};
  iovec data{&text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return std::nullopt;
  if (got != static_cast<ssize_t>(sizeof text)) {
    *ended = true;
    return std::nullopt;
  }
  SpareAnnouncement spare;
  spare.pid = text.pid;
  spare.error = text.error;
  if (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS &&
                                                 header->cmsg_len == CMSG_LEN(kDescriptors * sizeof(int))) {
    int descriptors[kDescriptors];
    std::memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
    spare.pidfd = UniqueFd(EventLoop::make_private(descriptors[0]));
    spare.order_pipe = UniqueFd(EventLoop::make_private(descriptors[1]));
  }
  return spare;
}

std::vector<pid_t> children_of_this_process() {
  std::vector<pid_t> pids;
  if (std::FILE* file = std::fopen("/proc/thread-self/children", "re")) {
    int pid = 0;
    while (std::fscanf(file, "%d", &pid) == 1) pids.push_back(pid);
    std::fclose(file);
  }
  return pids;
}

}  // namespace bgw
