/*
 * probe_catalog: the property that a module that reads the catalogues, or a table, the way code of the server does, by
 * relation, by scan or by cache, sees in the host what it sees in the server.
 */
#include "postgres.h"

#include "probe_common.h"
#include "probe_random.h"
#include "probe_result.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_description.h"
#include "catalog/pg_default_acl.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_parameter_acl.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_publication_namespace.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_range.h"
#include "catalog/pg_replication_origin.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_sequence.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_statistic_ext_data.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_tablespace.h"
#include "catalog/pg_transform.h"
#include "catalog/pg_ts_config.h"
#include "catalog/pg_ts_config_map.h"
#include "catalog/pg_ts_dict.h"
#include "catalog/pg_ts_parser.h"
#include "catalog/pg_ts_template.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_MODULE_MAGIC;

void		_PG_init(void);
PGDLLEXPORT void probe_catalog_main(Datum main_arg);

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

/* What else a launcher asks, of what all databases share, where the server needs no index for it. */
static void
say_shared(void)
{
	HeapTuple	tuple;
	CatCList   *list;

	StartTransactionCommand();
	RESULT("name", "%s", get_database_name(1));
	tuple = SearchSysCache1(AUTHNAME, CStringGetDatum("postgres"));
	RESULT("role", "%u \"%s\" %d", ((Form_pg_authid) GETSTRUCT(tuple))->oid, NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname),
		   ((Form_pg_authid) GETSTRUCT(tuple))->rolsuper);
	ReleaseSysCache(tuple);
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(1));
	SAY("cached: \"%s\"", NameStr(((Form_pg_database) GETSTRUCT(tuple))->datname));
	ReleaseSysCache(tuple);
	list = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(BOOTSTRAP_SUPERUSERID));
	SAY("memberships: %d", list->n_members);
	ReleaseSysCacheList(list);
	RESULT("user", "%s", GetUserNameFromId(GetUserId(), false));
	RESULT("role", "%u %u", get_role_oid("pg_monitor", false), get_role_oid("nobody's", true));
	RESULT("member", "%d", is_member_of_role(3373, 3374));
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
	say_shared();
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

/* ---- what is in a tuple */

/* A number for a value, the same wherever the value is. */
static uint32
hash_value(const FormData_pg_attribute *attribute, Datum value)
{
	if (type_is_rowtype(attribute->atttypid))
	{
		/* Not all bytes of a row's header mean something. */
		Oid			output;
		bool		varlena;
		char	   *text;

		getTypeOutputInfo(attribute->atttypid, &output, &varlena);
		text = OidOutputFunctionCall(output, value);
		return hash_bytes((unsigned char *) text, (int) strlen(text));
	}
	if (attribute->attlen == -1)
	{
		struct varlena *flat = pg_detoast_datum((struct varlena *) DatumGetPointer(value));

		return hash_bytes((unsigned char *) VARDATA_ANY(flat), (int) VARSIZE_ANY_EXHDR(flat));
	}
	if (attribute->attlen == -2)
		return hash_bytes((unsigned char *) DatumGetCString(value), (int) strlen(DatumGetCString(value)));
	if (attribute->attbyval)
		return hash_bytes((unsigned char *) &value, sizeof(Datum));
	return hash_bytes((unsigned char *) DatumGetPointer(value), attribute->attlen);
}

/* Counters of the server's upkeep, and what is made of statistics, are not the same in two servers, or not built in the host. */
static bool
differs(const FormData_pg_attribute *attribute)
{
	const char *name = NameStr(attribute->attname);

	return attribute->atttypid == ANYARRAYOID || attribute->atttypid == PG_NDISTINCTOID ||
		attribute->atttypid == PG_DEPENDENCIESOID || attribute->atttypid == PG_MCV_LISTOID ||
		strcmp(name, "rolpassword") == 0 || strcmp(name, "relpages") == 0 || strcmp(name, "reltuples") == 0 ||
		strcmp(name, "relallvisible") == 0;
}

static uint32
hash_tuple(HeapTuple tuple, TupleDesc desc)
{
	uint32		hash = tuple->t_tableOid;

	for (int i = 0; i < desc->natts; i++)
	{
		const FormData_pg_attribute *attribute = TupleDescAttr(desc, i);
		bool		null;
		Datum		value = heap_getattr(tuple, i + 1, desc, &null);

		if (!differs(attribute) && !attribute->attisdropped)
			hash = hash_combine(hash, null ? 1 : hash_value(attribute, value));
	}
	return hash;
}

/* ---- relations */

static void
say_relation(Relation relation)
{
	TupleDesc	desc = RelationGetDescr(relation);
	Form_pg_class form = RelationGetForm(relation);
	TupleConstr *constr = desc->constr;

	SAY("relation %u \"%s\" in %u, kind %c%c, %d columns, owner %u, type %u, am %u, shared %d, toast %u, checks %d",
		RelationGetRelid(relation), RelationGetRelationName(relation), RelationGetNamespace(relation), form->relkind,
		form->relpersistence, RelationGetNumberOfAttributes(relation), form->relowner, form->reltype, form->relam,
		form->relisshared, form->reltoastrelid, form->relchecks);
	SAY(" node %u, lock %u, indexes %d, rules %d, triggers %d, partition %d, identity %c, descriptor %u %d %d",
		relation->rd_node.relNode, relation->rd_lockInfo.lockRelId.relId, form->relhasindex, form->relhasrules,
		form->relhastriggers, form->relispartition, form->relreplident, desc->tdtypeid, desc->tdtypmod, desc->natts);
	if (constr)
	{
		SAY(" not null %d, generated %d, defaults %d, checks %d", constr->has_not_null, constr->has_generated_stored,
			constr->num_defval, constr->num_check);
		for (int i = 0; i < constr->num_defval; i++)
			SAY(" default of %d: %u", constr->defval[i].adnum,
				hash_bytes((unsigned char *) constr->defval[i].adbin, (int) strlen(constr->defval[i].adbin)));
		for (int i = 0; i < constr->num_check; i++)
			SAY(" check \"%s\" %d %d", constr->check[i].ccname, constr->check[i].ccvalid, constr->check[i].ccnoinherit);
	}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(desc, i);

		SAY(" column %d \"%s\" of %u: type %u, target %d, length %d, dims %d, typmod %d, %d%c%c%d, not null %d, default %d, %d %d,"
			" dropped %d, local %d %d, collation %u", a->attnum, NameStr(a->attname), a->attrelid, a->atttypid,
			a->attstattarget, a->attlen, a->attndims, a->atttypmod, a->attbyval, a->attalign, a->attstorage,
			a->attcompression, a->attnotnull, a->atthasdef, a->attidentity, a->attgenerated, a->attisdropped,
			a->attislocal, a->attinhcount, a->attcollation);
	}
}

static void
say_rows(Relation relation, bool each)
{
	TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
	HeapTuple	tuple;
	uint32		sum = 0;
	int			count = 0;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		uint32		hash = hash_tuple(tuple, RelationGetDescr(relation));

		if (each)
			SAY(" row %u of %u, at (%u,%u)", hash, tuple->t_tableOid, ItemPointerGetBlockNumber(&tuple->t_self),
				ItemPointerGetOffsetNumber(&tuple->t_self));
		/* In any order: a large table is scanned from where another scan has left. */
		sum += hash;
		count++;
	}
	SAY("%s: %d rows, %u", RelationGetRelationName(relation), count, sum);
	/* Back again, from the end. */
	count = 0;
	while ((tuple = heap_getnext(scan, BackwardScanDirection)) != NULL)
	{
		sum -= hash_tuple(tuple, RelationGetDescr(relation));
		count++;
	}
	SAY("%s: %d rows back, %u", RelationGetRelationName(relation), count, sum);
	table_endscan(scan);
}

/* Every catalogue: its description and its rows. */
static void
catalogs(const char *argument)
{
	Oid			relations[200];
	int			count = 0;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	relation = table_open(RelationRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relnamespace == PG_CATALOG_NAMESPACE && form->relkind == RELKIND_RELATION &&
			form->oid < FirstNormalObjectId && count < lengthof(relations))
			relations[count++] = form->oid;
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	for (int i = 0; i < count; i++)
	{
		relation = table_open(relations[i], AccessShareLock);
		say_relation(relation);
		say_rows(relation, false);
		table_close(relation, AccessShareLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("done");
}

/* Tables of the user's, with what can happen to columns. */
static const char *const names[] = {"plain", "dropped", "empty", "nothing", "parent", "child", "a view", "a sequence",
	"plain_pkey", "a type", "missing", "partitioned", "reached"};

static void
tables(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < lengthof(names); i++)
	{
		RangeVar   *name = makeRangeVar("s p", (char *) names[i], -1);
		Relation	relation = NULL;

		RESULT(names[i], "%s", (relation = table_openrv(name, AccessShareLock), RelationGetRelationName(relation)));
		if (relation != NULL)
		{
			char		kind = relation->rd_rel->relkind;

			say_relation(relation);
			if (kind == RELKIND_RELATION || kind == RELKIND_SEQUENCE)
				say_rows(relation, true);
			table_close(relation, NoLock);
		}
		relation = NULL;
		RESULT("relation", "%s", (relation = relation_openrv(name, NoLock), RelationGetRelationName(relation)));
		if (relation != NULL)
		{
			if (relation->rd_index != NULL)
				SAY(" index of %u, %d keys, unique %d, first key %d", relation->rd_index->indrelid,
					relation->rd_index->indnkeyatts, relation->rd_index->indisunique,
					relation->rd_index->indkey.values[0]);
			relation_close(relation, NoLock);
		}
	}
	RESULT("no relation", "%p", table_open(4000000000u, AccessShareLock));
	RESULT("no relation", "%p", relation_open(4000000000u, NoLock));
	RESULT("no relation", "%d", try_table_open(4000000000u, AccessShareLock) == NULL);
	RESULT("no relation", "%d", RelationIdGetRelation(4000000000u) == NULL);
	RESULT("no relation", "%d",
		   table_openrv_extended(makeRangeVar("s p", "missing", -1), AccessShareLock, true) == NULL);
	RESULT("no index", "%p", table_open(ClassOidIndexId, AccessShareLock));
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("done");
}

/* ---- caches */

typedef struct Cache
{
	int			id;
	const char *name;
	Oid			catalog;
	int			nkeys;
	AttrNumber	keys[4];
} Cache;

static const Cache caches[] = {
	{AGGFNOID, "AGGFNOID", AggregateRelationId, 1, {Anum_pg_aggregate_aggfnoid}},
	{AMNAME, "AMNAME", AccessMethodRelationId, 1, {Anum_pg_am_amname}},
	{AMOID, "AMOID", AccessMethodRelationId, 1, {Anum_pg_am_oid}},
	{AMOPOPID, "AMOPOPID", AccessMethodOperatorRelationId, 3, {Anum_pg_amop_amopopr, Anum_pg_amop_amoppurpose, Anum_pg_amop_amopfamily}},
	{AMOPSTRATEGY, "AMOPSTRATEGY", AccessMethodOperatorRelationId, 4, {Anum_pg_amop_amopfamily, Anum_pg_amop_amoplefttype, Anum_pg_amop_amoprighttype, Anum_pg_amop_amopstrategy}},
	{AMPROCNUM, "AMPROCNUM", AccessMethodProcedureRelationId, 4, {Anum_pg_amproc_amprocfamily, Anum_pg_amproc_amproclefttype, Anum_pg_amproc_amprocrighttype, Anum_pg_amproc_amprocnum}},
	{ATTNAME, "ATTNAME", AttributeRelationId, 2, {Anum_pg_attribute_attrelid, Anum_pg_attribute_attname}},
	{ATTNUM, "ATTNUM", AttributeRelationId, 2, {Anum_pg_attribute_attrelid, Anum_pg_attribute_attnum}},
	{AUTHMEMMEMROLE, "AUTHMEMMEMROLE", AuthMemRelationId, 2, {Anum_pg_auth_members_member, Anum_pg_auth_members_roleid}},
	{AUTHMEMROLEMEM, "AUTHMEMROLEMEM", AuthMemRelationId, 2, {Anum_pg_auth_members_roleid, Anum_pg_auth_members_member}},
	{AUTHNAME, "AUTHNAME", AuthIdRelationId, 1, {Anum_pg_authid_rolname}},
	{AUTHOID, "AUTHOID", AuthIdRelationId, 1, {Anum_pg_authid_oid}},
	{CASTSOURCETARGET, "CASTSOURCETARGET", CastRelationId, 2, {Anum_pg_cast_castsource, Anum_pg_cast_casttarget}},
	{CLAAMNAMENSP, "CLAAMNAMENSP", OperatorClassRelationId, 3, {Anum_pg_opclass_opcmethod, Anum_pg_opclass_opcname, Anum_pg_opclass_opcnamespace}},
	{CLAOID, "CLAOID", OperatorClassRelationId, 1, {Anum_pg_opclass_oid}},
	{COLLNAMEENCNSP, "COLLNAMEENCNSP", CollationRelationId, 3, {Anum_pg_collation_collname, Anum_pg_collation_collencoding, Anum_pg_collation_collnamespace}},
	{COLLOID, "COLLOID", CollationRelationId, 1, {Anum_pg_collation_oid}},
	{CONDEFAULT, "CONDEFAULT", ConversionRelationId, 4, {Anum_pg_conversion_connamespace, Anum_pg_conversion_conforencoding, Anum_pg_conversion_contoencoding, Anum_pg_conversion_oid}},
	{CONNAMENSP, "CONNAMENSP", ConversionRelationId, 2, {Anum_pg_conversion_conname, Anum_pg_conversion_connamespace}},
	{CONSTROID, "CONSTROID", ConstraintRelationId, 1, {Anum_pg_constraint_oid}},
	{CONVOID, "CONVOID", ConversionRelationId, 1, {Anum_pg_conversion_oid}},
	{DATABASEOID, "DATABASEOID", DatabaseRelationId, 1, {Anum_pg_database_oid}},
	{DEFACLROLENSPOBJ, "DEFACLROLENSPOBJ", DefaultAclRelationId, 3, {Anum_pg_default_acl_defaclrole, Anum_pg_default_acl_defaclnamespace, Anum_pg_default_acl_defaclobjtype}},
	{ENUMOID, "ENUMOID", EnumRelationId, 1, {Anum_pg_enum_oid}},
	{ENUMTYPOIDNAME, "ENUMTYPOIDNAME", EnumRelationId, 2, {Anum_pg_enum_enumtypid, Anum_pg_enum_enumlabel}},
	{EVENTTRIGGERNAME, "EVENTTRIGGERNAME", EventTriggerRelationId, 1, {Anum_pg_event_trigger_evtname}},
	{EVENTTRIGGEROID, "EVENTTRIGGEROID", EventTriggerRelationId, 1, {Anum_pg_event_trigger_oid}},
	{FOREIGNDATAWRAPPERNAME, "FOREIGNDATAWRAPPERNAME", ForeignDataWrapperRelationId, 1, {Anum_pg_foreign_data_wrapper_fdwname}},
	{FOREIGNDATAWRAPPEROID, "FOREIGNDATAWRAPPEROID", ForeignDataWrapperRelationId, 1, {Anum_pg_foreign_data_wrapper_oid}},
	{FOREIGNSERVERNAME, "FOREIGNSERVERNAME", ForeignServerRelationId, 1, {Anum_pg_foreign_server_srvname}},
	{FOREIGNSERVEROID, "FOREIGNSERVEROID", ForeignServerRelationId, 1, {Anum_pg_foreign_server_oid}},
	{FOREIGNTABLEREL, "FOREIGNTABLEREL", ForeignTableRelationId, 1, {Anum_pg_foreign_table_ftrelid}},
	{INDEXRELID, "INDEXRELID", IndexRelationId, 1, {Anum_pg_index_indexrelid}},
	{LANGNAME, "LANGNAME", LanguageRelationId, 1, {Anum_pg_language_lanname}},
	{LANGOID, "LANGOID", LanguageRelationId, 1, {Anum_pg_language_oid}},
	{NAMESPACENAME, "NAMESPACENAME", NamespaceRelationId, 1, {Anum_pg_namespace_nspname}},
	{NAMESPACEOID, "NAMESPACEOID", NamespaceRelationId, 1, {Anum_pg_namespace_oid}},
	{OPERNAMENSP, "OPERNAMENSP", OperatorRelationId, 4, {Anum_pg_operator_oprname, Anum_pg_operator_oprleft, Anum_pg_operator_oprright, Anum_pg_operator_oprnamespace}},
	{OPEROID, "OPEROID", OperatorRelationId, 1, {Anum_pg_operator_oid}},
	{OPFAMILYAMNAMENSP, "OPFAMILYAMNAMENSP", OperatorFamilyRelationId, 3, {Anum_pg_opfamily_opfmethod, Anum_pg_opfamily_opfname, Anum_pg_opfamily_opfnamespace}},
	{OPFAMILYOID, "OPFAMILYOID", OperatorFamilyRelationId, 1, {Anum_pg_opfamily_oid}},
	{PARAMETERACLNAME, "PARAMETERACLNAME", ParameterAclRelationId, 1, {Anum_pg_parameter_acl_parname}},
	{PARAMETERACLOID, "PARAMETERACLOID", ParameterAclRelationId, 1, {Anum_pg_parameter_acl_oid}},
	{PARTRELID, "PARTRELID", PartitionedRelationId, 1, {Anum_pg_partitioned_table_partrelid}},
	{PROCNAMEARGSNSP, "PROCNAMEARGSNSP", ProcedureRelationId, 3, {Anum_pg_proc_proname, Anum_pg_proc_proargtypes, Anum_pg_proc_pronamespace}},
	{PROCOID, "PROCOID", ProcedureRelationId, 1, {Anum_pg_proc_oid}},
	{PUBLICATIONNAME, "PUBLICATIONNAME", PublicationRelationId, 1, {Anum_pg_publication_pubname}},
	{PUBLICATIONNAMESPACE, "PUBLICATIONNAMESPACE", PublicationNamespaceRelationId, 1, {Anum_pg_publication_namespace_oid}},
	{PUBLICATIONNAMESPACEMAP, "PUBLICATIONNAMESPACEMAP", PublicationNamespaceRelationId, 2, {Anum_pg_publication_namespace_pnnspid, Anum_pg_publication_namespace_pnpubid}},
	{PUBLICATIONOID, "PUBLICATIONOID", PublicationRelationId, 1, {Anum_pg_publication_oid}},
	{PUBLICATIONREL, "PUBLICATIONREL", PublicationRelRelationId, 1, {Anum_pg_publication_rel_oid}},
	{PUBLICATIONRELMAP, "PUBLICATIONRELMAP", PublicationRelRelationId, 2, {Anum_pg_publication_rel_prrelid, Anum_pg_publication_rel_prpubid}},
	{RANGEMULTIRANGE, "RANGEMULTIRANGE", RangeRelationId, 1, {Anum_pg_range_rngmultitypid}},
	{RANGETYPE, "RANGETYPE", RangeRelationId, 1, {Anum_pg_range_rngtypid}},
	{RELNAMENSP, "RELNAMENSP", RelationRelationId, 2, {Anum_pg_class_relname, Anum_pg_class_relnamespace}},
	{RELOID, "RELOID", RelationRelationId, 1, {Anum_pg_class_oid}},
	{REPLORIGIDENT, "REPLORIGIDENT", ReplicationOriginRelationId, 1, {Anum_pg_replication_origin_roident}},
	{REPLORIGNAME, "REPLORIGNAME", ReplicationOriginRelationId, 1, {Anum_pg_replication_origin_roname}},
	{RULERELNAME, "RULERELNAME", RewriteRelationId, 2, {Anum_pg_rewrite_ev_class, Anum_pg_rewrite_rulename}},
	{SEQRELID, "SEQRELID", SequenceRelationId, 1, {Anum_pg_sequence_seqrelid}},
	{STATEXTDATASTXOID, "STATEXTDATASTXOID", StatisticExtDataRelationId, 2, {Anum_pg_statistic_ext_data_stxoid, Anum_pg_statistic_ext_data_stxdinherit}},
	{STATEXTNAMENSP, "STATEXTNAMENSP", StatisticExtRelationId, 2, {Anum_pg_statistic_ext_stxname, Anum_pg_statistic_ext_stxnamespace}},
	{STATEXTOID, "STATEXTOID", StatisticExtRelationId, 1, {Anum_pg_statistic_ext_oid}},
	{STATRELATTINH, "STATRELATTINH", StatisticRelationId, 3, {Anum_pg_statistic_starelid, Anum_pg_statistic_staattnum, Anum_pg_statistic_stainherit}},
	{SUBSCRIPTIONNAME, "SUBSCRIPTIONNAME", SubscriptionRelationId, 2, {Anum_pg_subscription_subdbid, Anum_pg_subscription_subname}},
	{SUBSCRIPTIONOID, "SUBSCRIPTIONOID", SubscriptionRelationId, 1, {Anum_pg_subscription_oid}},
	{SUBSCRIPTIONRELMAP, "SUBSCRIPTIONRELMAP", SubscriptionRelRelationId, 2, {Anum_pg_subscription_rel_srrelid, Anum_pg_subscription_rel_srsubid}},
	{TABLESPACEOID, "TABLESPACEOID", TableSpaceRelationId, 1, {Anum_pg_tablespace_oid}},
	{TRFOID, "TRFOID", TransformRelationId, 1, {Anum_pg_transform_oid}},
	{TRFTYPELANG, "TRFTYPELANG", TransformRelationId, 2, {Anum_pg_transform_trftype, Anum_pg_transform_trflang}},
	{TSCONFIGMAP, "TSCONFIGMAP", TSConfigMapRelationId, 3, {Anum_pg_ts_config_map_mapcfg, Anum_pg_ts_config_map_maptokentype, Anum_pg_ts_config_map_mapseqno}},
	{TSCONFIGNAMENSP, "TSCONFIGNAMENSP", TSConfigRelationId, 2, {Anum_pg_ts_config_cfgname, Anum_pg_ts_config_cfgnamespace}},
	{TSCONFIGOID, "TSCONFIGOID", TSConfigRelationId, 1, {Anum_pg_ts_config_oid}},
	{TSDICTNAMENSP, "TSDICTNAMENSP", TSDictionaryRelationId, 2, {Anum_pg_ts_dict_dictname, Anum_pg_ts_dict_dictnamespace}},
	{TSDICTOID, "TSDICTOID", TSDictionaryRelationId, 1, {Anum_pg_ts_dict_oid}},
	{TSPARSERNAMENSP, "TSPARSERNAMENSP", TSParserRelationId, 2, {Anum_pg_ts_parser_prsname, Anum_pg_ts_parser_prsnamespace}},
	{TSPARSEROID, "TSPARSEROID", TSParserRelationId, 1, {Anum_pg_ts_parser_oid}},
	{TSTEMPLATENAMENSP, "TSTEMPLATENAMENSP", TSTemplateRelationId, 2, {Anum_pg_ts_template_tmplname, Anum_pg_ts_template_tmplnamespace}},
	{TSTEMPLATEOID, "TSTEMPLATEOID", TSTemplateRelationId, 1, {Anum_pg_ts_template_oid}},
	{TYPENAMENSP, "TYPENAMENSP", TypeRelationId, 2, {Anum_pg_type_typname, Anum_pg_type_typnamespace}},
	{TYPEOID, "TYPEOID", TypeRelationId, 1, {Anum_pg_type_oid}},
	{USERMAPPINGOID, "USERMAPPINGOID", UserMappingRelationId, 1, {Anum_pg_user_mapping_oid}},
	{USERMAPPINGUSERSERVER, "USERMAPPINGUSERSERVER", UserMappingRelationId, 2, {Anum_pg_user_mapping_umuser, Anum_pg_user_mapping_umserver}},
	{EXTENSIONOID, "EXTENSIONOID", ExtensionRelationId, 1, {Anum_pg_extension_oid}},
};

static HeapTuple
search(const Cache *cache, const Datum *keys)
{
	switch (cache->nkeys)
	{
		case 1:
			return SearchSysCache1(cache->id, keys[0]);
		case 2:
			return SearchSysCache2(cache->id, keys[0], keys[1]);
		case 3:
			return SearchSysCache3(cache->id, keys[0], keys[1], keys[2]);
		default:
			return SearchSysCache4(cache->id, keys[0], keys[1], keys[2], keys[3]);
	}
}

static void
say_search(const Cache *cache, TupleDesc desc, const Datum *keys)
{
	HeapTuple	tuple = search(cache, keys);
	HeapTuple	again;
	HeapTuple	copy;

	if (tuple == NULL)
	{
		SAY("%s: none, %d", cache->name, SearchSysCacheExists(cache->id, keys[0], keys[1], keys[2], keys[3]));
		return;
	}
	again = search(cache, keys);
	copy = SearchSysCacheCopy(cache->id, keys[0], keys[1], keys[2], keys[3]);
	SAY("%s: %u, the same %d, copied %d, exists %d, at (%u,%u) of %u", cache->name, hash_tuple(tuple, desc), again == tuple,
		copy != tuple && hash_tuple(copy, desc) == hash_tuple(tuple, desc),
		SearchSysCacheExists(cache->id, keys[0], keys[1], keys[2], keys[3]),
		ItemPointerGetBlockNumber(&tuple->t_self), ItemPointerGetOffsetNumber(&tuple->t_self), tuple->t_tableOid);
	for (int i = 0; i < 3; i++)
	{
		int			column = below(desc->natts) + 1;
		bool		null;
		Datum		value = SysCacheGetAttr(cache->id, tuple, column, &null);

		if (!differs(TupleDescAttr(desc, column - 1)))
			SAY(" column %d: %u", column, null ? 0 : hash_value(TupleDescAttr(desc, column - 1), value));
	}
	if (TupleDescAttr(desc, 0)->atttypid == OIDOID)
		SAY(" OID %u", GetSysCacheOid(cache->id, 1, keys[0], keys[1], keys[2], keys[3]));
	ReleaseSysCache(again);
	ReleaseSysCache(tuple);
}

static void
say_list(const Cache *cache, TupleDesc desc, const Datum *keys)
{
	int			nkeys = 1 + below(cache->nkeys - 1);
	CatCList   *list = SearchSysCacheList(cache->id, nkeys, keys[0], keys[1], keys[2]);
	uint32		hash = 0;

	for (int i = 0; i < list->n_members; i++)
		hash = hash_combine(hash, hash_tuple(&list->members[i]->tuple, desc));
	SAY("%s by %d: %d members, %u", cache->name, nkeys, list->n_members, list->ordered ? hash : 0);
	ReleaseSysCacheList(list);
}

static void
search_cache(const Cache *cache)
{
	Relation	relation = table_open(cache->catalog, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(relation);
	TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
	HeapTuple	rows[6];
	HeapTuple	tuple;
	int			seen = 0;
	NameData	long_name;

	memset(rows, 0, sizeof(rows));
	memset(&long_name, 'x', NAMEDATALEN - 1);
	NameStr(long_name)[NAMEDATALEN - 1] = '\0';
	/* Some of the rows, each as likely as any other. */
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		int			place = seen < lengthof(rows) ? seen : below(seen + 1);

		if (place < lengthof(rows))
			rows[place] = heap_copytuple(tuple);
		seen++;
	}
	table_endscan(scan);
	for (int i = 0; i < lengthof(rows); i++)
	{
		Datum		keys[4] = {0};
		int			wrong = below(cache->nkeys);
		Oid			type = TupleDescAttr(desc, cache->keys[wrong] - 1)->atttypid;
		bool		null = rows[i] == NULL;

		if (rows[i] != NULL)
		{
			for (int key = 0; key < cache->nkeys; key++)
				keys[key] = heap_getattr(rows[i], cache->keys[key], desc, &null);
			say_search(cache, desc, keys);
			if (cache->nkeys > 1)
				say_list(cache, desc, keys);
		}
		else
			for (int key = 0; key < cache->nkeys; key++)
				switch (TupleDescAttr(desc, cache->keys[key] - 1)->atttypid)
				{
					case NAMEOID:
						keys[key] = NameGetDatum(&long_name);
						break;
					case TEXTOID:
						keys[key] = CStringGetTextDatum("nobody's");
						break;
					default:
						keys[key] = (Datum) 1;
				}
		/* The same with one key that nobody has. */
		if (type == NAMEOID)
			keys[wrong] = i % 2 ? NameGetDatum(&long_name) : CStringGetDatum("nobody's");
		else if (type == OIDOID || type == REGPROCOID || type == INT4OID)
			keys[wrong] = UInt32GetDatum(4000000 + below(1000));
		else if (type == INT2OID)
			keys[wrong] = Int16GetDatum(20000);
		else if (type == TEXTOID)
			keys[wrong] = CStringGetTextDatum("nobody's either");
		else
			continue;
		say_search(cache, desc, keys);
	}
	table_close(relation, AccessShareLock);
}

static void
search_caches(const char *argument)
{
	HeapTuple	tuple;

	state = strtoull(argument, NULL, 10);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	for (int round = 0; round < 2; round++)
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		for (int i = 0; i < lengthof(caches); i++)
			search_cache(&caches[i]);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}

	StartTransactionCommand();
	RESULT("attribute", "%d", SearchSysCacheExistsAttName(RelationRelationId, "relname"));
	RESULT("attribute", "%d", SearchSysCacheExistsAttName(RelationRelationId, "relnames"));
	{
		Oid			dropped = RangeVarGetRelid(makeRangeVar("s p", "dropped", -1), NoLock, false);

		RESULT("attribute", "%d %d %d", SearchSysCacheCopyAttNum(dropped, 2) == NULL,
			   SearchSysCacheCopyAttNum(dropped, 3) == NULL, SearchSysCacheExistsAttName(dropped, "........pg.dropped.2........"));
	}
	/* What is not given back is named when the transaction ends. */
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	(void) table_open(DatabaseRelationId, AccessShareLock);
	CommitTransactionCommand();

	/* What is given back twice is an error. */
	StartTransactionCommand();
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
	ReleaseSysCache(tuple);
	PG_TRY();
	{
		ReleaseSysCache(tuple);
		SAY("released twice");
	}
	PG_CATCH();
	{
		FlushErrorState();
		SAY("not released twice");
	}
	PG_END_TRY();
	CommitTransactionCommand();
	SAY("done");
}

/* ---- what can be told from one row, or a few */

/* The OIDs of a catalogue's rows, in rising order. */
typedef struct Oids
{
	int			count;
	Oid		   *oid;
} Oids;

static int
compare_oids(const void *a, const void *b)
{
	Oid			one = *(const Oid *) a,
				other = *(const Oid *) b;

	return one < other ? -1 : one > other;
}

static Oids
oids_of(Oid catalog)
{
	Oids		found = {0, palloc(sizeof(Oid) * 10000)};
	Relation	relation = table_open(catalog, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(relation, 0, NULL);
	HeapTuple	tuple;

	/* The OID is the first column of each, also of pg_index and pg_aggregate. */
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL && found.count < 10000)
		found.oid[found.count++] = *(Oid *) GETSTRUCT(tuple);
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	qsort(found.oid, found.count, sizeof(Oid), compare_oids);
	return found;
}

static Oid
some(const Oids *oids)
{
	return below(12) == 0 ? 3000000 + below(100) : oids->oid[below(oids->count)];
}

static const char *
or_none(const char *text)
{
	return text ? text : "(none)";
}

static char *
list_text(List *list)
{
	char	   *text = pstrdup("");
	ListCell   *cell;

	foreach(cell, list)
		text = psprintf("%s %u", text, lfirst_oid(cell));
	return text;
}

static char *
signature(Oid function)
{
	Oid		   *types;
	int			count;
	Oid			result = get_func_signature(function, &types, &count);
	char	   *text = psprintf("%u:", result);

	for (int i = 0; i < count; i++)
		text = psprintf("%s %u", text, types[i]);
	return text;
}

static char *
column(Oid relation, AttrNumber number)
{
	Oid			type,
				collation;
	int32		typmod;

	get_atttypetypmodcoll(relation, number, &type, &typmod, &collation);
	return psprintf("%u %d %u, target %d, generated %d, options %d", type, typmod, collation,
					get_attstattarget(relation, number), get_attgenerated(relation, number),
					get_attoptions(relation, number) != 0);
}

static char *
input_types(Oid operator)
{
	Oid			left,
				right;

	op_input_types(operator, &left, &right);
	return psprintf("%u %u", left, right);
}

static char *
ordering(Oid operator)
{
	Oid			family,
				type,
				left,
				right;
	RegProcedure left_hash,
				right_hash;
	int16		strategy;
	bool		reverse = false;
	bool		found = get_ordering_op_properties(operator, &family, &type, &strategy);
	bool		hashed = get_compatible_hash_operators(operator, &left, &right);
	bool		functions = get_op_hash_functions(operator, &left_hash, &right_hash);

	return psprintf("%d %u %u %d, equality %u %d, ordering %u %u, merge%s, hash %d %u %u, %d %u %u", found, family, type,
					strategy, get_equality_op_for_ordering_op(operator, &reverse), reverse,
					get_ordering_op_for_equality_op(operator, true), get_ordering_op_for_equality_op(operator, false),
					list_text(get_mergejoin_opfamilies(operator)), hashed, left, right, functions, left_hash, right_hash);
}

static char *
properties(Oid operator, Oid family)
{
	Oid			left,
				right;
	int			strategy;

	get_op_opfamily_properties(operator, family, false, &strategy, &left, &right);
	return psprintf("%d %u %u", strategy, left, right);
}

static char *
preference(Oid type)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	return psprintf("%c%d", category, preferred);
}

static void
say_function_by_name(Oids *functions)
{
	Oid			function = some(functions);
	char	   *name = get_func_name(function);
	Oid		   *types = NULL;
	int			count = -1;
	List	   *names;

	if (name == NULL)
		name = "nobodys_function";
	else if (below(2))
		(void) get_func_signature(function, &types, &count);
	names = list_make1(makeString(name));
	if (below(3) == 0)
		names = lcons(makeString((char *) ONE_OF("pg_catalog", "s p", "public", "nowhere")), names);
	RESULT("by name", "%s %d: %u", name, count, LookupFuncName(names, count, types, below(2)));
	if (count >= 0)
		RESULT("signature", "%s", func_signature_string(names, count, NIL, types));
}

static void
lookups(const char *argument)
{
	Oids		functions,
				operators,
				relations,
				types,
				classes,
				collations,
				constraints,
				languages,
				families,
				indexes,
				schemas;

	state = strtoull(argument, NULL, 10);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	functions = oids_of(ProcedureRelationId);
	operators = oids_of(OperatorRelationId);
	relations = oids_of(RelationRelationId);
	types = oids_of(TypeRelationId);
	classes = oids_of(OperatorClassRelationId);
	collations = oids_of(CollationRelationId);
	constraints = oids_of(ConstraintRelationId);
	languages = oids_of(LanguageRelationId);
	families = oids_of(OperatorFamilyRelationId);
	indexes = oids_of(IndexRelationId);
	schemas = oids_of(NamespaceRelationId);
	for (int i = 0; i < 60; i++)
	{
		Oid			function = some(&functions),
					operator = some(&operators),
					relation = some(&relations),
					type = some(&types),
					other = some(&types),
					class = some(&classes),
					collation = some(&collations),
					constraint = some(&constraints),
					language = some(&languages),
					family = some(&families),
					index = some(&indexes);
		AttrNumber	number = below(14) - 2;
		Oid			left,
					element = InvalidOid;
		bool		missing_ok = below(2);

		SAY("functions: %u", function);
		RESULT("arguments", "%d", get_func_nargs(function));
		RESULT("signature", "%s", signature(function));
		RESULT("flags", "%u %d %d %c %c %c %d", get_func_variadictype(function), get_func_retset(function),
			   func_strict(function), func_volatile(function), func_parallel(function), get_func_prokind(function),
			   get_func_leakproof(function));
		RESULT("support", "%u", get_func_support(function));
		say_function_by_name(&functions);
		SAY("operators: %u", operator);
		RESULT("name", "%s %u %u %u %u %u %u", or_none(get_opname(operator)), get_opcode(operator),
			   get_op_rettype(operator), get_commutator(operator), get_negator(operator), get_oprrest(operator),
			   get_oprjoin(operator));
		RESULT("types", "%s", input_types(operator));
		RESULT("joinable", "%d %d", op_mergejoinable(operator, INT4ARRAYOID), op_hashjoinable(operator, INT4ARRAYOID));
		RESULT("strict", "%d %c", op_strict(operator), op_volatile(operator));
		RESULT("ordering", "%s", ordering(operator));
		SAY("families: %u", family);
		RESULT("member", "%d %d %u %s", op_in_opfamily(operator, family), get_op_opfamily_strategy(operator, family),
			   get_op_opfamily_sortfamily(operator, family), "");
		RESULT("properties", "%s", properties(operator, family));
		RESULT("class", "%u %u", get_opclass_family(class), get_opclass_input_type(class));
		left = InvalidOid;
		RESULT("class", "%d %u", get_opclass_opfamily_and_input_type(class, &left, &element) ? 1 : 0, left);
		for (int strategy = 1; strategy <= 3 && OidIsValid(left); strategy++)
			RESULT("member", "%u %u", get_opfamily_member(left, element, element, strategy),
				   get_opfamily_proc(left, element, element, strategy));
		SAY("columns: %u.%d", relation, number);
		RESULT("name", "%s", or_none(get_attname(relation, number, missing_ok)));
		RESULT("type", "%u %d", get_atttype(relation, number), get_rel_relispartition(relation));
		RESULT("column", "%s", column(relation, number));
		SAY("types: %u", type);
		RESULT("category", "%s", preference(type));
		RESULT("subscript", "%u %u", get_typsubscript(type, &element), element);
		RESULT("cast", "%u", get_cast_oid(type, other, missing_ok));
		SAY("indexes: %u", index);
		RESULT("class", "%u", get_index_column_opclass(index, 1 + below(3)));
		RESULT("flags", "%d %d %d", get_index_isreplident(index), get_index_isvalid(index), get_index_isclustered(index));
		SAY("others: %u %u %u", collation, constraint, language);
		RESULT("collation", "%s %d", or_none(get_collation_name(collation)), get_collation_isdeterministic(collation));
		RESULT("collations", "%d", collations_agree_on_equality(collation, some(&collations)));
		RESULT("constraint", "%s %u", or_none(get_constraint_name(constraint)), get_constraint_index(constraint));
		RESULT("language", "%s", or_none(get_language_name(language, missing_ok)));
		RESULT("schema", "%s", or_none(get_namespace_name_or_temp(some(&schemas))));
		RESULT("transform", "%u %u", get_transform_fromsql(type, language, list_make1_oid(type)),
			   get_transform_tosql(type, language, NIL));
	}
	{
		Oid			int4[] = {INT4OID, INT4OID};

		RESULT("twice", "%u", LookupFuncName(list_make2(makeString("s p"), makeString("twice")), -1, NULL, false));
		RESULT("twice", "%u", LookupFuncName(list_make2(makeString("s p"), makeString("twice")), 1, int4, false));
		RESULT("twice", "%u", LookupFuncName(list_make2(makeString("s p"), makeString("twice")), 2, int4, false));
		RESULT("once", "%u", LookupFuncName(list_make3(makeString("postgres"), makeString("s p"), makeString("once")), -1, NULL, false));
		RESULT("once", "%u", LookupFuncName(list_make3(makeString("other"), makeString("s p"), makeString("once")), -1, NULL, false));
		RESULT("now", "%u", LookupFuncName(list_make1(makeString("now")), 0, NULL, false));
		RESULT("array", "%d %d", op_mergejoinable(ARRAY_EQ_OP, INT4ARRAYOID), op_hashjoinable(ARRAY_EQ_OP, INT4ARRAYOID));
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("done");
}

/* ---- scans with keys */

static void
say_scan(const char *what, Oid table, Oid index, int nkeys, const ScanKeyData *given)
{
	/* The server writes into the keys of a scan by index. */
	ScanKeyData keys[2] = {given[0], given[nkeys - 1]};
	Relation	relation = table_open(table, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, index, OidIsValid(index), NULL, nkeys, keys);
	HeapTuple	tuple;
	int			count = 0;
	uint32		ordered = 0,
				sum = 0;

	while ((tuple = systable_getnext(scan)) != NULL)
	{
		uint32		hash = hash_tuple(tuple, RelationGetDescr(relation));

		/* Without an index the upstream may read the table by one all the same. */
		if (count < 3 && OidIsValid(index))
			SAY(" at (%u,%u), found again %d", ItemPointerGetBlockNumber(&tuple->t_self),
				ItemPointerGetOffsetNumber(&tuple->t_self), systable_recheck_tuple(scan, tuple));
		ordered = hash_combine(ordered, hash);
		sum += hash;
		count++;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	SAY("%s: %d rows, %u", what, count, OidIsValid(index) ? ordered : sum);
}

static void
say_ordered(const char *what, Oid table, Oid index, int nkeys, const ScanKeyData *given)
{
	ScanKeyData keys[2] = {given[0], given[nkeys - 1]};
	Relation	relation = table_open(table, AccessShareLock);
	Relation	by = index_open(index, AccessShareLock);
	SysScanDesc scan = systable_beginscan_ordered(relation, by, NULL, nkeys, keys);
	HeapTuple	tuple;
	int			count = 0;
	uint32		hash = 0;

	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		hash = hash_combine(hash, hash_tuple(tuple, RelationGetDescr(relation)));
		count++;
	}
	SAY("%s: %d rows, %u", what, count, hash);
	while ((tuple = systable_getnext_ordered(scan, BackwardScanDirection)) != NULL)
	{
		hash = hash_combine(hash, hash_tuple(tuple, RelationGetDescr(relation)));
		count--;
	}
	SAY("%s: back to %d, %u", what, count, hash);
	systable_endscan_ordered(scan);
	index_close(by, AccessShareLock);
	table_close(relation, AccessShareLock);
}

static void
scans(const char *argument)
{
	static const char *const relation_names[] = {"pg_class", "plain", "dropped", "nobody's", "pg_class_oid_index"};
	static const Oid relation_oids[] = {RelationRelationId, TypeRelationId, ProcedureRelationId, ClassOidIndexId, 4000000};
	static const RegProcedure int2s[] = {F_INT2EQ, F_INT2LT, F_INT2LE, F_INT2GT, F_INT2GE};
	static const StrategyNumber strategies[] = {BTEqualStrategyNumber, BTLessStrategyNumber, BTLessEqualStrategyNumber,
		BTGreaterStrategyNumber, BTGreaterEqualStrategyNumber};
	ScanKeyData keys[2];
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;
	Oid			plain;
	Oid			arguments[2] = {INT4OID, INT4OID};

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	plain = RangeVarGetRelid(makeRangeVar("s p", "plain", -1), NoLock, false);
	for (int i = 0; i < lengthof(relation_names); i++)
	{
		NameData	name;

		namestrcpy(&name, relation_names[i]);
		ScanKeyInit(&keys[0], Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ, NameGetDatum(&name));
		ScanKeyInit(&keys[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(i == 1 || i == 2 ? get_namespace_oid("s p", false) : PG_CATALOG_NAMESPACE));
		say_scan("by name and schema", RelationRelationId, ClassNameNspIndexId, 2, keys);
		say_scan("by name", RelationRelationId, ClassNameNspIndexId, 1, keys);
		say_scan("without the index", RelationRelationId, InvalidOid, 2, keys);
	}
	for (int i = 0; i < lengthof(relation_oids); i++)
	{
		ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation_oids[i]));
		for (int j = 0; j < lengthof(int2s); j++)
		{
			ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, strategies[j], int2s[j], Int16GetDatum(3));
			say_scan("columns", AttributeRelationId, AttributeRelidNumIndexId, 2, keys);
			say_ordered("columns in order", AttributeRelationId, AttributeRelidNumIndexId, 2, keys);
		}
		ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
		ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
					ObjectIdGetDatum(i == 0 ? plain : relation_oids[i]));
		say_scan("dependencies", DependRelationId, InvalidOid, 2, keys);
		ScanKeyInit(&keys[0], Anum_pg_description_objoid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation_oids[i]));
		ScanKeyInit(&keys[1], Anum_pg_description_objsubid, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(0));
		say_scan("descriptions", DescriptionRelationId, InvalidOid, 2, keys);
	}
	ScanKeyInit(&keys[0], Anum_pg_proc_proname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("int4pl"));
	ScanKeyInit(&keys[1], Anum_pg_proc_proargtypes, BTEqualStrategyNumber, F_OIDVECTOREQ,
				PointerGetDatum(buildoidvector(arguments, 2)));
	say_scan("functions", ProcedureRelationId, ProcedureNameArgsNspIndexId, 2, keys);
	ScanKeyInit(&keys[0], Anum_pg_class_relkind, BTEqualStrategyNumber, F_CHAREQ, CharGetDatum(RELKIND_VIEW));
	ScanKeyInit(&keys[1], Anum_pg_class_oid, BTLessStrategyNumber, F_OIDLT, ObjectIdGetDatum(FirstNormalObjectId));
	say_scan("views", RelationRelationId, InvalidOid, 2, keys);
	ScanKeyInit(&keys[0], Anum_pg_index_indisunique, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(false));
	say_scan("indexes", IndexRelationId, InvalidOid, 1, keys);
	ScanKeyInit(&keys[0], Anum_pg_sequence_seqstart, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(42));
	say_scan("sequences", SequenceRelationId, InvalidOid, 1, keys);
	ScanKeyInit(&keys[0], Anum_pg_type_typinput, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(F_INT4IN));
	say_scan("types", TypeRelationId, InvalidOid, 1, keys);
	ScanKeyInit(&keys[0], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum("row 3"));
	say_scan("by text", plain, InvalidOid, 1, keys);
	ScanKeyInit(&keys[0], 2, BTLessStrategyNumber, F_TEXT_LT, CStringGetTextDatum("row 3"));
	ScanKeyInit(&keys[1], 4, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(true));
	say_scan("by text and bool", plain, InvalidOid, 2, keys);
	ScanKeyEntryInitialize(&keys[0], SK_ISNULL | SK_SEARCHNOTNULL, 1, InvalidStrategy, InvalidOid, InvalidOid, InvalidOid, 0);
	say_ordered("not null", plain, RangeVarGetRelid(makeRangeVar("s p", "plain_pkey", -1), NoLock, false), 1, keys);
	keys[0].sk_flags = SK_ISNULL | SK_SEARCHNULL;
	say_ordered("null", plain, RangeVarGetRelid(makeRangeVar("s p", "plain_pkey", -1), NoLock, false), 1, keys);

	/* A scan of a table, again with another key; its relation closed before it ends. */
	relation = table_open(plain, AccessShareLock);
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(4));
	scan = table_beginscan(relation, GetActiveSnapshot(), 1, keys);
	table_close(relation, NoLock);
	for (int round = 0; round < 2; round++)
	{
		while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		{
			bool		null;

			SAY("plain %d", DatumGetInt32(heap_getattr(tuple, 1, RelationGetDescr(scan->rs_rd), &null)));
		}
		ScanKeyInit(&keys[0], 1, BTLessStrategyNumber, F_INT4LT, Int32GetDatum(3));
		table_rescan(scan, keys);
	}
	table_endscan(scan);
	ScanKeyInit(&keys[0], Anum_pg_class_relkind, BTEqualStrategyNumber, F_CHAREQ, CharGetDatum('r'));
	RESULT("not in the index", "%d",
		   (say_scan("kind", RelationRelationId, ClassNameNspIndexId, 1, keys), 1));
	RESULT("not an index", "%p", index_open(plain, NoLock));
	PopActiveSnapshot();
	CommitTransactionCommand();
	SAY("done");
}

/* A condition that is none of the simple ones. */
static void
like(const char *argument)
{
	ScanKeyData key;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	ScanKeyInit(&key, 2, InvalidStrategy, F_TEXTLIKE, CStringGetTextDatum("row%"));
	say_scan("like", RangeVarGetRelid(makeRangeVar("s p", "plain", -1), NoLock, false), InvalidOid, 1, &key);
	CommitTransactionCommand();
	SAY("done");
}

/* ---- what changes in between */

static void
say_plain(const char *when)
{
	Oid			plain = RangeVarGetRelid(makeRangeVar("s p", "plain", -1), NoLock, true);
	Oid			renamed = RangeVarGetRelid(makeRangeVar("s p", "renamed", -1), NoLock, true);
	Oid			relid = OidIsValid(plain) ? plain : renamed;
	Relation	relation = try_table_open(relid, NoLock);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));

	if (relation != NULL)
	{
		SAY("%s: \"%s\", %d columns, in the cache \"%s\" with %d, column 2 \"%s\"", when, RelationGetRelationName(relation),
			RelationGetNumberOfAttributes(relation), NameStr(((Form_pg_class) GETSTRUCT(tuple))->relname),
			((Form_pg_class) GETSTRUCT(tuple))->relnatts, or_none(get_attname(relid, 2, true)));
		table_close(relation, NoLock);
		ReleaseSysCache(tuple);
	}
	else
		SAY("%s: none, %d", when, tuple == NULL);
}

static void
run_sql(const char *text)
{
	SPI_connect();
	SAY("%s: %d", text, SPI_execute(text, false, 0));
	SPI_finish();
}

/* The locks that this process has on a table. */
static void
say_locks(const char *when, Oid relid)
{
	SPI_connect();
	SPI_execute(psprintf("SELECT string_agg(mode, ' ' ORDER BY mode) FROM pg_locks WHERE relation = %u AND pid = pg_backend_pid()",
						 relid), true, 0);
	SAY("%s: locks %s", when, or_none(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)));
	SPI_finish();
}

static void
changes(const char *argument)
{
	Oid			plain;
	MemoryContext context;
	ResourceOwner owner;
	Relation	held;
	HeapTuple	cached;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	context = CurrentMemoryContext;
	owner = CurrentResourceOwner;
	say_plain("before");
	run_sql("ALTER TABLE \"s p\".plain ADD COLUMN another int");
	say_plain("a column more");
	run_sql("ALTER TABLE \"s p\".plain RENAME TO renamed");
	say_plain("renamed");
	run_sql("ALTER TABLE \"s p\".renamed RENAME COLUMN name TO label");
	say_plain("column renamed");

	/* What a subtransaction has opened and changed goes with it. */
	BeginInternalSubTransaction("one");
	run_sql("ALTER TABLE \"s p\".renamed DROP COLUMN another");
	say_plain("dropped");
	plain = RangeVarGetRelid(makeRangeVar("s p", "renamed", -1), NoLock, false);
	(void) table_open(plain, AccessShareLock);
	(void) table_beginscan_catalog(table_open(DatabaseRelationId, AccessShareLock), 0, NULL);
	(void) SearchSysCache1(RELOID, ObjectIdGetDatum(plain));
	(void) SearchSysCacheList1(AMOPOPID, ObjectIdGetDatum(96));
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	say_plain("as it was");

	/* A row that is held stays as it is while another takes its place. */
	cached = SearchSysCache1(RELOID, ObjectIdGetDatum(plain));
	held = table_open(DatabaseRelationId, AccessShareLock);
	run_sql("ALTER TABLE \"s p\".renamed RENAME TO plain");
	say_plain("named as before");
	SAY("held: \"%s\" \"%s\"", NameStr(((Form_pg_class) GETSTRUCT(cached))->relname), RelationGetRelationName(held));
	ReleaseSysCache(cached);
	table_close(held, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	say_locks("at first", plain);
	(void) table_close(table_open(plain, AccessShareLock), NoLock);
	say_locks("for reading", plain);
	(void) table_close(table_open(plain, RowExclusiveLock), NoLock);
	say_locks("for writing", plain);
	run_sql("DROP TABLE \"s p\".plain");
	say_plain("gone");
	PopActiveSnapshot();
	CommitTransactionCommand();

	/* An error lets go of everything too. */
	StartTransactionCommand();
	(void) table_open(DatabaseRelationId, AccessShareLock);
	(void) SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	AbortCurrentTransaction();
	StartTransactionCommand();
	say_plain("another transaction");
	CommitTransactionCommand();
	SAY("done");
}

/* ---- where nothing can be known: the host only, for the server's code checks nothing */

static void
say_refusals(void)
{
	ScanKeyData key;

	RESULT("table", "%p", table_open(DatabaseRelationId, AccessShareLock));
	RESULT("relation", "%p", RelationIdGetRelation(DatabaseRelationId));
	RESULT("cache", "%p", SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId)));
	RESULT("function", "%s", or_none(get_opname(96)));
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, 0);
	RESULT("key", "%u", key.sk_func.fn_oid);
}

static void
nowhere(const char *argument)
{
	StartTransactionCommand();
	say_refusals();
	CommitTransactionCommand();
	SAY("done");
}

static void
outside(const char *argument)
{
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection("postgres", NULL, 0);
	say_refusals();
	StartTransactionCommand();
	{
		Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
		Relation	view = table_openrv(makeRangeVar("pg_catalog", "pg_roles", -1), AccessShareLock);
		HeapTuple	tuple = SearchSysCacheCopy1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));

		RESULT("size", UINT64_FORMAT, table_relation_size(relation, MAIN_FORKNUM));
		RESULT("insert", "%d", (simple_heap_insert(relation, tuple), 1));
		RESULT("view", "%p", table_beginscan_catalog(view, 0, NULL));
		RESULT("cache", "%p", SearchSysCache1(1000, 0));
		RESULT("keys", "%p", SearchSysCache2(DATABASEOID, 0, 0));
		table_close(view, AccessShareLock);
		table_close(relation, AccessShareLock);
		RESULT("closed twice", "%d", (table_close(relation, AccessShareLock), 1));
	}
	CommitTransactionCommand();
	SAY("done");
}

static const ProbeAction actions[] = {
	{"changes", changes},
	{"nowhere", nowhere},
	{"outside", outside},
	{"scans", scans},
	{"like", like},
	{"lookups", lookups},
	{"catalogs", catalogs},
	{"tables", tables},
	{"caches", search_caches},
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
