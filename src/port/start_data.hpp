// Where the variables lie that every process writes when it starts.
//
// A page of the program's data that a forked process writes to costs it a page fault and a copy. Spread over the data
// section as the linker finds them, these few variables would cost a page each.
#pragma once

// On the definition of such a variable, of static storage duration: it lies beside the others.
#define BGW_WRITTEN_AT_START [[gnu::section("bgw_written_at_start")]]
