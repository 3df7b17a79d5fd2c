// Resource owners: a tree that follows transactions and subtransactions, and releases what they still hold.
//
// In this process owners hold references to relations, rows of the catalogue caches and tuple descriptors, mappings of dynamic
// shared memory and temporary files; whatever else a module wants released with a transaction it does in a release callback.
// Releasing goes through the
// tree children first, once per phase.
//
// Invariant: room is made before a thing is acquired, so that remembering it cannot fail.
extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/catcache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/resowner.h"
#include "utils/resowner_private.h"
}

namespace {

// What an owner holds of one kind. The order is the server's, since modules see in which one it is released: the first, then
// the latest before the others. What is given up before leaves its place to the latest.
template <class T>
struct Held {
  T* things;  // in TopMemoryContext
  int count;
  int room;

  void make_room() {
    if (count < room) return;
    room = Max(16, room * 2);
    Size bytes = static_cast<Size>(room) * sizeof(T);
    things = static_cast<T*>(things ? repalloc(things, bytes) : MemoryContextAlloc(TopMemoryContext, bytes));
  }
  void remember(T thing) { things[count++] = thing; }
  // False when it is not there. Looked for from the latest: things are usually given up in the opposite order.
  bool forget(T thing) {
    for (int i = count; i-- > 0;) {
      if (things[i] != thing) continue;
      things[i] = things[--count];
      return true;
    }
    return false;
  }
  void free() {
    if (things) pfree(things);
  }
};

}  // namespace

struct ResourceOwnerData {
  ResourceOwner parent;
  ResourceOwner first_child;
  ResourceOwner next_child;
  const char* name;
  Held<Relation> relations;
  Held<HeapTuple> cached;
  Held<CatCList*> cached_lists;
  Held<TupleDesc> tupdescs;
  Held<dsm_segment*> segments;
  Held<File> files;
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

// What is given up here is forgotten by the function that gives it up.
void release_relations(ResourceOwner owner, bool commit) {
  while (owner->relations.count > 0) {
    Relation relation = owner->relations.things[owner->relations.count - 1];
    if (commit) elog(WARNING, "relcache reference leak: relation \"%s\" not closed", RelationGetRelationName(relation));
    RelationClose(relation);
  }
}

void release_cached(ResourceOwner owner, bool commit) {
  while (owner->cached.count > 0) {
    HeapTuple tuple = owner->cached.things[owner->cached.count - 1];
    if (commit) PrintCatCacheLeakWarning(tuple);
    ReleaseCatCache(tuple);
  }
  while (owner->cached_lists.count > 0) {
    CatCList* list = owner->cached_lists.things[owner->cached_lists.count - 1];
    if (commit) PrintCatCacheListLeakWarning(list);
    ReleaseCatCacheList(list);
  }
}

void release_tupdescs(ResourceOwner owner, bool commit) {
  while (owner->tupdescs.count > 0) {
    TupleDesc descriptor = owner->tupdescs.things[0];
    if (commit)
      elog(WARNING, "TupleDesc reference leak: TupleDesc %p (%u,%d) still referenced",
           static_cast<void*>(descriptor), descriptor->tdtypeid, descriptor->tdtypmod);
    DecrTupleDescRefCount(descriptor);  // forgets it
  }
}

void release_segments(ResourceOwner owner, bool commit) {
  while (owner->segments.count > 0) {
    dsm_segment* seg = owner->segments.things[0];
    if (commit)
      elog(WARNING, "dynamic shared memory leak: segment %u still referenced", dsm_segment_handle(seg));
    dsm_detach(seg);  // forgets it
  }
}

void release_files(ResourceOwner owner, bool commit) {
  while (owner->files.count > 0) {
    File file = owner->files.things[0];
    if (commit) elog(WARNING, "temporary file leak: File %d still referenced", file);
    FileClose(file);  // forgets it
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
  if (phase == RESOURCE_RELEASE_BEFORE_LOCKS) {
    release_relations(owner, isCommit);
    release_segments(owner, isCommit);
  }
  if (phase == RESOURCE_RELEASE_AFTER_LOCKS) {
    release_cached(owner, isCommit);
    release_tupdescs(owner, isCommit);
    release_files(owner, isCommit);
  }
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
  owner->relations.free();
  owner->cached.free();
  owner->cached_lists.free();
  owner->tupdescs.free();
  owner->segments.free();
  owner->files.free();
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
  owner->tupdescs.make_room();
}
void ResourceOwnerRememberTupleDesc(ResourceOwner owner, TupleDesc tupdesc) {
  owner->tupdescs.remember(tupdesc);
}
void ResourceOwnerForgetTupleDesc(ResourceOwner owner, TupleDesc tupdesc) {
  if (!owner->tupdescs.forget(tupdesc))
    elog(ERROR, "tupdesc reference %p is not owned by resource owner %s", static_cast<void*>(tupdesc),
         owner->name);
}

void ResourceOwnerEnlargeFiles(ResourceOwner owner) {
  owner->files.make_room();
}
void ResourceOwnerRememberFile(ResourceOwner owner, File file) {
  owner->files.remember(file);
}
void ResourceOwnerForgetFile(ResourceOwner owner, File file) {
  if (!owner->files.forget(file))
    elog(ERROR, "temporary file %d is not owned by resource owner %s", file, owner->name);
}

void ResourceOwnerEnlargeRelationRefs(ResourceOwner owner) {
  owner->relations.make_room();
}
void ResourceOwnerRememberRelationRef(ResourceOwner owner, Relation rel) {
  owner->relations.remember(rel);
}
void ResourceOwnerForgetRelationRef(ResourceOwner owner, Relation rel) {
  if (!owner->relations.forget(rel))
    elog(ERROR, "relcache reference %s is not owned by resource owner %s", RelationGetRelationName(rel), owner->name);
}

void ResourceOwnerEnlargeCatCacheRefs(ResourceOwner owner) {
  owner->cached.make_room();
}
void ResourceOwnerRememberCatCacheRef(ResourceOwner owner, HeapTuple tuple) {
  owner->cached.remember(tuple);
}
void ResourceOwnerForgetCatCacheRef(ResourceOwner owner, HeapTuple tuple) {
  if (!owner->cached.forget(tuple))
    elog(ERROR, "catcache reference %p is not owned by resource owner %s", static_cast<void*>(tuple), owner->name);
}

void ResourceOwnerEnlargeCatCacheListRefs(ResourceOwner owner) {
  owner->cached_lists.make_room();
}
void ResourceOwnerRememberCatCacheListRef(ResourceOwner owner, CatCList* list) {
  owner->cached_lists.remember(list);
}
void ResourceOwnerForgetCatCacheListRef(ResourceOwner owner, CatCList* list) {
  if (!owner->cached_lists.forget(list))
    elog(ERROR, "catcache list reference %p is not owned by resource owner %s", static_cast<void*>(list), owner->name);
}

void ResourceOwnerEnlargeDSMs(ResourceOwner owner) {
  owner->segments.make_room();
}
void ResourceOwnerRememberDSM(ResourceOwner owner, dsm_segment* seg) {
  owner->segments.remember(seg);
}
void ResourceOwnerForgetDSM(ResourceOwner owner, dsm_segment* seg) {
  if (!owner->segments.forget(seg))
    elog(ERROR, "dynamic shared memory segment %u is not owned by resource owner %s", dsm_segment_handle(seg),
         owner->name);
}

}  // extern "C"
