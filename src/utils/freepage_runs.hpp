// Looking at the runs of a FreePageManager, for who gives their memory back.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/freepage.h"
}

namespace bgw {

// Of a free run these bytes at its start are in use by the manager itself.
inline constexpr Size free_run_head = 32;

// Called for each run, lowest first; it must not change the manager.
using FreeRunVisitor = void (*)(Size first_page, Size pages, void* argument);
void visit_free_runs(FreePageManager* fpm, FreeRunVisitor visitor, void* argument);

// Takes out the run that begins there.
void take_free_run(FreePageManager* fpm, Size first_page);

}  // namespace bgw
