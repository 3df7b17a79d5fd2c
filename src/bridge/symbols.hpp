// What stands behind each name that the server of this major exports: the table that dev/make-stubs writes
// next to the stubs.
#pragma once

extern "C" {

enum class BgwSymbolKind : int { function, stub, variable, placeholder };

struct bgw_symbol {
  const char* name;
  BgwSymbolKind kind;
};

extern const bgw_symbol bgw_symbols[];  // sorted by name, bgw_symbol_count entries
extern const int bgw_symbol_count;

// Every stub ends here: ERROR 0A000 naming the function, with why it is missing and what to use instead (either
// may be nullptr).
[[noreturn]] void bgw_stub_called(const char* name, const char* detail, const char* hint);
}
