// The process that serves one control connection.
#pragma once

#include <string>

namespace bgw {

// What the postmaster knows and the status page does not hold, as of the moment of the fork.
struct ControlBackendFacts {
  std::string data_directory;
  std::string control_socket;
  std::string upstream_reason;  // why the upstream is unreachable
};

// In a fresh child: answers requests on `connection_fd` until the peer leaves, then ends the process.
[[noreturn]] void serve_control_backend(int connection_fd, const ControlBackendFacts& facts);

}  // namespace bgw
