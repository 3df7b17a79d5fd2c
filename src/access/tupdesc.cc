// Tuple descriptors. One palloc'd block per descriptor; constraints and defaults, which descriptors here hardly
// ever have, hang off it in blocks of their own.
//
// Reference counts are counted but not remembered by the resource owner: descriptors of the record registry
// live as long as the process, all others belong to their memory context. Row types are not versioned outside
// the server.
#include <cstring>

#include "bridge/type_io.hpp"
#include "bridge/user_types.hpp"

extern "C" {
#include "postgres.h"
#include "access/tupdesc.h"
#include "access/tupdesc_details.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/resowner_private.h"
}

namespace {

void init_names(Form_pg_attribute att, AttrNumber attnum, const char* name, Oid type, int32 typmod, int ndims) {
  memset(att, 0, sizeof(FormData_pg_attribute));
  if (name != nullptr) namestrcpy(&att->attname, name);
  att->attstattarget = -1;
  att->attcacheoff = -1;
  att->atttypmod = typmod;
  att->attnum = attnum;
  att->attndims = ndims;
  att->attislocal = true;
  att->atttypid = type;
}

void init_type(Form_pg_attribute att, const bgw::TypeInfo* type) {
  att->attlen = type->typlen;
  att->attbyval = type->typbyval;
  att->attalign = type->typalign;
  att->attstorage = type->typstorage;
  att->attcollation = type->typcollation;
}

// What belongs to a table's column and not to a column of a result.
void clear_table_properties(Form_pg_attribute att) {
  att->attnotnull = false;
  att->atthasdef = false;
  att->atthasmissing = false;
  att->attidentity = '\0';
  att->attgenerated = '\0';
}

TupleConstr* copy_constraints(const TupleDescData* desc) {
  const TupleConstr* from = desc->constr;
  TupleConstr* to = static_cast<TupleConstr*>(palloc0(sizeof(TupleConstr)));
  to->has_not_null = from->has_not_null;
  to->has_generated_stored = from->has_generated_stored;
  to->num_defval = from->num_defval;
  if (to->num_defval > 0) {
    to->defval = static_cast<AttrDefault*>(palloc0(to->num_defval * sizeof(AttrDefault)));
    for (int i = 0; i < to->num_defval; i++) {
      to->defval[i].adnum = from->defval[i].adnum;
      to->defval[i].adbin = pstrdup(from->defval[i].adbin);
    }
  }
  if (from->missing != nullptr) {
    to->missing = static_cast<AttrMissing*>(palloc0(static_cast<Size>(desc->natts) * sizeof(AttrMissing)));
    for (int i = 0; i < desc->natts; i++) {
      if (!from->missing[i].am_present) continue;
      const FormData_pg_attribute* att = &desc->attrs[i];
      to->missing[i].am_present = true;
      to->missing[i].am_value = datumCopy(from->missing[i].am_value, att->attbyval, att->attlen);
    }
  }
  to->num_check = from->num_check;
  if (to->num_check > 0) {
    to->check = static_cast<ConstrCheck*>(palloc0(to->num_check * sizeof(ConstrCheck)));
    for (int i = 0; i < to->num_check; i++) {
      to->check[i] = from->check[i];
      to->check[i].ccname = pstrdup(from->check[i].ccname);
      to->check[i].ccbin = pstrdup(from->check[i].ccbin);
    }
  }
  return to;
}

void free_constraints(TupleDesc desc) {
  TupleConstr* constr = desc->constr;
  for (int i = 0; i < constr->num_defval; i++) pfree(constr->defval[i].adbin);
  if (constr->num_defval > 0) pfree(constr->defval);
  if (constr->missing != nullptr) {
    for (int i = 0; i < desc->natts; i++)
      if (constr->missing[i].am_present && !TupleDescAttr(desc, i)->attbyval)
        pfree(DatumGetPointer(constr->missing[i].am_value));
    pfree(constr->missing);
  }
  for (int i = 0; i < constr->num_check; i++) {
    pfree(constr->check[i].ccname);
    pfree(constr->check[i].ccbin);
  }
  if (constr->num_check > 0) pfree(constr->check);
  pfree(constr);
  desc->constr = nullptr;
}

bool equal_columns(const FormData_pg_attribute* a, const FormData_pg_attribute* b) {
  return strcmp(NameStr(a->attname), NameStr(b->attname)) == 0 && a->atttypid == b->atttypid &&
         a->attstattarget == b->attstattarget && a->attlen == b->attlen && a->attndims == b->attndims &&
         a->atttypmod == b->atttypmod && a->attbyval == b->attbyval && a->attalign == b->attalign &&
         a->attstorage == b->attstorage && a->attcompression == b->attcompression &&
         a->attnotnull == b->attnotnull && a->atthasdef == b->atthasdef && a->attidentity == b->attidentity &&
         a->attgenerated == b->attgenerated && a->attisdropped == b->attisdropped &&
         a->attislocal == b->attislocal && a->attinhcount == b->attinhcount &&
         a->attcollation == b->attcollation;
}

bool equal_constraints(TupleDesc a, TupleDesc b) {
  const TupleConstr *x = a->constr, *y = b->constr;
  if (x == nullptr || y == nullptr) return x == y;
  if (x->has_not_null != y->has_not_null || x->has_generated_stored != y->has_generated_stored ||
      x->num_defval != y->num_defval || x->num_check != y->num_check ||
      (x->missing == nullptr) != (y->missing == nullptr))
    return false;
  for (int i = 0; i < x->num_defval; i++)
    if (x->defval[i].adnum != y->defval[i].adnum || strcmp(x->defval[i].adbin, y->defval[i].adbin) != 0)
      return false;
  for (int i = 0; x->missing != nullptr && i < a->natts; i++) {
    const AttrMissing *m = &x->missing[i], *n = &y->missing[i];
    const FormData_pg_attribute* att = TupleDescAttr(a, i);
    if (m->am_present != n->am_present) return false;
    if (m->am_present && !datumIsEqual(m->am_value, n->am_value, att->attbyval, att->attlen)) return false;
  }
  for (int i = 0; i < x->num_check; i++)
    if (strcmp(x->check[i].ccname, y->check[i].ccname) != 0 ||
        strcmp(x->check[i].ccbin, y->check[i].ccbin) != 0 || x->check[i].ccvalid != y->check[i].ccvalid ||
        x->check[i].ccnoinherit != y->check[i].ccnoinherit)
      return false;
  return true;
}

}  // namespace

extern "C" {

TupleDesc CreateTemplateTupleDesc(int natts) {
  Assert(natts >= 0);
  const Size size =
      offsetof(struct TupleDescData, attrs) + static_cast<Size>(natts) * sizeof(FormData_pg_attribute);
  TupleDesc desc = static_cast<TupleDesc>(palloc(size));
  desc->natts = natts;
  desc->constr = nullptr;
  desc->tdtypeid = RECORDOID;
  desc->tdtypmod = -1;
  desc->tdrefcount = -1;
  return desc;
}

TupleDesc CreateTupleDesc(int natts, Form_pg_attribute* attrs) {
  TupleDesc desc = CreateTemplateTupleDesc(natts);
  for (int i = 0; i < natts; i++) memcpy(TupleDescAttr(desc, i), attrs[i], ATTRIBUTE_FIXED_PART_SIZE);
  return desc;
}

TupleDesc CreateTupleDescCopy(TupleDesc tupdesc) {
  TupleDesc desc = CreateTemplateTupleDesc(tupdesc->natts);
  TupleDescCopy(desc, tupdesc);
  desc->tdrefcount = -1;
  return desc;
}

TupleDesc CreateTupleDescCopyConstr(TupleDesc tupdesc) {
  TupleDesc desc = CreateTemplateTupleDesc(tupdesc->natts);
  memcpy(desc->attrs, tupdesc->attrs, static_cast<Size>(tupdesc->natts) * sizeof(FormData_pg_attribute));
  if (tupdesc->constr != nullptr) desc->constr = copy_constraints(tupdesc);
  desc->tdtypeid = tupdesc->tdtypeid;
  desc->tdtypmod = tupdesc->tdtypmod;
  return desc;
}

void TupleDescCopy(TupleDesc dst, TupleDesc src) {
  memcpy(static_cast<void*>(dst), src, TupleDescSize(src));
  for (int i = 0; i < dst->natts; i++) clear_table_properties(TupleDescAttr(dst, i));
  dst->constr = nullptr;
  dst->tdrefcount = -1;
}

Size TupleDescCopySize(TupleDesc src) {
  return TupleDescSize(src);
}

void TupleDescCopySized(TupleDesc dst, Size dstsize, TupleDesc src) {
  if (dstsize < TupleDescSize(src)) elog(ERROR, "tuple descriptor does not fit into %zu bytes", dstsize);
  TupleDescCopy(dst, src);
}

void TupleDescCopyEntry(TupleDesc dst, AttrNumber dstAttno, TupleDesc src, AttrNumber srcAttno) {
  Form_pg_attribute att = TupleDescAttr(dst, dstAttno - 1);
  memcpy(att, TupleDescAttr(src, srcAttno - 1), ATTRIBUTE_FIXED_PART_SIZE);
  att->attnum = dstAttno;
  att->attcacheoff = -1;
  clear_table_properties(att);
}

void FreeTupleDesc(TupleDesc tupdesc) {
  Assert(tupdesc->tdrefcount <= 0);
  if (tupdesc->constr != nullptr) free_constraints(tupdesc);
  pfree(tupdesc);
}

// The reference belongs to the current resource owner, which gives it up if nobody does before. Where there is none, outside
// transactions, it is only counted.
void IncrTupleDescRefCount(TupleDesc tupdesc) {
  Assert(tupdesc->tdrefcount >= 0);
  if (CurrentResourceOwner != nullptr) ResourceOwnerEnlargeTupleDescs(CurrentResourceOwner);
  tupdesc->tdrefcount++;
  if (CurrentResourceOwner != nullptr) ResourceOwnerRememberTupleDesc(CurrentResourceOwner, tupdesc);
}

void DecrTupleDescRefCount(TupleDesc tupdesc) {
  Assert(tupdesc->tdrefcount > 0);
  if (CurrentResourceOwner != nullptr) ResourceOwnerForgetTupleDesc(CurrentResourceOwner, tupdesc);
  if (--tupdesc->tdrefcount == 0) FreeTupleDesc(tupdesc);
}

XLogRecPtr TupleDescGetVersion(TupleDesc tupdesc) {
  return InvalidXLogRecPtr;
}

void TupleDescSetVersion(TupleDesc tupdesc, XLogRecPtr version) {
  if (version != InvalidXLogRecPtr)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("row types have no versions outside the server")));
}

XLogRecPtr TupleDescGetAttrVersion(TupleDesc tupdesc, AttrNumber attnum) {
  return InvalidXLogRecPtr;
}

void TupleDescSetAttrVersion(TupleDesc tupdesc, AttrNumber attnum, XLogRecPtr version) {
  TupleDescSetVersion(tupdesc, version);
}

bool equalTupleDescs(TupleDesc tupdesc1, TupleDesc tupdesc2) {
  if (tupdesc1->natts != tupdesc2->natts || tupdesc1->tdtypeid != tupdesc2->tdtypeid) return false;
  for (int i = 0; i < tupdesc1->natts; i++)
    if (!equal_columns(TupleDescAttr(tupdesc1, i), TupleDescAttr(tupdesc2, i))) return false;
  return equal_constraints(tupdesc1, tupdesc2);
}

uint32 hashTupleDesc(TupleDesc tupdesc) {
  uint32 hash = hash_combine(0, hash_bytes_uint32(static_cast<uint32>(tupdesc->natts)));
  hash = hash_combine(hash, hash_bytes_uint32(tupdesc->tdtypeid));
  for (int i = 0; i < tupdesc->natts; i++)
    hash = hash_combine(hash, hash_bytes_uint32(TupleDescAttr(tupdesc, i)->atttypid));
  return hash;
}

void TupleDescInitEntry(TupleDesc desc, AttrNumber attributeNumber, const char* attributeName, Oid oidtypeid,
                        int32 typmod, int attdim) {
  Assert(attributeNumber >= 1 && attributeNumber <= desc->natts);
  const bgw::TypeInfo* type = bgw::learn_type(oidtypeid);
  if (type == nullptr) elog(ERROR, "cache lookup failed for type %u", oidtypeid);
  Form_pg_attribute att = TupleDescAttr(desc, attributeNumber - 1);
  // The name may be the entry's own.
  NameData name;
  if (attributeName != nullptr) {
    namestrcpy(&name, attributeName);
    attributeName = NameStr(name);
  }
  init_names(att, attributeNumber, attributeName, oidtypeid, typmod, attdim);
  init_type(att, type);
}

void TupleDescInitBuiltinEntry(TupleDesc desc, AttrNumber attributeNumber, const char* attributeName,
                               Oid oidtypeid, int32 typmod, int attdim) {
  if (bgw::find_type(oidtypeid) == nullptr) elog(ERROR, "unsupported type %u", oidtypeid);
  TupleDescInitEntry(desc, attributeNumber, attributeName, oidtypeid, typmod, attdim);
}

void TupleDescInitEntryCollation(TupleDesc desc, AttrNumber attributeNumber, Oid collationid) {
  Assert(attributeNumber >= 1 && attributeNumber <= desc->natts);
  TupleDescAttr(desc, attributeNumber - 1)->attcollation = collationid;
}

TupleDesc BuildDescFromLists(List* names, List* types, List* typmods, List* collations) {
  TupleDesc desc = CreateTemplateTupleDesc(list_length(names));
  for (int i = 0; i < desc->natts; i++) {
    const AttrNumber attnum = static_cast<AttrNumber>(i + 1);
    // The names are String nodes; their layout is nodes/value.h's.
    TupleDescInitEntry(desc, attnum, strVal(list_nth(names, i)), list_nth_oid(types, i),
                       list_nth_int(typmods, i), 0);
    TupleDescInitEntryCollation(desc, attnum, list_nth_oid(collations, i));
  }
  return desc;
}

}  // extern "C"
