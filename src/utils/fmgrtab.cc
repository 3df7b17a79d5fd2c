// The server's built-in functions by OID (utils/fmgrtab.h): the whole list, so that a call by OID of a function
// that the host does not implement ends in that function's stub and its message names it.
//
// The rows are in fmgr_builtins.inc, sorted by OID: they are data, and source formatters choke on them.
// Immutable after compilation.
#include <cstddef>

extern "C" {
#include "postgres.h"
#include "utils/fmgrprotos.h"
#include "utils/fmgrtab.h"
}

extern "C" {

#define F(oid, nargs, strict, retset, function) {oid, nargs, strict, retset, #function, function},
constexpr FmgrBuiltin fmgr_builtins[] = {
#include "utils/fmgr_builtins.inc"
};
#undef F

const int fmgr_nbuiltins = sizeof(fmgr_builtins) / sizeof(fmgr_builtins[0]);
const Oid fmgr_last_builtin_oid = fmgr_builtins[fmgr_nbuiltins - 1].foid;

}  // extern "C"
