// Portals as named objects. In the host a portal stands for a cursor of the upstream (executor/spi_cursor.cc)
// or is a shell that a module made by hand. They live in TopMemoryContext's "PortalContext" children and end
// with the transaction, or with the subtransaction that made them if that is rolled back.
#include <cstddef>

extern "C" {
#include "postgres.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
}

namespace {

struct PortalEntry {
  PortalData portal;  // first: a Portal is a PortalEntry
  PortalEntry* next;
};

PortalEntry* portals = nullptr;
MemoryContext portal_memory = nullptr;
unsigned unnamed_count = 0;

MemoryContext top_portal_context() {
  if (portal_memory == nullptr)
    portal_memory = AllocSetContextCreateInternal(TopMemoryContext, "TopPortalContext", ALLOCSET_DEFAULT_SIZES);
  return portal_memory;
}

void unlink_portal(Portal portal) {
  for (PortalEntry** at = &portals; *at != nullptr; at = &(*at)->next) {
    if (&(*at)->portal != portal) continue;
    *at = (*at)->next;
    return;
  }
}

// What the portal's maker wants done when it ends, once.
void call_cleanup(Portal portal) {
  if (portal->cleanup == nullptr) return;
  portal->cleanup(portal);
  portal->cleanup = nullptr;
}

// Its transaction is aborted: it cannot be run any more.
void fail(Portal portal) {
  if (portal->status != PORTAL_DONE) portal->status = PORTAL_FAILED;
  call_cleanup(portal);
}

// Drops every portal for which `gone` holds.
template <class Test>
void drop_portals(const Test& gone, bool forget_owner) {
  for (bool again = true; again;) {
    again = false;
    for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next) {
      if (!gone(&entry->portal)) continue;
      entry->portal.portalPinned = false;
      if (entry->portal.status == PORTAL_ACTIVE) entry->portal.status = PORTAL_FAILED;
      if (forget_owner) entry->portal.resowner = nullptr;  // released with its parent
      PortalDrop(&entry->portal, true);
      again = true;
      break;
    }
  }
}

}  // namespace

extern "C" {

void EnablePortalManager(void) {
  (void)top_portal_context();
}

Portal GetPortalByName(const char* name) {
  if (name == nullptr) return nullptr;
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next)
    if (strcmp(entry->portal.name, name) == 0) return &entry->portal;
  return nullptr;
}

Portal CreatePortal(const char* name, bool allowDup, bool dupSilent) {
  if (Portal existing = GetPortalByName(name)) {
    if (!allowDup)
      ereport(ERROR, (errcode(ERRCODE_DUPLICATE_CURSOR), errmsg("cursor \"%s\" already exists", name)));
    if (!dupSilent)
      ereport(WARNING, (errcode(ERRCODE_DUPLICATE_CURSOR), errmsg("closing existing cursor \"%s\"", name)));
    PortalDrop(existing, false);
  }
  PortalEntry* entry =
      static_cast<PortalEntry*>(MemoryContextAllocZero(top_portal_context(), sizeof(PortalEntry)));
  Portal portal = &entry->portal;
  portal->portalContext =
      AllocSetContextCreateInternal(top_portal_context(), "PortalContext", ALLOCSET_SMALL_SIZES);
  portal->resowner = ResourceOwnerCreate(CurTransactionResourceOwner, "Portal");
  portal->status = PORTAL_NEW;
  portal->createSubid = GetCurrentSubTransactionId();
  portal->activeSubid = portal->createSubid;
  portal->createLevel = GetCurrentTransactionNestLevel();
  portal->strategy = PORTAL_MULTI_QUERY;
  portal->cursorOptions = CURSOR_OPT_NO_SCROLL;
  portal->atStart = true;
  portal->atEnd = true;
  portal->visible = true;
  portal->creation_time = GetCurrentStatementStartTimestamp();
  portal->name = MemoryContextStrdup(portal->portalContext, name);
  portal->sourceText = "";
  entry->next = portals;
  portals = entry;
  return portal;
}

Portal CreateNewPortal(void) {
  char name[64];
  do {
    snprintf(name, sizeof(name), "<unnamed portal %u>", ++unnamed_count);
  } while (GetPortalByName(name) != nullptr);
  return CreatePortal(name, false, false);
}

void PortalDefineQuery(Portal portal, const char* prepStmtName, const char* sourceText, CommandTag commandTag,
                       List* stmts, CachedPlan* cplan) {
  portal->prepStmtName = prepStmtName;
  portal->sourceText = sourceText;
  portal->qc.commandTag = commandTag;
  portal->qc.nprocessed = 0;
  portal->commandTag = commandTag;
  portal->stmts = stmts;
  portal->cplan = cplan;
  portal->status = PORTAL_DEFINED;
}

void PinPortal(Portal portal) {
  if (portal->portalPinned) elog(ERROR, "portal already pinned");
  portal->portalPinned = true;
}

void UnpinPortal(Portal portal) {
  if (!portal->portalPinned) elog(ERROR, "portal not pinned");
  portal->portalPinned = false;
}

void MarkPortalActive(Portal portal) {
  if (portal->status != PORTAL_READY)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("portal \"%s\" cannot be run", portal->name)));
  portal->status = PORTAL_ACTIVE;
  portal->activeSubid = GetCurrentSubTransactionId();
}

void MarkPortalDone(Portal portal) {
  portal->status = PORTAL_DONE;
  call_cleanup(portal);
}
void MarkPortalFailed(Portal portal) {
  portal->status = PORTAL_FAILED;
  call_cleanup(portal);
}

void PortalDrop(Portal portal, bool isTopCommit) {
  if (portal->portalPinned)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("cannot drop pinned portal \"%s\"", portal->name)));
  if (portal->status == PORTAL_ACTIVE)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_CURSOR_STATE), errmsg("cannot drop active portal \"%s\"", portal->name)));
  // Its maker may still hold on to it.
  if (portal->status == PORTAL_NEW || portal->status == PORTAL_DEFINED)
    ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_STATE),
                    errmsg("cannot drop portal \"%s\" while it is being set up", portal->name)));
  call_cleanup(portal);
  unlink_portal(portal);
  if (portal->resowner != nullptr) {
    ResourceOwnerRelease(portal->resowner, RESOURCE_RELEASE_BEFORE_LOCKS, true, false);
    ResourceOwnerRelease(portal->resowner, RESOURCE_RELEASE_LOCKS, true, false);
    ResourceOwnerRelease(portal->resowner, RESOURCE_RELEASE_AFTER_LOCKS, true, false);
    ResourceOwnerDelete(portal->resowner);
    portal->resowner = nullptr;
  }
  MemoryContextDelete(portal->portalContext);
  pfree(reinterpret_cast<PortalEntry*>(portal));
}

void PortalHashTableDeleteAll(void) {
  drop_portals([](Portal portal) { return portal->status != PORTAL_ACTIVE; }, false);
}

bool ThereAreNoReadyPortals(void) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next)
    if (entry->portal.status == PORTAL_READY) return false;
  return true;
}

// Cursors of a worker do not outlive a transaction in the host: pinned ones stop SPI_commit as in the
// server when they cannot be held.
void HoldPinnedPortals(void) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next)
    if (entry->portal.portalPinned && !entry->portal.autoHeld)
      ereport(ERROR,
              (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
               errmsg("cannot perform transaction commands inside a cursor loop that is not read-only")));
}

void ForgetPortalSnapshots(void) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next)
    entry->portal.portalSnapshot = nullptr;
}

bool PreCommit_Portals(bool isPrepare) {
  bool any = portals != nullptr;
  // One that the module itself runs right now stays until it drops it.
  drop_portals([](Portal portal) { return portal->status != PORTAL_ACTIVE && !portal->portalPinned; }, false);
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next) {
    entry->portal.resowner = nullptr;
    entry->portal.portalSnapshot = nullptr;
    entry->portal.createSubid = InvalidSubTransactionId;
    entry->portal.activeSubid = InvalidSubTransactionId;
  }
  return any;
}

void AtAbort_Portals(void) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next) {
    fail(&entry->portal);
    entry->portal.resowner = nullptr;
    entry->portal.portalSnapshot = nullptr;
  }
}

void AtCleanup_Portals(void) {
  drop_portals([](Portal portal) { return portal->status != PORTAL_ACTIVE; }, true);
}

void PortalErrorCleanup(void) {
  drop_portals([](Portal portal) { return portal->autoHeld; }, true);
}

void AtSubCommit_Portals(SubTransactionId mySubid, SubTransactionId parentSubid, int parentLevel,
                         ResourceOwner parentXactOwner) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next) {
    Portal portal = &entry->portal;
    if (portal->createSubid == mySubid) {
      portal->createSubid = parentSubid;
      portal->createLevel = parentLevel;
      if (portal->resowner) ResourceOwnerNewParent(portal->resowner, parentXactOwner);
    }
    if (portal->activeSubid == mySubid) portal->activeSubid = parentSubid;
  }
}

void AtSubAbort_Portals(SubTransactionId mySubid, SubTransactionId parentSubid, ResourceOwner myXactOwner,
                        ResourceOwner parentXactOwner) {
  for (PortalEntry* entry = portals; entry != nullptr; entry = entry->next) {
    Portal portal = &entry->portal;
    if (portal->createSubid != mySubid) {
      if (portal->activeSubid == mySubid) portal->activeSubid = parentSubid;
      continue;
    }
    fail(portal);
    portal->resowner = nullptr;
    portal->portalSnapshot = nullptr;
  }
}

void AtSubCleanup_Portals(SubTransactionId mySubid) {
  drop_portals([mySubid](Portal portal) { return portal->createSubid == mySubid; }, true);
}

}  // extern "C"
