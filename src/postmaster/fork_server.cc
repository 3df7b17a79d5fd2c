// Both ends of the talk between the postmaster and its fork server, and the server's life. The server allocates
// nothing and holds no descriptor of a spare for longer than it takes to hand it over.
#include "postmaster/fork_server.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "core/event_loop.hpp"
#include "port/restartable_sequences.hpp"
#include "port/start_data.hpp"
#include "postmaster/child.hpp"

namespace bgw {

namespace {

struct Answer {
  pid_t pid;
  int error;
};

constexpr std::size_t kDescriptors = 2;  // of an answer at most: the pidfd, and of a spare the order pipe

// Sends one answer, waiting for room; false when the postmaster is gone.
bool answer(int socket, Answer text, const int* descriptors = nullptr, std::size_t count = 0) noexcept {
  iovec data{&text, sizeof text};
  alignas(cmsghdr) char control[CMSG_SPACE(kDescriptors * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (count != 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
  }
  ssize_t sent;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof text);
}

bool make_spare(int socket, const ForkedMains& mains, pid_t* note) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return answer(socket, {0, errno});
  ends[1] = EventLoop::make_private(ends[1]);  // the new process closes what is private
  int pidfd = -1;
  pid_t pid = fork_child_of_postmaster(&pidfd, note);
  if (pid == 0) mains.spare(ends[0]);
  int error = errno;
  ::close(ends[0]);
  int descriptors[kDescriptors] = {pidfd, ends[1]};
  bool sent = pid < 0 ? answer(socket, {0, error}) : answer(socket, {pid, 0}, descriptors, 2);
  ::close(ends[1]);
  if (pidfd >= 0) ::close(pidfd);
  return sent;
}

bool make_ordered(int socket, const ForkedMains& mains, pid_t* note, void* order) noexcept {
  int pidfd = -1;
  pid_t pid = fork_child_of_postmaster(&pidfd, note);
  if (pid == 0) mains.ordered(order);
  bool sent = pid < 0 ? answer(socket, {0, errno}) : answer(socket, {pid, 0}, &pidfd, 1);
  if (pidfd >= 0) ::close(pidfd);
  return sent;
}

bool request(int socket, const void* bytes, std::size_t size) noexcept {
  return ::send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

}  // namespace

void run_fork_server(int socket, const ForkedMains& mains, pid_t* note) {
  // Static: a worker has its order here as long as it lives.
  alignas(std::max_align_t) BGW_WRITTEN_AT_START static std::byte text[kLargestOrder];
  socket = EventLoop::make_private(socket);
  *static_cast<volatile pid_t*>(note) = 0;  // the kernel will find the page there
  leave_restartable_sequences();
  std::fflush(nullptr);                     // nothing is written through stdio from here on
  for (;;) {
    ssize_t got = ::recv(socket, text, sizeof text, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got == static_cast<ssize_t>(mains.order_size)) {
      if (!make_ordered(socket, mains, note, text)) ::_exit(0);
      continue;
    }
    int wanted = 0;
    if (got != static_cast<ssize_t>(sizeof wanted)) ::_exit(0);  // retired
    std::memcpy(&wanted, text, sizeof wanted);
    while (wanted-- > 0)
      if (!make_spare(socket, mains, note)) ::_exit(0);
  }
}

bool request_spares(int socket, int count) noexcept { return request(socket, &count, sizeof count); }

bool request_ordered(int socket, const void* order, std::size_t size) noexcept { return request(socket, order, size); }

std::optional<Announcement> read_announcement(int socket, bool* ended) noexcept {
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
  Announcement process;
  process.pid = text.pid;
  process.error = text.error;
  if (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int descriptors[kDescriptors] = {-1, -1};
    std::memcpy(descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    process.pidfd = UniqueFd(EventLoop::make_private(descriptors[0]));
    if (descriptors[1] >= 0) process.order_pipe = UniqueFd(EventLoop::make_private(descriptors[1]));
  }
  return process;
}

Result<MadeNote> MadeNote::create() {
  void* at = ::mmap(nullptr, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return system_error("map a page to share with a fork server");
  return MadeNote(new (at) pid_t(0));
}

MadeNote::~MadeNote() {
  if (at_ != nullptr) ::munmap(at_, sizeof(pid_t));
}

void MadeNote::keep_from_children() noexcept {
  ::madvise(at_, sizeof(pid_t), MADV_DONTFORK);
}

}  // namespace bgw
