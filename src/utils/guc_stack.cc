// Undoing settings at the end of transactions, subtransactions and functions.
//
// Each change at nest level N > 0 leaves one entry on the setting's stack with what was there before, and how
// it was changed: by SET (kept if the level commits), by SET LOCAL (kept only until the top level ends), or by
// a function's SET clause (never kept). SET followed by SET LOCAL in one level keeps both: the entry then also
// has the masked value, which SET gave and which a commit brings back.
//
// Invariants: a stack's entries have strictly growing levels towards its top, at most one per level; no entry
// has a level above the current one; outside transactions the level is 0 and all stacks are empty.
#include <cstring>

#include "utils/guc_internal.hpp"

extern "C" {
#include "postgres.h"

#include "utils/guc_tables.h"
}

static int nest_level = 0;
// Whether any stack may be non-empty: most transactions change no setting and end without looking at them.
static bool stacks_in_use = false;

extern "C" void AtStart_GUC(void) {
  if (nest_level != 0) elog(WARNING, "GUC nest level = %d at transaction start", nest_level);
  nest_level = 1;
}

extern "C" int NewGUCNestLevel(void) {
  return ++nest_level;
}

static config_var_value current_value(config_generic* record) {
  return {guc_current(record), record->extra};
}

static void forget(config_generic* record, config_var_value* place) {
  const config_var_value value = *place;
  *place = {};
  guc_release(record, value);
}

void guc_push(config_generic* record, GucAction action) {
  if (nest_level == 0) return;

  GucStack* top = record->stack;
  if (top != nullptr && top->nest_level >= nest_level) {
    // Already remembered at this level; only the way it was changed may become another.
    switch (action) {
      case GUC_ACTION_SET:
        if (top->state == GUC_SET_LOCAL) forget(record, &top->masked);
        top->state = GUC_SET;
        break;
      case GUC_ACTION_LOCAL:
        if (top->state == GUC_SET) {
          top->masked = current_value(record);
          top->masked_scontext = record->scontext;
          top->masked_srole = record->srole;
          top->state = GUC_SET_LOCAL;
        }
        break;
      case GUC_ACTION_SAVE:
        break;
    }
    return;
  }

  auto entry = static_cast<GucStack*>(std::memset(guc_allocate(sizeof(GucStack)), 0, sizeof(GucStack)));
  entry->prev = top;
  entry->nest_level = nest_level;
  entry->state = action == GUC_ACTION_SET ? GUC_SET : (action == GUC_ACTION_LOCAL ? GUC_LOCAL : GUC_SAVE);
  entry->source = record->source;
  entry->scontext = record->scontext;
  entry->srole = record->srole;
  entry->prior = current_value(record);
  record->stack = entry;
  stacks_in_use = true;
}

// Takes the top entry off the stack, with what only it still holds.
static void pop(config_generic* record) {
  GucStack* entry = record->stack;
  record->stack = entry->prev;
  // When an assign hook has failed, both may be the same.
  if (entry->masked.val.stringval == entry->prior.val.stringval) entry->masked.val.stringval = nullptr;
  if (entry->masked.extra == entry->prior.extra) entry->masked.extra = nullptr;
  guc_release(record, entry->prior);
  if (entry->state == GUC_SET_LOCAL) guc_release(record, entry->masked);
  guc_free(entry);
}

void guc_drop_stack(config_generic* record) {
  while (record->stack != nullptr) pop(record);
}

// Makes `value` current again if it is not, and says from where it had come.
static void go_back(config_generic* record, config_var_value value, GucSource source, GucContext context,
                    Oid role) {
  // Of strings it is the memory that counts: an assign hook may have kept a pointer to it.
  const config_var_val current = guc_current(record);
  const bool same = record->vartype == PGC_STRING ? current.stringval == value.val.stringval
                                                  : guc_same(record, current, value.val);
  if (!same || record->extra != value.extra) guc_assign(record, value);
  record->source = source;
  record->scontext = context;
  record->srole = role;
}

// Whether what the entry describes now belongs to the level below, which has no entry of its own.
static bool can_sink(const GucStack* entry) {
  return entry->prev == nullptr || entry->prev->nest_level < entry->nest_level - 1;
}

// Adds a committed entry to the one of the level right below.
static void merge_down(config_generic* record, GucStack* entry, GucStack* below) {
  switch (entry->state) {
    case GUC_SAVE:
      break;
    case GUC_SET:
      if (below->state == GUC_SET_LOCAL) forget(record, &below->masked);
      below->state = GUC_SET;
      forget(record, &entry->prior);
      break;
    case GUC_LOCAL:
      if (below->state == GUC_SET) {
        // What was current when the inner level began is what the outer SET gave.
        below->masked = entry->prior;
        below->masked_scontext = entry->scontext;
        below->masked_srole = entry->srole;
        below->state = GUC_SET_LOCAL;
      } else {
        forget(record, &entry->prior);
      }
      break;
    case GUC_SET_LOCAL:
      if (below->state == GUC_SET_LOCAL) forget(record, &below->masked);
      below->masked = entry->masked;
      below->masked_scontext = entry->masked_scontext;
      below->masked_srole = entry->masked_srole;
      below->state = GUC_SET_LOCAL;
      forget(record, &entry->prior);
      break;
  }
}

// Ends the top entry of the record's stack, whose level is ending.
static void end_entry(config_generic* record, bool commit) {
  GucStack* entry = record->stack;
  const bool undo = !commit || entry->state == GUC_SAVE;

  if (!undo && entry->nest_level > 1) {
    if (can_sink(entry)) {
      --entry->nest_level;
      return;
    }
    record->stack = entry->prev;
    merge_down(record, entry, entry->prev);
    guc_free(entry);
    return;
  }

  // The entry stays on the stack until all is back: what it holds must not be freed on the way.
  if (undo || entry->state == GUC_LOCAL)
    go_back(record, entry->prior, entry->source, entry->scontext, entry->srole);
  else if (entry->state == GUC_SET_LOCAL)
    go_back(record, entry->masked, PGC_S_SESSION, entry->masked_scontext, entry->masked_srole);
  pop(record);
}

extern "C" void AtEOXact_GUC(bool isCommit, int nestLevel) {
  if (stacks_in_use) {
    bool any_left = false;
    for (int i = 0; i < guc_record_count; ++i) {
      config_generic* record = guc_records[i];
      while (record->stack != nullptr && record->stack->nest_level >= nestLevel) end_entry(record, isCommit);
      if (record->stack != nullptr) any_left = true;
    }
    stacks_in_use = any_left;
  }
  nest_level = nestLevel - 1;
}
