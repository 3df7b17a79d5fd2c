/*
 * What the parts of probe_xact share. Unlike probe_sql.h's, these transactions and statements log no more than what came of
 * a statement.
 */
#ifndef PROBE_XACT_H
#define PROBE_XACT_H

#include "probe_common.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "parser/parse_node.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

static inline void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static inline void
commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

static inline void
outcome(const char *what, int result)
{
	SAY("%s -> %d processed " UINT64_FORMAT " table %s", what, result, SPI_processed, SPI_tuptable ? "yes" : "no");
	if (SPI_tuptable)
		for (uint64 row = 0; row < SPI_tuptable->numvals && row < 20; row++)
			for (int column = 1; column <= SPI_tuptable->tupdesc->natts; column++)
			{
				char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

				SAY("  " UINT64_FORMAT ".%d = %s", row, column, value ? value : "NULL");
			}
}

static inline void
execute(const char *statement)
{
	outcome(statement, SPI_execute(statement, false, 0));
}

/* Runs a statement and catches its error, without a subtransaction. */
static const char *attempted;

static inline void
run_attempted(void)
{
	execute(attempted);
}

static inline void
attempt(const char *statement)
{
	attempted = statement;
	probe_attempt(statement, run_attempted);
}

/* One value as text, of a statement that gives one. */
static inline char *
value_of(const char *statement)
{
	if (SPI_execute(statement, false, 0) != SPI_OK_SELECT && SPI_tuptable == NULL)
		elog(ERROR, "no result of %s", statement);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* Modules are loaded with global names: those of one module's parts are nobody else's. */
#pragma GCC visibility push(hidden)

/* The setting probe_xact.number. */
extern int	a_number;

/* --- transactions.c --- */
void		do_begin_twice(const char *argument);
void		do_commit_none(const char *argument);
void		do_misuse(const char *argument);
void		do_leave(const char *argument);
void		do_abort_unblocks(const char *argument);
void		do_contexts(const char *argument);
void		do_left_connected(const char *argument);
void		do_partial(const char *argument);
void		do_caught(const char *argument);
void		do_export(const char *argument);
void		do_clock(const char *argument);
void		do_timeouts(const char *argument);
void		do_own_timeout(const char *argument);
void		do_hold(const char *argument);
void		do_lock(const char *argument);
void		do_session(const char *argument);
void		do_no_transaction(const char *argument);

/* --- spi.c --- */
void		do_no_snapshot(const char *argument);
void		do_only_outside(const char *argument);
void		do_rule(const char *argument);
void		do_limit_returning(const char *argument);
void		do_limits(const char *argument);
void		do_snapshot(const char *argument);
void		do_deferred_in_read_only(const char *argument);
void		do_free_twice(const char *argument);
void		do_extension_value(const char *argument);
void		do_record(const char *argument);
void		do_ambiguous(const char *argument);
void		do_domain(const char *argument);
void		do_record_parameter(const char *argument);
void		do_parameter(const char *argument);
void		do_own_portal(const char *argument);
void		do_current_setting(const char *argument);
void		do_date_style(const char *argument);
void		do_executor(const char *argument);
void		do_plans(const char *argument);
void		do_cursors(const char *argument);
void		do_hold_cursor(const char *argument);
void		do_nonatomic(const char *argument);
void		do_memory(const char *argument);
void		do_levels(const char *argument);
void		do_logged(const char *argument);
void		do_sleep(const char *argument);
void		do_slow_commit(const char *argument);

/* --- sessions.c --- */
void		do_set_module(const char *argument);
void		do_wait_for_reload(const char *argument);
void		do_number_and_leave(const char *argument);
void		do_connect(const char *argument);
void		do_connect_oid(const char *argument);
void		do_session_defaults(const char *argument);

#pragma GCC visibility pop

#endif
