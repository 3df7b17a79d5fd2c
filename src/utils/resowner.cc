// Resource owners: a tree that follows transactions and subtransactions, and releases what they still hold.
//
// In this process owners hold references to tuple descriptors; whatever else a module wants released with a
// transaction it does in a release callback. Releasing goes through the tree children first, once per phase.
extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/resowner_private.h"
}

struct ResourceOwnerData {
  ResourceOwner parent;
  ResourceOwner first_child;
  ResourceOwner next_child;
  const char* name;
  TupleDesc* tupdescs;  // in TopMemoryContext
  int tupdesc_count;
  int tupdesc_room;
};

namespace {

struct Callback {
  Callback* next;
  ResourceReleaseCallback function;
  void* argument;
};
Callback* callbacks = nullptr;  // the latest first

void unlink_from_parent(ResourceOwner owner) {
  if (!owner->parent) return;
  ResourceOwner* link = &owner->parent->first_child;
  while (*link != owner) link = &(*link)->next_child;
  *link = owner->next_child;
  owner->parent = owner->next_child = nullptr;
}

void release_tupdescs(ResourceOwner owner, bool commit) {
  while (owner->tupdesc_count > 0) {
    TupleDesc descriptor = owner->tupdescs[owner->tupdesc_count - 1];
    if (commit)
      elog(WARNING, "TupleDesc reference leak: TupleDesc %p (%u,%d) still referenced",
           static_cast<void*>(descriptor), descriptor->tdtypeid, descriptor->tdtypmod);
    DecrTupleDescRefCount(descriptor);  // forgets it
  }
}

void release_at_exit(int code, Datum) {
  ReleaseAuxProcessResources(code == 0);
}

}  // namespace

extern "C" {

ResourceOwner CurrentResourceOwner = nullptr;
ResourceOwner CurTransactionResourceOwner = nullptr;
ResourceOwner TopTransactionResourceOwner = nullptr;
ResourceOwner AuxProcessResourceOwner = nullptr;

ResourceOwner ResourceOwnerCreate(ResourceOwner parent, const char* name) {
  ResourceOwner owner =
      static_cast<ResourceOwner>(MemoryContextAllocZero(TopMemoryContext, sizeof(ResourceOwnerData)));
  owner->name = name;
  ResourceOwnerNewParent(owner, parent);
  return owner;
}

void ResourceOwnerRelease(ResourceOwner owner, ResourceReleasePhase phase, bool isCommit, bool isTopLevel) {
  for (ResourceOwner child = owner->first_child; child; child = child->next_child)
    ResourceOwnerRelease(child, phase, isCommit, isTopLevel);

  // What is released is forgotten from the current owner.
  ResourceOwner before = CurrentResourceOwner;
  CurrentResourceOwner = owner;
  if (phase == RESOURCE_RELEASE_AFTER_LOCKS) release_tupdescs(owner, isCommit);
  for (Callback* callback = callbacks; callback;) {
    Callback* next = callback->next;  // it may unregister itself
    callback->function(phase, isCommit, isTopLevel, callback->argument);
    callback = next;
  }
  CurrentResourceOwner = before;
}

// Plans are prepared statements of the upstream session here; no owner counts references to them.
void ResourceOwnerReleaseAllPlanCacheRefs(ResourceOwner owner) {}

void ResourceOwnerDelete(ResourceOwner owner) {
  while (owner->first_child) ResourceOwnerDelete(owner->first_child);
  unlink_from_parent(owner);
  if (owner->tupdescs) pfree(owner->tupdescs);
  pfree(owner);
}

ResourceOwner ResourceOwnerGetParent(ResourceOwner owner) {
  return owner->parent;
}

void ResourceOwnerNewParent(ResourceOwner owner, ResourceOwner newparent) {
  unlink_from_parent(owner);
  if (!newparent) return;
  owner->parent = newparent;
  owner->next_child = newparent->first_child;
  newparent->first_child = owner;
}

void RegisterResourceReleaseCallback(ResourceReleaseCallback callback, void* arg) {
  Callback* added = static_cast<Callback*>(MemoryContextAlloc(TopMemoryContext, sizeof(Callback)));
  *added = {callbacks, callback, arg};
  callbacks = added;
}

void UnregisterResourceReleaseCallback(ResourceReleaseCallback callback, void* arg) {
  for (Callback** link = &callbacks; *link; link = &(*link)->next) {
    Callback* found = *link;
    if (found->function != callback || found->argument != arg) continue;
    *link = found->next;
    pfree(found);
    return;
  }
}

void CreateAuxProcessResourceOwner() {
  AuxProcessResourceOwner = ResourceOwnerCreate(nullptr, "AuxiliaryProcess");
  CurrentResourceOwner = AuxProcessResourceOwner;
  on_shmem_exit(release_at_exit, 0);
}

void ReleaseAuxProcessResources(bool isCommit) {
  ResourceOwnerRelease(AuxProcessResourceOwner, RESOURCE_RELEASE_BEFORE_LOCKS, isCommit, true);
  ResourceOwnerRelease(AuxProcessResourceOwner, RESOURCE_RELEASE_LOCKS, isCommit, true);
  ResourceOwnerRelease(AuxProcessResourceOwner, RESOURCE_RELEASE_AFTER_LOCKS, isCommit, true);
}

void ResourceOwnerEnlargeTupleDescs(ResourceOwner owner) {
  if (owner->tupdesc_count < owner->tupdesc_room) return;
  int room = Max(16, owner->tupdesc_room * 2);
  Size bytes = static_cast<Size>(room) * sizeof(TupleDesc);
  owner->tupdescs = static_cast<TupleDesc*>(owner->tupdescs ? repalloc(owner->tupdescs, bytes)
                                                            : MemoryContextAlloc(TopMemoryContext, bytes));
  owner->tupdesc_room = room;
}

// Room was made by ResourceOwnerEnlargeTupleDescs(): remembering cannot fail.
void ResourceOwnerRememberTupleDesc(ResourceOwner owner, TupleDesc tupdesc) {
  owner->tupdescs[owner->tupdesc_count++] = tupdesc;
}

void ResourceOwnerForgetTupleDesc(ResourceOwner owner, TupleDesc tupdesc) {
  // The latest first: references are usually given up in the opposite order.
  for (int i = owner->tupdesc_count; i-- > 0;) {
    if (owner->tupdescs[i] != tupdesc) continue;
    owner->tupdescs[i] = owner->tupdescs[--owner->tupdesc_count];
    return;
  }
  elog(ERROR, "tupdesc reference %p is not owned by resource owner %s", static_cast<void*>(tupdesc),
       owner->name);
}

}  // extern "C"
