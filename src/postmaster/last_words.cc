// One socket pair for all children: the postmaster's end and the one that every child inherits. Sending
// allocates nothing, does not wait, and raises no SIGPIPE when the postmaster is gone.
#include "postmaster/last_words.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/event_loop.hpp"

namespace bgw {

namespace {

int postmaster_end = -1;
int child_end = -1;

void close_descriptors(int from, unsigned to) noexcept {
  ::syscall(SYS_close_range, static_cast<unsigned>(from), to, 0U);
}

Error failed(const char* what) {
  return Error{.message = std::string("could not ") + what + ": " + std::strerror(errno), .sqlstate = "58000"};
}

}  // namespace

Result<int> open_last_words() {
  int ends[2];
  // Sequenced packets: the sender's buffer is the limit, not the short queue that the kernel gives to
  // datagrams.
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
    return failed("create the socket for the last words of workers");
  int on = 1;
  if (::setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
    return failed("have credentials on the socket for the last words of workers");
  postmaster_end = EventLoop::make_private(ends[0]);
  child_end = ends[1];
  return postmaster_end;
}

std::optional<LastWords> read_last_words() noexcept {
  unsigned char word = 0;
  iovec data{&word, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  for (;;) {
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got = ::recvmsg(postmaster_end, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (got == 0 && header == nullptr) return LastWords{0, 0};
    if (got != 1 || (message.msg_flags & MSG_TRUNC) != 0 || header == nullptr ||
        header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
      continue;  // not ours
    ucred sender;
    std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
    return LastWords{sender.pid, word};
  }
}

void say_last_words(int status) noexcept {
  if (child_end < 0) return;
  // To whoever hears them the worker is over. A SIGTERM that was on its way must not find it still here, with a handler
  // that would make another end of it.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, nullptr);
  if (child_end > STDERR_FILENO + 1) close_descriptors(STDERR_FILENO + 1, static_cast<unsigned>(child_end) - 1);
  close_descriptors(child_end + 1, ~0U);
  auto word = static_cast<unsigned char>(status);
  [[maybe_unused]] ssize_t sent = ::send(child_end, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace bgw
