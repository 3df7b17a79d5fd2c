// lookup_type_cache(): what a type is, how its values are compared and hashed, what a row type or a range is
// made of.
//
// Entries are never freed or moved, so modules may keep them; their content is filled in when it is asked for,
// and for types that are not built in again when they may have been altered. Built-in types cost no question to
// the upstream: their operators are in default_operators.inc. A function that this process does not have gets
// an FmgrInfo that raises when it is called, not when the entry is made. C style throughout: a look-up may
// raise.
#include <cstdlib>
#include <cstring>

#include "bridge/symbols.hpp"
#include "bridge/user_types.hpp"
#include "core/session.hpp"

extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrtab.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"
}

#include "bridge/worker_session.hpp"
#include "utils/typcache_internal.hpp"

namespace bgw {
namespace {

struct Operators {
  Oid type;
  Oid btree_opf, btree_opintype;
  Oid hash_opf, hash_opintype;
  Oid eq_opr, eq_proc;
  Oid lt_opr, gt_opr;
  Oid cmp_proc;
  Oid hash_proc, hash_extended_proc;
};

constexpr Operators default_operators[] = {
#include "utils/default_operators.inc"
};

struct Entry {
  TypeCacheEntry entry;  // first: what modules get
  uint64 generation;     // of the knowledge of a type that is not built in
  bool has_operators;
  Operators operators;
  Entry* next;
};

constexpr int buckets = 128;  // a power of two
Entry* entries[buckets];
uint64 last_row_identifier = INVALID_TUPLEDESC_IDENTIFIER;

MemoryContext cache_context() {
  return CacheMemoryContext != nullptr ? CacheMemoryContext : TopMemoryContext;
}

const Operators* builtin_operators(Oid type) {
  constexpr int count = static_cast<int>(sizeof(default_operators) / sizeof(default_operators[0]));
  int low = 0, high = count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (default_operators[middle].type < type)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && default_operators[low].type == type ? &default_operators[low] : nullptr;
}

// The operator classes of an extension's type: its own default ones, or those of a type it is the same as in
// memory.
constexpr const char* question =
    "SELECT b.opcfamily, b.opcintype, h.opcfamily, h.opcintype, e.oid, e.oprcode::pg_catalog.oid,"
    " (SELECT o.amopopr FROM pg_catalog.pg_amop o WHERE o.amopfamily = b.opcfamily AND o.amoplefttype = "
    "b.opcintype"
    " AND o.amoprighttype = b.opcintype AND o.amopstrategy = 1),"
    " (SELECT o.amopopr FROM pg_catalog.pg_amop o WHERE o.amopfamily = b.opcfamily AND o.amoplefttype = "
    "b.opcintype"
    " AND o.amoprighttype = b.opcintype AND o.amopstrategy = 5),"
    " (SELECT f.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc f WHERE f.amprocfamily = b.opcfamily"
    " AND f.amproclefttype = b.opcintype AND f.amprocrighttype = b.opcintype AND f.amprocnum = 1),"
    " (SELECT f.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc f WHERE f.amprocfamily = h.opcfamily"
    " AND f.amproclefttype = h.opcintype AND f.amprocrighttype = h.opcintype AND f.amprocnum = 1),"
    " (SELECT f.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc f WHERE f.amprocfamily = h.opcfamily"
    " AND f.amproclefttype = h.opcintype AND f.amprocrighttype = h.opcintype AND f.amprocnum = 2)"
    " FROM (VALUES ($1::pg_catalog.oid)) t(oid)"
#define DEFAULT_CLASS(method, name)                                                                           \
  " LEFT JOIN LATERAL (SELECT c.opcfamily, c.opcintype FROM pg_catalog.pg_opclass c JOIN pg_catalog.pg_type " \
  "p ON"                                                                                                      \
  " p.oid = c.opcintype WHERE c.opcmethod = " method                                                          \
  " AND c.opcdefault AND (c.opcintype = t.oid OR EXISTS ("                                                    \
  "SELECT FROM pg_catalog.pg_cast k WHERE k.castsource = t.oid AND k.casttarget = c.opcintype AND"            \
  " k.castmethod = 'b' AND k.castcontext = 'i')) ORDER BY c.opcintype = t.oid DESC, p.typispreferred DESC"    \
  " LIMIT 1) " name " ON true"
    DEFAULT_CLASS("403", "b") DEFAULT_CLASS("405", "h")
#undef DEFAULT_CLASS
        " LEFT JOIN pg_catalog.pg_operator e ON e.oid = COALESCE("
        "(SELECT o.amopopr FROM pg_catalog.pg_amop o WHERE o.amopfamily = b.opcfamily AND o.amoplefttype = "
        "b.opcintype"
        " AND o.amoprighttype = b.opcintype AND o.amopstrategy = 3),"
        "(SELECT o.amopopr FROM pg_catalog.pg_amop o WHERE o.amopfamily = h.opcfamily AND o.amoplefttype = "
        "h.opcintype"
        " AND o.amoprighttype = h.opcintype AND o.amopstrategy = 1))";

Operators ask_operators(Oid type) {
  Operators found = {};
  found.type = type;
  if (!bgw_have_session() || !IsTransactionState()) return found;
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch = AllocSetContextCreateInternal(outside, "operator look-up", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(scratch);
  char text[16];
  snprintf(text, sizeof(text), "%u", type);
  const char* value = text;
  const Oid argument = OIDOID;
  const RowSet* rows = bgw_session_lookup(question, 1, &argument, &value);
  if (rows != nullptr && rows->rows() == 1) {
    Oid* const fields[] = {&found.btree_opf,
                           &found.btree_opintype,
                           &found.hash_opf,
                           &found.hash_opintype,
                           &found.eq_opr,
                           &found.eq_proc,
                           &found.lt_opr,
                           &found.gt_opr,
                           &found.cmp_proc,
                           &found.hash_proc,
                           &found.hash_extended_proc};
    for (int i = 0; i < static_cast<int>(lengthof(fields)); i++)
      if (!rows->is_null(0, i)) *fields[i] = static_cast<Oid>(strtoul(rows->value(0, i), nullptr, 10));
  }
  MemoryContextSwitchTo(outside);
  MemoryContextDelete(scratch);
  return found;
}

// Takes out what the parts of a type cannot do: an array is compared by its elements.
void limit_to_part(Operators* operators, Oid part) {
  const TypeCacheEntry* entry = lookup_type_cache(
      part, TYPECACHE_EQ_OPR | TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC | TYPECACHE_HASH_EXTENDED_PROC);
  if (!OidIsValid(entry->eq_opr)) operators->eq_opr = operators->eq_proc = InvalidOid;
  if (!OidIsValid(entry->cmp_proc)) operators->cmp_proc = operators->lt_opr = operators->gt_opr = InvalidOid;
  if (!OidIsValid(entry->hash_proc)) operators->hash_proc = InvalidOid;
  if (!OidIsValid(entry->hash_extended_proc)) operators->hash_extended_proc = InvalidOid;
}

// A range is always ordered; whether it can be hashed depends on its bounds.
void limit_hash_to_part(Operators* operators, Oid part) {
  const TypeCacheEntry* entry = lookup_type_cache(part, TYPECACHE_HASH_PROC | TYPECACHE_HASH_EXTENDED_PROC);
  if (!OidIsValid(entry->hash_proc)) operators->hash_proc = InvalidOid;
  if (!OidIsValid(entry->hash_extended_proc)) operators->hash_extended_proc = InvalidOid;
}

Operators find_operators(const TypeInfo* type) {
  Operators found = {};
  if (const Operators* builtin = builtin_operators(type->oid)) {
    found = *builtin;
  } else if (type->typtype == TYPTYPE_DOMAIN) {
    int32 typmod = -1;
    const TypeInfo* base = learn_type(learn_base_type(type->oid, &typmod));
    if (base != nullptr && base->oid != type->oid) found = find_operators(base);
  } else if (OidIsValid(type->typelem)) {
    found = *builtin_operators(ANYARRAYOID);
    limit_to_part(&found, type->typelem);
  } else if (type->typtype == TYPTYPE_COMPOSITE) {
    found = *builtin_operators(RECORDOID);
    const TupleDesc desc = learn_row_columns(type->oid);
    for (int i = 0; desc != nullptr && i < desc->natts; i++)
      if (!TupleDescAttr(desc, i)->attisdropped) limit_to_part(&found, TupleDescAttr(desc, i)->atttypid);
    if (desc == nullptr) found = {};
  } else if (type->typtype == TYPTYPE_ENUM) {
    found = *builtin_operators(ANYENUMOID);
  } else if (type->typtype == TYPTYPE_RANGE || type->typtype == TYPTYPE_MULTIRANGE) {
    const bool multi = type->typtype == TYPTYPE_MULTIRANGE;
    found = *builtin_operators(multi ? ANYMULTIRANGEOID : ANYRANGEOID);
    const RangeInfo* range = learn_range(type->oid);
    if (range != nullptr) limit_hash_to_part(&found, multi ? range->range : range->subtype);
  } else if (find_type(type->oid) == nullptr) {
    found = ask_operators(type->oid);
  }
  found.type = type->oid;
  return found;
}

// --- functions that may not be here ---

Datum not_here(PG_FUNCTION_ARGS) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("function with OID %u is not available outside the server", fcinfo->flinfo->fn_oid),
                  errhint("Let the upstream do it in a statement.")));
  PG_RETURN_NULL();
}

Datum needs_collation(PG_FUNCTION_ARGS) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("values cannot be compared by collation %u outside the server", PG_GET_COLLATION()),
                  errhint("Let the upstream do it in a statement, or use collation \"C\".")));
  PG_RETURN_NULL();
}

bool is_implemented(const char* name) {
  int low = 0, high = bgw_symbol_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (strcmp(bgw_symbols[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < bgw_symbol_count && strcmp(bgw_symbols[low].name, name) == 0 &&
         bgw_symbols[low].kind == BgwSymbolKind::function;
}

void find_function(Oid oid, FmgrInfo* info, short nargs) {
  memset(info, 0, sizeof(*info));
  if (!OidIsValid(oid)) return;
  const FmgrBuiltin* builtin = nullptr;
  for (int low = 0, high = fmgr_nbuiltins; low < high;) {
    const int middle = (low + high) / 2;
    if (fmgr_builtins[middle].foid == oid) builtin = &fmgr_builtins[middle];
    if (fmgr_builtins[middle].foid < oid)
      low = middle + 1;
    else
      high = middle;
  }
  if (builtin != nullptr && is_implemented(builtin->funcName)) {
    fmgr_info_cxt(oid, info, cache_context());
    return;
  }
  info->fn_addr = not_here;
  info->fn_nargs = nargs;
  info->fn_strict = true;
  info->fn_mcxt = cache_context();
  info->fn_oid = oid;
}

bool compares_bytes(Oid collation) {
  return !OidIsValid(collation) || collation == C_COLLATION_OID || collation == POSIX_COLLATION_OID;
}

void find_range(TypeCacheEntry* entry) {
  const RangeInfo found = *learn_range(entry->type_id);
  find_function(found.compare, &entry->rng_cmp_proc_finfo, 2);
  if (!compares_bytes(found.collation)) entry->rng_cmp_proc_finfo.fn_addr = needs_collation;
  find_function(found.canonical, &entry->rng_canonical_finfo, 1);
  find_function(found.subdiff, &entry->rng_subdiff_finfo, 2);
  entry->rng_collation = found.collation;
  entry->rngelemtype = lookup_type_cache(found.subtype, 0);
}

void find_row(TypeCacheEntry* entry) {
  TupleDesc desc = learn_row_type(entry->type_id);
  if (desc == entry->tupDesc) return;
  if (entry->tupDesc != nullptr && --entry->tupDesc->tdrefcount == 0) FreeTupleDesc(entry->tupDesc);
  entry->tupDesc = desc;
  if (desc == nullptr) return;
  desc->tdrefcount++;
  entry->tupDesc_identifier = next_row_identifier();
}

Entry* entry_for(Oid oid) {
  Entry** head = &entries[oid & (buckets - 1)];
  for (Entry* entry = *head; entry != nullptr; entry = entry->next)
    if (entry->entry.type_id == oid) return entry;
  Entry* entry = static_cast<Entry*>(MemoryContextAllocZero(cache_context(), sizeof(Entry)));
  entry->entry.type_id = oid;
  entry->entry.type_id_hash = hash_bytes_uint32(oid);
  entry->next = *head;
  *head = entry;
  return entry;
}

}  // namespace

uint64 next_row_identifier() {
  return ++last_row_identifier;
}

bool can_call(const FmgrInfo* function) {
  return function->fn_addr != nullptr && function->fn_addr != not_here && function->fn_addr != needs_collation;
}

}  // namespace bgw

using namespace bgw;

extern "C" TypeCacheEntry* lookup_type_cache(Oid type_id, int flags) {
  const TypeInfo* type = learn_type(type_id);
  if (type == nullptr)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("type with OID %u does not exist", type_id)));
  Entry* kept = entry_for(type_id);
  TypeCacheEntry* entry = &kept->entry;
  const uint64 generation = find_type(type_id) != nullptr ? 1 : types_generation();
  if (kept->generation != generation) {
    kept->has_operators = false;
    entry->rngelemtype = entry->rngtype = nullptr;
    entry->typlen = type->typlen;
    entry->typbyval = type->typbyval;
    entry->typalign = type->typalign;
    entry->typstorage = type->typstorage;
    entry->typtype = type->typtype;
    entry->typrelid = learn_row_relation(type_id);
    entry->typelem = bgw::catalogued_element(type);
    entry->typsubscript = OidIsValid(type->typelem)    ? F_ARRAY_SUBSCRIPT_HANDLER
                          : type_id == JSONBOID        ? F_JSONB_SUBSCRIPT_HANDLER
                          : OidIsValid(entry->typelem) ? F_RAW_ARRAY_SUBSCRIPT_HANDLER
                                                       : InvalidOid;
    entry->typcollation = type->typcollation;
    kept->generation = generation;
  }
  constexpr int by_hash = TYPECACHE_HASH_PROC | TYPECACHE_HASH_PROC_FINFO | TYPECACHE_HASH_OPFAMILY |
                          TYPECACHE_HASH_EXTENDED_PROC | TYPECACHE_HASH_EXTENDED_PROC_FINFO;
  constexpr int by_order = TYPECACHE_EQ_OPR | TYPECACHE_EQ_OPR_FINFO | TYPECACHE_LT_OPR | TYPECACHE_GT_OPR |
                           TYPECACHE_CMP_PROC | TYPECACHE_CMP_PROC_FINFO | TYPECACHE_BTREE_OPFAMILY;
  if ((flags & (by_hash | by_order)) != 0 && !kept->has_operators) {
    kept->operators = find_operators(type);
    kept->has_operators = true;
    const Operators& found = kept->operators;
    entry->btree_opf = found.btree_opf;
    entry->btree_opintype = found.btree_opintype;
    entry->hash_opf = found.hash_opf;
    entry->hash_opintype = found.hash_opintype;
    entry->eq_opr = found.eq_opr;
    entry->lt_opr = found.lt_opr;
    entry->gt_opr = found.gt_opr;
    entry->cmp_proc = found.cmp_proc;
    entry->hash_proc = found.hash_proc;
    entry->hash_extended_proc = found.hash_extended_proc;
    find_function(found.eq_proc, &entry->eq_opr_finfo, 2);
    find_function(found.cmp_proc, &entry->cmp_proc_finfo, 2);
    find_function(found.hash_proc, &entry->hash_proc_finfo, 1);
    find_function(found.hash_extended_proc, &entry->hash_extended_proc_finfo, 2);
  }
  if ((flags & TYPECACHE_TUPDESC) != 0 && type->typtype == TYPTYPE_COMPOSITE) find_row(entry);
  if ((flags & TYPECACHE_RANGE_INFO) != 0 && type->typtype == TYPTYPE_RANGE && entry->rngelemtype == nullptr)
    find_range(entry);
  if ((flags & TYPECACHE_MULTIRANGE_INFO) != 0 && type->typtype == TYPTYPE_MULTIRANGE &&
      entry->rngtype == nullptr)
    entry->rngtype = lookup_type_cache(learn_range(type_id)->range, TYPECACHE_RANGE_INFO);
  if ((flags & TYPECACHE_DOMAIN_BASE_INFO) != 0 && type->typtype == TYPTYPE_DOMAIN) {
    entry->domainBaseTypmod = -1;
    entry->domainBaseType = learn_base_type(type_id, &entry->domainBaseTypmod);
  }
  return entry;
}

extern "C" {

Oid get_range_subtype(Oid rangeOid) {
  const RangeInfo* range = learn_range(rangeOid);
  return range != nullptr && range->range == rangeOid ? range->subtype : InvalidOid;
}

Oid get_range_collation(Oid rangeOid) {
  const RangeInfo* range = learn_range(rangeOid);
  return range != nullptr && range->range == rangeOid ? range->collation : InvalidOid;
}

Oid get_range_multirange(Oid rangeOid) {
  const RangeInfo* range = learn_range(rangeOid);
  return range != nullptr && range->range == rangeOid ? range->multirange : InvalidOid;
}

Oid get_multirange_range(Oid multirangeOid) {
  const RangeInfo* range = learn_range(multirangeOid);
  return range != nullptr && range->multirange == multirangeOid ? range->range : InvalidOid;
}

}  // extern "C"
