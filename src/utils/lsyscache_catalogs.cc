// What utils/lsyscache.h answers by one look-up in a catalogue cache (utils/syscache.cc), or a few: columns,
// functions, operators and their families, casts, constraints, collations, indexes.
extern "C" {
#include "postgres.h"
#include "access/hash.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_cast.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_language.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_transform.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

#include "bridge/catalog_lookup.hpp"

namespace {

// Lets `read` look at the row that has been found and gives it back. False if there is none.
template <class Form, class Read>
bool look(HeapTuple tuple, Read read) {
  if (tuple == nullptr) return false;
  read(reinterpret_cast<const Form*>(GETSTRUCT(tuple)));
  ReleaseSysCache(tuple);
  return true;
}

template <class Form, class Read>
bool look(int cache, Oid oid, Read read) {
  return look<Form>(SearchSysCache1(cache, ObjectIdGetDatum(oid)), read);
}

template <class Read>
bool look_at_function(Oid funcid, Read read) {
  return look<FormData_pg_proc>(PROCOID, funcid, read);
}

template <class Read>
bool look_at_operator(Oid opno, Read read) {
  return look<FormData_pg_operator>(OPEROID, opno, read);
}

template <class Read>
bool look_at_column(Oid relid, AttrNumber attnum, Read read) {
  return look<FormData_pg_attribute>(SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum)),
                                     read);
}

template <class Read>
bool look_at_member(Oid opno, char purpose, Oid opfamily, Read read) {
  return look<FormData_pg_amop>(
      SearchSysCache3(AMOPOPID, ObjectIdGetDatum(opno), CharGetDatum(purpose), ObjectIdGetDatum(opfamily)),
      read);
}

// `read` gets each entry of an operator in a family, until it says true.
template <class Read>
void look_at_families(Oid opno, Read read) {
  CatCList* list = SearchSysCacheList1(AMOPOPID, ObjectIdGetDatum(opno));
  for (int i = 0; i < list->n_members; i++)
    if (read(reinterpret_cast<const FormData_pg_amop*>(GETSTRUCT(&list->members[i]->tuple)))) break;
  ReleaseSysCacheList(list);
}

bool is_equality(const FormData_pg_amop* entry, Oid method) {
  return entry->amopmethod == method &&
         entry->amopstrategy == (method == HASH_AM_OID ? HTEqualStrategyNumber : BTEqualStrategyNumber);
}

void no_column(AttrNumber attnum, Oid relid) {
  elog(ERROR, "cache lookup failed for attribute %d of relation %u", attnum, relid);
}
void no_function(Oid funcid) {
  elog(ERROR, "cache lookup failed for function %u", funcid);
}
void no_opclass(Oid opclass) {
  elog(ERROR, "cache lookup failed for opclass %u", opclass);
}
void no_index(Oid index) {
  elog(ERROR, "cache lookup failed for index %u", index);
}

// A field of a function's row; missing functions are errors.
template <class Value>
Value of_function(Oid funcid, Value FormData_pg_proc::*field) {
  Value value{};
  if (!look_at_function(funcid, [&](const FormData_pg_proc* form) { value = form->*field; }))
    no_function(funcid);
  return value;
}

// A field of an operator's row; zero if there is none.
template <class Value>
Value of_operator(Oid opno, Value FormData_pg_operator::*field) {
  Value value{};
  look_at_operator(opno, [&](const FormData_pg_operator* form) { value = form->*field; });
  return value;
}

bool of_index(Oid index, bool FormData_pg_index::*field, bool missing_ok) {
  bool value = false;
  if (!look<FormData_pg_index>(INDEXRELID, index,
                               [&](const FormData_pg_index* form) { value = form->*field; }) &&
      !missing_ok)
    no_index(index);
  return value;
}

}  // namespace

extern "C" {

// ---- columns

char* get_attname(Oid relid, AttrNumber attnum, bool missing_ok) {
  char* name = nullptr;
  if (!look_at_column(relid, attnum,
                      [&](const FormData_pg_attribute* form) { name = pstrdup(NameStr(form->attname)); }) &&
      !missing_ok)
    no_column(attnum, relid);
  return name;
}

int get_attstattarget(Oid relid, AttrNumber attnum) {
  int target = 0;
  if (!look_at_column(relid, attnum, [&](const FormData_pg_attribute* form) { target = form->attstattarget; }))
    no_column(attnum, relid);
  return target;
}

char get_attgenerated(Oid relid, AttrNumber attnum) {
  char generated = '\0';
  if (!look_at_column(relid, attnum,
                      [&](const FormData_pg_attribute* form) { generated = form->attgenerated; }))
    no_column(attnum, relid);
  return generated;
}

Oid get_atttype(Oid relid, AttrNumber attnum) {
  Oid type = InvalidOid;
  look_at_column(relid, attnum, [&](const FormData_pg_attribute* form) { type = form->atttypid; });
  return type;
}

void get_atttypetypmodcoll(Oid relid, AttrNumber attnum, Oid* typid, int32* typmod, Oid* collid) {
  if (!look_at_column(relid, attnum, [&](const FormData_pg_attribute* form) {
        *typid = form->atttypid;
        *typmod = form->atttypmod;
        *collid = form->attcollation;
      }))
    no_column(attnum, relid);
}

Datum get_attoptions(Oid relid, int16 attnum) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
  if (tuple == nullptr) no_column(attnum, relid);
  bool null;
  Datum options = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attoptions, &null);
  options = null ? static_cast<Datum>(0) : datumCopy(options, false, -1);
  ReleaseSysCache(tuple);
  return options;
}

int32 get_attavgwidth(Oid relid, AttrNumber attnum) {
  int32 width = 0;
  look<FormData_pg_statistic>(
      SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid), Int16GetDatum(attnum), BoolGetDatum(false)),
      [&](const FormData_pg_statistic* form) { width = form->stawidth; });
  return Max(width, 0);
}

bool get_rel_relispartition(Oid relid) {
  bool partition = false;
  look<FormData_pg_class>(RELOID, relid,
                          [&](const FormData_pg_class* form) { partition = form->relispartition; });
  return partition;
}

// ---- functions

int get_func_nargs(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::pronargs);
}

Oid get_func_signature(Oid funcid, Oid** argtypes, int* nargs) {
  Oid result = InvalidOid;
  if (!look_at_function(funcid, [&](const FormData_pg_proc* form) {
        result = form->prorettype;
        *nargs = form->pronargs;
        const Size size = sizeof(Oid) * static_cast<Size>(form->pronargs);
        *argtypes = static_cast<Oid*>(palloc(size));
        memcpy(*argtypes, form->proargtypes.values, size);
      }))
    no_function(funcid);
  return result;
}

Oid get_func_variadictype(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::provariadic);
}

bool get_func_retset(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::proretset);
}

bool func_strict(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::proisstrict);
}

char func_volatile(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::provolatile);
}

char func_parallel(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::proparallel);
}

char get_func_prokind(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::prokind);
}

bool get_func_leakproof(Oid funcid) {
  return of_function(funcid, &FormData_pg_proc::proleakproof);
}

RegProcedure get_func_support(Oid funcid) {
  RegProcedure support = InvalidOid;
  look_at_function(funcid, [&](const FormData_pg_proc* form) { support = form->prosupport; });
  return support;
}

// ---- operators

RegProcedure get_opcode(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprcode);
}

char* get_opname(Oid opno) {
  char* name = nullptr;
  look_at_operator(opno, [&](const FormData_pg_operator* form) { name = pstrdup(NameStr(form->oprname)); });
  return name;
}

Oid get_op_rettype(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprresult);
}

void op_input_types(Oid opno, Oid* lefttype, Oid* righttype) {
  if (!look_at_operator(opno, [&](const FormData_pg_operator* form) {
        *lefttype = form->oprleft;
        *righttype = form->oprright;
      }))
    elog(ERROR, "cache lookup failed for operator %u", opno);
}

// For arrays and rows the types of their members decide.
bool op_mergejoinable(Oid opno, Oid inputtype) {
  if (opno == ARRAY_EQ_OP) return lookup_type_cache(inputtype, TYPECACHE_CMP_PROC)->cmp_proc == F_BTARRAYCMP;
  if (opno == RECORD_EQ_OP) return lookup_type_cache(inputtype, TYPECACHE_CMP_PROC)->cmp_proc == F_BTRECORDCMP;
  return of_operator(opno, &FormData_pg_operator::oprcanmerge);
}

bool op_hashjoinable(Oid opno, Oid inputtype) {
  if (opno == ARRAY_EQ_OP) return lookup_type_cache(inputtype, TYPECACHE_HASH_PROC)->hash_proc == F_HASH_ARRAY;
  if (opno == RECORD_EQ_OP)
    return lookup_type_cache(inputtype, TYPECACHE_HASH_PROC)->hash_proc == F_HASH_RECORD;
  return of_operator(opno, &FormData_pg_operator::oprcanhash);
}

bool op_strict(Oid opno) {
  const RegProcedure function = get_opcode(opno);
  if (!RegProcedureIsValid(function)) elog(ERROR, "operator %u does not exist", opno);
  return func_strict(function);
}

char op_volatile(Oid opno) {
  const RegProcedure function = get_opcode(opno);
  if (!RegProcedureIsValid(function)) elog(ERROR, "operator %u does not exist", opno);
  return func_volatile(function);
}

Oid get_commutator(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprcom);
}

Oid get_negator(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprnegate);
}

RegProcedure get_oprrest(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprrest);
}

RegProcedure get_oprjoin(Oid opno) {
  return of_operator(opno, &FormData_pg_operator::oprjoin);
}

// ---- operator classes and families

Oid get_opclass_family(Oid opclass) {
  Oid family = InvalidOid;
  if (!look<FormData_pg_opclass>(CLAOID, opclass,
                                 [&](const FormData_pg_opclass* form) { family = form->opcfamily; }))
    no_opclass(opclass);
  return family;
}

Oid get_opclass_input_type(Oid opclass) {
  Oid type = InvalidOid;
  if (!look<FormData_pg_opclass>(CLAOID, opclass,
                                 [&](const FormData_pg_opclass* form) { type = form->opcintype; }))
    no_opclass(opclass);
  return type;
}

bool get_opclass_opfamily_and_input_type(Oid opclass, Oid* opfamily, Oid* opcintype) {
  return look<FormData_pg_opclass>(CLAOID, opclass, [&](const FormData_pg_opclass* form) {
    *opfamily = form->opcfamily;
    *opcintype = form->opcintype;
  });
}

bool op_in_opfamily(Oid opno, Oid opfamily) {
  return look_at_member(opno, AMOP_SEARCH, opfamily, [](const FormData_pg_amop*) {});
}

int get_op_opfamily_strategy(Oid opno, Oid opfamily) {
  int strategy = 0;
  look_at_member(opno, AMOP_SEARCH, opfamily,
                 [&](const FormData_pg_amop* form) { strategy = form->amopstrategy; });
  return strategy;
}

Oid get_op_opfamily_sortfamily(Oid opno, Oid opfamily) {
  Oid family = InvalidOid;
  look_at_member(opno, AMOP_ORDER, opfamily,
                 [&](const FormData_pg_amop* form) { family = form->amopsortfamily; });
  return family;
}

void get_op_opfamily_properties(Oid opno, Oid opfamily, bool ordering_op, int* strategy, Oid* lefttype,
                                Oid* righttype) {
  if (!look_at_member(opno, ordering_op ? AMOP_ORDER : AMOP_SEARCH, opfamily,
                      [&](const FormData_pg_amop* form) {
                        *strategy = form->amopstrategy;
                        *lefttype = form->amoplefttype;
                        *righttype = form->amoprighttype;
                      }))
    elog(ERROR, "operator %u is not a member of opfamily %u", opno, opfamily);
}

Oid get_opfamily_member(Oid opfamily, Oid lefttype, Oid righttype, int16 strategy) {
  Oid found = InvalidOid;
  look<FormData_pg_amop>(SearchSysCache4(AMOPSTRATEGY, ObjectIdGetDatum(opfamily), ObjectIdGetDatum(lefttype),
                                         ObjectIdGetDatum(righttype), Int16GetDatum(strategy)),
                         [&](const FormData_pg_amop* form) { found = form->amopopr; });
  return found;
}

Oid get_opfamily_proc(Oid opfamily, Oid lefttype, Oid righttype, int16 procnum) {
  RegProcedure found = InvalidOid;
  look<FormData_pg_amproc>(SearchSysCache4(AMPROCNUM, ObjectIdGetDatum(opfamily), ObjectIdGetDatum(lefttype),
                                           ObjectIdGetDatum(righttype), Int16GetDatum(procnum)),
                           [&](const FormData_pg_amproc* form) { found = form->amproc; });
  return found;
}

bool get_ordering_op_properties(Oid opno, Oid* opfamily, Oid* opcintype, int16* strategy) {
  *opfamily = *opcintype = InvalidOid;
  *strategy = 0;
  bool found = false;
  look_at_families(opno, [&](const FormData_pg_amop* entry) {
    found = entry->amopmethod == BTREE_AM_OID && entry->amoplefttype == entry->amoprighttype &&
            (entry->amopstrategy == BTLessStrategyNumber || entry->amopstrategy == BTGreaterStrategyNumber);
    if (found) {
      *opfamily = entry->amopfamily;
      *opcintype = entry->amoplefttype;
      *strategy = entry->amopstrategy;
    }
    return found;
  });
  return found;
}

Oid get_equality_op_for_ordering_op(Oid opno, bool* reverse) {
  Oid family, type;
  int16 strategy;
  if (!get_ordering_op_properties(opno, &family, &type, &strategy)) return InvalidOid;
  const Oid equality = get_opfamily_member(family, type, type, BTEqualStrategyNumber);
  if (reverse != nullptr) *reverse = strategy == BTGreaterStrategyNumber;
  return equality;
}

Oid get_ordering_op_for_equality_op(Oid opno, bool use_lhs_type) {
  Oid found = InvalidOid;
  look_at_families(opno, [&](const FormData_pg_amop* entry) {
    if (!is_equality(entry, BTREE_AM_OID)) return false;
    const Oid type = use_lhs_type ? entry->amoplefttype : entry->amoprighttype;
    found = get_opfamily_member(entry->amopfamily, type, type, BTLessStrategyNumber);
    return OidIsValid(found);
  });
  return found;
}

List* get_mergejoin_opfamilies(Oid opno) {
  List* families = NIL;
  look_at_families(opno, [&](const FormData_pg_amop* entry) {
    if (is_equality(entry, BTREE_AM_OID)) families = lappend_oid(families, entry->amopfamily);
    return false;
  });
  return families;
}

bool get_compatible_hash_operators(Oid opno, Oid* lhs_opno, Oid* rhs_opno) {
  Oid left = InvalidOid, right = InvalidOid;
  bool found = false;
  look_at_families(opno, [&](const FormData_pg_amop* entry) {
    if (!is_equality(entry, HASH_AM_OID)) return false;
    left = right = opno;
    found = entry->amoplefttype == entry->amoprighttype;
    if (found) return true;
    // An operator between two types: those within each of them are what can be hashed.
    left = right = InvalidOid;
    if (lhs_opno != nullptr)
      left = get_opfamily_member(entry->amopfamily, entry->amoplefttype, entry->amoplefttype,
                                 HTEqualStrategyNumber);
    if (rhs_opno != nullptr)
      right = get_opfamily_member(entry->amopfamily, entry->amoprighttype, entry->amoprighttype,
                                  HTEqualStrategyNumber);
    found = (lhs_opno == nullptr || OidIsValid(left)) && (rhs_opno == nullptr || OidIsValid(right));
    return found;
  });
  if (lhs_opno != nullptr) *lhs_opno = found ? left : InvalidOid;
  if (rhs_opno != nullptr) *rhs_opno = found ? right : InvalidOid;
  return found;
}

bool get_op_hash_functions(Oid opno, RegProcedure* lhs_procno, RegProcedure* rhs_procno) {
  RegProcedure left = InvalidOid, right = InvalidOid;
  bool found = false;
  look_at_families(opno, [&](const FormData_pg_amop* entry) {
    if (!is_equality(entry, HASH_AM_OID)) return false;
    auto function = [&](Oid type) {
      return get_opfamily_proc(entry->amopfamily, type, type, HASHSTANDARD_PROC);
    };
    left = right = InvalidOid;
    if (lhs_procno != nullptr) left = function(entry->amoplefttype);
    if (rhs_procno != nullptr) right = function(entry->amoprighttype);
    found = (lhs_procno == nullptr || OidIsValid(left)) && (rhs_procno == nullptr || OidIsValid(right));
    return found;
  });
  if (lhs_procno != nullptr) *lhs_procno = found ? left : InvalidOid;
  if (rhs_procno != nullptr) *rhs_procno = found ? right : InvalidOid;
  return found;
}

// ---- indexes

Oid get_index_column_opclass(Oid index_oid, int attno) {
  HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index_oid));
  if (tuple == nullptr) return InvalidOid;
  Oid opclass = InvalidOid;
  if (attno <= reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple))->indnkeyatts) {
    bool null;
    const Datum classes = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &null);
    opclass = reinterpret_cast<oidvector*>(DatumGetPointer(classes))->values[attno - 1];
  }
  ReleaseSysCache(tuple);
  return opclass;
}

bool get_index_isreplident(Oid index_oid) {
  return of_index(index_oid, &FormData_pg_index::indisreplident, true);
}

bool get_index_isvalid(Oid index_oid) {
  return of_index(index_oid, &FormData_pg_index::indisvalid, false);
}

bool get_index_isclustered(Oid index_oid) {
  return of_index(index_oid, &FormData_pg_index::indisclustered, false);
}

// ---- the rest

Oid get_cast_oid(Oid sourcetypeid, Oid targettypeid, bool missing_ok) {
  const Oid oid = GetSysCacheOid2(CASTSOURCETARGET, Anum_pg_cast_oid, ObjectIdGetDatum(sourcetypeid),
                                  ObjectIdGetDatum(targettypeid));
  if (!OidIsValid(oid) && !missing_ok)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("cast from type %s to type %s does not exist", format_type_be(sourcetypeid),
                           format_type_be(targettypeid))));
  return oid;
}

char* get_collation_name(Oid colloid) {
  char* name = nullptr;
  look<FormData_pg_collation>(
      COLLOID, colloid, [&](const FormData_pg_collation* form) { name = pstrdup(NameStr(form->collname)); });
  return name;
}

bool get_collation_isdeterministic(Oid colloid) {
  bool deterministic = true;
  if (!look<FormData_pg_collation>(COLLOID, colloid, [&](const FormData_pg_collation* form) {
        deterministic = form->collisdeterministic;
      }))
    elog(ERROR, "cache lookup failed for collation %u", colloid);
  return deterministic;
}

bool collations_agree_on_equality(Oid coll1, Oid coll2) {
  if (!OidIsValid(coll1) || !OidIsValid(coll2) || coll1 == coll2) return true;
  return get_collation_isdeterministic(coll1) && get_collation_isdeterministic(coll2);
}

char* get_constraint_name(Oid conoid) {
  char* name = nullptr;
  look<FormData_pg_constraint>(
      CONSTROID, conoid, [&](const FormData_pg_constraint* form) { name = pstrdup(NameStr(form->conname)); });
  return name;
}

// Only of constraints that are kept by an index; a foreign key names that of the table it refers to.
Oid get_constraint_index(Oid conoid) {
  Oid index = InvalidOid;
  look<FormData_pg_constraint>(CONSTROID, conoid, [&](const FormData_pg_constraint* form) {
    if (form->contype == CONSTRAINT_PRIMARY || form->contype == CONSTRAINT_UNIQUE ||
        form->contype == CONSTRAINT_EXCLUSION)
      index = form->conindid;
  });
  return index;
}

char* get_language_name(Oid langoid, bool missing_ok) {
  char* name = nullptr;
  if (!look<FormData_pg_language>(
          LANGOID, langoid,
          [&](const FormData_pg_language* form) { name = pstrdup(NameStr(form->lanname)); }) &&
      !missing_ok)
    elog(ERROR, "cache lookup failed for language %u", langoid);
  return name;
}

char* get_namespace_name_or_temp(Oid nspid) {
  const Oid none[1] = {InvalidOid};
  const Oid temporary = bgw_catalog_oid(
      "get_namespace_name_or_temp", "SELECT pg_catalog.pg_my_temp_schema()::pg_catalog.oid", 0, none, nullptr);
  return OidIsValid(temporary) && nspid == temporary ? pstrdup("pg_temp") : get_namespace_name(nspid);
}

Oid get_transform_fromsql(Oid typid, Oid langid, List* trftypes) {
  RegProcedure function = InvalidOid;
  if (list_member_oid(trftypes, typid))
    look<FormData_pg_transform>(SearchSysCache2(TRFTYPELANG, ObjectIdGetDatum(typid), ObjectIdGetDatum(langid)),
                                [&](const FormData_pg_transform* form) { function = form->trffromsql; });
  return function;
}

Oid get_transform_tosql(Oid typid, Oid langid, List* trftypes) {
  RegProcedure function = InvalidOid;
  if (list_member_oid(trftypes, typid))
    look<FormData_pg_transform>(SearchSysCache2(TRFTYPELANG, ObjectIdGetDatum(typid), ObjectIdGetDatum(langid)),
                                [&](const FormData_pg_transform* form) { function = form->trftosql; });
  return function;
}

void get_type_category_preferred(Oid typid, char* typcategory, bool* typispreferred) {
  if (!look<FormData_pg_type>(TYPEOID, typid, [&](const FormData_pg_type* form) {
        *typcategory = form->typcategory;
        *typispreferred = form->typispreferred;
      }))
    elog(ERROR, "cache lookup failed for type %u", typid);
}

RegProcedure get_typsubscript(Oid typid, Oid* typelemp) {
  RegProcedure handler = InvalidOid;
  Oid element = InvalidOid;
  look<FormData_pg_type>(TYPEOID, typid, [&](const FormData_pg_type* form) {
    handler = form->typsubscript;
    element = form->typelem;
  });
  if (typelemp != nullptr) *typelemp = element;
  return handler;
}

}  // extern "C"
