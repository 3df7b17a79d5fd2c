// The host caches nothing of the upstream's catalogs beyond a call, so there is nothing to invalidate:
// registering a callback is accepted, and it is never called.
extern "C" {
#include "postgres.h"
#include "utils/inval.h"
}

extern "C" {

void AcceptInvalidationMessages(void) {}
void CacheRegisterSyscacheCallback(int cacheid, SyscacheCallbackFunction func, Datum arg) {}
void CacheRegisterRelcacheCallback(RelcacheCallbackFunction func, Datum arg) {}
void InvalidateSystemCaches(void) {}

}  // extern "C"
