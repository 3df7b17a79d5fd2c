// The server's numbered catalogue caches (utils/syscache.h): which columns of which catalogue each looks up,
// and the functions that modules call with their numbers. The rows are kept by utils/catcache.cc.
#include <initializer_list>

#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
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
#include "utils/catcache.h"
#include "utils/syscache.h"
}

#include "utils/catcache_internal.hpp"

namespace {

CatCache caches[SysCacheSize];

void set(int id, Oid catalogue, std::initializer_list<int> keys) {
  CatCache* cache = &caches[id];
  cache->id = id;
  cache->cc_reloid = catalogue;
  for (int key : keys) cache->cc_keyno[cache->cc_nkeys++] = key;
}

void describe_caches() {
  set(AGGFNOID, AggregateRelationId, {Anum_pg_aggregate_aggfnoid});
  set(AMNAME, AccessMethodRelationId, {Anum_pg_am_amname});
  set(AMOID, AccessMethodRelationId, {Anum_pg_am_oid});
  set(AMOPOPID, AccessMethodOperatorRelationId,
      {Anum_pg_amop_amopopr, Anum_pg_amop_amoppurpose, Anum_pg_amop_amopfamily});
  set(AMOPSTRATEGY, AccessMethodOperatorRelationId,
      {Anum_pg_amop_amopfamily, Anum_pg_amop_amoplefttype, Anum_pg_amop_amoprighttype,
       Anum_pg_amop_amopstrategy});
  set(AMPROCNUM, AccessMethodProcedureRelationId,
      {Anum_pg_amproc_amprocfamily, Anum_pg_amproc_amproclefttype, Anum_pg_amproc_amprocrighttype,
       Anum_pg_amproc_amprocnum});
  set(ATTNAME, AttributeRelationId, {Anum_pg_attribute_attrelid, Anum_pg_attribute_attname});
  set(ATTNUM, AttributeRelationId, {Anum_pg_attribute_attrelid, Anum_pg_attribute_attnum});
  set(AUTHMEMMEMROLE, AuthMemRelationId, {Anum_pg_auth_members_member, Anum_pg_auth_members_roleid});
  set(AUTHMEMROLEMEM, AuthMemRelationId, {Anum_pg_auth_members_roleid, Anum_pg_auth_members_member});
  set(AUTHNAME, AuthIdRelationId, {Anum_pg_authid_rolname});
  set(AUTHOID, AuthIdRelationId, {Anum_pg_authid_oid});
  set(CASTSOURCETARGET, CastRelationId, {Anum_pg_cast_castsource, Anum_pg_cast_casttarget});
  set(CLAAMNAMENSP, OperatorClassRelationId,
      {Anum_pg_opclass_opcmethod, Anum_pg_opclass_opcname, Anum_pg_opclass_opcnamespace});
  set(CLAOID, OperatorClassRelationId, {Anum_pg_opclass_oid});
  set(COLLNAMEENCNSP, CollationRelationId,
      {Anum_pg_collation_collname, Anum_pg_collation_collencoding, Anum_pg_collation_collnamespace});
  set(COLLOID, CollationRelationId, {Anum_pg_collation_oid});
  set(CONDEFAULT, ConversionRelationId,
      {Anum_pg_conversion_connamespace, Anum_pg_conversion_conforencoding, Anum_pg_conversion_contoencoding,
       Anum_pg_conversion_oid});
  set(CONNAMENSP, ConversionRelationId, {Anum_pg_conversion_conname, Anum_pg_conversion_connamespace});
  set(CONSTROID, ConstraintRelationId, {Anum_pg_constraint_oid});
  set(CONVOID, ConversionRelationId, {Anum_pg_conversion_oid});
  set(DATABASEOID, DatabaseRelationId, {Anum_pg_database_oid});
  set(DEFACLROLENSPOBJ, DefaultAclRelationId,
      {Anum_pg_default_acl_defaclrole, Anum_pg_default_acl_defaclnamespace, Anum_pg_default_acl_defaclobjtype});
  set(ENUMOID, EnumRelationId, {Anum_pg_enum_oid});
  set(ENUMTYPOIDNAME, EnumRelationId, {Anum_pg_enum_enumtypid, Anum_pg_enum_enumlabel});
  set(EVENTTRIGGERNAME, EventTriggerRelationId, {Anum_pg_event_trigger_evtname});
  set(EVENTTRIGGEROID, EventTriggerRelationId, {Anum_pg_event_trigger_oid});
  set(FOREIGNDATAWRAPPERNAME, ForeignDataWrapperRelationId, {Anum_pg_foreign_data_wrapper_fdwname});
  set(FOREIGNDATAWRAPPEROID, ForeignDataWrapperRelationId, {Anum_pg_foreign_data_wrapper_oid});
  set(FOREIGNSERVERNAME, ForeignServerRelationId, {Anum_pg_foreign_server_srvname});
  set(FOREIGNSERVEROID, ForeignServerRelationId, {Anum_pg_foreign_server_oid});
  set(FOREIGNTABLEREL, ForeignTableRelationId, {Anum_pg_foreign_table_ftrelid});
  set(INDEXRELID, IndexRelationId, {Anum_pg_index_indexrelid});
  set(LANGNAME, LanguageRelationId, {Anum_pg_language_lanname});
  set(LANGOID, LanguageRelationId, {Anum_pg_language_oid});
  set(NAMESPACENAME, NamespaceRelationId, {Anum_pg_namespace_nspname});
  set(NAMESPACEOID, NamespaceRelationId, {Anum_pg_namespace_oid});
  set(OPERNAMENSP, OperatorRelationId,
      {Anum_pg_operator_oprname, Anum_pg_operator_oprleft, Anum_pg_operator_oprright,
       Anum_pg_operator_oprnamespace});
  set(OPEROID, OperatorRelationId, {Anum_pg_operator_oid});
  set(OPFAMILYAMNAMENSP, OperatorFamilyRelationId,
      {Anum_pg_opfamily_opfmethod, Anum_pg_opfamily_opfname, Anum_pg_opfamily_opfnamespace});
  set(OPFAMILYOID, OperatorFamilyRelationId, {Anum_pg_opfamily_oid});
  set(PARAMETERACLNAME, ParameterAclRelationId, {Anum_pg_parameter_acl_parname});
  set(PARAMETERACLOID, ParameterAclRelationId, {Anum_pg_parameter_acl_oid});
  set(PARTRELID, PartitionedRelationId, {Anum_pg_partitioned_table_partrelid});
  set(PROCNAMEARGSNSP, ProcedureRelationId,
      {Anum_pg_proc_proname, Anum_pg_proc_proargtypes, Anum_pg_proc_pronamespace});
  set(PROCOID, ProcedureRelationId, {Anum_pg_proc_oid});
  set(PUBLICATIONNAME, PublicationRelationId, {Anum_pg_publication_pubname});
  set(PUBLICATIONNAMESPACE, PublicationNamespaceRelationId, {Anum_pg_publication_namespace_oid});
  set(PUBLICATIONNAMESPACEMAP, PublicationNamespaceRelationId,
      {Anum_pg_publication_namespace_pnnspid, Anum_pg_publication_namespace_pnpubid});
  set(PUBLICATIONOID, PublicationRelationId, {Anum_pg_publication_oid});
  set(PUBLICATIONREL, PublicationRelRelationId, {Anum_pg_publication_rel_oid});
  set(PUBLICATIONRELMAP, PublicationRelRelationId,
      {Anum_pg_publication_rel_prrelid, Anum_pg_publication_rel_prpubid});
  set(RANGEMULTIRANGE, RangeRelationId, {Anum_pg_range_rngmultitypid});
  set(RANGETYPE, RangeRelationId, {Anum_pg_range_rngtypid});
  set(RELNAMENSP, RelationRelationId, {Anum_pg_class_relname, Anum_pg_class_relnamespace});
  set(RELOID, RelationRelationId, {Anum_pg_class_oid});
  set(REPLORIGIDENT, ReplicationOriginRelationId, {Anum_pg_replication_origin_roident});
  set(REPLORIGNAME, ReplicationOriginRelationId, {Anum_pg_replication_origin_roname});
  set(RULERELNAME, RewriteRelationId, {Anum_pg_rewrite_ev_class, Anum_pg_rewrite_rulename});
  set(SEQRELID, SequenceRelationId, {Anum_pg_sequence_seqrelid});
  set(STATEXTDATASTXOID, StatisticExtDataRelationId,
      {Anum_pg_statistic_ext_data_stxoid, Anum_pg_statistic_ext_data_stxdinherit});
  set(STATEXTNAMENSP, StatisticExtRelationId,
      {Anum_pg_statistic_ext_stxname, Anum_pg_statistic_ext_stxnamespace});
  set(STATEXTOID, StatisticExtRelationId, {Anum_pg_statistic_ext_oid});
  set(STATRELATTINH, StatisticRelationId,
      {Anum_pg_statistic_starelid, Anum_pg_statistic_staattnum, Anum_pg_statistic_stainherit});
  set(SUBSCRIPTIONNAME, SubscriptionRelationId, {Anum_pg_subscription_subdbid, Anum_pg_subscription_subname});
  set(SUBSCRIPTIONOID, SubscriptionRelationId, {Anum_pg_subscription_oid});
  set(SUBSCRIPTIONRELMAP, SubscriptionRelRelationId,
      {Anum_pg_subscription_rel_srrelid, Anum_pg_subscription_rel_srsubid});
  set(TABLESPACEOID, TableSpaceRelationId, {Anum_pg_tablespace_oid});
  set(TRFOID, TransformRelationId, {Anum_pg_transform_oid});
  set(TRFTYPELANG, TransformRelationId, {Anum_pg_transform_trftype, Anum_pg_transform_trflang});
  set(TSCONFIGMAP, TSConfigMapRelationId,
      {Anum_pg_ts_config_map_mapcfg, Anum_pg_ts_config_map_maptokentype, Anum_pg_ts_config_map_mapseqno});
  set(TSCONFIGNAMENSP, TSConfigRelationId, {Anum_pg_ts_config_cfgname, Anum_pg_ts_config_cfgnamespace});
  set(TSCONFIGOID, TSConfigRelationId, {Anum_pg_ts_config_oid});
  set(TSDICTNAMENSP, TSDictionaryRelationId, {Anum_pg_ts_dict_dictname, Anum_pg_ts_dict_dictnamespace});
  set(TSDICTOID, TSDictionaryRelationId, {Anum_pg_ts_dict_oid});
  set(TSPARSERNAMENSP, TSParserRelationId, {Anum_pg_ts_parser_prsname, Anum_pg_ts_parser_prsnamespace});
  set(TSPARSEROID, TSParserRelationId, {Anum_pg_ts_parser_oid});
  set(TSTEMPLATENAMENSP, TSTemplateRelationId,
      {Anum_pg_ts_template_tmplname, Anum_pg_ts_template_tmplnamespace});
  set(TSTEMPLATEOID, TSTemplateRelationId, {Anum_pg_ts_template_oid});
  set(TYPENAMENSP, TypeRelationId, {Anum_pg_type_typname, Anum_pg_type_typnamespace});
  set(TYPEOID, TypeRelationId, {Anum_pg_type_oid});
  set(USERMAPPINGOID, UserMappingRelationId, {Anum_pg_user_mapping_oid});
  set(USERMAPPINGUSERSERVER, UserMappingRelationId,
      {Anum_pg_user_mapping_umuser, Anum_pg_user_mapping_umserver});
  set(EXTENSIONOID, ExtensionRelationId, {Anum_pg_extension_oid});
}

CatCache* cache_of(int id) {
  if (id < 0 || id >= SysCacheSize) elog(ERROR, "invalid cache ID: %d", id);
  static bool described = false;
  if (!described) describe_caches();
  described = true;
  return &caches[id];
}

CatCache* cache_with_keys(int id, int nkeys) {
  CatCache* cache = cache_of(id);
  if (cache->cc_nkeys != nkeys) elog(ERROR, "cache %d has %d keys, not %d", id, cache->cc_nkeys, nkeys);
  return cache;
}

// The row unless it is of a column that has been dropped.
HeapTuple if_not_dropped(HeapTuple tuple) {
  if (tuple == nullptr) return nullptr;
  if (!reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attisdropped) return tuple;
  ReleaseSysCache(tuple);
  return nullptr;
}

HeapTuple copy_and_release(HeapTuple tuple) {
  if (tuple == nullptr) return nullptr;
  HeapTuple copy = heap_copytuple(tuple);
  ReleaseSysCache(tuple);
  return copy;
}

}  // namespace

extern "C" {

HeapTuple SearchSysCache(int cacheId, Datum key1, Datum key2, Datum key3, Datum key4) {
  return SearchCatCache(cache_of(cacheId), key1, key2, key3, key4);
}

HeapTuple SearchSysCache1(int cacheId, Datum key1) {
  return SearchCatCache1(cache_with_keys(cacheId, 1), key1);
}

HeapTuple SearchSysCache2(int cacheId, Datum key1, Datum key2) {
  return SearchCatCache2(cache_with_keys(cacheId, 2), key1, key2);
}

HeapTuple SearchSysCache3(int cacheId, Datum key1, Datum key2, Datum key3) {
  return SearchCatCache3(cache_with_keys(cacheId, 3), key1, key2, key3);
}

HeapTuple SearchSysCache4(int cacheId, Datum key1, Datum key2, Datum key3, Datum key4) {
  return SearchCatCache4(cache_with_keys(cacheId, 4), key1, key2, key3, key4);
}

void ReleaseSysCache(HeapTuple tuple) {
  ReleaseCatCache(tuple);
}

HeapTuple SearchSysCacheCopy(int cacheId, Datum key1, Datum key2, Datum key3, Datum key4) {
  return copy_and_release(SearchSysCache(cacheId, key1, key2, key3, key4));
}

bool SearchSysCacheExists(int cacheId, Datum key1, Datum key2, Datum key3, Datum key4) {
  HeapTuple tuple = SearchSysCache(cacheId, key1, key2, key3, key4);
  if (tuple == nullptr) return false;
  ReleaseSysCache(tuple);
  return true;
}

Oid GetSysCacheOid(int cacheId, AttrNumber oidcol, Datum key1, Datum key2, Datum key3, Datum key4) {
  HeapTuple tuple = SearchSysCache(cacheId, key1, key2, key3, key4);
  if (tuple == nullptr) return InvalidOid;
  bool null;
  const Oid oid = DatumGetObjectId(heap_getattr(tuple, oidcol, cache_of(cacheId)->cc_tupdesc, &null));
  ReleaseSysCache(tuple);
  return oid;
}

HeapTuple SearchSysCacheAttName(Oid relid, const char* attname) {
  return if_not_dropped(SearchSysCache2(ATTNAME, ObjectIdGetDatum(relid), CStringGetDatum(attname)));
}

HeapTuple SearchSysCacheCopyAttName(Oid relid, const char* attname) {
  return copy_and_release(SearchSysCacheAttName(relid, attname));
}

bool SearchSysCacheExistsAttName(Oid relid, const char* attname) {
  HeapTuple tuple = SearchSysCacheAttName(relid, attname);
  if (tuple == nullptr) return false;
  ReleaseSysCache(tuple);
  return true;
}

HeapTuple SearchSysCacheAttNum(Oid relid, int16 attnum) {
  return if_not_dropped(SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum)));
}

HeapTuple SearchSysCacheCopyAttNum(Oid relid, int16 attnum) {
  return copy_and_release(SearchSysCacheAttNum(relid, attnum));
}

Datum SysCacheGetAttr(int cacheId, HeapTuple tup, AttrNumber attributeNumber, bool* isNull) {
  CatCache* cache = cache_of(cacheId);
  bgw_prepare_catcache(cache);
  return heap_getattr(tup, attributeNumber, cache->cc_tupdesc, isNull);
}

uint32 GetSysCacheHashValue(int cacheId, Datum key1, Datum key2, Datum key3, Datum key4) {
  return GetCatCacheHashValue(cache_of(cacheId), key1, key2, key3, key4);
}

CatCList* SearchSysCacheList(int cacheId, int nkeys, Datum key1, Datum key2, Datum key3) {
  return SearchCatCacheList(cache_of(cacheId), nkeys, key1, key2, key3);
}

bool RelationHasSysCache(Oid relid) {
  (void)cache_of(0);
  for (const CatCache& cache : caches)
    if (cache.cc_reloid == relid) return true;
  return false;
}

}  // extern "C"
