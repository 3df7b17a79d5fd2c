// Both ends of the talk between the postmaster and its fork server, and the server's life. The server allocates
// nothing and holds no descriptor of a spare for longer than it takes to hand it over.
#include "postmaster/fork_server.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include "bridge/entry.hpp"
#include "core/event_loop.hpp"
#include "port/clone_sibling.hpp"
#include "port/restartable_sequences.hpp"
#include "port/start_data.hpp"
#include "port/system_call.hpp"
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

// What the processes begin with: of the fork server's memory they get what is not on its own stack. The server writes none
// of it once it is at work.
BGW_START_DATA ForkedMains mains;
// A process's order, as long as it lives.
alignas(std::max_align_t) BGW_START_DATA std::byte order_text[kLargestOrder];

[[noreturn]] void begin_spare(void* order_fd) {
  begin_as_child_of_fork_server();
  mains.spare(static_cast<int>(reinterpret_cast<std::intptr_t>(order_fd)), order_text);
  ::_exit(0);
}

// The file of orders, each at its process's number times kLargestOrder.
BGW_START_DATA int orders_fd = -1;

[[noreturn]] void begin_ordered(void* place) {
  const auto size = static_cast<long>(mains.order_size);
  if (system_call(SYS_pread64, orders_fd, address(order_text), size, address(place)) != size) ::_exit(1);
  begin_as_child_of_fork_server();
  mains.ordered(order_text);
  ::_exit(0);
}

// The fork server at work. It is on a stack of its own if that can be had, and then leaves the old one to the processes that
// it makes (ForkServer::stack_top).
struct ForkServer {
  int socket;
  pid_t* note;
  void* stack_top = nullptr;

  pid_t make(void (*main)(void*), void* argument, int* pidfd) const noexcept {
    if (stack_top != nullptr) return clone_sibling({main, argument, stack_top}, pidfd, note);
    pid_t pid = clone_sibling(pidfd, note);
    if (pid == 0) main(argument);
    return pid;
  }

  bool make_spare() const noexcept {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return answer(socket, {0, errno});
    ends[1] = EventLoop::make_private(ends[1]);  // the new process closes what is private
    int pidfd = -1;
    pid_t pid = make(begin_spare, reinterpret_cast<void*>(static_cast<std::intptr_t>(ends[0])), &pidfd);
    int error = errno;
    ::close(ends[0]);
    int descriptors[kDescriptors] = {pidfd, ends[1]};
    bool sent = pid < 0 ? answer(socket, {0, error}) : answer(socket, {pid, 0}, descriptors, 2);
    ::close(ends[1]);
    if (pidfd >= 0) ::close(pidfd);
    return sent;
  }

  bool make_ordered(const void* order) const noexcept {
    const std::intptr_t place = static_cast<std::intptr_t>(mains.number(order)) * static_cast<std::intptr_t>(kLargestOrder);
    if (::pwrite(orders_fd, order, mains.order_size, place) != static_cast<ssize_t>(mains.order_size))
      return answer(socket, {0, errno});
    int pidfd = -1;
    pid_t pid = make(begin_ordered, reinterpret_cast<void*>(place), &pidfd);
    bool sent = pid < 0 ? answer(socket, {0, errno}) : answer(socket, {pid, 0}, &pidfd, 1);
    if (pidfd >= 0) ::close(pidfd);
    return sent;
  }

  [[noreturn]] void serve() const noexcept {
    alignas(std::max_align_t) std::byte request[kLargestOrder];
    for (;;) {
      ssize_t got = ::recv(socket, request, sizeof request, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got == static_cast<ssize_t>(mains.order_size)) {
        if (!make_ordered(request)) ::_exit(0);
        continue;
      }
      int wanted = 0;
      if (got != static_cast<ssize_t>(sizeof wanted)) ::_exit(0);  // retired
      std::memcpy(&wanted, request, sizeof wanted);
      while (wanted-- > 0)
        if (!make_spare()) ::_exit(0);
    }
  }

  // Goes on where the processes it makes have no copy of what it writes, so that it need not copy either.
  [[noreturn]] void serve_on_own_stack() noexcept {
    constexpr std::size_t kPage = 4096;
    constexpr std::size_t kSize = 16 * kPage;
    constexpr std::uintptr_t kNeverReached = 8 * kPage;  // below here: no page of the old stack that holds anything
    static ForkServer* self;
    static ucontext_t there;
    void* stack = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || ::madvise(stack, kSize, MADV_DONTFORK) < 0 || ::getcontext(&there) < 0) serve();
    auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    stack_top = reinterpret_cast<void*>((here - kNeverReached) / kPage * kPage);
    self = this;
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = kSize;
    there.uc_link = nullptr;
    ::makecontext(&there, [] { ForkServer(*self).serve(); }, 0);
    bgw_wait_for_errors([] { ::setcontext(&there); }, mains.raised);
    stack_top = nullptr;
    serve();
  }
};

bool request(int socket, const void* bytes, std::size_t size) noexcept {
  return ::send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(size);
}

}  // namespace

void run_fork_server(int socket, const ForkedMains& forked, pid_t* note) {
  mains = forked;
  socket = EventLoop::make_private(socket);
  orders_fd = ::memfd_create("orders", MFD_CLOEXEC);
  if (orders_fd < 0) ::_exit(1);
  orders_fd = EventLoop::make_private(orders_fd);
  *static_cast<volatile pid_t*>(note) = 0;  // the kernel will find the page there
  leave_restartable_sequences();
  std::fflush(nullptr);  // nothing is written through stdio from here on
  ForkServer server{.socket = socket, .note = note};
  if constexpr (kBeginsOnItsOwnStack) server.serve_on_own_stack();
  server.serve();
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
