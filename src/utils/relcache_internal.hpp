// What an open relation was made from, for the code that reads its rows.
#pragma once

#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "utils/rel.h"
}

// Lives as long as a reference to the relation is held.
const bgw::RelationRow* bgw_relation_row(Relation relation);
