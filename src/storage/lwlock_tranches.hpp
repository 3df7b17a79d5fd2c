// Names of lightweight locks: between lwlock_tranches.cc, which keeps them, and the messages that need one.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace bgw {

// The name of a tranche, or "extension" for a number that this process was not told the name of.
const char* tranche_name(uint16 tranche_id);

}  // namespace bgw
