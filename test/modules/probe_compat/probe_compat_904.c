/*
 * probe_compat_904: what only -DBGWORKER_COMPAT=904 can build, two structures at once, initializers and sizeof(bgw_name).
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

static void
say_and_leave(Datum main_arg)
{
	BackgroundWorkerUnblockSignals();
	elog(LOG, "%s: argument %d", MyBgworkerEntry->bgw_name, DatumGetInt32(main_arg));
	proc_exit(0);
}

void
_PG_init(void)
{
	BackgroundWorker one = {
		.bgw_name = "one with a long name",
		.bgw_flags = BGWORKER_SHMEM_ACCESS,
		.bgw_start_time = BgWorkerStart_ConsistentState,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_main = say_and_leave,
	};
	BackgroundWorker two = one;

	snprintf(two.bgw_name, sizeof(two.bgw_name), "two with a long name");
	one.bgw_main_arg = Int32GetDatum(1);
	two.bgw_main_arg = Int32GetDatum(2);
	RegisterBackgroundWorker(&one);
	RegisterBackgroundWorker(&two);
}
