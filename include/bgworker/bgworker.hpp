// The C++ SDK for background workers: everything of it. docs/writing-a-worker.md explains it from the
// beginning.
#pragma once

#include "database.hpp"
#include "error.hpp"
#include "log.hpp"
#include "parameter.hpp"
#include "shared.hpp"
#include "worker.hpp"
