/*
 * probe_core: the property that what every module stands on does in the host what it does in the server: settings, memory
 * contexts, resource owners, timeouts, hash tables, dynamic areas, the calling of functions. The argument of each action
 * is SEED.
 */
#include "probe_core.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_core_main(Datum main_arg);

#include "settings.h"
#include "owners.h"
#include "pieces.h"
#include "tables.h"
#include "calls.h"
#include "timeouts.h"
#include "areas.h"

static const ProbeAction actions[] = {
	{"units", do_units},
	{"settings", do_settings},
	{"owners", do_owners},
	{"memory", do_memory},
	{"pieces", do_pieces},
	{"tables", do_tables},
	{"calls", do_calls},
	{"timeouts", do_timeouts},
	{"areas", do_areas},
	{NULL, NULL}
};

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		probe_init("probe_core", "probe_core_main");
}

void
probe_core_main(Datum main_arg)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "probe_core", ALLOCSET_DEFAULT_SIZES);

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	MemoryContextSwitchTo(context);
	probe_main(actions, main_arg);
}
