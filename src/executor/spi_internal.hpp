// What the files of SPI share: the stack of connections, statements as read, plans, and running them.
// Everything here is plain data in memory contexts; there is nothing to destroy. Include after postgres.h.
#pragma once

#include "core/session.hpp"
#include "core/statement.hpp"

extern "C" {
#include "access/xact.h"
#include "executor/spi.h"
#include "lib/ilist.h"
}

#include "bridge/worker_session.hpp"

// One SPI_connect() that SPI_finish() has not answered yet. Linked from the innermost outwards.
struct SpiConnection {
  // What the current call has produced.
  uint64 processed;
  SPITupleTable* tuptable;

  slist_head tuptables;         // every live SPITupleTable made at this level
  MemoryContext proc_context;   // for what lives until SPI_finish
  MemoryContext exec_context;   // for what lives during one call
  MemoryContext saved_context;  // current when SPI_connect was called: the upper executor's
  SubTransactionId subid;       // in which it was made
  bool atomic;                  // no transaction control allowed
  bool ending_transaction;      // inside SPI_commit or SPI_rollback

  // The globals of the level outside, to be restored.
  uint64 outer_processed;
  SPITupleTable* outer_tuptable;
  int outer_result;
  SpiConnection* outer;
};

// The table whose list node this is.
inline SPITupleTable* spi_table_of(slist_node* node) {
  return reinterpret_cast<SPITupleTable*>(reinterpret_cast<char*>(node) - offsetof(SPITupleTable, next));
}

// The innermost connection, nullptr if not connected.
extern SpiConnection* spi_current;

// One statement of a text, in palloc'd memory.
struct SpiStatement {
  bgw::StatementKind kind;
  const char* text;
  int offset;  // characters before it in the whole text
  const char* tag;
  bool returning, read_only, cursor_ok, may_need_binary, needs_snapshot, drops_prepared, changes_names, analyzed_at_prepare, is_set,
      closes_cursor;
  const char* set_name;
  bgw::SettingAction setting;
  const char* set_value;  // nullptr: not known
  bool set_local;
  const char* isolation;                        // of SET TRANSACTION; nullptr: not said
  signed char read_only_said, deferrable_said;  // and these: 0, 1, or -1 for not said
  const char* cursor_name;
  const char* outside_block;  // nullptr unless it must not run in a transaction block
  int max_param, max_param_at;
};

struct SpiText {
  const char* source;
  bool understood;
  int count;
  SpiStatement* statements;
};

// Reads `source` into the current memory context. Raises nothing but out of memory.
SpiText* spi_read_text(const char* source);

struct _SPI_plan {
  int magic;
  bool saved;
  int cursor_options;
  int nargs;
  Oid* argtypes;
  MemoryContext context;  // the plan itself is in it
  SpiText* text;
};

inline constexpr int spi_plan_magic = 569278163;
inline bool spi_plan_ok(SPIPlanPtr plan) {
  return plan != nullptr && plan->magic == spi_plan_magic;
}

// Parameter values for one run. `nulls` as in SPI_execute_plan; nullptr: none is NULL.
struct SpiParameters {
  int count;
  const Oid* types;
  const Datum* values;
  const char* nulls;
};

struct SpiRun {
  bool read_only;
  long tcount;
  bool must_return_tuples;
  bool want_prepared;
};

// A call begins: -4 if not connected, else 0 with the execution context current. Ends with spi_end_call.
int spi_begin_call(bool use_exec_context);
void spi_end_call(bool use_exec_context);

// Runs every statement of `text`; SPI_processed and SPI_tuptable are set. An SPI result code.
int spi_run_text(const SpiText* text, const SpiParameters* parameters, const SpiRun* how);

// Parses and analyses each statement of `text` on the upstream.
void spi_prepare_text(const SpiText* text, int nargs, const Oid* argtypes);

// Runs one statement whose result codes do not matter (cursor control), with its rows, if any, as the
// current level's tuptable. Returns the count that the command tag gives, or the number of rows.
// `binary`: the rows are asked for in binary form.
uint64 spi_run_internal(const char* text, const SpiParameters* parameters, bool read_only, bool binary);

// Whether the rows of the statement are to be asked for in binary form (spi_binary.cc). May describe it on the upstream.
bool spi_wants_binary(const SpiStatement* statement, const BgwRun* run);

// Runs it so. One that fails because a type has no binary form is run as text, at once if what it has done is undone.
const bgw::RowSet* spi_run_binary(const SpiStatement* statement, BgwRun* run, bool* too_many);

// What is sent of a statement.
BgwRun spi_make_run(const SpiStatement* s, int nargs, const Oid* argtypes, const SpiRun* how);

// Its columns are known now.
void spi_note_columns(const SpiStatement* statement, const BgwRun* run, const bgw::RowSet* columns);

// Its rows came as text with names in it that are not one object's.
void spi_note_ambiguous_names(const SpiStatement* statement, const BgwRun* run, const bgw::RowSet* columns);

// Values as the upstream reads them, nullptr for NULL, in the current context: as text, but for bytea if
// binary_lengths is not nullptr, which is set to those of BgwRun.
const char* const* spi_parameter_texts(const SpiParameters* parameters, const int** binary_lengths);

// Extracts plain arrays from a ParamListInfo, into the current context. nullptr gives no parameters.
SpiParameters spi_parameters_from_list(ParamListInfo list);

// Raises the server's error if the statement has a parameter beyond `nargs`.
void spi_check_parameter_numbers(const SpiStatement* statement, int nargs);

// CLOSE has run on the upstream: the portal of that name, or every one (nullptr), is no more.
void spi_forget_cursors(const char* name);

// The message for a statement that a read-only call must not run.
void spi_refuse_unless_read_only(const SpiStatement* statement);

// The context line or position that an error inside SPI gets. Push and pop around what may raise.
struct SpiErrorContext {
  ErrorContextCallback callback;
  const char* query;
};
void spi_push_error_context(SpiErrorContext* context, const char* query);
void spi_pop_error_context(const SpiErrorContext* context);

// Makes the current level's tuptable from rows of the session. False: there are names of functions or operators in it that are
// not one object's, so that these columns are text.
bool spi_make_tuptable(const bgw::RowSet* rows);

// The same, of one row with one column of type text.
void spi_make_text_tuptable(const char* name, const char* value);

// SET, RESET and SHOW (spi_settings.cc). What is to be sent to the upstream; nullptr: nothing. Settings that
// are the host's alone are set or shown then. Raises what the server would.
const char* spi_setting_before(const SpiStatement* statement);
// The statement has run on the upstream: the host's own variable follows.
void spi_setting_after(const SpiStatement* statement);

// The name of a type that is not built in, from the upstream's catalog; nullptr if there is none.
char* bgw_type_name(Oid type);
