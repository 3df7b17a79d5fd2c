// How the upstream prints money, for what may change it.
#pragma once

namespace bgw {

// A statement may have set lc_monetary: it is asked for again when a value is next read or printed.
void money_format_may_have_changed() noexcept;

}  // namespace bgw
