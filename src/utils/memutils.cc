// Memory contexts as a tree: creation, resetting, deletion, moving, and the reports on what they hold.
//
// The tree is the process's own and inherited by fork. Deleting works from the leaves up, each context after
// its children, without recursion, so a deep tree cannot exhaust the stack. A context is taken out of the
// tree before its memory goes, so that an error in a callback leaves no pointer to freed memory.
#include <cstdio>

#include "port/start_data.hpp"

extern "C" {
#include "postgres.h"
#include "miscadmin.h"
#include "utils/memutils.h"
}

extern "C" {

BGW_START_DATA MemoryContext CurrentMemoryContext = nullptr;
BGW_START_DATA MemoryContext TopMemoryContext = nullptr;
MemoryContext ErrorContext = nullptr;
MemoryContext PostmasterContext = nullptr;
MemoryContext CacheMemoryContext = nullptr;
MemoryContext MessageContext = nullptr;
MemoryContext TopTransactionContext = nullptr;
MemoryContext CurTransactionContext = nullptr;
MemoryContext PortalContext = nullptr;

// ErrorContext has its memory from the start and never gives it up: an out-of-memory error needs it.
void MemoryContextInit() {
  TopMemoryContext = AllocSetContextCreate(nullptr, "TopMemoryContext", ALLOCSET_DEFAULT_SIZES);
  CurrentMemoryContext = TopMemoryContext;
  ErrorContext = AllocSetContextCreate(TopMemoryContext, "ErrorContext", 8 * 1024, 8 * 1024, 8 * 1024);
  MemoryContextAllowInCriticalSection(ErrorContext, true);
}

void MemoryContextCreate(MemoryContext node, NodeTag tag, const MemoryContextMethods* methods,
                         MemoryContext parent, const char* name) {
  node->type = tag;
  node->isReset = true;
  node->allowInCritSection = parent ? parent->allowInCritSection : false;
  node->mem_allocated = 0;
  node->methods = methods;
  node->name = name;
  node->ident = nullptr;
  node->reset_cbs = nullptr;
  node->firstchild = nullptr;
  node->parent = nullptr;
  node->prevchild = node->nextchild = nullptr;
  MemoryContextSetParent(node, parent);
}

void MemoryContextSetParent(MemoryContext context, MemoryContext new_parent) {
  if (context->parent == new_parent) return;
  if (context->parent) {
    if (context->prevchild)
      context->prevchild->nextchild = context->nextchild;
    else
      context->parent->firstchild = context->nextchild;
    if (context->nextchild) context->nextchild->prevchild = context->prevchild;
  }
  context->parent = new_parent;
  context->prevchild = nullptr;
  context->nextchild = new_parent ? new_parent->firstchild : nullptr;
  if (context->nextchild) context->nextchild->prevchild = context;
  if (new_parent) new_parent->firstchild = context;
}

// Each callback is taken off the list before it is called: one that fails is not called again.
static void call_reset_callbacks(MemoryContext context) {
  while (MemoryContextCallback* callback = context->reset_cbs) {
    context->reset_cbs = callback->next;
    callback->func(callback->arg);
  }
}

void MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback* cb) {
  cb->next = context->reset_cbs;
  context->reset_cbs = cb;
  context->isReset = false;
}

static void delete_one(MemoryContext context) {
  call_reset_callbacks(context);
  MemoryContextSetParent(context, nullptr);
  context->ident = nullptr;
  context->methods->delete_context(context);
}

void MemoryContextDelete(MemoryContext context) {
  MemoryContext current = context;
  for (;;) {
    while (current->firstchild) current = current->firstchild;
    MemoryContext parent = current->parent;
    bool last = current == context;
    delete_one(current);
    if (last) return;
    current = parent;
  }
}

void MemoryContextDeleteChildren(MemoryContext context) {
  while (context->firstchild) MemoryContextDelete(context->firstchild);
}

void MemoryContextResetOnly(MemoryContext context) {
  if (context->isReset) return;
  call_reset_callbacks(context);
  context->methods->reset(context);
  context->isReset = true;
}

void MemoryContextReset(MemoryContext context) {
  MemoryContextDeleteChildren(context);
  MemoryContextResetOnly(context);
}

// The next context of the tree under `root` after `at`, parents before children; null at the end.
static MemoryContext next_in_tree(MemoryContext root, MemoryContext at) {
  if (at->firstchild) return at->firstchild;
  while (at != root) {
    if (at->nextchild) return at->nextchild;
    at = at->parent;
  }
  return nullptr;
}

static MemoryContext first_leaf(MemoryContext at) {
  while (at->firstchild) at = at->firstchild;
  return at;
}

// Children before their parents, as callbacks may rely on.
void MemoryContextResetChildren(MemoryContext context) {
  for (MemoryContext at = first_leaf(context); at != context;
       at = at->nextchild ? first_leaf(at->nextchild) : at->parent)
    MemoryContextResetOnly(at);
}

void MemoryContextSetIdentifier(MemoryContext context, const char* id) {
  context->ident = id;
}
MemoryContext MemoryContextGetParent(MemoryContext context) {
  return context->parent;
}
bool MemoryContextIsEmpty(MemoryContext context) {
  return context->firstchild == nullptr && context->methods->is_empty(context);
}
void MemoryContextAllowInCriticalSection(MemoryContext context, bool allow) {
  context->allowInCritSection = allow;
}

Size MemoryContextMemAllocated(MemoryContext context, bool recurse) {
  Size total = context->mem_allocated;
  if (recurse)
    for (MemoryContext at = next_in_tree(context, context); at; at = next_in_tree(context, at))
      total += at->mem_allocated;
  return total;
}

Size GetMemoryChunkSpace(void* pointer) {
  MemoryContext context = GetMemoryChunkContext(pointer);
  return context->methods->get_chunk_space(context, pointer);
}

// Only a look at the word before the pointer: meaningful for pointers to the start of a chunk.
bool MemoryContextContains(MemoryContext context, void* pointer) {
  if (pointer == nullptr || pointer != reinterpret_cast<void*>(MAXALIGN(pointer))) return false;
  return static_cast<MemoryContext*>(pointer)[-1] == context;
}

// One line of a report: two spaces for each level, or the level as a number in the log.
static void print_stats_line(MemoryContext context, void* passthru, const char* stats_string,
                             bool print_to_stderr) {
  int level = *static_cast<int*>(passthru);
  const char* name = context->name;
  const char* ident = context->ident;
  // A hash table's context says what it is for in the identifier only.
  if (ident && strcmp(name, "dynahash") == 0) {
    name = ident;
    ident = nullptr;
  }
  char shown[128] = "";
  if (ident) {
    int length = static_cast<int>(strlen(ident));
    bool cut = length > 100;
    // Not inside a UTF-8 character.
    if (cut)
      for (length = 100; length > 0 && (ident[length] & 0xC0) == 0x80;) length--;
    strcpy(shown, ": ");
    char* to = shown + 2;
    for (int i = 0; i < length; ++i) *to++ = static_cast<unsigned char>(ident[i]) < ' ' ? ' ' : ident[i];
    strcpy(to, cut ? "..." : "");
  }
  if (print_to_stderr)
    fprintf(stderr, "%*s%s: %s%s\n", level * 2, "", name, stats_string, shown);
  else
    ereport(LOG_SERVER_ONLY, (errhidestmt(true), errhidecontext(true),
                              errmsg_internal("level: %d; %s: %s%s", level, name, stats_string, shown)));
}

static void add_subtree(MemoryContext root, MemoryContextCounters* totals) {
  for (MemoryContext at = root; at; at = next_in_tree(root, at))
    at->methods->stats(at, nullptr, nullptr, totals, false);
}

static void print_subtree(MemoryContext context, int level, int max_children, MemoryContextCounters* totals,
                          bool print_to_stderr) {
  context->methods->stats(context, print_stats_line, &level, totals, print_to_stderr);
  // Deeper levels are only counted: the report must not exhaust the stack.
  constexpr int kDeepest = 100;
  MemoryContextCounters rest = {};
  int shown = 0, left = 0;
  for (MemoryContext child = context->firstchild; child; child = child->nextchild) {
    if (shown < max_children && level < kDeepest) {
      print_subtree(child, level + 1, max_children, totals, print_to_stderr);
      shown++;
    } else {
      add_subtree(child, &rest);
      left++;
    }
  }
  if (left == 0) return;
  Size used = rest.totalspace - rest.freespace;
  if (print_to_stderr)
    fprintf(stderr,
            "%*s%d more child contexts containing %zu total in %zu blocks; %zu free (%zu chunks); %zu used\n",
            (level + 1) * 2, "", left, rest.totalspace, rest.nblocks, rest.freespace, rest.freechunks, used);
  else
    ereport(LOG_SERVER_ONLY,
            (errhidestmt(true), errhidecontext(true),
             errmsg_internal("level: %d; %d more child contexts containing %zu total in %zu blocks; %zu free "
                             "(%zu chunks); %zu used",
                             level + 1, left, rest.totalspace, rest.nblocks, rest.freespace, rest.freechunks,
                             used)));
  totals->nblocks += rest.nblocks;
  totals->freechunks += rest.freechunks;
  totals->totalspace += rest.totalspace;
  totals->freespace += rest.freespace;
}

void MemoryContextStats(MemoryContext context) {
  MemoryContextStatsDetail(context, 100, true);
}

void MemoryContextStatsDetail(MemoryContext context, int max_children, bool print_to_stderr) {
  MemoryContextCounters totals = {};
  print_subtree(context, 0, max_children, &totals, print_to_stderr);
  Size used = totals.totalspace - totals.freespace;
  if (print_to_stderr)
    fprintf(stderr, "Grand total: %zu bytes in %zu blocks; %zu free (%zu chunks); %zu used\n",
            totals.totalspace, totals.nblocks, totals.freespace, totals.freechunks, used);
  else
    ereport(LOG_SERVER_ONLY,
            (errhidestmt(true), errhidecontext(true),
             errmsg_internal("Grand total: %zu bytes in %zu blocks; %zu free (%zu chunks); %zu used",
                             totals.totalspace, totals.nblocks, totals.freespace, totals.freechunks, used)));
}

// Signal handler's part: the report is made at the next interrupt check.
void HandleLogMemoryContextInterrupt() {
  InterruptPending = true;
  LogMemoryContextPending = true;
}

void ProcessLogMemoryContextInterrupt() {
  LogMemoryContextPending = false;
  ereport(LOG_SERVER_ONLY,
          (errhidestmt(true), errhidecontext(true), errmsg("logging memory contexts of PID %d", MyProcPid)));
  MemoryContextStatsDetail(TopMemoryContext, 100, false);
}

}  // extern "C"
