// The one place where code that may raise is entered from code that must go on.
#pragma once

extern "C" {

// Calls fn(arg) with an exception stack of its own. True: it returned. False: it raised an ERROR; the error
// is still on the error stack, the current memory context is ErrorContext, and the caller emits or flushes
// it. The caller's frame must hold no object with a destructor that fn's errors should run.
bool bgw_call_catching(void (*fn)(void* arg), void* arg);

// The same for the last thing that a process does. If a frame waits for it (bgw_wait_for_errors), an ERROR goes there, and the
// call does not return.
bool bgw_call_at_last(void (*fn)(void* arg), void* arg);

// In a process that makes others by forking, and itself goes on on another stack: leaves a frame on this one, under which
// the others begin. `go_on` changes the stack and returns only if it cannot; then so does the call. In the others,
// an ERROR that bgw_call_at_last() meets goes to the frame, which calls `raised`; that does not return. So a new
// process need not call sigsetjmp(), for which it would come to two pages more.
void bgw_wait_for_errors(void (*go_on)(void), void (*raised)(void));
}
