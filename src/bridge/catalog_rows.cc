// Relations of the upstream described by pg_class and pg_attribute, and read row by row (see catalog_rows.hpp).
//
// A description is one question. Rows come by one SELECT of every column in the order of their numbers, whose
// result is kept whole. Columns of the types that are printed as names are asked for as the OIDs that they are;
// a column whose values cannot be built here carries the upstream's text, if it is a varlena, and cannot be
// read otherwise.
#include <cstdlib>
#include <cstring>

#include "bridge/catalog_rows.hpp"

extern "C" {
#include "postgres.h"
#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/tupdesc_details.h"
#include "access/xact.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_shseclabel.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
}

#include "bridge/oid_aliases.hpp"
#include "bridge/tuple_builder.hpp"
#include "bridge/user_types.hpp"
#include "bridge/worker_session.hpp"

namespace bgw {
namespace {

constexpr const char* question =
    "SELECT c.oid, c.relname, c.relnamespace, c.reltype, c.reloftype, c.relowner, c.relam, c.relfilenode,"
    " c.reltablespace, c.relpages, c.reltuples, c.relallvisible, c.reltoastrelid, c.relhasindex, c.relisshared,"
    " c.relpersistence, c.relkind, c.relnatts, c.relchecks, c.relhasrules, c.relhastriggers, c.relhassubclass,"
    " c.relrowsecurity, c.relforcerowsecurity, c.relispopulated, c.relreplident, c.relispartition, "
    "c.relrewrite,"
    " c.relfrozenxid, c.relminmxid,"
    " pg_catalog.quote_ident(n.nspname) OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||)"
    " pg_catalog.quote_ident(c.relname), pg_catalog.pg_relation_filenode(c.oid), m.amhandler::pg_catalog.oid,"
    " c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema(),"
    " a.attname, a.atttypid, a.attstattarget, a.attlen, a.attnum, a.attndims, a.atttypmod, a.attbyval, "
    "a.attalign,"
    " a.attstorage, a.attcompression, a.attnotnull, a.atthasdef, a.atthasmissing, a.attidentity, "
    "a.attgenerated,"
    " a.attisdropped, a.attislocal, a.attinhcount, a.attcollation, d.adbin::pg_catalog.text"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " LEFT JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid"
    " AND a.attnum OPERATOR(pg_catalog.>) 0"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid OPERATOR(pg_catalog.=) c.oid"
    " AND d.adnum OPERATOR(pg_catalog.=) a.attnum"
    " WHERE c.oid OPERATOR(pg_catalog.=) $1 ORDER BY a.attnum";

constexpr const char* checks_question =
    "SELECT conname, conbin::pg_catalog.text, convalidated, connoinherit FROM pg_catalog.pg_constraint"
    " WHERE conrelid OPERATOR(pg_catalog.=) $1 AND contype OPERATOR(pg_catalog.=) 'c' ORDER BY conname";

// The columns of the question.
enum Field {
  c_oid,
  c_relname,
  c_relnamespace,
  c_reltype,
  c_reloftype,
  c_relowner,
  c_relam,
  c_relfilenode,
  c_reltablespace,
  c_relpages,
  c_reltuples,
  c_relallvisible,
  c_reltoastrelid,
  c_relhasindex,
  c_relisshared,
  c_relpersistence,
  c_relkind,
  c_relnatts,
  c_relchecks,
  c_relhasrules,
  c_relhastriggers,
  c_relhassubclass,
  c_relrowsecurity,
  c_relforcerowsecurity,
  c_relispopulated,
  c_relreplident,
  c_relispartition,
  c_relrewrite,
  c_relfrozenxid,
  c_relminmxid,
  r_quoted,
  r_filenode,
  r_amhandler,
  r_temporary,
  a_attname,
  a_atttypid,
  a_attstattarget,
  a_attlen,
  a_attnum,
  a_attndims,
  a_atttypmod,
  a_attbyval,
  a_attalign,
  a_attstorage,
  a_attcompression,
  a_attnotnull,
  a_atthasdef,
  a_atthasmissing,
  a_attidentity,
  a_attgenerated,
  a_attisdropped,
  a_attislocal,
  a_attinhcount,
  a_attcollation,
  d_adbin
};

// One row of the answer; NULL reads as zero.
struct Reader {
  const RowSet* rows;
  int row;
  const char* text(int field) const { return rows->value(row, field); }
  Oid oid(int field) const { return static_cast<Oid>(strtoul(text(field), nullptr, 10)); }
  int32 number(int field) const { return static_cast<int32>(strtol(text(field), nullptr, 10)); }
  bool truth(int field) const { return text(field)[0] == 't'; }
  char letter(int field) const { return text(field)[0]; }
};

Form_pg_class read_class(const Reader& in) {
  Form_pg_class form = static_cast<Form_pg_class>(palloc0(CLASS_TUPLE_SIZE));
  form->oid = in.oid(c_oid);
  strlcpy(NameStr(form->relname), in.text(c_relname), NAMEDATALEN);
  form->relnamespace = in.oid(c_relnamespace);
  form->reltype = in.oid(c_reltype);
  form->reloftype = in.oid(c_reloftype);
  form->relowner = in.oid(c_relowner);
  form->relam = in.oid(c_relam);
  form->relfilenode = in.oid(c_relfilenode);
  form->reltablespace = in.oid(c_reltablespace);
  form->relpages = in.number(c_relpages);
  form->reltuples = strtof(in.text(c_reltuples), nullptr);
  form->relallvisible = in.number(c_relallvisible);
  form->reltoastrelid = in.oid(c_reltoastrelid);
  form->relhasindex = in.truth(c_relhasindex);
  form->relisshared = in.truth(c_relisshared);
  form->relpersistence = in.letter(c_relpersistence);
  form->relkind = in.letter(c_relkind);
  form->relnatts = static_cast<int16>(in.number(c_relnatts));
  form->relchecks = static_cast<int16>(in.number(c_relchecks));
  form->relhasrules = in.truth(c_relhasrules);
  form->relhastriggers = in.truth(c_relhastriggers);
  form->relhassubclass = in.truth(c_relhassubclass);
  form->relrowsecurity = in.truth(c_relrowsecurity);
  form->relforcerowsecurity = in.truth(c_relforcerowsecurity);
  form->relispopulated = in.truth(c_relispopulated);
  form->relreplident = in.letter(c_relreplident);
  form->relispartition = in.truth(c_relispartition);
  form->relrewrite = in.oid(c_relrewrite);
  form->relfrozenxid = in.oid(c_relfrozenxid);
  form->relminmxid = in.oid(c_relminmxid);
  return form;
}

void read_attribute(const Reader& in, Oid relid, Form_pg_attribute att) {
  memset(att, 0, sizeof(FormData_pg_attribute));
  att->attrelid = relid;
  strlcpy(NameStr(att->attname), in.text(a_attname), NAMEDATALEN);
  att->atttypid = in.oid(a_atttypid);
  att->attstattarget = in.number(a_attstattarget);
  att->attlen = static_cast<int16>(in.number(a_attlen));
  att->attnum = static_cast<int16>(in.number(a_attnum));
  att->attndims = in.number(a_attndims);
  att->attcacheoff = -1;
  att->atttypmod = in.number(a_atttypmod);
  att->attbyval = in.truth(a_attbyval);
  att->attalign = in.letter(a_attalign);
  att->attstorage = in.letter(a_attstorage);
  att->attcompression = in.letter(a_attcompression);
  att->attnotnull = in.truth(a_attnotnull);
  att->atthasdef = in.truth(a_atthasdef);
  // Rows come with all their columns, so the value of one that is missing is never looked for.
  att->atthasmissing = false;
  att->attidentity = in.letter(a_attidentity);
  att->attgenerated = in.letter(a_attgenerated);
  att->attisdropped = in.truth(a_attisdropped);
  att->attislocal = in.truth(a_attislocal);
  att->attinhcount = in.number(a_attinhcount);
  att->attcollation = in.oid(a_attcollation);
}

void read_defaults(const RowSet* rows, TupleConstr* constr) {
  int count = 0;
  for (int row = 0; row < rows->rows(); row++) count += !rows->is_null(row, d_adbin);
  if (count == 0) return;
  constr->defval = static_cast<AttrDefault*>(palloc0(sizeof(AttrDefault) * static_cast<Size>(count)));
  for (int row = 0; row < rows->rows(); row++) {
    if (rows->is_null(row, d_adbin)) continue;
    AttrDefault* one = &constr->defval[constr->num_defval++];
    one->adnum = static_cast<AttrNumber>(Reader{rows, row}.number(a_attnum));
    one->adbin = pstrdup(rows->value(row, d_adbin));
  }
}

void read_checks(Oid relid, TupleConstr* constr) {
  char text[16];
  snprintf(text, sizeof(text), "%u", relid);
  const char* value = text;
  const Oid type = OIDOID;
  const RowSet* rows = catalog_lookup(checks_question, 1, &type, &value);
  if (rows->rows() == 0) return;
  constr->check = static_cast<ConstrCheck*>(palloc0(sizeof(ConstrCheck) * static_cast<Size>(rows->rows())));
  for (int row = 0; row < rows->rows(); row++) {
    ConstrCheck* one = &constr->check[constr->num_check++];
    one->ccname = pstrdup(rows->value(row, 0));
    one->ccbin = pstrdup(rows->value(row, 1));
    one->ccvalid = rows->value(row, 2)[0] == 't';
    one->ccnoinherit = rows->value(row, 3)[0] == 't';
  }
}

TupleDesc read_columns(const RowSet* rows, const FormData_pg_class* form) {
  const int natts = rows->is_null(0, a_attnum) ? 0 : rows->rows();
  TupleDesc desc = CreateTemplateTupleDesc(natts);
  desc->tdtypeid = OidIsValid(form->reltype) ? form->reltype : RECORDOID;
  desc->tdtypmod = -1;
  desc->tdrefcount = 1;
  TupleConstr* constr = static_cast<TupleConstr*>(palloc0(sizeof(TupleConstr)));
  for (int i = 0; i < natts; i++) {
    Form_pg_attribute att = TupleDescAttr(desc, i);
    read_attribute(Reader{rows, i}, form->oid, att);
    constr->has_not_null |= att->attnotnull;
    constr->has_generated_stored |= att->attgenerated == ATTRIBUTE_GENERATED_STORED;
  }
  if (natts > 0) read_defaults(rows, constr);
  if (form->relchecks > 0) read_checks(form->oid, constr);
  if (constr->has_not_null || constr->has_generated_stored || constr->num_defval > 0 || constr->num_check > 0)
    desc->constr = constr;
  else
    pfree(constr);
  return desc;
}

// ---- conditions

struct Comparison {
  Oid function;
  const char* sign;
  Oid type;  // of the argument
};

#define ALL_SIX(name, type)                                                         \
  {F_##name##EQ, "=", type}, {F_##name##NE, "<>", type}, {F_##name##LT, "<", type}, \
      {F_##name##LE, "<=", type}, {F_##name##GT, ">", type}, {                      \
    F_##name##GE, ">=", type                                                        \
  }
#define ALL_SIX_APART(name, type)                                                      \
  {F_##name##_EQ, "=", type}, {F_##name##_NE, "<>", type}, {F_##name##_LT, "<", type}, \
      {F_##name##_LE, "<=", type}, {F_##name##_GT, ">", type}, {                       \
    F_##name##_GE, ">=", type                                                          \
  }
constexpr Comparison comparisons[] = {
    ALL_SIX(OID, OIDOID),
    ALL_SIX(NAME, NAMEOID),
    ALL_SIX(CHAR, CHAROID),
    ALL_SIX(BOOL, BOOLOID),
    ALL_SIX(INT2, INT2OID),
    ALL_SIX(INT4, INT4OID),
    ALL_SIX(INT8, INT8OID),
    ALL_SIX(INT24, INT4OID),
    ALL_SIX(INT42, INT2OID),
    ALL_SIX(INT48, INT8OID),
    ALL_SIX(INT84, INT4OID),
    ALL_SIX(FLOAT4, FLOAT4OID),
    ALL_SIX(FLOAT8, FLOAT8OID),
    ALL_SIX(OIDVECTOR, OIDVECTOROID),
    ALL_SIX_APART(DATE, DATEOID),
    ALL_SIX_APART(TIMESTAMP, TIMESTAMPOID),
    ALL_SIX_APART(TIMESTAMPTZ, TIMESTAMPTZOID),
    {F_TEXTEQ, "=", TEXTOID},
    {F_TEXTNE, "<>", TEXTOID},
    {F_TEXT_LT, "<", TEXTOID},
    {F_TEXT_LE, "<=", TEXTOID},
    {F_TEXT_GT, ">", TEXTOID},
    {F_TEXT_GE, ">=", TEXTOID},
};
#undef ALL_SIX
#undef ALL_SIX_APART

const Comparison* comparison_of(Oid function) {
  for (const Comparison& comparison : comparisons)
    if (comparison.function == function) return &comparison;
  return nullptr;
}

const char* system_column(AttrNumber number) {
  switch (number) {
    case SelfItemPointerAttributeNumber:
      return "ctid";
    case MinTransactionIdAttributeNumber:
      return "xmin";
    case MinCommandIdAttributeNumber:
      return "cmin";
    case MaxTransactionIdAttributeNumber:
      return "xmax";
    case MaxCommandIdAttributeNumber:
      return "cmax";
    case TableOidAttributeNumber:
      return "tableoid";
    default:
      return nullptr;
  }
}

const char* column_name(const RelationRow* relation, AttrNumber number) {
  const char* name = system_column(number);
  if (name == nullptr && number > 0 && number <= relation->desc->natts &&
      !TupleDescAttr(relation->desc, number - 1)->attisdropped)
    name = quote_identifier(NameStr(TupleDescAttr(relation->desc, number - 1)->attname));
  if (name == nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("column number %d of relation \"%s\" does not exist",
                                                       number, NameStr(relation->form->relname))));
  return name;
}

struct Arguments {
  int count;
  Oid* types;
  const char** values;
};

void append_condition(StringInfo text, const RelationRow* relation, const ScanKeyData* key,
                      Arguments* arguments) {
  const char* column = column_name(relation, key->sk_attno);
  if (key->sk_flags & SK_SEARCHNULL) {
    appendStringInfo(text, "%s IS NULL", column);
    return;
  }
  if (key->sk_flags & SK_SEARCHNOTNULL) {
    appendStringInfo(text, "%s IS NOT NULL", column);
    return;
  }
  if (key->sk_flags & SK_ISNULL) {
    appendStringInfoString(text, "false");
    return;
  }
  const Comparison* comparison = comparison_of(key->sk_func.fn_oid);
  if (comparison == nullptr || (key->sk_flags & ~SK_ISNULL) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("a scan key with function %u on column %s of relation \"%s\" is not available outside the "
                    "server",
                    key->sk_func.fn_oid, column, NameStr(relation->form->relname)),
             errhint("Compare oid, name, char, bool, integers, floats, dates, text or oidvector by =, <>, <, "
                     "<=, > or >=, or use SPI.")));
  const char* value = key_text(comparison->type, key->sk_argument);
  if (value == nullptr) {
    // Longer than any name: it equals none.
    appendStringInfoString(text, strcmp(comparison->sign, "<>") == 0 ? "true" : "false");
    return;
  }
  arguments->types[arguments->count] = comparison->type;
  arguments->values[arguments->count++] = value;
  appendStringInfo(
      text, "%s OPERATOR(pg_catalog.%s) $%d%s", column, comparison->sign, arguments->count,
      comparison->type == TEXTOID && key->sk_collation == C_COLLATION_OID ? " COLLATE pg_catalog.\"C\"" : "");
}

// ---- columns

// Scalars that are printed as names and are OIDs.
bool is_printed_oid(const TypeInfo* type) {
  return type != nullptr && type->oid < FirstNormalObjectId && type->typlen == sizeof(Oid) && type->typbyval &&
         !type->constructible && alias_type(type->oid) != nullptr;
}

// How the builder is to see a column: the values that come are read by this.
void describe_for_builder(Form_pg_attribute att) {
  att->attstattarget = -1;
  if (att->attisdropped) return;
  const TypeInfo* type = learn_type(att->atttypid);
  if (is_printed_oid(type)) att->atttypid = OIDOID;
}

}  // namespace

struct TupleSource {
  MemoryContext context;
  const RelationRow* relation;
  const RowSet* rows;
  TupleBuilder* builder;
  bool placed;  // the rows end with ctid, xmin and xmax
  const char** values;
  int* lengths;
};

namespace {

char* select_text(const RelationRow* relation, bool placed, int nkeys, const ScanKeyData* keys, int norder,
                  const AttrNumber* order, Arguments* arguments) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "SELECT");
  for (int i = 0; i < relation->desc->natts; i++) {
    const FormData_pg_attribute* att = TupleDescAttr(relation->desc, i);
    appendStringInfoString(&text, i > 0 ? ", " : " ");
    if (att->attisdropped)
      appendStringInfoString(&text, "NULL");
    else
      appendStringInfo(&text, "%s%s", quote_identifier(NameStr(att->attname)),
                       is_printed_oid(learn_type(att->atttypid)) ? "::pg_catalog.oid" : "");
  }
  if (placed) appendStringInfo(&text, "%s ctid, xmin, xmax", relation->desc->natts > 0 ? "," : "");
  appendStringInfo(&text, " FROM ONLY %s", relation->quoted);
  for (int i = 0; i < nkeys; i++) {
    appendStringInfoString(&text, i > 0 ? " AND " : " WHERE ");
    append_condition(&text, relation, &keys[i], arguments);
  }
  for (int i = 0; i < norder; i++)
    appendStringInfo(&text, "%s%s", i > 0 ? ", " : " ORDER BY ", column_name(relation, order[i]));
  return text.data;
}

// Makes sure that every value can be put into a tuple, and tells the builder how.
void settle_columns(const TupleSource* source, TupleDesc desc) {
  for (int i = 0; i < desc->natts; i++) {
    Form_pg_attribute att = TupleDescAttr(desc, i);
    describe_for_builder(att);
    if (att->attisdropped) continue;
    const TypeInfo* type = learn_type(att->atttypid);
    if (type != nullptr && type->constructible) continue;
    if (alias_type(att->atttypid) != nullptr && resolve_aliases(att->atttypid, source->rows, i)) continue;
    att->attstattarget = 0;  // carries text
    if (att->attlen != -1)
      ereport(
          ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("values of type %s, of column \"%s\" of relation \"%s\", cannot be built outside the server",
                  format_type_be(att->atttypid), NameStr(att->attname),
                  NameStr(source->relation->form->relname)),
           errhint("SELECT the column as text through SPI.")));
  }
}

}  // namespace

bool is_shared_for_all(Oid relid) {
  return relid == DatabaseRelationId || relid == AuthIdRelationId || relid == AuthMemRelationId ||
         relid == SharedSecLabelRelationId || relid == SubscriptionRelationId;
}

void require_relations(const char* what, Oid relid) {
  if (!bgw_have_session()) {
    if (!bgw_connected_without_database())
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("%s needs a database session, which this process does not have", what)));
    if (!is_shared_for_all(relid)) elog(FATAL, "cannot read pg_class without having selected a database");
  }
  if (!IsTransactionState())
    ereport(ERROR, (errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION), errmsg("%s needs a transaction", what),
                    errhint("Call StartTransactionCommand() first.")));
}

const RowSet* catalog_lookup(const char* text, int nargs, const Oid* argtypes, const char* const* values) {
  if (bgw_have_session()) return bgw_session_lookup(text, nargs, argtypes, values);
  return bgw_connected_without_database() ? bgw_shared_lookup(text, nargs, argtypes, values) : nullptr;
}

RelationRow* describe_relation(Oid relid) {
  MemoryContext outside = CurrentMemoryContext;
  MemoryContext scratch =
      AllocSetContextCreateInternal(outside, "a relation's look-up", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(scratch);
  char text[16];
  snprintf(text, sizeof(text), "%u", relid);
  const char* value = text;
  const Oid type = OIDOID;
  const RowSet* rows = catalog_lookup(question, 1, &type, &value);
  MemoryContextSwitchTo(outside);
  RelationRow* found = nullptr;
  if (rows->rows() > 0) {
    const Reader in = {rows, 0};
    found = static_cast<RelationRow*>(palloc0(sizeof(RelationRow)));
    found->form = read_class(in);
    found->desc = read_columns(rows, found->form);
    found->quoted = pstrdup(in.text(r_quoted));
    found->relfilenode = in.oid(r_filenode);
    found->amhandler = in.oid(r_amhandler);
    found->of_this_session = in.truth(r_temporary);
  }
  MemoryContextDelete(scratch);
  return found;
}

const RelationRow* describe_catalog(Oid relid) {
  struct Kept {
    Oid relid;
    const RelationRow* row;
    Kept* next;
  };
  static Kept* kept;
  for (const Kept* one = kept; one != nullptr; one = one->next)
    if (one->relid == relid) return one->row;
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext context = AllocSetContextCreateInternal(caller, "a catalogue", ALLOCSET_SMALL_SIZES);
  MemoryContextSwitchTo(context);
  const RelationRow* row = describe_relation(relid);
  if (row == nullptr) elog(ERROR, "could not open relation with OID %u", relid);
  Kept* one = static_cast<Kept*>(palloc(sizeof(Kept)));
  MemoryContextSwitchTo(caller);
  MemoryContextSetParent(context, TopMemoryContext);
  *one = {relid, row, kept};
  kept = one;
  return row;
}

const char* key_text(Oid type, Datum value) {
  if (type == NAMEOID) {
    const char* name = DatumGetCString(value);
    const std::size_t length = strnlen(name, NAMEDATALEN);
    return length < NAMEDATALEN ? pnstrdup(name, length) : nullptr;
  }
  return type_to_text(find_type(type), value);
}

TupleSource* open_tuples(const RelationRow* relation, int nkeys, const ScanKeyData* keys, int norder,
                         const AttrNumber* order) {
  MemoryContext caller = CurrentMemoryContext;
  MemoryContext context = AllocSetContextCreateInternal(caller, "rows of a relation", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(context);
  TupleSource* source = static_cast<TupleSource*>(palloc0(sizeof(TupleSource)));
  source->context = context;
  source->relation = relation;
  const char kind = relation->form->relkind;
  source->placed = RELKIND_HAS_STORAGE(kind);
  const Size slots = static_cast<Size>(nkeys) + 1;
  Arguments arguments = {0, static_cast<Oid*>(palloc(sizeof(Oid) * slots)),
                         static_cast<const char**>(palloc(sizeof(char*) * slots))};
  const char* text = select_text(relation, source->placed, nkeys, keys, norder, order, &arguments);
  source->rows = catalog_lookup(text, arguments.count, arguments.types, arguments.values);
  TupleDesc desc = CreateTupleDescCopy(relation->desc);
  settle_columns(source, desc);
  source->builder = make_tuple_builder(desc);
  const Size columns = static_cast<Size>(desc->natts) + 1;
  source->values = static_cast<const char**>(palloc(sizeof(char*) * columns));
  source->lengths = static_cast<int*>(palloc(sizeof(int) * columns));
  MemoryContextSwitchTo(caller);
  return source;
}

int tuple_count(const TupleSource* source) {
  return source->rows->rows();
}

HeapTuple build_tuple_of(TupleSource* source, int row) {
  const RowSet* rows = source->rows;
  const int natts = source->relation->desc->natts;
  for (int i = 0; i < natts; i++) {
    source->values[i] = rows->is_null(row, i) ? nullptr : rows->value(row, i);
    source->lengths[i] = rows->length(row, i);
  }
  HeapTuple volatile built = nullptr;
  const bool trusted_before = trusted_text;
  PG_TRY();
  {
    trusted_text = true;
    built = build_tuple(source->builder, source->values, source->lengths);
  }
  PG_FINALLY();
  { trusted_text = trusted_before; }
  PG_END_TRY();
  HeapTuple tuple = built;
  HeapTupleHeader header = tuple->t_data;
  tuple->t_tableOid = source->relation->form->oid;
  memset(&header->t_choice, 0, sizeof(header->t_choice));
  ItemPointerSetInvalid(&tuple->t_self);
  TransactionId xmin = FrozenTransactionId, xmax = InvalidTransactionId;
  if (source->placed) {
    unsigned block = 0, offset = 0;
    if (sscanf(rows->value(row, natts), "(%u,%u)", &block, &offset) == 2)
      ItemPointerSet(&tuple->t_self, block, static_cast<OffsetNumber>(offset));
    xmin = static_cast<TransactionId>(strtoul(rows->value(row, natts + 1), nullptr, 10));
    xmax = static_cast<TransactionId>(strtoul(rows->value(row, natts + 2), nullptr, 10));
  }
  header->t_ctid = tuple->t_self;
  HeapTupleHeaderSetXmin(header, xmin);
  HeapTupleHeaderSetXmax(header, xmax);
  header->t_infomask |= HEAP_XMIN_COMMITTED;
  if (!TransactionIdIsValid(xmax)) header->t_infomask |= HEAP_XMAX_INVALID;
  return tuple;
}

void close_tuples(TupleSource* source) {
  MemoryContextDelete(source->context);
}

}  // namespace bgw
