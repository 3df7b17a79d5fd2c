// What the files of the error system share: the stack of reports in progress, and where a finished one goes.
#pragma once

extern "C" {
#include "postgres.h"
}

namespace bgw {

// How many calls of the error system are on the C stack. Beyond two something in it fails by itself.
extern int elog_recursion_depth;

// The report being put together; ERROR if there is none.
ErrorData* current_error();

// Puts an empty report on the stack; too many are a PANIC.
ErrorData* push_error(int elevel, const char* domain);
void pop_error();
void free_error_strings(ErrorData* error);

// Whether a message of this level reaches a destination whose threshold is `threshold`: LOG sorts between
// ERROR and FATAL there.
bool reaches_log(int elevel, int threshold);

// Whether a message of this level goes to the client of this process; no process but a backend has one.
bool reaches_client(int elevel);

// How a message gets to the client, set by a backend. Must not raise.
extern void (*send_message_to_frontend)(const ErrorData* error);

// Formats the report and writes it to the log's destinations. Never fails on account of the destination.
void write_server_log(ErrorData* error);

// Writes a whole log entry to stderr. A destination that takes no more costs the entry, never the process.
void write_log_entry(const char* data, int length);

// Once writing works again: how many entries were lost, and the errno of the last; resets the count.
int take_lost_entries(int* why);

// Reports `error` as it is, without jumping, looking at context callbacks or interrupts.
void emit_error_data(const ErrorData* error);

}  // namespace bgw
