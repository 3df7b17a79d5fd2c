// What the readers of dates and times (datetime_decode.cc) and of intervals (interval_in.cc) share.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/datetime.h"
}

namespace bgw {

// An int at the start of `text`; *end behind it. False when it does not fit into an int.
bool leading_int(const char* text, char** end, int* value);

// The fraction at `point`, which is a decimal point and then digits alone, up to the text's end. False
// when something else is there. "." alone is zero.
bool read_fraction(const char* point, double* fraction);

// h:mm, h:mm:ss, with a fraction of seconds; also mm:ss.fff, and mm:ss where `range` is MINUTE TO SECOND.
// `hours` may exceed a day. Zero, or a DTERR_ code.
int read_clock(const char* text, int range, int64* hours, int* minutes, int* seconds, fsec_t* fsec);

}  // namespace bgw
