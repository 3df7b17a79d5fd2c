// Where a call to a server function that the host does not implement ends. Entered from module code only.
#include "bridge/symbols.hpp"

extern "C" {
#include "postgres.h"
}

extern "C" void bgw_stub_called(const char* name, const char* detail, const char* hint) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("function \"%s\" is not available outside the server", name),
                  detail ? errdetail_internal("%s", detail) : 0, hint ? errhint("%s", hint) : 0));
  pg_unreachable();
}
