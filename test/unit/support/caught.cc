// The frame that the jump arrives in has no C++ objects; what it brings is copied to strings afterwards.
#include "support/caught.hpp"

extern "C" {
#include "postgres.h"
#include "utils/memutils.h"
}

namespace bgw_test {

static ErrorData* catch_error(void (*function)(void*), void* argument) {
  MemoryContext context = CurrentMemoryContext;
  ErrorData* volatile error = nullptr;
  PG_TRY();
  { function(argument); }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    error = CopyErrorData();
    FlushErrorState();
  }
  PG_END_TRY();
  return error;
}

Caught caught(void (*function)(void*), void* argument) {
  ErrorData* error = catch_error(function, argument);
  Caught result;
  if (!error) return result;
  auto text = [](const char* from) { return std::string(from ? from : ""); };
  result.raised = true;
  result.elevel = error->elevel;
  result.sqlstate = unpack_sql_state(error->sqlerrcode);
  result.message = text(error->message);
  result.detail = text(error->detail);
  result.hint = text(error->hint);
  result.context = text(error->context);
  FreeErrorData(error);
  return result;
}

}  // namespace bgw_test
