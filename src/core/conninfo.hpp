// Reading connection strings without connecting.
#pragma once

#include <cstddef>

namespace bgw {

// Whether libpq accepts `text` as a connection string or URI (an empty one is accepted). If not, libpq's
// reason, one line, is put into `problem`, of `size` bytes. A process that has not loaded libpq asks a child of
// its own, which is gone when this returns, and stays without it.
bool conninfo_is_valid(const char* text, char* problem, std::size_t size) noexcept;

// The database that a connection by `text` would go to, of at most `size` bytes with the NUL: what it names,
// else the name of its user, else "postgres".
void conninfo_database(const char* text, char* database, std::size_t size) noexcept;

}  // namespace bgw
