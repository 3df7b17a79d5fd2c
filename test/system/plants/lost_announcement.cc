// Preloaded into a host: a fork server that is about to announce one of the processes it made dies instead, without a
// word. Which: the one for which the file named by BGW_LOSE_ANNOUNCEMENT exists, which is removed; its text is how many
// descriptors that announcement carries (1: of a worker that was ordered; 2: of a spare).
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* real = reinterpret_cast<ssize_t (*)(int, const msghdr*, int)>(dlsym(RTLD_NEXT, "sendmsg"));
  const char* path = std::getenv("BGW_LOSE_ANNOUNCEMENT");
  if (path == nullptr || message->msg_control == nullptr) return real(fd, message, flags);
  const cmsghdr* header = CMSG_FIRSTHDR(message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return real(fd, message, flags);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return real(fd, message, flags);
  unsigned descriptors = 0;
  const bool read = std::fscanf(file, "%u", &descriptors) == 1;
  std::fclose(file);
  if (read && header->cmsg_len == CMSG_LEN(descriptors * sizeof(int)) && unlink(path) == 0) kill(getpid(), SIGKILL);
  return real(fd, message, flags);
}
