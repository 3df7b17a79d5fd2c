// Preloaded into a host: something happens to a fork server that is about to announce one of the processes it made. To
// which: the one for which the file named by BGW_ANNOUNCEMENT exists. The file's text is how many descriptors that
// announcement carries (1: of a worker that was ordered; 2: of a spare), and what happens: "lost", the fork server dies
// without a word, having removed the file; or "late", it waits until the file, to which it adds ".late", is removed.
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" __attribute__((visibility("default"))) ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  static auto* real = reinterpret_cast<ssize_t (*)(int, const msghdr*, int)>(dlsym(RTLD_NEXT, "sendmsg"));
  const char* path = std::getenv("BGW_ANNOUNCEMENT");
  if (path == nullptr || message->msg_control == nullptr) return real(fd, message, flags);
  const cmsghdr* header = CMSG_FIRSTHDR(message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return real(fd, message, flags);
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return real(fd, message, flags);
  unsigned descriptors = 0;
  char fate[8] = "";
  const bool read = std::fscanf(file, "%u %7s", &descriptors, fate) == 2;
  std::fclose(file);
  if (!read || header->cmsg_len != CMSG_LEN(descriptors * sizeof(int))) return real(fd, message, flags);
  if (std::strcmp(fate, "lost") == 0 && unlink(path) == 0) kill(getpid(), SIGKILL);
  const std::string late = std::string(path) + ".late";
  if (std::strcmp(fate, "late") == 0 && std::rename(path, late.c_str()) == 0)
    while (access(late.c_str(), F_OK) == 0) usleep(1000);
  return real(fd, message, flags);
}
