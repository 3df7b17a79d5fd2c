/*
 * probe_values: the property that a value means the same in the host as in the server. Values of the built-in types are
 * generated from a seed, fetched through SPI in rows with NULLs between, looked at as text, as the bytes of their Datum
 * and through the heap tuple, and sent back as parameters. The argument is SEED or SEED/ROWS.
 */
#include "postgres.h"

#include "probe_values.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_values_entry(Datum main_arg);

static const ProbeAction actions[] = {
	{"idle", probe_idle},
	{"generated", do_generated},
	{"large", do_large},
	{"own_types", do_own_types},
	{"ranges", do_ranges},
	{"type_cache", do_type_cache},
	{"descriptors", do_descriptors},
	{"aliases", do_aliases},
	{"money", do_money},
	{"access_rights", do_access_rights},
	{"own_changes", do_own_changes},
	{"records", do_records},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	probe_init("probe_values", "probe_values_entry");
}

void
probe_values_entry(Datum main_arg)
{
	probe_main(actions, main_arg);
}
