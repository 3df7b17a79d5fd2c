// The stack of transaction frames, for the files that make up the transaction system: xact.cc (the top level
// and what drives it), xact_subtransaction.cc, xact_block.cc. Include after postgres.h.
#pragma once

namespace bgw::xact {

enum class Work { none, in_progress, committing, aborted };

enum class Block {
  none,  // "DEFAULT"
  started,
  begin,
  in_progress,
  implicit_in_progress,
  end,
  abort,
  abort_end,
  abort_pending,
  sub_in_progress,
  sub_release,
  sub_commit,
  sub_abort,
  sub_abort_end,
  sub_abort_pending,
};

struct TransactionFrame {
  Work work;
  Block block;
  SubTransactionId subid;
  char* name;  // of a savepoint; nullptr for an internal subtransaction
  int nest_level;
  int guc_nest_level;
  MemoryContext context;  // CurTransactionContext of this level
  ResourceOwner owner;
  Oid user_before;
  int security_before;
  bool read_only_before;
  bool chain;
  TransactionFrame* parent;
};

// The innermost level; never null. The bottom frame is always there.
extern TransactionFrame top_frame;
extern TransactionFrame* current;
extern SubTransactionId last_subid;
extern MemoryContext abort_context;  // made ahead, so that aborting does not depend on memory being there

// Raises "FUNCTION: unexpected state STATE".
[[noreturn]] void unexpected(int level, const char* function);

// The server's macros, in the form that C++20 takes for a volatile.
inline void hold_interrupts() {
  InterruptHoldoffCount = InterruptHoldoffCount + 1;
}
inline void resume_interrupts() {
  InterruptHoldoffCount = InterruptHoldoffCount - 1;
}

void release_owner(ResourceOwner owner, bool commit, bool top);

// Steps common to both aborts that make the process fit to go on. Interrupts are held by the caller.
void clean_after_error();

// name nullptr: an internal subtransaction, else a savepoint.
void start_subtransaction(const char* name);
void commit_subtransaction();
void abort_subtransaction();
void cleanup_subtransaction();

}  // namespace bgw::xact
