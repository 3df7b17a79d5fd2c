// Rows of the catalogues by key (utils/catcache.h): one SELECT for a key that is new, also for one that has no
// row, and the answer from memory until the transaction ends or a statement may have changed it.
//
// An entry is a CatCTup, from which the tuple that is handed out is a part, and stands in a context of its own.
// Entries that are out of date are removed when the next key is looked up, but for those that somebody still
// holds: they are marked dead and go later. So a reference given back once too often is an error and no
// accident. Lists of the rows of a part of the key are asked for each time, and are their holder's alone.
#include <cstring>

#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/resowner_private.h"
}

#include "bridge/catalog_lookup.hpp"
#include "utils/catcache_internal.hpp"

namespace {

struct Entry {
  CatCTup row;  // `tuple` is what is handed out; refcount, dead and negative as in the server
  MemoryContext context;
  int nkeys;
  const char* key;  // the texts of the keys, each with its NUL
  int key_length;
  Entry* next;  // in its bucket
};

struct HeldList {
  MemoryContext context;
  CatCList list;  // last: its members follow
};

constexpr uint32 buckets = 512;  // a power of two
constexpr int most_entries = 20000;
Entry* table[buckets];
int entry_count;
unsigned long generation;
MemoryContext catalogue_cache;

Entry* entry_of(HeapTuple tuple) {
  CatCTup* row = reinterpret_cast<CatCTup*>(reinterpret_cast<char*>(tuple) - offsetof(CatCTup, tuple));
  return reinterpret_cast<Entry*>(row);
}

HeldList* list_of(CatCList* list) {
  return reinterpret_cast<HeldList*>(reinterpret_cast<char*>(list) - offsetof(HeldList, list));
}

// Takes away what may not be found any more and what nobody holds of it.
void remove_old_entries() {
  const unsigned long now = bgw_lookups_generation();
  if (generation == now && entry_count < most_entries) return;
  generation = now;
  for (Entry*& bucket : table) {
    for (Entry** link = &bucket; *link != nullptr;) {
      Entry* entry = *link;
      entry->row.dead = true;
      if (entry->row.refcount > 0) {
        link = &entry->next;
        continue;
      }
      *link = entry->next;
      entry_count--;
      entry->row.ct_magic = 0;
      MemoryContextDelete(entry->context);
    }
  }
}

Oid key_type(const CatCache* cache, int i) {
  const Oid type = TupleDescAttr(cache->cc_tupdesc, cache->cc_keyno[i] - 1)->atttypid;
  return type == REGPROCOID ? OIDOID : type;
}

RegProcedure key_function(Oid type) {
  switch (type) {
    case OIDOID:
      return F_OIDEQ;
    case NAMEOID:
      return F_NAMEEQ;
    case INT2OID:
      return F_INT2EQ;
    case INT4OID:
      return F_INT4EQ;
    case CHAROID:
      return F_CHAREQ;
    case BOOLOID:
      return F_BOOLEQ;
    case TEXTOID:
      return F_TEXTEQ;
    case OIDVECTOROID:
      return F_OIDVECTOREQ;
    default:
      elog(ERROR, "type %u not supported as catcache key", type);
  }
  pg_unreachable();
}

void make_keys(const CatCache* cache, int nkeys, const Datum* values, ScanKeyData* keys) {
  memset(keys, 0, sizeof(ScanKeyData) * static_cast<Size>(nkeys));
  for (int i = 0; i < nkeys; i++) {
    keys[i].sk_attno = static_cast<AttrNumber>(cache->cc_keyno[i]);
    keys[i].sk_func.fn_oid = key_function(key_type(cache, i));
    keys[i].sk_argument = values[i];
  }
}

// False if a key is longer than any name, and so nobody's.
bool append_key_texts(StringInfo text, const CatCache* cache, int nkeys, const Datum* values) {
  for (int i = 0; i < nkeys; i++) {
    const char* one = bgw::key_text(key_type(cache, i), values[i]);
    if (one == nullptr) return false;
    appendBinaryStringInfo(text, one, static_cast<int>(strlen(one)) + 1);
  }
  return true;
}

uint32 hash_of(const CatCache* cache, const StringInfoData* key) {
  return hash_bytes(reinterpret_cast<const unsigned char*>(key->data), key->len) ^ hash_bytes_uint32(cache->id);
}

Entry* find(const CatCache* cache, uint32 hash, const StringInfoData* key) {
  for (Entry* entry = table[hash & (buckets - 1)]; entry != nullptr; entry = entry->next)
    if (entry->row.hash_value == hash && entry->row.my_cache == cache && !entry->row.dead &&
        entry->key_length == key->len && memcmp(entry->key, key->data, static_cast<std::size_t>(key->len)) == 0)
      return entry;
  return nullptr;
}

void take_row(CatCache* cache, CatCTup* row, bgw::TupleSource* rows, int number) {
  HeapTuple built = bgw::build_tuple_of(rows, number);
  row->ct_magic = CT_MAGIC;
  row->my_cache = cache;
  row->tuple = *built;
}

Entry* ask(CatCache* cache, uint32 hash, const StringInfoData* key, const Datum* values) {
  ScanKeyData keys[CATCACHE_MAXKEYS];
  make_keys(cache, cache->cc_nkeys, values, keys);
  MemoryContext scratch = CurrentMemoryContext;
  MemoryContext context = AllocSetContextCreateInternal(scratch, "a row of a catalogue", ALLOCSET_SMALL_SIZES);
  bgw::TupleSource* rows =
      bgw::open_tuples(bgw::describe_catalog(cache->cc_reloid), cache->cc_nkeys, keys, 0, nullptr);
  MemoryContextSwitchTo(context);
  Entry* entry = static_cast<Entry*>(palloc0(sizeof(Entry)));
  entry->context = context;
  entry->row.ct_magic = CT_MAGIC;
  entry->row.my_cache = cache;
  entry->row.hash_value = hash;
  char* copy = static_cast<char*>(palloc(static_cast<Size>(key->len) + 1));
  memcpy(copy, key->data, static_cast<std::size_t>(key->len));
  entry->key = copy;
  entry->key_length = key->len;
  if (bgw::tuple_count(rows) > 0)
    take_row(cache, &entry->row, rows, 0);
  else
    entry->row.negative = true;
  MemoryContextSwitchTo(scratch);
  // What was known may be out of date by what has come with the answer.
  remove_old_entries();
  MemoryContextSetParent(context, catalogue_cache);
  entry->next = table[hash & (buckets - 1)];
  table[hash & (buckets - 1)] = entry;
  entry_count++;
  return entry;
}

HeapTuple search(CatCache* cache, const Datum* values) {
  bgw_prepare_catcache(cache);
  remove_old_entries();
  if (catalogue_cache == nullptr)
    catalogue_cache = AllocSetContextCreateInternal(TopMemoryContext, "catalogue rows", ALLOCSET_DEFAULT_SIZES);
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(caller, "a catalogue look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  StringInfoData key;
  initStringInfo(&key);
  Entry* entry = nullptr;
  if (append_key_texts(&key, cache, cache->cc_nkeys, values)) {
    const uint32 hash = hash_of(cache, &key);
    entry = find(cache, hash, &key);
    if (entry == nullptr) entry = ask(cache, hash, &key, values);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  if (entry == nullptr || entry->row.negative) return nullptr;
  ResourceOwnerEnlargeCatCacheRefs(CurrentResourceOwner);
  entry->row.refcount++;
  ResourceOwnerRememberCatCacheRef(CurrentResourceOwner, &entry->row.tuple);
  return &entry->row.tuple;
}

}  // namespace

void bgw_prepare_catcache(CatCache* cache) {
  bgw::require_relations("SearchSysCache", cache->cc_reloid);
  if (cache->cc_tupdesc != nullptr) return;
  const bgw::RelationRow* row = bgw::describe_catalog(cache->cc_reloid);
  cache->cc_relname = NameStr(row->form->relname);
  cache->cc_relisshared = row->form->relisshared;
  cache->cc_tupdesc = row->desc;
}

extern "C" {

HeapTuple SearchCatCache(CatCache* cache, Datum v1, Datum v2, Datum v3, Datum v4) {
  const Datum values[CATCACHE_MAXKEYS] = {v1, v2, v3, v4};
  return search(cache, values);
}

HeapTuple SearchCatCache1(CatCache* cache, Datum v1) {
  return SearchCatCache(cache, v1, 0, 0, 0);
}

HeapTuple SearchCatCache2(CatCache* cache, Datum v1, Datum v2) {
  return SearchCatCache(cache, v1, v2, 0, 0);
}

HeapTuple SearchCatCache3(CatCache* cache, Datum v1, Datum v2, Datum v3) {
  return SearchCatCache(cache, v1, v2, v3, 0);
}

HeapTuple SearchCatCache4(CatCache* cache, Datum v1, Datum v2, Datum v3, Datum v4) {
  return SearchCatCache(cache, v1, v2, v3, v4);
}

void ReleaseCatCache(HeapTuple tuple) {
  Entry* entry = entry_of(tuple);
  ResourceOwnerForgetCatCacheRef(CurrentResourceOwner, tuple);
  entry->row.refcount--;
}

uint32 GetCatCacheHashValue(CatCache* cache, Datum v1, Datum v2, Datum v3, Datum v4) {
  bgw_prepare_catcache(cache);
  const Datum values[CATCACHE_MAXKEYS] = {v1, v2, v3, v4};
  StringInfoData key;
  initStringInfo(&key);
  (void)append_key_texts(&key, cache, cache->cc_nkeys, values);
  const uint32 hash = hash_of(cache, &key);
  pfree(key.data);
  return hash;
}

CatCList* SearchCatCacheList(CatCache* cache, int nkeys, Datum v1, Datum v2, Datum v3) {
  bgw_prepare_catcache(cache);
  if (nkeys < 1 || nkeys >= cache->cc_nkeys)
    elog(ERROR, "a list of cache %d takes from 1 to %d keys, not %d", cache->id, cache->cc_nkeys - 1, nkeys);
  const Datum values[CATCACHE_MAXKEYS] = {v1, v2, v3, 0};
  ScanKeyData keys[CATCACHE_MAXKEYS];
  make_keys(cache, nkeys, values, keys);
  AttrNumber order[CATCACHE_MAXKEYS];
  for (int i = 0; i < cache->cc_nkeys; i++) order[i] = static_cast<AttrNumber>(cache->cc_keyno[i]);

  MemoryContext caller = CurrentMemoryContext;
  MemoryContext context =
      AllocSetContextCreateInternal(caller, "a list of catalogue rows", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(context);
  bgw::TupleSource* rows =
      bgw::open_tuples(bgw::describe_catalog(cache->cc_reloid), nkeys, keys, cache->cc_nkeys, order);
  const Size count = static_cast<Size>(bgw::tuple_count(rows));
  HeldList* made = static_cast<HeldList*>(palloc0(sizeof(HeldList) + sizeof(CatCTup*) * count));
  made->context = context;
  CatCList* list = &made->list;
  list->cl_magic = CL_MAGIC;
  list->ordered = true;
  list->nkeys = static_cast<short>(nkeys);
  list->my_cache = cache;
  for (Size i = 0; i < count; i++) {
    CatCTup* member = static_cast<CatCTup*>(palloc0(sizeof(CatCTup)));
    take_row(cache, member, rows, static_cast<int>(i));
    member->c_list = list;
    list->members[list->n_members++] = member;
  }
  bgw::close_tuples(rows);
  MemoryContextSwitchTo(caller);
  MemoryContextSetParent(context, TopMemoryContext);
  ResourceOwnerEnlargeCatCacheListRefs(CurrentResourceOwner);
  list->refcount = 1;
  ResourceOwnerRememberCatCacheListRef(CurrentResourceOwner, list);
  return list;
}

void ReleaseCatCacheList(CatCList* list) {
  ResourceOwnerForgetCatCacheListRef(CurrentResourceOwner, list);
  if (--list->refcount == 0) MemoryContextDelete(list_of(list)->context);
}

void PrintCatCacheLeakWarning(HeapTuple tuple) {
  const CatCTup* row = &entry_of(tuple)->row;
  elog(WARNING, "cache reference leak: cache %s (%d), tuple %u/%u has count %d", row->my_cache->cc_relname,
       row->my_cache->id, ItemPointerGetBlockNumber(&tuple->t_self), ItemPointerGetOffsetNumber(&tuple->t_self),
       row->refcount);
}

void PrintCatCacheListLeakWarning(CatCList* list) {
  elog(WARNING, "cache reference leak: cache %s (%d), list %p has count %d", list->my_cache->cc_relname,
       list->my_cache->id, static_cast<void*>(list), list->refcount);
}

}  // extern "C"
