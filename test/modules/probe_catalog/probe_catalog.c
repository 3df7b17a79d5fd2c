/*
 * probe_catalog: the property that a module that reads the catalogues, or a table, the way code of the server does, by
 * relation, by scan or by cache, sees in the host what it sees in the server.
 */
#include "postgres.h"

#include "probe_common.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_tablespace.h"
#include "common/hashfn.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_catalog_main(Datum main_arg);

/* Says an expression's value, or the error that it raises. */
#define RESULT(what, format, ...) \
	do { \
		MemoryContext result_context = CurrentMemoryContext; \
		PG_TRY(); \
		{ \
			char	   *result_text = psprintf(format, __VA_ARGS__); \
			SAY("%s: %s", what, result_text); \
		} \
		PG_CATCH(); \
		{ \
			ErrorData  *result_error; \
			MemoryContextSwitchTo(result_context); \
			result_error = CopyErrorData(); \
			FlushErrorState(); \
			SAY("%s: %s %s", what, unpack_sql_state(result_error->sqlerrcode), result_error->message); \
		} \
		PG_END_TRY(); \
	} while (0)

/* ---- a launcher */

/* Lists the databases as launchers do. */
static void
list_databases(void)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		SAY("database %u \"%s\" of %u, encoding %d, %d %d, limit %d, tablespace %u, in %u at (%u,%u)", database->oid,
			NameStr(database->datname), database->datdba, database->encoding, database->datistemplate,
			database->datallowconn, database->datconnlimit, database->dattablespace, tuple->t_tableOid,
			ItemPointerGetBlockNumber(&tuple->t_self), ItemPointerGetOffsetNumber(&tuple->t_self));
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
}

/* The argument is a database, or none. */
static void
launcher(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(argument, NULL, 0);
	list_databases();
	list_databases();
	SAY("done");
}

/* A catalogue that a process without a database cannot know. */
static void
blind(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	StartTransactionCommand();
	(void) table_open(TableSpaceRelationId, AccessShareLock);
	SAY("done");
}

static const ProbeAction actions[] = {
	{"launcher", launcher},
	{"blind", blind},
	{NULL, NULL}
};

void
probe_catalog_main(Datum main_arg)
{
	probe_main(actions, main_arg);
}

void
_PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		probe_init("probe_catalog", "probe_catalog_main");
}
