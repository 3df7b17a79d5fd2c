// Expression contexts (executor/executor.h): the memory and the shutdown callbacks of a function call, for
// functions that are called with a ReturnSetInfo. There are no queries in this process: every context stands
// alone, without an EState. All of it is C style; callbacks may raise.
extern "C" {
#include "postgres.h"
#include "executor/executor.h"
#include "utils/memutils.h"
}

namespace {

// Calls the callbacks, the last one registered first, or only forgets them when the query has failed.
void shut_down(ExprContext* context, bool call) {
  if (context->ecxt_callbacks == nullptr) return;
  MemoryContext caller = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);
  while (ExprContext_CB* callback = context->ecxt_callbacks) {
    context->ecxt_callbacks = callback->next;
    if (call) callback->function(callback->arg);
    pfree(callback);
  }
  MemoryContextSwitchTo(caller);
}

}  // namespace

extern "C" {

// A child of the current memory context, which counts as the query's.
ExprContext* CreateStandaloneExprContext(void) {
  ExprContext* context = makeNode(ExprContext);
  context->ecxt_per_query_memory = CurrentMemoryContext;
  context->ecxt_per_tuple_memory =
      AllocSetContextCreate(CurrentMemoryContext, "ExprContext", ALLOCSET_DEFAULT_SIZES);
  context->caseValue_isNull = true;
  context->domainValue_isNull = true;
  return context;
}

void FreeExprContext(ExprContext* econtext, bool isCommit) {
  shut_down(econtext, isCommit);
  MemoryContextDelete(econtext->ecxt_per_tuple_memory);
  pfree(econtext);
}

void ReScanExprContext(ExprContext* econtext) {
  shut_down(econtext, true);
  MemoryContextReset(econtext->ecxt_per_tuple_memory);
}

void RegisterExprContextCallback(ExprContext* econtext, ExprContextCallbackFunction function, Datum arg) {
  auto* callback =
      static_cast<ExprContext_CB*>(MemoryContextAlloc(econtext->ecxt_per_query_memory, sizeof(ExprContext_CB)));
  callback->function = function;
  callback->arg = arg;
  callback->next = econtext->ecxt_callbacks;
  econtext->ecxt_callbacks = callback;
}

// Every entry of the same function and argument goes.
void UnregisterExprContextCallback(ExprContext* econtext, ExprContextCallbackFunction function, Datum arg) {
  ExprContext_CB** link = &econtext->ecxt_callbacks;
  while (ExprContext_CB* callback = *link) {
    if (callback->function == function && callback->arg == arg) {
      *link = callback->next;
      pfree(callback);
    } else {
      link = &callback->next;
    }
  }
}

}  // extern "C"
