// The commented bgworkerd.conf that `bgworkerd --init` writes.
#pragma once

#include <string>

namespace bgw {

// Every setting that the host acts on, commented out with its default, grouped, with unit and range. Reading it
// as it is changes nothing. A setting's line is "#name = value", value quoted when it is text.
std::string sample_config();

}  // namespace bgw
