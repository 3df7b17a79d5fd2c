/*
 * probe_xact: transactions, cursors, plans, connections and settings through SPI where they are used at their edges: out
 * of order, twice, without what they need, and where a remote session is known to be different.
 */
#include "postgres.h"

#include "probe_xact.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_xact_entry(Datum main_arg);

int			a_number;

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"begin_twice", do_begin_twice},
	{"commit_none", do_commit_none},
	{"misuse", do_misuse},
	{"leave", do_leave},
	{"abort_unblocks", do_abort_unblocks},
	{"contexts", do_contexts},
	{"left_connected", do_left_connected},
	{"partial", do_partial},
	{"caught", do_caught},
	{"export", do_export},
	{"clock", do_clock},
	{"timeouts", do_timeouts},
	{"own_timeout", do_own_timeout},
	{"hold", do_hold},
	{"lock", do_lock},
	{"session", do_session},
	{"no_transaction", do_no_transaction},
	{"set_module", do_set_module},
	{"wait_for_reload", do_wait_for_reload},
	{"number_and_leave", do_number_and_leave},
	{"no_snapshot", do_no_snapshot},
	{"only_outside", do_only_outside},
	{"rule", do_rule},
	{"limit_returning", do_limit_returning},
	{"limits", do_limits},
	{"snapshot", do_snapshot},
	{"deferred_in_read_only", do_deferred_in_read_only},
	{"free_twice", do_free_twice},
	{"extension_value", do_extension_value},
	{"record", do_record},
	{"ambiguous", do_ambiguous},
	{"domain", do_domain},
	{"parameter", do_parameter},
	{"record_parameter", do_record_parameter},
	{"own_portal", do_own_portal},
	{"current_setting", do_current_setting},
	{"date_style", do_date_style},
	{"executor", do_executor},
	{"plans", do_plans},
	{"cursors", do_cursors},
	{"hold_cursor", do_hold_cursor},
	{"nonatomic", do_nonatomic},
	{"memory", do_memory},
	{"levels", do_levels},
	{"logged", do_logged},
	{"sleep", do_sleep},
	{"slow_commit", do_slow_commit},
	{"connect", do_connect},
	{"connect_oid", do_connect_oid},
	{"session_defaults", do_session_defaults},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	DefineCustomIntVariable("probe_xact.number", "A number.", NULL, &a_number, 1, 0, 100, PGC_USERSET, 0, NULL, NULL,
							NULL);
	probe_init("probe_xact", "probe_xact_entry");
	MarkGUCPrefixReserved("probe_xact");
}

void
probe_xact_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
