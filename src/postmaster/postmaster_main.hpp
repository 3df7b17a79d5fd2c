// From the command line to a running host.
#pragma once

#include <string>
#include <vector>

namespace bgw {

struct CommandLine {
  std::string data_directory;
  std::vector<std::string> settings;  // "NAME=VALUE", in the order given
};

// Runs the host in the foreground; does not return. Exit status 0 after a shutdown that was asked for, 1 when
// it could not start or had to give up.
[[noreturn]] void postmaster_main(const CommandLine& command_line);

// Makes a data directory. Returns the exit status.
int initialize_data_directory(const CommandLine& command_line);

}  // namespace bgw
