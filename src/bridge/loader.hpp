// What the postmaster asks the loader: which functions it can name without looking at a file.
#pragma once

// The function of a library that shared_preload_libraries named exactly so, or nullptr: when there is none, when the
// library was named otherwise, or when dynamic_library_path has changed since, so that the name may mean another file now.
// Its address is the same in every child. Raises nothing; for the process that preloaded the libraries.
void* bgw_find_preloaded_function(const char* library, const char* function);
