// The one place where code that may raise is entered from code that must go on.
#pragma once

extern "C" {

// Calls fn(arg) with an exception stack of its own. True: it returned. False: it raised an ERROR; the error
// is still on the error stack, the current memory context is ErrorContext, and the caller emits or flushes
// it. The caller's frame must hold no object with a destructor that fn's errors should run.
bool bgw_call_catching(void (*fn)(void* arg), void* arg);
}
