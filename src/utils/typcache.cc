// Anonymous row types (utils/typcache.h): a descriptor of RECORDOID gets a number, by which a composite value
// finds its descriptor again.
//
// The registry belongs to one process (a fork inherits what its parent had) and only grows, as in the server.
// Row types with a name come from the upstream's catalogs, through bridge/user_types.hpp.
#include <cstring>

#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"
#include "utils/typcache_internal.hpp"

extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/typcache.h"
}

namespace {

struct Record {
  TupleDesc desc;
  uint32 hash;
  uint64 identifier;
};

Record* records;
int record_count;
int record_room;

MemoryContext registry_context() {
  return CacheMemoryContext != nullptr ? CacheMemoryContext : TopMemoryContext;
}

}  // namespace

extern "C" {

void assign_record_type_typmod(TupleDesc tupDesc) {
  Assert(tupDesc->tdtypeid == RECORDOID);
  const uint32 hash = hashTupleDesc(tupDesc);
  for (int i = 0; i < record_count; i++) {
    if (records[i].hash == hash && equalTupleDescs(records[i].desc, tupDesc)) {
      tupDesc->tdtypmod = records[i].desc->tdtypmod;
      return;
    }
  }
  MemoryContext caller = MemoryContextSwitchTo(registry_context());
  if (record_count == record_room) {
    const int room = record_room > 0 ? record_room * 2 : 16;
    const Size size = static_cast<Size>(room) * sizeof(Record);
    records = static_cast<Record*>(records == nullptr ? palloc(size) : repalloc(records, size));
    record_room = room;
  }
  TupleDesc desc = CreateTupleDescCopy(tupDesc);
  desc->tdrefcount = 1;  // the registry's own
  desc->tdtypmod = record_count;
  records[record_count] = {desc, hash, bgw::next_row_identifier()};
  record_count++;
  tupDesc->tdtypmod = desc->tdtypmod;
  MemoryContextSwitchTo(caller);
}

TupleDesc lookup_rowtype_tupdesc_noerror(Oid type_id, int32 typmod, bool noError) {
  if (type_id == RECORDOID) {
    if (typmod >= 0 && typmod < record_count) {
      IncrTupleDescRefCount(records[typmod].desc);
      return records[typmod].desc;
    }
    if (!noError)
      ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("record type has not been registered")));
    return nullptr;
  }
  if (TupleDesc row = bgw::learn_row_type(type_id)) {
    IncrTupleDescRefCount(row);
    return row;
  }
  if (noError) return nullptr;
  const bgw::TypeInfo* type = bgw::known_type(type_id);
  if (type != nullptr && type->typtype != 'c')
    ereport(ERROR,
            (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("type %s is not composite", format_type_be(type_id))));
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("row type with OID %u is not available outside the server", type_id)));
  pg_unreachable();
}

TupleDesc lookup_rowtype_tupdesc(Oid type_id, int32 typmod) {
  return lookup_rowtype_tupdesc_noerror(type_id, typmod, false);
}

TupleDesc lookup_rowtype_tupdesc_copy(Oid type_id, int32 typmod) {
  TupleDesc desc = lookup_rowtype_tupdesc(type_id, typmod);
  TupleDesc copy = CreateTupleDescCopyConstr(desc);
  ReleaseTupleDesc(desc);
  return copy;
}

TupleDesc lookup_rowtype_tupdesc_domain(Oid type_id, int32 typmod, bool noError) {
  int32 base_typmod = typmod;
  const Oid base = bgw::learn_base_type(type_id, &base_typmod);
  return lookup_rowtype_tupdesc_noerror(base, base == type_id ? typmod : base_typmod, noError);
}

uint64 assign_record_type_identifier(Oid type_id, int32 typmod) {
  if (type_id != RECORDOID) {
    const TypeCacheEntry* entry = lookup_type_cache(type_id, TYPECACHE_TUPDESC);
    if (entry->tupDesc == nullptr)
      ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                      errmsg("type %s is not composite", format_type_be(type_id))));
    return entry->tupDesc_identifier;
  }
  if (typmod >= 0 && typmod < record_count) return records[typmod].identifier;
  return bgw::next_row_identifier();
}

}  // extern "C"
