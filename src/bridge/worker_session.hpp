// The worker's session, as the extern "C" parts of the host use it: plain arguments, results in palloc'd
// memory, failures raised. One session per process; none before bgw_connect_worker. Include after postgres.h.
#pragma once

#include "core/session.hpp"

extern "C" {

// The body of BackgroundWorkerInitializeConnection and ...ByOid: opens the session and sets MyDatabaseId and
// the user ids. dbname nullptr and dboid 0: no database. username nullptr and useroid 0: the upstream
// connection's own role. Every failure is FATAL.
void bgw_connect_worker(const char* dbname, const char* username, Oid dboid, Oid useroid, uint32 flags);

// One statement to run on the session. Strings need to live only as long as the call.
struct BgwRun {
  const char* text;  // exactly one statement
  int nargs;
  const Oid* argtypes;
  const char* const* values;  // nullptr: NULL
  const int* binary_lengths;  // of each value: its bytes if it is in binary format, -1 if it is text; nullptr: all text
  bool binary_rows;           // the rows are wanted in binary format
  bool preparable, want_prepared, read_only, limit_by_cursor, drops_prepared, changes_names, no_savepoint;
  long row_limit;       // 0: none
  int position_offset;  // added to the position of an error
};

// Runs it in the current transaction and gives its rows, which are freed with the current memory context.
// *too_many (may be nullptr) as in Session. Raises: ERROR when the upstream refuses, FATAL when there is no
// session, no transaction or no connection any more.
const bgw::RowSet* bgw_session_run(const BgwRun* run, bool* too_many);

// Whether a failure has left nothing to be done with the transaction, or subtransaction, but to roll it back.
bool bgw_session_doomed(void);

// Runs it once for each of `rows` rows of run->nargs values, in one round trip; the values of a row follow those
// of the one before, run->values is not used. Returns the sum of the counts of affected rows. Raises as
// bgw_session_run; nothing of the batch is left then.
uint64 bgw_session_run_batch(const BgwRun* run, int rows, const char* const* values);

// Parses and analyses only.
void bgw_session_prepare(const BgwRun* run);

// The same, and gives the columns of its result, without rows; freed with the current memory context.
const bgw::RowSet* bgw_session_describe(const BgwRun* run);

// Runs outside any transaction of the worker's, for look-ups; inside one if there is one. nullptr if there is
// no session. Values are text.
const bgw::RowSet* bgw_session_lookup(const char* text, int nargs, const Oid* argtypes,
                                      const char* const* values);

// Whether the worker has connected without a database: it may look at what all databases share.
bool bgw_connected_without_database(void);

// The same for such a worker, on a connection to wherever the connection string leads, which lasts until the worker's
// transaction ends. Raises: ERROR when the upstream refuses, FATAL when it cannot be reached.
const bgw::RowSet* bgw_shared_lookup(const char* text, int nargs, const Oid* argtypes, const char* const* values);

// Transaction control, for access/xact.cc. All but commit only take notes or send without waiting.
bool bgw_have_session(void);
void bgw_session_begin(void);
void bgw_session_begin_sub(void);
void bgw_session_release_sub(void);
void bgw_session_rollback_sub(void);
void bgw_session_rollback(void);
void bgw_session_commit(void);  // raises as bgw_session_run

// A SET or RESET TIME ZONE has run on the upstream: the zone it reports becomes this process's.
void bgw_session_follow_settings(bool local);
// Puts the session's own settings back (core: session_set_up_text), in the current transaction.
void bgw_session_set_up_again(void);

// SET ROLE has run on the upstream: who statements run as there is to be made sure of.
void bgw_session_role_changed(void);

// From now on notifications set MyLatch while the process waits for its latch.
void bgw_session_watch_notifications(void);
// The same, and what they say is kept for bgw_session_next_notification().
void bgw_session_keep_notifications(void);
// The oldest notification that was kept, as palloc'd strings; false if there is none.
bool bgw_session_next_notification(char** channel, char** payload, int* sender);
}

namespace bgw {
// nullptr before the worker has connected. For C++ code that closes its scopes before anything may raise.
Session* worker_session() noexcept;
}  // namespace bgw
