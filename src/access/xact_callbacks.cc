// The functions that modules want called at the ends of transactions and subtransactions. Lists live in
// TopMemoryContext; the newest registration is called first. A callback may unregister itself.
extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "utils/memutils.h"
}

#include "access/xact_internal.hpp"

namespace {

template <class Callback>
struct Registered {
  Registered* next;
  Callback callback;
  void* argument;
};

Registered<XactCallback>* xact_callbacks = nullptr;
Registered<SubXactCallback>* subxact_callbacks = nullptr;

template <class Callback>
void add(Registered<Callback>*& list, Callback callback, void* argument) {
  auto* item =
      static_cast<Registered<Callback>*>(MemoryContextAlloc(TopMemoryContext, sizeof(Registered<Callback>)));
  *item = {list, callback, argument};
  list = item;
}

template <class Callback>
void drop(Registered<Callback>*& list, Callback callback, void* argument) {
  for (Registered<Callback>** at = &list; *at != nullptr; at = &(*at)->next) {
    if ((*at)->callback != callback || (*at)->argument != argument) continue;
    Registered<Callback>* gone = *at;
    *at = gone->next;
    pfree(gone);
    return;
  }
}

}  // namespace

extern "C" {

void RegisterXactCallback(XactCallback callback, void* arg) {
  add(xact_callbacks, callback, arg);
}
void UnregisterXactCallback(XactCallback callback, void* arg) {
  drop(xact_callbacks, callback, arg);
}
void RegisterSubXactCallback(SubXactCallback callback, void* arg) {
  add(subxact_callbacks, callback, arg);
}
void UnregisterSubXactCallback(SubXactCallback callback, void* arg) {
  drop(subxact_callbacks, callback, arg);
}

void bgw_call_xact_callbacks(XactEvent event) {
  Registered<XactCallback>* next;
  for (auto* item = xact_callbacks; item != nullptr; item = next) {
    next = item->next;
    item->callback(event, item->argument);
  }
}

void bgw_call_subxact_callbacks(SubXactEvent event, SubTransactionId subid, SubTransactionId parent) {
  Registered<SubXactCallback>* next;
  for (auto* item = subxact_callbacks; item != nullptr; item = next) {
    next = item->next;
    item->callback(event, subid, parent, item->argument);
  }
}

}  // extern "C"
