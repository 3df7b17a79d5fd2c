// A cache is described when it is first used.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/catcache.h"
}

// Fills in what only the upstream knows of the catalogue. Raises where it may not be asked.
void bgw_prepare_catcache(CatCache* cache);
