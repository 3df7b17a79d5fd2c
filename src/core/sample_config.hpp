// The commented bgworkerd.conf that `bgworkerd --init` writes.
#pragma once

#include <string>
#include <string_view>

namespace bgw {

// Every setting that the host acts on, commented out with its default, grouped, with unit and range. Reading it
// as it is changes nothing. A setting's line is "#name = value", value quoted when it is text. With a zone's name,
// log_timezone is set to it.
std::string sample_config(std::string_view log_timezone = {});

}  // namespace bgw
