// Segments that grow: what dsm.cc offers to the allocator of dynamic shared areas (utils/dsa.cc) beyond the
// server's interface.
//
// A segment has a window of addresses in each process that is attached, larger than what is in use, and a file
// range of the same size. Its owner adds storage to parts of the window under a lock of its own; each process
// maps parts as it comes to need them.
#pragma once

extern "C" {
#include "postgres.h"
#include "storage/dsm.h"
}

namespace bgw {

// The largest segment, and the largest window of one.
inline constexpr Size dsm_largest = Size{1} << 40;

// Like dsm_create(), with a window of `window` bytes. Attached processes have the first `size` bytes mapped.
dsm_segment* dsm_create_growing(Size size, Size window, int flags);

// Adds storage to the window's bytes from `offset` on (whole pages). False with errno set when there is no
// memory.
bool dsm_reserve_part(dsm_segment* seg, Size offset, Size size);

// Maps these bytes of the window in this process. Raises when that fails.
void dsm_map_part(dsm_segment* seg, Size offset, Size size);

// Gives the storage of these bytes (whole pages) back; they read as zeros until written again.
void dsm_release_part(dsm_segment* seg, Size offset, Size size);

Size dsm_window(const dsm_segment* seg);

// Like on_dsm_detach(), for a callback of the host's own that does not wait and that others rely on: the default SIGTERM
// handler comes neither into it nor between its being taken off the list and its call.
void on_dsm_detach_whole(dsm_segment* seg, on_dsm_detach_callback function, Datum argument);

}  // namespace bgw
