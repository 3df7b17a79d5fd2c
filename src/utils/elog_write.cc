// Getting a finished log entry out of the process, and the writers for moments when reports cannot be made.
//
// An entry is one write(2) to stderr wherever the destination takes it whole, so that entries of many
// processes do not mix. A destination that takes nothing (full disk, closed pipe) costs the entry: the loss
// is counted and said once writing works again. Everything here is async-signal-safe but the formatting.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <poll.h>
#include <unistd.h>

extern "C" {
#include "postgres.h"
#include <fcntl.h>
#include "miscadmin.h"
}

#include "utils/elog_internal.hpp"

namespace {

int lost_entries = 0;
int lost_pid = 0;  // a child does not report its parent's losses
int last_error = 0;
bool broken_line = false;  // an entry was cut off inside a line
bool last_write_worked = true;

// Writes all of it, or says why not.
bool write_fully(const char* data, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDERR_FILENO, data, length);
    if (written >= 0) {
      data += written;
      length -= static_cast<size_t>(written);
      broken_line = length > 0;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    // Somebody made the descriptor non-blocking; a log that is read slowly is no reason to drop it.
    struct pollfd room = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&room, 1, -1) < 0 && errno != EINTR) return false;
  }
  return true;
}

// A reader that is gone must not end the process, whatever the module did to SIGPIPE.
class PipeSignalHeld {
 public:
  PipeSignalHeld() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  void release(bool failed) {
    if (failed && errno == EPIPE && !sigismember(&before_, SIGPIPE)) {
      struct timespec none = {};
      sigtimedwait(&pipe_, nullptr, &none);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
};

}  // namespace

namespace bgw {

void write_log_entry(const char* data, int length) {
  int kept_errno = errno;
  PipeSignalHeld held;
  bool worked = (!broken_line || write_fully("\n", 1)) && write_fully(data, static_cast<size_t>(length));
  if (!worked) {
    last_error = errno;
    if (lost_pid != MyProcPid) lost_entries = 0;
    lost_pid = MyProcPid;
    lost_entries++;
  }
  held.release(!worked);
  last_write_worked = worked;
  errno = kept_errno;
}

int take_lost_entries(int* why) {
  if (lost_entries == 0 || !last_write_worked) return 0;
  int lost = lost_pid == MyProcPid ? lost_entries : 0;
  lost_entries = 0;
  *why = last_error;
  return lost;
}

}  // namespace bgw

extern "C" {

void vwrite_stderr(const char* fmt, va_list ap) {
  char text[2048];
  int length = vsnprintf(text, sizeof(text), fmt, ap);
  if (length <= 0) return;
  bgw::write_log_entry(text, Min(length, static_cast<int>(sizeof(text)) - 1));
}

void write_stderr(const char* fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vwrite_stderr(fmt, args);
  va_end(args);
}

void write_stderr_signal_safe(const char* fmt) {
  bgw::write_log_entry(fmt, static_cast<int>(strlen(fmt)));
}

// There is no collector process: what would go to it goes to stderr.
void write_pipe_chunks(char* data, int len, int dest) {
  bgw::write_log_entry(data, len);
}

// Sends stderr to the file that was asked for on the command line, if one was.
void DebugFileOpen() {
  if (!OutputFileName[0]) return;
  int file = open(OutputFileName, O_CREAT | O_APPEND | O_WRONLY, 0666);
  if (file < 0)
    ereport(FATAL, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", OutputFileName)));
  dup2(file, STDERR_FILENO);
  if (file != STDERR_FILENO) close(file);
}

}  // extern "C"
