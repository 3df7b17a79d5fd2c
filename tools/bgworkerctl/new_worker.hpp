// `bgworkerctl new NAME`: the folder of a new worker.
#pragma once

#include <string>

namespace bgworkerctl {

// Writes ./NAME with a Makefile, a source file on the C++ SDK, a test and a README; it builds and runs as it
// is. NAME is a C identifier of lower-case letters, digits and underscores, at most 40 characters. Never
// overwrites. Returns an exit code.
int write_new_worker(const std::string& name);

}  // namespace bgworkerctl
