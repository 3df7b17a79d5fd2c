// The host's own part of the process title (utils/ps_status.h is what modules see of it).
#pragma once

namespace bgw {

// For a fork server, before its own title: the processes it makes will write their titles (of up to 511 bytes) beside
// what else they write when they start. Where that cannot be had, they write them where the others do.
void keep_title_at_hand();

}  // namespace bgw
