// Where the variables lie that every process comes to when it starts.
//
// A page of the program's data that a forked process writes to costs it a page fault and a copy, and one that it only reads
// costs it a little still. Spread over the data section as the linker finds them, these few variables would cost a
// page each; they fit on one.
#pragma once

// On the definition of such a variable, of static storage duration: it lies beside the others.
#define BGW_START_DATA [[gnu::section("bgw_start_data")]]
