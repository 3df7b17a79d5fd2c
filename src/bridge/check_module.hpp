// `bgworkerd --check`: what a module imports and what stands behind each name in this host.
#pragma once

#include <string>
#include <vector>

namespace bgw {

// Prints a report for each module on standard output. Returns the exit status: 0 when the host implements all
// that each of them imports, 1 when one does not load here or calls what is not available outside the server.
// A name without a slash is looked for in the distribution's module folder.
int check_modules(const std::vector<std::string>& modules);

}  // namespace bgw
