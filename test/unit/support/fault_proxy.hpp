// A proxy between a session and a server that spoils the conversation at a chosen message: a unix socket in a
// folder of its own, forwarding message by message in both directions, in a thread.
//
// One connection at a time. arm() before connecting; messages are counted from 0 after the session is first
// ready for a query, or from the first one if `from_start`. The thread touches nothing of the test's but what
// stands under the mutex here, and `fired_`.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

namespace bgw_test {

struct Fault {
  enum class Kind {
    none,
    cut,        // the connection is closed before the message
    truncate,   // in the middle of it
    delay,      // it comes 20 ms late
    half_open,  // it and all that follows in its direction get lost; the connection stays open
  };
  Kind kind = Kind::none;
  bool from_client = true;
  int at = 0;
  bool from_start = false;
};

class FaultProxy {
 public:
  // `target`: path of the server's unix socket.
  explicit FaultProxy(std::string target);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // The host part of a connection string.
  const std::string& folder() const { return folder_; }
  void arm(Fault fault);
  bool fired() const { return fired_; }  // the message came

 private:
  void serve();
  void converse(int client);

  std::string target_, folder_;
  int listener_ = -1, wake_[2] = {-1, -1};
  std::atomic<bool> fired_ = false;
  std::mutex mutex_;
  Fault fault_;  // under mutex_
  std::thread thread_;
};

}  // namespace bgw_test
